"""In: what a build made of every entry. Out: the same, at the next build, where it still holds.

Must not know: how anything is made. A record is found by the text of its entry and by the compiler
(every source, template and table of this package, the packages that make text); what else it
depends on stands in the record. A file that cannot be read, or was cut short, counts as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pickle
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from .paths import PACKAGE

WRITERS = ("cffi", "jinja2", "pycparser", "yaml")  # packages whose version shows in what we write
SOURCES = (".py", ".j2", ".yaml")
Stamp = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Name:
    """What a name means: the entry's op of that number, with the keys of what others see of it."""

    op: int
    head: str
    core: str


@dataclass(frozen=True, slots=True)
class Part:
    """What linking needs of an op."""

    op: str
    kernels: tuple[tuple[str, Stamp], ...]  # files, relative to the work folder, as written
    source: str  # the hand-written C that `fast` names
    called: tuple[str, ...]  # ops whose C entries the op's Python calls
    functions: int  # C entries of its own


@dataclass(frozen=True, slots=True)
class Record:
    """What a build made of an entry, and what that depends on besides the entry's own text."""

    names: Mapping[str, Name]  # of its ops, aliases included
    heads: Mapping[str, str]  # heads that were read: their keys, "" where there was no such op
    cores: Mapping[str, str]  # the same of cores
    verified: bool  # did the gate pass it?
    ops: bytes  # its OpDefs, pickled
    made: bytes  # its texts, pickled
    face: str  # digest of what the index and the stubs say of its ops
    parts: tuple[Part, ...]

    @property
    def digest(self) -> str:
        """Of the texts."""
        return digest(self.made)


def digest(*texts: str | bytes) -> str:
    """A content key."""
    h = hashlib.sha256()
    for text in texts:
        data = text.encode() if isinstance(text, str) else text
        h.update(b"%d:" % len(data))
        h.update(data)
    return h.hexdigest()


@cache
def compiler() -> str:
    """A content key of all that turns an entry into texts."""
    parts: list[str | bytes] = [sys.version]
    for name in WRITERS:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            status = os.stat(spec.origin)
            parts.append(f"{name} {status.st_size} {status.st_mtime_ns}")
    for path in sorted(p for p in PACKAGE.rglob("*") if p.suffix in SOURCES):
        parts += [path.relative_to(PACKAGE).as_posix(), path.read_bytes()]
    return digest(*parts)


def stamp(path: Path) -> Stamp | None:
    """What tells that a file was not written since; None without one."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


@dataclass
class Store:
    """The records of a work folder, by key, and the state of the files made from several."""

    path: Path
    records: dict[str, Record] = field(default_factory=dict)
    files: dict[str, tuple[str, Stamp]] = field(
        default_factory=dict
    )  # digest of what it is made of

    @classmethod
    def load(cls, work: Path) -> Store:
        """What the last build left, if that is whole and of this compiler."""
        store = cls(work / "entries.pickle")
        try:
            data = store.path.read_bytes()
        except OSError:
            return store
        seal, body = data[:64], data[64:]
        if seal == digest(compiler(), body).encode():  # nothing else is ever unpickled
            store.records, store.files = pickle.loads(body)
        return store

    def save(self) -> None:
        """Write through a temporary name: readers never see half a file."""
        body = pickle.dumps((self.records, self.files), 5)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "wb", dir=self.path.parent, delete=False, suffix=".tmp"
        ) as f:
            f.write(digest(compiler(), body).encode() + body)
        os.replace(f.name, self.path)

    def holds(self, path: Path, key: str) -> bool:
        """Is the file there, as it was made from what ``key`` is the content key of?"""
        last = self.files.get(path.name)
        return last is not None and last[0] == key and last[1] == stamp(path)

    def intact(self, path: Path) -> bool:
        """Is the file there, as it was made?"""
        return path.name in self.files and self.files[path.name][1] == stamp(path)

    def made(self, path: Path, key: str) -> None:
        """Remember that the file was just made."""
        now = stamp(path)
        assert now is not None, path
        self.files[path.name] = (key, now)


@contextlib.contextmanager
def alone(work: Path) -> Iterator[None]:
    """Keep other builds out of a work folder (the kernel lets them in if we die)."""
    import fcntl  # Linux only, as the whole compiler

    work.mkdir(parents=True, exist_ok=True)
    with open(work / "building.lock", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
