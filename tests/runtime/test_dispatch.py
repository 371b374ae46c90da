"""Reference kernels alone: OPSMITH_REFERENCE=1 leaves every slot as the compiler filled it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from opsmithc import paths, pipeline
from opsmithc.lower import families
from opsmithc.opdef import Index
from opsmithc.registry import load

# One after the other, each 1 is lost beside 2^24; tuned kernels sum them apart first.
ORDER = """
import opsmith
from opsmith import _boundary
a = opsmith.ones(4096)
a[0] = 2.0**24
print(_boundary.TUNED, opsmith.dot(a, opsmith.ones(4096)).item() == 2.0**24)
"""


def run(reference: str, *command: str) -> str:
    """What a new interpreter prints, with the environment variable set so."""
    path = os.pathsep.join([str(paths.FRONTEND), str(paths.PACKAGE.parent)])
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=paths.ROOT,
        env={**os.environ, "OPSMITH_REFERENCE": reference, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


@pytest.mark.parametrize(("reference", "printed"), [("", "True False"), ("1", "False True")])
def test_environment_chooses(reference: str, printed: str) -> None:
    assert run(reference, "-c", ORDER).strip() == printed


def with_tuned_kernels() -> list[str]:
    """Ops whose generated kernels are the reference of tuned ones."""
    found = []
    for op in families.by_structure(load(paths.OPS_YAML)):
        if isinstance(op.meaning, Index):
            [(_, context)] = families.kernel_contexts(*pipeline.derive_all([op]))
            found += [op.name] if context.tuned else []
    return found


def test_every_tuned_kernel_has_a_reference() -> None:
    names = with_tuned_kernels()
    assert len(names) > 8
    for op in families.by_structure(load(paths.OPS_YAML)):
        if op.name in names:
            [(_, context)] = families.kernel_contexts(*pipeline.derive_all([op]))
            assert len(context.table) == len(context.tuned)
            for reference, tuned in zip(context.table, context.tuned, strict=True):
                assert tuned == "NULL" or reference.startswith("loops_"), op.name


def test_values_and_gradients_by_reference_kernels(tmp_path: Path) -> None:
    """The tests of tests/ops, for the ops that have tuned kernels."""
    names = " or ".join(f"[{name}-" for name in with_tuned_kernels())
    files = [f"tests/ops/test_{name}.py" for name in ("value", "gradient", "layout")]
    printed = run("1", "-m", "pytest", "-q", "-p", "no:cacheprovider", *files, "-k", names)
    assert " passed" in printed


@pytest.mark.full
def test_suite_by_reference_kernels() -> None:
    printed = run("1", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/ops")
    assert " passed" in printed
