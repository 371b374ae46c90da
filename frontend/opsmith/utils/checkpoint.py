"""Checkpointing: a function's intermediate values are dropped after forward and made again in backward.

``checkpoint`` runs the function, finds what its graph hangs on (inputs, parameters, anything older),
and puts one node in the graph's place. Its backward runs the function again, with the random numbers
and the autocast block of the first time, and propagates through that. The node is differentiable
itself, and works with ``backward``, ``grad`` and hooks alike.
"""  # noqa: E501

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .. import _random
from .._boundary import lib
from .._core import Leaf, Tensor, alias, check_saved, grad_enabled, raw, seq
from ..amp import autocast
from ..amp._casting import STATE
from ..autograd.engine import run_recorded
from ..autograd.grad_mode import enable_grad
from ..autograd.graph import edges_of

_debug: list[bool | None] = [None]


class CheckpointError(RuntimeError):
    """Running the function again gave something else."""


def noop_context_fn() -> tuple[Any, Any]:
    """Contexts around the first run and the second: none."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn,
    determinism_check: str = "default", debug: bool = False, early_stop: bool = True,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """``function(*args, **kwargs)`` without its intermediate values, which backward makes again.

    Args:
        function: what to run; it must do the same when it is run again.
        args: its arguments.
        use_reentrant: both of PyTorch's variants are one here; True refuses what PyTorch's refuses
            and gives no gradient when no argument requires one.
        context_fn: gives two contexts: for the first run and for the second.
        determinism_check: "none" leaves out comparing what the second run gives with the first.
        debug: taken for PyTorch's sake.
        early_stop: taken for PyTorch's sake.
        kwargs: of the function; ``preserve_rng_state=False`` is the checkpoint's own.
    """
    if use_reentrant is None:
        _warn_of_default("torch.utils.checkpoint", 3)
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if determinism_check not in ("default", "none"):
        raise ValueError(
            "determinism_check should be one of ('default', 'none') but got "
            f"{determinism_check}"
        )
    if use_reentrant:
        if kwargs:
            raise ValueError(f"Unexpected keyword arguments: {','.join(kwargs)}")
        if context_fn is not noop_context_fn or debug is not False:
            raise ValueError(
                "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
            )
        check_backward_validity(args)
    run = _Run(function, args, kwargs, preserve, context_fn, determinism_check == "default")
    if use_reentrant and not any(isinstance(a, Tensor) and a.requires_grad for a in args):
        was = grad_enabled()
        lib.ops_set_grad_enabled(0)
        try:
            return run.first()
        finally:
            lib.ops_set_grad_enabled(was)
    before = seq()  # numbers fall: what is recorded from now on has smaller ones
    out = run.first()
    return _folded(out, run, before) if grad_enabled() else out


def _warn_of_default(name: str, level: int) -> None:
    warnings.warn(
        f"{name}: the use_reentrant parameter should be passed explicitly. use_reentrant=False is "
        "recommended; use_reentrant=True is what is assumed without.", stacklevel=level,
    )  # fmt: skip


class _Run:
    """A function, its arguments, and what was so when it first ran."""

    def __init__(
        self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], preserve: bool,
        context_fn: Any, compare: bool,
    ) -> None:  # fmt: skip
        self.function, self.args, self.kwargs, self.compare = function, args, kwargs, compare
        self.contexts = context_fn()
        self.random = _random.get_rng_state() if preserve else None
        self.blocks = [
            {"device_type": d, "enabled": on, "dtype": STATE.dtypes[d],
             "cache_enabled": STATE.cache_enabled}
            for d, on in STATE.enabled.items() if on
        ]  # fmt: skip

    def first(self) -> Any:
        with self.contexts[0]:
            return self.function(*self.args, **self.kwargs)

    def again(self) -> Any:
        now = _random.get_rng_state()
        try:
            if self.random is not None:
                _random.set_rng_state(self.random)
            with contextlib.ExitStack() as stack:
                stack.enter_context(enable_grad())
                for block in self.blocks:
                    stack.enter_context(autocast(**block))
                stack.enter_context(self.contexts[1])
                return self.function(*self.args, **self.kwargs)
        finally:
            if self.random is not None:
                _random.set_rng_state(now)

    def tensors(self) -> list[Tensor]:
        """The tensors among its arguments."""
        return [t for t in _leaves((self.args, self.kwargs)) if isinstance(t, Tensor)]


def _leaves(value: Any) -> Iterator[Any]:
    """What is in a nest of tuples, lists and dictionaries."""
    if isinstance(value, dict):
        for v in value.values():
            yield from _leaves(v)
    elif isinstance(value, (tuple, list)):
        for v in value:
            yield from _leaves(v)
    else:
        yield value


def _mapped(value: Any, fn: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return type(value)({k: _mapped(v, fn) for k, v in value.items()})
    if isinstance(value, (tuple, list)):
        items = [_mapped(v, fn) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return fn(value)


def _results(out: Any, before: int) -> list[Tensor]:
    """The outputs that were recorded since; each once."""
    found: dict[int, Tensor] = {}
    for t in _leaves(out):
        if isinstance(t, Tensor) and t._node is not None and _inside(t._node, before):
            found[id(t)] = t
    return list(found.values())


def _inside(e: Any, before: int) -> bool:
    node = e[0] if e.__class__ is tuple else e
    return node.__class__ is list and node[0] < before


def _folded(out: Any, run: _Run, before: int) -> Any:
    """The outputs on one node; the graph between goes."""
    results = _results(out, before)
    if not results:
        return out
    edges = _outer_edges([t._node for t in results], before)
    looks = [(tuple(t.shape), lib.ops_dtype(t._h)) for t in results]
    node = [seq(), _Again(run, len(edges), looks), *edges]
    fresh: dict[int, Tensor] = {}
    for k, t in enumerate(results):
        new = alias(t._h) if type(t) is Tensor else t.as_subclass(type(t))
        new._node = node if len(results) == 1 else (node, k)
        new._h = -abs(new._h)
        fresh[id(t)] = new
    return _mapped(out, lambda v: fresh.get(id(v), v))


def _outer_edges(starts: Sequence[Any], before: int) -> list[Any]:
    """Leaves and older nodes that the graph of newer ones hangs on."""
    found: dict[Any, Any] = {}
    first = [e[0] if e.__class__ is tuple else e for e in starts]
    seen = {id(n): n for n in first}
    waiting = list(seen.values())
    while waiting:
        for e in edges_of(waiting.pop()):
            if e is None:
                continue
            node, k = e if e.__class__ is tuple else (e, None)
            if node.__class__ is Leaf or not _inside(node, before):
                found[id(node), k] = e
            elif id(node) not in seen:
                seen[id(node)] = node
                waiting.append(node)
    return list(found.values())


class _Again:
    """The backward of a checkpoint: runs the function again and propagates through it."""

    op = "CheckpointBackward"

    def __init__(self, run: _Run, edges: int, looks: list[Any]) -> None:
        self.run, self.edges, self.looks, self.outputs = run, edges, looks, len(looks)
        self.raw = raw(self.recorded)

    def __call__(self, node: Any, g: Any) -> Any:
        return self.raw(node, g)

    def recorded(self, node: Any, g: Any) -> tuple[Any, ...]:
        """The gradients at the edges."""
        create_graph = bool(grad_enabled())
        check_saved(node, *self.run.tensors())
        before = seq()
        results = _results(self.run.again(), before)
        looks = [(tuple(t.shape), lib.ops_dtype(t._h)) for t in results]
        if len(looks) != len(self.looks) or (self.run.compare and looks != self.looks):
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values have different metadata than during "
                f"the forward pass.\nfirst: {_shown(self.looks)}\nrecomputed: {_shown(looks)}"
            )
        given = g if isinstance(g, list) else [g]
        roots = [(t._node, c) for t, c in zip(results, given, strict=True) if c is not None]
        edges = node[2 : 2 + self.edges]
        return tuple(run_recorded(roots, create_graph, create_graph, edges, inner=True))


def _shown(looks: Sequence[Any]) -> str:
    from .._dtypes import DTYPES

    return ", ".join(f"{list(shape)} {DTYPES[code]}" for shape, code in looks)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Modules one after another in ``segments`` parts, each but the last a checkpoint."""
    if use_reentrant is None:
        _warn_of_default("torch.utils.checkpoint.checkpoint_sequential", 3)
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError(f"Unexpected keyword arguments: {','.join(kwargs)}")
    steps = list(functions)
    size = len(steps) // segments

    def part(first: int, last: int) -> Callable[[Any], Any]:
        def run(x: Any) -> Any:
            for step in steps[first:last]:
                x = step(x)
            return x

        return run

    for first in range(0, size * (segments - 1), size):
        input = checkpoint(
            part(first, first + size), input, use_reentrant=use_reentrant,
            preserve_rng_state=preserve,
        )  # fmt: skip
    return part(size * (segments - 1), len(steps))(input)


# Around it ---------------------------------------------------------------------------------------


def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warn when no input requires grad."""
    if not any(t.requires_grad for t in inputs if isinstance(t, Tensor)):
        warnings.warn(
            "None of the inputs have requires_grad=True. Gradients will be None", stacklevel=3
        )


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same values off the graph, requiring grad where they did."""
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            "Only tuple of tensors is supported. Got Unsupported input type: "
            f"{type(inputs).__name__}"
        )
    return tuple(
        [
            t.detach().requires_grad_(t.requires_grad) if isinstance(t, Tensor) else t
            for t in inputs
        ]
    )


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """A block; the function is always run to its end."""
    yield


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """A block; errors say what differs with and without it."""
    before, _debug[0] = _debug[0], enabled
    try:
        yield
    finally:
        _debug[0] = before


class DefaultDeviceType:
    """The kind of device whose random numbers count: one generator serves all here."""

    _chosen: str | None = None

    @staticmethod
    def set_device_type(device: str = "cuda") -> None:
        """Choose it."""
        DefaultDeviceType._chosen = device

    @staticmethod
    def get_device_type() -> str:
        """What was chosen, else the accelerator there is."""
        from ..accelerator import current_accelerator

        found = current_accelerator()
        return DefaultDeviceType._chosen or ("cpu" if found is None else found.type)


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)


__all__ = [
    "CheckpointError", "DefaultDeviceType", "check_backward_validity", "checkpoint",
    "checkpoint_sequential", "detach_variable", "noop_context_fn", "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
]  # fmt: skip
