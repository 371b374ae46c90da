"""In: where this package stands. Out: the folders the compiler reads and writes.

Must not know: what is in them. In the source tree the folders are siblings of ``codegen``; in an
installed wheel they travel inside the package, under ``_data``.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
_TREE = PACKAGE.parent.parent
IN_TREE = (_TREE / "ops.yaml").exists() and (_TREE / "runtime").is_dir()
_DATA = PACKAGE / "_data"

ROOT = _TREE if IN_TREE else _DATA
OPS_YAML = ROOT / "ops.yaml"
RUNTIME = ROOT / "runtime"
TEMPLATES = PACKAGE / "templates"
FRONTEND = ROOT / "frontend" if IN_TREE else PACKAGE.parent
GENERATED = FRONTEND / "opsmith" / "_generated"
BUILD = ROOT / "build"
