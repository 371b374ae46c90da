"""The value of every op on its samples, against the NumPy reading of its meaning."""

from __future__ import annotations

import numpy as np
import pytest

import opsmith
from opsmithc import samples
from opsmithc.derive.op import Derived
from opsmithc.dtypes import BY_CODE, DType
from opsmithc.opdef import Out
from opsmithc.readings.value import Values

from . import harness as h
from .harness import skip_refused


@pytest.mark.trial("forward")
def test_value(derived: Derived, dtype: DType, values: Values) -> None:
    op = derived.op
    skip_refused(op, dtype, values)
    for case in samples.cases(op, dtype, h.SEED):
        want = h.expected(values, case)
        got = h.call(op, h.arguments(case))
        if op.random:
            continue  # test_random
        if want is None:  # no reading: against itself in float64, from other strides
            wide = next(c for c in _wide(op, case))
            want = [h.numpy(t) for t in h.call(op, wide)]
        assert len(got) == len(want)
        for g, w in zip(got, want, strict=True):
            h.assert_same(op, g, w, case, compute=_compute(case, dtype))


def _compute(case: samples.Case, dtype: DType) -> DType:
    """Integers become float32 where a float comes out."""
    return dtype if dtype.kind == "float" else BY_CODE["f32"]


def _wide(op, case):
    """The same values as float64 (integers and conditions as they are), Fortran-ordered."""
    args = {}
    for n, v in case.args.items():
        if isinstance(v, np.ndarray) and case.dtypes[n].kind == "float":
            args[n] = opsmith.from_numpy(np.array(v, np.float64, order="F"))
        elif isinstance(v, list) and n in case.dtypes and case.dtypes[n].kind == "float":
            args[n] = [
                x if x is None else opsmith.from_numpy(np.array(x, np.float64, order="F"))
                for x in v
            ]
        else:
            args[n] = h._argument(case, n, v, False)
    yield args


@pytest.mark.trial("forward")
@pytest.mark.where(lambda d: d.op.random)
def test_random(derived: Derived) -> None:
    """The same seed gives the same numbers, whatever the strides; another seed others."""
    op = derived.op
    for case in samples.cases(op, seed=h.SEED):
        drawn = []
        for seed in (5, 5, 6):
            h.seed(seed)
            drawn.append(h.numpy(h.call(op, h.arguments(case))[0]))
        assert np.array_equal(drawn[0], drawn[1])
        if drawn[0].size > 4 and isinstance(op.meaning, Out):
            assert not np.array_equal(drawn[0], drawn[2])


@pytest.mark.parametrize("dtype", [opsmith.float64, opsmith.float32])
@pytest.mark.parametrize("exponent", [1.0, 2.0, 3.0, 0.5, -0.5, -1.0, -2.0])
def test_power_by_one_number_is_the_power_by_a_tensor_of_it(exponent, dtype):
    """Blocks with one exponent have loops of their own; the last of ``mixed`` avoids these."""
    values = [0.0, -0.0, 1.0, -1.0, 1e-30, 1e30, -3.7, 0.1, np.inf, -np.inf, np.nan, 2.0]
    x = opsmith.tensor(values, dtype=dtype, requires_grad=True)
    mixed = opsmith.full((12,), exponent, dtype=dtype)
    mixed[-1] = 7.0
    y = opsmith.tensor(x.tolist(), dtype=dtype, requires_grad=True)
    one, other = x**exponent, y**mixed
    one.sum().backward()
    other.sum().backward()
    for a, b in ((one, other), (x.grad, y.grad)):
        a, b = a.detach().numpy()[:-1], b.detach().numpy()[:-1]
        np.testing.assert_allclose(a, b, rtol=4 * opsmith.finfo(dtype).eps)
        number = ~np.isnan(a)
        np.testing.assert_array_equal(np.signbit(a)[number], np.signbit(b)[number])
