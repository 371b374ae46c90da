"""Making one batch of several samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import opsmith
from opsmith import Tensor

__all__ = ["default_collate", "default_convert"]


def _is_numpy(value: Any) -> bool:
    return type(value).__module__ == "numpy"


def _rebuilt(like: Any, entries: dict[Any, Any]) -> Any:
    try:
        return type(like)(entries)
    except TypeError:  # a mapping with another constructor
        return entries


def default_convert(data: Any) -> Any:
    """Make tensors of the NumPy arrays in a sample, however they are nested."""
    if isinstance(data, Tensor):
        return data
    if _is_numpy(data):
        return data if data.dtype.kind in "SUO" else opsmith.as_tensor(data)
    if isinstance(data, Mapping):
        return _rebuilt(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(value) for value in data))
    if isinstance(data, tuple):
        return [default_convert(value) for value in data]
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return [default_convert(value) for value in data]
    return data


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack samples along a new first axis, through tuples, lists and mappings.

    Tensors and arrays (*) become (N, *), numbers tensors (N); strings stay a list.

    Raises:
        TypeError: a sample of another type.
        RuntimeError: sequences of different lengths.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return opsmith.stack(list(batch), 0)
    if _is_numpy(first):
        if first.dtype.kind in "SUO":
            raise TypeError(_refusal(first.dtype))
        if first.shape == ():
            return opsmith.as_tensor(list(batch))
        return opsmith.stack([opsmith.as_tensor(array) for array in batch], 0)
    if isinstance(first, float):
        return opsmith.tensor(list(batch), dtype=opsmith.float64)
    if isinstance(first, int):
        return opsmith.tensor(list(batch))
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        return _rebuilt(
            first, {key: default_collate([sample[key] for sample in batch]) for key in first}
        )
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(column) for column in zip(*batch, strict=True)))
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        return [default_collate(column) for column in zip(*batch, strict=True)]
    raise TypeError(_refusal(type(first)))


def _refusal(found: Any) -> str:
    return (
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {found}"
    )
