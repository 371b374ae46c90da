"""In: nothing. Out: the Kernel IR: what a kernel computes, before any target language.

Must not know: templates, C or CUDA. ``check`` is the executable specification between lowering and
emission: a kernel reads only what it declares.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from .formula import Node, names

COMMON, BOOL, LONG = "common", "bool", "long"  # element classes inside a kernel


@dataclass(frozen=True, slots=True)
class Arg:
    """An operand: its name and the class of its elements inside the kernel."""

    name: str
    cls: str = COMMON


STATUS = {  # what a failing check raises, in C
    "IndexError": "OPS_INDEX_ERROR", "ValueError": "OPS_VALUE_ERROR",
    "RuntimeError": "OPS_RUNTIME_ERROR", "TypeError": "OPS_TYPE_ERROR",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Check:
    """A condition on every element of the operands, and the error where it fails."""

    condition: Node
    error: str  # a word of opdef.CHECK_ERRORS
    message: str


@dataclass(frozen=True, slots=True)
class PointwiseKernel:
    """``outputs[k][i] = values[k]`` over contiguous blocks, one loop an output."""

    op: str
    symbol: str
    compute: str  # code of the compute dtype
    title: str
    outputs: tuple[Arg, ...]
    inputs: tuple[Arg, ...]
    scalars: tuple[Arg, ...]
    values: tuple[Node, ...]
    random: bool = False
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class AccumulateKernel:
    """The monoid of a reduce or scan for one compute dtype."""

    op: str
    symbol: str
    compute: str
    title: str
    states: tuple[Arg, ...]  # class of each state: common or long (positions)
    outputs: tuple[Arg, ...]
    scalars: tuple[Arg, ...]
    input: Arg
    map: tuple[Node, ...]  # reads the input's name, i (position), n (count), scalars
    identity: tuple[Node, ...]
    let: tuple[tuple[str, Node], ...]
    combine: tuple[Node, ...]  # reads a0.., b0.., lets, scalars
    finish: tuple[Node, ...]  # reads a0.., n, scalars
    additive: bool  # all states are plain sums


def key(name: str, kernels: Sequence[object]) -> str:
    """How a backend's kernels are found at run time: the op, and a digest of what it computes.

    A library made from another registry therefore never answers for it.
    """
    digest = hashlib.blake2s(repr(tuple(kernels)).encode(), digest_size=6).hexdigest()
    return f"{name}:{digest}"


class KernelError(AssertionError):
    """A lowering bug: the IR does not hold together."""


def check(kernel: PointwiseKernel | AccumulateKernel) -> None:
    """Raise KernelError when a kernel reads what it does not declare."""
    scalars = {a.name for a in kernel.scalars}
    if isinstance(kernel, PointwiseKernel):
        declared = scalars | {a.name for a in kernel.inputs}
        if len(kernel.values) != len(kernel.outputs):
            raise KernelError(
                f"{kernel.symbol}: {len(kernel.outputs)} outputs, {len(kernel.values)} values"
            )
        _declared(kernel.symbol, kernel.values, declared)
        _declared(kernel.symbol, tuple(c.condition for c in kernel.checks), declared)
        return
    k = len(kernel.states)
    a, b = {f"a{i}" for i in range(k)}, {f"b{i}" for i in range(k)}
    lets = {name for name, _ in kernel.let}
    if not k == len(kernel.map) == len(kernel.identity) == len(kernel.combine):
        raise KernelError(f"{kernel.symbol}: states, map, identity and combine differ in length")
    _declared(kernel.symbol, kernel.map, scalars | {kernel.input.name, "i", "n"})
    _declared(kernel.symbol, kernel.identity, scalars | {"n"})
    _declared(kernel.symbol, kernel.combine, scalars | a | b | lets)
    _declared(kernel.symbol, kernel.finish, scalars | a | {"n"})


def _declared(symbol: str, values: tuple[Node, ...], declared: set[str]) -> None:
    for value in values:
        unknown = [n for n in names(value) if n not in declared]
        if unknown:
            raise KernelError(f"{symbol}: reads undeclared '{unknown[0]}'")
