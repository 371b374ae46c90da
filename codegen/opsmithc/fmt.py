"""In: registry text. Out: the same registry in canonical layout.

Must not know: what entries mean. Comments, the order of entries and the writing of values stay;
the order of keys, indentation and blank lines become canonical. The result loads to the same data.
"""

from __future__ import annotations

import re
from typing import Any

from .errors import Collector, Place
from .reader import compose, plain

ORDER = (
    "op", "out", "reduce", "scan", "index", "view", "body", "cases", "compose", "reference", "fast",
    "grad", "kink", "linear", "transpose", "dims", "let", "outside", "check", "stop", "dtype",
    "acc", "autocast", "variants", "alias", "random", "size", "schedule", "unsupported", "tol",
    "doc", "samples",
)  # fmt: skip
_SECTION = re.compile(r"# -- ")
_KEY = re.compile(r"(\w+):[ \t]+(?=[^\s#])")
_KEEP = re.compile(r":\s+[|>]\d*\+")  # a block scalar that keeps its trailing blank lines


def format_registry(text: str, file: str = "<registry>") -> str:
    """Canonical text of a registry; raises RegistryErrors where the text is not YAML.

    A section's comment line ``# -- pointwise: arithmetic ---`` gets one blank line before it;
    elsewhere at most one blank line stays between entries, and none inside them.
    """
    errors = Collector()
    entries = compose(text, file, errors)
    for k, line in enumerate(text.splitlines(), 1):
        if _KEEP.search(line):
            errors.add(Place(file, k, 1), "blank lines kept by '|+' would move; write '|'")
    errors.finish()
    kept = {
        line
        for entry in entries
        for first, last in _spans(entry)
        for line in range(first + 1, last)
    }
    lines = [
        t if k in kept else t.rstrip() for k, t in enumerate(text.replace("\r\n", "\n").split("\n"))
    ]
    starts = [e.start_mark.line for e in entries]
    firsts = [_with_comments(lines, start) for start in starts]
    out = _Text()
    out.loose(lines[: firsts[0] if firsts else len(lines)])
    for k, entry in enumerate(entries):
        end = firsts[k + 1] if k + 1 < len(entries) else len(lines)
        body, rest = _split_tail(lines[starts[k] : end])
        out.loose(lines[firsts[k] : starts[k]])
        out.lines += _entry(entry, body, starts[k])
        out.loose(rest)
    result = out.text()
    assert plain(result) == plain(text), "formatting changed what the registry loads to"
    return result


class _Text:
    """The lines of the result; blank lines between entries are evened out."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def loose(self, lines: list[str]) -> None:
        """Comments and blank lines between entries."""
        for line in map(str.strip, lines):
            before = self.lines[-1] if self.lines else ""
            if _SECTION.match(line) and before:
                self.lines.append("")
            if line or before:
                self.lines.append(line)

    def text(self) -> str:
        """The whole, with one newline at its end."""
        body = "\n".join(self.lines).rstrip("\n")
        return body + "\n" if body else ""


def _spans(node: Any) -> list[tuple[int, int]]:
    if isinstance(node.value, str):
        first, last = node.start_mark.line, node.end_mark.line
        return [(first, last + 1)] if last > first else []
    found = []
    for item in node.value:
        for child in item if isinstance(item, tuple) else (item,):
            found += _spans(child)
    return found


def _with_comments(lines: list[str], start: int) -> int:
    """The first of the comment and blank lines that stand right above an entry."""
    while start > 0 and (not lines[start - 1].strip() or lines[start - 1].startswith("#")):
        start -= 1
    return start


def _split_tail(lines: list[str]) -> tuple[list[str], list[str]]:
    """An entry's own lines, and what follows them: blank lines and comments at the margin."""
    last = len(lines)
    while last > 1 and (not lines[last - 1].strip() or lines[last - 1].startswith("#")):
        last -= 1
    return lines[:last], lines[last:]


def _entry(entry: Any, lines: list[str], start: int) -> list[str]:
    """One entry, its keys in order; an entry in flow style stays as it is written."""
    if entry.id != "mapping" or entry.flow_style:
        return lines
    keys = [(k.value, k.start_mark.line - start, k.start_mark.column) for k, _ in entry.value]
    if len({line for _, line, _ in keys}) != len(keys):
        return lines
    begins = [0]
    for _, line, column in keys[1:]:
        while (
            line > 0
            and lines[line - 1].strip().startswith("#")
            and _indent(lines[line - 1]) <= column
        ):
            line -= 1  # a comment above a key goes with it
        begins.append(line)
    chunks = []
    for k, (name, line, column) in enumerate(keys):
        end = begins[k + 1] if k + 1 < len(keys) else len(lines)
        chunk = lines[begins[k] : end]
        if k == 0:
            chunk[0] = " " * column + chunk[0][column:]
        head = line - begins[k]
        chunk[head] = " " * column + _KEY.sub(r"\1: ", chunk[head][column:], count=1)
        moved = [_shift(text, 2 - column) for text in chunk]
        while moved and not moved[-1].strip():
            moved.pop()
        if not _has_block(entry, name):
            moved = [text for text in moved if text.strip()]
        chunks.append((ORDER.index(name) if name in ORDER else len(ORDER), moved))
    ordered = [text for _, chunk in sorted(chunks, key=lambda c: c[0]) for text in chunk]
    dash = next(k for k, text in enumerate(ordered) if not text.strip().startswith("#"))
    comments = [text.strip() for text in ordered[:dash]]
    return [*comments, "- " + ordered[dash][2:], *ordered[dash + 1 :]]


def _has_block(entry: Any, name: str) -> bool:
    """Does the key's value hold a scalar of several lines, whose blank lines may matter?"""
    return any(k.value == name and _spans(v) for k, v in entry.value)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _shift(line: str, by: int) -> str:
    if not line.strip():
        return ""
    return " " * by + line if by > 0 else line[min(-by, _indent(line)) :]
