"""In: an entry's dtype rule and operands. Out: the dtypes of the results.

Must not know: C. The plain reading of PyTorch's promotion, which the runtime's is compared with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..derive.op import INDEX_OUTPUTS, is_boolean, meaning_formula
from ..dtypes import BY_CODE, BY_NAME, DEFAULT_FLOAT, DType, promote
from ..formula import Name
from ..opdef import OpDef, Out, Reduce, Scan

LONG, BOOL = BY_CODE["i64"], BY_CODE["b8"]
_KINDS = ("bool", "int", "float")


@dataclass(frozen=True)
class Operand:
    """A tensor with dims, a 0-d tensor or a Python number."""

    dtype: DType
    rank: int  # 2: has dims, 1: 0-d tensor, 0: number (its dtype is i64, the default float or bool)


def number(value: object) -> Operand:
    """A Python number as an operand."""
    if isinstance(value, bool):
        return Operand(BOOL, 0)
    return Operand(LONG if isinstance(value, int) else BY_NAME[DEFAULT_FLOAT], 0)


def common(operands: Sequence[Operand]) -> DType:
    """The dtype that PyTorch computes in: dims first; 0-d and numbers count by their kind only."""
    found: DType | None = None
    for rank in (2, 1, 0):
        group = [o.dtype for o in operands if o.rank == rank]
        if not group:
            continue
        own = group[0]
        for d in group[1:]:
            own = promote(own, d)
        if found is None:
            found = own
        elif _KINDS.index(own.kind) > _KINDS.index(found.kind):
            found = own if rank else promote(own, found)
    assert found is not None
    return found


def results(op: OpDef, operands: Mapping[str, Operand]) -> tuple[DType, ...]:
    """The dtype of each output."""
    taking_part = [operands[a] for a in op.dtype.args if a in operands]
    if not taking_part:  # all are conditions: the first one's dtype
        taking_part = list(operands.values())[:1]
    base = common(taking_part) if taking_part else BY_NAME[DEFAULT_FLOAT]
    return tuple(_result(op, base, k) for k in range(len(op.schema.outputs)))


def _result(op: OpDef, base: DType, k: int) -> DType:
    output = op.schema.outputs[k]
    if output in op.dtype.outputs:
        return BY_NAME[op.dtype.outputs[output]]
    if output in INDEX_OUTPUTS or _is_position(op, k):
        return LONG
    match op.dtype.kind:
        case "always_bool":  # any() and all() of bytes are bytes, as in PyTorch
            return base if isinstance(op.meaning, Reduce) and base.code == "u8" else BOOL
        case "int_to_float" if base.kind != "float":
            return BY_NAME[DEFAULT_FLOAT]
        case "int_to_long" if base.kind != "float":
            return LONG
        case "bool_to_long" if base.kind == "bool":
            return LONG
        case "always_long":
            return LONG
    if isinstance(op.meaning, Out) and is_boolean(meaning_formula(op, output, base.kind)):
        return BOOL
    return base


def _is_position(op: OpDef, k: int) -> bool:
    """Is the output a state that starts as the position ``i``?"""
    if not isinstance(op.meaning, Reduce | Scan):
        return False
    finish = op.meaning.acc.finish[k].node
    states = {f"a{j}" for j, f in enumerate(op.meaning.acc.map) if f.node == Name("i")}
    return isinstance(finish, Name) and finish.id in states
