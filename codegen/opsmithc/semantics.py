"""In: the entries of a registry that read well. Out: what their formulas say that cannot be.

Must not know: YAML, derivation or targets. Names are in scope, functions exist and take their
arguments, truth values are no numbers, subscripts fit ``dims``, bodies have no cycle, gradients
are linear in the cotangents.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import formula as fm
from .errors import Collector, FormulaError, Place, RegistryError, did_you_mean, listing
from .intrinsics import table
from .kinds import ROWS, STATIC, Degree, Kind, Kinds, Linearity
from .opdef import (
    Accumulate,
    Body,
    Chain,
    Compose,
    Fast,
    Formula,
    Index,
    OpDef,
    Out,
    Reduce,
    Reference,
    Scan,
    View,
)
from .packages import absent
from .uses import Use, argument_kinds, uses

LONG = ("int_to_long", "bool_to_long", "always_long")  # rules that make integers
ATTRIBUTES = ("ndim", "shape", "dtype", "device", "mT", "T")


@dataclass(frozen=True)
class Context:
    """Where entries are checked: what is known there, and where mistakes go.

    ``own`` and ``base`` are the ops of this registry and of others, by name and alias; ``broken``
    are names whose entry did not read.
    """

    own: Mapping[str, OpDef]
    base: Mapping[str, OpDef]
    broken: frozenset[str]
    errors: Collector


def check(ops: Sequence[OpDef], context: Context) -> None:
    """Report every mistake in ``ops`` to the context's collector."""
    for op in ops:
        check_entry(op, context)
    check_cycles(ops, context)


def check_entry(op: OpDef, context: Context) -> None:
    """Report what one entry's formulas say that cannot be; reads heads of other ops alone."""
    _Checker(context).entry(op)


def check_cycles(ops: Sequence[OpDef], context: Context) -> None:
    """Report bodies that end up calling themselves."""
    _Checker(context).cycles(ops)


class _Checker:
    def __init__(self, context: Context) -> None:
        self.context = context
        self.ops = Chain(context.own, context.base)

    def is_attribute(self, name: str) -> bool:
        op = self.ops.get(name)
        return name in ATTRIBUTES or (op is not None and "property" in op.variants)

    def error(self, place: Place, message: str) -> None:
        self.context.errors.errors.append(RegistryError(place, message))

    # Entries -------------------------------------------------------------------------------------

    def entry(self, op: OpDef) -> None:
        refused = {use.node for use in uses(op) if not self.use(use)}
        self.draws(op)
        self.integers(op)
        if op.fast and op.fast.kind == "library":
            self.library(op.fast)
        for param, f in (*op.grad.items(), *op.transpose.items()):
            if f.node not in refused:
                self.linear(op, param, f)
        self.words(op)
        if isinstance(op.meaning, Index):
            self.sizes(op)
            self.ranks(op, op.meaning)
            self.loops(op, op.meaning)
        if isinstance(op.meaning, Reduce | Scan):
            self.states(op, op.meaning.acc)
        if op.fast and op.fast.acc:
            self.states(op, op.fast.acc)

    def draws(self, op: OpDef) -> None:
        """Random numbers are drawn where the entry says so, by formulas of elements alone."""
        for use in uses(op):
            for node in fm.walk(use.node):
                row = table().get(node.fn) if isinstance(node, fm.Call) else None
                if row is None or not row.random or (use.programs and self.ops.get(row.name)):
                    continue
                if not use.what.startswith("out"):
                    self._at(use, node, f"draws {row.name}(); expected that in 'out' alone")
                elif not op.random:
                    self._at(use, node, f"draws {row.name}(); expected 'random: true' in the entry")

    def integers(self, op: OpDef) -> None:
        """A rule that makes integers of integers has formulas that integers have."""
        if op.dtype.kind not in LONG or not isinstance(op.meaning, Out):
            return
        for use in uses(op):
            for node in fm.walk(use.node) if use.what in ("out", "out 'int'") else ():
                row = table().get(node.fn) if isinstance(node, fm.Call) else None
                if row is not None and "int" not in row.classes:
                    message = f"calls {row.name}(), which integers do not have, though dtype is "
                    hint = "expected e.g. dtype: int_to_float"
                    self._at(use, node, f"{message}{op.dtype.kind}; {hint}")

    def library(self, fast: Fast) -> None:
        """The function is there."""
        module, _, name = fast.target.rpartition(".")
        if not module:
            self.error(fast.place, f"fast library: expected 'package.function', found '{name}'")
        elif reason := absent(module, name):
            self.error(fast.place, f"fast library: {reason}")

    def words(self, op: OpDef) -> None:
        """No parameter has the name of something that formulas speak of."""
        folds = isinstance(op.meaning, Reduce | Scan) or (op.fast is not None and op.fast.acc)
        for p in op.schema.params:
            said = {"n": "the number of elements", "i": "the position of an element"}.get(p.name)
            if not said and re.fullmatch(r"[ab]\d+", p.name):
                said = "a state"
            elsewhere = isinstance(op.meaning, Compose | Reference)
            if said and (folds or (p.name == "n" and not elsewhere)):
                self.error(op.place, f"parameter '{p.name}': in formulas '{p.name}' is {said}; "
                           f"call it e.g. '{p.name}_'")  # fmt: skip

    def use(self, use: Use) -> bool:
        """Names, functions and arguments; kinds only where those are right."""
        before = len(self.context.errors.errors)
        bound: set[str] = set()
        for node in fm.walk(use.node):
            if isinstance(node, fm.Fold):
                bound |= {v for v, _ in node.loops}
        told: set[str] = set()
        for node in fm.walk(use.node):
            match node:
                case fm.Name(id=name) if name not in {*use.scope, *bound, *told}:
                    told.add(name)
                    scope = tuple(dict.fromkeys((*use.scope, *bound)))
                    self._at(use, node, f"reads '{name}'; in scope are {listing(scope)}"
                             f"{did_you_mean(name, scope)}")  # fmt: skip
                case fm.Attr(name=name) if not self.is_attribute(name):
                    properties = [n for n, op in self.ops.items() if "property" in op.variants]
                    hint = did_you_mean(name, (*ATTRIBUTES, *properties))
                    known = listing((*ATTRIBUTES, *properties))
                    self._at(use, node, f"reads '.{name}'; attributes are {known}{hint}")
                case fm.Call():
                    self.call(use, node)
        if len(self.context.errors.errors) > before:
            return False
        try:
            kind = Kinds(use.kinds, self.yields).of(use.node)
        except FormulaError as e:
            self.error(use.place.shifted(e.offset), f"{use.what}: {e.message}")
            return False
        if use.wants and kind and kind != use.wants:
            found = "truth value" if kind == "bool" else "number"
            wanted = "a truth value" if use.wants == "bool" else "a number"
            text = fm.unparse(use.node)
            self.error(use.place, f"{use.what}: expected {wanted}, found the {found} '{text}'")
            return False
        return True

    def _at(self, use: Use, node: fm.Node, message: str) -> None:
        self.error(use.place.shifted(node.col), f"{use.what} {message}")

    def yields(self, fn: str) -> Kind:
        """The kind of a registry op's result, where that is known."""
        op = self.ops.get(fn)
        return "bool" if op is not None and op.dtype.kind == "always_bool" else None

    # Calls ---------------------------------------------------------------------------------------

    def call(self, use: Use, node: fm.Call) -> None:
        fn, n = node.fn, len(node.args)
        row, op = table().get(fn), self.ops.get(fn)
        if fn == "where" or row is not None or (fn in STATIC and op is None):
            takes = 3 if fn == "where" else STATIC.get(fn, 0) if row is None else len(row.args)
            if n == takes and not node.kwargs:
                return
            if not (use.programs and op is not None):
                found = f"{n} and names" if node.kwargs else str(n)
                message = f"{use.what}: {fn}() takes {takes} argument(s), found {found}"
                self.error(use.place.shifted(node.col), message)
                return
        if fn in use.extra or fn in self.context.broken:
            return
        if use.programs and op is not None:
            self.bind(use, node, op)
        elif use.programs and fn in ROWS:
            self.row(use, node)
        elif op is not None or fn in ROWS:
            message = f"calls the op '{fn}'; only functions of intrinsics.yaml may be called here"
            self._at(use, node, message)
        else:
            known = (*table(), "where", *STATIC, *((*ROWS, *self.ops) if use.programs else ()))
            self._at(use, node, f"calls unknown function '{fn}'{did_you_mean(fn, known)}")

    def bind(self, use: Use, node: fm.Call, op: OpDef) -> None:
        """Do the arguments fit the schema?"""
        params = op.schema.params
        positional = [p for p in params if not p.kwonly]
        if len(node.args) > len(positional) and "varargs" not in op.variants:
            self._at(use, node, f"calls {node.fn}() with {len(node.args)} arguments; "
                     f"it is {op.schema}")  # fmt: skip
            return
        given = {p.name for p in positional[: len(node.args)]}
        for key, _ in node.kwargs:
            if key not in {p.name for p in params}:
                hint = did_you_mean(key, [p.name for p in params])
                self._at(use, node, f"calls {node.fn}() with unknown argument '{key}'; "
                         f"it is {op.schema}{hint}")  # fmt: skip
                return
            if key in given:
                self._at(use, node, f"calls {node.fn}() with '{key}' twice; it is {op.schema}")
                return
            given.add(key)
        missing = [p.name for p in params if p.default is None and p.name not in given]
        if missing:
            self._at(use, node, f"calls {node.fn}() without '{missing[0]}'; it is {op.schema}")

    def row(self, use: Use, node: fm.Call) -> None:
        """A reduction over a row where the registry has no op of that name."""
        unknown = [k for k, _ in node.kwargs if k not in ("dim", "keepdim")]
        if not 1 <= len(node.args) <= 3 or unknown:
            self._at(use, node, f"calls {node.fn}() with {len(node.args) + len(node.kwargs)} "
                     f"arguments; it takes (input, dim, keepdim)")  # fmt: skip

    # Gradients, monoids, subscripts, cycles ------------------------------------------------------

    def linear(self, op: OpDef, param: str, f: Formula) -> None:
        key = "gradient" if op.grad.get(param) is f else "transpose"
        what = f"{key} of '{param}'"
        names = frozenset({"g", *(f"g_{o}" for o in op.schema.outputs)})
        reads = frozenset(names & set(fm.names(f.node)))
        try:
            degree = Linearity(reads or frozenset({"g"}), self.is_linear).of(f.node)
        except FormulaError as e:
            self.error(f.place.shifted(e.offset), f"{what} is not linear in g: {e.message}")
            return
        if degree is Degree.FREE:
            self.error(f.place, f"{what} is not linear in g: '{f.text}' does not read g")

    def is_linear(self, fn: str) -> bool:
        """Is the registry op linear in some argument?"""
        op = self.ops.get(fn)
        return op is not None and (bool(op.linear) or isinstance(op.meaning, View))

    def states(self, op: OpDef, acc: Accumulate) -> None:
        """A state's map, identity and combine agree on being numbers or truth values."""
        kinds = argument_kinds(op)
        quiet = Kinds({**kinds, "n": "number", "i": "number"}, self.yields)
        for k, (m, identity) in enumerate(zip(acc.map, acc.identity, strict=True)):
            try:
                want, got = quiet.of(m.node), quiet.of(identity.node)
            except FormulaError:
                return  # reported where the formula stands
            if want and got and want != got:
                said = "truth value" if want == "bool" else "number"
                self.error(identity.place, f"identity '{identity.text}' of state {k} is no {said} "
                           f"as its map '{m.text}' is")  # fmt: skip

    def ranks(self, op: OpDef, index: Index) -> None:
        """Every tensor is subscripted as often as it has dimensions."""
        rank = {name: len(axes) for name, axes in op.dims.items()}
        first: dict[str, fm.Item] = {}
        tensors = {p.name for p in op.schema.tensors} | set(op.schema.outputs)
        for root in (index.target, index.value):
            for node in fm.walk(root):
                if not (isinstance(node, fm.Item) and isinstance(node.base, fm.Name)):
                    continue
                name = node.base.id
                if name not in tensors:
                    continue
                n, place = len(node.index), index.formula.place.shifted(node.col)
                if name in rank and n != rank[name]:
                    axes = listing(op.dims[name])
                    self.error(place, f"index: '{fm.unparse(node)}' has {n} subscript(s), "
                               f"but dims of '{name}' are [{axes}]")  # fmt: skip
                elif name not in rank and name in first and n != len(first[name].index):
                    other = fm.unparse(first[name])
                    self.error(place, f"index: '{fm.unparse(node)}' has {n} subscript(s), "
                               f"but '{other}' has {len(first[name].index)}")  # fmt: skip
                first.setdefault(name, node)

    def loops(self, op: OpDef, index: Index) -> None:
        """No loop has the name of a parameter."""
        params = {p.name for p in op.schema.params}
        folds = [n for n in fm.walk(index.value) if isinstance(n, fm.Fold)]
        found: list[tuple[str, fm.Node]] = [(v, n) for n in folds for v, _ in n.loops]
        found += [(n.id, n) for n in index.target.index if isinstance(n, fm.Name)]
        for name, node in found:
            if name in params:
                self.error(index.formula.place.shifted(node.col),
                           f"index: the loop '{name}' has the name of a parameter")  # fmt: skip

    def sizes(self, op: OpDef) -> None:
        """The sizes of outputs are formulas of the inputs' and of arguments."""
        outputs = op.schema.outputs
        given = [text for name, axes in op.dims.items() if name not in outputs for text in axes]
        params = tuple(p.name for p in op.schema.params)
        known = (*dict.fromkeys(n for t in given for n in fm.names(fm.parse(t))), *params, *op.let)
        for output in outputs:
            for text in op.dims.get(output, ()):
                for name in fm.names(fm.parse(text)):
                    if name not in known and name.lower() not in known:
                        hint = did_you_mean(name, known)
                        scope = listing(known)
                        message = f"dims of '{output}' reads '{name}'; in scope are {scope}{hint}"
                        self.error(op.place, message)

    def cycles(self, ops: Sequence[OpDef]) -> None:
        done: set[str] = set()
        for op in ops:
            path = self._cycle(op.name, [], done)
            if path:
                self.error(op.place, f"bodies form a cycle: {' -> '.join(path)}")

    def _calls(self, name: str) -> list[str]:
        op = self.context.own.get(name)  # bodies of other registries do not call ours
        if op is None or not isinstance(op.meaning, Body):
            return []
        blocks = [block for _, block, _ in op.meaning.cases]
        nodes = [n for b in blocks for n in (*(value for _, value in b.lets), b.result)]
        names = [fn for n in nodes for fn in fm.calls(n) if fn not in table()]
        return [self.ops[fn].name for fn in names if fn in self.ops]

    def _cycle(self, name: str, path: list[str], done: set[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for callee in self._calls(name):
            found = self._cycle(callee, [*path, name], done)
            if found:
                done.update(found)
                return found
        done.add(name)
        return []
