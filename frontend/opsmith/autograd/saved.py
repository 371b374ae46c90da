"""Hooks on what nodes save: ``saved_tensors_hooks``, ``save_on_cpu``.

Inside a block every operation's node is looked at when it was made: what it saved is packed, and
its function is replaced by one that unpacks first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._boundary import lib
from .._core import NONE, Tensor, seq, wrap
from .._recording import _Inner
from .._watch import Watch
from .function import FunctionCtx, _Saved
from .graph import edges_of

_forbidden: list[str] = []  # why blocks may not begin, the innermost last


class _Packed:
    """A backward function whose saved tensors were packed."""

    def __init__(self, fn: Any, hooks: saved_tensors_hooks) -> None:
        self.fn, self.hooks = fn, hooks
        self.op, self.edges = fn.op, fn.edges
        self.outputs = getattr(fn, "outputs", 1)
        self.context = getattr(fn, "context", None)

    def _unpacked(self, node: list[Any]) -> list[Any]:
        count = 2 + len(edges_of(node))
        copy = _Inner([node[0], self.fn, *node[2:count], *map(self.hooks.restored, node[count:])])
        copy.outer = node
        return copy

    def __call__(self, node: Any, g: Any) -> Any:
        return self.fn(self._unpacked(node), g)

    def recorded(self, node: Any, g: Any) -> Any:
        """The recorded form."""
        return self.fn.recorded(self._unpacked(node), g)


class _Parcel:
    """What a hook made of a saved tensor."""

    __slots__ = ("content",)

    def __init__(self, content: Any) -> None:
        self.content = content


class _PackedSaved(_Saved):
    """The same of a tensor that a custom function saved."""

    __slots__ = ("hooks", "parcel")

    def __init__(self, saved: _Saved, hooks: saved_tensors_hooks) -> None:
        super().__init__(saved.tensor, saved.edge, saved.output)
        self.hooks, self.parcel = hooks, hooks.packed(saved.tensor)
        self.tensor = None  # type: ignore[assignment]

    def get(self, seq: float, node: Any) -> Tensor:
        t = self.hooks.restored(self.parcel)
        return _Saved(t, self.edge, self.output).get(0.0, node)


class _Packing(Watch):
    """Packs what the nodes of finished operations saved."""

    def __init__(self, hooks: saved_tensors_hooks) -> None:
        super().__init__()
        self._hooks = hooks

    def before(self, func: Any, args: Any, kwargs: dict[str, Any]) -> int:
        return seq()

    def after(self, token: int, result: Any) -> None:
        for t in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(t, Tensor) and t._node is not None:
                self._hooks.pack_behind(t._node, token)


class saved_tensors_hooks:
    """A block in which saved tensors go through ``pack_hook``; backward asks ``unpack_hook``.

    Args:
        pack_hook: from a tensor to anything.
        unpack_hook: from that to a tensor of the same values.
    """

    def __init__(
        self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]
    ) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook
        self._mode = _Packing(self)

    def __enter__(self) -> saved_tensors_hooks:
        if _forbidden:
            raise RuntimeError(_forbidden[-1])
        self._mode.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._mode.__exit__()

    def pack_behind(self, e: Any, before: int) -> None:
        """Pack the nodes behind an edge that are newer than ``before`` and not yet packed."""
        waiting = [e]
        while waiting:
            e = waiting.pop()
            node = e[0] if e.__class__ is tuple else e
            if node.__class__ is not list or node[0] >= before or node[1].__class__ is _Packed:
                continue
            count = 2 + len(edges_of(node))
            waiting += node[2:count]
            packed = [self.packed(v) for v in node[count:]]
            if any(new is not old for new, old in zip(packed, node[count:], strict=True)):
                node[count:] = packed
            node[1] = _Packed(node[1], self)

    def packed(self, value: Any) -> Any:
        """A saved value with its tensors packed."""
        if isinstance(value, Tensor):
            if value is NONE:
                return value
            was = lib.ops_get_grad_enabled()
            lib.ops_set_grad_enabled(0)
            diverted = lib.ops_divert(0)
            try:
                return _Parcel(self.pack_hook(value))
            finally:
                lib.ops_divert(diverted)
                lib.ops_set_grad_enabled(was)
        if value.__class__ in (tuple, list) and any(isinstance(v, Tensor) for v in value):
            return value.__class__([self.packed(v) for v in value])
        if isinstance(value, FunctionCtx):
            value._saved = tuple(
                [_PackedSaved(s, self) if isinstance(s, _Saved) else s for s in value._saved]
            )
        return value

    def restored(self, value: Any) -> Any:
        """The value as it was saved."""
        if value.__class__ is _Parcel:
            t = self.unpack_hook(value.content)
            if not isinstance(t, Tensor):
                raise TypeError(
                    f"Output of saved tensor unpack_hook expected to be a Tensor but got "
                    f"{type(t).__name__}"
                )
            return wrap(lib.ops_unshared_alias(abs(t._h)))  # writing it was no write of the saved
        if value.__class__ in (tuple, list):
            return value.__class__([self.restored(v) for v in value])
        return value


class save_on_cpu(saved_tensors_hooks):
    """A block whose saved tensors wait on the CPU and go back to their device for backward."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(
            lambda t: (t.device, t.detach().to("cpu", copy=True)), lambda kept: kept[1].to(kept[0])
        )


class disable_saved_tensors_hooks:
    """A block in which such blocks may not begin: they raise with this message."""

    def __init__(self, error_message: str) -> None:
        self.error_message = error_message

    def __enter__(self) -> None:
        _forbidden.append(self.error_message)

    def __exit__(self, *exc: object) -> None:
        _forbidden.pop()


__all__ = ["disable_saved_tensors_hooks", "save_on_cpu", "saved_tensors_hooks"]
