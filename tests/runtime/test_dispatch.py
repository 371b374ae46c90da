"""Reference kernels alone: OPSMITH_REFERENCE=1 leaves every slot as the compiler filled it."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

import pytest

from opsmithc import paths, pipeline
from opsmithc.lower import families
from opsmithc.lower.index import IndexFile
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


@cache
def tuned() -> dict[str, IndexFile]:
    """The kernel files of ops whose generated kernels are the reference of tuned ones."""
    found = {}
    for op in families.by_structure(load(paths.OPS_YAML)):
        if isinstance(op.meaning, Index):
            [(_, context)] = families.kernel_contexts(*pipeline.derive_all([op]))
            if context.tuned:
                found[op.name] = context
    return found


def test_every_tuned_kernel_has_a_reference() -> None:
    assert len(tuned()) > 8
    for name, context in tuned().items():
        for reference, kernel in zip(context.table, context.tuned, strict=True):
            assert kernel == "NULL" or reference.startswith("loops_"), name


def test_values_and_gradients_by_reference_kernels() -> None:
    """The tests of tests/ops, for the ops that have tuned kernels."""
    names = " or ".join(f"[{name}-" for name in tuned())
    files = [f"tests/ops/test_{name}.py" for name in ("value", "gradient", "layout")]
    printed = run("1", "-m", "pytest", "-q", "-p", "no:cacheprovider", *files, "-k", names)
    assert " passed" in printed


@pytest.mark.full
def test_suite_by_reference_kernels() -> None:
    printed = run("1", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/ops")
    assert " passed" in printed
