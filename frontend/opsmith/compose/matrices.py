"""What functions of matrices ask of their operands, and how they say that a matrix was no good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _functions as f
from .._core import Tensor, write_out
from .._dtypes import SCALAR_TYPE_NAMES
from .arguments import broadcast_of


def given(out: Any, result: Any, name: str) -> Any:
    """The result, in ``out`` if there is one."""
    return result if out is None else write_out(out, result, name)


def type_name(t: Tensor) -> str:
    """A dtype as PyTorch's messages of linear algebra spell it."""
    return SCALAR_TYPE_NAMES[t.dtype.code]


def matrices(name: str, A: Tensor, what: str = "A") -> None:
    """At least two dimensions.

    Raises:
        RuntimeError: fewer.
    """
    if A.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {what} must have at least 2 dimensions.")


def square(name: str, A: Tensor) -> None:
    """Square matrices.

    Raises:
        RuntimeError: others.
    """
    matrices(name, A)
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, but they are {A.shape[-2]} by "
            f"{A.shape[-1]} matrices"
        )


def one_dtype(name: str, A: Tensor, B: Tensor) -> None:
    """Both of one dtype.

    Raises:
        RuntimeError: of two.
    """
    if A.dtype is not B.dtype:
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but found A of type {type_name(A)} "
            f"and B of type {type_name(B)} instead"
        )


def equation(name: str, A: Tensor, B: Tensor, left: bool) -> None:
    """The sides of A X = B, or X A = B, fit.

    Raises:
        RuntimeError: they do not.
    """
    if A.shape[-2] != B.shape[-2 if left else -1]:
        sides = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {sides} "
            f"({A.shape[-2]}x{A.shape[-1]} and {B.shape[-2]}x{B.shape[-1]})"
        )


def batched(A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """Both with the leading dims that they broadcast to."""
    lead = broadcast_of((A.shape[:-2], B.shape[:-2]))
    return _led(A, lead), _led(B, lead)


def _led(A: Tensor, lead: Sequence[int]) -> Tensor:
    return A if tuple(A.shape[:-2]) == tuple(lead) else f.expand(A, (*lead, *A.shape[-2:]))


def refuse(info: Tensor, name: str, message: str, error: type[Exception] | None = None) -> None:
    """Raise for the first matrix of a batch that was no good; ``{info}`` of the message says where.

    Raises:
        LinAlgError: or ``error``.
    """
    if info.is_meta or not info.any():
        return
    from .._library import LinAlgError

    at, found = next((k, v) for k, v in enumerate(info.reshape(-1).tolist()) if v)
    which = f"(Batch element {at}): " if info.ndim else ""
    raise (error or LinAlgError)(f"{name}: {which}{message.format(info=found)}")
