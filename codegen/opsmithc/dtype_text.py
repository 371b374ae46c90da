"""In: the table of dtypes. Out: the same table for C (a header, its arrays) and for Python.

Must not know: ops. What C needs as a constant is a macro or an enumerator; what it looks up is an
array. Hand-written C walks the lists of ``opsmith/dtype_table.h``; it lists no dtypes itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import emit
from .dtypes import DEFAULT_FLOAT, TABLE, DType, promotion_table

HEADER = "opsmith/dtype_table.h"


@dataclass(frozen=True, slots=True)
class Native:
    """A dtype whose elements C computes with."""

    constant: str
    code: str
    ctype: str
    category: str


@dataclass(frozen=True, slots=True)
class Packed:
    """A float that C has no type for."""

    constant: str
    code: str
    ctype: str
    exponent: int
    mantissa: int
    finite: int


@dataclass(frozen=True, slots=True)
class DTypeHeader:
    """Context of templates/c/dtype_table.h.j2."""

    names: tuple[tuple[str, str], ...]  # constant, PyTorch's name
    floats: int
    compute: tuple[str, ...]
    default: str
    natives: tuple[Native, ...]
    packed: tuple[Packed, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """What the arrays say of one dtype."""

    constant: str
    size: int
    scalar: str
    spelling: str
    compute: str  # constant of the compute dtype
    compute_code: str
    promoted: str


@dataclass(frozen=True, slots=True)
class DTypeTables:
    """Context of templates/c/dtype_tables.c.j2."""

    rows: tuple[Row, ...]
    compute: tuple[str, ...]  # constants of the compute dtypes


@dataclass(frozen=True, slots=True)
class DTypeModule:
    """Context of templates/python/dtypes.py.j2."""

    rows: tuple[str, ...]
    default: str


def header(table: Sequence[DType] = TABLE) -> DTypeHeader:
    """The lists that C walks."""
    return DTypeHeader(
        names=tuple((d.constant, d.name) for d in table),
        floats=sum(d.kind == "float" for d in table),
        compute=tuple(d.code.upper() for d in table if d.code == d.compute),
        default=next(d.constant for d in table if d.name == DEFAULT_FLOAT),
        natives=tuple(
            Native(d.constant, d.code, d.ctype, d.category) for d in table if not d.packed
        ),
        packed=tuple(
            Packed(d.constant, d.code, d.ctype, d.exponent, d.mantissa, int(d.finite))
            for d in table
            if d.packed
        ),
    )


def tables(table: Sequence[DType] = TABLE) -> DTypeTables:
    """The arrays that C looks up."""
    constants = {d.code: d.constant for d in table}
    return DTypeTables(
        rows=tuple(
            Row(
                d.constant, d.size, d.scalar, d.spelling, constants[d.compute], d.compute.upper(),
                ", ".join(f"OPS_{table[k].constant}" for k in promoted),
            )
            for d, promoted in zip(table, promotion_table(table), strict=True)
        ),
        compute=tuple(d.constant for d in table if d.code == d.compute),
    )  # fmt: skip


def write(folder: Path, table: Sequence[DType] = TABLE) -> Path:
    """Write the header below ``folder``, and the arrays beside it; returns the C file."""
    emit.write(folder / HEADER, emit.render("c/dtype_table.h.j2", header(table)))
    source = folder / "dtype_tables.c"
    emit.write(source, emit.render("c/dtype_tables.c.j2", tables(table)))
    return source


def python_text() -> str:
    """The module ``dtypes`` of the frontend: data only."""
    context = DTypeModule(tuple(map(_python, TABLE)), DEFAULT_FLOAT)
    return emit.render("python/dtypes.py.j2", context)


def _python(d: DType) -> str:
    limits = (d.mantissa + 1, d.bias, d.greatest) if d.kind == "float" else None
    return repr(
        (d.name, d.aliases, d.kind, d.size, d.signed, d.numpy, d.scalar, d.typed, d.stored_name,
         limits, d.close if any(d.close) else None)
    )  # fmt: skip
