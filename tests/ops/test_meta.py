"""On the meta device every op gives the shape and dtype of its real run, and touches no data."""

from __future__ import annotations

from typing import Any

import pytest

from opsmithc import samples
from opsmithc.derive.op import Derived
from opsmithc.dtypes import DType
from opsmithc.readings.value import Values

from . import harness as h
from .harness import skip_refused


def to_meta(v: Any) -> Any:
    if isinstance(v, list):
        return [to_meta(x) for x in v]
    return v.to("meta") if hasattr(v, "is_meta") else v


@pytest.mark.trial("meta")
def test_meta(derived: Derived, dtype: DType, values: Values) -> None:
    op = derived.op
    skip_refused(op, dtype, values)
    for case in samples.cases(op, dtype, h.SEED):
        args = h.arguments(case)
        real = h.call(op, args)
        meta = h.call(op, {n: to_meta(v) for n, v in args.items()})
        assert len(real) == len(meta)
        for r, m in zip(real, meta, strict=True):
            assert m.is_meta, case
            assert (m.shape, m.dtype) == (r.shape, r.dtype), case
            if r.is_contiguous():
                assert m.stride() == r.stride(), case
