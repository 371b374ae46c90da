"""In: YAML text. Out: its nodes read as text, words, tables and formulas, each with its place.

Must not know: the keys of an entry. YAML's own typing is switched off: every scalar arrives as
text, so ``1e-5``, ``on`` and ``-inf`` mean what they say. The registry's YAML is read here alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from . import formula as fm
from .errors import Collector, FormulaError, Place, RegistryError, at, did_you_mean, listing
from .opdef import Formula

Node = yaml.Node


def typed(source: str) -> Any:
    """A YAML document as Python values: for tables of our own, which need no places."""
    return yaml.safe_load(source)


def content(file: Path) -> str:
    """The text of a registry file; a byte order mark in front of it says nothing."""
    return file.read_text(encoding="utf-8-sig")


def compose(source: str, file: str, errors: Collector) -> list[yaml.Node]:
    """The entries of a registry text; raises RegistryErrors where it is no list in YAML."""
    try:
        root = yaml.compose(source, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        place = Place(file, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1)
        errors.add(place, f"not YAML: {e.problem or e.context}")
        errors.finish()
    except yaml.reader.ReaderError as e:
        line = source.count("\n", 0, e.position) + 1
        errors.add(Place(file, line, 1), f"not YAML: {e.reason} (character {e.character!r})")
        errors.finish()
    if root is None:
        return []
    if not isinstance(root, yaml.SequenceNode):
        errors.add(Place(file, 1, 1), "expected a list of entries '- op: name(...) -> Tensor'")
        errors.finish()
    return list(root.value)


@dataclass(frozen=True, slots=True)
class Unit:
    """The lines of one entry and of the comments behind it; ``line`` counts from 0.

    ``above``: earlier units that it takes something from, by anchor and alias.
    """

    text: str
    line: int
    above: tuple[Unit, ...] = ()


def units(source: str) -> list[Unit]:
    """A registry text cut before every entry; what stands above the first is left out.

    Cutting goes by lines alone: a text that joins its entries by other means of YAML does not read
    as its units do, and reading them says so.
    """
    lines = source.splitlines()
    starts = [k for k, line in enumerate(lines) if line.startswith("- ")]
    anchors: dict[str, list[Unit]] = {}
    found = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=False):  # or no entry at all
        text = "\n".join(lines[start:end])
        if "+\n" not in text:  # a scalar may keep blank lines at its end (`|+`, `>+`)
            text = text.rstrip("\n")
        above: dict[Unit, None] = {}
        for name in _ALIAS.findall(text) if anchors else ():  # products, too: no harm
            for unit in anchors.get(name, ()):
                above |= dict.fromkeys((*unit.above, unit))
        unit = Unit(text, start, tuple(sorted(above, key=lambda u: u.line)))
        for name in _ANCHOR.findall(text):
            anchors.setdefault(name, []).append(unit)
        found.append(unit)
    return found


_ALIAS, _ANCHOR = re.compile(r"\*([\w-]+)"), re.compile(r"&([\w-]+)")


def only(chosen: Iterable[Unit]) -> str:
    """A text with the chosen units, and those above them, where they stand; all else is blank."""
    lines: list[str] = []
    for unit in sorted({v for u in chosen for v in (*u.above, u)}, key=lambda u: u.line):
        lines += [""] * (unit.line - len(lines))
        lines += unit.text.split("\n")
    return "\n".join([*lines, ""])


def plain(source: str) -> object:
    """What a text loads to, every scalar as text."""
    return yaml.load(source, Loader=yaml.BaseLoader)


def literal(text: str) -> object:
    """Read a scalar: number (``1e-5``, ``-inf``), true/false, none, else the text itself."""
    low = text.strip().lower()
    if low in ("true", "false"):
        return low == "true"
    if low in ("none", "null", "~", ""):
        return None
    if low.lstrip("+-") in ("inf", ".inf", "nan", ".nan"):
        return float(low.replace(".", ""))
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def kind(node: yaml.Node) -> str:
    """What a node is: scalar, sequence or mapping."""
    return str(getattr(node, "id", "node"))


class Reader:
    """Reads the YAML nodes of one entry, adding the place to every mistake."""

    def __init__(self, file: str, source: str, errors: Collector) -> None:
        """``places``: where words were written, by key and word; ``unread``: keys that failed."""
        self.file, self.lines, self.errors, self.op = file, source.splitlines(), errors, ""
        self.places: dict[tuple[str, str], Place] = {}
        self.unread: set[str] = set()

    def place(self, node: yaml.Node) -> Place:
        """Where a value's text begins."""
        mark = node.start_mark
        if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
            line = mark.line + 1
            while line < len(self.lines) - 1 and not self.lines[line].strip():
                line += 1
            text = self.lines[line] if line < len(self.lines) else ""
            return Place(self.file, line + 1, len(text) - len(text.lstrip()) + 1, self.op)
        quoted = isinstance(node, yaml.ScalarNode) and node.style in ("'", '"')
        return Place(self.file, mark.line + 1, mark.column + 1 + quoted, self.op)

    def fail(self, node: yaml.Node, message: str) -> RegistryError:
        """The mistake ``message`` at ``node``."""
        return RegistryError(self.place(node), message)

    def note(self, error: RegistryError) -> None:
        """Record a mistake and go on."""
        self.errors.errors.append(error)

    def text(self, node: yaml.Node, what: str) -> str:
        """A scalar."""
        if not isinstance(node, yaml.ScalarNode):
            raise self.fail(node, f"{what}: expected text, found a {kind(node)}")
        return str(node.value)

    def items(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        """A list, or one item."""
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        if isinstance(node, yaml.ScalarNode):
            return [node]
        raise self.fail(node, f"{what}: expected a list, found a {kind(node)}")

    def pairs(self, node: yaml.Node, what: str) -> list[tuple[yaml.Node, str, yaml.Node]]:
        """A mapping's (key node, key, value) without duplicates, which are reported."""
        if not isinstance(node, yaml.MappingNode):
            raise self.fail(node, f"{what}: expected a mapping, found a {kind(node)}")
        found: dict[str, tuple[yaml.Node, str, yaml.Node]] = {}
        for key, value in node.value:
            name = self.text(key, what)
            if name in found:
                self.note(self.fail(key, f"duplicate key '{name}' in {what}"))
            else:
                found[name] = (key, name, value)
        return list(found.values())

    def table(
        self, node: yaml.Node, what: str, allowed: Iterable[str] | None = None
    ) -> dict[str, yaml.Node]:
        """A mapping by key; keys beyond ``allowed`` are reported."""
        found: dict[str, yaml.Node] = {}
        for key, name, value in self.pairs(node, what):
            if allowed is not None and name not in allowed:
                hint = did_you_mean(name, allowed)
                known = "" if hint else f"; known are {listing(allowed)}"
                self.note(self.fail(key, f"unknown key '{name}' in {what}{hint or known}"))
            else:
                found[name] = value
        return found

    def formula(self, node: yaml.Node, what: str) -> Formula:
        """One formula."""
        text = self.text(node, what)
        if text.count("(") > text.count(")") and not getattr(node, "style", None):
            hint = "inside { } and [ ] a formula with commas is quoted"  # YAML cut it at the comma
            raise self.fail(node, f"{what}: '(' is never closed in '{text}'; {hint}")
        with at(self.place(node), what):
            return Formula(text, fm.parse(text), self.place(node))

    def formulas(self, node: yaml.Node, what: str) -> tuple[Formula, ...]:
        """One formula or a list of them."""
        return tuple(self.formula(n, what) for n in self.items(node, what))

    def formula_table(
        self, node: yaml.Node, what: str, allowed: tuple[str, ...] | None = None
    ) -> dict[str, Formula]:
        """Formulas by key."""
        return {
            k: self.formula(v, f"{what} '{k}'") for k, v in self.table(node, what, allowed).items()
        }

    def block(self, node: yaml.Node) -> tuple[fm.Block, Formula]:
        """A body: assignments, then the result."""
        text, place = self.text(node, "body"), self.place(node)
        try:
            block = fm.parse_block(text)
        except FormulaError as e:
            line, offset = _block_error(text, e)
            moved = Place(place.file, place.line + line, place.col + offset, place.op)
            raise RegistryError(moved, f"body: {e.message}") from None
        return block, Formula(text.strip(), block.result, place)

    def words(
        self, node: yaml.Node, what: str, allowed: tuple[str, ...] | None = None
    ) -> tuple[str, ...]:
        """Words out of a closed list; ``operator:+`` is known by what is before the colon."""
        found = []
        for n in self.items(node, what):
            word = self.text(n, what)
            if allowed is not None and word.partition(":")[0] not in allowed:
                hint = did_you_mean(word, allowed)
                raise self.fail(n, f"{what}: unknown '{word}'; known are {listing(allowed)}{hint}")
            self.places[what, word] = self.place(n)
            found.append(word)
        return tuple(found)

    def word(self, node: yaml.Node, what: str, allowed: tuple[str, ...]) -> str:
        """One word out of a closed list."""
        found = self.words(node, what, allowed)
        if len(found) != 1:
            raise self.fail(node, f"{what}: expected one of {listing(allowed)}, "
                                  f"found {listing(found)}")  # fmt: skip
        return found[0]

    def value(self, node: yaml.Node, what: str) -> object:
        """A sample's value: number, boolean, None, text or nested list or mapping of those."""
        if isinstance(node, yaml.SequenceNode):
            return [self.value(n, what) for n in node.value]
        if isinstance(node, yaml.MappingNode):
            return {k: self.value(v, what) for k, v in self.table(node, what).items()}
        return literal(self.text(node, what))


def statement_lines(text: str) -> list[int]:
    """The line of each statement of a body, the first line being 0."""
    return [s.lineno - 1 for s in ast.parse(text).body]


def _block_error(text: str, error: FormulaError) -> tuple[int, int]:
    """Line and column of a mistake in a body: FormulaError counts columns of an unnamed line."""
    try:
        module = ast.parse(text)
    except SyntaxError as e:
        return (e.lineno or 1) - 1, (e.offset or 1) - 1
    for s in module.body:
        value = getattr(s, "value", None)
        if value is None:
            return s.lineno - 1, s.col_offset
        try:
            fm.parse(ast.get_source_segment(text, value) or "")
        except FormulaError as e:
            return value.lineno - 1, value.col_offset + e.offset
    return (module.body[-1].lineno - 1 if module.body else 0), error.offset
