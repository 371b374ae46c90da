"""Datasets.

A dataset whose samples lie in tensors may offer `_collated(indices)`, which returns what
`default_collate` makes of those samples, and None if it cannot: whole batches are then indexed at
once.
"""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import opsmith
from opsmith import Tensor

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Samples by index; subclasses define `__getitem__`, and `__len__` for most samplers.

    A subclass may define `__getitems__(indices)` returning a list of samples.
    """

    def __getitem__(self, index: Any) -> Any:
        """The sample at an index."""
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset[T_co]) -> ConcatDataset[T_co]:
        """The samples of both."""
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """Samples as a stream; subclasses define `__iter__`."""

    def __iter__(self) -> Iterator[T_co]:
        """Start the stream."""
        raise NotImplementedError("Subclasses of IterableDataset should implement __iter__.")

    def __add__(self, other: Dataset[T_co]) -> Any:
        """One stream after the other."""
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Samples (tensor[i] for each tensor).

    Raises:
        AssertionError: the tensors differ in their first size.
    """

    def __init__(self, *tensors: Tensor) -> None:
        """Keep the tensors."""
        if any(tensor.size(0) != tensors[0].size(0) for tensor in tensors):
            raise AssertionError("Size mismatch between tensors")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        """The sample at an index."""
        return tuple(tensor[index] for tensor in self.tensors)

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, ...]]:
        """The samples at several indices."""
        return [self[index] for index in indices]

    def _collated(self, indices: Sequence[int]) -> list[Tensor] | None:
        if type(self).__getitem__ is not TensorDataset.__getitem__:
            return None  # a subclass does something to its samples
        if type(self).__getitems__ is not TensorDataset.__getitems__:
            return None
        rows = opsmith.tensor(list(indices), dtype=opsmith.int64)
        return [
            tensor.index_select(0, rows if tensor.device.type == "cpu" else rows.to(tensor.device))
            for tensor in self.tensors
        ]

    def __len__(self) -> int:
        """The number of samples."""
        return self.tensors[0].size(0)


class StackDataset(Dataset[Any]):
    """Samples made of the samples of several datasets: tuples, or dictionaries for keywords.

    Raises:
        ValueError: the datasets differ in length, or there are none.
    """

    def __init__(self, *args: Dataset[Any], **kwargs: Dataset[Any]) -> None:
        """Keep the datasets."""
        if args and kwargs:
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or ``dict``- (via ``kwargs``) like "
                "input/output, but both types are given."
            )
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        self.datasets: Any = args or kwargs
        members = list(args or kwargs.values())
        self._length = len(members[0])  # type: ignore[arg-type]
        if any(self._length != len(dataset) for dataset in members):  # type: ignore[arg-type]
            raise ValueError("Size mismatch between datasets")

    def __getitem__(self, index: Any) -> Any:
        """The sample at an index."""
        if isinstance(self.datasets, dict):
            return {key: dataset[index] for key, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __len__(self) -> int:
        """The number of samples."""
        return self._length


class ConcatDataset(Dataset[T_co]):
    """The samples of several datasets, one after the other."""

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        """Keep the datasets."""
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        lengths = [len(dataset) for dataset in self.datasets]  # type: ignore[arg-type]
        self.cumulative_sizes = list(accumulate(lengths))

    def __len__(self) -> int:
        """The number of samples."""
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        """The sample at an index."""
        if index < 0:
            if -index > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            index += len(self)
        which = bisect_right(self.cumulative_sizes, index)
        start = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - start]


class ChainDataset(IterableDataset[Any]):
    """Several streams, one after the other."""

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        """Keep the datasets."""
        super().__init__()
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        """Start the first stream."""
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield from dataset

    def __len__(self) -> int:
        """The number of samples, if all streams know theirs."""
        return sum(len(dataset) for dataset in self.datasets)  # type: ignore[arg-type]


class Subset(Dataset[T_co]):
    """The samples of `dataset` at `indices`."""

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        """Keep the arguments."""
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> Any:
        """The sample at an index of the subset, or those at a list of indices."""
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """The samples at several indices of the subset."""
        chosen = [self.indices[i] for i in indices]
        many = getattr(self.dataset, "__getitems__", None)
        return many(chosen) if callable(many) else [self.dataset[i] for i in chosen]

    def _collated(self, indices: Sequence[int]) -> Any:
        if type(self).__getitem__ is not Subset.__getitem__:
            return None
        if type(self).__getitems__ is not Subset.__getitems__:
            return None
        whole = getattr(self.dataset, "_collated", None)
        return None if whole is None else whole([self.indices[i] for i in indices])

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.indices)


def random_split(
    dataset: Dataset[T], lengths: Sequence[int | float], generator: Any = None
) -> list[Subset[T]]:
    """Divide a dataset at random.

    Args:
        dataset: what to divide.
        lengths: the sizes of the parts, or fractions that sum to 1.
        generator: the source of randomness, the default one if None.

    Raises:
        ValueError: the lengths do not sum to the dataset's, or a fraction is out of [0, 1].
    """
    total = len(dataset)  # type: ignore[arg-type]
    sizes = list(lengths)
    if math.isclose(sum(sizes), 1) and sum(sizes) <= 1:
        for i, fraction in enumerate(sizes):
            if fraction < 0 or fraction > 1:
                raise ValueError(f"Fraction at index {i} is not between 0 and 1")
        sizes = [math.floor(total * fraction) for fraction in sizes]
        for i in range(total - int(sum(sizes))):
            sizes[i % len(sizes)] += 1
        for i, size in enumerate(sizes):
            if size == 0:
                warnings.warn(
                    f"Length of split at index {i} is 0. This might result in an empty dataset.",
                    stacklevel=2,
                )
    if sum(sizes) != total:
        raise ValueError("Sum of input lengths does not equal the length of the input dataset!")
    order = opsmith.randperm(total, generator=generator).tolist()
    ends = list(accumulate(int(size) for size in sizes))
    return [
        Subset(dataset, order[end - int(size) : end]) for end, size in zip(ends, sizes, strict=True)
    ]
