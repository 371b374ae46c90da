"""Tensors in the safetensors format: names, dtypes, shapes and bytes, nothing that runs.

The package `safetensors` reads and writes it through NumPy, and is imported when first used.
Floats that NumPy lacks are handled here by their bits.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import opsmith
from opsmith import Tensor
from opsmith._dtypes import DTYPES as _DTYPES
from opsmith._dtypes import as_bits as _as_bits
from opsmith.serialization import _replacing

__all__ = ["load", "load_file", "save", "save_file"]

_NAMES = {d.safetensors: d for d in _DTYPES}


def _package() -> Any:
    try:
        import safetensors
    except ImportError:
        raise ImportError("the safetensors format needs `pip install safetensors`") from None
    return safetensors


def save(tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """The bytes of a safetensors file.

    Args:
        tensors: names and tensors; those that share memory are stored each by itself.
        metadata: strings to store beside them.

    Raises:
        ValueError: a value that is no tensor.
    """
    package = _package()
    arrays, spec = [], {}
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise ValueError(f"safetensors: {name!r} is {type(tensor).__name__}, expected a Tensor")
        data = tensor.detach().cpu().contiguous()
        dtype = str(data.dtype).rpartition(".")[2]
        if not data.dtype.numpy:
            data = data.view(_as_bits(data.dtype))
        array = data.numpy()
        arrays.append(array)  # what follows holds its address
        spec[name] = _spec(package, dtype, list(tensor.shape), array)
    return bytes(package.serialize(spec, metadata=metadata))


def _spec(package: Any, dtype: str, shape: list[int], array: Any) -> Any:
    """One tensor as the package wants it: older versions take a dictionary."""
    if not hasattr(package, "TensorSpec"):
        return {"dtype": dtype, "shape": shape, "data": array.tobytes()}
    return package.TensorSpec(
        dtype=dtype, shape=shape, data_ptr=array.ctypes.data, data_len=array.nbytes
    )


def save_file(
    tensors: Mapping[str, Tensor],
    filename: str | os.PathLike[str],
    metadata: dict[str, str] | None = None,
) -> None:
    """Write a safetensors file, which takes the place of an old one once it is complete."""
    data = save(tensors, metadata)
    with _replacing(os.fspath(filename)) as file:
        file.write(data)


def load(data: bytes, device: Any = "cpu") -> dict[str, Tensor]:
    """The names and tensors in the bytes of a safetensors file.

    Raises:
        RuntimeError: a dtype that is not supported.
        safetensors.SafetensorError: damaged bytes.
    """
    import numpy as np

    out = {}
    for name, entry in _package().deserialize(data):
        own = _NAMES.get(entry["dtype"])
        if own is None:
            raise RuntimeError(f"safetensors: {name!r} has the unsupported dtype {entry['dtype']}")
        raw = np.dtype(own.numpy or _as_bits(own).numpy).newbyteorder("<")
        array = np.frombuffer(bytearray(entry["data"]), raw).reshape(entry["shape"])
        tensor = opsmith.from_numpy(array)
        tensor = tensor if own.numpy else tensor.view(own)
        out[name] = tensor if str(device) == "cpu" else tensor.to(device)
    return out


def load_file(filename: str | os.PathLike[str], device: Any = "cpu") -> dict[str, Tensor]:
    """The names and tensors in a safetensors file."""
    with open(filename, "rb") as file:
        return load(file.read(), device)
