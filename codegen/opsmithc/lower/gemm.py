"""Comes in: the `gemm` section of schedules.yaml and the name of an instruction set.

Goes out: one GemmFile a dtype, everything templates/c/gemm.c.j2 prints, already decided.
Must not know: the registry, the IR of single ops, how files are rendered or compiled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

C_TYPES = {"f32": ("float", 4), "f64": ("double", 8)}

# One machine instruction addresses base + {0, 1, 2} * stride; a pointer serves three rows of a.
ROWS_PER_POINTER = 3


@dataclass(frozen=True)
class Tail:
    """How an instruction set loads and stores the first `count` lanes of a vector."""

    type: str
    make: str
    load: tuple[str, ...]
    store: tuple[str, ...]
    masks: bool  # a partial load costs no more than a whole one


@dataclass(frozen=True)
class VectorSet:
    """An instruction set as the micro-kernels see it."""

    bytes: int
    headers: tuple[str, ...]
    tails: Mapping[str, Tail]


_BY_LANE = Tail(
    type="int64_t",
    make="count",
    load=(
        "vec v = {0};",
        "for (int64_t i = 0; i < t; ++i) {",
        "    v[i] = p[i];",
        "}",
        "return v;",
    ),
    store=("for (int64_t i = 0; i < t; ++i) {", "    p[i] = v[i];", "}"),
    masks=False,
)


def _avx512(ps: str, bits: int) -> Tail:
    return Tail(
        type=f"__mmask{bits}",
        make="(tail)((1u << count) - 1)",
        load=(f"return (vec)_mm512_maskz_loadu_{ps}(t, p);",),
        store=(f"_mm512_mask_storeu_{ps}(p, t, (__m512{ps[1:].replace('s', '')})v);",),
        masks=True,
    )


def _avx2(ps: str, itype: str, lanes: int) -> Tail:
    order = "{" + ", ".join(str(i) for i in range(lanes)) + "}"
    return Tail(
        type="__m256i",
        make=f"(tail)((vec_bits){order} < ({itype})count)",
        load=(f"return (vec)_mm256_maskload_{ps}(p, t);",),
        store=(f"_mm256_maskstore_{ps}(p, t, (__m256{ps[1:].replace('s', '')})v);",),
        masks=True,
    )


VECTOR_SETS = {
    "avx512": VectorSet(64, ("immintrin.h",), {"f32": _avx512("ps", 16), "f64": _avx512("pd", 8)}),
    "avx2": VectorSet(
        32, ("immintrin.h",), {"f32": _avx2("ps", "int32_t", 8), "f64": _avx2("pd", "int64_t", 4)}
    ),
    "generic": VectorSet(16, (), {"f32": _BY_LANE, "f64": _BY_LANE}),
}


@dataclass(frozen=True)
class Schedule:
    """Tile sizes: mr rows by `vectors` vectors in registers, (kc, nc) of b packed at a time."""

    mr: int
    vectors: int
    kc: int
    nc: int
    small_b: int


@dataclass(frozen=True)
class Tile:
    """One micro-kernel: its name and its statements, grouped as the template places them."""

    symbol: str
    rows: int
    columns: str  # for the comment: "2 vectors, the last partial"
    declare: tuple[str, ...]
    begin_segment: tuple[str, ...]
    step: tuple[str, ...]
    add_c: tuple[str, ...]
    store: tuple[str, ...]


@dataclass(frozen=True)
class TileTable:
    """The micro-kernels that read a in one order; names[vectors - 1][rows - 1][partial]."""

    symbol: str
    names: tuple[tuple[tuple[str, str], ...], ...]


@dataclass(frozen=True)
class GemmFile:
    """Context of templates/c/gemm.c.j2."""

    dtype: str
    ctype: str
    itype: str
    isa: str
    headers: tuple[str, ...]
    vector_bytes: int
    lanes: int
    rows: int
    vectors: int
    kc: int
    nc: int
    small_b: int
    tail: Tail
    tiles: tuple[Tile, ...]
    tables: tuple[TileTable, ...]
    transpose: tuple[str, ...]

    @property
    def path(self) -> str:
        """File name of the generated source."""
        return f"gemm_{self.dtype}_{self.isa}.c"


def gemm_contexts(schedules: Mapping[str, Any], isa: str) -> list[GemmFile]:
    """One generated file a dtype for the instruction set `isa`."""
    if isa not in VECTOR_SETS:
        raise ValueError(f"gemm: instruction set {isa!r}; known are {', '.join(VECTOR_SETS)}")
    return [
        _file(dtype, isa, Schedule(**schedule_entry(schedules, ("gemm", isa, dtype), Schedule)))
        for dtype in C_TYPES
    ]


def schedule_entry(
    schedules: Mapping[str, Any], place: tuple[str, ...], record: type
) -> dict[str, int]:
    """The entry at `place`, which has the fields of the dataclass `record` and no others."""
    entry: Any = schedules
    for key in place:
        if key not in entry:
            raise ValueError(f"schedules.yaml: {'.'.join(place)}: no {key!r} among {list(entry)}")
        entry = entry[key]
    wanted = [f.name for f in fields(record)]
    if sorted(entry) != sorted(wanted):
        raise ValueError(f"schedules.yaml: {'.'.join(place)} has {list(entry)}; expected {wanted}")
    return dict(entry)


def _file(dtype: str, isa: str, plan: Schedule) -> GemmFile:
    ctype, size = C_TYPES[dtype]
    vectors = VECTOR_SETS[isa]
    lanes = vectors.bytes // size
    tail = vectors.tails[dtype]
    tiles: list[Tile] = []
    tables: list[TileTable] = []
    for by_rows in (False, True):
        table = []
        for count in range(1, plan.vectors + 1):
            line = []
            for rows in range(1, plan.mr + 1):
                whole = _tile(by_rows, rows, count, False, tail.masks)
                partial = _tile(by_rows, rows, count, True, tail.masks)
                tiles += [whole, partial]
                line.append((whole.symbol, partial.symbol))
            table.append(tuple(line))
        tables.append(TileTable("tiles_by_rows" if by_rows else "tiles_by_columns", tuple(table)))
    return GemmFile(
        dtype=dtype,
        ctype=ctype,
        itype=f"int{8 * size}_t",
        isa=isa,
        headers=vectors.headers,
        vector_bytes=vectors.bytes,
        lanes=lanes,
        rows=plan.mr,
        vectors=plan.vectors,
        kc=plan.kc,
        nc=plan.nc,
        small_b=plan.small_b,
        tail=tail,
        tiles=tuple(tiles),
        tables=tuple(tables),
        transpose=_transpose(lanes),
    )


def _tile(by_rows: bool, rows: int, vectors: int, partial: bool, masks: bool) -> Tile:
    """Statements of one micro-kernel; c{i}_{j} accumulates row i, vector j."""

    def at(base: str, j: int) -> str:
        return (base, f"{base} + LANES")[j] if j < 2 else f"{base} + {j} * LANES"

    def load(base: str, j: int, masked: bool) -> str:
        if masked and j == vectors - 1:
            return f"load_tail({at(base, j)}, last)"
        return f"load({at(base, j)})"

    def store(base: str, j: int, value: str) -> str:
        if partial and j == vectors - 1:
            return f"store_tail({at(base, j)}, last, {value});"
        return f"store({at(base, j)}, {value});"

    names = [[f"c{i}_{j}" for j in range(vectors)] for i in range(rows)]
    order = "rows" if by_rows else "columns"
    pointers = range(0, rows, ROWS_PER_POINTER) if by_rows else range(1)
    step = [f"const vec b{j} = {load('b', j, partial and masks)};" for j in range(vectors)]
    for i in range(rows):
        near = f"a{i - i % ROWS_PER_POINTER}[{_times(i % ROWS_PER_POINTER)}]"
        value = near if by_rows else f"a0[{i}]"
        sums = " ".join(f"{names[i][j]} += x{i} * b{j};" for j in range(vectors))
        step.append(f"const real x{i} = {value}; {sums}")
    step += [f"++a{p};" if by_rows else "a0 += a_step;" for p in pointers]
    step.append("b += b_row;")
    return Tile(
        symbol=f"tile_by_{order}_{rows}x{vectors}{'_partial' if partial else ''}",
        rows=rows,
        columns=f"{vectors} vector{'s'[: vectors - 1]}{', the last partial' if partial else ''}",
        declare=tuple(f"vec {', '.join(f'{n} = {{0}}' for n in line)};" for line in names),
        begin_segment=tuple(
            f"const real *a{p} = a + offset[s]{f' + {p} * a_step' if p else ''};" for p in pointers
        ),
        step=tuple(step),
        add_c=tuple(
            " ".join(f"{n} += {load(_row(i), j, partial)};" for j, n in enumerate(line))
            for i, line in enumerate(names)
        ),
        store=tuple(
            " ".join(store(_row(i), j, n) for j, n in enumerate(line))
            for i, line in enumerate(names)
        ),
    )


def _times(i: int) -> str:
    return ("0", "a_step", "2 * a_step")[i]


def _row(i: int) -> str:
    return ("c", "c + c_row")[i] if i < 2 else f"c + {i} * c_row"


def _transpose(lanes: int) -> tuple[str, ...]:
    """Exchange of ever larger off-diagonal blocks of a (lanes, lanes) tile held in r[0..lanes)."""
    lines = []
    half = 1
    while half < lanes:
        for i in range(lanes):
            if i & half:
                continue
            low = [j if not j & half else lanes + j - half for j in range(lanes)]
            high = [j + half if not j & half else lanes + j for j in range(lanes)]
            a, b = f"r[{i}]", f"r[{i + half}]"
            lines += [*_shuffle("low", a, b, low), *_shuffle(b, a, b, high), f"{a} = low;"]
        half *= 2
    return tuple(lines)


def _shuffle(target: str, a: str, b: str, picks: list[int]) -> tuple[str, str]:
    """Two lines: sixteen lanes do not fit one."""
    return (
        f"{target} = __builtin_shufflevector({a}, {b},",
        f"{' ' * 8}{', '.join(map(str, picks))});",
    )
