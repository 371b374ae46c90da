"""In: contexts (frozen dataclasses). Out: files, written only when their text changed.

Must not know: ops or derivation. The only module that imports jinja2.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from .paths import TEMPLATES


@cache
def environment(folder: Path = TEMPLATES) -> jinja2.Environment:
    """The one Jinja environment; undefined names are errors."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )
    env.filters["block"] = block
    return env


def block(lines: tuple[str, ...], indent: int) -> str:
    """Statements as indented lines; the first takes the column of the placeholder."""
    text = "\n".join(lines)
    return text.replace("\n", "\n" + " " * indent)


def render(template: str, context: Any) -> str:
    """Render a template with a dataclass; names and fields are checked equal by a test."""
    values = {f.name: getattr(context, f.name) for f in fields(context)}
    return environment().get_template(template).render(values)


def write(path: Path, text: str) -> bool:
    """Write when different, through a temporary name; says whether it wrote."""
    try:
        if path.read_text(encoding="utf-8") == text:
            return False
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    os.replace(temporary, path)
    return True


def install(stage: Path, folder: Path) -> None:
    """Bring ``folder`` to the state of ``stage``: a failed build never leaves it half new."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {p.name for p in stage.iterdir() if p.is_file() and not p.name.endswith(".tmp")}
    parts = {p.name for p in stage.iterdir() if p.is_dir() and any(p.glob("*.so"))}
    for part in parts:  # libraries of one instruction set
        install(stage / part, folder / part)
    for name in made:
        source, target = stage / name, folder / name
        new = source.stat()
        if target.exists():
            old = target.stat()
            if (old.st_size, old.st_mtime_ns) == (new.st_size, new.st_mtime_ns):
                continue
        temporary = target.with_name(f".{name}.{os.getpid()}")
        shutil.copy2(source, temporary)
        os.replace(temporary, target)
    for left in folder.iterdir():  # shards of a larger registry
        if left.is_file() and left.name not in made and left.suffix in (".py", ".so"):
            left.unlink()
        elif left.is_dir() and left.name not in parts and any(left.glob("*.so")):
            shutil.rmtree(left)
