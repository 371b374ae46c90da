"""In: a derived op. Out: nothing by itself: what a backend is, and the backends there are.

Must not know: ops, or any backend by name. A backend is ``backends/<name>.py`` with an object
BACKEND, ``templates/<folder>/`` and ``runtime/<name>/``; the pipeline asks it for contexts, renders
them and has a library made of them. Every backend starts from the same Kernel IR, so that one means
by an op what the others do.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..compile import Plan
    from ..derive.op import Derived


class Backend:
    """What the pipeline needs to know of a target; a module's BACKEND derives from this."""

    name: str  # the module's
    templates: str  # folder below templates/
    spelling: str  # column of intrinsics.yaml that names the math functions
    suffix: str  # of its sources
    rule = "kernel"  # of compile.Plan, by which they are compiled

    def kernel_contexts(self, d: Derived) -> list[tuple[str, Any]]:
        """(template, context) of the op's kernel files; empty where it has none of its own."""
        raise NotImplementedError

    def wanted(self, asked: bool) -> bool:
        """Is its library part of this build? ``asked``: by the command line."""
        return True

    def library(self, plan: Plan, derived: Sequence[Derived], stage: Path, runtime: Path) -> None:
        """Write the kernels of every op and plan ``libopsmith_<name>.so`` from them.

        ``runtime`` is libopsmith.so; hand-written sources and headers are in runtime/<name>.
        """
        from .. import emit, paths

        own, folder = paths.RUNTIME / self.name, plan.folder / self.name
        sources = sorted(own.glob(f"*{self.suffix}"))
        for d in derived:
            for template, context in self.kernel_contexts(d):
                sources.append(folder / f"{d.op.name}{self.suffix}")
                emit.write(sources[-1], emit.render(template, context))
        plan.include = (*plan.include, own)
        objects = [plan.object(s, self.rule) for s in sources]
        flags: list[str | Path] = [runtime, "-Wl,-rpath,'$$ORIGIN'", "-lm"]
        plan.library(stage / f"libopsmith_{self.name}.so", objects, flags)

    def show(self, d: Derived) -> str:
        """The op's source, for ``opsmithc show``."""
        from .. import emit

        files = [emit.render(template, c) for template, c in self.kernel_contexts(d)]
        return "\n".join(files) or f"{d.op.name} has no {self.name} kernel of its own\n"


@cache
def found() -> dict[str, Backend]:
    """Every backend by name."""
    modules = pkgutil.iter_modules(__path__)
    named = ((m.name, importlib.import_module(f"{__name__}.{m.name}")) for m in modules)
    return {n: m.BACKEND for n, m in named if isinstance(getattr(m, "BACKEND", None), Backend)}
