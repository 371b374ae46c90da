"""In: an op whose meaning is loop notation. Out: its loop program, and its adjoints as hidden ops.

Must not know: targets. Four forms of program exist; all four are closed under transposition:

    out[i, j] = sum(input[i, k] * other[k, j] for k in K)    gather: the target names its loops
    out[input[b], d] = sum(g[b, d] for b in B for d in D)    scatter: the target is computed
    input[a, index[m], b] = src[a, m, b]                     replace: ``input`` with elements set
    pick(g[..], argmax(input[..] for p in kh))               select: loops stand at the largest
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from .. import formula as fm
from ..errors import FormulaError, RegistryError, at, listing
from ..formula import Attr, Binary, Call, Compare, Fold, IfExp, Item, Name, Nil, Node, Num
from ..opdef import DTypeRule, Formula, Index, OpDef
from ..schema import Param, Schema, Type
from .algebra import ONE, ZERO, add, is_num, mul, simplify
from .gradient import gradient

GRAD, SIZE, OUT, ACC = "grad_output", "size", "out", "acc"
ARG_FOLDS = {"max": "argmax", "min": "argmin"}
DEPTH = 2  # adjoints of adjoints of a formula that is not linear in its reads: double backward


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis in ``dims``: a size name, or an expression (of outputs).

    ``many(A)`` (or a leading ``B``) is a group: all axes before the others, or, of two groups,
    those before and after the axis that parameter ``dim`` names. ``fits(A)`` is a group whose sizes
    are at least those of A; the rest is not touched. ``maybe(N)`` may be absent.
    """

    size: Node
    group: bool = False
    optional: bool = False
    at_least: bool = False

    @property
    def text(self) -> str:
        """As written in ``dims``."""
        body = fm.unparse(self.size)
        word = (
            "fits" if self.at_least else "many" if self.group else "maybe" if self.optional else ""
        )
        return f"{word}({body})" if word else body

    @property
    def name(self) -> str:
        """The size name ('' for an expression)."""
        return self.size.id if isinstance(self.size, Name) else ""


@dataclass(frozen=True, slots=True)
class Loop:
    """``for var in range(extent)``."""

    var: str
    extent: Node


@dataclass(frozen=True, slots=True)
class Read:
    """One element read, ``tensor[index]``; ``name`` stands for it in the program's formulas."""

    name: str
    tensor: str
    index: tuple[Node, ...]

    @property
    def item(self) -> Item:
        """The read as written."""
        return Item(Name(self.tensor), self.index)


@dataclass(frozen=True)
class Program:
    """A loop nest: ``target = finish(fold of term over inner)`` for every value of outer."""

    op: OpDef
    dims: Mapping[str, tuple[Axis, ...]]  # tensors, `size` where it is given, and `out`
    sizes: Mapping[str, Node]  # size names that are computed, not bound by a shape
    outer: tuple[Loop, ...]
    inner: tuple[Loop, ...]
    fold: str  # "", sum, prod, max, min, argmax, argmin
    target: tuple[Node, ...]
    term: Node  # of a select: what argmax looks at
    picked: Node | None  # of a select: the value at the place found
    finish: Node  # reads `acc`
    start: str  # tensor whose elements are kept or added to
    replace: bool
    reads: tuple[Read, ...]  # in term, picked and finish
    let: Mapping[str, Node] = field(default_factory=dict)

    @property
    def loops(self) -> tuple[Loop, ...]:
        """All loops, outermost first."""
        return self.outer + self.inner

    @property
    def scatter(self) -> bool:
        """The target is computed: elements may be written more than once, or never."""
        names = [i.id if isinstance(i, Name) else "" for i in self.target]
        return bool(self.start) or sorted(names) != sorted(v.var for v in self.outer)

    @property
    def partial(self) -> bool:
        """Do the loops leave elements of the result unwritten?"""
        axes = self.dims[OUT]
        extents = {v.var: v.extent for v in self.outer}
        return self.scatter or any(
            a.at_least or extents.get(i.id, a.size) != a.size
            for a, i in zip(axes, self.target, strict=True) if isinstance(i, Name)
        )  # fmt: skip

    @property
    def cotangent(self) -> str:
        """The name of the output's cotangent in gradients."""
        outputs = self.op.schema.outputs
        return "g" if len(outputs) == 1 else f"g_{outputs[0]}"

    @property
    def indices(self) -> bool:
        """A second output holds the flat position of the element selected."""
        return len(self.op.schema.outputs) > 1

    def read(self, name: str) -> Read | None:
        """The read that ``name`` stands for."""
        return next((r for r in self.reads if r.name == name), None)

    def integral(self, tensor: str) -> bool:
        """Does the tensor hold positions?"""
        return self.op.dtype.classes.get(tensor) == "integral"


def differentiable(op: OpDef) -> tuple[str, ...]:
    """Tensors of an index op that can have a gradient."""
    return tuple(p.name for p in op.schema.tensors if p.name not in op.dtype.classes)


def is_adjoint(op: OpDef) -> bool:
    """Was the op derived here? Its operands are floats then."""
    return bool(op.schema.params) and op.schema.params[0].name == GRAD


# Reading an entry --------------------------------------------------------------------------------


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
        sizes: dict[str, Node] = {}
        taken = self.params | set(self.let) | {a.name for v in axes.values() for a in v}
        out = list(axes[OUT])
        for d, (axis, i) in enumerate(zip(out, target.index, strict=True)):
            if axis.name and (axis.name not in self.let):
                continue
            name = i.id.upper() if isinstance(i, Name) else f"S{d}"
            while name in taken:
                name += "_"
            taken.add(name)
            sizes[name] = axis.size
            out[d] = replace(axis, size=Name(name))
        axes[OUT] = tuple(out)
        return axes, sizes

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


# Affine subscripts -------------------------------------------------------------------------------


def affine(node: Node, variables: frozenset[str]) -> tuple[dict[str, Node], Node] | None:
    """``({i: sh, p: dh}, -ph)`` for ``i*sh - ph + p*dh``; None where it is not affine."""
    used = set(fm.names(node)) & variables
    if not used:
        return {}, node
    match node:
        case Name(id=v):
            return {v: ONE}, ZERO
        case Binary(op="+" | "-" as op, left=a, right=b):
            left, right = affine(a, variables), affine(b, variables)
            if left is None or right is None:
                return None
            sign: Node = ONE if op == "+" else Num(-1)
            terms = dict(left[0])
            for v, c in right[0].items():
                terms[v] = add(terms.get(v, ZERO), mul(sign, c))
            return terms, add(left[1], mul(sign, right[1]))
        case Binary(op="*", left=a, right=b):
            if set(fm.names(b)) & variables:
                a, b = b, a
            parts = affine(a, variables)
            if parts is None or set(fm.names(b)) & variables:
                return None
            return {v: mul(c, b) for v, c in parts[0].items()}, mul(parts[1], b)
    return None


# Adjoints ----------------------------------------------------------------------------------------


def adjoint_ops(op: OpDef) -> tuple[OpDef, ...]:
    """The hidden ops that close the derivatives of an index op, their own gradients included."""
    return tuple(_family(op).hidden.values())


def gradient_programs(op: OpDef) -> dict[str, str]:
    """Per tensor, its cotangent as a program of registry ops over ``g`` and the op's arguments."""
    return {p: fm.unparse(node) for p, node in _family(op).gradients.items()}


def with_gradients(op: OpDef) -> OpDef:
    """The op with every derived gradient written out; declared ones stay."""
    place = op.place
    derived = {p: Formula(fm.unparse(n), n, place) for p, n in _family(op).gradients.items()}
    return replace(op, grad={**derived, **op.grad})


@dataclass
class _Family:
    """An op, its hidden relatives, and its own gradients."""

    hidden: dict[str, OpDef] = field(default_factory=dict)
    gradients: dict[str, Node] = field(default_factory=dict)


@dataclass(frozen=True)
class _Adjoint:
    """The adjoint of one read: which op it is, of which read it is the cotangent."""

    op: OpDef
    read: Read | None


def _family(op: OpDef, depth: int = DEPTH) -> _Family:
    """Derive the adjoint of every differentiable read, then the gradients of the adjoints."""
    family = _Family()
    if "backward" in op.unsupported:
        return family
    program = analyse(op)
    adjoints: list[_Adjoint] = []
    for tensor in differentiable(op):
        if tensor in op.grad or tensor in op.transpose:
            continue
        with at(op.place):
            total = _tensor_adjoints(program, tensor, adjoints)
        if not is_num(total, 0):
            family.gradients[tensor] = total
    for a in adjoints:
        grads = _adjoint_gradients(program, adjoints, a, family, depth)
        place = op.place
        formulas = {k: Formula(fm.unparse(n), n, place) for k, n in grads.items()}
        family.hidden[a.op.name] = replace(a.op, grad={**formulas})
    return family


def _inherited(op: OpDef, tensor: str) -> str:
    """What an adjoint of ``op`` calls its tensor: an adjoint's own cotangent gets a number."""
    if tensor != GRAD:
        return tensor
    taken = {p.name for p in op.schema.params}
    return next(f"{GRAD}_{k}" for k in range(1, len(taken) + 2) if f"{GRAD}_{k}" not in taken)


def _tensor_adjoints(program: Program, tensor: str, adjoints: list[_Adjoint]) -> Node:
    """The cotangent of one tensor; new adjoint ops go to ``adjoints``."""
    total: Node = ZERO
    given: dict[str, Node] = {_inherited(program.op, GRAD): Name(GRAD)}
    if tensor == program.start:
        if not program.replace:
            total = Name(program.cotangent)
        else:
            adjoints.append(_Adjoint(adjoint_start(program), None))
            g = Name(program.cotangent)
            total = _call(adjoints[-1].op, g, given, Attr(Name(tensor), "shape"))
    reads = [r for r in program.reads if r.tensor == tensor]
    for k, read in enumerate(reads):
        partial = _partial(program, read)
        if is_num(partial, 0):
            continue
        suffix = f"{tensor}_{k}" if len(reads) > 1 else tensor
        found = adjoint(program, read, partial, suffix)
        adjoints.append(_Adjoint(found, read))
        shape = Attr(Name(tensor), "shape")
        total = add(total, _call(found, Name(program.cotangent), given, shape))
    return total


def _partial(program: Program, read: Read) -> Node:
    """d out / d read, times the read of the cotangent: the term that the adjoint sums."""
    g = Item(Name(GRAD), program.target)
    stop = program.op.stop.get(read.tensor)
    if program.picked is not None or program.fold in ARG_FOLDS:
        if program.finish != Name(ACC):
            raise FormulaError(f"declare the gradient: the {program.fold} is not the whole value")
        value = program.picked if program.picked is not None else program.term
        partial = gradient(_plain(value, read), [read.name], g)[read.name]
    elif program.fold in ("", "sum"):
        finish = _plain(program.finish, read)
        through = gradient(finish, [ACC, read.name], g)
        if ACC in fm.names(through[ACC]):
            raise FormulaError("declare the gradient: it reads the sum itself")
        partial = gradient(_plain(program.term, read), [read.name], through[ACC])[read.name]
        partial = add(partial, through[read.name])
        if not is_num(through[read.name], 0) and read.name in fm.names(program.term):
            raise FormulaError(f"declare the gradient of '{read.tensor}': it is read twice")
    else:
        raise FormulaError(f"declare the gradient: {program.fold}() of loops has no derived one")
    if stop is not None and not is_num(partial, 0):
        partial = Call("where", (stop.node, ZERO, partial))
    return simplify(partial)


def _plain(node: Node, read: Read) -> Node:
    """Conditional expressions as ``where``; the tensor we differentiate by is not None."""

    def step(n: Node) -> Node:
        match n:
            case Compare(op="is", left=Name(id=t), right=Nil()) if t == read.tensor:
                return Num(False)
            case Compare(op="is not", left=Name(id=t), right=Nil()) if t == read.tensor:
                return Num(True)
            case IfExp(test=c, then=a, other=b):
                return Call("where", (c, a, b))
        return n

    return fm.transform(node, step)


def adjoint(program: Program, read: Read, partial: Node, suffix: str) -> OpDef:
    """The hidden op that sums ``partial`` over the loops into ``read``'s place."""
    items: dict[str, Node] = {
        r.name: Item(Name(_inherited(program.op, r.tensor)), r.index) for r in program.reads
    }
    term = fm.substitute(partial, items)
    in_finish = read.name in fm.names(program.finish)
    loops = program.outer if in_finish else program.loops
    value: Node
    if program.picked is not None or program.fold in ARG_FOLDS:
        kind = ARG_FOLDS.get(program.fold, program.fold)
        found = fm.substitute(program.term, items)
        value = Call(
            "pick", (term, Fold(kind, found, tuple((v.var, v.extent) for v in program.inner)))
        )
    else:
        bare = [i.id if isinstance(i, Name) else "" for i in read.index]
        gather = len(set(bare)) == len(bare) and set(bare) <= {v.var for v in loops}
        summed = [v for v in loops if not gather or v.var not in bare]
        folded = tuple((v.var, v.extent) for v in summed)
        value = Fold("sum", term, folded) if folded else term
    axes = program.dims[read.tensor]
    return _hidden(program, suffix, Item(Name(OUT), read.index), value, axes, start=False)


def adjoint_start(program: Program) -> OpDef:
    """Of ``input[..] = src[..]``: the cotangent of input, g with the written elements zeroed."""
    target = Item(Name(GRAD), program.target)
    return _hidden(program, program.start, target, ZERO, program.dims[OUT], start=True)


def _hidden(
    program: Program, suffix: str, target: Item, value: Node, axes: tuple[Axis, ...], start: bool
) -> OpDef:
    op = program.op
    renamed = {_inherited(op, p.name): p for p in op.schema.tensors}
    known = set(renamed)
    used = {n.id for t in (target, value) for n in fm.walk(t) if isinstance(n, Name)} & known
    used |= _for_sizes(program, used, axes, (target, value)) & known
    tensors = [replace(p, name=name) for name, p in renamed.items() if name in used]
    others = [p for p in op.schema.params if not p.type.base == "Tensor" and p.name != SIZE]
    params = (
        Param(GRAD, Type("Tensor")),
        *(Param(p.name, replace(p.type, optional=False)) for p in tensors),
        Param(SIZE, Type("int", True)),
        *(Param(p.name, p.type) for p in others),
    )
    out_axes = tuple(a.text for a in program.dims[OUT])
    size_axes = tuple(a.text for a in axes)
    dims = {GRAD: out_axes}
    for p in tensors:
        dims[p.name] = tuple(a.text for a in program.dims[renamed[p.name].name])
    dims |= {SIZE: size_axes, OUT: size_axes}
    outside = {_inherited(op, k): f for k, f in op.outside.items() if _inherited(op, k) in used}
    if any(_affine_place(i) for i in program.target):  # what was not written has no cotangent
        outside[GRAD] = Formula("0", ZERO, op.place)
    formula = f"{fm.unparse(target)} = {fm.unparse(value)}"
    name = f"{op.name}_adjoint_{suffix}"
    args = (GRAD, *(p.name for p in tensors if p.name not in op.dtype.classes))
    positions = {p.name for p in tensors if p.name in op.dtype.classes}
    checks = tuple(
        (f, e)
        for f, e in op.check
        if set(fm.names(f.node)) & positions
        and not any(isinstance(n, Attr) for n in fm.walk(f.node))
    )
    return replace(
        op,
        schema=Schema(name, params, ("",)),
        meaning=Index(target, value, Formula(formula, value, op.place)),
        fast=None, grad={}, kinks=(), linear=((GRAD,),), transpose={},
        dtype=DTypeRule("same", args, {k: v for k, v in op.dtype.classes.items() if k in used}),
        dims=dims,
        outside=outside,
        check=checks, stop={}, variants=("hidden",), alias=(), schedule="", autocast="",
        doc={"short": f"Adjoint of {op.name} with respect to {suffix}."}, samples=(),
        text=f"{op.text}\n# {name}",
    )  # fmt: skip


def _for_sizes(
    program: Program, used: set[str], axes: tuple[Axis, ...], formulas: tuple[Node, ...]
) -> set[str]:
    """Tensors that are needed for a size alone."""
    op = program.op
    bound = {a.name for t, v in program.dims.items() if _inherited(op, t) in used for a in v}
    bound |= {a.name for a in axes}
    bound |= {a.name for a in program.dims[OUT]}
    todo = [n for f in formulas for n in fm.names(f)]
    wanted: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in wanted:
            wanted.add(name)
            todo += fm.names(program.let[name]) if name in program.let else []
    found: set[str] = set()
    for tensor, sizes in program.dims.items():
        missing = {a.name for a in sizes if a.name} & wanted - bound
        if tensor not in (OUT, SIZE) and missing:
            found.add(_inherited(op, tensor))
            bound |= {a.name for a in sizes}
    return found


def _affine_place(i: Node) -> bool:
    """A subscript computed from loop variables alone: it may lie beyond the edge."""
    return not isinstance(i, Name) and not any(isinstance(n, Item) for n in fm.walk(i))


def _adjoint_gradients(
    program: Program, adjoints: list[_Adjoint], a: _Adjoint, family: _Family, depth: int
) -> dict[str, Node]:
    """Gradients of an adjoint op: the op itself and its other adjoints where they fit."""
    if a.read is None:  # zeroing written elements is its own transpose
        return {GRAD: _call(a.op, Name("g"), {}, Attr(Name(GRAD), "shape"))}
    if not _multilinear(program, a.read):
        return _general_gradients(a.op, family, depth)
    op = program.op
    tensors = [p.name for p in a.op.schema.tensors]
    swap: dict[str, Node] = {_inherited(op, a.read.tensor): Name("g")}
    grads: dict[str, Node] = {}
    for b in adjoints:
        name = _inherited(op, b.read.tensor) if b.read is not None and b is not a else ""
        if name in tensors:
            grads[name] = _call(b.op, Name(GRAD), swap, Attr(Name(name), "shape"))
    if _only_term(program, a.read):
        grads[GRAD] = _forward(program, swap)
    else:
        grads[GRAD] = _transposed(a.op, family)
    return {k: grads[k] for k in tensors if k in grads}


def _multilinear(program: Program, read: Read) -> bool:
    """Is the term a product in which every differentiable read occurs once?"""
    if program.picked is not None or program.fold in ARG_FOLDS:
        return True  # linear in what is selected; the selection itself has no derivative
    floats = [r for r in program.reads if not program.integral(r.tensor)]
    if len({r.tensor for r in floats}) != len(floats):
        return False
    if read.name in fm.names(program.finish):
        return True
    for r in floats:
        if r.name not in fm.names(program.term):
            continue
        part = gradient(_plain(program.term, r), [r.name])[r.name]
        at_zero = simplify(fm.substitute(_plain(program.term, r), {r.name: ZERO}))
        if r.name in fm.names(part) or not is_num(at_zero, 0):
            return False
    return True


def _only_term(program: Program, read: Read) -> bool:
    """Is the op itself, without its optional tensors, linear in the read?"""
    if program.start or program.picked is not None or program.fold in ARG_FOLDS or program.scatter:
        return program.fold == "sum" and not program.start and program.finish == Name(ACC)
    if read.tensor in program.op.stop or read.name in fm.names(program.finish):
        return False
    optional = {p.name for p in program.op.schema.tensors if p.type.optional}
    extra = [n for n in fm.names(program.finish) if program.read(n) is not None]
    return all(n.partition("#")[0] in optional for n in extra)


def _transposed(a: OpDef, family: _Family) -> Node:
    """The gradient of a linear op by its own adjoint, which in turn has the op as its gradient."""
    program = analyse(a)
    read = next(r for r in program.reads if r.tensor == GRAD)
    b = adjoint(program, read, _partial(program, read), GRAD)
    back = _call(a, Name("g"), {}, Attr(Name(GRAD), "shape"))
    grad = {GRAD: Formula(fm.unparse(back), back, a.place)}
    family.hidden[b.name] = replace(b, grad=grad)
    return _call(b, Name("g"), {}, Attr(Name(GRAD), "shape"))


def _general_gradients(a: OpDef, family: _Family, depth: int) -> dict[str, Node]:
    """Gradients of an adjoint that is not linear in its reads: derived in turn, to a depth."""
    if depth == 0:
        return {}
    inner = _family(a, depth - 1)
    family.hidden |= inner.hidden
    return inner.gradients


def _call(op: OpDef, g: Node, swap: Mapping[str, Node], size: Node) -> Call:
    """A call of an adjoint op with the arguments in scope, ``swap`` replacing tensors."""
    args: list[Node] = []
    for p in op.schema.params:
        if p.name == GRAD:
            args.append(g)
        elif p.name == SIZE:
            args.append(size)
        else:
            args.append(swap.get(p.name, Name(p.name)))
    return Call(op.name, tuple(args))


def _forward(program: Program, swap: Mapping[str, Node]) -> Call:
    """A call of the op itself, without its optional tensors."""
    args: list[Node] = []
    kwargs: list[tuple[str, Node]] = []
    for p in program.op.schema.params:
        value: Node = Name(p.name) if p.name != SIZE else Attr(Name(GRAD), "shape")
        if p.type.is_tensor:
            name = _inherited(program.op, p.name)
            value = Nil() if p.type.optional else swap.get(name, Name(name))
        if p.kwonly:
            kwargs.append((p.name, value))
        else:
            args.append(value)
    return Call(program.op.name, tuple(args), tuple(kwargs))


__all__ = [
    "Axis", "Loop", "Program", "Read", "RegistryError", "adjoint", "adjoint_ops", "affine",
    "analyse", "differentiable", "gradient_programs", "is_adjoint", "with_gradients",
]  # fmt: skip
