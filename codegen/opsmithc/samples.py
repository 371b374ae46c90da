"""In: an op. Out: arguments for it, drawn from its samples: NumPy arrays and plain values.

Must not know: readings or targets. Deterministic: the seed is the op's name, the sample's number
and the caller's own. Tests, the fuzzer and the matrix ask here what an op can be given.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .derive.rows import Rows
from .dtypes import BY_CODE, BY_NAME, DType
from .formula import Binary, Call, Unary, walk
from .opdef import Body, Index, OpDef, Out, Reduce, Scan
from .reader import literal
from .schema import Param

RANGE = (-3.0, 3.0)
INTEGERS = (0, 3)  # where neither a range nor an int_range is given for positions
_FORMS: Mapping[str, Callable[[Any], Any]] = {
    "": lambda a: a,
    "symmetric": lambda a: (a + np.swapaxes(a, -1, -2)) / 2,
    "definite": lambda a: a @ np.swapaxes(a, -1, -2) + np.eye(a.shape[-1]),
}
_FILL = {"Scalar": 0.7, "float": 0.7, "int": 1, "bool": False, "str": ""}
FLOAT = BY_CODE["f64"]
NATURAL = (FLOAT, BY_CODE["i64"], BY_CODE["b8"])


@dataclass(frozen=True)
class Case:
    """Arguments of one call by parameter name; tensors are arrays of ``dtypes[name]``.

    Of a dtype that NumPy lacks, like bfloat16, arrays are float32, rounded to what it holds.
    """

    op: OpDef
    number: int  # of the sample
    args: Mapping[str, Any]
    dtypes: Mapping[str, DType]

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of the arguments that are single tensors."""
        return tuple(n for n, v in self.args.items() if isinstance(v, np.ndarray))

    def __str__(self) -> str:
        """``sample 0: input float64[3, 4], dim=1``."""
        parts = []
        for name, v in self.args.items():
            if isinstance(v, np.ndarray):
                parts.append(f"{name} {self.dtypes[name].name}{list(v.shape)}")
            elif isinstance(v, list) and v and isinstance(v[0], np.ndarray):
                shapes = ", ".join(str(list(a.shape)) for a in v)
                parts.append(f"{name} {self.dtypes[name].name}[{shapes}]")
            else:
                parts.append(f"{name}={v!r}")
        return f"sample {self.number}: {', '.join(parts)}"


def natural(op: OpDef) -> DType:
    """float64 where the op takes it, else int64, else bool."""
    return next((d for d in NATURAL if not refusal(op, d)), FLOAT)


def cases(op: OpDef, dtype: DType | None = None, seed: int = 0) -> Iterator[Case]:
    """One case a sample; ``dtype`` is that of every tensor that is no condition or index."""
    dtype = natural(op) if dtype is None else dtype
    for number, sample in enumerate(op.samples):
        yield case(op, number, sample, dtype, seed)


def case(op: OpDef, number: int, sample: Mapping[str, object], dtype: DType, seed: int = 0) -> Case:
    """The arguments that ``sample`` describes."""
    rng = np.random.default_rng([zlib.crc32(op.name.encode()), number, seed])
    args: dict[str, Any] = {}
    dtypes: dict[str, DType] = {}
    for p in op.schema.params:
        stated = sample.get(p.name)
        if p.type.base != "Tensor":
            args[p.name] = _plain(op, p, sample)
            continue
        if stated is None and (p.name in sample or p.type.optional):
            args[p.name] = None
            continue
        own = dtype_of(op, p.name, dtype, sample)
        dtypes[p.name] = own
        if p.type.is_list:
            shapes = stated if isinstance(stated, list) else [[]]
            args[p.name] = [
                None if s is None else draw(op, p.name, _shape(s), own, sample, rng) for s in shapes
            ]
        elif isinstance(stated, int | float):
            args[p.name] = np.asarray(stated, storage(own))
        else:
            args[p.name] = draw(op, p.name, _shape(stated or []), own, sample, rng)
    return Case(op, number, args, dtypes)


def _shape(stated: object) -> tuple[int, ...]:
    assert isinstance(stated, list), stated
    return tuple(int(s) for s in stated)


def dtype_of(op: OpDef, param: str, dtype: DType, sample: Mapping[str, object]) -> DType:
    """The dtype of a tensor argument: conditions are bool, indices int64, others ``dtype``."""
    stated = _own(op, sample, "dtype", param)
    if isinstance(stated, str):
        return BY_NAME[stated]
    kind = op.dtype.classes.get(param)
    if kind == "bool" and len(op.schema.tensors) > 1:  # alone, it is read as truth values
        return BY_CODE["b8"]
    return BY_CODE["i64"] if kind == "integral" else dtype


def draw(
    op: OpDef, param: str, shape: Sequence[int], dtype: DType, sample: Mapping[str, object],
    rng: np.random.Generator,
) -> Any:  # fmt: skip
    """An array of ``dtype`` from the sample's values, range or int_range."""
    shape = tuple(shape)
    if dtype.kind == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    values = _own(op, sample, "values", param)
    if isinstance(values, list):
        chosen = [float(v) for v in values]
        if dtype.kind == "int":
            chosen = [v for v in chosen if np.isfinite(v)] or [0.0]
        return rounded(rng.choice(np.asarray(chosen), shape), dtype)
    low, high = bounds(op, param, dtype, sample)
    if dtype.kind == "int":
        return rng.integers(int(low), max(int(low) + 1, int(high)), shape).astype(storage(dtype))
    drawn = rng.uniform(low, high, shape)
    square = len(shape) > 1 and shape[-1] == shape[-2]  # a fuzzed one may not be
    return rounded(_FORMS[form(op, param, sample)](drawn) if square else drawn, dtype)


def form(op: OpDef, param: str, sample: Mapping[str, object]) -> str:
    """Which matrices a tensor's last two dimensions hold: any, or those of a sample's ``form``."""
    stated = _own(op, sample, "form", param)
    return stated if isinstance(stated, str) else ""


def together(case: Case, param: str) -> list[list[int]]:
    """Flat positions of a tensor's elements, those together that only move together.

    An op of symmetric matrices has derivatives along these alone.
    """
    array = case.args[param]
    places = np.arange(array.size).reshape(array.shape)
    if not form(case.op, param, case.op.samples[case.number]):
        return [[k] for k in range(array.size)]
    pairs = np.stack([places, np.swapaxes(places, -1, -2)]).reshape(2, -1)
    return [sorted({int(a), int(b)}) for a, b in pairs.T if a <= b]


def bounds(
    op: OpDef, param: str, dtype: DType, sample: Mapping[str, object]
) -> tuple[float, float]:
    """The half-open range that a tensor's elements are drawn from."""
    integers, numbers = _own(op, sample, "int_range", param), _own(op, sample, "range", param)
    positions = op.dtype.classes.get(param) == "integral"
    if isinstance(integers, list) and (positions or dtype.kind == "int"):
        return float(integers[0]), float(integers[1])
    if positions:
        return INTEGERS
    low, high = RANGE
    if isinstance(numbers, list):
        low, high = max(float(numbers[0]), -1e4), min(float(numbers[1]), 1e4)
    if dtype.kind != "int":
        return low, high
    low, high = float(np.ceil(low)), float(np.floor(high)) + 1
    if not dtype.signed:
        low = max(low, 0.0)
    most = 2.0 ** (8 * dtype.size - 1) - 1
    return max(low, -most), min(high, most)


def _own(op: OpDef, sample: Mapping[str, object], key: str, param: str) -> object:
    """What a sample says for one tensor, or for all; a parameter of that name comes first."""
    if any(p.name == key for p in op.schema.params):
        return None
    stated = sample.get(key)
    return stated.get(param) if isinstance(stated, dict) else stated


def _plain(op: OpDef, p: Param, sample: Mapping[str, object]) -> Any:
    """An argument that is no tensor: stated, the default, or a filler."""
    if p.name in sample:
        value = sample[p.name]
        if value is None and p.type.base == "str" and not p.type.optional:
            return "none"  # YAML reads the word as nothing
        return BY_NAME[value] if p.type.base == "dtype" and isinstance(value, str) else value
    if p.default is None:
        return None if p.type.optional else ([] if p.type.is_list else _FILL.get(p.type.base))
    others = {q.name: q for q in op.schema.params}
    value = literal(p.default)
    if isinstance(value, str) and value in others and value != p.name:  # int[2] stride=kernel_size
        return _plain(op, others[value], sample)
    return value


# Dtypes as NumPy stores them ---------------------------------------------------------------------


def storage(dtype: DType) -> Any:
    """The NumPy dtype of an array of ``dtype``."""
    return np.dtype(dtype.numpy or "float32")


def rounded(values: Any, dtype: DType) -> Any:
    """Values as ``dtype`` holds them, in an array that NumPy can store."""
    with np.errstate(all="ignore"):
        array = np.asarray(values)
        if dtype.numpy:
            return array.astype(storage(dtype))
        exact = np.asarray(array, np.float64)
        # The last place of each value, which of denormals is that of the least normal number.
        place = np.maximum(np.frexp(exact)[1], 2 - dtype.bias) - 1 - dtype.mantissa
        near = np.ldexp(np.rint(np.ldexp(exact, -place)), place)
        near = np.where(np.isfinite(exact), near, exact)
        beyond = np.nan if dtype.finite else np.copysign(np.inf, exact)
        return np.where(np.abs(near) > dtype.greatest, beyond, near).astype(storage(dtype))


# What an op takes --------------------------------------------------------------------------------


def refusal(op: OpDef, dtype: DType, ops: Mapping[str, OpDef] | None = None) -> str:
    """Why the op does not take tensors of ``dtype``; '' where it does.

    With ``ops``, the registry by name, a composition takes what the ops it calls take.
    """
    for key in (dtype.name, dtype.code, dtype.kind):
        if key in op.unsupported:
            return op.unsupported[key]
    if op.dtype.kind == "int_to_float" and dtype.kind != "float":
        return ""  # converted before the formula is read
    match op.meaning:
        case Out():
            return _no_formula(op, dtype)
        case Reduce() | Scan():
            return _no_kernel(op, dtype)
        case Index():
            return _no_loops(op, dtype)
        case Rows():
            return "" if dtype.kind == "float" else f"no formula for {dtype.kind}"
        case Body() if ops is not None:
            return _composed(op, dtype, ops, frozenset({op.name}))
    return ""


def _no_formula(op: OpDef, dtype: DType) -> str:
    from .lower.pointwise import forward_kernels, input_class

    if all(input_class(op, p.name) != "common" for p in op.schema.tensors):
        return ""
    kinds = {BY_CODE[k.compute].kind for k in forward_kernels(op)}
    return "" if dtype.kind in kinds else f"no formula for {dtype.kind}"


def _no_kernel(op: OpDef, dtype: DType) -> str:
    from .lower.accumulate import accumulate_kernels

    kinds = {BY_CODE[k.compute].kind for k in accumulate_kernels(op)}
    if op.dtype.classes:
        return ""
    kind = "int" if dtype.kind == "bool" else dtype.kind
    return "" if kind in kinds else f"no formula for {dtype.kind}"


def _no_loops(op: OpDef, dtype: DType) -> str:
    from .derive.index import analyse
    from .lower.index import element_types

    if not [a for a in op.dtype.args if a not in op.dtype.classes]:
        return ""
    kinds = {BY_CODE[c].kind for c in element_types(analyse(op))}
    return "" if dtype.kind in kinds else f"no loops over {dtype.kind}"


def _composed(op: OpDef, dtype: DType, ops: Mapping[str, OpDef], seen: frozenset[str]) -> str:
    """The first op called by a body that refuses ``dtype``."""
    assert isinstance(op.meaning, Body)
    symbols = {
        v.partition(":")[2]: o
        for o in ops.values()
        for v in o.variants
        if v.startswith("operator:")
    }
    for _, block, _ in op.meaning.cases:
        for node in (n for tree in (*(v for _, v in block.lets), block.result) for n in walk(tree)):
            called = (
                ops.get(node.fn) if isinstance(node, Call)
                else symbols.get(node.op) if isinstance(node, Binary)
                else symbols.get("neg") if isinstance(node, Unary) and node.op == "-" else None
            )  # fmt: skip
            if called is None or called.name in seen:
                continue
            if isinstance(called.meaning, Body):
                found = _composed(called, dtype, ops, seen | {called.name})
            else:
                found = refusal(called, dtype)
            if found:
                return f"calls {called.name}, which does not take it ({found})"
    return ""
