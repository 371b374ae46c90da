"""opsmith.linalg: what the entries' samples do not reach: errors, bad matrices, layouts, gauges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import opsmith
from opsmith import linalg
from opsmith.autograd import gradcheck, gradgradcheck

RNG = np.random.default_rng(0)
EYE, ONES = opsmith.eye(2), opsmith.ones(2, 2)
WIDE, VECTOR, LONG = opsmith.ones(2, 3), opsmith.ones(3), opsmith.ones(2, 2).long()
BATCH = opsmith.stack([EYE, ONES])
SINGULAR = "The solver failed because the input matrix is singular."
NO_INVERSE = (
    "The diagonal element 2 is zero, the inversion could not be completed because the input matrix "
    "is singular."
)
INDEFINITE = (
    "The factorization could not be completed because the input is not positive-definite (the "
    "leading minor of order 2 is not positive-definite)."
)


def drawn(*shape: int, symmetric: bool = False, definite: bool = False) -> Any:
    a = RNG.normal(size=shape)
    if symmetric:
        a = (a + a.swapaxes(-1, -2)) / 2
    if definite:
        a = a @ a.swapaxes(-1, -2) + np.eye(shape[-1])
    return opsmith.tensor(a)


def close(a: Any, b: Any, tolerance: float = 1e-10) -> bool:
    a, b = (t.detach().numpy() if isinstance(t, opsmith.Tensor) else np.asarray(t) for t in (a, b))
    return a.shape == b.shape and np.allclose(a, b, tolerance, tolerance)


def orthonormal(columns: Any) -> bool:
    product = columns.mT @ columns
    return close(product, np.broadcast_to(np.eye(product.shape[-1]), product.shape))


REFUSED = [
    (lambda: linalg.inv(ONES), "LinAlgError", f"linalg.inv: {NO_INVERSE}"),
    (lambda: linalg.inv(BATCH), "LinAlgError", f"linalg.inv: (Batch element 1): {NO_INVERSE}"),
    (lambda: linalg.inv_ex(ONES, check_errors=True), "LinAlgError", f"linalg.inv_ex: {NO_INVERSE}"),
    (lambda: linalg.inv(VECTOR), "RuntimeError",
     "linalg.inv: The input tensor A must have at least 2 dimensions."),
    (lambda: linalg.inv(LONG), "RuntimeError",
     "linalg.inv: Expected a floating point or complex tensor as input. Got Long"),
    (lambda: linalg.inv(ONES.half()), "RuntimeError",
     "linalg.inv: Low precision dtypes not supported. Got Half"),
    (lambda: linalg.det(WIDE), "RuntimeError",
     "linalg.det: A must be batches of square matrices, but they are 2 by 3 matrices"),
    (lambda: linalg.solve(ONES, ONES), "LinAlgError", f"torch.linalg.solve: {SINGULAR}"),
    (lambda: linalg.solve(BATCH, BATCH), "LinAlgError",
     f"torch.linalg.solve: (Batch element 1): {SINGULAR}"),
    (lambda: linalg.solve(EYE, VECTOR), "RuntimeError",
     "linalg.solve: Incompatible shapes of A and B for the equation AX = B (2x2 and 3x1)"),
    (lambda: linalg.solve(EYE, EYE.double()), "RuntimeError",
     "linalg.solve: Expected A and B to have the same dtype, but found A of type Float and B of "
     "type Double instead"),
    (lambda: linalg.solve_triangular(ONES, WIDE, upper=True, left=False), "RuntimeError",
     "linalg.solve_triangular: Incompatible shapes of A and B for the equation XA = B (2x2 and "
     "2x3)"),
    (lambda: linalg.solve_triangular(ONES, ONES), "TypeError", "upper"),
    (lambda: linalg.cholesky(ONES), "LinAlgError", f"linalg.cholesky: {INDEFINITE}"),
    (lambda: linalg.cholesky(BATCH), "LinAlgError",
     f"linalg.cholesky: (Batch element 1): {INDEFINITE}"),
    (lambda: opsmith.cholesky_solve(WIDE.mT, ONES), "RuntimeError",
     "Incompatible matrix sizes for cholesky_solve: each A matrix is 2 by 2 but each b matrix is 3 "
     "by 2"),
    (lambda: linalg.qr(WIDE, mode="x"), "RuntimeError",
     "qr received unrecognized mode 'x' but expected one of 'reduced' (default), 'r', or "
     "'complete'"),
    (lambda: linalg.eigh(ONES, UPLO="x"), "RuntimeError",
     "Expected UPLO argument to be 'L' or 'U', but got x"),
    (lambda: linalg.svdvals(VECTOR), "RuntimeError",
     "linalg.svd: The input tensor A must have at least 2 dimensions."),
    (lambda: linalg.inv("a"), "TypeError", "linalg_inv(): argument 'A' (position 1)"),
    (lambda: linalg.nothing, "AttributeError", "'opsmith.linalg' has no attribute 'nothing'"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_refusals(call: Any, error: str, message: str) -> None:
    with pytest.raises((RuntimeError, TypeError, AttributeError)) as caught:
        call()
    assert caught.type.__name__ == error and message in str(caught.value)


def test_errors_of_matrices_are_of_one_class() -> None:
    assert issubclass(linalg.LinAlgError, RuntimeError)
    with pytest.raises(linalg.LinAlgError):
        ONES.inverse()


def test_infos_say_where() -> None:
    inverse, info = linalg.inv_ex(BATCH)
    assert info.tolist() == [0, 2] and info.dtype is opsmith.int32
    assert close(inverse[0], EYE) and not inverse[1].isfinite().any()
    result, info = linalg.solve_ex(BATCH, BATCH)
    assert info.tolist() == [0, 2] and close(result[0], EYE) and result[1].isnan().all()
    factor, info = linalg.cholesky_ex(BATCH)
    assert info.tolist() == [0, 2] and close(factor, [[[1, 0], [0, 1]], [[1, 0], [1, 1]]])
    large = opsmith.eye(50)
    large[37, 37] = -1
    assert linalg.cholesky_ex(large).info.item() == 38
    large[37, 37] = 0
    assert linalg.inv_ex(large).info.item() == 38


def test_of_nothing() -> None:
    for shape in ((0, 0), (0, 2, 2), (2, 0, 0)):
        x = opsmith.zeros(shape)
        assert linalg.inv(x).shape == shape == linalg.cholesky(x).shape
        assert (linalg.det(x) == 1).all() and linalg.det(x).shape == shape[:-2]
        assert linalg.eigh(x).eigenvalues.shape == shape[:-1]
    assert linalg.qr(opsmith.zeros(3, 0), mode="complete").Q.shape == (3, 3)
    assert linalg.svd(opsmith.zeros(3, 0)).U.shape == (3, 3)


def test_solve_knows_vectors() -> None:
    a, b = drawn(4, 3, 3), drawn(4, 3)
    assert close((a @ linalg.solve(a, b).unsqueeze(-1)).squeeze(-1), b)
    c = drawn(3, 2)  # no vectors for a batch of four: a matrix for each
    assert close(a @ linalg.solve(a, c), c.expand(4, 3, 2))
    d = drawn(2, 3)
    assert close(linalg.solve(a, d, left=False) @ a, d.expand(4, 2, 3))


def test_a_triangle_is_all_that_is_read() -> None:
    a, b = drawn(40, 40, definite=True), drawn(2, 40, 3)
    spoilt = a.clone()
    spoilt[opsmith.ones(40, 40).triu(1) == 1] = float("nan")
    assert close(a.tril() @ linalg.solve_triangular(spoilt, b, upper=False), b)
    assert close(linalg.cholesky(spoilt), linalg.cholesky(a))
    assert close(linalg.cholesky(spoilt.mT, upper=True), linalg.cholesky(a).mT)
    assert close(linalg.eigvalsh(spoilt), linalg.eigvalsh(a))
    assert close(linalg.eigvalsh(spoilt.mT, UPLO="U"), linalg.eigvalsh(a))


def test_division_by_a_zero_of_the_diagonal() -> None:
    x = linalg.solve_triangular(opsmith.zeros(1, 1), ONES[:1], upper=True)
    assert x.isinf().all()


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (2, 4, 4)])
def test_factors_multiply_to_the_matrix(shape: tuple[int, ...]) -> None:
    a = drawn(*shape)
    for mode in ("reduced", "complete"):
        q, r = linalg.qr(a, mode=mode)
        assert close(q @ r, a) and orthonormal(q) and close(r, r.triu())
    assert linalg.qr(a, mode="r").Q.shape == (0,)
    for full in (True, False):
        u, s, vh = linalg.svd(a, full_matrices=full)
        k = s.shape[-1]
        assert close((u[..., :k] * s.unsqueeze(-2)) @ vh[..., :k, :], a)
        assert orthonormal(u) and orthonormal(vh.mT)
    assert close(linalg.svdvals(a), s)


def test_signs_of_vectors_are_settled() -> None:
    a = drawn(6, 6, symmetric=True)
    for vectors in (linalg.eigh(a).eigenvectors, linalg.svd(a).U):
        first = vectors.abs().argmax(0)
        assert (vectors[first, opsmith.arange(6)] > 0).all()


def test_the_gradient_of_equal_values_is_that_of_their_sums() -> None:
    for values in (linalg.eigvalsh, linalg.svdvals, lambda x: linalg.svd(x).S,
                   lambda x: linalg.eigh(x).eigenvalues):  # fmt: skip
        x = opsmith.eye(3, dtype=opsmith.float64, requires_grad=True)
        values(x).sum().backward()
        assert close(x.grad, np.eye(3))


def test_vectors_of_equal_values_have_no_gradient() -> None:
    x = opsmith.eye(2, requires_grad=True)
    (linalg.eigh(x).eigenvectors * opsmith.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert not x.grad.isfinite().all()


def test_determinants_of_singular_matrices_have_gradients() -> None:
    """The cofactors, where the inverse that is usually multiplied with does not exist."""
    x = opsmith.tensor([[1.0, 0, 0], [0, 2, 0], [0, 0, 0]], dtype=opsmith.float64).requires_grad_()
    (g,) = opsmith.autograd.grad(linalg.det(x), x)
    assert close(g, [[0, 0, 0], [0, 0, 0], [0, 0, 2]])
    for start in (np.ones((3, 3)), np.zeros((2, 2)), np.diag([1.0, 1, 0])):
        x = opsmith.tensor(start).requires_grad_()
        assert gradcheck(linalg.det, (x,)) and gradgradcheck(linalg.det, (x,))


def test_the_complete_q_of_a_high_matrix_has_no_derivative() -> None:
    x = drawn(3, 2).requires_grad_()
    with pytest.raises(RuntimeError, match="mode='complete' and nrows > ncols"):
        linalg.qr(x, mode="complete").R.sum().backward()


def test_out() -> None:
    a = drawn(3, 3, definite=True)
    out = opsmith.empty(0, dtype=opsmith.float64)
    assert linalg.inv(a, out=out) is out and close(out @ a, np.eye(3))
    pair = opsmith.empty(3, 3).double(), opsmith.empty(0).double()
    q, r = linalg.qr(a, out=pair)
    assert q is pair[0] and r is pair[1] and close(q @ r, a)


def test_strides() -> None:
    wide = opsmith.zeros(2, 6, 6, dtype=opsmith.float64)
    a = drawn(2, 3, 3, definite=True)
    wide[:, ::2, ::2] = a
    part = wide[:, ::2, ::2]
    for fn in (linalg.inv, linalg.cholesky, linalg.det, linalg.eigvalsh, linalg.svdvals):
        assert close(fn(part), fn(a)) and close(fn(part.mT), fn(a))


def test_old_names() -> None:
    a, b = drawn(3, 3, definite=True), drawn(3, 2)
    assert close(opsmith.det(a), a.det()) and close(a.logdet(), a.slogdet().logabsdet)
    assert (-opsmith.eye(3)).logdet().isnan()
    u, s, v = opsmith.svd(b)
    assert close(u * s @ v.mT, b) and close(b.svd(compute_uv=False).S, s)
    assert close(opsmith.qr(b).R, linalg.qr(b).R)
    factor = a.cholesky()
    assert close(b.cholesky_solve(factor), linalg.solve(a, b))
    assert close(factor.cholesky_inverse(), a.inverse())
    solution, kept = b.triangular_solve(factor, upper=False)
    assert close(factor @ solution, b) and close(kept, factor)
