"""`DataLoader`: batches of a dataset, in an order, from this process or from workers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import opsmith
from opsmith.utils.data._collate import default_collate, default_convert
from opsmith.utils.data._fetch import IterableFetcher, MapFetcher
from opsmith.utils.data._worker import Workers
from opsmith.utils.data.dataset import Dataset, IterableDataset
from opsmith.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler

__all__ = ["DataLoader"]

T_co = TypeVar("T_co", covariant=True)


class _Forever:
    """The sampler of a stream: there are no indices."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


class DataLoader(Generic[T_co]):
    """Iterates over a dataset in batches.

    The order depends only on `generator`, or on `manual_seed` without one.

    Args:
        dataset: samples by index, or an `IterableDataset`.
        batch_size: samples in a batch; None takes single samples.
        shuffle: whether to take samples in a random order.
        sampler: yields the indices instead.
        batch_sampler: yields lists of indices instead.
        num_workers: processes that fetch batches, 0 for none.
        collate_fn: makes a batch of a list of samples, `default_collate` by default.
        pin_memory: accepted; memory is not pinned.
        drop_last: leave out a last batch that is smaller.
        timeout: seconds to wait for a worker's batch, 0 for as long as it takes.
        worker_init_fn: called with its number in each worker.
        multiprocessing_context: a start method or a context for the workers.
        generator: the source of randomness.
        prefetch_factor: batches each worker fetches ahead, 2 by default.
        persistent_workers: keep the workers from one epoch to the next.
        pin_memory_device: accepted.
        in_order: accepted; batches always come in order.

    Raises:
        ValueError: options that exclude each other or are out of range.
    """

    _workers: Workers | None = None

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        """Check the options and choose the samplers."""
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self._iterable = isinstance(dataset, IterableDataset)
        if self._iterable:
            _check_stream(shuffle, sampler, batch_sampler)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, "
                    "sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with "
                "drop_last"
            )
        if sampler is None:
            if self._iterable:
                sampler = _Forever()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)  # type: ignore[arg-type]
            else:
                sampler = SequentialSampler(dataset)  # type: ignore[arg-type]
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        batched = batch_sampler is not None
        self.collate_fn = collate_fn or (default_collate if batched else default_convert)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Iterable[Any]:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def __iter__(self) -> Iterator[Any]:
        """Start an epoch."""
        # drawn without workers too, so that their number does not change the order of samples
        seed = int(opsmith.randint(0, 2**31 - 1, (1,), generator=self.generator).item())
        indices = iter(self._index_sampler)
        return self._here(indices) if self.num_workers == 0 else self._elsewhere(indices, seed)

    def _here(self, indices: Iterator[Any]) -> Iterator[Any]:
        batched, collate = self._auto_collation, self.collate_fn
        if not self._iterable:
            fetch = MapFetcher(self.dataset, batched, collate).fetch
            for index in indices:
                yield fetch(index)
            return
        stream = IterableFetcher(self.dataset, batched, collate, self.drop_last)
        for index in indices:
            try:
                batch = stream.fetch(index)
            except StopIteration:
                return
            yield batch

    def _elsewhere(self, indices: Iterator[Any], seed: int) -> Iterator[Any]:
        workers = self._workers
        if workers is None:
            workers = Workers(
                self.num_workers,
                self.prefetch_factor or 2,
                seed,
                self.timeout,
                self.multiprocessing_context,
                dataset=self.dataset,
                batched=self._auto_collation,
                collate=self.collate_fn,
                iterable=self._iterable,
                drop_last=self.drop_last,
                init=self.worker_init_fn,
            )
        if self.persistent_workers:
            self._workers = workers
        try:
            yield from workers.run(indices)
        finally:
            if not self.persistent_workers:
                workers.stop()

    def __len__(self) -> int:
        """The number of batches, or of samples without batches.

        Raises:
            TypeError: a stream of unknown length.
        """
        if not self._iterable:
            return len(self._index_sampler)  # type: ignore[arg-type]
        samples = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return samples
        return (samples + (0 if self.drop_last else self.batch_size - 1)) // self.batch_size

    def __del__(self) -> None:
        """End workers that were kept."""
        if self._workers is not None:
            self._workers.stop()


def _check_workers(count: int, timeout: float, ahead: int | None, persistent: bool) -> None:
    if count < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable "
            "multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if count == 0 and ahead is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing.let num_workers > "
            "0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if ahead is not None and ahead < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent and count == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _check_stream(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    if shuffle not in (None, False):
        raise ValueError(
            "DataLoader with IterableDataset: expected unspecified shuffle option, but got "
            f"shuffle={shuffle}"
        )
    for name, value in (("sampler", sampler), ("batch_sampler", batch_sampler)):
        if value is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got "
                f"{name}={value}"
            )
