"""In: nothing. Out: the frozen data model of a registry entry.

Must not know: YAML, derivation or targets. Parsed once by ``registry.py``, read by every stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from .errors import Place
from .formula import Block, Item, Node
from .schema import Schema


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula with its text and the place it was written."""

    text: str
    node: Node
    place: Place


@dataclass(frozen=True, slots=True)
class Out:
    """Pointwise: one formula an output, per class of dtype ('' = any)."""

    outputs: Mapping[str, Mapping[str, Formula]]  # output -> class -> formula


@dataclass(frozen=True, slots=True)
class Accumulate:
    """The recipe of a reduce or scan: a monoid over the elements of the reduced axes."""

    map: tuple[Formula, ...]
    identity: tuple[Formula, ...]
    combine: tuple[Formula, ...]
    finish: tuple[Formula, ...]  # one per output
    let: Mapping[str, Formula]


@dataclass(frozen=True, slots=True)
class Reduce:
    """A reduction over the axes in ``dim``."""

    acc: Accumulate


@dataclass(frozen=True, slots=True)
class Scan:
    """A running reduction along ``dim``."""

    acc: Accumulate


@dataclass(frozen=True, slots=True)
class Index:
    """Loop notation ``target = value``."""

    target: Item
    value: Node
    formula: Formula


@dataclass(frozen=True, slots=True)
class View:
    """Primitives on (shape, stride, offset), applied in order."""

    steps: tuple[Node, ...]
    formula: Formula


@dataclass(frozen=True, slots=True)
class Body:
    """Compositions of registry ops: the first case whose condition holds (None = always)."""

    cases: tuple[tuple[Formula | None, Block, Formula], ...]


@dataclass(frozen=True, slots=True)
class Compose:
    """A Python function ``module.function`` in ``frontend/opsmith/compose``."""

    function: str
    place: Place


CHECK_ERRORS = ("IndexError", "ValueError", "RuntimeError", "TypeError")  # that an entry may raise
MATRIX_FORMS = ("symmetric", "definite")  # that a sample may ask for
VIEW_ADJOINT = "view_adjoint"  # the reference of adjoints of views, whose C is generated


@dataclass(frozen=True, slots=True)
class Reference:
    """A NumPy or high-precision function that says what the op means."""

    function: str
    place: Place


Meaning: TypeAlias = Out | Reduce | Scan | Index | View | Body | Compose | Reference


@dataclass(frozen=True, slots=True)
class Fast:
    """A one-pass or hand-written form of the meaning."""

    kind: str  # reduce | scan | source | library
    acc: Accumulate | None
    target: str
    place: Place


@dataclass(frozen=True, slots=True)
class DTypeRule:
    """How the result dtype follows from the arguments' dtypes."""

    kind: str = "default"
    args: tuple[str, ...] = ()
    classes: Mapping[str, str] = field(default_factory=dict)  # param -> bool | integral
    wide: bool = False
    numbers: Mapping[str, str] = field(default_factory=dict)  # param -> common | natural
    outputs: Mapping[str, str] = field(default_factory=dict)  # output -> its own integer dtype


@dataclass(frozen=True, slots=True)
class Kink:
    """At points where ``condition`` holds, the chosen derivative with respect to each param."""

    condition: Formula
    values: Mapping[str, Formula]


@dataclass(frozen=True, slots=True)
class OpDef:
    """One registry entry."""

    schema: Schema
    place: Place
    meaning: Meaning
    fast: Fast | None
    grad: Mapping[str, Formula]
    kinks: tuple[Kink, ...]
    linear: tuple[tuple[str, ...], ...]
    transpose: Mapping[str, Formula]
    dtype: DTypeRule
    dims: Mapping[str, tuple[str, ...]]
    let: Mapping[str, Formula]
    outside: Mapping[str, Formula]
    check: tuple[tuple[Formula, str], ...]
    stop: Mapping[str, Formula]
    variants: tuple[str, ...]
    alias: tuple[str, ...]
    random: bool
    size: str
    schedule: str
    autocast: str
    unsupported: Mapping[str, str]
    tol: Mapping[str, tuple[float, str]]
    doc: Mapping[str, str]
    samples: tuple[Mapping[str, object], ...]
    text: str  # the entry's own source, for cache keys and docs

    @property
    def name(self) -> str:
        """The op's name."""
        return self.schema.name

    @property
    def hidden(self) -> bool:
        """Not part of the public namespace: exists to close the derivatives."""
        return "hidden" in self.variants


def by_name(ops: Iterable[OpDef]) -> dict[str, OpDef]:
    """Ops by name and alias; the first of a name wins."""
    found: dict[str, OpDef] = {}
    for op in ops:
        for name in (op.name, *op.alias):
            found.setdefault(name, op)
    return found


class Chain(Mapping[str, OpDef]):
    """Ops of several registries by name; the first that knows a name wins."""

    def __init__(self, *parts: Mapping[str, OpDef]) -> None:
        """The first part comes first."""
        self.parts = parts

    def __getitem__(self, name: str) -> OpDef:
        for part in self.parts:
            op = part.get(name)
            if op is not None:
                return op
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for part in self.parts for name in part))

    def __len__(self) -> int:
        return len(list(iter(self)))
