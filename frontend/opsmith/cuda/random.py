"""Random numbers on GPUs: one generator serves all devices, a seed gives the same numbers."""

from __future__ import annotations

from typing import Any

from .. import _random
from .._core import Tensor
from . import device_count, is_available, require


def manual_seed(seed: int) -> None:
    """Seed the generator; nothing without a GPU."""
    if is_available():
        _random.manual_seed(seed)


manual_seed_all = manual_seed


def seed() -> None:
    """Seed the generator from the operating system; nothing without a GPU."""
    if is_available():
        _random.seed()


seed_all = seed


def initial_seed() -> int:
    """The seed it started from."""
    require()
    return _random.initial_seed()


def get_rng_state(device: Any = "cuda") -> Tensor:
    """The generator's state."""
    require()
    return _random.get_rng_state()


def get_rng_state_all() -> list[Tensor]:
    """The state once for each GPU."""
    return [get_rng_state() for _ in range(device_count())]


def set_rng_state(new_state: Tensor, device: Any = "cuda") -> None:
    """Go on from a state."""
    require()
    _random.set_rng_state(new_state)


def set_rng_state_all(new_states: list[Tensor]) -> None:
    """Go on from the states of ``get_rng_state_all``."""
    for state in new_states[:1]:
        set_rng_state(state)


__all__ = [
    "get_rng_state", "get_rng_state_all", "initial_seed", "manual_seed", "manual_seed_all", "seed",
    "seed_all", "set_rng_state", "set_rng_state_all",
]  # fmt: skip
