"""How the library was built, as text."""

from __future__ import annotations

import os

from . import __version__, _boundary, _generated
from ._settings import get_num_interop_threads, get_num_threads


def show() -> str:
    """The compiler's targets and what is in this build."""
    from .backends.cpu import get_cpu_capability
    from .backends.cuda import is_built

    targets = "; ".join(folder or "this machine" for folder, _ in _generated.LIBRARIES)
    lines = [
        f"opsmith {__version__} built with:",
        f"  - Instruction sets: {targets}",
        f"  - CPU capability usage: {get_cpu_capability()}",
        f"  - Tuned kernels: {'ON' if _boundary.TUNED else 'OFF'}",
        "  - LAPACK: NumPy's",
        f"  - USE_CUDA={'ON' if is_built() else 'OFF'}, USE_MKL=OFF, USE_MKLDNN=OFF, USE_MPI=OFF, "
        "USE_NCCL=OFF, USE_OPENMP=OFF",
    ]
    return "\n".join(lines) + "\n"


def parallel_info() -> str:
    """Threads: how many a kernel may use, and what says so."""
    names = ("OPSMITH_NUM_THREADS", "OPSMITH_PIN_THREADS")
    given = [f"\t{n} : {os.environ.get(n, '[not set]')}" for n in names]
    lines = [
        "Parallel:",
        f"\tget_num_threads() : {get_num_threads()}",
        f"\tget_num_interop_threads() : {get_num_interop_threads()}",
        f"processors : {os.cpu_count()}",
        "Environment variables:",
        *given,
    ]
    return "\n".join(lines) + "\n"


__all__ = ["parallel_info", "show"]
