"""Limits of the number formats: ``finfo`` and ``iinfo``."""

from __future__ import annotations

from ._create import get_default_dtype
from ._dtypes import dtype


class finfo:
    """Limits of a floating-point dtype: ``bits, eps, max, min, tiny, smallest_normal, resolution``."""  # noqa: E501

    def __init__(self, type: dtype | None = None) -> None:
        d = type or get_default_dtype()
        if d.limits is None:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'"  # noqa: E501
            )
        digits, bias, self.max = d.limits
        self.bits, self.dtype = 8 * d.itemsize, d._name
        self.eps = 2.0 ** (1 - digits)
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0 ** (1 - bias)
        self.resolution = 10.0 ** -int((digits - 1) * 0.30103)

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "  # noqa: E501
            f"smallest_normal={self.tiny:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer dtype: ``bits, max, min``."""

    def __init__(self, type: dtype) -> None:
        if type.is_floating_point or type._name == "bool":
            raise TypeError(
                "torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'"  # noqa: E501
            )
        self.bits, self.dtype = 8 * type.itemsize, type._name
        signed = type.is_signed
        self.min = -(2 ** (self.bits - 1)) if signed else 0
        self.max = 2 ** (self.bits - signed) - 1

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"


__all__ = ["finfo", "iinfo"]
