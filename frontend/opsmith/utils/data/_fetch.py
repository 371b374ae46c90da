"""From indices to a batch; the same in the main process and in workers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from opsmith.utils.data._collate import default_collate

__all__ = ["IterableFetcher", "MapFetcher"]


class MapFetcher:
    """Looks indices up in a dataset.

    Args:
        dataset: the dataset.
        batched: whether indices come as lists.
        collate: makes a batch of a list of samples.
    """

    def __init__(self, dataset: Any, batched: bool, collate: Callable[[Any], Any]) -> None:
        """Keep the arguments."""
        self.dataset = dataset
        self.batched = batched
        self.collate = collate
        self.whole = None
        if batched and collate is default_collate:
            self.whole = getattr(dataset, "_collated", None)
        self.many = getattr(dataset, "__getitems__", None) if batched else None

    def fetch(self, index: Any) -> Any:
        """The batch (or sample) at an index."""
        if not self.batched:
            return self.collate(self.dataset[index])
        if self.whole is not None:
            batch = self.whole(index)
            if batch is not None:
                return batch
        if self.many:
            return self.collate(self.many(index))
        dataset = self.dataset
        return self.collate([dataset[i] for i in index])


class IterableFetcher:
    """Takes samples from a stream; of an index only the length matters."""

    def __init__(
        self, dataset: Any, batched: bool, collate: Callable[[Any], Any], drop_last: bool
    ) -> None:
        """Start the stream."""
        self.samples = iter(dataset)
        self.batched = batched
        self.collate = collate
        self.drop_last = drop_last

    def fetch(self, index: Any) -> Any:
        """The next batch (or sample).

        Raises:
            StopIteration: the stream is over.
        """
        if not self.batched:
            return self.collate(next(self.samples))
        batch = list(itertools.islice(self.samples, len(index)))
        if not batch or (self.drop_last and len(batch) < len(index)):
            raise StopIteration
        return self.collate(batch)
