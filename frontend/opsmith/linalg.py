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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


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
    """Norms of matrices in two dims: 'fro', 1, -1, inf and -inf.

    Raises:
        NotImplementedError: for the orders that need singular values (2, -2 and 'nuc').
    """
    from .compose.arguments import wrap_dim

    if A.ndim < 2:
        raise RuntimeError(
            "linalg.matrix_norm: The input tensor A must have at least 2 dimensions."
        )
    if len(dim) != 2:
        raise RuntimeError("linalg.matrix_norm: dim must be a 2-tuple")
    rows, columns = (wrap_dim(d, A.ndim) for d in dim)
    if rows == columns:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    if dtype is not None:
        A = A.to(dtype)
    if ord == "fro":
        return _result("matrix_norm", out, _f.vector_norm(A, 2, (rows, columns), keepdim))
    if ord not in (1, -1, float("inf"), float("-inf")):
        if ord in (2, -2, "nuc"):
            raise NotImplementedError(
                f"linalg.matrix_norm: order {ord!r} needs singular values, which are not "
                "supported yet"
            )
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    along, other = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = _f.sum(_f.abs(A), (along,), True)
    if sums.shape[other] == 0 and ord > 0:  # of nothing, the largest sum is 0
        sums = _f.constant_pad_nd(sums, (0, 0) * (A.ndim - 1 - other) + (0, 1))
    found = (_f.amax if ord > 0 else _f.amin)(sums, (other,), True)
    return _result("matrix_norm", out, found if keepdim else _f.squeeze(found, (rows, columns)))


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
    if isinstance(ord, str):
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


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1, out: Any = None) -> Tensor:
    """Dot products of vectors along ``dim``."""
    return _result("vecdot", out, _f.sum(_f.mul(x, y), (dim,)))


def matrix_power(A: Tensor, n: int, *, out: Any = None) -> Tensor:
    """A square matrix multiplied with itself, by repeated squaring; ``n`` is not negative."""
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise RuntimeError("linalg.matrix_power: A must be batches of square matrices")
    if n < 0:
        raise NotImplementedError(
            "linalg.matrix_power: negative powers need inverses, which are not supported yet"
        )
    from ._ranges import eye

    if n == 0:
        return _result(
            "matrix_power", out, _f.expand(eye(A.shape[-1], dtype=A.dtype), tuple(A.shape)).clone()
        )
    found, square = None, A
    while n:
        if n & 1:
            found = square if found is None else _f.matmul(found, square)
        n >>= 1
        if n:
            square = _f.matmul(square, square)
    assert found is not None
    return _result("matrix_power", out, found.clone() if found is A else found)


def __getattr__(name: str) -> Any:
    if name == "matmul":
        return _lookup(name)
    try:
        return _lookup(_operations()[name])
    except KeyError:
        from ._names import missing

        raise missing(__name__, name) from None


def __dir__() -> list[str]:
    return __all__


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices, as views."""
    return _f.diagonal(A, offset, dim1, dim2)


def vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """Powers of a vector's elements, as rows, the lowest first."""
    return _f.vander(x, N, increasing=True)


__all__ = sorted({
    "LinAlgError", "cross", "diagonal", "matmul", "matrix_norm", "matrix_power", "multi_dot",
    "norm", "vander", "vecdot", "vector_norm", *_operations(),
})  # fmt: skip
