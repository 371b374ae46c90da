"""Random shapes, strides, dtypes and arguments at every op: right where there is a reading, an
ordinary exception else, never a crash of the process.

A crash cannot be caught here: each case is written to ``build/fuzz/<worker>.txt`` before it runs,
so that the file names the one that crashed. ``OPSMITH_TEST_SEED`` reproduces a run; 2,000 cases in
all, 20,000 under ``--full``.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import opsmith
from opsmithc import samples
from opsmithc.derive.op import Derived
from opsmithc.dtypes import TABLE, DType
from opsmithc.opdef import Out, Reduce, View
from opsmithc.readings.value import Values
from opsmithc.samples import Case
from opsmithc.schema import Param

from . import harness as h
from .conftest import registry
from .test_layout import LAYOUTS, absolute, undefined

CASES, FULL = 2_000, 20_000
EDGES = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, np.inf, -np.inf, np.nan, 1e-30, 3e38)
LOG = Path(__file__).resolve().parents[2] / "build" / "fuzz"
REFUSED = (*h.ERRORS, OverflowError, ZeroDivisionError)


@st.composite
def shapes(draw: st.DrawFn, near: tuple[int, ...]) -> tuple[int, ...]:
    """Mostly the sample's shape with sizes changed; sometimes any other."""
    if draw(st.integers(0, 4)) == 0:
        return tuple(draw(st.lists(st.integers(0, 4), max_size=5)))
    return tuple(draw(st.sampled_from((n, n, n, 1, 0, n + 1))) for n in near)


@st.composite
def arrays(draw: st.DrawFn, case: Case, name: str, dtype: DType, related: dict[int, int]) -> Any:
    near = case.args[name].shape
    if draw(st.integers(0, 3)) == 0:
        shape = draw(shapes(near))
    else:  # sizes that were equal in the sample stay equal
        shape = tuple(
            related.setdefault(n, draw(st.sampled_from((n, n, 1, 0, n + 2, 3 * n)))) for n in near
        )
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    sample = case.op.samples[case.number]
    a = samples.draw(case.op, name, shape, dtype, sample, rng)
    stated = sample.get("values")
    if isinstance(stated, dict) and name in stated:
        return a  # nothing but these: the lines of searchsorted are sorted
    if dtype.kind == "float" and a.size and draw(st.integers(0, 3)) == 0:
        with np.errstate(over="ignore"):
            a.reshape(-1)[rng.integers(a.size)] = rng.choice(EDGES)
    if dtype.kind == "int" and a.size and draw(st.integers(0, 9)) == 0:
        a.reshape(-1)[rng.integers(a.size)] = rng.integers(-3 if dtype.signed else 0, 100)
    return a


def plain(p: Param, value: Any) -> st.SearchStrategy[Any]:
    """Near the sample's value, or far from it."""
    if value is None:
        return st.none()
    if p.type.is_list:
        ints = st.integers(-4, 6)
        near = st.just(value)
        return st.one_of(near, near, near, st.lists(ints, max_size=5))
    match p.type.base:
        case "bool":
            return st.booleans()
        case "int":
            return st.one_of(st.just(value), st.integers(-4, 8))
        case "float" | "Scalar":
            return st.one_of(st.just(value), st.sampled_from((0.0, 1.0, -1.0, 0.5, 2, 3, -2)))
    return st.just(value)


@st.composite
def cases(draw: st.DrawFn, d: Derived) -> tuple[Case, str, bool]:
    """Arguments, a layout, and whether gradients are asked for."""
    op = d.op
    number = draw(st.integers(0, len(op.samples) - 1))
    dtype = draw(
        st.sampled_from([t for t in TABLE if not samples.refusal(op, t)] or [samples.FLOAT])
    )
    base = samples.case(op, number, op.samples[number], dtype)
    related: dict[int, int] = {}
    args: dict[str, Any] = {}
    dtypes = dict(base.dtypes)
    for p in op.schema.params:
        v = base.args[p.name]
        if isinstance(v, np.ndarray):
            if draw(st.integers(0, 7)) == 0:
                dtypes[p.name] = draw(st.sampled_from(TABLE))
            args[p.name] = draw(arrays(base, p.name, dtypes[p.name], related))
        elif p.name in dtypes or p.type.base == "dtype":
            args[p.name] = v
        else:
            args[p.name] = draw(plain(p, v))
    layout = draw(st.sampled_from(("", "", *LAYOUTS)))
    return Case(op, number, args, dtypes), layout, draw(st.booleans())


def fuzzed(case: Case, layout: str) -> dict[str, Any]:
    args = h.arguments(case)
    for n in case.tensors:
        if layout and case.dtypes[n].numpy:
            args[n] = opsmith.from_numpy(LAYOUTS[layout](case.args[n].copy()))
    return args


def check(d: Derived, case: Case, layout: str, backward: bool, values: Values) -> str:
    """Run one case; say whether it was refused, ran, or was compared with NumPy."""
    op = d.op
    args = fuzzed(case, layout)
    leaves = []
    for n in d.differentiable if backward else ():
        t = args.get(n)
        if isinstance(t, opsmith.Tensor) and t.dtype.is_floating_point:
            args[n] = t.requires_grad_(True)
            leaves.append(t)
    try:
        got = h.call(op, args)
    except REFUSED:
        return "refused"
    if leaves:
        carriers = [t for t in got if t.requires_grad]
        try:
            opsmith.autograd.grad([t.sum() for t in carriers], leaves, allow_unused=True)
        except REFUSED:
            pass
    if op.random or (isinstance(op.meaning, View) and absolute(d)) or undefined(op):
        return "ran"
    if len({case.dtypes[n].code for n in op.dtype.args if n in case.dtypes}) > 1:
        return "ran"  # mixed: a 0-d tensor's value is rounded first; test_dtype covers the rule
    if any(isinstance(f, float) and f not in (0.0, 1.0) for f in case.args.values()) and any(
        t.kind != "float" for t in case.dtypes.values()
    ):
        return "ran"  # a fractional number among integers is truncated, as PyTorch does
    if d.op.dtype.kind == "int_to_float" and not isinstance(op.meaning, Out | Reduce):
        if any(t.kind == "int" and t.bits < 64 for t in case.dtypes.values()):
            return "ran"  # products of narrow integers wrap before they become floats
    try:
        want = values.outputs(values.ops[op.name], case.args)
    except Exception:  # NumPy refuses what opsmith took, e.g. 2 ** -1 in integers
        return "ran"
    for g, w in zip(got, want, strict=True):
        dtype = h.dtype_of(g)
        assert tuple(g.shape) == np.shape(w), (
            f"shape {tuple(g.shape)}, expected {np.shape(w)}: {case}"
        )
        if dtype.kind == "float" and not ordinary(case, g, w):
            continue
        if dtype.kind != "float" and any(huge(v) for v in case.args.values()):
            continue
        h.assert_same(op, g, w, case, compute=dtype)
    return "compared"


def huge(v: Any) -> bool:
    return isinstance(v, np.ndarray) and v.dtype.kind == "f" and not (np.abs(v) < 1e6).all()


def ordinary(case: Case, got: Any, want: Any) -> bool:
    """Neither operands nor result near the ends of the dtype, where a last bit decides."""
    if any(huge(v) for v in case.args.values()):
        return False
    finite = np.asarray(want, float)
    return bool((np.abs(finite[np.isfinite(finite)]) < 1e4).all())


@pytest.mark.trial("forward")
def test_fuzz(
    derived: Derived,
    values: Values,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    total = FULL if request.config.getoption("--full") else CASES
    count = max(2, -(-total // len([d for d in registry() if d.op.samples])))
    LOG.mkdir(parents=True, exist_ok=True)
    log = LOG / f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}.txt"

    @seed(zlib.crc32(f"{derived.op.name} {h.SEED}".encode()))
    @settings(
        max_examples=count, deadline=None, database=None, phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(cases(derived))
    def run(drawn: tuple[Case, str, bool]) -> None:
        case, layout, backward = drawn
        log.write_text(
            f"{derived.op.name} {layout} backward={backward} {case}\n{dict(case.args)}\n"
        )
        found[check(derived, case, layout, backward, values)] += 1

    found: Counter[str] = Counter()
    run()
    record_property("fuzzed", dict(found))  # summed and printed by tests/conftest.py
