"""In: C declarations of a shard. Out: its cffi module as C source.

Must not know: ops. The only module that imports cffi. Releasing the interpreter lock and saving
errno around every call costs more than a small kernel, so both are switched off here; drivers
release the lock themselves around long work.
"""

from __future__ import annotations

from pathlib import Path

import cffi
from cffi import recompiler

PREAMBLE = """\
#undef Py_BEGIN_ALLOW_THREADS
#undef Py_END_ALLOW_THREADS
#define Py_BEGIN_ALLOW_THREADS {
#define Py_END_ALLOW_THREADS }
#undef _cffi_restore_errno
#undef _cffi_save_errno
#define _cffi_restore_errno()
#define _cffi_save_errno()
"""
OPEN = "#pragma GCC visibility push(hidden)\n"  # calls stay inside the library
CLOSE = "#pragma GCC visibility pop\n"
INSTALL = """
#include "opsmith/python_tensor.h"

void ops_install(int on)
{
    ops_gil_release = on ? (void *(*)(void))PyEval_SaveThread : NULL;
    ops_gil_acquire = on ? (void (*)(void *))PyEval_RestoreThread : NULL;
}

int ops_install_tensor_type(const char *module)
{
    return install_tensor_type(module);
}
"""


def module(name: str, declarations: str, include: str, target: Path, extra: str = "") -> None:
    """Write the C source of cffi module ``name`` that wraps ``declarations``.

    They stand in the header ``include``; if that is "", in other objects of the same library.
    """
    ffi = cffi.FFI()
    ffi.cdef(declarations)
    own = f'#include "{include}"\n' if include else f"{OPEN}{declarations}{CLOSE}"
    preamble = f"{PREAMBLE}{own}{extra}"
    ffi.set_source(name, preamble)
    target.parent.mkdir(parents=True, exist_ok=True)
    recompiler.make_c_source(ffi, name, preamble, str(target), verbose=False)
