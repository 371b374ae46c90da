"""In: derived ops. Out: their texts; shards of texts as C and Python modules.

Must not know: how a family lowers, or what compiles. What is made of one op reads that op, and the
heads of those that its backward may call; a shard's modules are put together from such parts, and
only if one of them, or the shard's make-up, is not as it was when they were written.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from . import boundary, centry, emit, paths
from .derive.op import Derived
from .entries import Entry, Reads, Registry
from .lower import families
from .opdef import OpDef
from .pytext.module import FunctionsFile
from .pytext.raw import RawOps
from .pytext.signature import tuple_name
from .seen import head
from .store import Part, Record, Store, digest, stamp
from .stubs import Stub, linalg_stub_file, stub_file, stub_of

# The least size of a cffi module, counted in functions of C and Python. An edit compiles one module
# anew, which takes longer the larger it is; each costs a fifth of a millisecond when first used.
SHARD = 70


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

    @property
    def c(self) -> Path:
        """The generated C."""
        return self.work / "c"


@dataclass(frozen=True, slots=True)
class Made:
    """The texts of one op that become parts of modules."""

    op: str
    externs: tuple[str, ...]
    entries: tuple[centry.Entry, ...]
    text: str
    index: families.IndexRows
    stub: Stub


def make(
    entry: Entry, derived: Sequence[Derived], known: Registry, layout: Layout, verified: bool
) -> Record:
    """Write the kernels of a new entry's ops and keep what else they are made into."""
    reads = Reads(known.final, head)
    made: list[Made] = []
    parts: list[Part] = []
    for d in derived:
        raw = RawOps(reads)
        kernels = []
        for template, context in families.kernel_contexts(d):
            path = layout.c / f"{d.op.name}.c"
            emit.write(path, emit.render(template, context))
            kernels.append(path)
        externs, entries = families.entries(d)
        text = "\n".join(_tuple_class(d.op) + families.function_text(d, raw)).rstrip() + "\n"
        made.append(
            Made(d.op.name, tuple(externs), tuple(entries), text,
                 families.index_rows(d.op), stub_of(d.op))
        )  # fmt: skip
        stamps = tuple((p.name, stamp(p) or (0, 0)) for p in kernels)
        called = tuple(sorted(raw.called))
        parts.append(Part(d.op.name, stamps, _source(d.op), called, len(entries)))
    face = pickle.dumps([(m.index, m.stub) for m in made], 5)
    return Record(
        entry.names(),
        {n: known.heads.get(n, "") for n in sorted({*entry.heads, *reads.names})},
        {n: known.cores.get(n, "") for n in sorted(entry.cores)},
        verified, entry.ops_pickled(), pickle.dumps(made, 5), digest(face),
        tuple(parts),
    )  # fmt: skip


def _tuple_class(op: OpDef) -> list[str]:
    if len(op.schema.outputs) < 2:
        return []
    fields = ", ".join(repr(o) for o in op.schema.outputs)
    return [f'{tuple_name(op)} = named_tuple("{op.name}", ({fields},))', ""]


def _source(op: OpDef) -> str:
    return op.fast.target if op.fast is not None and op.fast.kind == "source" else ""


def current(layout: Layout, record: Record) -> bool:
    """Are the kernel files of a record as they were written?"""
    return all(stamp(layout.c / name) == s for part in record.parts for name, s in part.kernels)


def sources(layout: Layout, parts: Sequence[Part]) -> list[Path]:
    """C files of ops: kernels, and hand-written ones where they exist."""
    found = [layout.c / name for part in parts for name, _ in part.kernels]
    own = (paths.RUNTIME / "cpu" / "source" / f"{part.source}.c" for part in parts if part.source)
    return list(dict.fromkeys([*found, *(p for p in own if p.exists())]))


@dataclass(frozen=True)
class Shard:
    """Some ops: their kernel files, one file of entries, one cffi module, one Python module."""

    name: str
    records: tuple[Record, ...]

    @property
    def parts(self) -> list[Part]:
        """What linking needs."""
        return [part for r in self.records for part in r.parts]

    @cached_property
    def made(self) -> list[Made]:
        """The texts, fetched when asked for."""
        return [m for r in self.records for m in pickle.loads(r.made)]


def shards_of(records: Sequence[Record], layout: Layout) -> list[Shard]:
    """Cut the registry, in its order, into shards; adjoints stay with the op they close.

    Past the least size, a shard ends before an entry whose name says so, every second one. A new
    entry thus changes its own shard, and not where all that follow it begin.
    """
    shards: list[list[Record]] = []
    size = 0
    for record in records:
        if not shards or (size >= SHARD and digest(record.parts[0].op)[0] in "02468ace"):
            shards.append([])
            size = 0
        shards[-1].append(record)
        size += sum(part.functions + 1 for part in record.parts)
    return [Shard(f"{layout.prefix}_{own[0].parts[0].op}", tuple(own)) for own in shards]


def write_shard(shard: Shard, layout: Layout, homes: Mapping[str, str], store: Store) -> None:
    """Write a shard's entries, cffi module and Python module; ``homes``: the shard of every op."""
    called = sorted({n for part in shard.parts for n in part.called})
    externs = tuple((n, homes[n]) for n in called if homes[n] != shard.name)
    files = (
        layout.c / f"{shard.name}_entries.c",
        layout.c / f"_{shard.name}.c",
        layout.stage / f"{shard.name}.py",
    )
    key = digest(shard.name, layout.package, layout.functions, repr(externs),
                 *(r.digest for r in shard.records))  # fmt: skip
    if store.holds(files[0], key) and store.intact(files[1]) and store.holds(files[2], key):
        return
    entries = tuple(e for m in shard.made for e in m.entries)
    context = centry.EntriesFile(
        shard.name, tuple(x for m in shard.made for x in m.externs), entries
    )
    emit.write(files[0], emit.render("c/entries.c.j2", context))
    declarations = "".join(f"{e.declaration};\n" for e in entries)
    glue = digest(f"{layout.package}._{shard.name}", declarations)
    if not store.holds(files[1], glue):
        boundary.module(f"{layout.package}._{shard.name}", declarations, "", files[1])
        store.made(files[1], glue)
    functions = FunctionsFile(
        shard.name, layout.package, layout.functions, tuple(e.symbol for e in entries), externs,
        tuple(m.text for m in shard.made), tuple(m.op for m in shard.made),
    )  # fmt: skip
    emit.write(files[2], emit.render("python/functions.py.j2", functions))
    store.made(files[0], key)
    store.made(files[2], key)


def sweep(shards: Sequence[Shard], layout: Layout) -> None:
    """Remove the modules and libraries of shards that are no more."""
    names = {f"{s.name}.py" for s in shards} | {f"_{s.name}.so" for s in shards}
    for pattern in (f"{layout.prefix}*.py", f"**/_{layout.prefix}*.so"):
        for path in layout.stage.glob(pattern):
            if path.name not in names:
                path.unlink(missing_ok=True)


def write_index(shards: Sequence[Shard], layout: Layout, store: Store) -> None:
    """What the frontend needs to know about the ops: shards, methods, operators, aliases."""
    index, params = layout.stage / "index.py", layout.stage / "params.py"
    names = {s.name: [part.op for part in s.parts] for s in shards}
    key = digest(repr(names), *(r.face for s in shards for r in s.records))
    if not (store.holds(index, key) and store.holds(params, key)):
        rows = [m.index for s in shards for m in s.made]
        emit.write(index, families.index_text(rows, names))
        emit.write(params, families.params_text(rows))
        store.made(index, key)
        store.made(params, key)


def write_stubs(shards: Sequence[Shard], layout: Layout, store: Store) -> None:
    """The types of the public namespaces, for editors."""
    linalg = layout.stage / "linalg_stubs.pyi"
    faces = digest(*(r.face for s in shards for r in s.records))
    if not store.holds(linalg, faces):
        context = linalg_stub_file(m.stub for s in shards for m in s.made)
        emit.write(linalg, emit.render("python/linalg_stubs.pyi.j2", context))
        store.made(linalg, faces)
    path, frontend = layout.stage / "stubs.pyi", paths.FRONTEND / "opsmith"
    written = [p.read_bytes() for p in sorted(frontend.glob("_*.py"))]
    key = digest(*written, *(r.face for s in shards for r in s.records))
    if not store.holds(path, key):
        file = stub_file((m.stub for s in shards for m in s.made), frontend)
        emit.write(path, emit.render("python/stubs.pyi.j2", file))
        store.made(path, key)
