"""What this build is of: no version of a vendor's library is part of it."""

from __future__ import annotations

from . import __version__ as __version__

debug = False
git_version = "unknown"
cuda = hip = rocm = xpu = None

__all__ = ["__version__", "cuda", "debug", "git_version", "hip", "rocm", "xpu"]
