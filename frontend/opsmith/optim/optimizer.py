"""`Optimizer`: parameter groups with their options, a state per parameter, and hooks.

Subclasses define `step`. It is wrapped, so that step hooks run for any subclass and a scheduler can
tell whether a step was made.
"""

from __future__ import annotations

import functools
import itertools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import opsmith
from opsmith import Tensor
from opsmith._core import Leaf
from opsmith.nn._hooks import HookTable, RemovableHandle
from opsmith.nn.modules.module import typename

__all__ = ["Optimizer", "required"]


class _Required:
    """Stands for an option that has no default."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()

_HOOKS = (
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """`step` between its hooks; it also notes that it was called."""

    @functools.wraps(step)
    def stepped(self: Any, *args: Any, **kwargs: Any) -> Any:
        self._opt_called = True
        if not (self._optimizer_step_pre_hooks or self._optimizer_step_post_hooks):
            return step(self, *args, **kwargs)
        for hook in list(self._optimizer_step_pre_hooks.values()):
            result = hook(self, args, kwargs)
            if result is not None:
                if not (isinstance(result, tuple) and len(result) == 2):
                    raise RuntimeError(
                        f"{step} must return None or a tuple of (new_args, new_kwargs), but got "
                        f"{result}."
                    )
                args, kwargs = result
        out = step(self, *args, **kwargs)
        for hook in list(self._optimizer_step_post_hooks.values()):
            hook(self, args, kwargs)
        return out

    return stepped


class Optimizer:
    """The base of all optimizers.

    Args:
        params: parameters, (name, parameter) pairs, or dictionaries with "params" and options.
        defaults: the options of groups that do not give them.

    Raises:
        TypeError: `params` is a tensor, or holds something else than tensors.
        ValueError: no parameters, a parameter in two groups, a required option missing.
    """

    state: Any
    param_groups: list[dict[str, Any]]
    defaults: dict[str, Any]
    _opt_called = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Wrap the subclass's own `step`."""
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.__dict__["step"])  # type: ignore[method-assign]

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        """Make the groups."""
        self.defaults = defaults
        self._make_hooks()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or "
                f"dicts, but got {typename(params)}"
            )
        self.state = defaultdict(dict)
        self.param_groups = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _make_hooks(self) -> None:
        for name in _HOOKS:
            setattr(self, name, HookTable())

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: no hooks."""
        return {
            "defaults": self.defaults,
            "state": self.state,
            "param_groups": self.param_groups,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore what `__getstate__` returned, or a loaded state."""
        self.__dict__.update(state)
        if "_optimizer_step_pre_hooks" not in self.__dict__:
            self._make_hooks()

    def __repr__(self) -> str:
        """The options of each group."""
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            options = sorted(key for key in group if key != "params")
            text += "".join(f"    {key}: {group[key]}\n" for key in options)
        return text + ")"

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own; see the class for errors."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            params = [params]
        elif isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the "
                "ordering of tensors in sets will change between runs. Please use a list instead."
            )
        params = list(params)
        named = [param for param in params if isinstance(param, tuple)]
        if named:
            if len(named) != len(params):
                raise ValueError(
                    "all optimizer params should be with/without names. Some param names are "
                    "missing"
                )
            param_group["param_names"] = [name for name, _ in named]
            params = [param for _, param in named]
        param_group["params"] = params
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(
                    "optimizer can only optimize Tensors, but one of the params is "
                    + typename(param)
                )
            if not (self.defaults.get("differentiable") or param.is_leaf or param.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization parameter "
                    + name
                )
            param_group.setdefault(name, default)
        if len(params) != len(set(params)):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this "
                "will cause an error; see github.com/pytorch/pytorch/issues/40967 for more "
                "information",
                stacklevel=3,
            )
        taken = set(itertools.chain.from_iterable(group["params"] for group in self.param_groups))
        if not taken.isdisjoint(params):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop all gradients, or set them to zero in place."""
        if set_to_none:
            for group in self.param_groups:
                for param in group["params"]:
                    leaf = param._node
                    if leaf.__class__ is Leaf:
                        leaf.grad = None
                    else:
                        param.grad = None
            return
        for group in self.param_groups:
            for param in group["params"]:
                grad = param.grad
                if grad is None:
                    continue
                if grad.grad_fn is not None:
                    grad.detach_()
                else:
                    grad.requires_grad_(False)
                grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters from their gradients; subclasses define it.

        Args:
            closure: clears gradients, computes the loss again and returns it.
        """
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """{"state": {index: state of a parameter}, "param_groups": [options, "params": indices]}.

        Parameters are numbered through all groups.
        """
        for hook in list(self._optimizer_state_dict_pre_hooks.values()):  # type: ignore[attr-defined]
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            packed = {key: value for key, value in group.items() if key != "params"}
            for param in group["params"]:
                numbers.setdefault(id(param), len(numbers))
            packed["params"] = [numbers[id(param)] for param in group["params"]]
            groups.append(packed)
        state = {
            numbers[id(key)] if isinstance(key, Tensor) else key: value
            for key, value in self.state.items()
        }
        packed_state = {"state": state, "param_groups": groups}
        for hook in list(self._optimizer_state_dict_post_hooks.values()):  # type: ignore[attr-defined]
            result = hook(self, packed_state)
            if result is not None:
                packed_state = result
        return packed_state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned, for parameters in the same order.

        Raises:
            ValueError: other numbers of groups, or of parameters in a group.
        """
        state_dict = dict(state_dict)
        for hook in list(self._optimizer_load_state_dict_pre_hooks.values()):  # type: ignore[attr-defined]
            result = hook(self, state_dict)
            if result is not None:
                state_dict = result
        saved = deepcopy(state_dict["param_groups"])
        if len(saved) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        pairs = list(zip(self.param_groups, saved, strict=True))
        if any(len(group["params"]) != len(loaded["params"]) for group, loaded in pairs):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of "
                "optimizer's group"
            )
        by_number = {
            number: param
            for group, loaded in pairs
            for number, param in zip(loaded["params"], group["params"], strict=True)
        }
        state: Any = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in by_number:
                state[by_number[key]] = _fitted(by_number[key], value)
            else:
                state[key] = value
        for group, loaded in pairs:
            loaded["params"] = group["params"]
            if "param_names" in group and "param_names" not in loaded:
                loaded["param_names"] = group["param_names"]
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in list(self._optimizer_load_state_dict_post_hooks.values()):  # type: ignore[attr-defined]
            hook(self)

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before a step; it may return both anew."""
        return self._optimizer_step_pre_hooks.add(hook)  # type: ignore[attr-defined]

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after a step."""
        return self._optimizer_step_post_hooks.add(hook)  # type: ignore[attr-defined]

    def register_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` before `state_dict`."""
        table = self._optimizer_state_dict_pre_hooks  # type: ignore[attr-defined]
        return table.add(hook, first=prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after it; it may return another one."""
        table = self._optimizer_state_dict_post_hooks  # type: ignore[attr-defined]
        return table.add(hook, first=prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before loading; it may return another one."""
        table = self._optimizer_load_state_dict_pre_hooks  # type: ignore[attr-defined]
        return table.add(hook, first=prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` after loading."""
        table = self._optimizer_load_state_dict_post_hooks  # type: ignore[attr-defined]
        return table.add(hook, first=prepend)


def _fitted(param: Tensor, value: Any, key: Any = None) -> Any:
    """A loaded state with tensors moved to the parameter's dtype and device; "step" stays."""
    if isinstance(value, Tensor):
        if key == "step":
            return value
        if param.is_floating_point():
            return value.to(dtype=param.dtype, device=param.device)
        return value.to(device=param.device)
    if isinstance(value, dict):
        return {name: _fitted(param, item, name) for name, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | OrderedDict):
        return type(value)(_fitted(param, item) for item in value)  # type: ignore[call-arg]
    return value


def evaluated(closure: Callable[[], Any] | None) -> Any:
    """The loss that `closure` computes, with gradients on; None without one."""
    if closure is None:
        return None
    with opsmith.enable_grad():
        return closure()


def check_range(name: str, value: Any, ok: bool) -> None:
    """Raise PyTorch's ValueError unless an option is in its range."""
    if not ok:
        raise ValueError(f"Invalid {name}: {value}")


def with_grads(params: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """The parameters that have a gradient, and the gradients."""
    kept, grads = [], []
    for param in params:
        leaf = param._node
        grad = leaf.grad if leaf.__class__ is Leaf else param.grad
        if grad is not None:
            kept.append(param)
            grads.append(grad)
    return kept, grads


def dense_grad(param: Tensor, maximize: bool) -> Tensor | None:
    """The direction to go against: the gradient, negated to `maximize`."""
    grad = param.grad
    return -grad if maximize and grad is not None else grad
