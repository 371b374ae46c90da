"""What transformations of functions share: inputs of their own, and results that leave them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .._core import Tensor
from ..autograd import enable_grad, grad
from ..utils._pytree import tree_flatten, tree_unflatten


class _Local(threading.local):
    depth = 0


_local = _Local()


@contextmanager
def level() -> Iterator[bool]:
    """Within a transformation; says whether it is inside another."""
    _local.depth += 1
    try:
        with enable_grad():
            yield _local.depth > 1
    finally:
        _local.depth -= 1


def tracked(tree: Any, name: str) -> tuple[list[Tensor], Any, bool]:
    """Tensors that stand for those of a nest, their nest, and: are these on a graph already?"""
    leaves, spec = tree_flatten(tree)
    for v in leaves:
        if not isinstance(v, Tensor):
            raise ValueError(f"{name}: expected tensors to differentiate by, found {v!r}")
    outer = any(t.requires_grad for t in leaves)
    own = [t.view_as(t) if t.requires_grad else t.detach().requires_grad_() for t in leaves]
    return own, tree_unflatten(own, spec), outer


def reaches_others(outs: Iterable[Tensor], own: Iterable[Tensor]) -> bool:
    """Do the outputs depend on a leaf that the function was not given, but found in a closure?"""
    mine = {id(t) for t in own}
    todo = [t.grad_fn for t in outs if t.grad_fn is not None]
    seen: set[Any] = set()
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if variable is not None and id(variable) not in mine:
            return True
        todo += [n for n, _ in node.next_functions if n is not None]
    return False


def released(values: Sequence[Any], kept: bool) -> list[Any]:
    """The values, off the graph unless something outside is differentiated."""
    return [v.detach() if not kept and isinstance(v, Tensor) else v for v in values]


def cotangents(
    outs: Sequence[Tensor], own: Sequence[Tensor], g: Sequence[Any], create_graph: bool
) -> list[Tensor]:
    """What reaches the inputs; zeros where nothing does."""
    from .._create import zeros_like

    pairs = [(y, c) for y, c in zip(outs, g, strict=True) if y.requires_grad]
    found: Sequence[Any] = [None] * len(own)
    if pairs:
        found = grad(
            [y for y, _ in pairs], own, [c for _, c in pairs],
            retain_graph=True, create_graph=create_graph, allow_unused=True,
        )  # fmt: skip
    return [zeros_like(t) if c is None else c for t, c in zip(own, found, strict=True)]


def split_aux(result: Any, has_aux: bool, name: str) -> tuple[Any, Any]:
    """(output, aux) of a function that says it returns both."""
    if not has_aux:
        return result, None
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(
            f"{name}: with has_aux the function is expected to return (output, aux), found "
            f"{type(result).__name__}"
        )
    return result


def tensors(tree: Any, name: str) -> tuple[list[Tensor], Any]:
    """The tensors of an output, and its form."""
    leaves, spec = tree_flatten(tree)
    for v in leaves:
        if not isinstance(v, Tensor):
            raise RuntimeError(
                f"{name}: Expected the function to return Tensors, found {type(v).__name__}"
            )
    return leaves, spec


def chosen(argnums: Any, args: Sequence[Any], name: str) -> tuple[list[int], bool]:
    """Positions of the arguments to differentiate by, and is it one?"""
    one = isinstance(argnums, int)
    numbers = [argnums] if one else list(argnums)
    if not numbers:
        raise ValueError(f"{name}: argnums is empty")
    found = []
    for n in numbers:
        if not isinstance(n, int) or isinstance(n, bool):
            raise RuntimeError(f"{name}: argnums must be int or Tuple[int, ...], found {argnums!r}")
        if not -len(args) <= n < len(args):
            raise RuntimeError(
                f"{name}: argnums {n} is not a position of the {len(args)} arguments"
            )
        found.append(n % len(args))
    if len(set(found)) != len(found):
        raise ValueError(f"{name}: argnums {argnums!r} names an argument twice")
    return found, one


def with_arguments(
    func: Callable[..., Any], args: Sequence[Any], kwargs: Any, at: Sequence[int], own: Any
) -> Any:
    """Call ``func`` with arguments replaced."""
    values = list(args)
    for k, v in zip(at, own, strict=True):
        values[k] = v
    return func(*values, **kwargs)
