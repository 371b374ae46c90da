"""In: an entry. Out: each of its formulas with what may stand in it.

Must not know: what is done with them; ``semantics.py`` checks names, functions and kinds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from . import formula as fm
from .errors import FormulaError, Place
from .kinds import Kind, Kinds
from .opdef import Accumulate, Body, Formula, Index, OpDef, Out, Reduce, Scan
from .reader import statement_lines

INTEGERS = ("min", "max", "floor", "ceil", "int", "abs")  # of sizes, in index notation and dims


@dataclass(frozen=True)
class Use:
    """One formula in its place: what may stand in it."""

    what: str
    node: fm.Node
    place: Place
    scope: tuple[str, ...]
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    programs: bool = False  # may call registry ops
    extra: tuple[str, ...] = ()  # further functions
    wants: Kind = None


def uses(op: OpDef) -> Iterator[Use]:
    """Every formula of an entry."""
    params = tuple(p.name for p in op.schema.params)
    kinds, aux = argument_kinds(op), tuple(op.let)
    shapes = _shape_names(op)
    for name, f in op.let.items():
        scope = (*params, *aux, *shapes, *_loops(op))
        yield _use(f"let '{name}'", f, scope, kinds, extra=INTEGERS)
    yield from _meaning_uses(op, params, aux, shapes)
    if op.fast and op.fast.acc:
        yield from _accumulate(op, op.fast.acc, f"fast {op.fast.kind}", params, aux)
    outputs = op.schema.outputs
    cotangents = ("g", *(f"g_{o}" for o in outputs)) if len(outputs) > 1 else ("g",)
    scope = (*cotangents, *outputs, *params, *aux)
    if isinstance(op.meaning, Reduce | Scan):
        scope += ("n", "i")
    known: dict[str, Kind] = {**kinds, **dict.fromkeys(cotangents, "number")}
    for what, formulas in (("gradient", op.grad), ("transpose", op.transpose)):
        for name, f in formulas.items():
            yield _use(f"{what} of '{name}'", f, scope, known, programs=True, wants="number")
    for kink in op.kinks:
        yield _use("kink", kink.condition, (*params, *aux), kinds, wants="bool")
        for name, f in kink.values.items():
            yield _use(f"kink of '{name}'", f, (*params, *aux), kinds, wants="number")
    loops = _loops(op)
    for name, f in op.outside.items():
        yield _use(f"outside of '{name}'", f, (*params, *aux), kinds)
    for name, f in op.stop.items():
        yield _use(f"stop of '{name}'", f, (*params, *aux, *shapes, *loops), kinds, wants="bool")
    for f, _ in op.check:
        yield _use("check", f, (*params, *aux, *shapes, *loops), {}, programs=True, extra=INTEGERS)


def _use(
    what: str,
    f: Formula,
    scope: tuple[str, ...],
    kinds: Mapping[str, Kind],
    programs: bool = False,
    extra: tuple[str, ...] = (),
    wants: Kind = None,
) -> Use:
    return Use(what, f.node, f.place, tuple(dict.fromkeys(scope)), kinds, programs, extra, wants)


def _meaning_uses(
    op: OpDef, params: tuple[str, ...], aux: tuple[str, ...], shapes: tuple[str, ...]
) -> Iterator[Use]:
    kinds = argument_kinds(op)
    match op.meaning:
        case Out(outputs=outputs):
            for output, by_class in outputs.items():
                for name, f in by_class.items():
                    what = "out" if len(outputs) == 1 else f"out '{output}'"
                    known = kinds if name != "bool" else {}
                    yield _use(f"{what} '{name}'" if name else what, f, (*params, *aux), known)
        case Reduce(acc=acc):
            yield from _accumulate(op, acc, "reduce", params, aux)
        case Scan(acc=acc):
            yield from _accumulate(op, acc, "scan", params, aux)
        case Index(formula=f, target=target):
            scope = (*params, *aux, *shapes, *_loops(op))
            yield _use("index", f, scope, kinds, extra=INTEGERS)
            for i in target.index:
                if not isinstance(i, fm.Name):
                    yield Use("index", i, f.place, scope)
        case Body(cases=cases):
            for when, block, f in cases:
                if when is not None:
                    yield _use("when", when, (*params, *aux), kinds, programs=True)
                yield from _block(op, block, f, (*params, *aux), kinds)


def _block(
    op: OpDef, block: fm.Block, f: Formula, scope: tuple[str, ...], kinds: Mapping[str, Kind]
) -> Iterator[Use]:
    lines = statement_lines(f.text)
    known = dict(kinds)
    nodes: list[tuple[str, fm.Node]] = [*block.lets, ("", block.result)]
    for line, (name, node) in zip(lines, nodes, strict=True):
        place = Place(f.place.file, f.place.line + line, f.place.col, f.place.op)
        yield Use("body", node, place, tuple(dict.fromkeys(scope)), dict(known), programs=True)
        scope = (*scope, name)
        known.pop(name, None)


def _accumulate(
    op: OpDef, acc: Accumulate, what: str, params: tuple[str, ...], aux: tuple[str, ...]
) -> Iterator[Use]:
    k = len(acc.map)
    a, b = tuple(f"a{i}" for i in range(k)), tuple(f"b{i}" for i in range(k))
    kinds = {**argument_kinds(op), "n": "number", "i": "number"}
    quiet = Kinds(kinds, lambda fn: None)
    states: dict[str, Kind] = {}
    for i, f in enumerate(acc.map):
        try:
            states[f"a{i}"] = states[f"b{i}"] = quiet.of(f.node)
        except FormulaError:
            pass  # reported where the formula stands
    both = {**kinds, **states}
    others = tuple(p for p in params if p not in {q.name for q in op.schema.tensors})
    for f in acc.map:
        yield _use(f"{what} map", f, (*params, *aux, "n", "i"), kinds)
    for f in acc.identity:
        yield _use(f"{what} identity", f, (*others, "n"), kinds)
    for name, f in acc.let.items():
        yield _use(f"{what} let '{name}'", f, (*a, *b, *params, *acc.let, *aux), both)
    for i, f in enumerate(acc.combine):
        scope = (*a, *b, *params, *acc.let, *aux)
        yield _use(f"{what} combine", f, scope, both, wants=states.get(f"a{i}"))
    for f in acc.finish:
        yield _use(f"{what} finish", f, (*a, *params, "n", *aux), both)


def argument_kinds(op: OpDef) -> dict[str, Kind]:
    """What the parameters are: flags and conditions are truth values."""
    found: dict[str, Kind] = {}
    for p in op.schema.params:
        if p.type.is_list or p.type.base in ("str", "dtype", "device", "Generator", "Dimname"):
            continue
        if op.dtype.classes.get(p.name) == "":
            continue
        flag = p.type.base == "bool" or op.dtype.classes.get(p.name) == "bool"
        found[p.name] = "bool" if flag else "number"
    return found


def _shape_names(op: OpDef) -> tuple[str, ...]:
    """Names that ``dims`` gives to sizes; without dims, loop variables in capitals."""
    found = [n for axes in op.dims.values() for text in axes for n in _axis_names(text)]
    return tuple(dict.fromkeys((*found, *(v.upper() for v in _loops(op)))))


def _axis_names(text: str) -> list[str]:
    try:
        node = fm.parse(text)
    except FormulaError:
        return []
    return [n.id for n in fm.walk(node) if isinstance(n, fm.Name)]  # many(N) names N


def _loops(op: OpDef) -> tuple[str, ...]:
    if not isinstance(op.meaning, Index):
        return ()
    computed = op.meaning.target.index  # out[index[m], d]: m is a loop as well
    items = [n for place in computed for n in fm.walk(place) if isinstance(n, fm.Item)]
    target = [i.id for i in op.meaning.target.index if isinstance(i, fm.Name)]
    target += [i.id for item in items for i in item.index if isinstance(i, fm.Name)]
    folds = [v for n in fm.walk(op.meaning.value) if isinstance(n, fm.Fold) for v, _ in n.loops]
    return tuple(dict.fromkeys((*target, *folds)))
