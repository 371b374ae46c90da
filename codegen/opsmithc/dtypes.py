"""In: nothing. Out: the table of dtypes, one row each, and what follows from a row.

Must not know: ops. A new dtype is one row of ``ROWS``; C and the frontend learn the table through
``dtype_text.py``, so that no other file lists dtypes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

KINDS = ("bool", "int", "float")  # from the lowest up: a result may go to no lower kind


@dataclass(frozen=True, slots=True)
class DType:
    """One storage dtype. ``compute`` is the dtype whose kernels it goes through.

    An integer is described by its width and sign. A float has a sign bit, ``exponent`` bits biased
    by half their range, and the rest for the significand; what C has no type for is stored as
    an unsigned integer and converted by those numbers.
    """

    name: str  # PyTorch's name
    code: str  # short name in symbols
    kind: str  # bool | int | float
    bits: int
    compute: str  # code of the compute dtype
    scalar: str  # the name of PyTorch's ScalarType, which messages and checkpoints use
    aliases: tuple[str, ...] = ()
    signed: bool = True
    exponent: int = 0  # bits of a float's exponent
    finite: bool = False  # a float without infinities, whose only NaN is all ones
    typed: bool = True  # PyTorch has a storage class and a conversion method of the name `scalar`
    safetensors: str = ""  # its name in that format, where it is not a letter and the width
    close: tuple[float, float] = (0.0, 0.0)  # rtol and atol of `testing.assert_close`

    @property
    def size(self) -> int:
        """Bytes of an element."""
        return self.bits // 8

    @property
    def mantissa(self) -> int:
        """Stored bits of a float's significand."""
        return self.bits - 1 - self.exponent

    @property
    def packed(self) -> bool:
        """A float that C has no type for."""
        return self.kind == "float" and self.bits < 32

    @property
    def ctype(self) -> str:
        """The C type of an element in memory."""
        if self.kind == "float" and not self.packed:
            return "double" if self.bits == 64 else "float"
        signed = self.kind == "int" and self.signed
        return f"{'' if signed else 'u'}int{self.bits}_t"

    @property
    def constant(self) -> str:
        """Its name in C, behind ``OPS_``."""
        return "BOOL" if self.kind == "bool" else self.code.upper()

    @property
    def category(self) -> str:
        """FLOAT, INT, UINT or BOOL: how C converts to it."""
        return "UINT" if self.kind == "int" and not self.signed else self.kind.upper()

    @property
    def numpy(self) -> str:
        """NumPy's name; '' where NumPy has no such dtype."""
        known = self.kind != "float" or self.exponent == {16: 5, 32: 8, 64: 11}.get(self.bits)
        return self.name if known else ""

    @property
    def spelling(self) -> str:
        """How C++ spells it: some of PyTorch's messages do."""
        if self.kind != "int":
            return {"bool": "bool", "float": self.ctype}[self.kind] if not self.packed else (
                f"c10::{self.scalar}"
            )  # fmt: skip
        width = {64: "long {}int", 32: "{}int", 16: "short {}int", 8: "{}char"}[self.bits]
        sign = "unsigned " if not self.signed else "signed " if self.bits == 8 else ""
        return width.format(sign)

    @property
    def stored_name(self) -> str:
        """Its name in the safetensors format."""
        if self.kind == "bool":
            return "BOOL"
        letter = "F" if self.kind == "float" else "I" if self.signed else "U"
        return self.safetensors or f"{letter}{self.bits}"

    @property
    def bias(self) -> int:
        """Of a float's exponent."""
        return int(2 ** (self.exponent - 1)) - 1

    @property
    def greatest(self) -> float:
        """The greatest finite value of a float."""
        if self.finite:  # the greatest exponent holds numbers too, all but the last one
            return float((2.0 - 2.0 ** (1 - self.mantissa)) * 2.0 ** (self.bias + 1))
        return float((2.0 - 2.0**-self.mantissa) * 2.0**self.bias)

    def holds(self, other: DType) -> bool:
        """Is every value of ``other``, of the same kind, a value of this one?"""
        if self.kind == "float":
            return self.exponent >= other.exponent and self.mantissa >= other.mantissa
        if self.signed == other.signed:
            return self.bits >= other.bits
        return self.signed and self.bits > other.bits


ROWS = (
    DType("float64", "f64", "float", 64, "f64", "Double", ("double",), exponent=11, close=(1e-7, 1e-7)),  # noqa: E501
    DType("float32", "f32", "float", 32, "f32", "Float", ("float",), exponent=8, close=(1.3e-6, 1e-5)),  # noqa: E501
    DType("bfloat16", "bf16", "float", 16, "f32", "BFloat16", exponent=8, safetensors="BF16", close=(1.6e-2, 1e-5)),  # noqa: E501
    DType("float16", "f16", "float", 16, "f32", "Half", ("half",), exponent=5, close=(1e-3, 1e-5)),
    DType("int64", "i64", "int", 64, "i64", "Long", ("long",)),
    DType("int32", "i32", "int", 32, "i32", "Int", ("int",)),
    DType("int16", "i16", "int", 16, "i32", "Short", ("short",)),
    DType("int8", "i8", "int", 8, "i32", "Char"),
    DType("uint8", "u8", "int", 8, "i32", "Byte", signed=False),
    DType("bool", "b8", "bool", 8, "b8", "Bool", signed=False),
)  # fmt: skip


def ordered(rows: Sequence[DType]) -> tuple[DType, ...]:
    """By kind, floats first: what C asks of a dtype's kind is one comparison."""
    return tuple(sorted(rows, key=lambda d: -KINDS.index(d.kind)))


TABLE = ordered(ROWS)
BY_CODE = {d.code: d for d in TABLE}
BY_NAME = {d.name: d for d in TABLE}
INDEX = {d.code: i for i, d in enumerate(TABLE)}
COMPUTE = tuple(d for d in TABLE if d.code == d.compute)
DEFAULT_FLOAT = "float32"


def promote(a: DType, b: DType, table: Sequence[DType] = TABLE) -> DType:
    """The dtype that holds both, by PyTorch's lattice."""
    if a.kind != b.kind:
        return max(a, b, key=lambda d: KINDS.index(d.kind))
    if a.holds(b) or b.holds(a):
        return a if a.holds(b) else b
    both = [d for d in table if d.kind == a.kind and d.holds(a) and d.holds(b)]
    # No integer holds int64 and uint64: as in NumPy, the widest float takes their place.
    return min(both, key=lambda d: d.bits) if both else BY_CODE["f64"]


def promotion_table(table: Sequence[DType] = TABLE) -> list[list[int]]:
    """``promote`` for every pair, by index."""
    return [[table.index(promote(a, b, table)) for b in table] for a in table]
