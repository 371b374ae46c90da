"""What generated functions and the frontend's own modules are written in, gathered.

Its parts: ``_handles`` (tensors, nodes), ``_encoding``, ``_arguments``, ``_recording``,
``_writes``; and what compositions need.
"""

from __future__ import annotations

import importlib
from operator import itemgetter

from ._arguments import (
    dispatch,
    explain,
    failed,
    need_tensor,
    no_case,
    no_overrides,
    overrides,
    refuse_dtype,
    register_params,
    renamed,
    retry,
    retry_operator,
)
from ._boundary import ALWAYS, SUBCLASS, error_text, shard
from ._dtypes import DEVICES, Size
from ._encoding import (
    DIMS,
    MISSING,
    as_operand,
    device_code,
    ints,
    is_number,
    number,
    operand,
    scalar,
    tensors,
)
from ._geometry import restride
from ._handles import (
    LIMIT,
    NAN,
    NO_INT,
    NONE,
    NONE_H,
    RARE,
    Leaf,
    Tensor,
    alias,
    drop,
    dtype_code,
    further,
    grad_enabled,
    last_write,
    make,
    make_view,
    seq,
    unreduce_handle,
    wrap,
)
from ._modes import divert, diverts
from ._recording import (
    _check_saved,
    attach,
    backward_failed,
    check_saved,
    cotangents,
    freed,
    has_node,
    hold,
    hold_saved,
    like,
    next_output,
    raw,
    reduce_to,
    reduced_count,
    reduced_positions,
    saved_input,
    saved_output,
    share,
    steal,
    undo_broadcast,
    unreduce,
)
from ._writes import (
    assign,
    check_inplace,
    copy_of,
    exchange,
    in_place,
    one_by_one,
    one_of_several,
    rebase,
    refuse_recorded_out,
    several,
    write_out,
    written,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def compose(module: str) -> Any:
    """A module of opsmith.compose, on first use."""
    found = _COMPOSED.get(module)
    if found is None:
        found = _COMPOSED[module] = importlib.import_module(f"opsmith.compose.{module}")
    return found


_COMPOSED: dict[str, Any] = {}


def named_tuple(name: str, fields: tuple[str, ...]) -> Any:
    """The result class of an op with several outputs: a tuple with named items, printed as such."""

    def create(cls: type, *items: Any) -> Any:
        return tuple.__new__(cls, items)

    def show(self: Any) -> str:
        inner = ",\n".join(f"{f}={v!r}" for f, v in zip(fields, self, strict=True))
        return f"torch.return_types.{name}(\n{inner})"

    body = {f: property(itemgetter(k)) for k, f in enumerate(fields)}
    body |= {"__slots__": (), "__new__": create, "__repr__": show, "_fields": fields}
    body["__reduce__"] = lambda self: (tuple, (tuple(self),))
    return type(name, (tuple,), body)


__all__ = [
    "ALWAYS", "DEVICES", "DIMS", "LIMIT", "Leaf", "MISSING", "NAN", "NONE", "NONE_H", "NO_INT",
    "RARE", "SUBCLASS", "Size", "Tensor", "_check_saved", "alias", "as_operand", "assign",
    "attach", "backward_failed", "check_inplace", "check_saved", "compose", "copy_of",
    "cotangents", "device_code", "dispatch", "divert", "diverts", "drop", "dtype_code",
    "error_text", "exchange", "explain", "failed", "freed", "further", "grad_enabled",
    "has_node", "hold", "hold_saved", "in_place", "ints", "is_number", "last_write", "like",
    "make", "make_view", "named_tuple", "need_tensor", "next_output", "no_case", "no_overrides",
    "number", "one_by_one", "one_of_several", "operand", "overrides", "raw", "rebase",
    "reduce_to", "reduced_count", "reduced_positions", "refuse_dtype", "refuse_recorded_out",
    "register_params", "renamed", "restride", "retry", "retry_operator", "saved_input",
    "saved_output", "scalar", "seq", "several", "shard", "share", "steal", "tensors",
    "undo_broadcast", "unreduce", "unreduce_handle", "wrap", "write_out", "written",
]  # fmt: skip
