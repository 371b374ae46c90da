"""PyTorch's older ways to make tensors: ``FloatTensor(2, 3)``, ``x.new(2, 3)``, ``x.type(...)``."""

from __future__ import annotations

from ._core import Tensor, alias
from ._create import empty, set_default_dtype, tensor
from ._dtypes import DTYPES, Size, dtype

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _TensorType(type):
    """``FloatTensor`` and the like: no class has instances of its own, each stands for a dtype."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype and instance.is_cpu

    def __call__(cls, *args: Any, device: Any = None) -> Tensor:
        return build(cls.dtype, args, device)

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


def build(d: dtype, args: tuple[Any, ...], device: Any = None) -> Tensor:
    """Sizes make an uninitialised tensor, a sequence one of its values; a tensor shares memory."""
    from .storage import TypedStorage, UntypedStorage

    if not args:
        return empty(0, dtype=d, device=device)
    first = args[0]
    if isinstance(first, Size) or hasattr(first, "__index__") and not hasattr(first, "__len__"):
        return empty(*args, dtype=d, device=device)
    if len(args) > 1:
        shown = ", ".join(type(a).__name__ for a in args)
        raise TypeError(f"new() received an invalid combination of arguments - got ({shown})")
    if isinstance(first, (TypedStorage, UntypedStorage)):
        return first.tensor(d)
    if isinstance(first, Tensor):
        if first.dtype is not d:
            raise TypeError(
                f"expected {d.scalar}Tensor (got {first.dtype.scalar}Tensor): use to() to convert"
            )
        return alias(first._h)
    if not hasattr(first, "__len__") or isinstance(first, (str, bytes)):
        raise TypeError(f"new(): data must be a sequence (got {type(first).__name__})")
    return tensor(first, dtype=d, device=device)


TYPES = {
    f"{d.scalar}Tensor": _TensorType(f"{d.scalar}Tensor", (), {"dtype": d, "__module__": "opsmith"})
    for d in DTYPES
    if d.typed
}


def dtype_named(kind: Any) -> Any:
    """The dtype that a class of tensors or its name stands for; anything else as it is."""
    name = kind.__name__ if isinstance(kind, _TensorType) else kind
    found = TYPES.get(name.rpartition(".")[2]) if isinstance(name, str) else None
    if isinstance(name, str) and found is None:
        raise ValueError(f"invalid type: '{name}'")
    return kind if found is None else found.dtype


def set_default_tensor_type(t: Any) -> None:
    """Choose the dtype of tensors made from Python floats, by a class of tensors or its name."""
    set_default_dtype(dtype_named(t))


def _type(self: Tensor, dtype: Any = None, non_blocking: bool = False, **_: Any) -> Any:
    """PyTorch's name of the tensor's class, or a conversion to a dtype or such a class."""
    if dtype is None:
        where = "" if self.is_cpu or self.is_meta else "cuda."
        return f"torch.{where}{self.dtype.scalar}Tensor"
    return self.to(dtype_named(dtype))


Tensor.type = _type  # type: ignore[attr-defined]

def __getattr__(name: str) -> Any:
    if name in TYPES:
        return TYPES[name]
    raise AttributeError(f"module 'opsmith._legacy' has no attribute '{name}'")


__all__ = ["TYPES", "build", "dtype_named", "set_default_tensor_type"]
