"""Activations of `nn.functional`: what PyTorch's signatures add to the registry's operations.

`inplace=True` overwrites the input and returns it.
"""

from __future__ import annotations

import warnings
from typing import Any

import opsmith
from opsmith import Tensor
from opsmith import _functions as _f

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "glu",
    "gumbel_softmax",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "threshold",
    "threshold_",
]


def in_place(op: str, input: Tensor, *args: Any) -> Tensor:
    """Overwrite `input` by `op` of it: by the op's own in-place form if it has one.

    Else by a copy, of an operation on a clone since that one may save its operand.
    """
    own = getattr(_f, op + "_", None)
    if own is not None:
        return own(input, *args)
    return input.copy_(getattr(_f, op)(input.clone(), *args))


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(input, 0)."""
    return in_place("relu", input) if inplace else _f.relu(input)


def relu_(input: Tensor) -> Tensor:
    """`relu`, in place."""
    return in_place("relu", input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(input, 0), 6)."""
    return in_place("relu6", input) if inplace else _f.relu6(input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """input * sigmoid(input) (Hendrycks and Gimpel, 2016)."""
    return in_place("silu", input) if inplace else _f.silu(input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * tanh(softplus(input)) (Misra, 2019)."""
    return in_place("mish", input) if inplace else _f.mish(input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * relu6(input + 3) / 6 (Howard et al., 2019)."""
    return in_place("hardswish", input) if inplace else _f.hardswish(input)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """relu6(input + 3) / 6."""
    return in_place("hardsigmoid", input) if inplace else _f.hardsigmoid(input)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """scale * (max(0, input) + min(0, alpha * (exp(input) - 1))) (Klambauer et al., 2017)."""
    return in_place("selu", input) if inplace else _f.selu(input)


def selu_(input: Tensor) -> Tensor:
    """`selu`, in place."""
    return in_place("selu", input)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input where positive, else alpha * (exp(input) - 1) (Clevert et al., 2015)."""
    return in_place("elu", input, alpha) if inplace else _f.elu(input, alpha)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`elu`, in place."""
    return in_place("elu", input, alpha)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """max(0, input) + min(0, alpha * (exp(input / alpha) - 1)) (Barron, 2017)."""
    return in_place("celu", input, alpha) if inplace else _f.celu(input, alpha)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`celu`, in place."""
    return in_place("celu", input, alpha)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """input where positive, else negative_slope * input."""
    if inplace:
        return in_place("leaky_relu", input, negative_slope)
    return _f.leaky_relu(input, negative_slope)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """`leaky_relu`, in place."""
    return in_place("leaky_relu", input, negative_slope)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """The input clamped to [min_val, max_val].

    Raises:
        ValueError: min_val > max_val.
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if inplace:
        return in_place("hardtanh", input, min_val, max_val)
    return _f.hardtanh(input, min_val, max_val)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`hardtanh`, in place."""
    return hardtanh(input, min_val, max_val, inplace=True)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """The input where it is greater than `threshold`, else `value`."""
    if inplace:
        return in_place("threshold", input, threshold, value)
    return _f.threshold(input, threshold, value)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """`threshold`, in place."""
    return in_place("threshold", input, threshold, value)


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """log(1 + exp(beta * input)) / beta, or the input where beta * input > threshold."""
    return _f.softplus(input, beta, threshold)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a * sigmoid(b), where a and b are the halves of the input along `dim`.

    (Dauphin et al., 2016.)
    """
    if input.dim() == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    return _f.glu(input, dim)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """input - lambd above lambd, input + lambd below -lambd, 0 between."""
    if not lambd >= 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return _f.softshrink(input, lambd)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """leaky_relu with a slope drawn for each element from U(lower, upper), or their mean.

    (Xu et al., 2015.)
    """
    if training:
        slope = opsmith.empty_like(input).uniform_(lower, upper)
        result = _f.where(input >= 0, input, input * slope)
    else:
        result = _f.leaky_relu(input, (lower + upper) / 2)
    return input.copy_(result) if inplace else result


def rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Tensor:
    """`rrelu`, in place."""
    return rrelu(input, lower, upper, training, inplace=True)


def _implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """exp(input) / sum(exp(input), dim)."""
    if dim is None:
        dim = _implicit_dim("softmax", input.dim(), _stacklevel)
    return _f.softmax(input, dim, dtype=dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """input - logsumexp(input, dim)."""
    if dim is None:
        dim = _implicit_dim("log_softmax", input.dim(), _stacklevel)
    return _f.log_softmax(input, dim, dtype=dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """softmax(-input)."""
    if dim is None:
        dim = _implicit_dim("softmin", input.dim(), _stacklevel)
    return _f.softmax(-input, dim, dtype=dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A sample of softmax((logits + Gumbel noise) / tau); one-hot if `hard`, with its gradient.

    (Jang et al., 2016; Maddison et al., 2016.)
    """
    gumbel = -_f.log(opsmith.empty_like(logits).exponential_())
    soft = _f.softmax((logits + gumbel) / tau, dim)
    if not hard:
        return soft
    index = soft.argmax(dim, keepdim=True)
    one_hot = opsmith.zeros_like(logits).scatter_(dim, index, 1.0)
    return one_hot - soft.detach() + soft
