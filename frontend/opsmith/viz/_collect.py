"""In: tensors with a graph. Out: its vertices and edges, with shapes and modules.

The shape of an operation's result is that of its gradient. So gradients are propagated, but on the
meta device, from copies of the nodes: no memory is read, no hook runs, nothing is freed.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right, insort
from collections.abc import Sequence
from typing import Any

from .._boundary import lib
from .._core import Leaf, Tensor, freed, wrap
from .._dtypes import DTYPES
from ..autograd.grad_mode import no_grad
from ..autograd.graph import edges_of
from ..autograd.hooks import Hooked
from ._graph import Edge, Vertex

SUFFIX = "Backward0"


class Calls:
    """Calls of modules: between which sequence numbers each made its nodes."""

    def __init__(self, names: dict[int, str]) -> None:
        self.names = names  # of modules, by id
        self._spans: list[tuple[int, int, str, str]] = []  # by their beginning

    def add(self, first: int, last: int, name: str, kind: str) -> None:
        """A call that drew the numbers from ``first`` down to ``last``."""
        insort(self._spans, (-first, -last, name, kind))

    def of(self, number: int) -> tuple[str, str] | None:
        """The innermost call that made a node, as the module's name and class."""
        at = bisect_right(self._spans, (-number, float("inf"), "", ""))
        for first, last, name, kind in reversed(self._spans[:at]):
            if first <= -number <= last:
                return name, kind
        return None


def collect(
    outputs: Sequence[Tensor], model: Any, calls: Calls | None
) -> tuple[list[Vertex], list[Edge]]:
    """Walk from the outputs, newest operations first."""
    starts = [(t._node, t) for t in outputs if t._node is not None]
    looks = _looks(starts)
    owners = _owners(model)
    vertices: dict[int, Vertex] = {}
    edges: list[Edge] = []
    waiting: list[Any] = []

    def meet(e: Any) -> Vertex:
        node = e[0] if e.__class__ is tuple else e
        if id(node) not in vertices:
            vertices[id(node)] = _vertex(node, len(vertices), looks, owners, calls)
            if node.__class__ is list:
                heapq.heappush(waiting, node)
        return vertices[id(node)]

    for k, (e, t) in enumerate(starts):
        end = Vertex(f"out{k}", "output", "output" if len(starts) == 1 else f"output {k}",
                     (_look(t),), "", "")  # fmt: skip
        vertices[-1 - k] = end
        edges.append(Edge(meet(e).key, end.key, e[1] if e.__class__ is tuple else 0))
    while waiting:
        node = heapq.heappop(waiting)
        for e in edges_of(node):
            if e is not None:
                source = meet(e)
                k = e[1] if e.__class__ is tuple else 0
                edges.append(Edge(source.key, vertices[id(node)].key, k))
    _inherit(list(vertices.values()), edges)
    return list(vertices.values()), edges


def _vertex(
    node: Any, number: int, looks: dict[Any, Any], owners: dict[int, tuple[str, str, str]],
    calls: Calls | None,
) -> Vertex:  # fmt: skip
    key = f"n{number}"
    if node.__class__ is Leaf:
        name, module, kind = owners.get(id(node), ("", "", ""))
        t = node.tensor() if node.tensor is not None else None
        look = _look(t) if t is not None else looks.get((id(node), None))
        return Vertex(key, "leaf", name or "leaf", (look,), module, kind)
    if node[1] is freed:
        raise RuntimeError(
            "graph(): backward has freed this graph; draw it before, or call "
            "backward(retain_graph=True)"
        )
    fn = node[1]
    count = getattr(fn, "outputs", 1)
    found = tuple([looks.get((id(node), k)) for k in range(max(count, 1))])
    module, kind = (calls.of(int(node[0])) if calls is not None else None) or ("", "")
    name = fn.op[: -len(SUFFIX)] if fn.op.endswith(SUFFIX) else fn.op
    return Vertex(key, "op", name, found, module, kind)


def _owners(model: Any) -> dict[int, tuple[str, str, str]]:
    """For the leaf of each parameter its name, and its module's name and class."""
    found = {}
    for path, module in model.named_modules() if model is not None else ():
        for name, p in module.named_parameters(recurse=False):
            full = f"{path}.{name}" if path else name
            found[id(p._node)] = (full, path or type(module).__name__, type(module).__name__)
    return found


def _inherit(vertices: list[Vertex], edges: list[Edge]) -> None:
    """An operation of no known module that reads a parameter belongs to the parameter's."""
    by_key = {v.key: v for v in vertices}
    for e in edges:
        source, target = by_key[e.source], by_key[e.target]
        if source.kind == "leaf" and target.kind == "op" and source.module and not target.module:
            target.module, target.module_kind = source.module, source.module_kind


# Shapes ------------------------------------------------------------------------------------------


def _look(t: Tensor) -> tuple[tuple[int, ...], str]:
    return tuple(t.shape), str(DTYPES[lib.ops_dtype(t._h)]).removeprefix("torch.")


def _looks(starts: Sequence[tuple[Any, Tensor]]) -> dict[Any, Any]:
    """Shape and dtype for each (node, output)."""
    found: dict[Any, Any] = {}
    given: dict[int, dict[int, Tensor]] = {}
    waiting: list[Any] = []
    met: set[int] = set()

    def give(e: Any, g: Tensor | None) -> None:
        node, k = e if e.__class__ is tuple else (e, 0)
        if g is not None:
            found[id(node), None if node.__class__ is Leaf else k] = _look(g)
        if node.__class__ is list:
            if g is not None:
                given.setdefault(id(node), {})[k] = g
            if id(node) not in met:
                met.add(id(node))
                heapq.heappush(waiting, node)

    with no_grad():
        for e, t in starts:
            give(e, _meta(t))
        while waiting:
            node = heapq.heappop(waiting)
            grads = _run(node, given.pop(id(node), {}))
            edges = edges_of(node)
            for e, g in zip(edges, grads or [None] * len(edges), strict=True):
                if e is not None:
                    give(e, g)
    return found


def _run(node: list[Any], given: dict[int, Tensor]) -> Sequence[Any] | None:
    """The gradients of a node's edges on the meta device; None where it cannot be run there."""
    fn = node[1].fn if node[1].__class__ is Hooked else node[1]
    looks = getattr(fn, "given", None)
    if looks is not None:  # a custom function: its code is not ours to run, its operands are known
        return [None if n is None else _like(n) for n in looks]
    if not given or fn is freed or not hasattr(fn, "recorded"):
        return None
    count = getattr(fn, "edges", 0)
    behind = 2 + count if count >= 0 else len(node) + 1 + count
    copy = [node[0], fn, *node[2:behind], *(_meta_of(v) for v in node[behind:])]
    outputs = getattr(fn, "outputs", 1)
    g: Any = [given.get(k) for k in range(outputs)] if outputs > 1 else next(iter(given.values()))
    try:
        return list(fn.recorded(copy, g))
    except Exception:  # sizes that depend on values, functions that read memory
        return None


def _like(look: Any) -> Tensor:
    from .._create import empty

    shape, code, _ = look
    return empty(*shape, dtype=DTYPES[code], device="meta")


def _meta_of(value: Any) -> Any:
    if isinstance(value, Tensor):
        return _meta(value)
    if value.__class__ in (tuple, list):
        return value.__class__([_meta_of(v) for v in value])
    return value


def _meta(t: Tensor) -> Tensor:
    from .._core import NONE

    return t if t is NONE else wrap(lib.ops_convert_to(abs(t._h), -1, 1, 1, 0))
