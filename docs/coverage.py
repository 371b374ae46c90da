"""Write the page on PyTorch's names: which are here, which are planned, which are out of scope.

python3 docs/coverage.py build/docs/coverage.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from opsmith import _names
from opsmith._names import PLANNED, PRESENT

INTRODUCTION = """\
# PyTorch's names

The public names of PyTorch {version}, namespace by namespace: those that are here, those that are
planned, and those that are out of scope, with the reason. The page is made from the library itself:
a name is *present* if the import finds it. A name that is missing raises `AttributeError`, which
says the same.
"""


def page() -> str:
    """The page as Markdown."""
    for namespace in _names.namespaces():  # a module is an attribute once it was imported
        _names.here(namespace)
    sections = {n: _sorted_out(n) for n in _names.namespaces()}
    totals = [sum(len(s[k]) for s in sections.values()) for k in range(3)]
    lines = [
        INTRODUCTION.format(version=_names.version()),
        "| namespace | present | planned | out of scope |",
        "| --- | ---: | ---: | ---: |",
        f"| **all** | **{totals[0]}** | **{totals[1]}** | **{totals[2]}** |",
    ]
    lines += [
        f"| [`{name}`](#{_anchor(name)}) | {' | '.join(str(len(part)) for part in found)} |"
        for name, found in sections.items()
    ]
    for name, found in sections.items():
        lines += ["", f"## {name}", *_section(*found)]
    return "\n".join(lines) + "\n"


def _anchor(name: str) -> str:
    return name.lower().replace(".", "")


def _sorted_out(namespace: str) -> tuple[list[str], list[str], list[tuple[str, str]]]:
    present: list[str] = []
    planned: list[str] = []
    out: list[tuple[str, str]] = []
    for name in _names.names(namespace):
        status = _names.status(namespace, name)
        if status == PRESENT:
            present.append(name)
        elif status == PLANNED:
            planned.append(name)
        else:
            out.append((name, status))
    return present, planned, out


def _section(
    present: list[str], planned: list[str], out: list[tuple[str, str]]
) -> Iterator[str]:
    yield f"\n**Present**: {_listed(present)}"
    yield f"\n**Planned**: {_listed(planned)}"
    reasons: dict[str, list[str]] = {}
    for name, why in out:
        reasons.setdefault(why, []).append(name)
    for why, names in reasons.items():
        yield f"\n**Out of scope**, {why}: {_listed(names)}"


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{n}`" for n in names) or "none"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(), encoding="utf-8")
    print(f"{target}: PyTorch's names")
