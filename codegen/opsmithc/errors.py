"""In: a place in a registry file and what is wrong there. Out: one-line diagnostics.

Must not know: the meaning of any key; it only formats, suggests and collects.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where a registry value stands: file, 1-based line and column, and the op it belongs to."""

    file: str
    line: int
    col: int
    op: str = ""

    def __str__(self) -> str:
        """``ops.yaml:12:8: op 'tanh'`` (the op is left out when unknown)."""
        place = f"{self.file}:{self.line}:{self.col}"
        return f"{place}: op '{self.op}'" if self.op else place

    def shifted(self, cols: int) -> Place:
        """The same place, ``cols`` columns to the right."""
        return Place(self.file, self.line, self.col + cols, self.op)


class Mistake(Exception):
    """What a user's registry or command says wrong: the text alone is the message."""


class UnknownName(Mistake):
    """No op, stage, dtype or file of a name that a command was given."""


class RegistryError(Mistake):
    """A mistake in a registry: place + op + what was found and what was expected, on one line."""

    def __init__(self, place: Place, message: str) -> None:
        """Format ``place: message``; both stay available as attributes."""
        super().__init__(f"{place}: {message}")
        self.place = place
        self.message = message


class RegistryErrors(Mistake):
    """Every mistake found in one registry; the text is one line a mistake."""

    def __init__(self, errors: list[RegistryError]) -> None:
        """Order by place so that editors can walk them."""
        self.errors = sorted(errors, key=lambda e: (e.place.file, e.place.line, e.place.col))
        super().__init__("\n".join(str(e) for e in self.errors))


class FormulaError(Exception):
    """A mistake inside a formula, at an offset of its text; the caller adds the place."""

    def __init__(self, message: str, offset: int = 0) -> None:
        """``offset`` counts characters from the start of the formula."""
        super().__init__(message)
        self.message = message
        self.offset = offset


@contextmanager
def at(place: Place, what: str = "") -> Iterator[None]:
    """Give any FormulaError raised below the place of the formula it came from."""
    try:
        yield
    except FormulaError as e:
        prefix = f"{what}: " if what else ""
        raise RegistryError(place.shifted(e.offset), prefix + e.message) from None


class Collector:
    """Collects errors so that all mistakes of a file are reported, not the first."""

    def __init__(self) -> None:
        """Start empty."""
        self.errors: list[RegistryError] = []

    def add(self, place: Place, message: str) -> None:
        """Record one mistake."""
        self.errors.append(RegistryError(place, message))

    @contextmanager
    def catch(self) -> Iterator[None]:
        """Record a RegistryError raised below and go on after the block."""
        try:
            yield
        except RegistryError as e:
            self.errors.append(e)

    def finish(self) -> None:
        """Raise everything collected, if anything was."""
        if self.errors:
            raise RegistryErrors(self.errors)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'tanh'?"`` for the nearest of ``known``, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""


def listing(names: Iterable[str]) -> str:
    """Comma-separated names for the 'in scope are ...' part of a message."""
    return ", ".join(names) or "nothing"
