"""Modules as functions of their parameters and buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._core import Tensor


def functional_call(
    module: Any, parameter_and_buffer_dicts: Any, args: Any = None,
    kwargs: dict[str, Any] | None = None, *, tie_weights: bool = True, strict: bool = False,
) -> Any:  # fmt: skip
    """Call a module with other tensors in place of its parameters and buffers.

    Args:
        module: stays as it is; what it writes to its buffers goes to the given ones.
        parameter_and_buffer_dicts: names, as `named_parameters` has them, to tensors; or several.
        args: the argument, or a tuple of them.
        kwargs: keyword arguments.
        tie_weights: a tensor that the module has under several names is replaced under all.
        strict: every parameter and buffer must be given, and nothing else.

    Raises:
        ValueError: two dicts have the same name; two names of one tensor are given two values.
        RuntimeError: with ``strict``, names that are missing or unknown.
    """
    given = _merged(parameter_and_buffer_dicts)
    slots = _slots(module)
    if strict:
        missing, unknown = sorted(set(slots) - set(given)), sorted(set(given) - set(slots))
        if missing or unknown:
            raise RuntimeError(
                f"Error(s) in loading tensors for {type(module).__name__}: missing keys "
                f"{missing}, unexpected keys {unknown}"
            )
    values = {name: v for name, v in given.items() if name in slots}
    if tie_weights:
        values = _tied(slots, values)
    before = {name: slots[name][0][slots[name][1]] for name in values}
    positional = () if args is None else args if isinstance(args, tuple) else (args,)
    try:
        for name, v in values.items():
            owner, key = slots[name]
            owner[key] = v
        return module(*positional, **(kwargs or {}))
    finally:
        for name, v in before.items():
            owner, key = slots[name]
            owner[key] = v


def _merged(dicts: Any) -> dict[str, Any]:
    if isinstance(dicts, Mapping):
        return dict(dicts)
    if not isinstance(dicts, Sequence) or not all(isinstance(d, Mapping) for d in dicts):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(dicts)}"
        )
    found: dict[str, Any] = {}
    for d in dicts:
        twice = sorted(set(found) & set(d))
        if twice:
            raise ValueError(f"{twice} appeared in multiple dictionaries; behavior of functional call is ambiguous")  # noqa: E501
        found |= d
    return found


def _slots(module: Any) -> dict[str, tuple[dict[str, Any], str]]:
    """Name to (the dict that holds the tensor, its key there)."""
    found: dict[str, tuple[dict[str, Any], str]] = {}
    for prefix, inner in module.named_modules(remove_duplicate=False):
        for owner in (inner._parameters, inner._buffers):
            for key, v in owner.items():
                if v is not None:
                    found[f"{prefix}.{key}" if prefix else key] = (owner, key)
    return found


def _tied(
    slots: Mapping[str, tuple[dict[str, Any], str]], values: Mapping[str, Any]
) -> dict[str, Any]:
    names: dict[int, list[str]] = {}
    for name, (owner, key) in slots.items():
        names.setdefault(id(owner[key]), []).append(name)
    found = dict(values)
    for same in names.values():
        given = {id(values[n]): values[n] for n in same if n in values}
        if len(given) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(n for n in same if n in values)}, "  # noqa: E501
                "which are tied. Consider using tie_weights=False"
            )
        for v in given.values():
            found |= dict.fromkeys(same, v)
    return found


def stack_module_state(models: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(parameters, buffers) of modules of one class, each stacked along a new first dimension.

    Raises:
        RuntimeError: no modules, of several classes, or in different modes.
    """
    from .. import _functions as f

    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or not any(m.training for m in models)):
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if not all(type(m) is type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")

    def stacked(rows: list[dict[str, Tensor]]) -> dict[str, Any]:
        found = {}
        for name, first in rows[0].items():
            whole = f.stack([row[name].detach() for row in rows])
            found[name] = whole.requires_grad_() if first.requires_grad else whole
        return found

    return (
        stacked([dict(m.named_parameters()) for m in models]),
        stacked([dict(m.named_buffers()) for m in models]),
    )


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Batch norms inside use the statistics of each batch and keep none; returns ``root``."""
    from ..nn.modules.norm import _BatchNorm

    for module in root.modules():
        if isinstance(module, _BatchNorm):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root


__all__ = ["functional_call", "replace_all_batch_norm_modules_", "stack_module_state"]
