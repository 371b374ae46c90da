"""Data types, devices, layouts and sizes: the small value objects of the API."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class dtype:
    """The type of a tensor's elements, e.g. ``opsmith.float32``."""

    __slots__ = (
        "_name", "code", "is_complex", "is_floating_point", "is_signed", "itemsize", "kind_rank", "numpy",  # noqa: E501
    )  # fmt: skip

    def __init__(
        self, name: str, code: int, itemsize: int, kind: str, signed: bool, numpy: str
    ) -> None:
        self._name, self.code, self.itemsize, self.numpy = name, code, itemsize, numpy
        self.is_floating_point = kind == "float"
        self.kind_rank = ("bool", "int", "float").index(kind)  # a result may go to no lower kind
        self.is_complex = False
        self.is_signed = signed

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return self._name

    def to_real(self) -> dtype:
        """The dtype of the real part."""
        return self


_ROWS = (
    ("float64", 8, "float", True, "float64"), ("float32", 4, "float", True, "float32"),
    ("bfloat16", 2, "float", True, ""), ("float16", 2, "float", True, "float16"),
    ("int64", 8, "int", True, "int64"), ("int32", 4, "int", True, "int32"),
    ("int16", 2, "int", True, "int16"), ("int8", 1, "int", True, "int8"),
    ("uint8", 1, "int", False, "uint8"), ("bool", 1, "bool", False, "bool"),
)  # fmt: skip
DTYPES = tuple(
    dtype(n, k, size, kind, signed, np) for k, (n, size, kind, signed, np) in enumerate(_ROWS)
)
float64, float32, bfloat16, float16, int64, int32, int16, int8, uint8, bool_ = DTYPES
BY_NUMPY = {d.numpy: d for d in DTYPES if d.numpy}
NAMES: dict[str, dtype] = {
    "float64": float64, "double": float64, "float32": float32, "float": float32,
    "bfloat16": bfloat16, "float16": float16, "half": float16, "int64": int64, "long": int64,
    "int32": int32, "int": int32, "int16": int16, "short": int16, "int8": int8, "uint8": uint8,
    "bool": bool_,
}  # fmt: skip
SCALAR_TYPE_NAMES = (
    "Double", "Float", "BFloat16", "Half", "Long", "Int", "Short", "Char", "Byte", "Bool",
)  # fmt: skip


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


class Size(tuple):
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
