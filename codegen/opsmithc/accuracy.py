"""In: a registry. Out: the gate's verdicts, then the kernels' accuracy table, printed.

Must not know: the frontend; the table is made by benchmarks/accuracy.py in a process of its own.
"""

from __future__ import annotations

from pathlib import Path

from . import compile, paths, pipeline, registry
from .errors import RegistryErrors


def report(file: Path, names: tuple[str, ...]) -> int:
    """Verify ``file``; for the bundled registry also print the error of every kernel in ULP."""
    from .verify import verdicts

    base = () if file == paths.OPS_YAML else registry.load(paths.OPS_YAML)
    derived = pipeline.derive_all(pipeline.parse([file], base))
    found = verdicts(derived, paths.BUILD / "verify", base)
    errors = [e for v in found for e in v.errors]
    if errors:
        raise RegistryErrors(errors)
    compared = sum(v.compared for v in found)
    deferred = sum(len(v.deferred) for v in found)
    print(
        f"{len(derived)} ops: {compared} comparisons at 60 digits agree; {deferred} gradients are left to tests"  # noqa: E501
    )
    script = paths.ROOT / "benchmarks" / "accuracy.py"
    if (
        file != paths.OPS_YAML
        or not paths.runtime_library().exists()
        or not script.exists()
    ):
        return 0
    return compile.run_python([str(script), *names], (paths.FRONTEND, paths.PACKAGE.parent))
