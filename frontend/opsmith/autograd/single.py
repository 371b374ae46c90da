"""The backward of one recorded operation alone, for code that walks operations in its own order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._core import Tensor, steal, wrap


def operand_gradients(
    outputs: Sequence[Tensor], cotangents: Sequence[Tensor]
) -> list[Tensor | None]:
    """What ``cotangents`` of an operation's outputs become at its operands, in their order.

    The operation keeps what it saved, so this may be asked again. Gradient mode has to be off.
    """
    node: Any = outputs[0]._node
    if node.__class__ is tuple:
        node = node[0]
    backward = node[1]
    given = [steal(t) for t in cotangents]
    found = backward(node, given if getattr(backward, "outputs", 1) > 1 else given[0])
    return [h if h is None else wrap(h) for h in found]
