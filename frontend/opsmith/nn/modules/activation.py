"""Activations as modules; the formulas stand with their functions in `nn.functional`."""

from __future__ import annotations

from typing import Any

import opsmith
from opsmith import Tensor
from opsmith.nn import functional as F
from opsmith.nn import init
from opsmith.nn.modules.module import Module
from opsmith.nn.parameter import Parameter

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class _InPlace(Module):
    """An activation whose only argument is `inplace`: overwrite the input."""

    def __init__(self, inplace: bool = False) -> None:
        """Keep the argument."""
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        """The argument, if it is True."""
        return "inplace=True" if self.inplace else ""


class ReLU(_InPlace):
    """max(x, 0)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.relu(input, self.inplace)


class SiLU(_InPlace):
    """x * sigmoid(x) (Hendrycks and Gimpel, 2016)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.silu(input, self.inplace)


class Mish(_InPlace):
    """x * tanh(softplus(x)) (Misra, 2019)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.mish(input, self.inplace)


class SELU(_InPlace):
    """The self-normalising ELU (Klambauer et al., 2017)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.selu(input, self.inplace)


class Hardswish(_InPlace):
    """x * relu6(x + 3) / 6 (Howard et al., 2019)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.hardswish(input, self.inplace)

    def extra_repr(self) -> str:
        """Nothing, as in PyTorch."""
        return ""


class Hardsigmoid(_InPlace):
    """relu6(x + 3) / 6."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.hardsigmoid(input, self.inplace)

    def extra_repr(self) -> str:
        """Nothing, as in PyTorch."""
        return ""


class Tanh(Module):
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x))."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.tanh(input)


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.sigmoid(input)


class LogSigmoid(Module):
    """log(1 / (1 + exp(-x)))."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.logsigmoid(input)


class Softsign(Module):
    """x / (1 + |x|)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.softsign(input)


class Tanhshrink(Module):
    """x - tanh(x)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.tanhshrink(input)


class GELU(Module):
    """x * Phi(x), or its tanh approximation (Hendrycks and Gimpel, 2016)."""

    def __init__(self, approximate: str = "none") -> None:
        """Keep the argument: 'none' or 'tanh'."""
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        """The argument."""
        return f"approximate={self.approximate!r}"


class Threshold(Module):
    """x where x > threshold, else value."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        """Keep the arguments."""
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"threshold={self.threshold}, value={self.value}" + _inplace(self)


class Hardtanh(Module):
    """x clamped to [min_val, max_val]."""

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        """Keep the arguments; `min_value` and `max_value` are old names."""
        super().__init__()
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if self.max_val <= self.min_val:
            raise AssertionError("max_val must be larger than min_val")

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"min_val={self.min_val}, max_val={self.max_val}" + _inplace(self)


class ReLU6(Hardtanh):
    """min(max(x, 0), 6)."""

    def __init__(self, inplace: bool = False) -> None:
        """Keep the argument."""
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        """The argument, if it is True."""
        return "inplace=True" if self.inplace else ""


class _Alpha(Module):
    """An activation with a factor `alpha`."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        """Keep the arguments."""
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def extra_repr(self) -> str:
        """The arguments."""
        return f"alpha={self.alpha}" + _inplace(self)


class ELU(_Alpha):
    """x where positive, else alpha * (exp(x) - 1) (Clevert et al., 2015)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.elu(input, self.alpha, self.inplace)


class CELU(_Alpha):
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1)) (Barron, 2017)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.celu(input, self.alpha, self.inplace)


class LeakyReLU(Module):
    """x where positive, else negative_slope * x."""

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        """Keep the arguments."""
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"negative_slope={self.negative_slope}" + _inplace(self)


class RReLU(Module):
    """LeakyReLU with a slope from U(lower, upper) in training, their mean otherwise."""

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        """Keep the arguments."""
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"lower={self.lower}, upper={self.upper}" + _inplace(self)


class PReLU(Module):
    """x where positive, else weight * x; weight (1) or (C) is learnt (He et al., 2015)."""

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        """Make the parameter and set it to `init`."""
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(opsmith.empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the parameter to `init`."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, *) -> the same."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """The number of parameters."""
        return f"num_parameters={self.num_parameters}"


class Softplus(Module):
    """log(1 + exp(beta * x)) / beta, or x where beta * x > threshold."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        """Keep the arguments."""
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"beta={self.beta}, threshold={self.threshold}"


class _Shrink(Module):
    """An activation that maps [-lambd, lambd] to 0."""

    def __init__(self, lambd: float = 0.5) -> None:
        """Keep the argument."""
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        """The argument."""
        return str(self.lambd)


class Softshrink(_Shrink):
    """x - lambd above lambd, x + lambd below -lambd, 0 between."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.softshrink(input, self.lambd)


class Hardshrink(_Shrink):
    """x where |x| > lambd, else 0."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.hardshrink(input, self.lambd)


class GLU(Module):
    """a * sigmoid(b), where a and b are the halves of x along `dim` (Dauphin et al., 2016)."""

    def __init__(self, dim: int = -1) -> None:
        """Keep the argument."""
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """(.., 2 n, ..) -> (.., n, ..)."""
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        """The argument."""
        return f"dim={self.dim}"


class _Dim(Module):
    """An activation along one axis; None, which is deprecated, lets the rank choose."""

    def __init__(self, dim: int | None = None) -> None:
        """Keep the argument."""
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        """The argument."""
        return f"dim={self.dim}"


class Softmax(_Dim):
    """exp(x) / sum(exp(x), dim)."""

    def forward(self, input: Tensor) -> Tensor:
        """(*) -> (*)."""
        return F.softmax(input, self.dim, _stacklevel=5)


class LogSoftmax(_Dim):
    """x - logsumexp(x, dim)."""

    def forward(self, input: Tensor) -> Tensor:
        """(*) -> (*)."""
        return F.log_softmax(input, self.dim, _stacklevel=5)


class Softmin(_Dim):
    """softmax(-x)."""

    def forward(self, input: Tensor) -> Tensor:
        """(*) -> (*)."""
        return F.softmin(input, self.dim, _stacklevel=5)


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        if input.dim() not in (3, 4):
            raise ValueError(
                f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead"
            )
        return F.softmax(input, -3, _stacklevel=5)


def _inplace(module: Any) -> str:
    return ", inplace=True" if module.inplace else ""
