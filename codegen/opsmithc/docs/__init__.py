"""In: the registry with its gradients. Out: Markdown and pictures, the sources of a site.

Must not know: how kernels are lowered, or what makes the site. A page per op, an index by family
and one by name, the support matrix; ``docs/site.py`` turns them into pages, with those of the
frontend.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import emit, matrix, paths, pipeline, trials
from ..derive.op import Derived
from ..opdef import by_name
from .page import Figures, Neighbours, family, page, prose
from .plots import univariate


@dataclass(frozen=True, slots=True)
class IndexPage:
    """Context of templates/docs/index.md.j2."""

    count: int
    sections: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    families: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class NamesPage:
    """Context of templates/docs/names.md.j2."""

    letters: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]  # letter, (name, op's page)


@dataclass(frozen=True, slots=True)
class MatrixPage:
    """Context of templates/docs/matrix.md.j2."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]
    tests: tuple[tuple[str, str], ...]
    totals: tuple[tuple[str, int], ...]


def nothing(done: str) -> None:
    """Nobody watches."""


def write_docs(
    out: Path,
    files: Sequence[Path] = (paths.OPS_YAML,),
    figures: Mapping[str, Figures] | None = None,
    progress: Callable[[str], None] = nothing,
) -> int:
    """Write ``out``/ops/*.md; returns the number of pages of operations.

    ``figures`` are the measured accuracies by op; ``progress`` is told of each page.
    """
    derived = pipeline.derive_all(pipeline.parse(files))
    shown = public(derived)
    folder = out / "ops"
    ops = by_name(d.op for d in derived)
    own = {d.op.name: d for d in derived}
    known = {name: own[op.name] for name, op in ops.items()}
    sections = _sections(shown, files)
    where = {name: (title, k) for title, ops in sections for k, (name, _) in enumerate(ops)}
    order = {title: [name for name, _ in ops] for title, ops in sections}
    drawn = {d.op.name for d in shown if univariate(d, ops)}
    for d in shown:
        title, k = where[d.op.name]
        row = order[title]
        beside = Neighbours(
            title, anchor(title), row[k - 1] if k else "", row[k + 1] if k + 1 < len(row) else ""
        )
        found = page(d, known, beside, d.op.name in drawn, (figures or {}).get(d.op.name))
        emit.write(folder / f"{d.op.name}.md", _tidy(emit.render("docs/op.md.j2", found)))
        progress(d.op.name)
    families: dict[str, list[str]] = {}
    for d in shown:
        families.setdefault(family(d.op), []).append(d.op.name)
    for name, context in {
        "index": IndexPage(len(shown), sections, tuple((f, tuple(o)) for f, o in families.items())),
        "names": names_page(shown),
        "matrix": matrix_page(derived),
    }.items():
        emit.write(folder / f"{name}.md", _tidy(emit.render(f"docs/{name}.md.j2", context)))
    kept = {*where, "index", "names", "matrix"}
    for left in (*folder.glob("*.md"), *folder.glob("plots/*.svg")):  # of ops that are no more
        if left.stem not in (kept if left.suffix == ".md" else drawn):
            left.unlink()
    return len(shown)


def public(derived: Sequence[Derived]) -> list[Derived]:
    """The ops that have pages: those of the registry that users can call."""
    return [d for d in derived if trials.written(d.op) and not d.op.hidden]


def anchor(title: str) -> str:
    """The name under which a heading can be linked to, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _tidy(text: str) -> str:
    """One empty line between paragraphs, one newline at the end."""
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def names_page(shown: Sequence[Derived]) -> NamesPage:
    """Every name under its first letter: ops, and aliases with the page they are on."""
    names = sorted(
        {(n, d.op.name) for d in shown for n in (d.op.name, *d.op.alias)},
        key=lambda pair: (pair[0].lower(), pair[0]),
    )
    letters: dict[str, list[tuple[str, str]]] = {}
    for name, target in names:
        letters.setdefault(name[0].upper(), []).append((name, target))
    return NamesPage(tuple((letter, tuple(found)) for letter, found in letters.items()))


def matrix_page(derived: Sequence[Derived]) -> MatrixPage:
    """The support matrix, rendered; a hole shows as an empty cell."""
    table = matrix.rows(derived)
    return MatrixPage(
        columns=matrix.COLUMNS,
        rows=tuple((r.op, r.dtype, tuple(c.mark for _, c in r.cells)) for r in table),
        tests=tuple((c, trials.TRIALS[c][1]) for c in matrix.COLUMNS),
        totals=tuple(matrix.counts(table).items()),
    )


def _sections(
    shown: Sequence[Derived], files: Sequence[Path]
) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """The registry's own sections: comment lines ``# -- title ---``, in order."""
    titles: list[tuple[str, int, str]] = []
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            m = re.match(r"# -- (.+?) -*$", line)
            if m:
                titles.append((file.name, number, m[1][:1].upper() + m[1][1:].strip()))
    sections: dict[str, list[tuple[str, str]]] = {}
    for d in shown:
        above = [t for f, n, t in titles if f == d.op.place.file and n < d.op.place.line]
        sections.setdefault(above[-1] if above else "Operations", []).append(
            (d.op.name, prose(d.op.doc.get("short", "")))
        )
    return tuple((title, tuple(ops)) for title, ops in sections.items())
