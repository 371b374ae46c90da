"""Parametrizations of weights: direction and length, greatest singular value, orthogonality."""

from __future__ import annotations

from typing import Any

import opsmith
from opsmith import Tensor
from opsmith.nn import functional as F
from opsmith.nn.modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from opsmith.nn.modules.module import Module
from opsmith.nn.utils.parametrize import register_parametrization

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def length_of(weight: Tensor, dim: int) -> Tensor:
    """The norm over all dimensions but `dim`, over all of them for -1."""
    if dim == -1:
        return opsmith.linalg.vector_norm(weight)
    others = [d for d in range(weight.dim()) if d != dim]
    return opsmith.linalg.vector_norm(weight, 2, others, True) if others else weight.abs()


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        """The weight of length g and direction v."""
        return weight_v * (weight_g / length_of(weight_v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Length and direction."""
        return length_of(weight, self.dim), weight.clone()


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Let a weight be g v / norm(v), for each index of `dim` (Salimans and Kingma, 2016).

    g is `parametrizations.weight.original0`, v is original1; `dim=None` takes one g for all.
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def from_hooks(state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """State of `nn.utils.weight_norm` calls them weight_g and weight_v."""
        old = f"{prefix}{name}_g", f"{prefix}{name}_v"
        if all(key in state for key in old):
            for k, key in enumerate(old):
                state[f"{prefix}parametrizations.{name}.original{k}"] = state.pop(key)

    module._register_load_state_dict_pre_hook(from_hooks)
    return module


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """The weight with `dim` first and all others as one."""
    order = (dim, *(d for d in range(weight.dim()) if d != dim))
    return weight.permute(order).flatten(1)


def output_dim(module: Module) -> int:
    """The dimension of a layer's weight that belongs to its outputs."""
    return int(isinstance(module, ConvTranspose1d | ConvTranspose2d | ConvTranspose3d))


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(
        self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        ndim = weight.dim()
        if not -ndim <= dim < ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got "
                f"{dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            with opsmith.no_grad():
                matrix = self._matrix(weight)
                for name, size in zip(("_u", "_v"), matrix.shape, strict=True):
                    drawn = matrix.new_empty(size).normal_(0, 1)
                    self.register_buffer(name, F.normalize(drawn, dim=0, eps=eps))
            self._power_method(matrix, 15)

    def _matrix(self, weight: Tensor) -> Tensor:
        """The weight with `dim` first and all others as one."""
        return as_matrix(weight, self.dim)

    def _power_method(self, matrix: Tensor, steps: int) -> None:
        with opsmith.no_grad():
            for _ in range(steps):
                self._u.copy_(F.normalize(matrix @ self._v, dim=0, eps=self.eps))
                self._v.copy_(F.normalize(matrix.T @ self._u, dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight over its greatest singular value; in training that is estimated anew."""
        if weight.dim() == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()
        return weight / (u @ (matrix @ v))

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value: its norm is divided out when it is used."""
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide a weight by its greatest singular value as a matrix (Miyato et al., 2018).

    Args:
        module: the owner of the weight.
        name: the weight's name.
        n_power_iterations: steps of the power method at each access in training.
        eps: what norms are at least.
        dim: the dimension of the outputs; 1 for transposed convolutions, else 0.

    Raises:
        ValueError: there is no such weight.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if dim is None:
        dim = output_dim(module)
    made = _SpectralNorm(weight, n_power_iterations, dim, eps)
    return register_parametrization(module, name, made)


def _exponential(A: Tensor) -> Tensor:
    return opsmith.linalg.matrix_exp(A)


def _cayley(A: Tensor) -> Tensor:
    """(I - A / 2)^-1 (I + A / 2)."""
    unit = opsmith.eye(A.size(-1), dtype=A.dtype, device=A.device)
    return opsmith.linalg.solve(unit - 0.5 * A, unit + 0.5 * A)


_MAPS = {"matrix_exp": _exponential, "cayley": _cayley, "householder": None}  # of skew matrices


def _proper(Q: Tensor) -> Tensor:
    """The orthogonal factor of Q = Q' R, whose R has a positive diagonal."""
    q, r = opsmith.linalg.qr(Q)
    return q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)


class _Orthogonal(Module):
    base: Tensor

    def __init__(self, weight: Tensor, orthogonal_map: str, use_trivialization: bool) -> None:
        super().__init__()
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        self.use_trivialization = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        """A matrix whose columns, or rows if there are fewer, are orthonormal."""
        wide = X.size(-2) < X.size(-1)
        X = X.mT if wide else X
        rows, columns = X.size(-2), X.size(-1)
        skew_map = _MAPS[self.orthogonal_map]
        if skew_map is None:
            below = X.tril(-1)
            factors = 2.0 / (1.0 + (below * below).sum(dim=-2))  # of proper reflections
            signs = X.detach().diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
            Q = opsmith.linalg.householder_product(below, factors) * signs
        else:
            lower = F.pad(X.tril(), (0, rows - columns))
            Q = skew_map(lower - lower.mT)[..., :columns]
        if self.use_trivialization:
            Q = self.base @ Q
        return Q.mT if wide else Q

    def right_inverse(self, Q: Tensor) -> Tensor:
        """What gives Q: with a base, which becomes Q, the origin."""
        with opsmith.no_grad():
            return self._right_inverse(Q)

    def _right_inverse(self, Q: Tensor) -> Tensor:
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of "
                f"shape {Q.shape}."
            )
        wide = Q.size(-2) < Q.size(-1)
        tall = Q.mT if wide else Q
        rows, columns = tall.size(-2), tall.size(-1)
        if self.use_trivialization:
            more = tall.new_empty((*tall.shape[:-1], rows - columns)).normal_(0, 1)
            self.base = _proper(opsmith.cat([tall, more], dim=-1))
            origin = opsmith.zeros_like(Q)
            origin.diagonal(dim1=-2, dim2=-1).fill_(-1.0)  # as reflections read it: the identity
            return origin
        if _MAPS[self.orthogonal_map] is not None:
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley "
                "parametrizations when use_trivialization=False."
            )
        vectors, factors = opsmith.geqrf(tall)
        diagonal = vectors.diagonal(dim1=-2, dim2=-1)
        # R of an orthogonal matrix has 1 and -1 on its diagonal. A last row without a reflection is
        # reflected here all the same, by the factor 2 of an empty vector.
        signs = diagonal.sign()
        diagonal.copy_(opsmith.where(factors == 0, -signs, signs))
        return vectors.mT if wide else vectors


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Keep the columns of a weight orthonormal, or its rows if it is wide.

    Args:
        module: the owner of the weight.
        name: the weight's name.
        orthogonal_map: from parameters to matrices: the exponential of a skew-symmetric matrix
            ("matrix_exp"), its Cayley transform ("cayley"), or a product of reflections
            ("householder"); None takes the exponential for square weights, else reflections.
        use_trivialization: multiply with a base, which assignments set (Lezcano-Casado, 2019).

    Raises:
        ValueError: there is no such weight or map, or the weight is no matrix.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        square = weight.size(-2) == weight.size(-1)
        orthogonal_map = "matrix_exp" if square else "householder"
    if orthogonal_map not in _MAPS:
        known = ", ".join(f'"{name}"' for name in _MAPS)
        raise ValueError(f"orthogonal_map has to be one of {known}. Got: {orthogonal_map}")
    made = _Orthogonal(weight, orthogonal_map, use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)
