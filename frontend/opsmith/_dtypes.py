"""Data types, devices, layouts and sizes: the small value objects of the API."""

from __future__ import annotations

from ._generated.dtypes import DEFAULT, ROWS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, SupportsIndex, overload


class dtype:
    """The type of a tensor's elements, e.g. ``opsmith.float32``."""

    __slots__ = (
        "_name", "close", "code", "is_complex", "is_floating_point", "is_signed", "itemsize",
        "kind_rank", "limits", "numpy", "safetensors", "scalar", "typed",
    )  # fmt: skip

    def __init__(
        self, code: int, name: str, kind: str, itemsize: int, signed: bool, numpy: str,
        scalar: str, typed: bool, safetensors: str, limits: Any, close: Any,
    ) -> None:  # fmt: skip
        self._name, self.code, self.itemsize = name, code, itemsize
        self.numpy, self.safetensors, self.scalar = numpy, safetensors, scalar
        self.is_floating_point = kind == "float"
        self.kind_rank = ("bool", "int", "float").index(kind)  # a result may go to no lower kind
        self.is_complex = False
        self.is_signed = signed
        self.typed = typed  # PyTorch has a storage class and a conversion method of it
        self.limits = limits  # of a float: digits, bias of the exponent, greatest value
        self.close = close  # rtol, atol

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return "bool_" if self._name == "bool" else self._name

    def to_real(self) -> dtype:
        """The dtype of the real part."""
        return self


DTYPES = tuple(dtype(code, name, *facts) for code, (name, _, *facts) in enumerate(ROWS))
NAMES: dict[str, dtype] = {}
for _dtype, (_name, _aliases, *_) in zip(DTYPES, ROWS):
    NAMES.update(dict.fromkeys((_name, *_aliases), _dtype))
    globals()[_dtype.__reduce__()] = _dtype  # where pickle looks
default_float, bool_ = NAMES[DEFAULT], NAMES["bool"]
BY_NUMPY = {d.numpy: d for d in DTYPES if d.numpy}
SCALAR_TYPE_NAMES = tuple(d.scalar for d in DTYPES)
FLOATS = sum(d.is_floating_point for d in DTYPES)  # codes below are floats, as C numbers them
POSITIONS = frozenset(d.code for d in DTYPES if d.kind_rank == 1 and d.is_signed)  # may index


def as_bits(d: dtype) -> dtype:
    """An integer dtype of the same size: for memory that NumPy has no dtype of its own for."""
    return NAMES[f"int{8 * d.itemsize}"]


class device:
    """Where a tensor lives: ``device("cpu")``, ``device("meta")``, ``device("cuda", 0)``."""

    __slots__ = ("index", "type")
    TYPES = ("cpu", "meta", "cuda")

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        if isinstance(type, device):
            type, index = type.type, type.index if index is None else index
        name, _, number = str(type).partition(":")
        if name not in self.TYPES:
            raise RuntimeError(
                f"Expected one of {', '.join(self.TYPES)} device type at start of device string: {name}"  # noqa: E501
            )
        self.type = name
        self.index = int(number) if number else index

    @property
    def code(self) -> int:
        """Its number at the boundary."""
        return self.TYPES.index(self.type)

    def __enter__(self) -> device:
        from . import _places

        return _places.enter(self)

    def __exit__(self, *_: Any) -> None:
        from . import _places

        _places.leave()

    def __reduce__(self) -> tuple[Any, ...]:
        return device, (self.type, self.index)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (
            f", index={self.index})" if self.index is not None else ")"
        )

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"


CPU, META = device("cpu"), device("meta")
DEVICES = (CPU, META, device("cuda", 0))


class Size(tuple[int, ...]):
    """The shape of a tensor: a tuple of ints with ``numel()``."""

    def numel(self) -> int:
        """Product of the sizes."""
        n = 1
        for s in self:
            n *= s
        return n

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    def __add__(self, other: Any) -> Size:
        return Size(tuple.__add__(self, tuple(other)))

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, i: SupportsIndex) -> int: ...
        @overload
        def __getitem__(self, i: slice) -> Size: ...
        def __getitem__(self, i: Any) -> Any: ...

    else:

        def __getitem__(self, i: Any) -> Any:
            out = tuple.__getitem__(self, i)
            return Size(out) if isinstance(i, slice) else out

    def __mul__(self, n: Any) -> Size:
        return Size(tuple.__mul__(self, n))


class layout:
    """Memory layout; only ``strided`` exists."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"torch.{self._name}"


class memory_format:
    """A stride order."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"torch.{self._name}"


strided = layout("strided")
contiguous_format = memory_format("contiguous_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
preserve_format = memory_format("preserve_format")
