"""The tensor class and what generated functions rely on: handles, nodes, slow paths.

A tensor is a handle (``_h``, negative when it requires grad), a node (``_node``: a list, a Leaf or
None), a cached shape and, for views, where it came from (``_view``: base, function, arguments).
A node is ``[-seq, backward, *edges, *saved]``: an edge is a node, a Leaf, ``(node, k)`` for output
k, or None. Sequence numbers grow, so an edge always points to an older node.
"""

from __future__ import annotations

import importlib
import itertools
import os
from array import array
from operator import itemgetter

from . import _boundary
from ._boundary import (
    ALWAYS,
    SLOW_PATH,
    STALE_VIEW,
    SUBCLASS,
    error_text,
    ffi,
    lib,
    raise_status,
    shard,
    take_status,
)
from ._dtypes import DEVICES, DTYPES, SCALAR_TYPE_NAMES, Size, device, dtype

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

RARE = 2.0**50
LIMIT = -RARE
NO_INT = -(2**63)
NAN = float("nan")
seq = itertools.count(-1, -1).__next__  # node sequence numbers, negated: smaller is newer

drop = _drop = lib.ops_drop
saved_is_valid = lib.ops_saved_is_valid
unreduce_handle = lib.ops_unreduce
last_write = lib.ops_last_write
_alias = lib.ops_alias
_next = lib.ops_next_output
_shape_key = lib.ops_shape_key
_shape = lib.ops_shape
_ndim = lib.ops_ndim
dtype_code = lib.ops_dtype
_unpack = ffi.unpack
_SHAPES: dict[float, Size] = {}
grad_enabled = lib.ops_get_grad_enabled


class Leaf:
    """What a leaf that requires grad points to: its gradient and its hooks."""

    __slots__ = ("__weakref__", "grad", "hooks", "post_hooks", "tensor")

    def __init__(self) -> None:
        self.grad = self.hooks = self.post_hooks = self.tensor = None


def make_shape(t: Any) -> Size:
    """The shape of a tensor as a Size; small ones are shared."""
    h = t._h
    key = _shape_key(h)
    s = _SHAPES.get(key)
    if s is None:
        n = _ndim(h)
        s = Size(_unpack(_shape(h), n)) if n else Size()
        if key >= 0:
            if len(_SHAPES) > 10000:
                _SHAPES.clear()
            _SHAPES[key] = s
    return s


if os.environ.get("OPSMITH_PURE_TENSOR") or not lib.ops_install_tensor_type(
    b"opsmith._tensor_type"
):
    from ._pure import Tensor, make, make_view, set_shape_maker
else:
    from ._tensor_type import Tensor, make, make_view, set_shape_maker
set_shape_maker(make_shape)
Tensor.__module__ = "opsmith"


def wrap(h: float, node: Any = None) -> Tensor:
    """A tensor for a handle; raises the pending error when there is none."""
    if not h:
        raise_status(take_status())
    return make(h, node)


def alias(h: float) -> Tensor:
    """A tensor that shares storage and version with a handle, without node."""
    return make(_alias(h), None)


def further(k: int, node: Any) -> Tensor:
    """Output k of the last call."""
    h = _next(k)
    return make(-h if node is not None else h, node)


NONE_H = lib.ops_none_handle()
NONE = make(NONE_H, None)
_KEEP = NONE  # its handle is static: never dropped, since this module holds it


# Arguments ---------------------------------------------------------------------------------------


class _Dims(dict):
    """Sets of axes as 64-bit masks: bit d for d >= 0, bit 64 + d for d < 0; 0 for None."""

    def __missing__(self, dim: Any) -> int:
        if dim is None:
            mask = 0
        elif isinstance(dim, tuple):
            mask = 0
            for d in dim:
                bit = 1 << _axis(d)
                if mask & bit:
                    raise RuntimeError(f"dim {int(d)} appears multiple times in the list of dims")
                mask |= bit
        else:
            mask = 1 << _axis(dim)
        if not isinstance(dim, bool):
            self[dim] = mask
        return mask


def _axis(d: Any) -> int:
    d = d.__index__()
    if not -32 <= d < 32:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [-32, 31], but got {d})"
        )
    return d & 63


DIMS = _Dims()


def ints(v: Any, length: int = 0) -> tuple[int, ...]:
    """int[] as a count and four values; longer ones wait in a buffer, whose address is passed."""
    if v is None:
        return -1, 0, 0, 0, 0
    if v.__class__ is int:
        return (length or 1, v, v, v, v)
    n = len(v)
    if length and n != length and n != 1:
        several = f"a list of {length} ints" if length > 1 else "a list of one"
        raise RuntimeError(f"expected a single int or {several}, but got {list(v)}")
    if n == 2:
        a, b = v
        return 2, a, b, 0, 0
    if n == 1:
        (a,) = v
        return (length or 1), a, a, a, a
    if n == 3:
        return (3, *v, 0)
    if n == 4:
        return (4, *v)
    if n == 0:
        return 0, 0, 0, 0, 0
    if n > 64:
        raise RuntimeError(f"a list of at most 64 ints is expected, found {n}")
    buffer = lib.ops_long_ints()
    for k in range(n):
        buffer[k] = v[k]
    return n, int(ffi.cast("intptr_t", buffer)), 0, 0, 0


def scalar(v: Any) -> tuple[int, float, int]:
    """A number as (kind, float, int)."""
    t = v.__class__
    if t is float:
        return 1, v, 0
    if t is int:
        return 0, 0.0, v
    if t is bool:
        return 2, 0.0, int(v)
    if v is None:
        return 1, NAN, 0
    if isinstance(v, Tensor):
        return scalar(v.item())
    if hasattr(v, "item"):
        return scalar(v.item())
    if isinstance(v, int):
        return 0, 0.0, int(v)
    return 1, float(v), 0


def operand(v: Any) -> tuple[float, int, int]:
    """A tensor or number operand as (handle or float, int, kind)."""
    t = v.__class__
    if t is float:
        return v, 0, 1
    if t is int:
        return 0.0, v, 0
    if t is bool:
        return 0.0, int(v), 2
    return v._h, 0, -1


def tensors(v: Any) -> tuple[Any, int]:
    """Tensor[] as a double array and a count.

    Only of lists and tuples: the handles of what another iterable makes would outlive it.
    """
    if v.__class__ is not list and v.__class__ is not tuple:
        raise TypeError(f"expected a list or a tuple of tensors, not {type(v).__name__}")
    a = array("d", [t._h for t in v])
    return ffi.from_buffer("double[]", a), len(a)


def device_code(d: Any) -> int:
    """A device as its number, -1 for None."""
    if d is None:
        return -1
    code = device(d).code
    if code == 2:
        from . import cuda

        cuda.require()
    return code


def number(v: Any) -> Tensor:
    """A Python number as a 0-d tensor that promotes like the number."""
    t = v.__class__
    if t is not float and t is not int and t is not bool:
        if isinstance(v, complex) or getattr(v, "dtype", None) is not None and v.dtype.kind == "c":
            raise TypeError("complex numbers are not supported yet")
        v = v.item() if hasattr(v, "item") else v
        t = v.__class__
    try:
        return wrap(
            lib.ops_make_number(
                1 if t is float else 2 if t is bool else 0,
                float(v) if t is float else 0.0,
                0 if t is float else int(v),
            )
        )
    except OverflowError:
        raise RuntimeError("value cannot be converted to type int64_t without overflow") from None


def is_number(v: Any) -> bool:
    """A Python or NumPy scalar."""
    if isinstance(v, (int, float, complex)):
        return True
    return (
        hasattr(v, "dtype")
        and hasattr(v, "item")
        and not isinstance(v, Tensor)
        and getattr(v, "ndim", 1) == 0
    )


def as_operand(v: Any) -> Tensor:
    """A tensor operand: numbers become 0-d tensors."""
    return v if isinstance(v, Tensor) else number(v)


# Slow paths --------------------------------------------------------------------------------------

_PARAMS: dict[str, tuple[tuple[str, str], ...]] = {}  # op -> (name, type) of its parameters


def failed(fn: Any, *args: Any, **kwargs: Any) -> Any:
    """A call returned no handle: an error, an overriding operand, or a stale view."""
    status = take_status()
    if status == SLOW_PATH:
        return dispatch(fn, *args, **kwargs)
    if status == STALE_VIEW:
        from .autograd.views import refresh

        for a in itertools.chain(args, kwargs.values()):
            for t in a if isinstance(a, (list, tuple)) else (a,):
                if isinstance(t, Tensor) and lib.ops_is_stale(t._h):
                    refresh(t)
        return fn(*args, **kwargs)
    raise_status(status)


def retry(fn: Any, *args: Any, **kwargs: Any) -> Any:
    """An argument was not what C takes: convert what PyTorch would, or say what is wrong."""
    status = take_status()
    if status:
        raise_status(status)
    if _any_overrides(args) or _any_overrides(kwargs.values()):
        return dispatch(fn, *args, **kwargs)
    name = fn.__name__
    # As in PyTorch a number stands for an operand beside others, not for the only one.
    several = sum(kind.startswith("Tensor") for _, kind in _params(name)) > 1
    values, options, changed = _converted(name, args, kwargs, numbers=several)
    if not changed:
        given = ", ".join(_kind(a) for a in (*args, *kwargs.values()))
        raise TypeError(f"{name}(): received an invalid combination of arguments - got ({given})")
    return fn(*values, **options)


def _converted(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], numbers: bool
) -> tuple[list[Any], dict[str, Any], bool]:
    """Arguments as their parameters' types, and whether any changed.

    ``numbers``: may a number stand for a tensor? Never for the one that is written in place.

    Raises:
        TypeError: names the first argument that has the wrong type.
    """
    params = _params(name)
    changed = False
    values, options = list(args), dict(kwargs)
    for k, (param, kind) in enumerate(params[: len(values)]):
        may = numbers and not (k == 0 and name.endswith("_"))
        values[k], was = _convert(name, param, kind, k + 1, values[k], may)
        changed |= was
    kinds = dict(params)
    for key, v in kwargs.items():
        if key in kinds:
            options[key], was = _convert(name, key, kinds[key], 0, v, numbers)
            changed |= was
    return values, options, changed


def _params(name: str) -> tuple[tuple[str, str], ...]:
    if not _PARAMS:
        from ._generated.params import PARAMS

        _PARAMS.update(PARAMS)
    if name not in _PARAMS and name.endswith("_"):
        name = name[:-1]
    return _PARAMS.get(name, ())


def register_params(params: dict[str, tuple[tuple[str, str], ...]]) -> None:
    """Parameters of a user registry's ops, for messages and conversions."""
    _params("")
    _PARAMS.update(params)


def _kind(v: Any) -> str:
    return type(v).__name__ + (f" of {_kind(v[0])}" if isinstance(v, (list, tuple)) and v else "")


def _convert(
    fn: str, param: str, kind: str, position: int, v: Any, numbers: bool
) -> tuple[Any, bool]:
    """The argument as its parameter's type, and whether it changed."""
    optional = kind.endswith("?")
    base = kind.rstrip("?")
    if v is None and (optional or base == "dtype"):
        return v, False
    where = f"(position {position}) " if position else ""
    fail = f"{fn}(): argument '{param}' {where}must be {_public(base)}, not {_kind(v)}"
    if base == "Tensor":
        if isinstance(v, Tensor):
            return v, False
        if numbers and is_number(v):
            return number(v), True
        raise TypeError(fail)
    if base == "Tensor[]":
        if not isinstance(v, (list, tuple)):
            raise TypeError(fail)
        if not numbers and len(v) == 1 and isinstance(v[0], (list, tuple)):
            v = v[0]  # a composition called as fn([a, b]) or fn(a, b)
        exact = type(v) is list or type(v) is tuple
        v = v if exact else list(v)
        items = [t if isinstance(t, Tensor) else None for t in v]
        for k, t in enumerate(items):
            if t is None:
                raise TypeError(
                    f"expected Tensor as element {k} in argument '{param}', but got {_kind(v[k])}"
                )
        return items, not exact
    if base in ("int", "float", "bool", "Scalar"):
        if isinstance(v, Tensor) or (is_number(v) and type(v) not in (int, float, bool)):
            v = v.item()
            return v, True
        ok = {"int": int, "float": (int, float), "bool": int, "Scalar": (int, float)}[base]
        if not isinstance(v, ok):
            if base == "int" and hasattr(v, "__index__"):
                return v.__index__(), True
            raise TypeError(fail)
        if base == "int" and not -(2**63) <= v < 2**63:
            raise ValueError(f"{fn}(): argument '{param}' {where}is beyond 64 bits: {v}")
        return v, False
    if base.startswith("int["):
        if isinstance(v, Tensor) and v.ndim == 1:
            return tuple(v.tolist()), True
        if isinstance(v, (list, tuple)) or hasattr(v, "__iter__"):
            try:
                items = tuple(x if type(x) is int else x.__index__() for x in v)
            except (AttributeError, TypeError):
                raise TypeError(fail) from None
            return items, items != v or type(v) is not tuple
        if hasattr(v, "__index__"):
            return v.__index__(), type(v) is not int
        raise TypeError(fail)
    if base == "dtype":
        if not isinstance(v, dtype):
            raise TypeError(fail)
        return v, False
    return v, False


def _public(base: str) -> str:
    return {"Scalar": "Number", "int[]": "tuple of ints", "Tensor[]": "tuple of Tensors",
            "dtype": "torch.dtype"}.get(base, base)  # fmt: skip


def retry_operator(fn: Any, a: Any, b: Any) -> Any:
    """An operator met something else than a tensor, int or float."""
    status = take_status()
    if status:
        raise_status(status)
    if overrides(a) or overrides(b):
        return dispatch(fn, a, b)
    a_ok = isinstance(a, Tensor) or is_number(a)
    b_ok = isinstance(b, Tensor) or is_number(b)
    if not (a_ok and b_ok):
        return NotImplemented
    a = a if isinstance(a, Tensor) else number(a)
    b = b if isinstance(b, Tensor) else number(b)
    return fn(a, b)


def no_overrides(func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """The ``__torch_function__`` of subclasses that take no calls over, such as Parameter."""
    return NotImplemented


def overrides(v: Any) -> bool:
    """Does the value's class take over function calls, and is that not switched off?"""
    cls = type(v)
    return (
        cls is not Tensor
        and getattr(cls, "__torch_function__", no_overrides) is not no_overrides
        and bool(lib.ops_diverted_flags() & SUBCLASS)
    )


def _any_overrides(values: Any) -> bool:
    return any(
        any(overrides(item) for item in v) if isinstance(v, (list, tuple)) else overrides(v)
        for v in values
    )


def dispatch(fn: Any, *args: Any, **kwargs: Any) -> Any:
    """Hand a call to the top of the handler stack, or to ``__torch_function__``."""
    from .overrides import handle

    return handle(fn, args, kwargs)


def refuse_dtype(name: str, refused: int, *operands: Any) -> None:
    """Raise unless an operand has a dtype whose bit in ``refused`` is not set."""
    given = [as_operand(t) for t in operands if t is not None]
    codes = [lib.ops_dtype(t._h) for t in given]
    if all(refused >> code & 1 for code in codes):
        raise NotImplementedError(f"\"{name}\" not implemented for '{SCALAR_TYPE_NAMES[codes[0]]}'")


def explain(fn: Any, *args: Any, **kwargs: Any) -> Any:
    """A composition failed on its arguments: call again with what PyTorch would convert converted.

    Raises:
        TypeError: an argument has the wrong type; any other failure is raised on.
    """
    if _any_overrides(args) or _any_overrides(kwargs.values()):
        raise
    values, options, changed = _converted(fn.__name__, args, kwargs, numbers=False)
    if not changed:
        raise
    return fn(*values, **options)


def no_case(name: str, expected: str, **found: Any) -> NoReturn:
    """No case of a body applies to the arguments that its conditions read."""
    shown = ", ".join(
        f"{k}={list(v.shape) if isinstance(v, Tensor) else repr(v)}" for k, v in found.items()
    )
    raise RuntimeError(f"{name}(): expected {expected}, found {shown}")


def need_tensor(fn: str, **operands: Any) -> None:
    """Refuse arguments that are no tensors.

    Raises:
        TypeError: names the first of them.
    """
    for k, (name, v) in enumerate(operands.items(), 1):
        if not isinstance(v, Tensor):
            raise TypeError(
                f"{fn}(): argument '{name}' (position {k}) must be Tensor, not {_kind(v)}"
            )


def compose(module: str) -> Any:
    """A module of opsmith.compose, on first use."""
    found = _COMPOSED.get(module)
    if found is None:
        found = _COMPOSED[module] = importlib.import_module(f"opsmith.compose.{module}")
    return found


_COMPOSED: dict[str, Any] = {}


def named_tuple(name: str, fields: tuple[str, ...]) -> Any:
    """The result class of an op with several outputs: a tuple with named items, printed as such."""

    def create(cls: type, *items: Any) -> Any:
        return tuple.__new__(cls, items)

    def show(self: Any) -> str:
        inner = ",\n".join(f"{f}={v!r}" for f, v in zip(fields, self, strict=True))
        return f"torch.return_types.{name}(\n{inner})"

    body = {f: property(itemgetter(k)) for k, f in enumerate(fields)}
    body |= {"__slots__": (), "__new__": create, "__repr__": show, "_fields": fields}
    body["__reduce__"] = lambda self: (tuple, (tuple(self),))
    return type(name, (tuple,), body)


# Recording ---------------------------------------------------------------------------------------


def attach(raw_backward: Any, recorded: Any, name: str, edges: int, outputs: int = 1) -> None:
    """Tell a backward function its recorded form, its name, its numbers of edges and outputs."""
    raw_backward.recorded = recorded
    raw_backward.op = name
    raw_backward.edges = edges
    raw_backward.outputs = outputs


def has_node(v: Any) -> bool:
    """Does the operand carry a gradient?"""
    return isinstance(v, Tensor) and v._node is not None


def like(t: Any) -> tuple[Size, int] | None:
    """What a gradient must be brought back to."""
    return (t.shape, lib.ops_dtype(t._h)) if t._node is not None else None


def cotangents(g: list[Tensor | None]) -> list[Tensor]:
    """The gradients of an op's outputs, zeros for outputs that nothing depends on."""
    known = next(t for t in g if t is not None)
    return [wrap(lib.ops_like(known._h, -1, 0, 0.0, 0)) if t is None else t for t in g]


def share(g: float, *wanted: bool) -> tuple[Any, ...]:
    """The same gradient for several edges."""
    extra = sum(wanted) - 1
    for _ in range(extra):
        lib.ops_hold(g)
    return tuple(g if w else None for w in wanted)


def hold(g: float, count: int) -> None:
    """Of one reference to g make ``count`` (dropping it when none is wanted)."""
    if count == 0:
        _drop(g)
    for _ in range(count - 1):
        lib.ops_hold(g)


def next_output(k: int) -> float:
    """Handle of output k of the last call."""
    return _next(k)


def backward_failed(n: Any, g: float) -> NoReturn:
    """A backward kernel reported an error."""
    raise_status(take_status())


def saved_input(n: list[Any], k: int, edge: Any) -> Any:
    """A saved operand for recorded backward: checked, and on the graph it was saved from."""
    t = n[k]
    if t is None or t is NONE:
        return None if t is None else t
    _check_saved(n, t)
    if t._node is edge or edge is None:
        return t
    r = alias(t._h)
    r._h = -r._h
    r._node = edge
    return r


def saved_output(n: list[Any], k: int, output: int | None = None) -> Tensor:
    """A saved output for recorded backward, on its own node (as output ``output`` of several)."""
    t = n[k]
    n = getattr(n, "outer", n)
    _check_saved(n, t)
    r = alias(t._h)
    if n[1] is not freed:
        r._h = -r._h
        r._node = n if output is None else (n, output)
    return r


def check_saved(n: list[Any], *saved: Tensor) -> None:
    """Refuse saved operands that were written since the node was made."""
    for t in saved:
        if not saved_is_valid(t._h, -float(n[0])):
            _check_saved(n, t)


def hold_saved(h: float) -> None:
    """One more reference to a saved operand."""
    lib.ops_hold(h)


def _check_saved(n: list[Any], t: Tensor) -> None:
    if not lib.ops_saved_is_valid(t._h, -float(n[0])):
        op = getattr(n[1], "op", "an operation")
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace "
            f"operation: a tensor of shape {list(t.shape)} saved by {op} is at version "
            f"{lib.ops_version_of(t._h)}, written after it was saved. Hint: enable anomaly detection "  # noqa: E501
            "to find the operation, with opsmith.autograd.set_detect_anomaly(True)."
        )


def freed(n: Any, g: Any) -> NoReturn:
    """Stands in a node whose saved part is gone."""
    raise RuntimeError(
        "Trying to backward through the graph a second time (or directly access saved tensors after "  # noqa: E501
        "they have already been freed). Saved intermediate values of the graph are freed when you "
        "call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward "
        "through the graph a second time or if you need to access saved tensors after calling "
        "backward."
    )


freed.recorded = freed
freed.op = "freed"
freed.edges = freed.outputs = 0


def raw(recorded: Any) -> Any:
    """The raw form of a backward that is written as calls; the engine has gradient mode off."""

    def backward(n: Any, g: Any) -> Any:
        if g.__class__ is float:
            grads = recorded(n, wrap(g))
        else:
            grads = recorded(n, [None if x is None else wrap(x) for x in g])
        return tuple([None if t is None else steal(t) for t in grads])

    backward.__name__ = recorded.__name__.replace("r_", "b_", 1)
    return backward


def steal(t: Tensor) -> float:
    """A handle of its own for a tensor that is about to go."""
    lib.ops_hold(t._h)
    return abs(t._h)


def undo_broadcast(raw_backward: Any, recorded: Any) -> Any:
    """Backward for operands that were broadcast or converted: sum and cast each gradient back.

    The node keeps, last, what each edge's gradient must look like; the inner backward sees the node
    without it.
    """

    def backward(n: Any, g: float) -> Any:
        likes = n[-1]
        grads = raw_backward(n[:-1], g)
        return tuple(
            [
                h if h is None or to is None else steal(reduce_to(wrap(h), to))
                for h, to in zip(grads, likes, strict=True)
            ]
        )

    def recorded_backward(n: Any, g: Any) -> Any:
        likes = n[-1]
        inner = _Inner(n[:-1])
        inner.outer = n
        grads = recorded(inner, g)
        return tuple(
            [
                t if t is None or to is None else reduce_to(t, to)
                for t, to in zip(grads, likes, strict=True)
            ]
        )

    attach(
        backward, recorded_backward, raw_backward.op, raw_backward.edges, raw_backward.outputs
    )  # fmt: skip
    return backward


class _Inner(list):
    """A node without its last item, for the inner backward."""

    __slots__ = ("outer",)


def reduce_to(t: Tensor, to: tuple[Size, int]) -> Tensor:
    """Sum over broadcast dims and convert back."""
    from . import _functions as f

    shape, code = to
    have = t.shape
    if have != shape:
        lead = len(have) - len(shape)
        dims = tuple(range(lead)) + tuple(
            d + lead for d, s in enumerate(shape) if s == 1 and have[d + lead] != 1
        )
        if dims:
            t = f.sum(t, dims, True)
        if lead:
            t = f.reshape(t, tuple(shape))
    if lib.ops_dtype(t._h) != code:
        t = t.to(DTYPES[code])
    return t


def unreduce(t: Tensor, shape: Size, dim: Any, keepdim: bool) -> Tensor:
    """A reduction's result, broadcast back over the reduced dims of ``shape``."""
    from . import _functions as f

    n = len(shape)
    if not keepdim and n:
        if dim is None or dim == ():
            kept = (1,) * n
        else:
            axes = {d % n for d in ((dim,) if isinstance(dim, int) else dim)}
            kept = tuple(1 if d in axes else s for d, s in enumerate(shape))
        t = f.reshape(t, kept)
    return f.expand(t, tuple(shape))


def reduced_count(shape: Size, dim: Any) -> int:
    """Number of elements a reduction over ``dim`` folds into one."""
    n = len(shape)
    if not n:
        return 1
    axes = (
        range(n)
        if dim is None or dim == ()
        else {d % n for d in ((dim,) if isinstance(dim, int) else dim)}
    )
    count = 1
    for d in axes:
        count *= shape[d]
    return count


def reduced_positions(shape: Size, dim: Any) -> Tensor:
    """The position of each element along the reduced dims, broadcastable to ``shape``."""
    from . import arange, reshape

    n = len(shape)
    if not n:
        return reshape(arange(1), ())
    axes = sorted(
        range(n)
        if dim is None or dim == ()
        else {d % n for d in ((dim,) if isinstance(dim, int) else dim)}
    )
    count = reduced_count(shape, dim)
    return reshape(arange(count), tuple(shape[d] if d in axes else 1 for d in range(n)))


# In-place ----------------------------------------------------------------------------------------


class OneOfSeveral(tuple):
    """Where a view came from (base, function, arguments) that one call made along with others."""

    __slots__ = ()


def one_of_several(views: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Views that one call returns together; recorded ones refuse to be written in place."""
    for t in views:
        if t._node is not None and t._view is not None:
            t._view = OneOfSeveral(t._view)
    return views


def check_inplace(t: Tensor) -> None:
    """Refuse in-place writes that no gradient can be given for."""
    if not grad_enabled():
        return
    view = getattr(t, "_view", None)
    while view is not None:
        if view.__class__ is OneOfSeveral:
            raise RuntimeError(
                f"a view by {view[1].__name__} is being modified inplace. This view is the output "
                "of a function that returns multiple views. Such functions do not allow the output "
                "views to be modified inplace. Use clone(), or a function that returns one view."
            )
        view = getattr(view[0], "_view", None)
    if t._node.__class__ is Leaf:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation."
        )
    base = getattr(t, "_view", None)
    if base is not None and base[0]._node.__class__ is Leaf:
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation."
        )


def rebase(t: Tensor, node: list[Any]) -> Tensor:
    """``t`` was written in place by ``node``: it is the node's output now, and so for its bases."""
    view = getattr(t, "_view", None)
    if view is None:
        before = t._node
        t._h = -abs(t._h)
        t._node = node
        if before is not None and getattr(t, "_kept_grad", None) is not None:
            from .autograd.hooks import follow

            follow(t, before)
        return t
    from .autograd.views import rebase_view

    return rebase_view(t, node)


def copy_of(t: Tensor) -> Tensor:
    """A copy of the values on the same node (what an in-place op is about to overwrite)."""
    r = wrap(lib.ops_convert_to(t._h, -1, -1, 1, 0), t._node)
    if t._node is not None:
        r._h = -r._h
    return r


def assign(t: Tensor, value: Tensor) -> Tensor:
    """Write the result of a functional op into ``t`` (the in-place form of compositions)."""
    have, want = value.dtype, t.dtype
    if have.kind_rank > want.kind_rank:
        raise RuntimeError(
            f"result type {SCALAR_TYPE_NAMES[have.code]} can't be cast to the desired output type "
            f"{SCALAR_TYPE_NAMES[want.code]}"
        )
    return t.copy_(value)


def in_place(functions: Any, name: str) -> Any:
    """The in-place form of an op: its own, or its result written back."""
    own = getattr(functions, name + "_", None)
    if own is not None:
        return own
    fn = getattr(functions, name)
    return lambda t, *args, **kwargs: assign(t, fn(t, *args, **kwargs))


def refuse_recorded_out(out: Any, *operands: Any, name: str) -> None:
    """out= and gradients exclude each other."""
    if grad_enabled() and any(has_node(t) for t in (out, *operands)):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but "  # noqa: E501
            "one of the arguments requires grad."
        )
    out._shape = out.shape  # kept, for written()


def written(out: Any) -> Any:
    """``out`` after a kernel wrote to it: its shape may have changed."""
    before = out._shape
    out._shape = None
    _warn_resized(before, out.shape)
    return out


def _warn_resized(before: Size, after: Size) -> None:
    if before != after and before.numel():
        import warnings

        warnings.warn(
            "An output with one or more elements was resized since it had shape "
            f"{list(before)}, which does not match the required output shape {list(after)}. "
            "This behavior is deprecated, and in a future PyTorch release outputs will not be "
            "resized unless they have zero elements. You can explicitly reuse an out tensor t by "
            "resizing it, inplace, to zero elements with t.resize_(0).",
            stacklevel=4,
        )


def write_out(out: Any, result: Any, name: str) -> Any:
    """Move the result of op ``name`` into out=, which takes its shape and keeps its own dtype."""
    if not isinstance(result, Tensor):
        if isinstance(result, tuple):
            pairs = zip(out, result, strict=True)
            return type(result)(*[write_out(o, r, name) for o, r in pairs])
        result = wrap(abs(result), result < 0 or None)
    refuse_recorded_out(out, result, name=name)
    if result.device != out.device:
        raise RuntimeError(
            f"Expected out tensor to have device {result.device}, but got {out.device} instead"
        )
    have, want = result.dtype, out.dtype
    if have is not want and (
        want.kind_rank == 0 or have.is_floating_point and not want.is_floating_point
    ):
        names = [SCALAR_TYPE_NAMES[d.code] for d in (have, want)]
        raise RuntimeError(
            f"result type {names[0]} can't be cast to the desired output type {names[1]}"
        )
    if out.shape != result.shape:
        fresh = wrap(lib.ops_convert_to(result._h, want.code, -1, 1, 0))  # may alias an operand
        _boundary.check(lib.ops_swap_contents(out._h, fresh._h))
        return written(out)
    if lib.ops_overlaps_itself(out._h):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory "  # noqa: E501
            "location. Please clone() the tensor before performing the operation."
        )
    _boundary.check(lib.ops_copy(out._h, result._h, -seq()))
    return out


# Everything generated functions import from here, and what the frontend's own modules use.
__all__ = [
    "ALWAYS", "DEVICES", "DIMS", "LIMIT", "Leaf", "NAN", "NONE", "NONE_H", "NO_INT", "RARE", "Tensor", "alias",  # noqa: E501
    "as_operand", "assign", "attach", "backward_failed", "check_inplace", "check_saved", "compose", "copy_of", "cotangents",  # noqa: E501
    "device_code", "dispatch", "drop", "dtype_code", "error_text", "explain", "failed", "further", "grad_enabled", "has_node", "hold", "hold_saved", "in_place",  # noqa: E501
    "ints", "last_write", "like", "make", "make_view", "named_tuple", "next_output", "no_case", "number", "operand",  # noqa: E501
    "overrides", "raw", "rebase", "reduced_count", "reduced_positions", "refuse_dtype", "refuse_recorded_out", "retry", "retry_operator",  # noqa: E501
    "saved_input", "saved_output", "scalar", "seq", "shard", "share", "tensors", "undo_broadcast",
    "unreduce", "unreduce_handle", "wrap", "write_out", "written",
]  # fmt: skip
