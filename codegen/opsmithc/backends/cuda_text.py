"""What the CUDA contexts of all families share: types of elements, numbers, rows of the table.

Must not know: any op or family.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..dtypes import DType
from ..ir import BOOL, COMMON, LONG

CLASS = {COMMON: "ops_common", BOOL: "ops_bool", LONG: "ops_long"}
# Storage types that get kernels of their own; all others go through the conversions of ops_any.
STORAGE = {
    "f64": ("double",),
    "f32": ("float", "ops_short_float"),
    "i64": ("int64_t",),
    "i32": ("int32_t",),
    "b8": ("bool",),
}
ELEMENT = {BOOL: "uint8_t", LONG: "int64_t"}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number the kernel reads: a member of the functor."""

    ctype: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Launchers:
    """The row of one descriptor in the table: launchers by compute dtype."""

    symbol: str
    key: str
    launchers: tuple[str, ...]


def element(cls: str, dtype: DType) -> str:
    """The C type of an element of this class inside a kernel of this compute dtype."""
    return ELEMENT.get(cls, dtype.ctype)
