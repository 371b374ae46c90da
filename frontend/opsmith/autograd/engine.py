"""The backward pass: a heap of nodes, newest first, over raw handles or over recorded tensors.

The raw engine owns every gradient handle it holds; backward functions consume theirs. Nodes are
visited in order of their sequence numbers, so each node has all its gradient when it runs, and the
pass needs no recursion however long the graph.
"""

from __future__ import annotations

import heapq
from _thread import allocate_lock

from .._boundary import lib, raise_status, take_status
from .._core import Leaf, Size, Tensor, freed, grad_enabled, make, steal, wrap
from .hooks import Hooked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_accumulate = lib.ops_accumulate
_drop = lib.ops_drop
_settle = lib.ops_settle
checked: Any = None  # anomaly mode: runs a node's recorded form in its place
timed: Any = None  # a profiler: told of each function that runs, returns what to call afterwards
watched = False  # one of the two: all goes through `run_recorded`
_leaves = allocate_lock()


def watch(**how: Any) -> None:
    """Set or clear ``checked`` or ``timed``."""
    globals().update(how)
    globals()["watched"] = checked is not None or timed is not None


def run_raw(node: Any, g: float, retain: bool, push=heapq.heappush, pop=heapq.heappop) -> None:
    """Propagate handle ``g`` from ``node`` to the leaves; without ``retain`` nodes are freed."""
    if node.__class__ is Leaf:
        accumulate(node, g)
        return
    grads: dict[int, Any] = {}
    heap: list[Any] = []
    hooked: dict[int, Any] = {}  # leaves with hooks get their whole gradient at once, at the end
    if node.__class__ is tuple:
        node, k = node
        g = {k: g}
    was = grad_enabled()
    lib.ops_set_grad_enabled(0)
    diverted = lib.ops_divert(0)  # what was saved of a subclass is plain data here
    try:
        while True:
            fn = node[1]
            count = fn.edges
            edges = node[2 : 2 + count] if count >= 0 else node[2 : len(node) + 1 + count]
            out = fn(node, g if g.__class__ is float else _listed(fn, g))
            g = None
            if not retain:
                node[1:] = freed, fn  # keeps its name
            if count == 1 and not heap and edges[0].__class__ is list and out[0] is not None:
                node, g = edges[0], out[0]  # a chain: nothing else waits
                continue
            following = None
            pending = None
            for h, e in zip(out, edges):
                if h is None:
                    continue
                if e is None:
                    _drop(h)
                    continue
                kind = e.__class__
                if kind is list:
                    if following is None:
                        following, pending = e, h
                    elif e is following:
                        pending = _accumulate(pending, h)
                    else:
                        key = id(e)
                        if key in grads:
                            grads[key] = _accumulate(grads[key], h)
                        else:
                            grads[key] = h
                            push(heap, e)
                elif kind is Leaf:
                    if e.hooks is None and e.post_hooks is None and e.grad is None and h:
                        with _leaves:
                            if e.grad is None:
                                e.grad = make(_settle(h), None)
                                continue
                        accumulate(e, h)
                    elif e.hooks or e.post_hooks:
                        before = hooked.get(id(e))
                        hooked[id(e)] = (e, h if before is None else _accumulate(before[1], h))
                    else:
                        accumulate(e, h)
                else:
                    e, k = e
                    key = id(e)
                    slot = grads.get(key)
                    if slot is None:
                        grads[key] = {k: h}
                        push(heap, e)
                    else:
                        slot[k] = _accumulate(slot[k], h) if k in slot else h
            if following is not None:
                key = id(following)
                if key in grads:
                    grads[key] = _accumulate(grads[key], pending)
                elif not heap or following[0] < heap[0][0]:
                    node, g = following, pending
                    continue
                else:
                    grads[key] = pending
                    push(heap, following)
            elif not heap:
                while hooked:
                    accumulate(*hooked.popitem()[1])
                return
            node = pop(heap)
            g = grads.pop(id(node))
    except BaseException:
        for left in grads.values():
            for h in left.values() if left.__class__ is dict else (left,):
                _drop(h)
        for _, h in hooked.values():
            _drop(h)
        raise
    finally:
        lib.ops_set_grad_enabled(was)
        lib.ops_divert(diverted)


def _listed(fn: Any, g: dict[int, Any]) -> list[Any]:
    return [g.get(k) for k in range(fn.outputs)]


def accumulate(leaf: Leaf, h: float) -> None:
    """Add a gradient handle to a leaf's ``grad``."""
    if not h:
        raise_status(take_status())
    if leaf.hooks:
        was = grad_enabled()
        lib.ops_set_grad_enabled(0)
        try:
            g = wrap(h)
            for hook in tuple(leaf.hooks.values()):
                replaced = hook(g)
                if replaced is not None:
                    g = replaced
            h = steal(g)
            del g
        finally:
            lib.ops_set_grad_enabled(was)
    with _leaves:  # a kernel may let another thread in between reading and writing
        p = leaf.grad
        if p is None:
            leaf.grad = make(_settle(h), None)
        elif p._node is not None:  # a gradient with a graph of its own is replaced, not overwritten
            leaf.grad = wrap(_accumulate(lib.ops_hold(p._h), h))
        else:
            total = _accumulate(abs(p._h), h)
            if not total:
                raise_status(take_status())
            p._h = total
    if leaf.post_hooks:
        t = leaf.tensor() if leaf.tensor is not None else None
        for hook in tuple(leaf.post_hooks.values()):
            hook(t)


def run_recorded(
    roots: Sequence[tuple[Any, Tensor]], create_graph: bool, retain: bool,
    capture: Sequence[Any] | None = None, inner: bool = False,
) -> list[Tensor | None]:  # fmt: skip
    """Propagate tensors; with ``capture`` collect the gradients of those edges, else fill leaves.

    Args:
        roots: where to start, with what.
        create_graph: record what is computed.
        retain: keep what nodes saved.
        capture: edges whose gradients are wanted.
        inner: part of another pass, which goes on at those edges: nothing behind them is run, and
            their hooks are its business.
    """
    grads: dict[Any, Tensor] = {}
    heap: list[Any] = []
    seen: set[int] = set()
    wanted = {_key(e): k for k, e in enumerate(capture)} if capture is not None else {}
    useful = _useful([e for e, _ in roots], capture) if capture is not None else None
    stops = {node for node, _ in wanted} if inner else ()

    def give(e: Any, t: Tensor) -> None:
        key = _key(e)
        grads[key] = grads[key] + t if key in grads else t
        node = e[0] if e.__class__ is tuple else e
        if node.__class__ is not Leaf and id(node) not in seen:
            seen.add(id(node))
            heapq.heappush(heap, node)

    was = grad_enabled()
    lib.ops_set_grad_enabled(int(create_graph))
    diverted = lib.ops_divert(0)
    done: dict[int, Tensor] = {}
    leaves: dict[int, Any] = {}
    try:
        for e, t in roots:
            give(e, t)
            if e.__class__ is Leaf:
                leaves[id(e)] = e
        while heap:
            node = heapq.heappop(heap)
            fn = node[1]
            outputs = getattr(fn, "outputs", 1)
            single = grads.pop((id(node), None), None)
            if outputs > 1 or single is None:
                many = [grads.pop((id(node), k), None) for k in range(max(outputs, 1))]
                if single is not None:
                    many[0] = single if many[0] is None else many[0] + single
                g: Any = many if outputs > 1 else many[0]
            else:
                g = single
            ends = id(node) in stops
            if fn.__class__ is Hooked and not ends:
                g = fn.before(g)
            for k in (None, *range(outputs)):
                at = wanted.get((id(node), k))
                if at is not None:
                    part = g if not isinstance(g, list) else g[k or 0]
                    if part is not None:
                        done[at] = part
            if ends or (useful is not None and id(node) not in useful):
                continue
            edges = node[2 : 2 + fn.edges] if fn.edges >= 0 else node[2 : len(node) + 1 + fn.edges]
            done_with = timed(fn, g) if timed is not None else None
            if checked is not None:
                out = checked(fn, node, g)
            elif create_graph or fn.__class__ is Hooked:
                out = fn.recorded(node, g)
            else:
                handles = _stolen(g)
                g = single = many = part = None  # so that the kernel may consume what is its own
                out = [h if h is None else wrap(h) for h in fn(node, handles)]
            if done_with is not None:
                done_with()
            if not retain:
                node[1:] = freed, fn  # keeps its name
            for t, e in zip(out, edges):
                if t is None or e is None:
                    continue
                if e.__class__ is Leaf:
                    leaves[id(e)] = e
                give(e, t)
        for leaf in leaves.values():
            t = grads.pop(_key(leaf))
            if capture is None:
                _give_leaf(leaf, t, create_graph)
            elif _key(leaf) in wanted:
                for hook in () if inner else tuple((leaf.hooks or {}).values()):
                    replaced = hook(t)
                    t = t if replaced is None else replaced
                done[wanted[_key(leaf)]] = t
    finally:
        lib.ops_set_grad_enabled(was)
        lib.ops_divert(diverted)
    return [done.get(k) for k in range(len(capture or ()))]


def _stolen(g: Any) -> Any:
    if isinstance(g, list):
        return [None if t is None else steal(t) for t in g]
    return steal(g)


def _key(e: Any) -> tuple[int, int | None]:
    return (id(e[0]), e[1]) if e.__class__ is tuple else (id(e), None)


def _useful(roots: list[Any], capture: Sequence[Any]) -> set[int]:
    """Nodes from which a captured edge can be reached, other than through the captured itself."""
    targets = {_key(e)[0] for e in capture}
    order: list[Any] = []
    seen: set[int] = set()
    stack = [e[0] if e.__class__ is tuple else e for e in roots]
    while stack:
        node = stack.pop()
        if node.__class__ is Leaf or id(node) in seen:
            continue
        seen.add(id(node))
        order.append(node)
        fn = node[1]
        for e in node[2 : 2 + fn.edges] if fn.edges >= 0 else node[2 : len(node) + 1 + fn.edges]:
            e = e[0] if e.__class__ is tuple else e
            if e.__class__ is list and e and not callable(e[0]):
                stack.append(e)
    useful: set[int] = set()
    reached: set[int] = {id(e[0]) if e.__class__ is tuple else id(e) for e in roots} & targets
    for node in sorted(order, key=lambda n: -n[0]):  # oldest first
        fn = node[1]
        for e in node[2 : 2 + fn.edges] if fn.edges >= 0 else node[2 : len(node) + 1 + fn.edges]:
            target = id(e[0] if e.__class__ is tuple else e)
            if target in targets:
                reached.add(target)
            if target in targets or target in useful:
                useful.add(id(node))
    if not targets <= reached:  # the way to them may have been freed: going there says so
        useful |= {id(node) for node in order if node[1] is freed}
        for node in sorted(order, key=lambda n: -n[0]):
            fn = node[1]
            for e in (
                node[2 : 2 + fn.edges] if fn.edges >= 0 else node[2 : len(node) + 1 + fn.edges]
            ):
                if id(e[0] if e.__class__ is tuple else e) in useful:
                    useful.add(id(node))
    return useful


def _give_leaf(leaf: Leaf, t: Tensor, create_graph: bool) -> None:
    if create_graph:
        for hook in tuple((leaf.hooks or {}).values()):
            replaced = hook(t)
            t = t if replaced is None else replaced
        leaf.grad = t if leaf.grad is None else leaf.grad + t
        for hook in tuple((leaf.post_hooks or {}).values()):
            hook(leaf.tensor() if leaf.tensor is not None else None)
    else:
        lib.ops_hold(t._h)
        accumulate(leaf, abs(t._h))


def backward(
    tensors: Any, grad_tensors: Any = None, retain_graph: bool | None = None,
    create_graph: bool = False, grad_variables: Any = None, inputs: Any = None,
) -> None:  # fmt: skip
    """Sum the gradients of ``tensors`` with respect to the leaves into their ``.grad``.

    Args:
        tensors: a tensor or a sequence of tensors.
        grad_tensors: the cotangents; may be left out for one-element tensors.
        retain_graph: keep the graph for another pass (default: ``create_graph``).
        create_graph: record the backward pass itself, for higher derivatives.
        grad_variables: the old name of ``grad_tensors``; not used.
        inputs: fill only these leaves.

    Raises:
        RuntimeError: for a tensor without graph, a missing cotangent, or a graph already freed.
    """
    heads = (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)
    grads = (
        (grad_tensors,) * len(heads)
        if grad_tensors is None or isinstance(grad_tensors, Tensor)
        else tuple(grad_tensors)
    )
    retain = create_graph if retain_graph is None else retain_graph
    if len(heads) == 1 and not create_graph and inputs is None and not watched:
        t = heads[0]
        node = t._node
        if (
            node is not None
            and grads[0] is None
            and lib.ops_numel(t._h) == 1
            and not lib.ops_is_stale(t._h)
        ):
            run_raw(node, lib.ops_ones_like(t._h), retain)
            return
    roots = [
        (root(t, k), cotangent(t, g)) for k, (t, g) in enumerate(zip(heads, grads, strict=True))
    ]
    if inputs is not None:
        inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
        found = run_recorded(
            roots, create_graph, retain, [root(t, k) for k, t in enumerate(inputs)]
        )
        for t, g in zip(inputs, found, strict=True):
            if g is not None and t._node.__class__ is Leaf:
                _give_leaf(t._node, g, create_graph)
        return
    if create_graph or len(roots) > 1 or watched:
        run_recorded(roots, create_graph, retain)
        return
    e, g = roots[0]
    lib.ops_hold(g._h)
    run_raw(e, abs(g._h), retain)


def root(t: Tensor, k: int) -> Any:
    """The edge of a tensor that must have one."""
    if lib.ops_is_stale(t._h):
        from .views import refresh

        refresh(t)
    if t._node is None:
        raise RuntimeError(
            f"element {k} of tensors does not require grad and does not have a grad_fn"
        )
    return t._node


def cotangent(t: Tensor, g: Tensor | None) -> Tensor:
    """The gradient to start with at a tensor: one where none is given."""
    if g is None:
        if lib.ops_numel(t._h) != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        return wrap(lib.ops_ones_like(t._h))
    if g.shape != t.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[0] has a shape of {g.shape!r} and output[0] has a shape of "  # noqa: E501
            f"{t.shape!r}."
        )
    if g.device != t.device:
        raise RuntimeError(
            f"Expected a gradient on device {t.device} for output[0], but got one on {g.device}."
        )
    return g.to(t.dtype) if g.dtype is not t.dtype else g


__all__ = ["Size", "backward", "cotangent", "root", "run_raw", "run_recorded", "watch"]
