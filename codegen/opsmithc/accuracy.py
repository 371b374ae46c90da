"""In: a registry. Out: the gate's verdicts, then the kernels' accuracy table, printed.

Must not know: the frontend; the table is made by benchmarks/accuracy.py in a process of its own.
"""

from __future__ import annotations

from pathlib import Path

from . import compile, inspect, paths, pipeline, registry
from .errors import RegistryErrors


def report(file: Path, names: tuple[str, ...]) -> int:
    """Verify ``file`` or the ops ``names`` in it; of the bundled ones also print errors in ULP."""
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
    script = paths.ROOT / "benchmarks" / "accuracy.py"
    bundled = file == paths.OPS_YAML and paths.runtime_library().exists()
    if not bundled or not script.exists():
        return 0
    own = [op.name for op in chosen] if names else []
    return compile.run_python([str(script), *own], (paths.FRONTEND, paths.PACKAGE.parent))
