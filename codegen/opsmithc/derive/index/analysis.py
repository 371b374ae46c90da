"""In: an op whose meaning is loop notation. Out: its Program.

Must not know: derivatives. Loops that are not written are found here, with their extents, and so
are the axes that `dims` leaves out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from ... import formula as fm
from ...errors import FormulaError, at, listing
from ...formula import Binary, Call, Fold, Item, Name, Node
from ...opdef import Index, OpDef
from .program import ACC, OUT, Axis, Loop, Program, Read


def analyse(op: OpDef) -> Program:
    """The loop program of an index op; mistakes are RegistryErrors at the entry's place."""
    assert isinstance(op.meaning, Index)
    with at(op.meaning.formula.place, "index"):
        return _Analysis(op, op.meaning).program()


def parse_axis(text: str, first: bool = False) -> Axis:
    """Read one axis of ``dims``."""
    match fm.parse(text):
        case Call(fn="many" | "fits" | "maybe" as word, args=(size,)):
            return Axis(size, word != "maybe", word == "maybe", word == "fits")
        case size:
            return Axis(size, first and size == Name("B"))


class _Analysis:
    def __init__(self, op: OpDef, meaning: Index) -> None:
        self.op, self.meaning = op, meaning
        self.tensors = {p.name for p in op.schema.params if p.type.base == "Tensor"}
        self.params = {p.name for p in op.schema.params}
        self.let = {k: f.node for k, f in op.let.items()}

    def program(self) -> Program:
        op, target = self.op, self.meaning.target
        assert isinstance(target.base, Name)
        value, start, replaces = self._start(target.base.id, self.meaning.value)
        picked: Node | None = None
        if isinstance(value, Call) and value.fn == "pick":
            picked, value = value.args
        folds = [n for n in fm.walk(value) if isinstance(n, Fold)]
        if len(folds) > 1:
            raise FormulaError("one fold is allowed", folds[1].col)
        fold = folds[0] if folds else None
        term = fold.body if fold else value
        finish = _swap(value, lambda n: Name(ACC) if n is fold else None) if fold else Name(ACC)
        dims, sizes = self._dims(target, (term, finish, *([picked] if picked else [])), start)
        known = self.params | set(self.let) | set(sizes) | {ACC}
        known |= {a.name for axes in dims.values() for a in axes} | _fold_sizes(fold)
        folded = dict(fold.loops) if fold else {}
        wanted = dict.fromkeys(
            v for n in (*target.index, term, finish, *([picked] if picked else []))
            for v in self._subscripts(n) if v not in known
        )  # fmt: skip
        for i in target.index:
            wanted.update(dict.fromkeys(v for v in fm.names(i) if v not in known))
        computed = any(v in folded for i in target.index for v in fm.names(i)) and picked is None
        bare = [i.id for i in target.index if isinstance(i, Name)]
        gather = not start and not computed and len(bare) == len(target.index)
        order = [*bare, *wanted] if gather else self._written_order(target, term, picked, wanted)
        outer = [v for v in dict.fromkeys(order) if v not in folded and v in wanted]
        loops = {v: self._extent(v, dims, target, (term, finish, picked), gather) for v in outer}
        inner = tuple(Loop(v, x) for v, x in fold.loops) if fold else ()
        self._bound(loops, dims, sizes)
        if computed:
            loops, inner = loops | {v.var: v.extent for v in inner}, ()
        reads, names = self._reads(term, finish, picked)
        named = [self._name_reads(n, names) for n in (term, finish)]
        return Program(
            op=op, dims=dims, sizes=sizes,
            outer=tuple(Loop(v, x) for v, x in loops.items()), inner=inner,
            fold=fold.kind if fold else "", target=target.index, term=named[0],
            picked=self._name_reads(picked, names) if picked else None, finish=named[1],
            start=start, replace=replaces, reads=reads, let=self.let,
        )  # fmt: skip

    def _start(self, target: str, value: Node) -> tuple[Node, str, bool]:
        """What elements hold before the loops write them."""
        if target in self.tensors:
            return value, target, True
        if isinstance(value, Binary) and value.op == "+" and isinstance(value.left, Name):
            if value.left.id in self.tensors:
                return value.right, value.left.id, False
        return value, "", False

    def _dims(
        self, target: Item, roots: tuple[Node, ...], start: str
    ) -> tuple[dict[str, tuple[Axis, ...]], dict[str, Node]]:
        """Axes of every tensor, those left out filled in; computed output sizes get names."""
        given = self.op.dims
        axes = {
            OUT if k in self.op.schema.outputs else k: tuple(
                parse_axis(text, d == 0) for d, text in enumerate(v)
            )
            for k, v in given.items()
        }
        if start:
            axes.setdefault(OUT, axes.get(start, ()))
            axes.setdefault(start, axes[OUT])
        for root in (target, *roots):
            for item in _items(root, self.tensors | set(self.op.schema.outputs)):
                name = item.base.id  # type: ignore[union-attr]
                name = OUT if name in self.op.schema.outputs else name
                if name not in axes:
                    axes[name] = tuple(Axis(self._bare(i, name)) for i in item.index)
                if len(axes[name]) != len(item.index):
                    raise FormulaError(
                        f"'{fm.unparse(item)}' needs {len(axes[name])} subscripts", item.col
                    )
        sizes = self._same(axes, (target, *roots))
        taken = self.params | set(self.let) | {a.name for v in axes.values() for a in v}
        out = list(axes[OUT])
        for d, (axis, i) in enumerate(zip(out, target.index, strict=True)):
            if axis.name and (axis.name not in self.let):
                continue  # a shape has it, or it is one of `sizes` already
            name = i.id.upper() if isinstance(i, Name) else f"S{d}"
            while name in taken:
                name += "_"
            taken.add(name)
            sizes[name] = axis.size
            out[d] = replace(axis, size=Name(name))
        axes[OUT] = tuple(out)
        return axes, sizes

    def _same(
        self, axes: dict[str, tuple[Axis, ...]], roots: tuple[Node, ...]
    ) -> dict[str, Node]:
        """Sizes that no shape binds, since their loops run over axes that have another name."""
        known = {a.name for name, found in axes.items() if name != OUT for a in found}
        known |= self.params | set(self.let)
        sizes: dict[str, Node] = {}
        for root in roots:
            for item in _items(root, self.tensors):
                for axis, i in zip(axes[item.base.id], item.index, strict=True):  # type: ignore[union-attr]
                    if isinstance(i, Name) and i.id.upper() not in known:
                        sizes.setdefault(i.id.upper(), axis.size)
        used = {a.name for a in axes[OUT]}
        return {name: size for name, size in sizes.items() if name in used}

    def _bare(self, i: Node, tensor: str) -> Name:
        if not isinstance(i, Name):
            raise FormulaError(f"give dims of '{tensor}': '{fm.unparse(i)}' is no loop", i.col)
        return Name(i.id.upper())

    def _subscripts(self, node: Node) -> Iterator[str]:
        for item in _items(node, self.tensors):
            for i in item.index:
                yield from fm.names(i)

    def _written_order(
        self, target: Item, term: Node, picked: Node | None, wanted: Mapping[str, None]
    ) -> list[str]:
        """Loops of a computed target: in the order in which the source is walked."""
        found = [v for n in (picked, term) if n is not None for v in self._subscripts(n)]
        found += [v for i in target.index for v in fm.names(i)]
        return [v for v in found if v in wanted]

    def _extent(
        self, var: str, dims: Mapping[str, tuple[Axis, ...]], target: Item,
        roots: tuple[Node | None, ...], gather: bool,
    ) -> Node:  # fmt: skip
        read: list[tuple[str, Item]] = [
            (item.base.id, item)  # type: ignore[union-attr]
            for n in (*target.index, *roots) if n is not None for item in _items(n, self.tensors)
        ]  # fmt: skip
        positions = [x for x in read if self.op.dtype.classes.get(x[0]) == "integral"]
        others = [x for x in read if x not in positions]
        written = [(OUT, target)]
        places = [*positions, *written, *others] if gather else [*positions, *others, *written]
        at_least: Node | None = None
        for tensor, item in places:
            for axis, i in zip(dims[tensor], item.index, strict=True):
                if i == Name(var) and axis.at_least:
                    at_least = axis.size
                elif i == Name(var):
                    return axis.size
        if at_least is not None:
            return at_least
        known = listing(dict.fromkeys(a.name for v in dims.values() for a in v if a.name))
        raise FormulaError(f"'{var}' is neither a loop nor a size; sizes are {known}", target.col)

    def _bound(
        self, loops: Mapping[str, Node], dims: Mapping[str, tuple[Axis, ...]],
        sizes: Mapping[str, Node],
    ) -> None:  # fmt: skip
        """Every extent is a size of some operand, a computed one or an argument."""
        shapes = [a.name for name, axes in dims.items() if name != OUT for a in axes if a.name]
        known = dict.fromkeys([*shapes, *self.params, *self.let])
        target = self.meaning.target
        for var, extent in loops.items():
            size = sizes.get(extent.id, extent) if isinstance(extent, Name) else extent
            for name in fm.names(size):
                if name not in known:
                    raise FormulaError(
                        f"nothing says how far the loop '{var}' runs: no operand has a size "
                        f"'{name}'; sizes are {listing(known)}", target.col,
                    )  # fmt: skip

    def _reads(
        self, term: Node, finish: Node, picked: Node | None
    ) -> tuple[tuple[Read, ...], dict[Item, str]]:
        names: dict[Item, str] = {}
        reads: list[Read] = []
        for root in (picked, term, finish):
            for item in _top_items(root, self.tensors) if root is not None else ():
                key = Item(item.base, item.index)
                if key not in names:
                    tensor = item.base.id  # type: ignore[union-attr]
                    count = sum(r.tensor == tensor for r in reads)
                    names[key] = f"{tensor}#{count}"
                    reads.append(Read(names[key], tensor, item.index))
        return tuple(reads), names

    def _name_reads(self, node: Node, names: Mapping[Item, str]) -> Node:
        def step(n: Node) -> Node | None:
            if isinstance(n, Item) and Item(n.base, n.index) in names:
                return Name(names[Item(n.base, n.index)])
            return None

        return _swap(node, step)


def _fold_sizes(fold: Fold | None) -> set[str]:
    return {n for _, x in fold.loops for n in fm.names(x)} if fold else set()


def _items(node: Node, tensors: set[str]) -> Iterator[Item]:
    """Element reads in ``node``, those inside subscripts included."""
    for n in fm.walk(node):
        if isinstance(n, Item) and isinstance(n.base, Name) and n.base.id in tensors:
            yield n


def _top_items(node: Node, tensors: set[str]) -> Iterator[Item]:
    """Element reads in ``node``, without those inside subscripts."""
    if isinstance(node, Item) and isinstance(node.base, Name) and node.base.id in tensors:
        yield node
        return
    for child in fm.children(node):
        yield from _top_items(child, tensors)


def _swap(node: Node, step: Any) -> Node:
    """Rebuild top-down: where ``step`` gives a node, it replaces the one it was given."""
    found: Node | None = step(node)
    if found is not None:
        return found
    changes: dict[str, Any] = {}
    for f in fields(node):
        v = getattr(node, f.name)
        if f.name in ("args", "items", "index"):
            changes[f.name] = tuple(_swap(x, step) for x in v) if isinstance(v, tuple) else v
        elif f.name in ("kwargs", "loops"):
            changes[f.name] = tuple((k, _swap(x, step)) for k, x in v)
        elif hasattr(v, "__dataclass_fields__"):
            changes[f.name] = _swap(v, step)
    return replace(node, **changes) if changes else node
