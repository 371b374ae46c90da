"""In: a reduce or a scan. Out: its gradients, where its states are sums, maxima or minima.

Must not know: targets. A state of a row that a derivative reads is computed again by the op that
means it, over kept dims; where an output is the state itself, it is that output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import RegistryError
from ..formula import (
    ONE,
    ZERO,
    Binary,
    Call,
    Compare,
    Name,
    Node,
    Num,
    calls,
    names,
    substitute,
    unparse,
)  # fmt: skip
from ..intrinsics import table
from ..opdef import Accumulate, OpDef, Reduce
from .algebra import add, div, is_num, mul, simplify, where
from .gradient import gradient

SUM, LARGEST, LEAST = "sum", "amax", "amin"  # a state is named by the op that folds a row to it
_KEPT = Name("dim"), Num(True)
ADVICE = "declare it under 'grad', or say 'unsupported: {backward: no derivative by definition}'"


def kinds(acc: Accumulate) -> list[str]:
    """What each state is: a sum, the largest, the least, or '' for anything else."""
    return [_kind(acc, k) for k in range(len(acc.map))]


def is_additive(acc: Accumulate) -> bool:
    """Are all states plain sums (identity 0, combine a + b)?"""
    return all(kind == SUM for kind in kinds(acc))


def _kind(acc: Accumulate, k: int) -> str:
    a, b, identity = Name(f"a{k}"), Name(f"b{k}"), acc.identity[k].node
    match acc.combine[k].node:
        case Binary(op="+", left=x, right=y) if {x, y} == {a, b} and is_num(identity, 0):
            return SUM
        case Call(fn="maximum", args=(x, y)) if {x, y} == {a, b} and unparse(identity) == "-inf":
            return LARGEST
        case Call(fn="minimum", args=(x, y)) if {x, y} == {a, b} and unparse(identity) == "inf":
            return LEAST
    return ""


def fold_gradients(
    op: OpDef, acc: Accumulate, cotangents: Mapping[str, Node], wrt: Sequence[str]
) -> dict[str, Node]:
    """Cotangents of the parameters ``wrt``; ``cotangents`` are those of outputs that have one.

    Raises:
        RegistryError: where a state is neither, or the rows it needs cannot be written.
    """
    folds = kinds(acc)
    scan = not isinstance(op.meaning, Reduce)
    for k, kind in enumerate(folds):
        if not kind or scan and kind != SUM:
            raise _refused(op, acc, k, wrt[0], scan)
    through = _through(op, acc, cotangents)
    values = {f"a{k}": _value(op, acc, k, folds[k]) for k in range(len(folds))}
    total: dict[str, Node] = dict.fromkeys(wrt, ZERO)
    for k, term in enumerate(acc.map):
        g = substitute(through[k], values)
        if is_num(g, 0) or not set(names(term.node)) & set(wrt):
            continue
        if scan:
            g = Call("cumsum_back", (g, Name("dim")))
        elif folds[k] != SUM:
            hit = Compare("==", term.node, values[f"a{k}"])
            ties = Call("sum", (where(hit, ONE, ZERO), *_dims(op)))
            g = div(where(hit, g, ZERO), ties)
        part = gradient(term.node, wrt, g)
        total = {t: add(total[t], part[t]) for t in wrt}
    found = {t: simplify(v) for t, v in total.items()}
    for t, v in found.items():
        if "i" in names(v) and any(fn != "where" and fn not in table() for fn in calls(v)):
            raise _unwritten(op, t, "reads whole rows and the position 'i'")
    return found


def _through(op: OpDef, acc: Accumulate, cotangents: Mapping[str, Node]) -> list[Node]:
    """The cotangent of every state, which may read states."""
    states = [f"a{k}" for k in range(len(acc.map))]
    total: list[Node] = [ZERO] * len(states)
    for output, finish in zip(op.schema.outputs, acc.finish, strict=True):
        if output in cotangents:
            found = gradient(finish.node, states, cotangents[output], Name(output))
            total = [add(t, found[s]) for t, s in zip(total, states, strict=True)]
    return total


def _value(op: OpDef, acc: Accumulate, k: int, kind: str) -> Node:
    """A state of the whole row, as a formula over kept dims."""
    for output, finish in zip(op.schema.outputs, acc.finish, strict=True):
        if finish.node == Name(f"a{k}"):
            return Name(output)
    term = acc.map[k].node
    tensors = {p.name for p in op.schema.tensors}
    if kind == SUM and not isinstance(op.meaning, Reduce):
        return Call("cumsum", (term, Name("dim")))
    if kind == SUM and not tensors & set(names(term)) and "i" not in names(term):
        return mul(term, Name("n"))
    if kind != SUM and any(p.name == "dim" and p.type.optional for p in op.schema.params):
        first = op.schema.tensors[0].name
        raise _unwritten(op, first, f"reads {kind}() over a 'dim' that may be None")
    return Call(kind, (term, *_dims(op)))


def _dims(op: OpDef) -> tuple[Node, ...]:
    return _KEPT if any(p.name == "dim" for p in op.schema.params) else ()


def _unwritten(op: OpDef, param: str, why: str) -> RegistryError:
    return RegistryError(op.place, f"cannot derive the gradient of '{param}': it {why}; {ADVICE}")


def _refused(op: OpDef, acc: Accumulate, k: int, param: str, scan: bool) -> RegistryError:
    found = acc.combine[k]
    wanted = "a sum" if scan else "a sum, a maximum or a minimum"
    return RegistryError(
        found.place, f"cannot derive the gradient of '{param}': state {k}, '{found.text}' from "
        f"'{acc.identity[k].text}', is not {wanted}; {ADVICE}",
    )  # fmt: skip
