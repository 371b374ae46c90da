"""PyTorch's public names: which are here, which are planned, which are out of scope and why.

The list itself is data (``_pytorch_names.json``, written by ``docs/pytorch_names.py``). It serves
messages about names that are missing, and the page on coverage.
"""

from __future__ import annotations

import re
from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PRESENT, PLANNED = "present", "planned"
PAGE = "the page on PyTorch's names (python3 build.py docs)"
# Why a name will not be here: reason, namespaces, names. The first that fits counts.
OUT_OF_SCOPE = (
    ("quantised tensors", r"torch\.(quantization|backends\.quantized)", r".*"),
    ("quantised tensors", r"torch(\.Tensor|\.utils)?",
     r".*quant.*|q(u?int|scheme|_)\w*|quint\w*|int_repr|.*fbgemm.*|per_(tensor|channel)_\w+|bit(s\w+)?"
     r"|u?int[1-7]|q(params)?|.*qparams.*|QInt.*|QUInt.*"),
    ("sparse tensors", r"torch\.sparse", r".*"),
    ("sparse tensors", r"torch(\.Tensor|\.optim)?",
     r".*[sS]parse.*|(un)?coalesce|is_coalesced|(crow|ccol|col|row)_indices(_copy)?|indices(_copy)?|values(_copy)?"
     r"|smm|sspaddmm|hspmm|hsmm|dsmm|saddmm|spmm|dense_dim|to_dense|SparseAdam"),
    ("nested tensors", r"torch\.nested", r".*"),
    ("nested tensors", r"torch(\.Tensor)?", r"nested|is_nested|jagged"),
    ("masked tensors", r"torch\.masked", r".*[mM]asked_?[tT]ensor.*"),
    ("TorchScript", r"torch\.jit", r".*"),
    ("TorchScript", r"torch",
     r".*Type|Script\w*|LiteScript\w*|Graph|GraphExecutorState|Block|Value|Node|Use|Argument\w*|Alias\w*"
     r"|Attribute|CallStack|Capsule|Code|Comp\w+Unit|ConcreteModule\w*|Deserial\w+|Serialization\w+"
     r"|Execution\w+|FileCheck|FunctionSchema|Gradient|IODescriptor|JITException|CompleteArgumentSpec"
     r"|BufferDict|ParameterDict|ModuleDict|StaticModule|TracingState|merge_type\w+|parse_\w+"
     r"|import_ir\w*|unify_type_list|ErrorReport|PyTorchFile\w+|OperatorInfo|Tag|DeepCopyMemoTable"
     r"|LockingLogger|LoggerBase|NoopLogger|init_num_threads|Await\w*|cpp|classes|fork|wait"),
    ("a compiler of Python programs", r"torch\.(fx|export|package|compiler|library)", r".*"),
    ("a compiler of Python programs", r"torch",
     r"sym_\w+|Sym\w+|cond|while_loop|export|fx|package|library|functionalize|_?higher_order_ops"),
    ("a compiler of Python programs", r"torch\.func", r"functionalize|debug_unwrap"),
    ("other vendors' devices and libraries", r"torch\.(xpu|mps|cuda|accelerator)(\.\w+)?", r".*"),
    ("other vendors' devices and libraries",
     r"torch\.backends\.(mkldnn|mkl|cuda|cudnn|nnpack|cusparselt)", r".*"),
    ("other vendors' devices and libraries", r"torch(\.Tensor|\.amp|\.nn\.utils)?",
     r".*(mkldnn|miopen|cudnn|vulkan|_xla|ipu|hpu|mtia|maia|metal).*|is_mps|is_xpu|xpu|mps|mtia"
     r"|has_(mkl|openmp|spectral|lapack)|USE_\w+|compiled_with_cxx11_abi"),
    ("PyTorch's own C++ side", r"torch",
     r"DispatchKey\w*|ExcludeDispatchKeyGuard|Throughput\w+|Benchmark\w+|Event|Stream|Future|AVG|SUM"
     r"|AggregationType|AcceleratorError|FatalError|DisableTorchFunction\w*|PRIVATE_OPS|thread_safe\w+"
     r"|segment_reduce|native_\w+|batch_norm_(elemt|stats|gather\w*|backward\w*|update\w*)|\w+_copy"
     r"|profiler_\w+|prepare_multi\w+|get_file_path|hash_tensor|norm_except_dim|slice_inverse"
     r"|autocast_\w+|.*_autocast_(ipu|xla)\w*|monitor|futures|is_distributed|unsafe_\w+"),
    ("PyTorch's own C++ side", r"torch\.(monitor|futures|utils\.(cpp_extension|mobile_optimizer))",
     r".*"),
    ("PyTorch's own C++ side", r"torch\.utils",
     r"Throughput\w+|throughput\w+|backend_registration|cpp_backtrace|get_cpp_backtrace"
     r"|cmake_prefix_path|generate_methods\w+|rename_privateuse1\w*|mobile_optimizer|cpp_extension"
     r"|mkldnn|bundled_inputs|backcompat"),
    ("details of PyTorch's own tools", r"torch\.(utils\.collect_env|utils\.benchmark|return_types)",
     r".*"),
)  # fmt: skip


@cache
def _data() -> dict[str, Any]:
    import json
    from pathlib import Path

    path = Path(__file__).with_name("_pytorch_names.json")
    return json.loads(path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def version() -> str:
    """The version of PyTorch whose names these are."""
    return str(_data()["version"])


def namespaces() -> list[str]:
    """``torch``, ``torch.Tensor``, ``torch.nn``, ..."""
    return list(_data()["names"])


def names(namespace: str) -> list[str]:
    """The public names of one."""
    return list(_data()["names"].get(namespace, ()))


@cache
def _rules() -> tuple[tuple[str, re.Pattern[str], re.Pattern[str]], ...]:
    return tuple((why, re.compile(where), re.compile(what)) for why, where, what in OUT_OF_SCOPE)


def reason(namespace: str, name: str) -> str | None:
    """Why a name is out of scope; None where it is not."""
    for why, where, what in _rules():
        if where.fullmatch(namespace) and what.fullmatch(name):
            return why
    return None


def here(namespace: str) -> Any:
    """Our counterpart of a namespace, None where there is none."""
    import importlib

    path = namespace.removeprefix("torch").removeprefix(".")
    if path == "Tensor":
        from ._core import Tensor

        return Tensor
    try:
        return importlib.import_module(f"opsmith.{path}" if path else "opsmith")
    except ImportError:
        return None


def has(found: Any, name: str) -> bool:
    """Is the name there? Asked without loading what needs a package that is not installed."""
    try:
        return hasattr(found, name)
    except ImportError:
        return False


def status(namespace: str, name: str) -> str:
    """``present``, ``planned``, or why it is out of scope."""
    if has(here(namespace), name):
        return PRESENT
    return reason(namespace, name) or PLANNED


class MissingName(AttributeError):
    """A name that a module does not have. What is near is looked up when the message is read."""

    def __init__(self, module: str, name: str) -> None:
        super().__init__(name=name)
        self.module = module

    def __str__(self) -> str:
        import sys

        namespace = "torch" + self.module.removeprefix("opsmith")
        parts = [f"module '{self.module}' has no attribute '{self.name}'"]
        if self.name in names(namespace):
            why = reason(namespace, self.name)
            parts.append(
                f"it is a name of PyTorch that is {f'out of scope ({why})' if why else PLANNED}, "
                f"see {PAGE}"
            )
        import difflib

        known = [n for n in dir(sys.modules[self.module]) if not n.startswith("_")]
        near = difflib.get_close_matches(self.name, known, 3)
        if near:
            parts.append(f"the nearest names are {', '.join(near)}")
        return "; ".join(parts)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.module, self.name)


def missing(module: str, name: str) -> MissingName:
    """To be raised by a module's ``__getattr__``."""
    return MissingName(module, name)


__all__ = ["OUT_OF_SCOPE", "MissingName", "missing", "names", "namespaces", "reason", "status"]
