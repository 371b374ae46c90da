"""From a registry to libraries and Python functions: one call a stage, in order.

parse     registry text -> OpDef                      (entries; registry, formula, schema)
derive    OpDef -> gradients, hidden adjoint ops       (derive)
verify    the gate: declared against meant             (verify)
lower     OpDef -> Kernel IR -> template contexts      (lower, backends)
emit      contexts -> C, Python, stubs                 (emission; emit, centry, pytext)
compile   C -> shared libraries                        (compile, boundary)

Between builds of one folder, ``store`` keeps what was made of every entry.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import (
    backends,
    boundary,
    compile,
    dtype_text,
    emission,
    emit,
    entries,
    isa,
    paths,
    registry,
)  # fmt: skip
from .derive.op import Derived, derive
from .emission import Layout
from .errors import RegistryError, RegistryErrors
from .lower import families
from .opdef import Chain, OpDef, by_name
from .seen import core
from .store import Record, Store, alone, compiler, digest


@dataclass(frozen=True, slots=True)
class Report:
    """What a build did."""

    ops: int
    shards: int
    steps: int
    seconds: dict[str, float]
    new: tuple[str, ...]  # entries of which everything was made again

    def __str__(self) -> str:
        """One line: how long, how much was new, where the time went."""
        named = f": {', '.join(self.new)}" if 0 < len(self.new) <= 8 else ""
        times = ", ".join(f"{k} {v:.2f} s" for k, v in self.seconds.items())
        return (
            f"{self.ops} ops in {self.shards} shards in {sum(self.seconds.values()):.2f} s "
            f"({len(self.new)} new{named}; {self.steps} files compiled; {times})"
        )


BUNDLED = Layout(
    "opsmith._generated", paths.GENERATED, paths.BUILD, "s", "from opsmith import _functions as _f"
)


def parse(files: Sequence[Path], base: Sequence[OpDef] = ()) -> tuple[OpDef, ...]:
    """Every op of the registry files, hidden adjoint ops included; ``base`` may be called."""
    ops: list[OpDef] = []
    for file in files:
        for op in registry.load(file, base=base):
            ops += [op, *families.hidden_ops(op)]
    return families.by_structure(ops, base)


def derive_all(ops: Sequence[OpDef]) -> tuple[Derived, ...]:
    """Gradients of every op; all mistakes are reported together."""
    found, errors = [], []
    for op in ops:
        try:
            found.append(replace(derive(families.with_gradients(op)), op=op))
        except RegistryError as e:
            errors.append(e)
    if errors:
        raise RegistryErrors(errors)
    return tuple(found)


def verify_all(derived: Sequence[Derived], cache: Path, known: Mapping[str, OpDef]) -> None:
    """The gate; ``known``: what every name means."""
    from .verify import verify

    errors = verify(derived, cache, known=known)
    if errors:
        raise RegistryErrors(list(errors))


def build(
    file: Path = paths.OPS_YAML, layout: Layout = BUNDLED, jobs: int = 2,
    progress: bool = True, gate: bool = True, link: bool = True, cuda: bool = False,
) -> Report:  # fmt: skip
    """The whole pipeline; returns counts and the time of each stage.

    ``cuda`` asks for the CUDA library even where no GPU is visible.
    A layout other than the bundled one is a user's registry: it may call the bundled ops, and its
    shards link against the bundled runtime.
    What an earlier build in the same folder made of an entry is taken over where all that it
    depends on is as it was.
    """
    with alone(layout.work):
        return _build(file, layout, jobs, progress, gate, link, cuda)


def _build(
    file: Path, layout: Layout, jobs: int, progress: bool, gate: bool, link: bool, cuda: bool
) -> Report:
    seconds: dict[str, float] = {}
    clock = time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        seconds[stage] = now - clock
        clock = now

    bundled = layout.package == BUNDLED.package
    store = Store.load(layout.work)
    known = _entries(file, layout, store, gate)
    new = known.new
    lap("parse")
    derived = {d.op.name: d for d in derive_all([op for e in new for op in e.final])}
    lap("derive")
    if gate:
        _gate(known, list(derived.values()), layout)
        lap("verify")
    records = _emit(known, derived, layout, store, gate)
    shards = emission.shards_of(records, layout)
    homes = {part.op: shard.name for shard in shards for part in shard.parts}
    for shard in shards:
        emission.write_shard(shard, layout, homes, store)
    emission.sweep(shards, layout)
    emit.write(layout.stage / "__init__.py", isa.package_text(instruction_sets(layout)))
    emission.write_index(shards, layout, store)
    if bundled:
        emit.write(layout.stage / "dtypes.py", dtype_text.python_text())
        emission.write_stubs(shards, layout, store)
    plan = _plan(shards, layout, store)
    store.save()
    wanted = [b for b in backends.found().values() if b.wanted(asked=cuda)] if bundled else []
    if wanted:
        every = derive_all([op for e in known.entries for op in e.final])
        for backend in wanted:
            backend.library(plan, every, layout.stage, layout.stage / "libopsmith.so")
    lap("emit")
    steps = 0
    if link:
        steps = compile.run(plan, jobs, progress)
        emit.install(layout.stage, layout.folder)
        compile.precompile(layout.folder)
        if bundled:
            compile.precompile(layout.folder.parent)
    lap("compile")
    names = tuple(e.parsed[0].name for e in new)
    return Report(len(homes), len(shards), steps, seconds, names)


def _entries(file: Path, layout: Layout, store: Store, gate: bool) -> entries.Registry:
    """The registry, with the entries that must be made again read from its text."""
    base: dict[str, OpDef] = {}
    world = compiler()
    if layout.package != BUNDLED.package:
        base = by_name(registry.load(paths.OPS_YAML))
        world = digest(world, paths.OPS_YAML.read_bytes())

    def current(record: Record) -> bool:
        return record.verified >= gate and emission.current(layout, record)

    return entries.load(file, base, store, current, world)


def _gate(known: entries.Registry, derived: Sequence[Derived], layout: Layout) -> None:
    """Stop at a new entry that contradicts its meaning; note what its verdict depends on."""
    from .verify import depends

    if not derived:
        return
    ops = Chain(known.final, known.base)
    for entry in known.new:
        # As written too: what a body was recognised as does not name what it was made from.
        for own, named in ((entry.parsed, known.parsed), (entry.final, known.final)):
            reads = entries.Reads(Chain(named, known.base), core)
            for op in own:
                depends(op, reads)
            entry.cores |= reads.names
    verify_all(derived, layout.work / "verify", ops)


def _emit(
    known: entries.Registry, derived: Mapping[str, Derived], layout: Layout, store: Store,
    verified: bool,
) -> list[Record]:  # fmt: skip
    """Make new entries' texts; returns the records of all entries, which are now the store's."""
    records = []
    for entry in known.entries:
        record = entry.record
        if record is None:
            own = [derived[op.name] for op in entry.final]
            record = emission.make(entry, own, known, layout, verified)
        records.append(record)
    store.records = {e.key: r for e, r in zip(known.entries, records, strict=True) if e.key}
    return records


def _plan(shards: Sequence[emission.Shard], layout: Layout, store: Store) -> compile.Plan:
    """What to compile, and into which libraries."""
    include = (paths.RUNTIME / "include", layout.c)
    plan = compile.Plan(layout.work, include, instruction_sets(layout))
    bundled = layout.package == BUNDLED.package
    tables = dtype_text.write(layout.c)
    library = layout.stage / "libopsmith.so" if bundled else paths.runtime_library()
    rpath = "'$$ORIGIN'" if bundled else str(library.parent)
    if bundled:
        runtime = [plan.object(s) for s in (tables, *families.runtime_sources(layout.work))]
        plan.library(library, runtime, ["-Wl,-soname,libopsmith.so", "-lm", "-lpthread"])
        _core_module(plan, library, store)
    for shard in shards:
        objects = [plan.object(s, "loops") for s in emission.sources(layout, shard.parts)]
        objects.append(plan.object(layout.c / f"{shard.name}_entries.c", "entry"))
        objects.append(plan.object(layout.c / f"_{shard.name}.c", "cffi"))
        flags: list[str | Path] = [library, f"-Wl,-rpath,{rpath}", "-lm"]
        plan.library(layout.stage / f"_{shard.name}.so", objects, flags)
    return plan


def instruction_sets(layout: Layout) -> tuple[isa.Target, ...]:
    """What to compile for: a user's registry serves this machine, where it is compiled."""
    name, bundled = isa.chosen(), layout.package == BUNDLED.package
    return isa.targets(name if bundled or name != "portable" else "native")


def emit_cuda(derived: Sequence[Derived], folder: Path) -> list[Path]:
    """Write the CUDA sources: a file an op, groups of them, the table; returns what to compile."""
    from .backends import cuda

    rows: list[cuda.Row] = []
    files: list[tuple[str, Any]] = []
    for d in derived:
        for template, context in cuda.BACKEND.kernel_contexts(d):
            emit.write(folder / f"{d.op.name}.cu", emit.render(template, context))
            rows += cuda.tables(context)
            files.append((f"{d.op.name}.cu", context))
    sources = []
    for k, group in enumerate(cuda.groups(files)):
        sources.append(folder / f"group{k}.cu")
        emit.write(sources[-1], emit.render("cuda/group.cu.j2", group))
    sources.append(folder / "table.cu")
    table = cuda.TableFile(tuple(sorted(rows, key=lambda row: row.key)))
    emit.write(sources[-1], emit.render("cuda/table.cu.j2", table))
    return [*sources, *sorted((paths.RUNTIME / "cuda").glob("*.cu"))]


def cuda_library(plan: compile.Plan, sources: Sequence[Path], runtime: Path) -> None:
    """libopsmith_cuda.so, and the cffi module through which the frontend loads it when needed."""
    plan.include = (*plan.include, paths.RUNTIME / "cuda", plan.folder / "cuda")
    library = runtime.with_name("libopsmith_cuda.so")
    plan.library(
        library, [plan.object(s, "cuda") for s in sources],
        [runtime, "-Xlinker -soname=libopsmith_cuda.so", "-Xlinker -rpath='$$ORIGIN'"],
    )  # fmt: skip
    header = (paths.RUNTIME / "include" / "opsmith" / "cuda.h").read_text(encoding="utf-8")
    target = plan.folder / "c" / "_cuda.c"
    boundary.module("opsmith._generated._cuda", header, "opsmith/cuda.h", target)
    plan.library(
        library.with_name("_cuda.so"), [plan.object(target, "cffi")],
        [library, runtime, "-Wl,-rpath,'$$ORIGIN'"],
    )  # fmt: skip


def _core_module(plan: compile.Plan, library: Path, store: Store) -> None:
    """The cffi module of the runtime's own functions (opsmith/boundary.h)."""
    header = paths.RUNTIME / "include" / "opsmith" / "boundary.h"
    text = header.read_text(encoding="utf-8")
    target = plan.folder / "c" / "_runtime.c"
    if not store.holds(target, digest(text)):
        boundary.module(
            "opsmith._generated._runtime", text, "opsmith/boundary_module.h", target,
            boundary.INSTALL,
        )  # fmt: skip
        store.made(target, digest(text))
    plan.library(
        library.parent / "_runtime.so", [plan.object(target, "cffi")],
        [library, "-Wl,-rpath,'$$ORIGIN'"],
    )  # fmt: skip


__all__ = ["BUNDLED", "Layout", "Report", "build"]
