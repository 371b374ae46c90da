"""Looking at the graph: ``tensor.grad_fn``, its functions and edges, and hooks on them.

The tape itself is lists (see ``_handles``); a ``Node`` is a thin object made on demand around one
of them, equal to every other object around the same list.
"""

from __future__ import annotations

from .._core import Leaf, freed
from .hooks import RemovableHandle, hook_leaf, hooked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CLASSES: dict[str, type[Node]] = {}


class Node:
    """A recorded operation; ``type(node).__name__`` is its name, e.g. ``MulBackward0``."""

    __slots__ = ("_node",)
    _node: Any

    @staticmethod
    def of(node: Any) -> Node | None:
        """The object of a tape node, a leaf, or an edge ``(node, output)``."""
        if node is None:
            return None
        if node.__class__ is tuple:
            node = node[0]
        if node.__class__ is Leaf:
            name = "AccumulateGrad"
        else:
            name = class_name((node[2] if node[1] is freed else node[1]).op)
        cls = _CLASSES.get(name)
        if cls is None:
            base = AccumulateGrad if name == "AccumulateGrad" else Node
            cls = _CLASSES[name] = (
                base if base is not Node else type(name, (Node,), {"__slots__": ()})
            )
        self = object.__new__(cls)
        self._node = node
        return self

    def name(self) -> str:
        """The operation's name."""
        return type(self).__name__

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """Where the gradients go: (node, which of its outputs) for each input."""
        found = []
        for e in edges_of(self._node):
            k = e[1] if e.__class__ is tuple else 0
            found.append((Node.of(e), k))
        return tuple(found)

    @property
    def metadata(self) -> dict[Any, Any]:
        """A dictionary to note things in."""
        h = hooked(self._node)
        if h.metadata is None:
            h.metadata = {}
        return h.metadata

    def register_hook(self, fn: Any) -> RemovableHandle:
        """Call ``fn(grad_inputs, grad_outputs)`` after it ran; may return other grad_inputs."""
        return hooked(self._node).post.add(fn)

    def register_prehook(self, fn: Any) -> RemovableHandle:
        """Call ``fn(grad_outputs)`` before the node runs; may return other grad_outputs."""
        return hooked(self._node).pre.add(fn)

    def _sequence_nr(self) -> int:
        return -int(self._node[0])

    def __getattr__(self, name: str) -> Any:
        """Attributes of a custom Function's context."""
        context = getattr(self._node[1], "context", None) if self._node.__class__ is list else None
        if context is None:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        return getattr(context(self._node), name)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self._node):#x}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self._node is other._node

    def __hash__(self) -> int:
        return id(self._node)


class AccumulateGrad(Node):
    """The end of an edge at a leaf: adds to its ``grad``."""

    __slots__ = ()

    @property
    def variable(self) -> Any:
        """The leaf tensor, None when it is gone."""
        ref = self._node.tensor
        return None if ref is None else ref()

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """Nothing follows."""
        return ()

    @property
    def metadata(self) -> dict[Any, Any]:
        """Leaves keep no notes."""
        return {}

    def register_hook(self, fn: Any) -> RemovableHandle:
        """Call ``fn((), (grad,))`` after the gradient was added."""
        return hook_leaf(
            self._node, "post_hooks", lambda t: fn((), (None if t is None else t.grad,))
        )

    def register_prehook(self, fn: Any) -> RemovableHandle:
        """Call ``fn((grad,))`` before the gradient is added; may return another."""

        def before(g: Any) -> Any:
            replaced = fn((g,))
            return None if replaced is None else replaced[0]

        return hook_leaf(self._node, "hooks", before)

    def _sequence_nr(self) -> int:
        return 2**64 - 1


def class_name(op: str) -> str:
    """``log_softmax`` -> ``LogSoftmaxBackward0``; names that are class names already stay."""
    if op == "CopySlices" or "Backward" in op:
        return op
    camel = "".join(part[:1].upper() + part[1:] for part in op.split("_"))
    return f"{camel}Backward0"


def edges_of(node: Any) -> list[Any]:
    """The edges of a node list."""
    if node.__class__ is Leaf:
        return []
    fn = node[1]
    count = getattr(fn, "edges", 0)
    return node[2 : 2 + count] if count >= 0 else node[2 : len(node) + 1 + count]


class GradientEdge(tuple):  # type: ignore[type-arg]
    """A node and which of its outputs."""

    __slots__ = ()

    def __new__(cls, node: Node, output_nr: int) -> GradientEdge:
        return tuple.__new__(cls, (node, output_nr))

    node = property(lambda self: self[0])
    output_nr = property(lambda self: self[1])

    def __repr__(self) -> str:
        return f"GradientEdge(node={self.node!r}, output_nr={self.output_nr})"


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """The edge of a tensor that requires grad: (node, output number)."""
    e = tensor._node
    if e is None:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require "
            "gradients"
        )
    node = Node.of(e)
    assert node is not None
    return GradientEdge(node, e[1] if e.__class__ is tuple else 0)


def increment_version(tensor: Any) -> None:
    """Count a write that the library did not see, of a tensor or of several."""
    from .._boundary import lib
    from .._core import seq

    for t in tensor if isinstance(tensor, (list, tuple)) else (tensor,):
        lib.ops_bump_version(t._h, -float(seq()))


def __getattr__(name: str) -> object:
    if name in ("disable_saved_tensors_hooks", "save_on_cpu", "saved_tensors_hooks"):
        from . import saved

        return getattr(saved, name)
    from opsmith._names import missing

    raise missing(__name__, name)


__all__ = ["AccumulateGrad", "GradientEdge", "Node", "get_gradient_edge", "increment_version"]
