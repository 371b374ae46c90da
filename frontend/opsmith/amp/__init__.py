"""Mixed precision: products in a small dtype, losses in float32, gradients scaled.

``with autocast("cpu"):`` computes matrix products and convolutions in bfloat16 and losses in
float32; which op does what its registry entry says (key ``autocast``).
"""

from __future__ import annotations

from .autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from .grad_scaler import GradScaler


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)


__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
