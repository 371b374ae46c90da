"""Random numbers of more distributions: in place, and binomial counts."""

from __future__ import annotations

import math

from . import _functions as f
from ._core import Tensor
from ._dtypes import float32
from ._random import Generator, _from_array, _normal, _uniform, randint

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass


def _unit(t: Tensor, generator: Generator | None) -> Tensor:
    """Uniform numbers in [0, 1) in the tensor's shape, as floats."""
    return _uniform(t if t.dtype.is_floating_point else t.to(float32), generator)


def cauchy_(
    self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Overwrite with numbers of a Cauchy distribution."""
    if sigma <= 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    if not self.dtype.is_floating_point:
        raise RuntimeError(
            "Cauchy distribution is a continuous probability distribution. dtype must be a "
            f"floating point but you specified {self.dtype}"
        )
    return self.copy_(f.tan((_unit(self, generator) - 0.5) * math.pi) * sigma + median)


def log_normal_(
    self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None
) -> Tensor:
    """Overwrite with exp of normal numbers."""
    if std <= 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
    return self.copy_(f.exp(_normal(self, generator) * std + mean))


def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with how many trials of probability p it takes to succeed."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    trials = f.ceil(f.log1p(-_unit(self, generator)) / math.log1p(-p))
    return self.copy_(f.clamp_min(trials, 1.0))


for _fn in (cauchy_, log_normal_, geometric_):
    setattr(Tensor, _fn.__name__, _fn)


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """How many of ``count`` trials succeed, by NumPy's generator seeded from ours."""
    import numpy as np

    if not (count.dtype.is_floating_point and prob.dtype.is_floating_point):
        raise ValueError("binomial only supports floating-point dtypes for count")
    if count.dtype is not prob.dtype:
        raise ValueError(f"Found dtype {prob.dtype} but expected {count.dtype}")
    key = int(randint(0, 2**53, (1,), generator=generator, device="cpu").item())
    n = np.floor(count.detach().double().numpy()).astype(np.int64)
    drawn = np.random.default_rng(key).binomial(n, prob.detach().double().numpy())
    return _from_array(drawn).to(count.dtype)
