"""The registry as fixtures: ``derived`` is each op in turn, ``dtype`` each dtype.

The registry is the bundled one, or the file named by OPSMITH_TEST_REGISTRY (what was built).
Dtypes are sampled: each op gets every class, the member of a class by the seed OPSMITH_TEST_SEED,
which is printed; ``--full`` runs all of them.
"""

from __future__ import annotations

import os
import zlib
from functools import cache
from pathlib import Path

import pytest

from opsmithc import paths, pipeline, trials
from opsmithc.derive.op import Derived
from opsmithc.dtypes import TABLE, DType
from opsmithc.readings.value import Values
from opsmithc.registry import load

from .harness import SEED


@cache
def registry() -> tuple[Derived, ...]:
    return pipeline.derive_all(pipeline.parse([registry_path()]))


def registry_path() -> Path:
    return Path(os.environ.get("OPSMITH_TEST_REGISTRY", paths.OPS_YAML))


def pytest_report_header() -> str:
    return f"OPSMITH_TEST_SEED={SEED} (dtypes, fuzzed arguments)"


def sampled(name: str, full: bool) -> list[DType]:
    """float64, one narrower float, one integer, bool; all of them in a full run."""
    if full:
        return list(TABLE)
    seed = zlib.crc32(f"{name} {SEED}".encode())
    floats = [d for d in TABLE if d.kind == "float"]
    integers = [d for d in TABLE if d.kind == "int"]
    bools = [d for d in TABLE if d.kind == "bool"]
    return [floats[0], floats[1 + seed % (len(floats) - 1)], integers[seed % len(integers)], *bools]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise by ``derived`` (and ``dtype``): the ops that the test's trial applies to.

    A test that is about some of these alone says so by ``where``: no op is collected to be skipped.
    """
    names = metafunc.fixturenames
    if "derived" not in names:
        return
    marker = metafunc.definition.get_closest_marker("trial")
    ops = [d for d in registry() if trials.applies(marker.args[0] if marker else "", d)]
    for where in metafunc.definition.iter_markers("where"):
        ops = [d for d in ops if where.args[0](d)]
    if "dtype" not in names:
        metafunc.parametrize("derived", ops, ids=[d.op.name for d in ops])
        return
    full = metafunc.config.getoption("--full", default=False)
    pairs = [(d, t) for d in ops for t in sampled(d.op.name, full)]
    metafunc.parametrize(
        ("derived", "dtype"), pairs, ids=[f"{d.op.name}-{t.code}" for d, t in pairs]
    )


@pytest.fixture(scope="session")
def values() -> Values:
    """The NumPy reading of every entry as it is written, before structure is recognised."""
    return Values(load(registry_path()))


@pytest.fixture(scope="session")
def ops() -> tuple[Derived, ...]:
    """Every op of the registry."""
    return registry()
