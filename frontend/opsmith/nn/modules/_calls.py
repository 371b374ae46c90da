"""Calling a module that has hooks; without any, `Module.__call__` never comes here."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import opsmith
from opsmith import Tensor
from opsmith.nn._hooks import HookTable, RemovableHandle

__all__ = ["Hooks"]


class Hooks:
    """The part of `Module` that registers hooks and runs a call through them."""

    _hooked: bool
    _forward_hooks: HookTable
    _forward_hooks_with_kwargs: HookTable
    _forward_hooks_always_called: HookTable
    _forward_pre_hooks: HookTable
    _forward_pre_hooks_with_kwargs: HookTable
    _backward_hooks: HookTable
    _backward_pre_hooks: HookTable

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before `forward`; what it returns replaces the arguments.

        Args:
            hook: returns None, one value or a tuple; `with_kwargs`, it is called as
                `hook(module, args, kwargs)` and returns None or `(args, kwargs)`.
            prepend: run it before the hooks registered so far.
            with_kwargs: pass keyword arguments to the hook.
        """
        self._hooked = True
        extra = self._forward_pre_hooks_with_kwargs
        handle = self._forward_pre_hooks.add(hook, first=prepend, extra=(extra,))
        if with_kwargs:
            extra[handle.id] = True
        return handle

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after `forward`; what it returns replaces the output.

        Args:
            hook: called as `hook(module, args, kwargs, output)` if `with_kwargs`.
            prepend: run it before the hooks registered so far.
            with_kwargs: pass keyword arguments to the hook.
            always_call: run the hook even if `forward` raises (with None for the output).
        """
        self._hooked = True
        tables = self._forward_hooks_with_kwargs, self._forward_hooks_always_called
        handle = self._forward_hooks.add(hook, first=prepend, extra=tables)
        for table, wanted in zip(tables, (with_kwargs, always_call), strict=True):
            if wanted:
                table[handle.id] = True
        return handle

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_output)` before this module's backward pass.

        It returns None, or the gradients (a tuple, or one) to use in place of `grad_output`.
        """
        self._hooked = True
        return self._backward_pre_hooks.add(hook, first=prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` once gradients of the inputs are known.

        It returns None, or the gradients (a tuple, or one) to use in place of `grad_input`. Its
        tuples have an item for each positional argument and output, None where it has no gradient.
        """
        self._hooked = True
        return self._backward_hooks.add(hook, first=prepend)

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        called: set[int] = set()
        try:
            return self._run_hooks(args, kwargs, called)
        except Exception:
            for key in list(self._forward_hooks_always_called):
                if key not in called and key in self._forward_hooks:
                    try:
                        self._run_forward_hook(key, args, kwargs, None)
                    except Exception as error:  # the first error is the one to report
                        text = f"module forward hook with always_call raised: {error}"
                        warnings.warn(text, stacklevel=3)
            raise

    def _run_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any], called: set[int]) -> Any:
        for key, hook in list(self._forward_pre_hooks.items()):
            if key in self._forward_pre_hooks_with_kwargs:
                result = hook(self, args, kwargs)
                if result is not None:
                    if not (isinstance(result, tuple) and len(result) == 2):
                        raise RuntimeError(
                            "forward pre-hook must return None or a tuple of (new_args, "
                            f"new_kwargs), but got {result}."
                        )
                    args, kwargs = result
            else:
                result = hook(self, args)
                if result is not None:
                    args = result if isinstance(result, tuple) else (result,)
        backward = None
        if self._backward_hooks or self._backward_pre_hooks:
            backward = _BackwardCall(self)
            args = backward.enter(args)
        output = self.forward(*args, **kwargs)  # type: ignore[attr-defined]
        for key in list(self._forward_hooks):
            called.add(key)
            result = self._run_forward_hook(key, args, kwargs, output)
            if result is not None:
                output = result
        return output if backward is None else backward.leave(output)

    def _run_forward_hook(
        self, key: int, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> Any:
        hook = self._forward_hooks[key]
        if key in self._forward_hooks_with_kwargs:
            return hook(self, args, kwargs, output)
        return hook(self, args, output)


@functools.cache
def _junction() -> Any:
    """An autograd function: the identity on several tensors, with `on_backward` in its backward.

    One node sees the gradients of all its tensors at once, which hooks on the tensors would not.
    """

    class ModuleBoundary(opsmith.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, on_backward: Any, *tensors: Any) -> Any:
            ctx.on_backward = on_backward
            ctx.set_materialize_grads(False)
            return tuple(tensor.view_as(tensor) for tensor in tensors)

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return (None, *ctx.on_backward(grads))

    return ModuleBoundary


def _through(on_backward: Callable[..., Any], values: tuple[Any, ...]) -> Any:
    """Pass the tensors among `values` that require grad through one node."""
    at = [i for i, value in enumerate(values) if isinstance(value, Tensor) and value.requires_grad]
    if not at or not opsmith.is_grad_enabled():
        return values, []
    replaced = list(values)
    for i, tensor in zip(at, _junction().apply(on_backward, *(values[i] for i in at)), strict=True):
        replaced[i] = tensor
    return tuple(replaced), at


def _spread(size: int, at: list[int], grads: Any) -> tuple[Any, ...]:
    spread = [None] * size
    for i, grad in zip(at, grads, strict=True):
        spread[i] = grad
    return tuple(spread)


class _BackwardCall:
    """One call of a module with backward hooks: a node before it and a node behind it."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.pre_hooks = list(module._backward_pre_hooks.values())
        self.hooks = list(module._backward_hooks.values())
        self.inputs: list[int] = []
        self.outputs: list[int] = []
        self.grad_output: tuple[Any, ...] = ()

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments behind a node that reports their gradients."""
        self.arity = len(args)
        args, self.inputs = _through(self.on_inputs, args)
        return args

    def leave(self, output: Any) -> Any:
        """Return the output behind a node that reports its gradients."""
        single = isinstance(output, Tensor)
        if not single and not isinstance(output, tuple | list):
            return output
        values = (output,) if single else tuple(output)
        self.results = len(values)
        values, self.outputs = _through(self.on_outputs, values)
        if single:
            return values[0]
        return type(output)(*values) if hasattr(output, "_fields") else type(output)(values)

    def on_outputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        """Run the pre-hooks; and the hooks at once if no input requires grad."""
        grad_output = _spread(self.results, self.outputs, grads)
        for hook in self.pre_hooks:
            result = hook(self.module, grad_output)
            if result is not None:
                grad_output = _checked(result, self.results, "Backward pre hook", "grad_output")
        self.grad_output = grad_output
        if not self.inputs:
            for hook in self.hooks:
                result = hook(self.module, (None,) * self.arity, grad_output)
                if result is not None and any(grad is not None for grad in result):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should "
                        "always return None or None for all gradients."
                    )
        return tuple(grad_output[i] for i in self.outputs)

    def on_inputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        """Run the hooks."""
        grad_input = _spread(self.arity, self.inputs, grads)
        for hook in self.hooks:
            result = hook(self.module, grad_input, self.grad_output)
            if result is not None:
                grad_input = _checked(result, self.arity, "Backward hook", "grad_input")
        return tuple(grad_input[i] for i in self.inputs)


def _checked(result: Any, size: int, who: str, what: str) -> tuple[Any, ...]:
    result = result if isinstance(result, tuple) else (result,)
    if len(result) != size:
        raise RuntimeError(
            f"{who} returned an invalid number of {what}, got {len(result)}, but expected {size}"
        )
    return result
