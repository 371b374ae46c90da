"""Linear algebra: factorisations, solvers, norms and products of matrices.

The operations that the registry calls `linalg_...` are found here without that word; they load on
first touch.
"""

from __future__ import annotations

from . import _functions as _f
from ._core import Tensor
from ._core import write_out as _write_out
from ._library import LinAlgError as LinAlgError
from ._loading import linalg_names as _operations
from ._loading import lookup as _lookup
from ._modes import computes_in as _computes_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ._generated.linalg_stubs import *  # noqa: F403


def _result(name: str, out: Any, value: Tensor) -> Tensor:
    return value if out is None else _write_out(out, value, f"linalg_{name}")


def vector_norm(
    x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *,
    dtype: Any = None, out: Any = None,
) -> Tensor:  # fmt: skip
    """The ord-norm of vectors along ``dim`` (a dim or several, flattened); None takes all."""
    dims = dim if dim is None or isinstance(dim, int) else tuple(dim)
    return _result("vector_norm", out, _f.vector_norm(x, ord, dims, keepdim, dtype=dtype))


def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Sequence[int] = (-2, -1), keepdim: bool = False, *,
    dtype: Any = None, out: Any = None,
) -> Tensor:  # fmt: skip
    """Norms of matrices in two dims: 'fro', 'nuc', 1, 2, inf and their negatives."""
    from .compose.norms import matrix_norm as norm_of

    A = A if dtype is None else A.to(dtype)
    return _result("matrix_norm", out, norm_of(A, ord, dim, keepdim))


def cond(A: Tensor, p: Any = None, *, out: Any = None) -> Tensor:
    """Condition numbers: a norm times that of the inverse; None takes singular values."""
    from .compose.norms import cond as condition

    return _result("cond", out, condition(A, p))


def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None,
         out: Any = None) -> Tensor:  # fmt: skip
    """A vector norm, or with an ord and two dims (or a matrix) a matrix norm."""
    if isinstance(dim, int):
        dim = (dim,)
    if dim is not None and len(dim) not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dim)}"
        )
    if ord is not None and (len(dim) == 2 if dim is not None else A.ndim == 2):
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype, out=out)
    if isinstance(ord, str) and (dim is not None or A.ndim == 1):
        raise RuntimeError(
            "linalg.norm: If ord is a str, dim must be a 2-tuple or A must be a matrix. Got "
            f"ord={ord!r}"
        )
    if ord is not None and dim is None and A.ndim != 1:
        raise RuntimeError(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
            f"{A.ndim}D."
        )
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype, out=out)


def multi_dot(tensors: Sequence[Tensor], *, out: Any = None) -> Tensor:
    """The product of several matrices in the cheapest order; the first and last may be vectors."""
    from .compose.einsum import multi_dot as product

    return _result("multi_dot", out, product(tensors))


def cross(input: Tensor, other: Tensor, *, dim: int = -1, out: Any = None) -> Tensor:
    """Cross products of vectors of three along ``dim``."""
    return _result("cross", out, _f.cross(input, other, dim))


@_computes_in("low")
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1, out: Any = None) -> Tensor:
    """Dot products of vectors along ``dim``."""
    return _result("vecdot", out, _f.sum(_f.mul(x, y), (dim,)))


def __getattr__(name: str) -> Any:
    try:
        globals()[name] = found = _lookup("matmul" if name == "matmul" else _operations()[name])
        return found
    except KeyError:
        from ._names import missing

        raise missing(__name__, name) from None


def __dir__() -> list[str]:
    return __all__


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices, as views."""
    return _f.diagonal(A, offset, dim1, dim2)


def vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """Powers of vectors' elements, as rows, the lowest first."""
    if x.ndim < 2:
        return _f.vander(x, N, increasing=True)
    rows = _f.vander(_f.reshape(x, (-1,)), x.shape[-1] if N is None else N, increasing=True)
    return _f.reshape(rows, (*x.shape, rows.shape[-1]))


__all__ = sorted({
    "LinAlgError", "cross", "diagonal", "matmul", "cond", "matrix_norm", "multi_dot", "norm",
    "vander", "vecdot", "vector_norm", *_operations(),
})  # fmt: skip
