"""The CPU."""

from __future__ import annotations


def get_cpu_capability() -> str:
    """The widest vectors that the loaded libraries use: "AVX512", "AVX2" or "DEFAULT"."""
    from .. import _generated

    needs = next(n for folder, n in _generated.LIBRARIES if _loaded(folder)).split()
    return "AVX512" if "avx512f" in needs else "AVX2" if "avx2" in needs else "DEFAULT"


def _loaded(folder: str) -> bool:
    """Was this the folder of libraries that was chosen?"""
    from .. import _generated

    return not folder or _generated.__path__[0].endswith(folder)


__all__ = ["get_cpu_capability"]
