"""Padding with zeros, a constant, mirrored, repeated or wrapped values."""

from __future__ import annotations

from typing import Any

from opsmith import Tensor
from opsmith.nn import functional as F
from opsmith.nn._sizes import ntuple
from opsmith.nn.modules.module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """Pads the last `ndim` axes by `padding`: one number, or (left, right, top, bottom, ...)."""

    ndim: int
    mode: str

    def __init__(self, padding: Any) -> None:
        """Keep the argument."""
        super().__init__()
        self.padding = ntuple(padding, 2 * self.ndim)

    def forward(self, input: Tensor) -> Tensor:
        """(.., W) -> (.., left + W + right), and so on for each axis."""
        return F.pad(input, self.padding, mode=self.mode)

    def extra_repr(self) -> str:
        """The argument."""
        return f"{self.padding}"


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        """Keep the arguments."""
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """(.., W) -> (.., left + W + right), and so on for each axis."""
        return F.pad(input, self.padding, mode="constant", value=self.value)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Pads the last axis with `value`."""

    ndim = 1


class ConstantPad2d(_ConstantPad):
    """Pads the last two axes with `value`."""

    ndim = 2


class ConstantPad3d(_ConstantPad):
    """Pads the last three axes with `value`."""

    ndim = 3


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: Any) -> None:
        """Keep the argument."""
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """The argument."""
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad):
    """Pads the last axis with zeros."""

    ndim = 1


class ZeroPad2d(_ZeroPad):
    """Pads the last two axes with zeros."""

    ndim = 2


class ZeroPad3d(_ZeroPad):
    """Pads the last three axes with zeros."""

    ndim = 3


class ReflectionPad1d(_Pad):
    """Pads the last axis by mirroring about the edge elements."""

    ndim = 1
    mode = "reflect"


class ReflectionPad2d(_Pad):
    """Pads the last two axes by mirroring about the edge elements."""

    ndim = 2
    mode = "reflect"


class ReplicationPad1d(_Pad):
    """Pads the last axis by repeating the edge elements."""

    ndim = 1
    mode = "replicate"


class ReplicationPad2d(_Pad):
    """Pads the last two axes by repeating the edge elements."""

    ndim = 2
    mode = "replicate"


class CircularPad1d(_Pad):
    """Pads the last axis by going round."""

    ndim = 1
    mode = "circular"


class CircularPad2d(_Pad):
    """Pads the last two axes by going round."""

    ndim = 2
    mode = "circular"


class ReflectionPad3d(_Pad):
    """Pads the last three axes by mirroring about the edge elements."""

    ndim = 3
    mode = "reflect"


class ReplicationPad3d(_Pad):
    """Pads the last three axes by repeating the edge elements."""

    ndim = 3
    mode = "replicate"


class CircularPad3d(_Pad):
    """Pads the last three axes by going round."""

    ndim = 3
    mode = "circular"
