"""A Sphinx extension: docstrings are plain text with `code`; their stars and bars are no markup."""

from __future__ import annotations

import re
from typing import Any


def escape(line: str) -> str:
    """The line with what reStructuredText would read as markup escaped, outside of `code`."""
    parts = re.split(r"(`[^`]*`)", line)
    for k in range(0, len(parts), 2):
        parts[k] = re.sub(r"([*|])|(?<=\w)(_)(?!\w)", lambda m: f"\\{m[0]}", parts[k])
    return "".join(parts)


def plain(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Escape the lines in place, before Napoleon reads the sections."""
    literal = False
    for k, line in enumerate(lines):
        if line.strip() and not line.startswith(" "):
            literal = False
        if not literal:
            lines[k] = escape(line)
        literal = literal or line.rstrip().endswith("::")


def setup(app: Any) -> dict[str, Any]:
    """Come before Napoleon, whose priority is the default one, 500."""
    app.connect("autodoc-process-docstring", plain, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
