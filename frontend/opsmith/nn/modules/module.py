"""`Module`: the base class of everything that has parameters, buffers and submodules.

Its parts are mixed in from `_traverse` (finding things), `_state` (`state_dict`), `_calls` (hooks)
and `_convert` (dtype, device, mode); here are attributes, registration, calling and printing.
"""

from __future__ import annotations

from typing import Any

from opsmith import Tensor
from opsmith.nn._hooks import HookTable
from opsmith.nn.modules._calls import Hooks
from opsmith.nn.modules._convert import Convert
from opsmith.nn.modules._slots import Slots
from opsmith.nn.modules._state import State
from opsmith.nn.modules._traverse import Traverse
from opsmith.nn.parameter import Buffer, Parameter

__all__ = ["Module"]

_SLOTS = ("_parameters", "_buffers", "_modules")
_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


def typename(value: Any) -> str:
    """The name of `value`'s type as error messages print it: `torch.FloatTensor`, `int`, ..."""
    if isinstance(value, Tensor):
        return value.type()
    cls = value if isinstance(value, type) else type(value)
    inner = cls.__module__ in ("builtins", "__builtin__")
    return cls.__qualname__ if inner else f"{cls.__module__}.{cls.__qualname__}"


class Module(Traverse, State, Hooks, Convert):
    """A part of a model; subclasses assign parameters and submodules and define `forward`.

    Assigning a `Parameter`, `Buffer` or `Module` as an attribute registers it. `training` is True
    at first and read by layers that behave differently then.
    """

    training: bool
    _hooked = False

    def __init__(self) -> None:
        """Make the tables; subclasses call this before assigning parameters or submodules."""
        attributes = self.__dict__
        attributes["training"] = True
        for name in _SLOTS:
            attributes[name] = Slots(self)
        attributes["_non_persistent_buffers_set"] = set()
        for name in _HOOKS:
            attributes[name] = HookTable()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass defines it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `forward`, through the hooks if any were ever registered."""
        if self._hooked:
            return self._call_with_hooks(args, kwargs)
        return self.forward(*args, **kwargs)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter, or reserve its name by None.

        Raises:
            TypeError: `param` is no `Parameter`, or `name` no string.
            KeyError: the name is empty, dotted or taken.
            ValueError: `param` is the result of an operation.
        """
        self._check_name(name, self.__dict__.get("_parameters"), "parameter")
        if param is None:
            self._parameters[name] = None
        elif not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{typename(param)}' object to parameter '{name}' "
                "(torch.nn.Parameter or None required)"
            )
        elif param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be "
                f"created explicitly. To express '{name}' as a function of another Tensor, "
                "compute the value in the forward() method."
            )
        else:
            self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a buffer, or reserve its name by None; `persistent` ones are in `state_dict`."""
        self._check_name(name, self.__dict__.get("_buffers"), "buffer")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' "
                "(torch Tensor or None required)"
            )
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Any) -> None:
        """Add a submodule, or reserve its name by None."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{typename(module)} is not a Module subclass")
        self._check_name(name, self.__dict__.get("_modules"), "module")
        self._modules[name] = module

    def register_module(self, name: str, module: Any) -> None:
        """The same as `add_module`."""
        self.add_module(name, module)

    def _check_name(self, name: Any, table: dict[str, Any] | None, kind: str) -> None:
        if table is None:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {typename(name)}")
        if name not in table and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            got = f", got: {name}" if kind == "module" else ""
            raise KeyError(f'{kind} name can\'t contain "."{got}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')

    def __setattr__(self, name: str, value: Any) -> None:
        """Register parameters, buffers and modules; store anything else as usual."""
        attributes = self.__dict__
        if isinstance(value, Parameter):
            if "_parameters" not in attributes:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, but="_parameters")
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            if "_modules" not in attributes:
                raise AttributeError("cannot assign module before Module.__init__() call")
            if name in self._parameters:
                raise TypeError(_refusal(value, "parameter", name, "torch.nn.Parameter"))
            self._forget(name, but="_modules")
            self._modules[name] = value
        elif isinstance(value, Buffer):
            if "_buffers" not in attributes:
                raise AttributeError("cannot assign buffer before Module.__init__() call")
            for table, kind, wanted in _KINDS[:2]:
                if name in attributes[table]:
                    raise TypeError(_refusal(value, kind, name, wanted))
            self._forget(name, but="_buffers")
            self.register_buffer(name, value, value.persistent)
        elif name in attributes and "_parameters" in attributes and self._set_member(name, value):
            return
        elif name in _SLOTS:
            for old in list(attributes.get(name, ())):
                attributes.pop(old, None)
            attributes[name] = Slots(self, value)
        else:
            object.__setattr__(self, name, value)

    def _set_member(self, name: str, value: Any) -> bool:
        """Assign to a registered name; False if it is an ordinary attribute."""
        for table, kind, wanted in _KINDS:
            if name in self.__dict__[table]:
                if value is not None and not (kind == "buffer" and isinstance(value, Tensor)):
                    raise TypeError(_refusal(value, kind, name, wanted))
                self.__dict__[table][name] = value
                return True
        return False

    def _forget(self, name: str, but: str) -> None:
        """Take `name` out of the attributes and of every table but one."""
        attributes = self.__dict__
        if name in attributes and name not in attributes[but]:
            for table in _SLOTS:
                attributes[table].pop(name, None)
            attributes.pop(name, None)
            self._non_persistent_buffers_set.discard(name)

    def __getattr__(self, name: str) -> Any:
        """Say what is missing; registered things are found before this is reached."""
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        """Delete an attribute, registered or not."""
        for table in _SLOTS:
            entries = self.__dict__.get(table, ())
            if name in entries:
                del entries[name]  # type: ignore[attr-defined]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __getstate__(self) -> dict[str, Any]:
        """The attributes, without the doubles of what the tables hold."""
        state = dict(self.__dict__)
        for table in _SLOTS:
            entries = state.get(table, {})
            for name in entries:
                state.pop(name, None)
            state[table] = dict(entries)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore what `__getstate__` returned, or what another version or PyTorch stored."""
        attributes = self.__dict__
        attributes.update(state)
        for name in _HOOKS:
            if not isinstance(attributes.get(name), HookTable):
                attributes[name] = HookTable(attributes.get(name) or {})
                self._hooked = self._hooked or bool(attributes[name])
        attributes.setdefault("_non_persistent_buffers_set", set())
        for name in _SLOTS:
            attributes[name] = Slots(self, attributes.get(name, {}))

    def __dir__(self) -> list[str]:
        """The attributes that can be written with a dot."""
        return sorted(name for name in super().__dir__() if not name[:1].isdigit())

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What `repr` prints between the parentheses; layers print their arguments."""
        return ""

    def __repr__(self) -> str:
        """The module, its arguments and its submodules, indented."""
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        child_lines = [
            f"({name}): {_indent(repr(module))}" for name, module in self._modules.items()
        ]
        lines = extra_lines + child_lines
        if len(extra_lines) == 1 and not child_lines:
            body = extra_lines[0]
        else:
            body = "\n  " + "\n  ".join(lines) + "\n" if lines else ""
        return f"{self._get_name()}({body})"


_KINDS = (
    ("_parameters", "parameter", "torch.nn.Parameter"),
    ("_modules", "child module", "torch.nn.Module"),
    ("_buffers", "buffer", "torch.nn.Buffer, torch.Tensor"),
)


def _refusal(value: Any, kind: str, name: str, wanted: str) -> str:
    return f"cannot assign '{typename(value)}' as {kind} '{name}' ({wanted} or None expected)"


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")
