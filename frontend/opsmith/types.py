"""Names for annotations."""

from __future__ import annotations

import builtins
import os
from collections.abc import Sequence
from typing import IO, Any, TypeAlias, Union

from ._core import Tensor
from ._dtypes import Size, device, dtype

Number: TypeAlias = Union[int, float, bool]  # noqa: UP007
Device: TypeAlias = Union[device, str, int, None]  # noqa: UP007
FileLike: TypeAlias = Union[str, os.PathLike, IO[bytes]]  # noqa: UP007
_TensorOrTensors: TypeAlias = Union[Tensor, Sequence[Tensor]]  # noqa: UP007
_TensorOrTensorsOrGradEdge: TypeAlias = Union[Tensor, Sequence[Tensor], Any]  # noqa: UP007
_size: TypeAlias = Union[Size, list[int], tuple[int, ...]]  # noqa: UP007
_int, _float, _bool = builtins.int, builtins.float, builtins.bool
_dtype, _device = dtype, device


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)


__all__ = ["Device", "FileLike", "Number"]
