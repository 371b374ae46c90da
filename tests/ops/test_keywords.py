"""Parameters by the names that NumPy has for them, as PyTorch takes them: every public op."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from opsmithc import samples
from opsmithc.derive.op import Derived
from opsmithc.opdef import OpDef
from opsmithc.pytext.signature import other_names

from . import harness as h


def renamed(d: Derived) -> bool:
    return bool(other_names(d.op)) and bool(d.op.samples)


def call(op: OpDef, args: dict[str, Any], **names: Any) -> list[Any]:
    if op.random:
        h.seed(7)
    got = h.function(op)(**args, **names)
    return [h.numpy(t) for t in (got if isinstance(got, tuple | list) else (got,))]


@pytest.mark.where(lambda d: renamed(d))
def test_every_other_name(derived: Derived) -> None:
    op = derived.op
    given: set[str] = set()
    for case in samples.cases(op, seed=h.SEED):
        args = h.arguments(case)
        for name in args.keys() & other_names(op).keys():
            want, same = call(op, args), call(op, args)
            rest = {k: v for k, v in args.items() if k != name}
            for other in other_names(op)[name]:
                for g, w, s in zip(call(op, rest, **{other: args[name]}), want, same, strict=True):
                    assert (g.shape, g.dtype) == (w.shape, w.dtype)
                    defined = np.array_equal(w, s, equal_nan=w.dtype.kind == "f")
                    assert not defined or np.array_equal(g, w, equal_nan=g.dtype.kind == "f")
            given.add(name)
    assert given >= {p.name for p in op.schema.params if p.default is None} & other_names(op).keys()


@pytest.mark.where(lambda d: renamed(d))
def test_too_many_too_few(derived: Derived) -> None:
    """A parameter by two names, an argument too many, none at all, an unknown name: TypeError."""
    op = derived.op
    args = h.arguments(next(samples.cases(op, seed=h.SEED)))
    positional = [p for p in op.schema.params if not p.kwonly]
    free = {p.name for p in positional if p.default is not None}
    for name, (other, *_) in other_names(op).items():
        if name in free:  # by its own name it has another value than its default
            with pytest.raises(TypeError, match="invalid combination"):
                h.function(op)(**{**args, name: 77, other: 77})
    if "varargs" not in op.variants:
        every = [77 if p.name in free else args[p.name] for p in positional]
        with pytest.raises(TypeError, match="invalid combination|positional"):
            h.function(op)(*every, 0)
    with pytest.raises(TypeError, match="missing"):
        h.function(op)()
    with pytest.raises(TypeError, match="unexpected keyword"):
        h.function(op)(**args, unknown=1)
