"""opsmith: tensors whose operations are compiled from a registry; PyTorch's API.

``import opsmith as torch`` runs a PyTorch program.
"""

from __future__ import annotations

import importlib
import os
from math import e, inf, nan, pi

from . import _core, _create, _dtypes
from ._core import Tensor
from ._create import (
    empty,
    empty_like,
    empty_strided,
    full,
    full_like,
    get_default_dtype,
    ones,
    ones_like,
    set_default_dtype,
    tensor,
    zeros,
    zeros_like,
)  # fmt: skip
from ._dtypes import (
    Size,
    channels_last,
    channels_last_3d,
    contiguous_format,
    device,
    dtype,
    layout,
    memory_format,
    preserve_format,
    strided,
)  # fmt: skip
from ._foreign import as_tensor, asarray, from_dlpack, from_file, from_numpy, frombuffer
from ._places import get_default_device, set_default_device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

for _name, _value in _dtypes.NAMES.items():
    globals()[_name] = _value
from . import (
    _draws,
    _forms,
    _functions,
    _index,
    _legacy,
    _loading,
    _method_functions,
    _methods,
    _tensor,
    _tensor_copies,
    _tensor_gradient,
    _tensor_memory,
    _tensor_new,
    _tensor_values,
)
from ._overloads import allclose, equal, is_nonzero, scatter, std, var, where
from ._random import (
    Generator,
    bernoulli,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    multinomial,
    normal,
    poisson,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    seed,
    set_rng_state,
)  # fmt: skip
from ._ranges import arange, eye, linspace, logspace, tril_indices, triu_indices
from ._ranges import range_ as range
from .autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)  # fmt: skip

newaxis = None

_LAZY = (
    "__config__", "accelerator", "amp", "autograd", "backends", "compiler", "compose", "cpu",
    "cuda", "distributed", "func", "hub", "jit", "linalg", "mps", "multiprocessing", "nn",
    "ops", "optim", "overrides", "profiler", "random", "safetensors", "serialization",
    "special", "storage", "testing", "types", "utils", "version", "viz", "xpu",
)  # fmt: skip
_LATE = {  # functions of modules that load on first touch
    "set_printoptions": "_print", "save": "serialization", "load": "serialization",
    **{name: "_legacy" for name in ("set_default_tensor_type", *_legacy.TYPES)},
    **{f"{d.scalar}Storage": "storage" for d in _dtypes.DTYPES if d.typed},
    "TypedStorage": "storage", "UntypedStorage": "storage",
    **dict.fromkeys((
        "SymBool", "SymFloat", "SymInt", "cond", "sym_float", "sym_int", "sym_ite", "sym_max",
        "sym_min", "sym_not", "sym_sqrt", "sym_sum", "while_loop",
    ), "_symbols"),
    **dict.fromkeys((
        "bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window",
    ), "_windows"),
    **dict.fromkeys(_method_functions.NAMES, "_method_functions"),
    **dict.fromkeys(("can_cast", "promote_types", "result_type"), "_type_rules"),
    **dict.fromkeys((
        "empty_permuted", "fill", "frobenius_norm", "native_norm", "nonzero_static",
        "scalar_tensor", "to_dlpack", "unravel_index",
    ), "_forms"),
    **dict.fromkeys((
        "adaptive_max_pool1d", "affine_grid_generator", "bilinear", "conv_tbc", "convolution",
        "ctc_loss", "embedding_renorm_", "feature_alpha_dropout", "feature_alpha_dropout_",
        "grid_sampler", "grid_sampler_2d", "grid_sampler_3d", "gru", "lstm", "native_batch_norm",
        "native_channel_shuffle", "native_dropout", "native_group_norm", "native_layer_norm",
        "norm_except_dim", "rnn_relu", "rnn_tanh", "rrelu", "rrelu_",
    ), "nn._native"),
    "binomial": "_draws", "gradient": "compose.statistics",
    "histogram": "compose.histograms", "histogramdd": "compose.histograms",
    "finfo": "_numeric", "iinfo": "_numeric", "broadcast_shapes": "compose.grids",
    **dict.fromkeys((
        "are_deterministic_algorithms_enabled", "compile", "get_deterministic_debug_mode",
        "get_device_module", "get_float32_matmul_precision", "get_num_interop_threads",
        "get_num_threads", "is_deterministic_algorithms_warn_only_enabled",
        "is_warn_always_enabled", "set_deterministic_debug_mode", "set_float32_matmul_precision",
        "set_flush_denormal", "set_num_interop_threads", "set_num_threads", "set_warn_always",
        "typename", "use_deterministic_algorithms",
    ), "_settings"),
    **dict.fromkeys((
        "autocast", "autocast_decrement_nesting", "autocast_increment_nesting",
        "clear_autocast_cache", "get_autocast_cpu_dtype", "get_autocast_dtype",
        "get_autocast_gpu_dtype", "is_autocast_cache_enabled", "is_autocast_cpu_enabled",
        "is_autocast_enabled", "set_autocast_cache_enabled", "set_autocast_cpu_dtype",
        "set_autocast_cpu_enabled", "set_autocast_dtype", "set_autocast_enabled",
        "set_autocast_gpu_dtype",
    ), "amp.autocast_mode"),
    "GradScaler": "amp.grad_scaler", "vmap": "func",
    "is_anomaly_enabled": "autograd.anomaly", "set_anomaly_enabled": "autograd.anomaly",
    "is_anomaly_check_nan_enabled": "autograd.anomaly",
    "is_inference_mode_enabled": "autograd.grad_mode",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"opsmith.{name}")
    if name in _LATE:
        return getattr(importlib.import_module(f"opsmith.{_LATE[name]}"), name)
    if name == "__all__":
        return [n for n in __dir__() if not n.startswith("_")]
    if name.startswith("__"):
        raise AttributeError(name)
    if _loading.home(name) is not None and name in _loading.names():
        globals()[name] = found = _loading.lookup(name)
        return found
    from ._names import missing

    raise missing(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *_LATE, *_loading.names()})


def is_tensor(obj: Any) -> bool:
    """Is it a Tensor?"""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Is the dtype a float?"""
    _core.need_tensor("is_floating_point", input=input)
    return input.is_floating_point()


def numel(input: Tensor) -> int:
    """Number of elements."""
    _core.need_tensor("numel", input=input)
    return input.numel()


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:  # noqa: F811
    """A copy that stays on the graph."""
    _core.need_tensor("clone", input=input)
    return input.clone(memory_format=memory_format)


def is_storage(obj: Any) -> bool:
    """Is it a storage, typed or untyped?"""
    from .storage import TypedStorage, UntypedStorage

    return isinstance(obj, (TypedStorage, UntypedStorage))


if os.environ.get("OPSMITH_TRACE", "0") not in ("", "0"):
    importlib.import_module("opsmith.profiler._trace").start()
