"""A function mapped over a dimension of its arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from .._core import Tensor
from ..utils._pytree import broadcast_to, tree_flatten, tree_unflatten

RANDOMNESS = ("error", "different", "same")


def vmap(
    func: Callable[..., Any], in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:  # fmt: skip
    """The function over slices of its arguments; results are stacked.

    The function is called once for every slice, so that whatever it does (branches on values,
    writes in place, other transformations) means what it means for one. It is convenient, not
    faster than a loop.

    Args:
        func: takes and returns nests of tensors.
        in_dims: the dimension of each argument, or of each tensor in it, to go along; None: all of
            it every time. Keyword arguments go along dimension 0.
        out_dims: where the mapped dimension stands in the results; of a nest, one for each.
        randomness: of random functions inside: ``"error"``, ``"different"`` numbers for every
            slice, or the ``"same"``.
        chunk_size: accepted; a slice at a time is held anyway.

    Raises:
        ValueError: dimensions that do not fit the arguments, or are of different sizes; an output
            that is no tensor.
        RuntimeError: a random function inside with ``"error"``.
    """
    if randomness not in RANDOMNESS:
        raise RuntimeError(
            "Only allowed values for randomness are 'error', 'different', or 'same'. "
            f"Got {randomness}"
        )
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")
    name = getattr(func, "__name__", "f")

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        values, form = tree_flatten((list(args), kwargs))
        dims = _dims(name, in_dims, args, kwargs)
        size = _size(name, values, dims)
        slices = [_slice(values, dims, k) for k in range(size)] or [_blank(values, dims)]
        rows, out_form = [], None
        start = _state() if randomness != "different" else None
        for parts in slices:
            if randomness == "same":
                _restore(start)
            inner_args, inner_kwargs = tree_unflatten(parts, form)
            out, out_form = tree_flatten(func(*inner_args, **inner_kwargs))
            if randomness == "error" and _state() != start:
                raise RuntimeError(
                    "vmap: called random operation while in randomness error mode. Please either "
                    "use the 'same' or 'different' randomness flags on vmap or perform the "
                    "randomness operation out of vmap"
                )
            for v in out:
                if not isinstance(v, Tensor):
                    raise ValueError(
                        f"vmap({name}, ...): `{name}` must only return Tensors, got type "
                        f"{type(v)} as a return."
                    )
            rows.append(out)
        return _gather(name, rows, out_form, out_dims, size)

    return wrapper


def _dims(name: str, in_dims: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
    """The dimension of every tensor among the arguments."""
    if not isinstance(in_dims, int | tuple | list):
        raise ValueError(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int or a "
            f"(potentially nested) tuple matching the structure of inputs, got: {type(in_dims)}."
        )
    if not args and not kwargs:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are "
            "trying to vmap over a function with no inputs."
        )
    positional = list(args)
    nest = in_dims if isinstance(in_dims, int) else list(in_dims)
    try:
        dims = broadcast_to(nest, tree_flatten(positional)[1])
    except ValueError as e:
        raise ValueError(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): in_dims is not compatible with the "
            f"structure of inputs: {e}"
        ) from None
    dims += [0] * len(tree_flatten(kwargs)[0])
    found = []
    for v, d in zip(tree_flatten((positional, kwargs))[0], dims, strict=True):
        where = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={d} for an input"
        if d is not None and not isinstance(d, int):
            raise ValueError(f"{where}: in_dim must be an integer dimension or None.")
        if d is not None and not isinstance(v, Tensor):
            raise ValueError(
                f"{where} but the input is of type {type(v)}. We cannot vmap over non-Tensor "
                "arguments, please use None as the respective in_dim"
            )
        if d is not None and not -v.ndim <= d < v.ndim:
            raise ValueError(
                f"{where}, but that input is a Tensor of dimensionality {v.ndim} so expected "
                f"in_dim to satisfy -{v.ndim} <= in_dim < {v.ndim}."
            )
        found.append(d if d is None else d % v.ndim)
    return found


def _size(name: str, values: Sequence[Any], dims: Sequence[Any]) -> int:
    sizes = [v.shape[d] for v, d in zip(values, dims, strict=True) if d is not None]
    if not sizes:
        raise ValueError(f"vmap({name})(<inputs>): no input is mapped: every in_dim is None")
    if len(set(sizes)) > 1:
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    return int(sizes[0])


def _slice(values: Sequence[Any], dims: Sequence[Any], k: int) -> list[Any]:
    return [v if d is None else v.select(d, k) for v, d in zip(values, dims, strict=True)]


def _blank(values: Sequence[Any], dims: Sequence[Any]) -> list[Any]:
    """A slice of zeros, which tells the shapes of results over no slices."""
    return [
        v if d is None else v.new_zeros([s for k, s in enumerate(v.shape) if k != d])
        for v, d in zip(values, dims, strict=True)
    ]


def _gather(
    name: str, rows: Sequence[Sequence[Tensor]], form: Any, out_dims: Any, size: int
) -> Any:
    from .. import _functions as f

    try:
        places = broadcast_to(out_dims, form)
    except ValueError as e:
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with "
            f"the structure of outputs: {e}"
        ) from None
    found = []
    for k, place in enumerate(places):
        column = [row[k] for row in rows]
        if place is None:
            found.append(column[0])
            continue
        if not -column[0].ndim - 1 <= place <= column[0].ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-column[0].ndim - 1}, "
                f"{column[0].ndim}], but got {place})"
            )
        whole = f.stack(column, place)
        found.append(whole if size else whole.narrow(place, 0, 0))
    return tree_unflatten(found, form)


def _state() -> Any:
    from .._random import get_rng_state

    return get_rng_state().tolist()


def _restore(state: Any) -> None:
    from .._create import tensor
    from .._dtypes import uint8
    from .._random import set_rng_state

    set_rng_state(tensor(state, dtype=uint8))
