"""Methods of Tensor that are not operations: metadata, gradients, conversion, identity.

Operations become methods in ``_methods.py``, from the generated index.
"""

from __future__ import annotations

import weakref

from ._boundary import SUBCLASS, check, ffi, lib
from ._core import (
    Leaf,
    Tensor,
    alias,
    attach,
    check_inplace,
    grad_enabled,
    no_overrides,
    one_of_several,
    raw,
    rebase,
    scalar,
    seq,
    wrap,
)  # fmt: skip
from ._dtypes import DEVICES, DTYPES, FLOATS, Size, bool_, device, dtype, float32, float64, int64
from .autograd import engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_OPS_VIEW, _OPS_NUMBER = 16, 32


def _method(fn: Callable[..., Any]) -> Callable[..., Any]:
    setattr(Tensor, fn.__name__, fn)
    fn.__qualname__ = f"Tensor.{fn.__name__}"
    return fn


def _property(fn: Callable[..., Any]) -> Callable[..., Any]:
    setattr(Tensor, fn.__name__, property(fn))
    return fn


# Construction ------------------------------------------------------------------------------------


def _new(cls: type, *args: Any, dtype: dtype | None = None, device: Any = None) -> Tensor:
    """``Tensor(2, 3)`` is uninitialised, ``Tensor([..])`` holds float32 data."""
    from ._create import empty, tensor

    if len(args) == 1 and not hasattr(args[0], "__index__"):
        source = args[0]
        if isinstance(source, Size):
            t = empty(*source)
        elif isinstance(source, Tensor):
            t = alias(source._h)
        else:
            t = tensor(source, dtype=float32)
    else:
        t = empty(*args) if args else empty(0)
    return t if cls is Tensor else Tensor._make_subclass(cls, t)


def _init(self: Tensor, *args: Any, **kwargs: Any) -> None:
    """All is done by ``__new__``."""


_allocate = Tensor.__new__ if Tensor.__new__ is not object.__new__ else object.__new__
Tensor.__new__ = staticmethod(_new)  # type: ignore[method-assign, assignment]
Tensor.__init__ = _init  # type: ignore[method-assign]


def _make_subclass(cls: type, data: Tensor, require_grad: bool = False) -> Any:
    """An instance of a subclass that shares ``data``'s storage and version."""
    t = _allocate(cls)
    t._h = lib.ops_alias(data._h)
    t._node = t._shape = t._view = None
    if cls.__torch_function__ is not no_overrides:  # type: ignore[attr-defined]
        lib.ops_set_flag(t._h, SUBCLASS, 1)
    if require_grad:
        t.requires_grad_(True)
    return t


Tensor._make_subclass = staticmethod(_make_subclass)  # type: ignore[attr-defined]


def _torch_function(
    cls: type, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
) -> Any:
    """The plain call, whose results become instances of ``cls``; for subclasses to extend."""
    from .overrides import default

    return default(cls, func, types, args, kwargs)


def _init_subclass(cls: type, **kwargs: Any) -> None:
    """Subclasses see the methods that are written in Python, unless they take no calls over."""
    super(Tensor, cls).__init_subclass__(**kwargs)
    if cls.__torch_function__ is not no_overrides:  # type: ignore[attr-defined]
        from .overrides import guard

        guard(cls)


Tensor.__torch_function__ = classmethod(_torch_function)  # type: ignore[attr-defined]
Tensor.__init_subclass__ = classmethod(_init_subclass)  # type: ignore[assignment]


@_method
def as_subclass(self: Tensor, cls: type) -> Any:
    """The same data and graph as an instance of ``cls``."""
    t = _make_subclass(cls, self)
    t._node = self._node
    t._h = -t._h if self._node is not None else t._h
    return t


# Metadata ----------------------------------------------------------------------------------------


@_property
def dtype_(self: Tensor) -> dtype:
    """The type of the elements."""
    return DTYPES[lib.ops_dtype(self._h)]


Tensor.dtype = property(lambda self: DTYPES[lib.ops_dtype(self._h)])  # type: ignore[attr-defined]
del Tensor.dtype_  # type: ignore[attr-defined]
Tensor.device = property(lambda self: DEVICES[lib.ops_device(self._h)])  # type: ignore[attr-defined]
_ndim = lib.ops_ndim  # a global is read faster than an attribute of the library
Tensor.ndim = property(lambda self: _ndim(self._h))  # type: ignore[attr-defined]
Tensor.itemsize = property(lambda self: lib.ops_itemsize_of(self._h))  # type: ignore[attr-defined]
Tensor.nbytes = property(lambda self: lib.ops_itemsize_of(self._h) * lib.ops_numel(self._h))  # type: ignore[attr-defined]
Tensor._version = property(lambda self: lib.ops_version_of(self._h))  # type: ignore[attr-defined]
Tensor.is_cuda = property(lambda self: lib.ops_device(self._h) == 2)  # type: ignore[attr-defined]
Tensor.is_meta = property(lambda self: lib.ops_device(self._h) == 1)  # type: ignore[attr-defined]
Tensor.is_cpu = property(lambda self: lib.ops_device(self._h) == 0)  # type: ignore[attr-defined]
for _name in (
    "is_sparse",
    "is_quantized",
    "is_nested",
    "is_mkldnn",
    "is_sparse_csr",
    "is_mps",
    "is_xpu",
):
    setattr(Tensor, _name, False)
Tensor.names = property(lambda self: (None,) * self.ndim)  # type: ignore[attr-defined]


@_property
def layout(self: Tensor) -> Any:
    """Always ``strided``."""
    from ._dtypes import strided

    return strided


@_method
def size(self: Tensor, dim: int | None = None) -> Any:
    """The shape, or one of its sizes."""
    if dim is None:
        return self.shape
    n = self.ndim
    if not -max(n, 1) <= dim < max(n, 1) or n == 0:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-max(n, 1)}, {max(n, 1) - 1}], but got {dim})"  # noqa: E501
        )
    return self.shape[dim]


@_method
def stride(self: Tensor, dim: int | None = None) -> Any:
    """Steps between neighbours along each dim, in elements."""
    n = self.ndim
    strides = tuple(ffi.unpack(lib.ops_strides(self._h), n)) if n else ()
    return strides if dim is None else strides[dim]


@_method
def dim(self: Tensor) -> int:
    """Number of dimensions."""
    return lib.ops_ndim(self._h)


Tensor.ndimension = dim  # type: ignore[attr-defined]


@_method
def numel(self: Tensor) -> int:
    """Number of elements."""
    return lib.ops_numel(self._h)


Tensor.nelement = numel  # type: ignore[attr-defined]


@_method
def element_size(self: Tensor) -> int:
    """Bytes of one element."""
    return lib.ops_itemsize_of(self._h)


@_method
def storage_offset(self: Tensor) -> int:
    """Position of the first element in the storage, in elements."""
    return lib.ops_storage_offset(self._h)


@_method
def data_ptr(self: Tensor) -> int:
    """Address of the first element."""
    return lib.ops_data_pointer(self._h)


@_method
def is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Row-major without gaps?"""
    if memory_format is not None and "channels_last" in repr(memory_format):
        n = self.ndim
        order = (0, *range(2, n), 1)
        step = 1
        for d in reversed(order):
            if self.shape[d] != 1 and self.stride(d) != step:
                return False
            step *= self.shape[d]
        return n in (4, 5)
    return bool(lib.ops_flags(self._h) & 1)


@_method
def is_floating_point(self: Tensor) -> bool:
    """Is the dtype a float?"""
    return DTYPES[lib.ops_dtype(self._h)].is_floating_point


@_method
def is_complex(self: Tensor) -> bool:
    """Complex dtypes do not exist yet."""
    return False


@_method
def is_signed(self: Tensor) -> bool:
    """Can the dtype hold negative numbers?"""
    return DTYPES[lib.ops_dtype(self._h)].is_signed


@_method
def is_inference(self: Tensor) -> bool:
    """Inference tensors are ordinary tensors here."""
    return False


@_method
def is_set_to(self: Tensor, other: Tensor) -> bool:
    """Same storage, offset, shape and strides?"""
    return (self.data_ptr(), self.shape, self.stride()) == (
        other.data_ptr(),
        other.shape,
        other.stride(),
    )


@_method
def get_device(self: Tensor) -> int:
    """-1 on the CPU."""
    return -1 if lib.ops_device(self._h) == 0 else 0


# Gradients ---------------------------------------------------------------------------------------


def _get_requires_grad(self: Tensor) -> bool:
    """Does anything recorded on this tensor need a gradient?"""
    if self._node is None and lib.ops_is_stale(self._h):
        from .autograd.views import refresh

        refresh(self)
    return self._node is not None


def _set_requires_grad(self: Tensor, on: bool) -> None:
    if self._node is not None and self._node.__class__ is not Leaf:
        if not on:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a "
                "computed variable in a subgraph that doesn't require differentiation use var_no_grad = "  # noqa: E501
                "var.detach()."
            )
        return
    if on:
        if not DTYPES[lib.ops_dtype(self._h)].is_floating_point:
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        if self._node is None:
            self._node = leaf = Leaf()
            leaf.tensor = weakref.ref(self)
            self._h = -abs(self._h)
    else:
        self._node = None
        self._h = abs(self._h)


Tensor.requires_grad = property(_get_requires_grad, _set_requires_grad)  # type: ignore[attr-defined]


@_method
def requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Set ``requires_grad`` and return the tensor."""
    _set_requires_grad(self, requires_grad)
    return self


def _get_grad(self: Tensor) -> Tensor | None:
    """The gradient accumulated by backward."""
    n = self._node
    if n.__class__ is Leaf:
        return n.grad
    kept = self.__dict__.get("_kept_grad")
    return kept[0] if kept else None


def _set_grad(self: Tensor, g: Tensor | None) -> None:
    n = self._node
    if g is not None:
        if not isinstance(g, Tensor):
            raise TypeError(
                f"assigned grad expected to be a Tensor or None but got grad of type {type(g).__name__}"  # noqa: E501
            )
        if g is self:
            raise RuntimeError("can't assign Variable as its own grad")
        if g.shape != self.shape:
            raise RuntimeError(
                f"assigned grad has data of a different size: expected {list(self.shape)}, got {list(g.shape)}"  # noqa: E501
            )
        if g.dtype is not self.dtype:
            raise RuntimeError(
                f"assigned grad has data of a different type: expected {self.dtype}, got {g.dtype}"
            )
    if n.__class__ is Leaf:
        n.grad = g
    elif n is None and g is not None:
        self.__dict__["_kept_grad"] = [g]
    else:
        self.__dict__["_kept_grad"] = [g]


Tensor.grad = property(_get_grad, _set_grad)  # type: ignore[attr-defined]
Tensor.is_leaf = property(lambda self: not _get_requires_grad(self) or self._node.__class__ is Leaf)  # type: ignore[attr-defined]


@_method
def backward(self: Tensor, gradient: Any = None, retain_graph: bool | None = None,
             create_graph: bool = False, inputs: Any = None) -> None:  # fmt: skip
    """Accumulate the gradients of this tensor into the leaves; see ``opsmith.autograd.backward``."""  # noqa: E501
    plain = gradient is None and not create_graph and inputs is None and engine.checked is None
    if plain and lib.ops_numel(self._h) == 1:
        node = self._node
        if node is not None and not (self._view is not None and lib.ops_is_stale(self._h)):
            engine.run_raw(node, lib.ops_ones_like(self._h), retain_graph)
            return
    engine.backward(self, gradient, retain_graph, create_graph, inputs=inputs)


@_property
def grad_fn(self: Tensor) -> Any:
    """The operation that made this tensor, None for leaves."""
    if lib.ops_is_stale(self._h):
        from .autograd.views import refresh

        refresh(self)
    n = self._node
    if n is None or n.__class__ is Leaf:
        return None
    from .autograd.graph import Node

    return Node.of(n)


@_method
def detach(self: Tensor) -> Tensor:
    """The same data, off the graph; shares the version counter."""
    return alias(self._h)


@_method
def detach_(self: Tensor) -> Tensor:
    """Leave the graph in place."""
    if getattr(self, "_view", None) is not None:
        raise RuntimeError(
            "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel "  # noqa: E501
            "(DDP) for training, set gradient_as_bucket_view as False."
        )
    self._node = None
    self._h = abs(self._h)
    return self


def _get_data(self: Tensor) -> Tensor:
    return wrap(lib.ops_unshared_alias(self._h))


def _set_data(self: Tensor, other: Tensor) -> None:
    fresh = wrap(lib.ops_unshared_alias(other._h))
    sign = -1.0 if self._h < 0 else 1.0
    self._h, fresh._h = sign * abs(fresh._h), abs(self._h)
    self._shape = None


Tensor.data = property(_get_data, _set_data)  # type: ignore[attr-defined]


@_method
def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> Any:
    """Call ``hook(grad)`` when this tensor's gradient is known; a returned tensor replaces it."""
    from .autograd.hooks import register_hook as register

    return register(self, hook)


@_method
def register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Tensor], None]) -> Any:
    """Call ``hook(tensor)`` after a leaf's gradient was accumulated."""
    from .autograd.hooks import register_post_accumulate

    return register_post_accumulate(self, hook)


@_method
def retain_grad(self: Tensor) -> None:
    """Keep the gradient of a tensor that is no leaf."""
    from .autograd.hooks import retain

    retain(self)


Tensor.retains_grad = property(
    lambda self: bool(self.__dict__.get("_kept_grad")) and not self.is_leaf
)  # type: ignore[attr-defined]
Tensor.output_nr = property(lambda self: self._node[1] if self._node.__class__ is tuple else 0)  # type: ignore[attr-defined]
Tensor._base = property(lambda self: _base_of(self))  # type: ignore[attr-defined]


def _base_of(t: Tensor) -> Tensor | None:
    view = getattr(t, "_view", None)
    base = None
    while view is not None:
        base = view[0]
        view = getattr(base, "_view", None)
    return base


@_method
def _is_view(self: Tensor) -> bool:
    """Does the tensor look into another one?"""
    return getattr(self, "_view", None) is not None


# Values ------------------------------------------------------------------------------------------


@_method
def item(self: Tensor) -> Any:
    """The one element as a Python number."""
    h = self._h
    if lib.ops_numel(h) != 1:
        raise RuntimeError(
            f"a Tensor with {lib.ops_numel(h)} elements cannot be converted to Scalar"
        )
    if lib.ops_device(h) == 1:
        raise RuntimeError("Tensor.item() cannot be called on meta tensors")
    code = lib.ops_dtype(h)
    if code < FLOATS:
        return lib.ops_item_float(h)
    v = lib.ops_item_int(h)
    return bool(v) if code == bool_.code else v


@_method
def tolist(self: Tensor) -> Any:
    """Nested lists of Python numbers (a number for 0-d)."""
    if self.ndim == 0:
        return self.item()
    if self.numel() == 0:
        return _empty_lists(self.shape)
    flat = _flat_list(self)
    for n in reversed(self.shape[1:]):
        flat = [flat[k : k + n] for k in range(0, len(flat), n)]
    return flat


def _empty_lists(shape: Any) -> list[Any]:
    """Nested lists of the sizes before the first 0."""
    return [_empty_lists(shape[1:]) for _ in range(shape[0])]


def _flat_list(t: Tensor) -> list[Any]:
    if t.numel() == 0:
        return []
    code = lib.ops_dtype(t._h)
    wide, ctype = (float64.code, "double *") if code < FLOATS else (int64.code, "int64_t *")
    block = wrap(lib.ops_convert_to(t._h, wide, 0, 0, 1))  # to the host's memory
    values = ffi.unpack(ffi.cast(ctype, lib.ops_data_pointer(block._h)), t.numel())
    return [bool(v) for v in values] if code == bool_.code else values


@_method
def numpy(self: Tensor, *, force: bool = False) -> Any:
    """A NumPy array over the same memory."""
    import numpy as np

    t = self
    if force:
        t = t.detach().to("cpu")
    if lib.ops_device(t._h) == 2:
        raise TypeError(
            f"can't convert {t.device} device type tensor to numpy. Use Tensor.cpu() to copy the "
            "tensor to host memory first."
        )
    if t._node is not None:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    d = t.dtype
    if not d.numpy:
        raise TypeError(f"Got unsupported ScalarType {d.scalar}")
    if lib.ops_device(t._h) == 1:
        raise RuntimeError("cannot look into a meta tensor: it has no data")
    holder = alias(t._h)
    base = _Memory(holder, d.numpy)
    return np.asarray(base)


class _Memory:
    """Keeps a tensor alive under a NumPy array."""

    def __init__(self, t: Tensor, name: str) -> None:
        import numpy as np

        self.tensor = t
        size = t.element_size()
        self.__array_interface__ = {
            "data": (t.data_ptr() if t.numel() else 0 or t.data_ptr(), False),
            "shape": tuple(t.shape),
            "strides": tuple(s * size for s in t.stride()),
            "typestr": np.dtype(name).str,
            "version": 3,
        }


@_method
def __array__(self: Tensor, dtype: Any = None, copy: bool | None = None) -> Any:
    a = self.detach().numpy() if self._node is None else self.numpy()
    return a if dtype is None else a.astype(dtype, copy=False)


@_method
def __len__(self: Tensor) -> int:
    if self.ndim == 0:
        raise TypeError("len() of a 0-d tensor")
    return self.shape[0]


@_method
def __bool__(self: Tensor) -> bool:
    n = self.numel()
    if n != 1:
        raise RuntimeError(
            f"Boolean value of Tensor with {'no values' if n == 0 else 'more than one value'} is ambiguous"  # noqa: E501
        )
    return bool(self.item())


@_method
def __int__(self: Tensor) -> int:
    return int(self.item())


@_method
def __float__(self: Tensor) -> float:
    return float(self.item())


@_method
def __index__(self: Tensor) -> int:
    v = self.item() if self.numel() == 1 else None
    if not isinstance(v, int):
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(v)


@_method
def __complex__(self: Tensor) -> complex:
    return complex(self.item())


@_method
def __hash__(self: Tensor) -> int:
    return id(self)


@_method
def __iter__(self: Tensor) -> Iterator[Tensor]:
    if self.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(one_of_several(tuple([self[k] for k in range(self.shape[0])])))


@_method
def __repr__(self: Tensor, *, tensor_contents: Any = None) -> str:
    from ._print import text

    return text(self)


@_method
def __format__(self: Tensor, spec: str) -> str:
    if lib.ops_ndim(self._h) == 0 and self.__class__ is Tensor and not self.is_meta:
        return self.item().__format__(spec)  # type: ignore[no-any-return]
    return object.__format__(self, spec)


@_method
def __dir__(self: Tensor) -> list[str]:
    return sorted(set(dir(type(self))) | set(self.__dict__))


# Copies and conversion ---------------------------------------------------------------------------


def _r_to(n: list[Any], g: Tensor) -> tuple[Any, ...]:
    return (g.to(n[-1]),)


_b_to = raw(_r_to)
attach(_b_to, _r_to, "ToCopy", 1)


def _converted(t: Tensor, h: float) -> Tensor:
    """A converted copy on the graph."""
    r = wrap(h)
    if t._node is not None and grad_enabled() and DTYPES[lib.ops_dtype(h)].is_floating_point:
        r._h = -h
        r._node = [seq(), _b_to, t._node, t.dtype]
    return r


@_method
def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Convert dtype and device: ``to(dtype)``, ``to(device)``, ``to(device, dtype)``, ``to(other)``."""  # noqa: E501
    from ._create import as_dtype

    d = kwargs.get("dtype")
    where = kwargs.get("device")
    copy = kwargs.get("copy", False)
    for k, a in enumerate(args):
        if isinstance(a, Tensor):
            d, where = a.dtype, a.device
        elif isinstance(a, dtype) or a in (float, int, bool):
            d = a
        elif a.__class__ is int:
            where = device("cuda", a)
        elif isinstance(a, (str, device)):
            where = a
        elif isinstance(a, bool):
            copy = a if k >= 2 else copy  # before it stands non_blocking
        elif a is not None:
            raise TypeError(
                "to() received an invalid combination of arguments - got "
                f"({a.__class__.__name__})"
            )
    if not (where is None or isinstance(where, (str, int, device))):
        raise TypeError(
            f"to(): argument 'device' must be torch.device, not {where.__class__.__name__}"
        )
    code = -1 if d is None else as_dtype(d).code
    place = -1 if where is None else device(where).code
    if not copy and code in (-1, lib.ops_dtype(self._h)) and place in (-1, lib.ops_device(self._h)):
        return _formatted(self, kwargs.get("memory_format"))
    if place == 2:
        from . import cuda

        cuda.require()
    return _formatted(
        _converted(self, check(lib.ops_convert_to(self._h, code, place, 1, 0))),
        kwargs.get("memory_format"),
    )


def _formatted(t: Tensor, memory_format: Any) -> Tensor:
    return t if memory_format is None else t.contiguous(memory_format=memory_format)


def _install_casts() -> None:
    for target in DTYPES:
        if not target.typed:
            continue

        def cast(self: Tensor, memory_format: Any = None, _target: dtype = target) -> Tensor:
            return self.to(_target)

        cast.__name__ = target.scalar.lower()
        cast.__doc__ = f"Convert to {target!r}."
        setattr(Tensor, cast.__name__, cast)


_install_casts()


@_method
def cuda(
    self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None
) -> Tensor:
    """The tensor on the GPU."""
    where = "cuda" if device is None else f"cuda:{device}" if isinstance(device, int) else device
    if not str(where).startswith("cuda"):
        raise RuntimeError(f"Invalid device, must be cuda device, got {where}")
    return to(self, where, memory_format=memory_format)


@_method
def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor on the CPU."""
    return self.to("cpu")


@_method
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """Convert to the dtype and device of ``other``."""
    return self.to(other)


@_method
def type(self: Tensor, dtype: Any = None) -> Any:
    """PyTorch's type name, or a conversion."""
    from ._dtypes import NAMES

    if dtype is None:
        return f"torch.{self.dtype.scalar}Tensor"
    return self.to(NAMES[dtype.rpartition(".")[2]] if isinstance(dtype, str) else dtype)


def _r_clone(n: list[Any], g: Any) -> tuple[Any, ...]:
    return (g,)


def _b_clone(n: list[Any], g: float) -> tuple[float]:
    return (g,)


attach(_b_clone, _r_clone, "Clone", 1)


def _keep_node(t: Tensor, h: float) -> Tensor:
    r = wrap(h)
    if t._node is not None and grad_enabled():
        if lib.ops_is_stale(t._h):
            from .autograd.views import refresh

            refresh(t)
        r._h = -h
        r._node = [seq(), _b_clone, t._node]
    return r


@_method
def clone(self: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy that stays on the graph."""
    contiguous = memory_format is not None and "contiguous" in repr(memory_format)
    return _formatted(
        _keep_node(self, check(lib.ops_convert_to(self._h, -1, -1, 1, int(contiguous)))),
        memory_format
        if memory_format is not None and "channels_last" in repr(memory_format)
        else None,
    )


@_method
def contiguous(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor itself when row-major, else a row-major copy."""
    if memory_format is not None and "channels_last" in repr(memory_format):
        if self.is_contiguous(memory_format=memory_format):
            return self
        order = (0, *range(2, self.ndim), 1)
        back = tuple(order.index(d) for d in range(self.ndim))
        return self.permute(*order).contiguous().permute(*back)
    if lib.ops_flags(self._h) & 1:
        return self
    return _keep_node(self, check(lib.ops_convert_to(self._h, -1, -1, 1, 1)))


# Writing -----------------------------------------------------------------------------------------


def _r_copy(n: list[Any], g: Tensor) -> tuple[Any, ...]:
    from ._core import reduce_to

    before = None if n[2] is None else g * 0
    return before, None if n[3] is None else reduce_to(g, n[-1])


_b_copy = raw(_r_copy)
attach(_b_copy, _r_copy, "CopyBackwards", 2)


@_method
def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Overwrite with the (broadcast, converted) values of ``src``."""
    from ._core import as_operand

    src = as_operand(src)
    if self._node is not None:
        check_inplace(self)
    stamp = seq()
    if src._node is not None and lib.ops_is_stale(src._h):
        from .autograd.views import refresh

        refresh(src)
    old = self._node
    if grad_enabled() and (src._node is not None or old is not None):
        _fresh(self)
        _check_view_leaf(self)
        check(lib.ops_copy(self._h, src._h, -stamp))
        return rebase(
            self, [stamp, _b_copy, self._node, src._node, (src.shape, lib.ops_dtype(src._h))]
        )
    check(lib.ops_copy(self._h, src._h, -stamp))
    return self


def _fresh(t: Tensor) -> None:
    if lib.ops_is_stale(t._h):
        from .autograd.views import refresh

        refresh(t)


def _check_view_leaf(t: Tensor) -> None:
    base = _base_of(t)
    if base is not None and base._node.__class__ is Leaf:
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation."
        )


def _r_fill(n: list[Any], g: Tensor) -> tuple[Any, ...]:
    return (g * 0,)


_b_fill = raw(_r_fill)
attach(_b_fill, _r_fill, "FillBackward", 1)


@_method
def fill_(self: Tensor, value: Any) -> Tensor:
    """Overwrite with one value."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions."  # noqa: E501
            )
        return self.copy_(value)
    if self._node is not None:
        check_inplace(self)
        _fresh(self)
    stamp = seq()
    check(lib.ops_fill(self._h, *scalar(value), -stamp))
    if self._node is not None and grad_enabled():
        return rebase(self, [stamp, _b_fill, self._node])
    return self


@_method
def zero_(self: Tensor) -> Tensor:
    """Overwrite with zeros."""
    return self.fill_(0)


# New tensors of the same kind --------------------------------------------------------------------


@_method
def new_empty(
    self: Tensor,
    *size: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **_: Any,
) -> Tensor:
    """Like ``empty``, with this tensor's dtype."""
    from ._create import empty

    return empty(
        *size, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad
    )


@_method
def new_zeros(
    self: Tensor,
    *size: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **_: Any,
) -> Tensor:
    """Like ``zeros``, with this tensor's dtype."""
    from ._create import zeros

    return zeros(
        *size, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad
    )


@_method
def new_ones(
    self: Tensor,
    *size: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **_: Any,
) -> Tensor:
    """Like ``ones``, with this tensor's dtype."""
    from ._create import ones

    return ones(
        *size, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad
    )


@_method
def new_full(
    self: Tensor,
    size: Any,
    fill_value: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **_: Any,
) -> Tensor:
    """Like ``full``, with this tensor's dtype."""
    from ._create import full

    return full(
        size,
        fill_value,
        dtype=dtype or self.dtype,
        device=device or self.device,
        requires_grad=requires_grad,
    )


@_method
def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Like ``tensor``, with this tensor's dtype."""
    from ._create import tensor

    return tensor(data, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


# Identity ----------------------------------------------------------------------------------------


@_method
def __deepcopy__(self: Tensor, memo: dict[int, Any]) -> Any:
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment."  # noqa: E501
        )
    if id(self) in memo:
        return memo[id(self)]
    t = self.detach().clone()
    if self.__class__ is not Tensor:
        t = _make_subclass(self.__class__, t)
    t.requires_grad_(self.requires_grad)
    if self.grad is not None:
        t.grad = self.grad.clone()
    import copy

    t.__dict__.update(
        copy.deepcopy({k: v for k, v in self.__dict__.items() if k != "_kept_grad"}, memo)
    )
    memo[id(self)] = t
    return t


@_method
def __copy__(self: Tensor) -> Any:
    t = self.as_subclass(self.__class__) if self.__class__ is not Tensor else alias(self._h)
    t._node = self._node
    t._h = -abs(t._h) if self._node is not None else t._h
    t.__dict__.update(self.__dict__)
    return t


@_method
def __reduce_ex__(self: Tensor, protocol: Any) -> tuple[Any, ...]:
    if not self.is_leaf:
        raise RuntimeError("cannot pickle a Tensor that is part of a graph: detach() it first")
    raw_bytes = self.detach().contiguous()
    data = (
        bytes(ffi.buffer(ffi.cast("char *", raw_bytes.data_ptr()), raw_bytes.nbytes))
        if raw_bytes.numel()
        else b""
    )
    return _rebuild, (
        self.__class__,
        data,
        self.dtype,
        tuple(self.shape),
        self.requires_grad,
        dict(self.__dict__),
    )


def _rebuild(
    cls: type,
    data: bytes,
    d: dtype,
    shape: tuple[int, ...],
    requires_grad: bool,
    state: dict[str, Any],
) -> Any:
    from ._core import ints

    t = wrap(lib.ops_from_block(d.code, d.code, data or b"\0", *ints(shape)))
    if cls is not Tensor:
        t = _make_subclass(cls, t)
    t.requires_grad_(requires_grad)
    t.__dict__.update(state)
    return t
