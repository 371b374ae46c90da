"""Parametrizations: a parameter or buffer becomes a function of others.

`module.weight` is then computed at each access, by the modules in `module.parametrizations.weight`,
from the tensors kept there as `original` (or original0, original1, ..).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import opsmith
from opsmith import Tensor
from opsmith.nn.modules.container import ModuleDict, ModuleList
from opsmith.nn.modules.module import Module
from opsmith.nn.parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_cached: dict[tuple[int, str], Tensor] = {}
_caching = 0


@contextmanager
def cached() -> Iterator[None]:
    """Within this, each parametrized tensor is computed once."""
    global _caching
    _caching += 1
    try:
        yield
    finally:
        _caching -= 1
        if not _caching:
            _cached.clear()


def _register(module: Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _inverse(modules: ModuleList, value: Any, lenient: bool) -> Any:
    """What the modules would have to be given for `value`; a missing inverse is the identity."""
    for module in reversed(list(modules)):
        if hasattr(module, "right_inverse"):
            try:
                value = module.right_inverse(value)
            except NotImplementedError:
                if not lenient:
                    raise
        elif not lenient:
            raise RuntimeError(
                f"parametrization {type(module).__name__} does not implement right_inverse."
            )
    return value


def _require_same(found: Any, wanted: Tensor, name: str, before: str, after: str) -> None:
    """Refuse a tensor of another dtype or shape than the one it stands for."""
    if not isinstance(found, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(found).__name__}.")
    for what in ("dtype", "shape"):
        was, now = getattr(wanted, what), getattr(found, what)
        if was != now:
            raise ValueError(
                f"Registering a parametrization may not change the {what} of the tensor, unless "
                f"{name} flag is enabled.\n{before.format(what)}: {was}\n"
                f"{after.format(what)}: {now}"
            )


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, applied in order, and the tensors they start from.

    Raises:
        ValueError: no parametrization; one that changes dtype or shape, unless `unsafe`.
    """

    original: Any

    def __init__(
        self, modules: Sequence[Module], original: Tensor, unsafe: bool = False
    ) -> None:
        """Keep what the inverses of the modules make of `original`."""
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        with opsmith.no_grad():
            new = _inverse(self, original, lenient=True)
        self.is_tensor = isinstance(new, Tensor)
        if not self.is_tensor and not isinstance(new, Sequence):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        self.ntensors = 1 if self.is_tensor else len(new)
        before = original.detach()
        if self.is_tensor:
            for what in ("dtype", "device"):
                if getattr(original, what) != getattr(new, what):
                    raise ValueError(
                        f"When `right_inverse` outputs one tensor, it may not change the {what}.\n"
                        f"original.{what}: {getattr(original, what)}\n"
                        f"right_inverse(original).{what}: {getattr(new, what)}"
                    )
            if new is not original:  # the same object, so that optimizers still know it
                original.data = new.detach()
            _register(self, "original", original)
        else:
            for k, tensor in enumerate(new):
                if not isinstance(tensor, Tensor):
                    raise ValueError(
                        "'right_inverse' must return a Tensor or a Sequence of tensors (list, "
                        f"tuple...). Got element {k} of the sequence with type "
                        f"{type(tensor).__name__}."
                    )
                kept = tensor.detach()
                if isinstance(original, Parameter):
                    kept = Parameter(kept, original.requires_grad)
                _register(self, f"original{k}", kept)
        if not unsafe:
            _require_same(self(), before, "`unsafe`", "unparametrized {}", "parametrized {}")

    def right_inverse(self, value: Tensor) -> None:
        """Let the parametrized tensor be `value`, as far as the inverses can.

        Raises:
            RuntimeError: a parametrization without `right_inverse`.
            ValueError: inverses that give something else than they were registered with.
        """
        with opsmith.no_grad():
            value = _inverse(self, value, lenient=False)
            if self.is_tensor:
                if not isinstance(value, Tensor):
                    raise ValueError(
                        f"`right_inverse` should return a tensor. Got {type(value).__name__}"
                    )
                if value.dtype != self.original.dtype:
                    raise ValueError(
                        f"The tensor returned by `right_inverse` has dtype {value.dtype} while "
                        f"`original` has dtype {self.original.dtype}"
                    )
                self.original.data = value.detach()
                return
            if not isinstance(value, Sequence):
                raise ValueError(
                    "'right_inverse' must return a sequence of tensors. "
                    f"Got {type(value).__name__}."
                )
            if len(value) != self.ntensors:
                raise ValueError(
                    "'right_inverse' must return a sequence of tensors of length "
                    f"{self.ntensors}. Got a sequence of length {len(value)}."
                )
            for k, tensor in enumerate(value):
                kept = getattr(self, f"original{k}")
                if kept.dtype != tensor.dtype:
                    raise ValueError(
                        f"Tensor {k} returned by `right_inverse` has dtype {tensor.dtype} while "
                        f"`original{k}` has dtype {kept.dtype}"
                    )
                kept.data = tensor.detach()

    def forward(self) -> Any:
        """The parametrized tensor."""
        first, *others = list(self)
        if self.is_tensor:
            x = first(self.original)
        else:
            x = first(*[getattr(self, f"original{k}") for k in range(self.ntensors)])
        for module in others:
            x = module(x)
        return x


class _Parametrized:
    """What the class of a parametrized module adds to the class it had."""

    def __getstate__(self) -> Any:
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict(). See:\n"
            "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
            "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copied = memo[id(self)] = type(self).__new__(type(self))
        state = Module.__getstate__(self)  # type: ignore[arg-type]
        copied.__setstate__(copy.deepcopy(state, memo))
        return copied


def _computed(name: str) -> property:
    def get(self: Any) -> Tensor:
        if not _caching:
            return self.parametrizations[name]()  # type: ignore[no-any-return]
        key = (id(self), name)
        if key not in _cached:
            _cached[key] = self.parametrizations[name]()
        return _cached[key]

    def set_(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, set_)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let `module.tensor_name` be computed by `parametrization`, behind those it has already.

    Args:
        module: the owner of the parameter or buffer.
        tensor_name: its name.
        parametrization: maps the kept tensor to the used one; its method `right_inverse`, if there
            is one, maps an assigned value to the kept tensor, or to several.
        unsafe: allow another dtype or shape.

    Returns:
        The module, whose class is now a subclass of what it was.

    Raises:
        ValueError: no such tensor; a change of dtype or shape without `unsafe`.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        lists: Any = module.parametrizations
        if not unsafe:
            before = getattr(module, tensor_name)
            where = f"module.{tensor_name}.{{}}", f"parametrization(module.{tensor_name}).{{}}"
            _require_same(parametrization(before), before, "the `unsafe`", *where)
        lists[tensor_name].append(parametrization)
        lists[tensor_name].unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        made = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            cls = type(module)
            module.__class__ = type(f"Parametrized{cls.__name__}", (_Parametrized, cls), {})
            module.parametrizations = ModuleDict()
        setattr(type(module), tensor_name, _computed(tensor_name))
        module.parametrizations[tensor_name] = made  # type: ignore[operator]
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Has the module parametrizations, or one of that tensor?"""
    lists = module._modules.get("parametrizations")
    if not isinstance(lists, ModuleDict):
        return False
    return len(lists) > 0 if tensor_name is None else tensor_name in lists


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make a parametrized tensor an ordinary one again: its value now, or what it starts from.

    Raises:
        ValueError: it is not parametrized; it starts from several tensors that would be left.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    lists: Any = module.parametrizations
    made = lists[tensor_name]
    if made.is_tensor:
        kept = made.original
        if leave_parametrized:
            with opsmith.no_grad():
                kept.data = getattr(module, tensor_name).detach()
    else:
        if not leave_parametrized:
            raise ValueError(
                "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
                "parametrized in terms of a sequence of tensors."
            )
        with opsmith.no_grad():
            value = getattr(module, tensor_name).detach()
        originals = [getattr(made, f"original{k}") for k in range(made.ntensors)]
        kept = Parameter(value) if isinstance(originals[0], Parameter) else value
        kept.requires_grad_(any(t.requires_grad for t in originals))
    delattr(type(module), tensor_name)
    del lists[tensor_name]
    _register(module, tensor_name, kept)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type_before_parametrizations(module)
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class the module had."""
    cls = type(module)
    return cls.__bases__[1] if issubclass(cls, _Parametrized) else cls


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Copy parametrizations, and what they start from, to a module of the same kind."""
    if not is_parametrized(from_module):
        return to_module
    lists: Any = from_module.parametrizations
    for name in list(lists) if tensor_name is None else [tensor_name]:
        if not hasattr(to_module, name):
            _register(to_module, name, copy.deepcopy(getattr(from_module, name)))
        for parametrization in lists[name]:
            register_parametrization(to_module, name, copy.deepcopy(parametrization), unsafe=True)
        ours, theirs = to_module.parametrizations[name], lists[name]  # type: ignore[index]
        for key, tensor in theirs._parameters.items():
            getattr(ours, key).data = tensor.detach().clone()
    return to_module
