"""A module's `state_dict`: taking it, and loading it back with PyTorch's rules and messages."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from typing import Any

import opsmith
from opsmith import Tensor
from opsmith.nn._hooks import HookTable, RemovableHandle
from opsmith.nn.parameter import Parameter

__all__ = ["State"]

_EXTRA = "_extra_state"


class _IncompatibleKeys(
    namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"]),
):
    """What `load_state_dict` found lacking and left over."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class State:
    """The part of `Module` that saves and restores its parameters and buffers.

    `_version` is stored with each module's state, so that `_load_from_state_dict` can read the
    layout of older ones.
    """

    _version: int = 1
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]
    _state_dict_hooks: HookTable
    _state_dict_pre_hooks: HookTable
    _load_state_dict_pre_hooks: HookTable
    _load_state_dict_post_hooks: HookTable

    def get_extra_state(self) -> Any:
        """Return what belongs to the state and is no tensor; to be overridden with its setter."""
        raise RuntimeError(
            "Reached a code path in Module.get_extra_state() that should never be called."
        )

    def set_extra_state(self, state: Any) -> None:
        """Restore what `get_extra_state` returned."""
        raise RuntimeError(
            "Reached a code path in Module.set_extra_state() that should never be called."
        )

    def _persistent(self) -> list[tuple[str, Tensor]]:
        """The (name, tensor) pairs of this module alone that its state consists of."""
        return [
            *((name, value) for name, value in self._parameters.items() if value is not None),
            *(
                (name, value)
                for name, value in self._buffers.items()
                if value is not None and name not in self._non_persistent_buffers_set
            ),
        ]

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        for name, value in self._persistent():
            destination[prefix + name] = value if keep_vars else value.detach()
        if type(self).get_extra_state is not State.get_extra_state:
            destination[prefix + _EXTRA] = self.get_extra_state()

    def state_dict(
        self,
        *args: Any,
        destination: Any = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> Any:
        """Return an ordered dictionary of path -> tensor, sharing storage with the module.

        Args:
            *args: (destination, prefix, keep_vars) by position; deprecated.
            destination: a dictionary to fill, a new one by default.
            prefix: put before each key.
            keep_vars: keep the parameters themselves, not detached tensors.
        """
        if args:
            destination = args[0]
            prefix = args[1] if len(args) > 1 else prefix
            keep_vars = args[2] if len(args) > 2 else keep_vars
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in list(self._state_dict_pre_hooks.values()):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in list(self._state_dict_hooks.values()):
            result = hook(self, destination, prefix, local_metadata)
            if getattr(hook, "_post_hook", False):
                if result is not None:
                    raise RuntimeError("state_dict post-hook must return None")
            elif result is not None:
                destination = result
        return destination

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load this module's own tensors; submodules are not its business."""
        for hook in list(self._load_state_dict_pre_hooks.values()):
            hook(
                state_dict,
                prefix,
                local_metadata,
                strict,
                missing_keys,
                unexpected_keys,
                error_msgs,
            )
        assign = local_metadata.get("assign_to_params_buffers", False)
        for name, value in self._persistent():
            key = prefix + name
            if key in state_dict:
                self._load_tensor(name, key, value, state_dict[key], assign, error_msgs)
            elif strict:
                missing_keys.append(key)
        key = prefix + _EXTRA
        if type(self).set_extra_state is not State.set_extra_state:
            if key in state_dict:
                self.set_extra_state(state_dict[key])
            elif strict:
                missing_keys.append(key)
        elif strict and key in state_dict:
            unexpected_keys.append(key)
        if strict:
            self._note_unexpected(state_dict, prefix, unexpected_keys)

    def _note_unexpected(self, state_dict: Any, prefix: str, unexpected: list[str]) -> None:
        own = {name for name, _ in self._persistent()}
        for key in state_dict:
            if key.startswith(prefix) and key != prefix + _EXTRA:
                first, _, rest = key[len(prefix) :].partition(".")
                if rest or key.endswith("."):
                    if first not in self._modules:
                        unexpected.append(key)
                elif first not in own:
                    unexpected.append(key)

    def _load_tensor(
        self, name: str, key: str, own: Any, loaded: Any, assign: bool, errors: list[str]
    ) -> None:
        if not isinstance(loaded, Tensor):
            errors.append(
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like '
                f"object from checkpoint but received {type(loaded)}"
            )
            return
        if own.dim() == 0 and loaded.dim() == 1 and len(loaded) == 1:
            loaded = loaded[0]  # scalars were 1-d before PyTorch 0.4
        if loaded.shape != own.shape:
            errors.append(
                f"size mismatch for {key}: copying a param with shape {loaded.shape} from "
                f"checkpoint, the shape in current model is {own.shape}."
            )
            return
        try:
            with opsmith.no_grad():
                if not assign:
                    own.copy_(loaded)
                    return
                if isinstance(own, Parameter) and not isinstance(loaded, Parameter):
                    loaded = Parameter(loaded, requires_grad=own.requires_grad)
                elif isinstance(own, Parameter):
                    loaded.requires_grad_(own.requires_grad)
                setattr(self, name, loaded)
        except Exception as error:
            errors.append(
                f'While copying the parameter named "{key}", whose dimensions in the model are '
                f"{own.size()} and whose dimensions in the checkpoint are {loaded.size()}, "
                f"an exception occurred : {error.args}."
            )

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy tensors of `state_dict` into this module and its submodules.

        Args:
            state_dict: path -> tensor, as `state_dict()` returns.
            strict: whether the keys must match exactly.
            assign: put the given tensors in place of the module's own instead of copying.

        Returns:
            A named tuple (missing_keys, unexpected_keys).

        Raises:
            RuntimeError: shapes differ, or keys do with `strict`; all errors are listed.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        metadata = getattr(state_dict, "_metadata", None)
        entries: Any = OrderedDict(state_dict)
        if metadata is not None:
            entries._metadata = metadata
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        found = _IncompatibleKeys(missing, unexpected)
        arguments = (True, missing, unexpected, errors)  # `strict` only decides what to raise
        self._load_tree(entries, metadata or {}, "", assign, arguments, found)
        if strict:
            for what, keys in (("Unexpected", unexpected), ("Missing", missing)):
                if keys:
                    listed = ", ".join(f'"{key}"' for key in keys)
                    errors.insert(0, f"{what} key(s) in state_dict: {listed}. ")
        if errors:
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t"
                + "\n\t".join(errors)
            )
        return found

    def _load_tree(
        self,
        entries: Any,
        metadata: Any,
        prefix: str,
        assign: bool,
        arguments: tuple[Any, ...],
        found: _IncompatibleKeys,
    ) -> None:
        local_metadata = dict(metadata.get(prefix[:-1], {}))
        if assign:
            local_metadata["assign_to_params_buffers"] = assign
        self._load_from_state_dict(entries, prefix, local_metadata, *arguments)
        for name, child in self._modules.items():
            if child is not None:
                path = f"{prefix}{name}."
                below = {key: value for key, value in entries.items() if key.startswith(path)}
                child._load_tree(below, metadata, path, assign, arguments, found)
        for hook in list(self._load_state_dict_post_hooks.values()):
            if hook(self, found) is not None:
                raise RuntimeError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not "
                    "expected to return new values, if incompatible_keys need to be modified, "
                    "it should be done inplace."
                )

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before `state_dict` collects this module."""
        return self._state_dict_pre_hooks.add(hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)`, which edits in place, after."""
        hook._post_hook = True  # type: ignore[attr-defined]
        return self._state_dict_hooks.add(hook)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """As `register_state_dict_post_hook`, but the hook may return another dictionary."""
        if getattr(hook, "_post_hook", False):
            raise RuntimeError(
                "_register_state_dict_hook: hook is registered with register_state_dict_post_hook"
            )
        return self._state_dict_hooks.add(hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing_keys, ...)`.

        Its last two arguments are `unexpected_keys` and `error_msgs`. It runs before this module
        loads its own tensors.
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        bound = _Bound(hook, self) if with_module else hook
        return self._load_state_dict_pre_hooks.add(bound)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)`, which may edit the lists, after loading."""
        return self._load_state_dict_post_hooks.add(hook)


class _Bound:
    """A hook and its module as the first argument."""

    def __init__(self, hook: Callable[..., Any], module: Any) -> None:
        self.hook = hook
        self.module = module

    def __call__(self, *args: Any) -> Any:
        return self.hook(self.module, *args)
