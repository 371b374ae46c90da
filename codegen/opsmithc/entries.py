"""In: a registry file and what an earlier build recorded. Out: its entries, read anew where needed.

Must not know: targets. An entry is *new* when its text, or the head or meaning of an op that it
read, is not what its record says. Other ops are seen through ``Reads`` alone, so that a record
names all that it depends on. Mistakes are never recorded.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from . import reader, registry
from .derive.rows import recognise
from .errors import Collector, RegistryError, RegistryErrors
from .lower import families
from .opdef import Chain, OpDef
from .seen import core, head
from .seen import key as key_of
from .semantics import Context, check_cycles, check_entry
from .store import Name, Record, Store, digest

Ops = tuple[OpDef, ...]


class Reads(Mapping[str, OpDef]):
    """Ops by name as one entry sees them; remembers the names that it asked for."""

    def __init__(
        self, ops: Mapping[str, OpDef], seen: Callable[[OpDef], OpDef] = lambda op: op
    ) -> None:
        """``seen`` makes of an op what the entry may see of it."""
        self.ops, self.seen = ops, seen
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> OpDef:
        self.names.add(name)
        return self.seen(self.ops[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.ops)

    def __len__(self) -> int:
        return len(self.ops)


class Entry:
    """An entry and its ops: the declared one first, then those that the compiler adds."""

    def __init__(self, unit: reader.Unit, key: str, record: Record | None) -> None:
        """``record``: what holds of the entry without reading it; None for a new one."""
        self.unit, self.key, self.record = unit, key, record
        self.heads: set[str] = set()  # names that a new entry read: see ``seen.py``
        self.cores: set[str] = set()
        self._parsed: Ops = ()
        self._final: Ops = ()

    @property
    def parsed(self) -> Ops:
        """The ops as written; places of a recorded entry are those of the build that read it."""
        self._load()
        return self._parsed

    @property
    def final(self) -> Ops:
        """The ops with bodies recognised as kernels."""
        self._load()
        return self._final

    def _load(self) -> None:
        if self.record is not None and not self._parsed:
            self._parsed, self._final = pickle.loads(self.record.ops)

    def read(self, ops: Ops) -> None:
        """Take the ops read from the text: the entry is new."""
        self.record, self._parsed, self._final = None, ops, ()

    def recognise(self, ops: Mapping[str, OpDef]) -> None:
        """Lower bodies that have the structure of a kernel."""
        reads = Reads(ops, core)
        self._final = tuple(recognise(op, reads) for op in self._parsed)
        self.cores |= reads.names

    def names(self) -> Mapping[str, Name]:
        """What the names and aliases of the ops mean."""
        if self.record is not None:
            return self.record.names
        found: dict[str, Name] = {}
        for k, op in enumerate(self._parsed):
            means = Name(k, key_of(head(op)), key_of(core(op)))
            found |= dict.fromkeys((op.name, *op.alias), means)
        return found

    def ops_pickled(self) -> bytes:
        """For the record."""
        return pickle.dumps((self._parsed, self._final), 5)


class _Named(Mapping[str, OpDef]):
    """Ops by name, fetched when asked for."""

    def __init__(self, places: Mapping[str, tuple[Entry, int]], final: bool) -> None:
        self.places, self.final = places, final

    def __getitem__(self, name: str) -> OpDef:
        entry, k = self.places[name]
        return (entry.final if self.final else entry.parsed)[k]

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


class Registry:
    """The entries of a file, in order, and what names mean among them."""

    def __init__(self, entries: Sequence[Entry], base: Mapping[str, OpDef]) -> None:
        """``base``: ops of other registries, which this one may call."""
        self.entries, self.base = list(entries), base
        self.clashes = False
        declared: dict[str, tuple[Entry, int]] = {}
        added: dict[str, tuple[Entry, int]] = {}
        names: dict[str, Name] = {}
        for entry in self.entries:
            for name, means in entry.names().items():
                self.clashes |= means.op == 0 and name in declared
                (added if means.op else declared).setdefault(name, (entry, means.op))
                if means.op == 0 or name not in names:
                    names[name] = means
        places = {**added, **declared}
        self.heads = {name: means.head for name, means in names.items()}
        self.cores = {name: means.core for name, means in names.items()}
        self.declared = _Named(declared, final=False)
        self.parsed = _Named(places, final=False)
        self.final = _Named(places, final=True)

    @property
    def new(self) -> list[Entry]:
        """Entries of which everything is made again."""
        return [e for e in self.entries if e.record is None]

    def holds(self, record: Record) -> bool:
        """Is everything that the record depends on as it was?"""
        return all(self.heads.get(n, "") == key for n, key in record.heads.items()) and all(
            self.cores.get(n, "") == key for n, key in record.cores.items()
        )


class _Unclear(Exception):
    """The entries cannot be told apart, or one of them has a mistake."""


def load(file: Path, base: Mapping[str, OpDef], store: Store, current: Callable[[Record], bool],
         world: str) -> Registry:  # fmt: skip
    """Every entry of a registry file; mistakes are reported all at once, as ``RegistryErrors``.

    Args:
        file: the registry.
        base: ops of other registries, which this one may call.
        store: the records of earlier builds.
        current: are the files that a record speaks of still there?
        world: a content key of what every entry depends on.
    """
    source = reader.content(file)
    try:
        return _recorded(source, file.name, base, store, current, world)
    except (_Unclear, RegistryError, RegistryErrors):
        return _whole(source, file.name, base)


def _recorded(
    source: str, file: str, base: Mapping[str, OpDef], store: Store,
    current: Callable[[Record], bool], world: str,
) -> Registry:  # fmt: skip
    entries = []
    units = reader.units(source)
    if not units:
        reader.compose(source, file, Collector())  # says why there are none, unless it is empty
    for unit in units:
        key = digest(world, file, *(u.text for u in unit.above), unit.text)
        record = store.records.get(key)
        holds = record is not None and current(record)
        entries.append(Entry(unit, key, record if holds else None))
    stale = [e for e in entries if e.record is None]
    while True:
        _read(stale, file)
        registry_ = Registry(entries, base)
        if registry_.clashes:
            raise _Unclear
        stale = [e for e in entries if e.record is not None and not registry_.holds(e.record)]
        if not stale:
            break
    _judge(registry_)
    return registry_


def _read(entries: Sequence[Entry], file: str) -> None:
    """Read the units of new entries, each at its place in the file."""
    errors = Collector()
    found, _ = registry.read(reader.only(e.unit for e in entries), file, errors)
    if errors.errors:
        raise _Unclear
    at = {op.place.line: op for op in found}
    for entry in entries:
        op = at.get(entry.unit.line + 1)
        if op is None or len({op.name, *op.alias}) <= len(op.alias):
            raise _Unclear
        entry.read((op, *families.hidden_ops(op)))


def _judge(known: Registry) -> None:
    """Check what new entries say, and recognise their bodies."""
    errors = Collector()
    everything = Chain(known.parsed, known.base)
    for entry in known.new:
        seen = Reads(known.declared, head)
        check_entry(entry.parsed[0], Context(seen, known.base, frozenset(), errors))
        entry.heads |= seen.names
        entry.recognise(everything)
    declared = [e.parsed[0] for e in known.new]
    check_cycles(declared, Context(known.declared, known.base, frozenset(), errors))
    if errors.errors:
        raise _Unclear


def _whole(source: str, file: str, base: Mapping[str, OpDef]) -> Registry:
    """The registry read as one text; nothing of it can be recorded."""
    ops = registry.parse(source, file, base.values())
    entries = []
    for op in ops:
        entry = Entry(reader.Unit(op.text, op.place.line - 1), "", None)
        if len({op.name, *op.alias}) <= len(op.alias):
            raise _Unclear
        entry.read((op, *families.hidden_ops(op)))
        entries.append(entry)
    known = Registry(entries, base)
    for entry in entries:
        entry.recognise(Chain(known.parsed, base))
    return known


__all__ = ["Entry", "Reads", "Registry", "load"]
