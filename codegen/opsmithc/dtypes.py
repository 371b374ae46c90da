"""In: nothing. Out: the table of dtypes, one row each, and what follows from a row.

Must not know: ops. A new dtype is one row here; C learns the table through ``abi.py``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DType:
    """One storage dtype. ``compute`` is the dtype whose kernels it goes through."""

    name: str  # PyTorch's name
    code: str  # short name in symbols
    ctype: str  # C type of one element in memory
    size: int
    kind: str  # bool | int | float
    compute: str  # code of the compute dtype
    numpy: str  # NumPy dtype name ("" if NumPy has none)
    aliases: tuple[str, ...] = ()
    signed: bool = True


TABLE = (
    DType("float64", "f64", "double", 8, "float", "f64", "float64", ("double",)),
    DType("float32", "f32", "float", 4, "float", "f32", "float32", ("float",)),
    DType("bfloat16", "bf16", "uint16_t", 2, "float", "f32", ""),
    DType("float16", "f16", "uint16_t", 2, "float", "f32", "float16", ("half",)),
    DType("int64", "i64", "int64_t", 8, "int", "i64", "int64", ("long",)),
    DType("int32", "i32", "int32_t", 4, "int", "i32", "int32", ("int",)),
    DType("int16", "i16", "int16_t", 2, "int", "i32", "int16", ("short",)),
    DType("int8", "i8", "int8_t", 1, "int", "i32", "int8"),
    DType("uint8", "u8", "uint8_t", 1, "int", "i32", "uint8", signed=False),
    DType("bool", "b8", "uint8_t", 1, "bool", "b8", "bool"),
)
BY_CODE = {d.code: d for d in TABLE}
BY_NAME = {d.name: d for d in TABLE}
INDEX = {d.code: i for i, d in enumerate(TABLE)}
COMPUTE = tuple(d for d in TABLE if d.code == d.compute)
KINDS = ("bool", "int", "float")
DEFAULT_FLOAT = "float32"


def promote(a: DType, b: DType) -> DType:
    """The dtype that holds both, by PyTorch's lattice."""
    if a is b:
        return a
    rank = {"bool": 0, "int": 1, "float": 2}
    if rank[a.kind] != rank[b.kind]:
        return a if rank[a.kind] > rank[b.kind] else b
    if a.kind == "float":
        if a.size == b.size:  # bfloat16 with float16: neither holds the other
            return BY_CODE["f32"]
        return a if a.size > b.size else b
    if a.signed == b.signed:
        return a if a.size > b.size else b
    signed, unsigned = (a, b) if a.signed else (b, a)
    if signed.size > unsigned.size:
        return signed
    return next(
        d for d in reversed(TABLE) if d.kind == "int" and d.signed and d.size > unsigned.size
    )


def promotion_table() -> list[list[int]]:
    """``promote`` for every pair, by index."""
    return [[INDEX[promote(a, b).code] for b in TABLE] for a in TABLE]
