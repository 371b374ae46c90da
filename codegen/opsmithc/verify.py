"""In: ops with their gradients. Out: every declared or derived fact that contradicts a meaning.

Must not know: targets. The gate: before any C is emitted, gradients, kinks, fast forms and monoids
are compared with the meaning at 60 digits (``checks/``). A passed entry is remembered by the hash
of everything its verdict depends on; failures are found again, so their places are always right.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import formula as fm
from .checks.written import missing
from .derive.op import Derived
from .errors import FormulaError, Place, RegistryError
from .intrinsics import Intrinsic, table
from .opdef import (
    Accumulate,
    Body,
    Compose,
    Formula,
    Index,
    OpDef,
    Out,
    Reduce,
    Reference,
    Scan,
    View,
    by_name,
)  # fmt: skip
from .paths import PACKAGE
from .seen import core, key
from .store import compiler

if TYPE_CHECKING:
    from .checks.interpret import Interpreter

_TABLE = "intrinsics.yaml"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate found about one entry (or intrinsic, whose ``op`` is ``name()``)."""

    op: str
    digest: str
    compared: int  # comparisons made
    deferred: tuple[str, ...]  # gradients that are programs on whole tensors: tests check them
    errors: tuple[RegistryError, ...] = ()
    cached: bool = False


def verify(
    derived_ops: Iterable[Derived], cache_dir: Path | None, base: Iterable[OpDef] = (),
    known: Mapping[str, OpDef] | None = None,
) -> list[RegistryError]:  # fmt: skip
    """Every mistake of the registry, ordered by place.

    Args:
        derived_ops: the ops to check.
        cache_dir: the folder of ``verdicts.json``; None checks everything.
        base: ops of other registries that bodies may call.
        known: what every name means; by default the ops to check and those of ``base``.
    """
    found = [e for v in verdicts(derived_ops, cache_dir, base, known) for e in v.errors]
    return sorted(found, key=lambda e: (e.place.file, e.place.line, e.place.col))


def verdicts(
    derived_ops: Iterable[Derived], cache_dir: Path | None, base: Iterable[OpDef] = (),
    known: Mapping[str, OpDef] | None = None,
) -> list[Verdict]:  # fmt: skip
    """One verdict an intrinsic in use, then one an entry, in registry order."""
    listed = list(derived_ops)
    if known is None:
        known = by_name((*(d.op for d in listed), *base))
    store = _Store(cache_dir)
    used: dict[str, None] = {}
    digests = []
    keys: dict[str, str] = {}  # of what a verdict may depend on in other ops
    for d in listed:
        called, functions = depends(d.op, known)
        used |= dict.fromkeys(functions)
        for op in called:
            keys[op.name] = keys.get(op.name) or key(core(op))
        texts = (d.op.text, *(keys[op.name] for op in called), _rows(tuple(functions)))
        digests.append(_hash(d.op.place.file, *texts))
    found = [
        store.get(f"{name}()", _hash(_rows((name,))), partial(_intrinsic, name))
        for name in sorted(used)
    ]
    check = _Gate(known)
    for d, digest in zip(listed, digests, strict=True):
        name = f"{d.op.place.file}:{d.op.name}"
        verdict = store.get(name, digest, partial(check.entry, d))
        unwritten = missing(d.op)  # not remembered: files of functions come and go
        if unwritten is not None:
            verdict = replace(verdict, errors=(*verdict.errors, unwritten))
        found.append(verdict)
    store.save()
    return found


class _Gate:
    """Checks entries; mpmath is loaded only if something must be checked."""

    def __init__(self, known: Mapping[str, OpDef]) -> None:
        self.known = known
        self.interpreter: Interpreter | None = None

    def entry(self, d: Derived, digest: str) -> Verdict:
        """Check one entry."""
        verdict = self._gradients(d, digest)
        if not d.op.linear or (d.op.hidden and not d.op.samples):
            return verdict  # adjoints that the compiler makes have no samples
        from .checks import linear

        compared, errors = linear.check(d.op, self.known)
        compared += verdict.compared
        return replace(verdict, compared=compared, errors=(*verdict.errors, *errors))

    def _gradients(self, d: Derived, digest: str) -> Verdict:
        from .checks.interpret import Interpreter
        from .checks.pointwise import Pointwise
        from .checks.rows import Rows

        op = d.op
        lists = any(p.type.base == "Tensor" and p.type.is_list for p in op.schema.params)
        whole = isinstance(op.meaning, Reference | Index | View | Compose)
        if isinstance(op.meaning, Body | Compose) and not d.gradients and op.fast is None:
            return Verdict(op.name, digest, 0, ())  # nothing is claimed
        if lists or whole:
            return self._program(d, digest)
        if self.interpreter is None:
            self.interpreter = Interpreter(self.known)
        run: Pointwise | Rows = Pointwise(d, self.interpreter)
        try:
            if not run.run():
                run = Rows(d, self.interpreter)
                run.run()
        except (ArithmeticError, LookupError, TypeError, ValueError, FormulaError) as e:
            if isinstance(op.meaning, Body):  # more than a row
                return self._program(d, digest)
            message = f"its formulas cannot be evaluated: {type(e).__name__}: {e}"
            run.failed[""] = RegistryError(op.place, message)
        if not (run.failed or run.deferred or run.compared) and d.gradients:
            run.failed[""] = RegistryError(
                op.place, "found no point of its samples where the meaning is finite, so nothing "
                "of it was compared; expected samples within the domain ('range' or 'values')",
            )  # fmt: skip
        if run.deferred and not run.failed and not isinstance(op.meaning, Out):
            return self._program(d, digest, run.compared, run.deferred & d.gradients.keys())
        errors = tuple(run.failed.values())
        return Verdict(op.name, digest, run.compared, tuple(sorted(run.deferred)), errors)

    def _program(
        self, d: Derived, digest: str, before: int = 0, wanted: Iterable[str] | None = None
    ) -> Verdict:
        """Check the gradients, or those that are ``wanted``, of an op of whole tensors."""
        from .checks.programs import Programs

        run = Programs(d, self.known, d.gradients if wanted is None else wanted)
        run.run()
        errors = tuple(run.failed.values())
        compared = before + run.compared
        return Verdict(d.op.name, digest, compared, tuple(sorted(run.deferred)), errors)


def _intrinsic(name: str, digest: str) -> Verdict:
    from .checks.partials import check

    compared, errors = check(table()[name], _line(name))
    return Verdict(f"{name}()", digest, compared, (), tuple(errors))


def check_intrinsics() -> list[RegistryError]:
    """Check the partials of every function, used or not."""
    return [e for name in table() for e in _intrinsic(name, "").errors]


def _line(name: str) -> Place:
    lines = (PACKAGE / _TABLE).read_text(encoding="utf-8").splitlines()
    number = next((k for k, text in enumerate(lines, 1) if text.startswith(f"{name}:")), 1)
    return Place(_TABLE, number, 1)


def verify_program(
    d: Derived,
    param: str,
    args: Mapping[str, Any],
    call: Callable[[str, tuple[Any, ...], dict[str, Any]], Any],
    step: float = 1e-6,
) -> float:
    """Compare a deferred gradient, a program of registry ops, with differences in float64.

    Args:
        d: the op.
        param: the parameter whose gradient is checked.
        args: every argument of the op by name, tensors as float64 arrays.
        call: runs a registry op on arrays: ``call("cumsum", (x,), {"dim": 0})``.
        step: of the central differences.

    Returns:
        The largest difference, relative to the largest derivative (1 where all are smaller).
    """
    from .readings.np import program_error

    return program_error(d, param, args, call, step)


# What a verdict depends on -----------------------------------------------------------------------


def depends(op: OpDef, known: Mapping[str, OpDef]) -> tuple[list[OpDef], list[str]]:
    """The ops that the entry calls, directly or not, and the intrinsics all of them use."""
    ops: dict[str, OpDef] = {op.name: op}
    functions: dict[str, None] = {}
    todo = [op]
    while todo:
        for fn in called(todo.pop()):
            if fn in table():
                functions[fn] = None
            if fn in known and fn not in ops:
                ops[fn] = known[fn]
                todo.append(known[fn])
    return list(ops.values())[1:], list(functions)


def called(op: OpDef) -> list[str]:
    """Functions that the formulas of an entry call, operators and properties included."""
    found: dict[str, None] = {}
    for node in formulas(op):
        for n in fm.walk(node):
            if isinstance(n, fm.Call):
                found[n.fn] = None
            elif isinstance(n, fm.Attr):  # x.mT
                found[n.name] = None
            elif isinstance(n, fm.Binary) and n.op in ("**", "//", "%"):
                found[{"**": "pow", "//": "floor_divide", "%": "remainder"}[n.op]] = None
    return list(found)


def formulas(op: OpDef) -> list[fm.Node]:
    """Every formula of an entry that the gate may evaluate."""
    found: list[Formula] = [*op.grad.values(), *op.transpose.values(), *op.let.values()]
    nodes: list[fm.Node] = []
    for kink in op.kinks:
        found += [kink.condition, *kink.values.values()]
    accs: list[Accumulate] = [op.fast.acc] if op.fast and op.fast.acc else []
    match op.meaning:
        case Out(outputs=outputs):
            found += [f for by_class in outputs.values() for f in by_class.values()]
        case Reduce(acc=acc) | Scan(acc=acc):
            accs.append(acc)
        case Index(target=target, value=value):
            nodes += [target, value]
        case Body(cases=cases):
            for when, block, _ in cases:
                found += [when] if when else []
                nodes += [*(n for _, n in block.lets), block.result]
    for acc in accs:
        found += [*acc.map, *acc.identity, *acc.combine, *acc.finish, *acc.let.values()]
    return [*(f.node for f in found), *nodes]


@cache
def _rows(functions: tuple[str, ...]) -> str:
    """Texts of intrinsics and of those their partials call."""
    seen: dict[str, Intrinsic] = {}
    todo = list(functions)
    while todo:
        name = todo.pop()
        if name in table() and name not in seen:
            seen[name] = table()[name]
            todo += [fn for p in seen[name].partials for fn in fm.calls(p)]
    return "\n".join(seen[name].text for name in sorted(seen))


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join((compiler(), *texts)).encode()).hexdigest()


class _Store:
    """``verdicts.json``: the last pass of every entry."""

    def __init__(self, folder: Path | None) -> None:
        self.path = folder / "verdicts.json" if folder else None
        self.passed: dict[str, list[Any]] = {}
        self.changed = False
        if self.path is not None and self.path.exists():
            try:
                self.passed = json.loads(self.path.read_text(encoding="utf-8"))
            except ValueError:
                self.passed = {}  # half-written by a crash: check again

    def get(self, key: str, digest: str, check: Callable[[str], Verdict]) -> Verdict:
        """The remembered verdict, or a new one."""
        last = self.passed.get(key)
        if last and last[0] == digest:
            return Verdict(key.rpartition(":")[2], digest, last[1], tuple(last[2]), (), cached=True)
        verdict = check(digest)
        if not verdict.errors:
            self.passed[key] = [digest, verdict.compared, list(verdict.deferred)]
            self.changed = True
        return verdict

    def save(self) -> None:
        """Write if anything was learnt; readers never see half a file."""
        if self.path is None or not self.changed:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=self.path.parent, delete=False, suffix=".tmp"
        ) as f:
            json.dump(self.passed, f, indent=0, sort_keys=True)
        os.replace(f.name, self.path)
