"""Random numbers: the generator, creation functions, in-place draws.

Every draw is Philox(seed, offset + logical index) (Salmon et al. 2011): the same seed gives the same
numbers on any machine and at any number of threads. They are not PyTorch's numbers.
"""  # noqa: E501

from __future__ import annotations

import os
import struct

from . import _functions as f
from ._boundary import lib
from ._core import Tensor
from ._create import _size, dtype_of, empty, finish, tensor
from ._dtypes import CPU, bool_, float64, int64, uint8
from ._foreign import frombuffer
from ._numeric import iinfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._dtypes import dtype


class Generator:
    """A stream of random numbers of its own: a seed and how far it was read."""

    def __init__(self, device: Any = "cpu") -> None:
        self.device = CPU
        self._seed, self._offset = 67280421310721, 0

    def manual_seed(self, seed: int) -> Generator:
        """Start anew from ``seed``."""
        self._seed, self._offset = int(seed) & (2**64 - 1), 0
        return self

    def seed(self) -> int:
        """Start anew from a seed of the operating system; returns it."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    def initial_seed(self) -> int:
        """The seed the stream started from."""
        return self._seed

    def get_state(self) -> Tensor:
        """Seed and position as 16 bytes."""
        return _state(self._seed, self._offset)

    def set_state(self, state: Tensor) -> Generator:
        """Go on from a state of ``get_state``."""
        self._seed, self._offset = _unpacked(state)
        return self

    def clone_state(self) -> Generator:
        """A generator at the same point."""
        return Generator().set_state(self.get_state())

    def __enter__(self) -> None:
        self._kept = lib.ops_get_seed(), lib.ops_get_offset()
        _install(self._seed, self._offset)

    def __exit__(self, *_: Any) -> None:
        self._offset = lib.ops_get_offset()
        _install(*self._kept)


class _Default(Generator):
    """The generator that functions use when none is given; its state lives in C."""

    def __init__(self) -> None:
        self.device = CPU

    _seed = property(lambda self: lib.ops_get_seed(), lambda self, v: lib.ops_seed(v))
    _offset = property(lambda self: lib.ops_get_offset(), lambda self, v: lib.ops_set_offset(v))

    def manual_seed(self, seed: int) -> Generator:
        lib.ops_seed(int(seed) & (2**64 - 1))
        return self

    def set_state(self, state: Tensor) -> Generator:
        _install(*_unpacked(state))
        return self

    def __enter__(self) -> None:
        """The default stream is read in place."""

    def __exit__(self, *_: Any) -> None:
        """Nothing was exchanged."""


default_generator = _Default()


def _install(seed: int, offset: int) -> None:
    lib.ops_seed(seed)
    lib.ops_set_offset(offset)


def _state(seed: int, offset: int) -> Tensor:
    return frombuffer(bytearray(struct.pack("<QQ", seed, offset)), dtype=uint8)


def _unpacked(state: Tensor) -> tuple[int, int]:
    if not isinstance(state, Tensor) or state.dtype is not uint8 or state.numel() != 16:
        raise TypeError("RNG state must be a torch.ByteTensor of 16 elements")
    seed, offset = struct.unpack("<QQ", bytes(state.tolist()))
    return seed, offset


def manual_seed(seed: int) -> Generator:
    """Seed the default generator."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator from the operating system; returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The default generator's seed."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """State of the default generator."""
    return default_generator.get_state()


def set_rng_state(state: Tensor) -> None:
    """Restore the default generator."""
    default_generator.set_state(state)


def _stream(generator: Generator | None) -> Generator:
    return default_generator if generator is None else generator


def _uniform(t: Tensor, generator: Generator | None) -> Tensor:
    with _stream(generator):
        return f.uniform_like(t.detach())


def _normal(t: Tensor, generator: Generator | None) -> Tensor:
    with _stream(generator):
        return f.normal_like(t.detach())


def rand(
    *sizes: Any, size: Any = None, generator: Generator | None = None, out: Any = None,
    dtype: dtype | None = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Uniform numbers in [0, 1)."""
    like = empty(*sizes, size=size, dtype=dtype_of(dtype, out), device=device)
    return finish(_uniform(like, generator), requires_grad, out)


def randn(
    *sizes: Any, size: Any = None, generator: Generator | None = None, out: Any = None,
    dtype: dtype | None = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Standard normal numbers."""
    like = empty(*sizes, size=size, dtype=dtype_of(dtype, out), device=device)
    return finish(_normal(like, generator), requires_grad, out)


def rand_like(
    input: Tensor, *, dtype: dtype | None = None, requires_grad: bool = False, **_: Any
) -> Tensor:
    """Uniform numbers in the shape of ``input``."""
    return rand(
        *input.shape, dtype=dtype or input.dtype, device=input.device, requires_grad=requires_grad
    )


def randn_like(
    input: Tensor, *, dtype: dtype | None = None, requires_grad: bool = False, **_: Any
) -> Tensor:
    """Standard normal numbers in the shape of ``input``."""
    return randn(
        *input.shape, dtype=dtype or input.dtype, device=input.device, requires_grad=requires_grad
    )


def randint(
    low: int, high: Any = None, size: Any = None, *, generator: Generator | None = None, out: Any = None,  # noqa: E501
    dtype: dtype | None = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Integers in [low, high): ``randint(high, size)`` or ``randint(low, high, size)``."""
    if size is None:
        low, high, size = 0, low, high
    if high <= low:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    target = int64 if dtype is None and out is None else dtype_of(dtype, out)
    if not target.is_floating_point and target is not bool_:
        bounds = iinfo(target)
        for word, v in (("from", low), ("to - 1", high - 1)):
            if not bounds.min <= v <= bounds.max:
                raise RuntimeError(f"{word} is out of bounds for {target}: {v}")
    draws = _uniform(empty(size, dtype=float64, device=device), generator)
    values = f.floor(draws * float(high - low)).to(int64) + low
    return finish(values.to(target), requires_grad, out)


def randint_like(
    input: Tensor, low: int, high: int | None = None, *, dtype: dtype | None = None, **_: Any
) -> Tensor:
    """Integers in [low, high) in the shape of ``input``."""
    if high is None:
        low, high = 0, low
    return randint(low, high, tuple(input.shape), dtype=dtype or input.dtype, device=input.device)


def randperm(
    n: int, *, generator: Generator | None = None, out: Any = None, dtype: dtype | None = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A random permutation of 0 .. n - 1."""
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    import numpy as np

    keys = _uniform(empty(n, dtype=float64, device=CPU), generator)
    order = np.argsort(keys.numpy(), kind="stable").astype(np.int64)
    target = int64 if dtype is None and out is None else dtype_of(dtype, out)
    order = tensor(order, dtype=target, device=device)
    return finish(order, requires_grad, out)


def _from_array(a: Any) -> Tensor:
    return tensor(a, device=CPU)


def normal(
    mean: Any, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None, out: Any = None,  # noqa: E501
    dtype: dtype | None = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Normal numbers of the given mean and standard deviation (numbers, or tensors element by element)."""  # noqa: E501
    if not (std >= 0).all() if isinstance(std, Tensor) else not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    if size is not None:
        shape = _size((size,))
    else:
        like = [t for t in (mean, std) if isinstance(t, Tensor)]
        if not like:
            raise TypeError("normal() needs a size when mean and std are numbers")
        shape = (mean + std).shape
        dtype = like[0].dtype
    drawn = randn(*shape, generator=generator, dtype=dtype_of(dtype, out), device=device)
    return finish(drawn * std + mean, requires_grad, out)


def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None, out: Any = None
) -> Tensor:
    """1 with the probability that ``input`` (or p) says, else 0."""
    chance = input if p is None else p
    inside = (chance >= 0) & (chance <= 1) if isinstance(chance, Tensor) else 0 <= chance <= 1
    if isinstance(inside, Tensor) and not inside.is_meta:
        inside = inside.all()
    if not (isinstance(inside, Tensor) and inside.is_meta) and not inside:
        raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
    drawn = (_uniform(input, generator) < chance).to(input.dtype)
    return finish(drawn, False, out)


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Poisson numbers of the rates ``input``, by NumPy's generator seeded from ours."""
    import numpy as np

    key = int(randint(0, 2**53, (1,), generator=generator, device=CPU).item())
    draws = np.random.default_rng(key).poisson(input.detach().double().numpy())
    return _from_array(draws).to(input.dtype)


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None,  # noqa: E501
    out: Any = None,
) -> Tensor:  # fmt: skip
    """Indices drawn with the probabilities of each row of ``input``.

    Raises:
        RuntimeError: for negative, infinite or all-zero weights, or too many draws without replacement.
    """  # noqa: E501
    import numpy as np

    p = input.detach().double().numpy()
    if p.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    rows = p.reshape(-1, p.shape[-1])
    if not np.isfinite(rows).all() or (rows < 0).any():
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if (rows.sum(1) <= 0).any():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    if not replacement and ((rows > 0).sum(1) < num_samples).any():
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
            if num_samples > rows.shape[1]
            else "invalid multinomial distribution (with replacement=False, not enough non-negative category to sample)"  # noqa: E501
        )
    if replacement:
        u = _uniform(empty(len(rows), num_samples, dtype=float64, device=CPU), generator).numpy()
        edges = np.cumsum(rows, axis=1)
        picks = np.stack(
            [np.searchsorted(e, v * e[-1], side="right") for e, v in zip(edges, u, strict=True)]
        )
        picks = np.minimum(picks, (rows > 0).shape[1] - 1)
    else:  # the smallest of exponentials with these rates (Efraimidis, Spirakis 2006)
        u = _uniform(empty(*rows.shape, dtype=float64, device=CPU), generator).numpy()
        with np.errstate(divide="ignore"):
            waits = np.where(rows > 0, -np.log1p(-u) / rows, np.inf)
        picks = np.argsort(waits, axis=1, kind="stable")[:, :num_samples]
    shape = (num_samples,) if p.ndim == 1 else (len(rows), num_samples)
    drawn = _from_array(np.ascontiguousarray(picks.astype(np.int64).reshape(shape)))
    return finish(drawn, False, out)


# In-place draws ----------------------------------------------------------------------------------


def _uniform_(
    self: Tensor,
    from_: float = 0.0,
    to: float = 1.0,
    *,
    generator: Generator | None = None,
    **kw: Any,
) -> Tensor:
    """Overwrite with uniform numbers in [from, to)."""
    low = kw.get("from", kw.get("a", from_))
    high = kw.get("b", to)
    if low > high:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}"
        )
    return self.copy_(_uniform(self, generator) * (high - low) + low)


def _normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Overwrite with normal numbers."""
    if std < 0:
        raise RuntimeError(f"normal_ expects std >= 0.0, but found std {std}")
    return self.copy_(_normal(self, generator) * std + mean)


def _bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with 1 with probability p, else 0."""
    return self.copy_(_uniform(self.to(float64), generator) < p)


def _exponential_(
    self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Overwrite with exponential numbers of rate ``lambd``."""
    return self.copy_(-f.log1p(-_uniform(self, generator)) / lambd)


def _random_(
    self: Tensor,
    from_: int = 0,
    to: int | None = None,
    *,
    generator: Generator | None = None,
    **kw: Any,
) -> Tensor:
    """Overwrite with integers: ``random_()``, ``random_(to)`` or ``random_(from, to)``."""
    low = kw.get("from", from_)
    if to is None:
        d = self.dtype
        if d.limits:
            digits = d.limits[0]
        else:
            digits = 1 if d is bool_ else min(53, 8 * d.itemsize - d.is_signed)
        low, to = (0, low) if low else (0, 2**digits)
    return self.copy_(randint(low, to, tuple(self.shape), generator=generator, device=self.device))


for _name, _fn in (("uniform_", _uniform_), ("normal_", _normal_), ("bernoulli_", _bernoulli_),
                   ("exponential_", _exponential_), ("random_", _random_)):  # fmt: skip
    _fn.__name__ = _name
    setattr(Tensor, _name, _fn)
Tensor.bernoulli = bernoulli
Tensor.multinomial = multinomial

__all__ = [
    "Generator", "bernoulli", "default_generator", "get_rng_state", "initial_seed", "manual_seed",
    "multinomial", "normal", "poisson", "rand", "rand_like", "randint", "randint_like", "randn",
    "randn_like", "randperm", "seed", "set_rng_state",
]  # fmt: skip
