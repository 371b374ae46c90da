"""In: where this package stands. Out: the folders the compiler reads and writes.

Must not know: what is in them. In the source tree the folders are siblings of ``codegen``; in an
installed wheel they travel inside the package, under ``_data``, and intermediates go to the cache:
the package's folder may belong to somebody else.
"""

from __future__ import annotations

import os
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


def runtime_library() -> Path:
    """libopsmith.so as installed, of one instruction set: what links against it finds any."""
    found = sorted(GENERATED.rglob("libopsmith.so"))
    return found[0] if found else GENERATED / "libopsmith.so"


def cache() -> Path:
    """Where a user's compiled registries are kept; ``$OPSMITH_CACHE`` says it otherwise."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    chosen = Path(os.environ.get("OPSMITH_CACHE") or os.path.join(root, "opsmith"))
    return chosen.absolute()


BUILD = ROOT / "build" if IN_TREE else cache() / "build"
