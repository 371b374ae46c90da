"""In: a registry. Out: the gate's verdicts, then the kernels' accuracy table, printed.

Must not know: the frontend; the table is made by benchmarks/accuracy.py in a process of its own.
"""

from __future__ import annotations

import json
from pathlib import Path

from . import compile, inspect, paths, pipeline, registry
from .docs.page import Figures
from .errors import RegistryErrors

SCRIPT = paths.ROOT / "benchmarks" / "accuracy.py"


def report(file: Path, names: tuple[str, ...]) -> int:
    """Verify ``file`` or the ops ``names`` in it; print their errors in ULP."""
    from .verify import verdicts

    base = () if file == paths.OPS_YAML else registry.load(paths.OPS_YAML)
    ops = pipeline.parse([file], base)
    chosen = [inspect.select(ops, name) for name in dict.fromkeys(names)] or ops
    derived = pipeline.derive_all(chosen)
    found = verdicts(derived, paths.BUILD / "verify", (*ops, *base))
    errors = [e for v in found for e in v.errors]
    if errors:
        raise RegistryErrors(errors)
    compared = sum(v.compared for v in found)
    deferred = sum(len(v.deferred) for v in found)
    print(
        f"{len(derived)} ops: {compared} comparisons at 60 digits agree; "
        f"{deferred} gradients are left to tests"
    )
    if not _measurable():
        return 0
    own = [] if file == paths.OPS_YAML else ["--registry", str(file.resolve())]
    return _run(*own, *([op.name for op in chosen] if names else []))


def _measurable() -> bool:
    return paths.runtime_library().exists() and SCRIPT.exists()


def _run(*arguments: str) -> int:
    return compile.run_python([str(SCRIPT), *arguments], (paths.FRONTEND, paths.PACKAGE.parent))


def figures(cache: Path) -> dict[str, Figures]:
    """Errors by op, for documents; kept in ``cache`` until the libraries are made anew.

    Nothing, where there are no libraries to measure.
    """
    if not _measurable():
        return {}
    newest = max(p.stat().st_mtime for p in (*paths.GENERATED.rglob("*.so"), SCRIPT))
    if not cache.exists() or cache.stat().st_mtime < newest:
        cache.parent.mkdir(parents=True, exist_ok=True)
        if _run("--json", str(cache)):
            return {}
    found = json.loads(cache.read_text(encoding="utf-8"))
    return {
        op: Figures(
            tuple((dtype, f"{value:.2f}", "" if grad is None else f"{grad:.2f}")
                  for dtype, value, grad, _ in f["rows"]),
            f["points"], f["low"], f["high"],
        )
        for op, f in found.items()
    }  # fmt: skip
