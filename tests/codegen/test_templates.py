"""Templates and their contexts agree: every name a field, every field used, as line one says."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
from functools import cache
from pathlib import Path

import jinja2
import jinja2.meta
import pytest

import opsmithc
from opsmithc import emit
from opsmithc.paths import TEMPLATES

FILES = sorted(p.relative_to(TEMPLATES).as_posix() for p in TEMPLATES.rglob("*.j2"))
CONTEXT = re.compile(r"\{# context: (\w+)\(([^)]*)\)")


@cache
def contexts() -> dict[str, list[type]]:
    """Every dataclass of the compiler, by name."""
    found: dict[str, list[type]] = {}
    for info in pkgutil.walk_packages(opsmithc.__path__, "opsmithc."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and dataclasses.is_dataclass(value)
                and value.__module__ == info.name
            ):
                found.setdefault(value.__name__, []).append(value)
    return found


def used(template: str) -> set[str]:
    """Names that the template reads and does not set itself, its includes and imports too."""
    environment = emit.environment()
    names: set[str] = set()
    todo, seen = [template], set()
    while todo:
        name = todo.pop()
        seen.add(name)
        assert environment.loader is not None
        source = environment.loader.get_source(environment, name)[0]
        tree = environment.parse(source)
        names |= jinja2.meta.find_undeclared_variables(tree)
        todo += [t for t in jinja2.meta.find_referenced_templates(tree) if t and t not in seen]
    return names


@pytest.mark.parametrize("template", FILES)
def test_names_are_fields(template: str) -> None:
    first = (TEMPLATES / template).read_text(encoding="utf-8").splitlines()[0]
    stated = CONTEXT.match(first)
    assert stated, f"{template}: line 1 must be {{# context: Name(fields) #}}"
    classes = contexts().get(stated[1], [])
    fields = [f.strip() for f in stated[2].split(",")]
    matching = [c for c in classes if [f.name for f in dataclasses.fields(c)] == fields]
    assert matching, (
        f"{template}: line 1 names {stated[1]}({', '.join(fields)}); the dataclass has "
        f"{[[f.name for f in dataclasses.fields(c)] for c in classes]}"
    )
    assert matching[0].__dataclass_params__.frozen  # type: ignore[attr-defined]
    names = used(template)
    assert not names - set(fields), f"{template} reads {sorted(names - set(fields))}"
    assert not set(fields) - names, f"{template} never reads {sorted(set(fields) - names)}"


@pytest.mark.parametrize("template", FILES)
def test_style(template: str) -> None:
    """No assignments, no more than two levels of control, no op decided in a template."""
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    assert "{% set" not in text
    assert "\t" not in text
    depth = deepest = 0
    for word in re.findall(r"\{%-?\s*(\w+)", text):
        if word in ("for", "if", "macro"):
            depth += 1
        elif word in ("endfor", "endif", "endmacro"):
            depth -= 1
        deepest = max(deepest, depth)
    assert depth == 0
    assert deepest <= 3, f"{template}: control nests {deepest} deep"


def test_contexts_are_named_once() -> None:
    """Two dataclasses of one name would make line 1 ambiguous, unless their fields differ."""
    for name, classes in contexts().items():
        shapes = [tuple(f.name for f in dataclasses.fields(c)) for c in classes]
        assert len(shapes) == len(set(shapes)) or name not in {
            m[1] for t in FILES
            if (m := CONTEXT.match((Path(TEMPLATES) / t).read_text(encoding="utf-8")))
        }, name  # fmt: skip
