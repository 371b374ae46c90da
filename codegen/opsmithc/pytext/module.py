"""In: function texts. Out: the context of a shard's Python module.

Must not know: ops.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FunctionsFile:
    """Context of templates/python/functions.py.j2."""

    shard: str
    package: str
    functions: str  # the import that binds _f, the namespace of every op
    symbols: tuple[str, ...]  # C functions bound at the top
    externs: tuple[tuple[str, str], ...]  # (C function, shard it stands in)
    texts: tuple[str, ...]
    public: tuple[str, ...]
