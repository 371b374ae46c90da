"""Samplers: the order in which a loader takes samples."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import opsmith

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """Yields indices, or lists of them; subclasses define `__iter__`."""

    def __init__(self, data_source: Sized | None = None) -> None:
        """Take anything; the argument is not used."""

    def __iter__(self) -> Iterator[T_co]:
        """Start an epoch."""
        raise NotImplementedError


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ..."""

    def __init__(self, data_source: Sized) -> None:
        """Keep the dataset."""
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        """Start an epoch."""
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        """The number of indices."""
        return len(self.data_source)


def _positive(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name} should be a positive integer value, but got {name}={value}")


class RandomSampler(Sampler[int]):
    """A permutation, or independent draws with `replacement`.

    Args:
        data_source: the dataset.
        replacement: whether an index may come twice.
        num_samples: how many to draw, the dataset's length by default.
        generator: the source of randomness, the default one if None.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
    ) -> None:
        """Keep the arguments."""
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        _positive("num_samples", self.num_samples)

    @property
    def num_samples(self) -> int:
        """The number of indices; a dataset may have grown."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        """Start an epoch."""
        size, wanted = len(self.data_source), self.num_samples
        if self.replacement:
            drawn = opsmith.randint(0, size, (wanted,), generator=self.generator)
            yield from drawn.tolist()
            return
        while wanted > 0:
            order = opsmith.randperm(size, generator=self.generator).tolist()
            yield from order[:wanted]
            wanted -= size

    def __len__(self) -> int:
        """The number of indices."""
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """A permutation of given indices."""

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        """Keep the arguments."""
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        """Start an epoch."""
        for i in opsmith.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        """The number of indices."""
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices drawn with probabilities in proportion to `weights`."""

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Any = None,
    ) -> None:
        """Keep the arguments."""
        _positive("num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        self.weights = opsmith.as_tensor(weights, dtype=opsmith.float64)
        if self.weights.dim() != 1:
            raise ValueError(
                "weights should be a 1d sequence but given weights have shape "
                f"{tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        """Start an epoch."""
        drawn = opsmith.multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        )
        return iter(drawn.tolist())

    def __len__(self) -> int:
        """The number of indices."""
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` indices of another sampler.

    Args:
        sampler: yields the indices.
        batch_size: how many go in a list.
        drop_last: leave out a last list that is shorter.
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        """Keep the arguments."""
        _positive("batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        """Start an epoch."""
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) < self.batch_size and self.drop_last:
                return
            yield batch

    def __len__(self) -> int:
        """The number of lists."""
        samples = len(self.sampler)  # type: ignore[arg-type]
        rounding = 0 if self.drop_last else self.batch_size - 1
        return (samples + rounding) // self.batch_size
