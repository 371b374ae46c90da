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
    (lambda: linalg.lu_factor(ONES), "RuntimeError",
     "torch.linalg.lu_factor: U[2,2] is zero and using it on lu_solve would result in a division "
     "by zero."),
    (lambda: linalg.lu(ONES, pivot=False), "RuntimeError",
     "linalg.lu_factor: LU without pivoting is not implemented on the CPU"),
    (lambda: linalg.lu_solve(EYE, opsmith.tensor([1, 2]), EYE), "RuntimeError",
     "linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32"),
    (lambda: opsmith.lu_unpack(EYE, opsmith.tensor([1, 2])), "RuntimeError",
     "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype."),
    (lambda: linalg.matrix_power(ONES, -1), "LinAlgError", f"linalg.inv: {NO_INVERSE}"),
    (lambda: linalg.lstsq(EYE, EYE, driver="x"), "RuntimeError",
     "torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)"),
    (lambda: linalg.lstsq(ONES, EYE, driver="gels"), "LinAlgError",
     "torch.linalg.lstsq: The least squares solution could not be computed because the input "
     "matrix does not have full rank (error code: 2)."),
    (lambda: linalg.lstsq(ONES.long(), LONG), "RuntimeError",
     "This function doesn't handle types other than float and double"),
    (lambda: linalg.cond(WIDE, 1), "RuntimeError",
     "linalg.cond(ord=1): A must be batches of square matrices, but they are 2 by 3 matrices"),
    (lambda: linalg.cond(EYE, 3), "RuntimeError", "linalg.cond got an invalid norm type: 3"),
    (lambda: linalg.matrix_norm(EYE, 3), "RuntimeError",
     "linalg.matrix_norm: Order 3 not supported."),
    (lambda: linalg.householder_product(WIDE, VECTOR), "RuntimeError",
     "torch.linalg.householder_product: input.shape[-2] must be greater than or equal to "
     "input.shape[-1]"),
    (lambda: linalg.tensorinv(EYE, 0), "RuntimeError",
     "Expected a strictly positive integer for 'ind', but got 0"),
    (lambda: linalg.inv("a"), "TypeError", "linalg_inv(): argument 'A' (position 1)"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_refusals(call: Any, error: str, message: str) -> None:
    with pytest.raises((RuntimeError, TypeError, AttributeError)) as caught:
        call()
    assert caught.type.__name__ == error and message in str(caught.value)


def test_names_there_are_not() -> None:
    with pytest.raises(AttributeError, match="'opsmith.linalg' has no attribute 'nothing'"):
        linalg.nothing  # noqa: B018
    assert "eigh" in dir(linalg) and not hasattr(opsmith, "linalg_eigh")


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


@pytest.mark.parametrize("shape", [(70, 70), (90, 40), (40, 90), (3, 2, 5, 5)])
def test_elimination_of_any_shape(shape: tuple[int, ...]) -> None:
    """Beyond the size up to which columns are eliminated one by one, too."""
    a = drawn(*shape)
    p, lower, upper = linalg.lu(a)
    assert close(p @ lower @ upper, a) and (lower.abs() <= 1).all()
    assert close(lower, lower.tril()) and close(upper, upper.triu())
    for x, y in zip((p, lower, upper), opsmith.lu_unpack(*linalg.lu_factor(a)), strict=True):
        assert close(x, y)
    assert opsmith.lu_unpack(*opsmith.lu(a), unpack_data=False).L.shape == (0,)
    assert len(opsmith.lu(a, get_infos=True)) == 3 and a.lu()[1].dtype is opsmith.int32


def test_elimination_of_singular_matrices() -> None:
    factors, pivots, info = linalg.lu_factor_ex(BATCH)
    assert info.tolist() == [0, 2] and close(factors[1], [[1, 1], [1, 0]])
    assert linalg.lu_factor_ex(opsmith.zeros(3, 3)).info.item() == 1


def test_solutions_by_factors() -> None:
    a, b = drawn(2, 1, 40, 40), drawn(3, 40, 40)
    factors = linalg.lu_factor(a)
    for adjoint in (False, True):
        m = a.mT if adjoint else a
        x = linalg.lu_solve(*factors, b, adjoint=adjoint)
        assert close(m @ x, b.expand(2, 3, 40, 40), 1e-7)
        x = linalg.lu_solve(*factors, b, left=False, adjoint=adjoint)
        assert close(x @ m, b.expand(2, 3, 40, 40), 1e-7)
    assert close(b.lu_solve(*factors), linalg.lu_solve(*factors, b))


@pytest.mark.parametrize("n", [1, 2, 5, 30])
def test_symmetric_elimination(n: int) -> None:
    a, b = drawn(3, n, n, symmetric=True), drawn(n, 2)
    a[0] = opsmith.tensor(np.eye(n)[::-1].copy())  # zeros on the diagonal: blocks of two
    factors, pivots = linalg.ldl_factor(a)
    assert close(a @ linalg.ldl_solve(factors, pivots, b), b.expand(3, n, 2), 1e-8)
    assert n == 1 or (pivots[0] < 0).any()


def test_pseudo_inverses_cut_off() -> None:
    a = opsmith.diag(opsmith.tensor([4.0, 2.0, 1.0]))
    for kept, tolerance in ((3, {}), (2, {"rtol": 0.3}), (1, {"atol": 3.0}), (1, {"rtol": 0.6}),
                            (2, {"atol": opsmith.tensor(1.5), "rtol": 0.0})):  # fmt: skip
        assert linalg.matrix_rank(a, **tolerance).item() == kept
        want = np.diag([0.25, 0.5, 1.0][:kept] + [0.0] * (3 - kept))
        assert close(linalg.pinv(a, **tolerance), want)
    assert close(linalg.pinv(a, 0.3), linalg.pinv(a, rtol=0.3))
    assert linalg.matrix_rank(a, 1.5).item() == 2
    assert linalg.matrix_rank(opsmith.zeros(2, 3, 0)).tolist() == [0, 0]


def test_least_squares() -> None:
    a, b = drawn(2, 6, 3), drawn(2, 6, 4)
    want = linalg.pinv(a) @ b
    for driver in (None, "gels", "gelsy", "gelsd", "gelss"):
        solution, residuals, rank, values = linalg.lstsq(a, b, driver=driver)
        assert close(solution, want)
        high = driver not in (None, "gelsy")
        assert residuals.shape == ((2, 4) if high else (0,))
        assert not high or close(residuals, (a @ want - b).square().sum(-2))
        assert rank.tolist() == ([] if driver == "gels" else [3, 3])
        assert values.shape == ((2, 3) if driver in ("gelsd", "gelss") else (0,))


def test_conditions_and_norms() -> None:
    a = drawn(3, 3)
    for p in (None, "fro", "nuc", 1, -1, 2, -2, float("inf"), float("-inf")):
        assert close(linalg.cond(a, p), np.linalg.cond(a.numpy(), p), 1e-8)
        order = "fro" if p is None else p
        assert close(linalg.matrix_norm(a, order), np.linalg.norm(a.numpy(), order), 1e-8)
    assert linalg.cond(ONES, 1).isinf()
    assert close(linalg.cond(BATCH, "fro"), [2, float("inf")], 1e-6)
    assert close(opsmith.norm(a, "nuc"), opsmith.nuclear_norm(a))
    assert close(opsmith.nuclear_norm(a, True), linalg.matrix_norm(a, "nuc", keepdim=True))


def test_powers_and_exponentials() -> None:
    a = drawn(3, 3)
    assert close(linalg.matrix_power(a, -2) @ a @ a, np.eye(3))
    assert close(a.matrix_power(0), np.eye(3))
    for scale in (0.1, 1, 50):  # without halvings and with
        skew = scale * (a - a.mT)
        assert orthonormal(skew.matrix_exp())
        assert close(linalg.matrix_exp(skew) @ linalg.matrix_exp(-skew), np.eye(3))
    diagonal = opsmith.diag(opsmith.tensor([1.0, 2.0]))
    assert close(opsmith.matrix_exp(diagonal), np.diag(np.exp([1, 2])), 1e-6)
    batch = opsmith.stack([a, 9 * a, 0 * a])
    assert close(linalg.matrix_exp(batch)[1], linalg.matrix_exp(9 * a))


def test_reflections() -> None:
    a = drawn(2, 5, 3)
    vectors, tau = opsmith.geqrf(a)
    q, r = linalg.qr(a)
    assert close(linalg.householder_product(vectors, tau), q) and close(vectors.triu()[:, :3], r)
    assert close(opsmith.orgqr(vectors, tau), q)
    whole = linalg.qr(a, mode="complete").Q
    b = drawn(2, 5, 5)
    for transpose in (False, True):
        m = whole.mT if transpose else whole
        assert close(opsmith.ormqr(vectors, tau, b, True, transpose), m @ b)
        assert close(opsmith.ormqr(vectors, tau, b, False, transpose), b @ m)


def test_tensors_as_maps() -> None:
    a, b = drawn(2, 3, 6), drawn(2, 3)
    x = linalg.tensorsolve(a, b)
    assert close(opsmith.tensordot(a, x, 1), b)
    inverse = linalg.tensorinv(a, ind=2)
    assert close(opsmith.tensordot(inverse, b, 2), x)
    assert close(opsmith.chain_matmul(a[0], a[1].mT), a[0] @ a[1].mT)
    assert close(linalg.vander(b), np.stack([np.vander(r, increasing=True) for r in b.numpy()]))
