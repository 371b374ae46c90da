"""Which dtypes come of others: result_type, promote_types, can_cast."""

from __future__ import annotations

from . import _core, _functions
from ._create import zeros
from ._dtypes import CPU, dtype

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def result_type(tensor1: Any, tensor2: Any) -> dtype:
    """The dtype that an operation on both (tensors or numbers) would have."""
    a, b = (_core.as_operand(v) for v in (tensor1, tensor2))
    meta = [v if v.ndim == 0 else zeros((1,), dtype=v.dtype, device=CPU) for v in (a, b)]
    return _functions.add(*meta).dtype


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The dtype that holds both."""
    _need(type1, "promote_types", "type1")
    _need(type2, "promote_types", "type2")
    a, b = (zeros((1,), dtype=d, device=CPU) for d in (type1, type2))
    return _functions.add(a, b).dtype


def can_cast(from_: dtype, to: dtype) -> bool:
    """May an operation write ``from_`` into ``to``? Not floats to integers, nor those to bools."""
    _need(from_, "can_cast", "from_")
    _need(to, "can_cast", "to")
    return from_.kind_rank <= to.kind_rank


def _need(d: Any, name: str, param: str) -> None:
    if not isinstance(d, dtype):
        raise TypeError(f"{name}(): argument '{param}' must be torch.dtype, not {type(d).__name__}")
