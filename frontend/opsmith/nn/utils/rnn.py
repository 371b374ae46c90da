"""Sequences of different lengths: padded to one tensor, or packed without padding.

Packed data holds the first elements of all sequences, longest first, then the second elements of
those that have one, and so on; `batch_sizes` says how many there are at each step.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

import opsmith
from opsmith import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]

_Fields = namedtuple(
    "PackedSequence", ["data", "batch_sizes", "sorted_indices", "unsorted_indices"]
)
_DTYPES = {
    "double": "float64", "float": "float32", "half": "float16", "long": "int64", "int": "int32",
    "short": "int16", "char": "int8", "byte": "uint8",
}  # fmt: skip


class PackedSequence(_Fields):
    """Sequences without padding; made by `pack_padded_sequence` and `pack_sequence`.

    Attributes:
        data: elements (N, *) of all sequences, step by step.
        batch_sizes: how many of them belong to each step, an int64 tensor on the CPU.
        sorted_indices: where each sequence, longest first, stands in the batch; None: in place.
        unsorted_indices: the inverse of that permutation.
    """

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        """Keep the arguments; `data` may be a pair (data, batch_sizes)."""
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not isinstance(data, list | tuple) or len(data) != 2:
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        elif batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be "
                "created manually. They should be instantiated by functions like pack_sequence and "
                "pack_padded_sequences in nn.utils.rnn. "
                "https://pytorch.org/docs/stable/nn.html#torch.nn.utils.rnn.pack_sequence"
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def __getnewargs__(self) -> tuple[Any, ...]:
        """Pickle as the four fields."""
        return tuple(self)

    def pin_memory(self) -> PackedSequence:
        """The same; memory is not pinned."""
        return self

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with `data` on another device or of another dtype; arguments of `Tensor.to`."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        kwargs = {k: v for k, v in kwargs.items() if k in ("non_blocking", "copy")}
        moved = [t if t is None else t.to(data.device, **kwargs) for t in self[2:]]
        return type(self)(data, self.batch_sizes, *moved)

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """On the GPU."""
        return self.to(*args or ("cuda",), **kwargs)

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """In main memory."""
        return self.to(*args or ("cpu",), **kwargs)

    @property
    def is_cuda(self) -> bool:
        """Is `data` on a GPU?"""
        return bool(self.data.is_cuda)

    def is_pinned(self) -> bool:
        """Never."""
        return False


def _converter(method: str, dtype: str) -> Any:
    def convert(self: PackedSequence) -> PackedSequence:
        return self.to(dtype=getattr(opsmith, dtype))

    convert.__name__ = method
    convert.__doc__ = f"The same with `data` of dtype {dtype}."
    return convert


for _method, _dtype in _DTYPES.items():
    setattr(PackedSequence, _method, _converter(_method, _dtype))


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes `permutation`; None for None."""
    return None if permutation is None else opsmith.argsort(permutation)


def _lengths_of(lengths: Any, batch: int) -> list[int]:
    found = lengths.tolist() if isinstance(lengths, Tensor) else [int(n) for n in lengths]
    if len(found) != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(found)} "
            f"(batch_size={batch})"
        )
    if any(n <= 0 for n in found):
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    return found


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """The first `lengths[k]` elements of each sequence k of a padded batch.

    Args:
        input: (T, B, *), or (B, T, *) if `batch_first`.
        lengths: B integers, as a list or a tensor on the CPU.
        batch_first: see `input`.
        enforce_sorted: refuse lengths that grow; else sequences are sorted first.

    Raises:
        RuntimeError: lengths that are not positive, that grow, or are not as many as sequences.
    """
    if input.numel() == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    if isinstance(lengths, Tensor) and lengths.device.type != "cpu":
        raise RuntimeError("'lengths' argument should be a 1D CPU int64 tensor")
    order = None
    if batch_first:
        input = input.transpose(0, 1)
    steps, batch = input.shape[:2]
    found = _lengths_of(lengths, batch)
    if enforce_sorted:
        if any(a < b for a, b in zip(found, found[1:], strict=False)):
            raise RuntimeError(
                "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. "
                "You can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence "
                "to sidestep this requirement if you do not need ONNX exportability."
            )
    else:
        ranked = sorted(range(batch), key=lambda k: -found[k])
        order = opsmith.tensor(ranked, device=input.device)
        found = [found[k] for k in ranked]
    if found[0] > steps:
        raise RuntimeError(
            f"Expected lengths of at most {steps}, the length of the padded sequences, but got "
            f"{found[0]}"
        )
    sizes = [sum(n > t for n in found) for t in range(found[0])]
    where = ranked if order is not None else range(batch)
    at = [t * batch + where[k] for t, size in enumerate(sizes) for k in range(size)]
    rows = input.reshape(steps * batch, *input.shape[2:])
    if at == list(range(steps * batch)):
        data = rows
    else:
        data = rows.index_select(0, opsmith.tensor(at, device=input.device))
    return PackedSequence(data, opsmith.tensor(sizes, device="cpu"), order, None)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The inverse of `pack_padded_sequence`: the padded batch and the lengths.

    Args:
        sequence: the packed sequences.
        batch_first: give (B, T, *) in the place of (T, B, *).
        padding_value: what stands behind the end of a sequence.
        total_length: the T to pad to; the greatest length by default.

    Raises:
        ValueError: `total_length` is less than the greatest length.
    """
    data, batch_sizes, _, unsorted = sequence
    sizes = batch_sizes.tolist()
    steps, batch, count = len(sizes), sizes[0], data.shape[0]
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, "
                f"but got total_length={total_length} and max sequence length being {steps}"
            )
        steps = total_length
    lengths = [sum(size > k for size in sizes) for k in range(batch)]
    where = range(batch) if unsorted is None else unsorted.tolist()
    starts = list(accumulate(sizes, initial=0))
    at = [
        starts[t] + k if t < len(sizes) and k < sizes[t] else count
        for t in range(steps) for k in where
    ]  # fmt: skip
    if count in at:
        data = opsmith.cat([data, data.new_full((1, *data.shape[1:]), padding_value)])
    if at != list(range(count)):
        data = data.index_select(0, opsmith.tensor(at, device=data.device))
    padded = data.reshape(steps, batch, *data.shape[1:])
    return (
        padded.transpose(0, 1) if batch_first else padded,
        opsmith.tensor([lengths[k] for k in where], device="cpu"),
    )


def pad_sequence(
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences (L, *) of different lengths as one batch (T, B, *), or (B, T, *) if `batch_first`.

    Raises:
        RuntimeError: `sequences` cannot be iterated over.
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    listed = list(sequences)
    if not listed:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}."
        )
    steps = max(s.shape[0] for s in listed)
    rest = listed[0].shape[1:]
    for s in listed:
        if s.shape[1:] != rest:
            raise RuntimeError(
                "The size of the sequences must match in all dimensions but the first: expected "
                f"{list(rest)}, but got {list(s.shape[1:])}"
            )
    padded = []
    for s in listed:
        missing = steps - s.shape[0]
        around = (missing, 0) if padding_side == "left" else (0, missing)
        sides = (0, 0) * len(rest) + around
        padded.append(opsmith.nn.functional.pad(s, sides, value=padding_value) if missing else s)
    return opsmith.stack(padded, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """The sequences of a padded batch, each cut to its length."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    found = lengths.tolist() if isinstance(lengths, Tensor) else lengths
    return [padded_sequences[k, :n] for k, n in enumerate(found)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences (L, *) of different lengths, packed; see `pack_padded_sequence`."""
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences that were packed, in their order."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
