"""In: a loop program. Out: its subscripts that may leave their axis, each with how to find out.

Must not know: targets. A subscript is inside by its loop's extent, by `outside`, or by a `check` of
the positions that it reads; the others are looked at once a call: what is monotone in each loop is
farthest out at the loops' ends. What can be neither shown nor looked at is refused here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ... import formula as fm
from ...errors import FormulaError
from ...formula import Binary, Call, IfExp, Item, Name, Node, Num, Unary
from ...opdef import Index
from ..algebra import add, is_num, mul, simplify, sub
from .affine import affine
from .program import OUT, Axis, Program, Read, is_adjoint


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a subscript comes to lie: at ``lowest`` and ``highest`` of its axis.

    Each is a list of corners of the loops, of which the least and the greatest counts. Where
    ``positions`` names a tensor, they are what its elements say, whose name stands for one.
    """

    tensor: str
    item: Item
    axis: int  # counted from the last, as -1
    size: Node
    lowest: tuple[Node, ...]
    highest: tuple[Node, ...]
    positions: str = ""


@dataclass(frozen=True, slots=True)
class Bound:
    """``0 <= subscript < size`` must hold where the loops stand."""

    subscript: Node
    size: Node


def guarded(program: Program, read: Read) -> bool:
    """Reads beyond the edge matter: they need the value of `outside`, not fewer loops."""
    outside = program.op.outside.get(read.tensor)
    if outside is None or all(isinstance(i, Name) for i in read.index):
        return False
    neutral = {"sum": 0, "max": -fm.INF, "min": fm.INF}.get(program.fold)
    if program.fold in ("argmax", "argmin"):
        return read.name not in fm.names(program.term)
    if program.scatter and program.fold == "sum":
        neutral = 0
    if neutral is None or not is_num(outside.node, neutral):
        return True
    # Loops of the fold are narrowed, those of the result are not.
    return not program.scatter and any(
        _narrows(program, i) and not _folds(program, i) for i in read.index
    )


def narrowing(program: Program) -> list[Bound]:
    """What loops are narrowed by: what is written, or read, beyond an edge counts for nothing."""
    places: list[tuple[tuple[Axis, ...], tuple[Node, ...]]] = []
    if program.scatter and program.picked is None:
        places.append((program.dims[OUT], program.target))
    places += [(program.dims[r.tensor], r.index) for r in program.reads if _left_out(program, r)]
    found = {
        fm.unparse(i): Bound(i, axis.size)
        for axes, index in places for axis, i in zip(axes, index, strict=True)
        if _narrows(program, i)
    }  # fmt: skip
    return list(found.values())


def _left_out(program: Program, read: Read) -> bool:
    inside = read.name in fm.names(program.term) and not guarded(program, read)
    return inside and read.tensor in program.op.outside


def _folds(program: Program, i: Node) -> bool:
    return _depends(program, i, {v.var for v in program.inner})


def _narrows(program: Program, i: Node) -> bool:
    variables = frozenset(v.var for v in program.loops)
    return (
        not isinstance(i, Name)
        and affine(i, variables) is not None
        and not any(isinstance(n, Item) for n in fm.walk(i))
    )


def edges(program: Program) -> tuple[Edge, ...]:
    """Subscripts to look at before the loops; FormulaError where that does not help.

    Adjoints read and write where their op did.
    """
    if is_adjoint(program.op):
        return ()
    places: list[tuple[str, tuple[Node, ...], bool, bool]] = [
        (r.tensor, r.index, guarded(program, r), _left_out(program, r)) for r in program.reads
    ]
    places.append((OUT, program.target, False, program.scatter and program.picked is None))
    for _, index, _, _ in list(places):
        for part in index:
            places += [(_tensor(i), i.index, False, False) for i in _positions(part, program)]
    found: dict[tuple[str, int, str], Edge] = {}
    for tensor, index, tested, left_out in places:
        axes = program.dims[tensor]
        item = Item(Name(tensor), index)
        for d, (axis, i) in enumerate(zip(axes, index, strict=True)):
            narrowed = left_out and _narrows(program, i)
            if narrowed and (program.scatter or _folds(program, i)):
                continue
            if tested and not isinstance(i, Name):
                continue
            edge = _edge(program, item, axis, i, d - len(axes))
            if edge is not None:
                found[tensor, edge.axis, fm.unparse(i)] = edge
    return tuple(found.values())


def _tensor(item: Item) -> str:
    assert isinstance(item.base, Name)
    return item.base.id


def _positions(node: Node, program: Program) -> Iterator[Item]:
    for n in fm.walk(node):
        if isinstance(n, Item) and isinstance(n.base, Name) and n.base.id in program.dims:
            yield n


def _edge(program: Program, item: Item, axis: Axis, i: Node, d: int) -> Edge | None:
    """None where the subscript is inside by its extent or by the entry's own check."""
    extents = {v.var: v.extent for v in program.loops}
    if isinstance(i, Name) and extents.get(i.id) == axis.size:
        return None
    if isinstance(i, Binary) and i.op == "%" and i.right == axis.size:
        return None
    checked = {n for f, _ in program.op.check for n in fm.names(f.node)}
    read = [_tensor(p) for p in _positions(i, program)]
    if read:
        return None if set(read) <= checked else _of_positions(program, item, axis, i, d)
    lowest, highest = _corners(program, i)
    before = [_number(program, e) for e in lowest]  # what is known of the room on either side
    after = [_number(program, sub(sub(axis.size, Num(1)), e)) for e in highest]
    if lowest and all(n is not None and n >= 0 for n in (*before, *after)):
        return None
    if any(all(n is not None and n < 0 for n in room) for room in (before, after) if room):
        where = f"{fm.unparse(lowest[0])} to {fm.unparse(highest[0])}"
        raise FormulaError(
            f"'{fm.unparse(item)}' lies beyond its axis: '{fm.unparse(i)}' runs from {where}, and "
            f"positions from 0 to {axis.text} - 1; expected {_outside(item)}dims of the result "
            "that end the loop before", _column(program, item),
        )  # fmt: skip
    if lowest:
        return Edge(_tensor(item), item, d, axis.size, lowest, highest)
    if set(fm.names(axis.size)) & checked:
        return None
    raise FormulaError(
        f"'{fm.unparse(item)}' may lie beyond its axis, since '{fm.unparse(i)}' neither grows nor "
        f"shrinks along a loop; expected {_ways(item, axis)}", _column(program, item),
    )  # fmt: skip


def _number(program: Program, node: Node) -> int | None:
    """The formula's value where nothing else remains of it."""
    while set(fm.names(node)) & set(program.sizes):
        node = fm.substitute(node, program.sizes)
    found = constant(node)
    return found.value if isinstance(found, Num) and isinstance(found.value, int) else None


def _ways(item: Item, axis: Axis) -> str:
    return f"{_outside(item)}a check: of {axis.text}"


def _outside(item: Item) -> str:
    return f"outside: {{{_tensor(item)}: 0}} or " if _tensor(item) != OUT else ""


def _of_positions(program: Program, item: Item, axis: Axis, i: Node, d: int) -> Edge:
    """A subscript that reads positions: every element of theirs must lie inside."""
    items = list(dict.fromkeys(_positions(i, program)))
    variables = {v.var for v in program.loops}
    position = items[0]
    tensor = _tensor(position)
    if not program.integral(tensor):
        raise FormulaError(
            f"'{fm.unparse(position)}' is a subscript, but '{tensor}' holds numbers; expected "
            f"dtype: {{{tensor}: integral}}", _column(program, position),
        )  # fmt: skip
    bare = Name(tensor)
    value = fm.transform(i, lambda n: bare if n == position else n)
    others = set(fm.names(_without_lets(program, value, variables))) & variables
    if len(items) > 1 or others:
        raise FormulaError(
            f"'{fm.unparse(item)}' may lie beyond its axis, since '{fm.unparse(i)}' reads more "
            f"than one position; expected a check: of {' and '.join(map(_tensor, items))}",
            _column(program, item),
        )
    return Edge(_tensor(item), item, d, axis.size, (value,), (value,), tensor)


def _column(program: Program, item: Item) -> int:
    """Where the formula has it."""
    meaning = program.op.meaning
    assert isinstance(meaning, Index)
    nodes = [*fm.walk(meaning.target), *fm.walk(meaning.value)]
    return next((n.col for n in nodes if n == item and isinstance(n, Item)), 0)


# Corners -----------------------------------------------------------------------------------------


def _without_lets(program: Program, node: Node, variables: set[str]) -> Node:
    """With the `let` values written out that depend on ``variables``."""
    while True:
        inner = [
            n for n in fm.names(node)
            if n in program.let and _depends(program, program.let[n], variables)
        ]  # fmt: skip
        if not inner:
            return node
        node = fm.substitute(node, {n: program.let[n] for n in inner})


def _depends(program: Program, node: Node, variables: set[str]) -> bool:
    return any(
        n in variables or (n in program.let and _depends(program, program.let[n], variables))
        for n in fm.names(node)
    )


def _corners(program: Program, node: Node) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """The subscript at the ends of the loops, innermost first; nothing where it is not monotone."""
    low, high = [node], [node]
    for loop in reversed(program.loops):
        last = sub(loop.extent, Num(1))
        ends = []
        for nodes, upper in ((low, False), (high, True)):
            found: list[Node] = []
            for n in nodes:
                written = constant(_without_lets(program, n, {loop.var}))  # what cancels is gone
                at = _ends(written, loop.var, last, upper)
                if at is None:
                    return (), ()
                found += at
            ends.append(list(dict.fromkeys(found)))
        low, high = ends
    return tuple(map(constant, low)), tuple(map(constant, high))


def _ends(node: Node, var: str, last: Node, upper: bool) -> list[Node] | None:
    """Where ``node`` is least (or greatest) along one loop: at one end of it, or at either."""
    if var not in fm.names(node):
        return [node]
    first = Num(0)
    parts = affine(node, frozenset({var}))
    if parts is not None:
        step, rest = parts[0][var], parts[1]
        far = constant(add(rest, mul(step, last)))
        if isinstance(step, Num) and isinstance(step.value, int):
            return [far if (step.value > 0) == upper else constant(rest)]
        return [constant(rest), far]
    places = sum(isinstance(n, Name) and n.id == var for n in fm.walk(node))
    if places > 1 or not _monotone(node, var):
        return None
    return [constant(fm.substitute(node, {var: end})) for end in (first, last)]


def _monotone(node: Node, var: str) -> bool:
    """Does the one place of ``var`` make the formula grow, or shrink, throughout?"""
    if isinstance(node, Name | Num) or var not in fm.names(node):
        return True
    match node:
        case Binary(op="+" | "-" | "*", left=a, right=b):
            return _monotone(a, var) and _monotone(b, var)
        case Binary(op="//", left=a, right=b):
            return var not in fm.names(b) and _monotone(a, var)
        case Unary(op="-", arg=a):
            return _monotone(a, var)
        case Call(fn="min" | "max" | "minimum" | "maximum", args=args):
            return all(_monotone(a, var) for a in args)
        case IfExp(test=t, then=a, other=b) | Call(fn="where", args=(t, a, b)):
            return var not in fm.names(t) and _monotone(a, var) and _monotone(b, var)
    return False


def constant(node: Node) -> Node:
    """Sums of numbers, names and products as one sum: what cancels is gone."""
    terms: dict[Node, int] = {}

    def collect(n: Node, sign: int) -> None:
        match n:
            case Num(value=int() as v):
                terms[Num(1)] = terms.get(Num(1), 0) + sign * v
            case Binary(op="+" | "-" as op, left=a, right=b):
                collect(a, sign)
                collect(b, sign if op == "+" else -sign)
            case Unary(op="-", arg=a):
                collect(a, -sign)
            case Binary(op="*", left=Num(value=int() as v), right=b):
                collect(b, sign * v)
            case Binary(op="*", left=a, right=Num(value=int() as v)):
                collect(a, sign * v)
            case _:
                terms[n] = terms.get(n, 0) + sign

    collect(simplify(node), 1)
    total: Node = Num(0)
    for term, factor in terms.items():
        if factor:
            part = mul(Num(abs(factor)), term) if term != Num(1) else Num(abs(factor))
            total = sub(total, part) if factor < 0 else add(total, part)
    return total

