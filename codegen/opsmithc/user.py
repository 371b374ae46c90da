"""In: a user's registry file. Out: its compiled package in a folder of its own.

Must not know: where that folder is or who imports it; the frontend's opsmith/ops.py calls this.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from . import __version__, compile, isa, paths, pipeline, store
from .errors import Mistake


class UserRegistryError(ValueError):
    """Mistakes in a user's registry, one line each."""


@cache
def identity() -> str:
    """What a compiled registry depends on besides its text: compiler, flags, bundled registry."""
    cpu = " ".join(sorted(isa.cpu()))  # the cache may lie on a disk that machines share
    headers = sorted((paths.RUNTIME / "include").rglob("*.h"))
    read = [*headers, paths.OPS_YAML]
    facts = (__version__, store.compiler(), isa.chosen(), cpu, compile.flags())
    return store.digest(*facts, *(file.read_bytes() for file in read))


def show(source: Path | None, name: str, stage: str, dtype: str | None) -> str:
    """An op of a user's registry (or of the bundled one) at a stage of the compiler."""
    from . import inspect, registry

    base = registry.load(paths.OPS_YAML) if source else ()
    ops = pipeline.parse([source or paths.OPS_YAML], base)
    return inspect.show(inspect.find(ops, name), stage, dtype)


def build_user(
    source: Path, package: str, folder: Path, jobs: int = 0, progress: bool = False,
    link: bool = True,
) -> pipeline.Report:  # fmt: skip
    """Run the pipeline on ``source`` into ``folder``, a package of that name."""
    folder = folder.resolve()  # ninja works in a folder of its own
    try:
        compile.compiler()
    except compile.CompileError as e:
        raise RuntimeError(f"loading new ops needs a C compiler: {e}") from None
    layout = pipeline.Layout(
        package, folder, folder / "build", "u",
        f"from opsmith.ops import namespace_of\n\n_f = namespace_of({package!r})",
    )  # fmt: skip
    try:
        return pipeline.build(
            source.resolve(), layout, jobs=jobs or os.cpu_count() or 1, progress=progress, link=link
        )
    except Mistake as e:
        raise UserRegistryError(str(e)) from None
    except compile.CompileError as e:
        raise RuntimeError(str(e)) from None
