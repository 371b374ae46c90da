"""What backward functions are written in: nodes, saved values, sharing and undoing broadcasts."""

from __future__ import annotations

from ._boundary import lib, raise_status, take_status
from ._dtypes import DTYPES, Size
from ._handles import NONE, Tensor, _next, alias, drop, saved_is_valid, wrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


def attach(raw_backward: Any, recorded: Any, name: str, edges: int, outputs: int = 1) -> None:
    """Tell a backward function its recorded form, its name, its numbers of edges and outputs."""
    raw_backward.recorded = recorded
    raw_backward.op = name
    raw_backward.edges = edges
    raw_backward.outputs = outputs


def has_node(v: Any) -> bool:
    """Does the operand carry a gradient?"""
    return isinstance(v, Tensor) and v._node is not None


def like(t: Any) -> tuple[Size, int] | None:
    """What a gradient must be brought back to."""
    return (t.shape, lib.ops_dtype(t._h)) if t._node is not None else None


def cotangents(g: list[Tensor | None], *outputs: Tensor) -> list[Tensor]:
    """The gradients of an op's outputs, zeros for outputs that nothing depends on.

    Outputs are given where they differ in shape.
    """
    known = next(t for t in g if t is not None)
    models = outputs or (known,) * len(g)
    return [
        wrap(lib.ops_like(model._h, -1, 0, 0.0, 0)) if t is None else t
        for t, model in zip(g, models, strict=True)
    ]


def share(g: float, *wanted: bool) -> tuple[Any, ...]:
    """The same gradient for several edges."""
    extra = sum(wanted) - 1
    for _ in range(extra):
        lib.ops_hold(g)
    return tuple(g if w else None for w in wanted)


def hold(g: float, count: int) -> None:
    """Of one reference to g make ``count`` (dropping it when none is wanted)."""
    if count == 0:
        drop(g)
    for _ in range(count - 1):
        lib.ops_hold(g)


def next_output(k: int) -> float:
    """Handle of output k of the last call."""
    return _next(k)


def backward_failed(n: Any, g: float) -> NoReturn:
    """A backward kernel reported an error."""
    raise_status(take_status())


def saved_input(n: list[Any], k: int, edge: Any) -> Any:
    """A saved operand for recorded backward: checked, and on the graph it was saved from."""
    t = n[k]
    if t is None or t is NONE:
        return None if t is None else t
    _check_saved(n, t)
    if t._node is edge or edge is None:
        return t
    r = alias(t._h)
    r._h = -r._h
    r._node = edge
    return r


def saved_output(n: list[Any], k: int, output: int | None = None) -> Tensor:
    """A saved output for recorded backward, on its own node (as output ``output`` of several)."""
    t = n[k]
    n = getattr(n, "outer", n)
    _check_saved(n, t)
    r = alias(t._h)
    if n[1] is not freed:
        r._h = -r._h
        r._node = n if output is None else (n, output)
    return r


def check_saved(n: list[Any], *saved: Tensor) -> None:
    """Refuse saved operands that were written since the node was made."""
    for t in saved:
        if not saved_is_valid(t._h, -float(n[0])):
            _check_saved(n, t)


def hold_saved(h: float) -> None:
    """One more reference to a saved operand."""
    lib.ops_hold(h)


def _check_saved(n: list[Any], t: Tensor) -> None:
    if not lib.ops_saved_is_valid(t._h, -float(n[0])):
        op = getattr(n[1], "op", "an operation")
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace "
            f"operation: a tensor of shape {list(t.shape)} saved by {op} is at version "
            f"{lib.ops_version_of(t._h)}, written after it was saved. Hint: enable anomaly detection "  # noqa: E501
            "to find the operation, with opsmith.autograd.set_detect_anomaly(True)."
        )


def freed(n: Any, g: Any) -> NoReturn:
    """Stands in a node whose saved part is gone."""
    raise RuntimeError(
        "Trying to backward through the graph a second time (or directly access saved tensors after "  # noqa: E501
        "they have already been freed). Saved intermediate values of the graph are freed when you "
        "call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward "
        "through the graph a second time or if you need to access saved tensors after calling "
        "backward."
    )


freed.recorded = freed
freed.op = "freed"
freed.edges = freed.outputs = 0


def raw(recorded: Any) -> Any:
    """The raw form of a backward that is written as calls; the engine has gradient mode off."""

    def backward(n: Any, g: Any) -> Any:
        if g.__class__ is float:
            grads = recorded(n, wrap(g))
        else:
            grads = recorded(n, [None if x is None else wrap(x) for x in g])
        return tuple([None if t is None else steal(t) for t in grads])

    backward.__name__ = recorded.__name__.replace("r_", "b_", 1)
    return backward


def steal(t: Tensor) -> float:
    """A handle of its own for a tensor that is about to go."""
    lib.ops_hold(t._h)
    return abs(t._h)


def undo_broadcast(raw_backward: Any, recorded: Any) -> Any:
    """Backward for operands that were broadcast or converted: sum and cast each gradient back.

    The node keeps, last, what each edge's gradient must look like; the inner backward sees the node
    without it.
    """

    def backward(n: Any, g: float) -> Any:
        likes = n[-1]
        grads = raw_backward(n[:-1], g)
        return tuple(
            [
                h if h is None or to is None else steal(reduce_to(wrap(h), to))
                for h, to in zip(grads, likes, strict=True)
            ]
        )

    def recorded_backward(n: Any, g: Any) -> Any:
        likes = n[-1]
        inner = _Inner(n[:-1])
        inner.outer = n
        grads = recorded(inner, g)
        return tuple(
            [
                t if t is None or to is None else reduce_to(t, to)
                for t, to in zip(grads, likes, strict=True)
            ]
        )

    attach(
        backward, recorded_backward, raw_backward.op, raw_backward.edges, raw_backward.outputs
    )  # fmt: skip
    return backward


class _Inner(list):
    """A node without its last item, for the inner backward."""

    __slots__ = ("outer",)


def reduce_to(t: Tensor, to: tuple[Size, int]) -> Tensor:
    """Sum over broadcast dims and convert back."""
    from . import _functions as f

    shape, code = to
    have = t.shape
    if have != shape:
        lead = len(have) - len(shape)
        dims = tuple(range(lead)) + tuple(
            d + lead for d, s in enumerate(shape) if s == 1 and have[d + lead] != 1
        )
        if dims:
            t = f.sum(t, dims, True)
        if lead:
            t = f.reshape(t, tuple(shape))
    if lib.ops_dtype(t._h) != code:
        t = t.to(DTYPES[code])
    return t


def unreduce(t: Tensor, shape: Size, dim: Any, keepdim: bool) -> Tensor:
    """A reduction's result, broadcast back over the reduced dims of ``shape``."""
    from . import _functions as f

    n = len(shape)
    if not keepdim and n:
        if dim is None or dim == ():
            kept = (1,) * n
        else:
            axes = {d % n for d in ((dim,) if isinstance(dim, int) else dim)}
            kept = tuple(1 if d in axes else s for d, s in enumerate(shape))
        t = f.reshape(t, kept)
    return f.expand(t, tuple(shape))


def reduced_count(shape: Size, dim: Any) -> int:
    """Number of elements a reduction over ``dim`` folds into one."""
    n = len(shape)
    if not n:
        return 1
    axes = (
        range(n)
        if dim is None or dim == ()
        else {d % n for d in ((dim,) if isinstance(dim, int) else dim)}
    )
    count = 1
    for d in axes:
        count *= shape[d]
    return count


def reduced_positions(shape: Size, dim: Any) -> Tensor:
    """The position of each element along the reduced dims, broadcastable to ``shape``."""
    from . import arange, reshape

    n = len(shape)
    if not n:
        return reshape(arange(1), ())
    axes = sorted(
        range(n)
        if dim is None or dim == ()
        else {d % n for d in ((dim,) if isinstance(dim, int) else dim)}
    )
    count = reduced_count(shape, dim)
    return reshape(arange(count), tuple(shape[d] if d in axes else 1 for d in range(n)))
