"""From a registry to libraries and Python functions: one call a stage, in order.

parse     registry text -> OpDef                      (registry, formula, schema)
derive    OpDef -> gradients, hidden adjoint ops       (derive)
verify    the gate: declared against meant             (verify)
lower     OpDef -> Kernel IR -> template contexts      (lower, backends)
emit      contexts -> C, Python, stubs                 (emit, centry, pytext)
compile   C -> shared libraries                        (compile, boundary)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import (
    backends,
    boundary,
    centry,
    compile,
    dtype_text,
    emit,
    isa,
    paths,
    pyraw,
    pytext,
    registry,
)  # fmt: skip
from .derive.op import Derived, derive
from .errors import RegistryError, RegistryErrors
from .lower import families
from .opdef import Body, Compose, OpDef, Out

SHARD = 40  # ops a cffi module: an edit rebuilds one; each costs a fifth of a millisecond at import


@dataclass(frozen=True, slots=True)
class Report:
    """What a build did."""

    ops: int
    shards: int
    steps: int
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a build puts things: one for the bundled registry, one per user registry."""

    package: str  # Python package of the generated modules
    folder: Path  # that package's folder
    work: Path  # intermediates
    prefix: str  # of shard names
    functions: str  # Python line that binds _f, the namespace generated code calls ops through

    @property
    def stage(self) -> Path:
        """Where modules and libraries are made; they move to ``folder`` when all are there."""
        return self.work / "stage"


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


def verify_all(derived: Sequence[Derived], cache: Path, base: Sequence[OpDef] = ()) -> None:
    """The gate."""
    from .verify import verify

    errors = verify(derived, cache, base=base)
    if errors:
        raise RegistryErrors(list(errors))


@dataclass(frozen=True, slots=True)
class Shard:
    """Up to SHARD ops: their kernel files, one entries file, one Python module."""

    name: str
    ops: tuple[Derived, ...]


def shards_of(derived: Sequence[Derived], layout: Layout) -> list[Shard]:
    """Cut the registry, in its order, into shards; adjoints stay with the op they close."""
    shards: list[list[Derived]] = [[]]
    for d in derived:
        own = d.op.place == shards[-1][-1].op.place if shards[-1] else False
        if len(shards[-1]) >= SHARD and not own:
            shards.append([])
        shards[-1].append(d)
    return [Shard(f"{layout.prefix}{k}", tuple(ops)) for k, ops in enumerate(shards) if ops]


def emit_shard(
    shard: Shard, layout: Layout, homes: dict[str, str], known: dict[str, OpDef]
) -> list[Path]:
    """Write a shard's C and Python; returns its kernel files.

    ``homes`` says in which shard the entry of each op of ``known`` stands.
    """
    pytext.CALLED.clear()
    sources: list[Path] = []
    externs: list[str] = []
    entries: list[centry.Entry] = []
    texts: list[str] = []
    public: list[str] = []
    for d in shard.ops:
        op = d.op
        for template, context in families.kernel_contexts(d):
            path = layout.work / "c" / f"{op.name}.c"
            emit.write(path, emit.render(template, context))
            sources.append(path)
        sources += families.own_sources(d)
        more_externs, more_entries = families.entries(d)
        externs += more_externs
        entries += more_entries
        texts.append("\n".join(_tuple_class(op) + families.function_text(d, known)).rstrip() + "\n")
        public.append(op.name)
    context = centry.EntriesFile(shard.name, tuple(externs), tuple(entries))
    header = layout.work / "c" / f"{shard.name}_entries.c"
    emit.write(header, emit.render("c/entries.c.j2", context))
    declarations = "".join(f"{e.declaration};\n" for e in entries)
    boundary.module(
        f"{layout.package}._{shard.name}", declarations, header.name,
        layout.work / "c" / f"_{shard.name}.c",
    )  # fmt: skip
    functions = pytext.FunctionsFile(
        shard.name, layout.package, layout.functions, tuple(e.symbol for e in entries),
        tuple((n, homes[n]) for n in sorted(pytext.CALLED) if homes[n] != shard.name),
        tuple(texts), tuple(public),
    )  # fmt: skip
    emit.write(layout.stage / f"{shard.name}.py", emit.render("python/functions.py.j2", functions))
    return sources


def _tuple_class(op: OpDef) -> list[str]:
    if len(op.schema.outputs) < 2:
        return []
    fields = ", ".join(repr(o) for o in op.schema.outputs)
    return [f'{pytext.tuple_name(op)} = named_tuple("{op.name}", ({fields},))', ""]


def build(
    files: Sequence[Path] = (paths.OPS_YAML,), layout: Layout = BUNDLED, jobs: int = 2,
    progress: bool = True, gate: bool = True, link: bool = True, cuda: bool = False,
) -> Report:  # fmt: skip
    """The whole pipeline; returns counts and the time of each stage.

    ``cuda`` asks for the CUDA library even where no GPU is visible.
    A layout other than the bundled one is a user's registry: it may call the bundled ops, and its
    shards link against the bundled runtime.
    """
    seconds: dict[str, float] = {}
    clock = time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        seconds[stage] = now - clock
        clock = now

    base = () if layout.package == BUNDLED.package else registry.load(paths.OPS_YAML)
    ops = parse(files, base)
    lap("parse")
    derived = derive_all(ops)
    lap("derive")
    if gate:
        verify_all(derived, layout.work / "verify", base)
        lap("verify")
    tables = dtype_text.write(layout.work / "c")
    plan = compile.Plan(
        layout.work, (paths.RUNTIME / "include", layout.work / "c"), instruction_sets(layout)
    )
    shards = shards_of(derived, layout)
    runtime: list[Path] = []
    if layout.package == BUNDLED.package:
        runtime = [tables, *families.runtime_sources(layout.work)]
    bundled = layout.package == BUNDLED.package
    library = layout.stage / "libopsmith.so" if bundled else paths.runtime_library()
    if layout.package == BUNDLED.package:
        plan.library(
            library,
            [plan.object(s) for s in runtime],
            ["-Wl,-soname,libopsmith.so", "-lm", "-lpthread"],
        )
        _core_module(plan, library)
    homes = {d.op.name: shard.name for shard in shards for d in shard.ops}
    known = pyraw.entries({d.op.name: d.op for d in derived})
    for shard in shards:
        made = emit_shard(shard, layout, homes, known)
        kernels = [plan.object(s) for s in dict.fromkeys(made)]
        glue = plan.object(layout.work / "c" / f"_{shard.name}.c", "cffi")
        plan.library(
            layout.stage / f"_{shard.name}.so", [*kernels, glue],
            [str(library), "-Wl,-rpath,'$$ORIGIN'" if layout.package == BUNDLED.package else f"-Wl,-rpath,{library.parent}", "-lm"],  # noqa: E501
        )  # fmt: skip
    emit_index(derived, shards, layout)
    for backend in backends.found().values() if bundled else ():
        if backend.wanted(asked=cuda):
            backend.library(plan, derived, layout.stage, library)
    lap("emit")
    steps = 0
    if link:
        steps = compile.run(plan, jobs, progress)
        emit.install(layout.stage, layout.folder)
        compile.precompile(layout.folder)
        if layout.package == BUNDLED.package:
            compile.precompile(layout.folder.parent)
    lap("compile")
    return Report(len(derived), len(shards), steps, seconds)


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
    library = BUNDLED.stage / "libopsmith_cuda.so"
    plan.library(
        library, [plan.object(s, "cuda") for s in sources],
        [str(runtime), "-Xlinker -soname=libopsmith_cuda.so", "-Xlinker -rpath='$$ORIGIN'"],
    )  # fmt: skip
    header = (paths.RUNTIME / "include" / "opsmith" / "cuda.h").read_text(encoding="utf-8")
    target = plan.folder / "c" / "_cuda.c"
    boundary.module("opsmith._generated._cuda", header, "opsmith/cuda.h", target)
    plan.library(
        BUNDLED.stage / "_cuda.so", [plan.object(target, "cffi")],
        [str(library), str(runtime), "-Wl,-rpath,'$$ORIGIN'"],
    )  # fmt: skip


def _core_module(plan: compile.Plan, library: Path) -> None:
    """The cffi module of the runtime's own functions (opsmith/boundary.h)."""
    header = paths.RUNTIME / "include" / "opsmith" / "boundary.h"
    text = header.read_text(encoding="utf-8")
    target = plan.folder / "c" / "_runtime.c"
    target.parent.mkdir(parents=True, exist_ok=True)
    boundary.module(
        "opsmith._generated._runtime", text, "opsmith/boundary_module.h", target, boundary.INSTALL
    )
    plan.library(
        library.parent / "_runtime.so", [plan.object(target, "cffi")],
        [str(library), "-Wl,-rpath,'$$ORIGIN'"],
    )  # fmt: skip


def emit_index(derived: Sequence[Derived], shards: Sequence[Shard], layout: Layout) -> None:
    """What the frontend needs to know about the ops: shards, methods, operators, aliases."""
    emit.write(layout.stage / "__init__.py", isa.package_text(instruction_sets(layout)))
    names = {s.name: [d.op.name for d in s.ops] for s in shards}
    emit.write(layout.stage / "index.py", families.index_text(derived, names))
    emit.write(layout.stage / "params.py", families.params_text(derived))
    if layout.package == BUNDLED.package:
        from . import stubs

        emit.write(layout.stage / "dtypes.py", dtype_text.python_text())
        file = stubs.stub_file(derived, paths.FRONTEND / "opsmith")
        emit.write(layout.stage / "stubs.pyi", emit.render("python/stubs.pyi.j2", file))


__all__ = ["BUNDLED", "Body", "Compose", "Out", "Report", "build"]
