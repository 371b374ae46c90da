"""Pictures of graphs: what ``backward`` will walk, as Graphviz source and SVG.

``graph(loss)`` draws the operations that made ``loss`` with their shapes; ``graph(loss, model)``
names the parameters, and the modules that own them. Inside ``with modules(model):`` every operation
is noted with the module that made it; ``trace(model, x)`` does both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .._core import Tensor, seq
from ._collect import Calls, collect
from ._graph import Edge, Graph, Vertex

_calls: list[Calls] = []


def graph(outputs: Any, model: Any = None, *, direction: str = "TB") -> Graph:
    """The graph behind one or several tensors.

    Nothing is computed: shapes are found by a backward pass on tensors without memory.

    Args:
        outputs: a tensor, or a nest of tuples, lists and dictionaries with tensors.
        model: whose parameters are named.
        direction: "TB" from inputs at the top to outputs at the bottom, or "LR".

    Raises:
        RuntimeError: no output requires grad, or backward has freed the graph.
    """
    found = list(_tensors(outputs))
    if not any(t.requires_grad for t in found):
        raise RuntimeError("graph(): no output requires grad, so that there is no graph")
    return Graph(*collect(found, model, _calls[-1] if _calls else _last[0]), direction)


_last: list[Calls | None] = [None]


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for v in value.values():
            yield from _tensors(v)
    elif isinstance(value, (tuple, list)):
        for v in value:
            yield from _tensors(v)


@contextmanager
def modules(model: Any) -> Iterator[None]:
    """A block in which it is noted which of a model's modules makes which node.

    Graphs drawn afterwards show it, until the next such block.
    """
    from ..nn import Module

    calls = Calls({id(m): name or type(m).__name__ for name, m in model.named_modules()})
    plain = Module.__call__

    def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
        name = calls.names.get(id(self))
        if name is None:
            return plain(self, *args, **kwargs)
        first = seq()
        try:
            return plain(self, *args, **kwargs)
        finally:
            calls.add(first, seq(), name, type(self).__name__)

    _calls.append(calls)
    Module.__call__ = noted  # type: ignore[method-assign]
    try:
        yield
    finally:
        Module.__call__ = plain  # type: ignore[method-assign]
        _last[0] = _calls.pop()


def trace(model: Any, *args: Any, **kwargs: Any) -> Graph:
    """Call a model, and draw what it did."""
    with modules(model):
        return graph(model(*args, **kwargs), model)


__all__ = ["Edge", "Graph", "Vertex", "graph", "modules", "trace"]
