"""The door to C: the runtime's functions, the shards of operations, errors.

Raises ImportError with what to do when the libraries are not there.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache

from . import _cpu

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

if not getattr(sys, "_is_gil_enabled", lambda: True)():
    raise ImportError(
        "opsmith needs the interpreter lock: free-threaded Python is not supported yet"
    )

try:
    from . import _generated
except ImportError as e:  # pragma: no cover - depends on the installation
    raise ImportError(f"opsmith's libraries are not built ({e}); run: python3 build.py") from e
_cpu.choose(_generated)
try:
    from ._generated import _runtime
except ImportError as e:  # pragma: no cover - depends on the installation
    raise ImportError(f"opsmith's libraries are not built ({e}); run: python3 build.py") from e

lib, ffi = _runtime.lib, _runtime.ffi
lib.ops_install(1)
TUNED = bool(lib.ops_dispatch_load())  # False: OPSMITH_REFERENCE=1, reference kernels alone

take_status = lib.ops_take_status
SLOW_PATH, STALE_VIEW = 7, 8
SUBCLASS, ALWAYS = 2, 64  # flags of tensor.h that lead to the slow path
ENTERED = 256  # a profiler lets the next composition through
AUTOCAST = 128  # kept beside them, so that what switches all of them off switches it off too
_EXCEPTIONS = (
    RuntimeError, RuntimeError, IndexError, TypeError, ValueError, NotImplementedError, MemoryError,
)  # fmt: skip


def shard(name: str, package: str = "opsmith._generated") -> Any:
    """The C functions of a shard."""
    return importlib.import_module(f"{package}._{name}").lib


def error_text() -> str:
    """The pending error's message."""
    return ffi.string(lib.ops_error_text()).decode("utf-8", "replace")


def raise_status(status: int) -> NoReturn:
    """Raise the Python exception of a C status."""
    text = error_text()
    import re  # an error's message may take its time, an import not

    word = re.match(r'"?(\w+)', text)
    if word:
        text = text.replace(word[1], public_name(word[1]), 1)
    raise _EXCEPTIONS[status if status < len(_EXCEPTIONS) else 0](text)


def public_name(op: str) -> str:
    """What errors call an op: of one that others are made of, the function that the user called."""
    return (_called() or op) if op in _hidden() else op


@cache
def _hidden() -> frozenset[str]:
    """Ops that others are made of: users never called them."""
    return frozenset(importlib.import_module("opsmith._generated.index").HIDDEN)


def _called() -> str:
    """The public function that the user called, which the frames tell: the outermost of ours."""
    found, frame = "", sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("opsmith."):
        name, module = frame.f_code.co_name, frame.f_globals["__name__"]
        ours = module.startswith(("opsmith._generated.", "opsmith.nn.", "opsmith._random"))
        if ours and name not in _hidden() and not name.startswith(("_", "m_", "o_", "b_", "r_")):
            found = found if name in ("forward", "explain") else name
        frame = frame.f_back
    return found


def check(ok: Any) -> Any:
    """A result of the runtime, or its error raised."""
    if not ok:
        raise_status(take_status())
    return ok
