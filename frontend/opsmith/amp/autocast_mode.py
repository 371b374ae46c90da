"""`autocast` blocks, what asks about them, and custom functions inside them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .._core import Tensor
from .._dtypes import bfloat16, dtype, float16, float64
from .._modes import count
from ._casting import LOW, STATE, enable

_KNOWN = (
    "cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga", "maia",
    "xla", "lazy", "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone",
)  # fmt: skip
_SUPPORTED = (bfloat16, float16)


def is_autocast_available(device_type: str) -> bool:
    """Are there autocast blocks for this device?"""
    _known(device_type)
    return device_type in LOW


def _known(device_type: str) -> str:
    if device_type not in _KNOWN:
        raise RuntimeError(
            f"Expected one of {', '.join(_KNOWN)} device type at start of device string: "
            f"{device_type}"
        )
    return device_type


def _device(device_type: str) -> str:
    if _known(device_type) not in LOW:
        raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
    return device_type


class autocast:
    """A block, or a decorated function, in which ops choose the dtype they compute in.

    Args:
        device_type: whose tensors: "cpu", "cuda".
        dtype: what products are computed in: bfloat16 by default, float16 on a GPU.
        enabled: False makes a block in which nothing is converted.
        cache_enabled: convert a weight once in the outermost block.
    """

    def __init__(
        self, device_type: str, dtype: dtype | None = None, enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:  # fmt: skip
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.device = _device(device_type)
        self.fast_dtype = STATE.dtypes[self.device] if dtype is None else dtype
        self._cache_enabled = STATE.cache_enabled if cache_enabled is None else cache_enabled
        if enabled and self.device == "cuda" and not _has_cuda():
            warnings.warn("CUDA is not available. Disabling autocast.", stacklevel=2)
            enabled = False
        elif enabled and self.fast_dtype not in _SUPPORTED:
            warnings.warn(
                f"In {self.device.upper()} autocast, but the target dtype is not supported. "
                f"Disabling autocast.\n{self.device.upper()} Autocast only supports dtypes of "
                f"{', '.join(map(str, _SUPPORTED))} currently.", stacklevel=2,
            )  # fmt: skip
            enabled = False
        self._enabled = bool(enabled)
        self._before: list[tuple[bool, Any, bool]] = []

    def __enter__(self) -> autocast:
        device = self.device
        self._before.append((STATE.enabled[device], STATE.dtypes[device], STATE.cache_enabled))
        count(1)
        STATE.nesting += 1
        STATE.dtypes[device], STATE.cache_enabled = self.fast_dtype, self._cache_enabled
        enable(device, self._enabled)
        return self

    def __exit__(self, *exc: object) -> None:
        on, STATE.dtypes[self.device], STATE.cache_enabled = self._before.pop()
        enable(self.device, on)
        STATE.nesting -= 1
        if not STATE.nesting:
            STATE.cache.clear()
        count(-1)

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function, run in such a block."""
        if not callable(func):
            raise TypeError(
                f"autocast()(func) requires a callable, but got {type(func).__name__}. Did you "
                "mean to use autocast as a context manager? For example:\n    with "
                "torch.autocast(device_type=...):\n        output = model(input)"
            )

        @functools.wraps(func)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return decorated


def _has_cuda() -> bool:
    from .. import cuda

    return cuda.is_available()


# What is on --------------------------------------------------------------------------------------


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Is this thread in a block for that device?"""
    if _known(device_type) not in LOW:
        raise RuntimeError(f"unknown device type for autocast: {device_type}")
    return STATE.enabled[device_type]


def set_autocast_enabled(device_type: Any, enabled: bool | None = None) -> None:
    """Switch a device's blocks on or off, outside of any."""
    if enabled is None:
        device_type, enabled = "cuda", device_type
    if STATE.enabled[_device(device_type)] != enabled:
        count(1 if enabled else -1)
    enable(device_type, bool(enabled))


def get_autocast_dtype(device_type: str) -> dtype:
    """What products are computed in there."""
    if _known(device_type) not in LOW:
        raise RuntimeError("unsupported scalarType")
    return STATE.dtypes[device_type]


def set_autocast_dtype(device_type: str, dtype: dtype) -> None:
    """Set it."""
    STATE.dtypes[_device(device_type)] = dtype


def is_autocast_cache_enabled() -> bool:
    """Are converted weights kept?"""
    return STATE.cache_enabled


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Set it."""
    STATE.cache_enabled = bool(enabled)


def clear_autocast_cache() -> None:
    """Forget converted weights."""
    STATE.cache.clear()


def autocast_increment_nesting() -> int:
    """One block more is open; returns how many."""
    STATE.nesting += 1
    return STATE.nesting


def autocast_decrement_nesting() -> int:
    """One block less."""
    STATE.nesting -= 1
    return STATE.nesting


def is_autocast_cpu_enabled() -> bool:
    """The older name of ``is_autocast_enabled("cpu")``."""
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """The older name of ``set_autocast_enabled("cpu", ...)``."""
    set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype() -> dtype:
    """The older name of ``get_autocast_dtype("cpu")``."""
    return get_autocast_dtype("cpu")


def set_autocast_cpu_dtype(dtype: dtype) -> None:
    """The older name of ``set_autocast_dtype("cpu", ...)``."""
    set_autocast_dtype("cpu", dtype)


def get_autocast_gpu_dtype() -> dtype:
    """The older name of ``get_autocast_dtype("cuda")``."""
    return get_autocast_dtype("cuda")


def set_autocast_gpu_dtype(dtype: dtype) -> None:
    """The older name of ``set_autocast_dtype("cuda", ...)``."""
    set_autocast_dtype("cuda", dtype)


# Custom functions --------------------------------------------------------------------------------


def _cast(value: Any, device_type: str, to: dtype) -> Any:
    """Floats of a device, in any nest of containers, as another dtype; float64 stays."""
    if isinstance(value, Tensor):
        counts = value.is_floating_point() and value.dtype is not float64
        return value.to(to) if counts and value.device.type == device_type else value
    if isinstance(value, (str, bytes)) or hasattr(value, "__array_interface__"):
        return value
    if isinstance(value, Mapping):
        return {_cast(k, device_type, to): _cast(v, device_type, to) for k, v in value.items()}
    if isinstance(value, Iterable):
        items = (_cast(v, device_type, to) for v in value)
        return type(value)(items) if isinstance(value, (list, tuple)) else items  # type: ignore[call-arg]
    return value


def custom_fwd(
    fwd: Any = None, *, device_type: str, cast_inputs: dtype | None = None
) -> Callable[..., Any]:
    """Decorates the ``forward`` of a custom function: how it behaves in a block.

    With ``cast_inputs`` floats are converted and nothing is inside; without, the block goes on.
    """
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        on = is_autocast_enabled(device_type)
        args[0]._dtype = get_autocast_dtype(device_type)
        args[0]._fwd_used_autocast = on and cast_inputs is None
        if cast_inputs is None or not on:
            return fwd(*args, **kwargs)
        with autocast(device_type=device_type, enabled=False):
            return fwd(
                *_cast(args, device_type, cast_inputs), **_cast(kwargs, device_type, cast_inputs)
            )

    return decorated


def custom_bwd(bwd: Any = None, *, device_type: str) -> Callable[..., Any]:
    """Decorates its ``backward``: runs in the kind of block that ``forward`` ran in."""
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        ctx = args[0]
        on, used = ctx._fwd_used_autocast, ctx._dtype
        with autocast(device_type=device_type, enabled=on, dtype=used):
            return bwd(*args, **kwargs)

    return decorated


__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
