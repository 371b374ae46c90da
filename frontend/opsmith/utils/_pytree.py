"""Nested tuples, lists and dicts of values: flattened, rebuilt, mapped."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class TreeSpec(NamedTuple):
    """The form of a nest: class, what rebuilding needs, children; the class of a leaf is None."""

    type: type | None
    context: Any
    children: tuple[TreeSpec, ...]

    @property
    def num_leaves(self) -> int:
        """How many values the nest has."""
        return 1 if self.type is None else sum(c.num_leaves for c in self.children)


LEAF = TreeSpec(None, None, ())


def _parts(tree: Any) -> tuple[Any, list[Any]] | None:
    """What rebuilding needs, and the children; None of a leaf."""
    cls = type(tree)
    if cls in (tuple, list) or (isinstance(tree, tuple) and hasattr(tree, "_fields")):
        return None if cls in (tuple, list) else cls, list(tree)
    if cls in (dict, OrderedDict):
        return list(tree), list(tree.values())
    if cls is defaultdict:
        return (tree.default_factory, list(tree)), list(tree.values())
    return None


def tree_flatten(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> tuple[list[Any], TreeSpec]:
    """The values of a nest from left to right, and its form."""
    found = None if is_leaf is not None and is_leaf(tree) else _parts(tree)
    if found is None:
        return [tree], LEAF
    context, items = found
    leaves: list[Any] = []
    specs = []
    for item in items:
        inner, spec = tree_flatten(item, is_leaf)
        leaves += inner
        specs.append(spec)
    return leaves, TreeSpec(type(tree), context, tuple(specs))


def tree_unflatten(leaves: Sequence[Any], treespec: TreeSpec) -> Any:
    """The nest of a form with these values.

    Raises:
        ValueError: their number does not fit.
    """
    values = list(leaves)
    if len(values) != treespec.num_leaves:
        raise ValueError(f"a nest of {treespec.num_leaves} values is given {len(values)}")
    return _rebuild(iter(values), treespec)


def _rebuild(values: Any, spec: TreeSpec) -> Any:
    if spec.type is None:
        return next(values)
    items = [_rebuild(values, child) for child in spec.children]
    if spec.type in (tuple, list):
        return spec.type(items)
    if issubclass(spec.type, tuple):
        return spec.type(*items)
    if spec.type is defaultdict:
        factory, keys = spec.context
        return defaultdict(factory, zip(keys, items, strict=True))
    return spec.type(zip(spec.context, items, strict=True))


def tree_map(fn: Callable[..., Any], tree: Any, *rests: Any) -> Any:
    """The nest of what ``fn`` gives for every value (and those at its place in ``rests``)."""
    leaves, spec = tree_flatten(tree)
    others = [broadcast_to(rest, spec) for rest in rests]
    return tree_unflatten([fn(*values) for values in zip(leaves, *others, strict=True)], spec)


def tree_leaves(tree: Any) -> list[Any]:
    """The values of a nest from left to right."""
    return tree_flatten(tree)[0]


def broadcast_to(tree: Any, spec: TreeSpec) -> list[Any]:
    """The values of a nest whose leaves may stand for whole parts of the form.

    Raises:
        ValueError: the nest has another form.
    """
    found = None if spec.type is None else _parts(tree)
    if found is None:
        return [tree] * spec.num_leaves
    if type(tree) is not spec.type or found[0] != spec.context:
        raise ValueError(f"found {tree!r} where a {spec.type.__name__} or one value is expected")
    if len(found[1]) != len(spec.children):
        raise ValueError(f"found {len(found[1])} parts where {len(spec.children)} are expected")
    return [
        v
        for part, child in zip(found[1], spec.children, strict=True)
        for v in broadcast_to(part, child)
    ]
