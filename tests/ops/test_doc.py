"""The examples of every entry run, and give what they say: ``expression  # value``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import opsmith
from opsmith import _functions
from opsmithc.derive.op import Derived

from . import harness as h


class Names(dict[str, Any]):
    """What an example may use: opsmith's public names, ops, ``inf`` and ``nan``."""

    def __missing__(self, name: str) -> Any:
        for place in (opsmith, _functions, getattr(opsmith, "nn", None).functional):
            if hasattr(place, name):
                return getattr(place, name)
        raise KeyError(name)


def names() -> Mapping[str, Any]:
    return Names(inf=float("inf"), nan=float("nan"), torch=opsmith, opsmith=opsmith)


def plain(v: Any) -> Any:
    """Tensors as nested lists, so that values compare with what is written."""
    if hasattr(v, "tolist"):
        return v.tolist()
    if isinstance(v, opsmith.Size):
        return list(v)
    return [plain(x) for x in v] if isinstance(v, tuple | list) else v


@pytest.mark.trial("doc")
@pytest.mark.where(lambda d: d.op.doc.get("example"))
def test_example(derived: Derived) -> None:
    expression, _, value = derived.op.doc["example"].partition("  # ")
    got = plain(eval(expression, dict(__builtins__={}), names()))
    if not value:
        return
    want = plain(eval(value, dict(__builtins__={"True": True, "False": False}), names()))
    compare(got, want)


def compare(got: Any, want: Any) -> None:
    """Equal to the digits written; lists may hold tensors of several sizes."""
    if isinstance(want, list):
        assert isinstance(got, list) and len(got) == len(want)
        for g, w in zip(got, want, strict=True):
            compare(g, w)
    elif isinstance(want, bool | str):
        assert got == want
    else:
        np.testing.assert_allclose(float(got), float(want), 1e-3, 6e-5)


@pytest.mark.trial("doc")
def test_page(derived: Derived) -> None:
    """A public op says what it does, in its help and in its entry."""
    op = derived.op
    assert op.doc.get("short"), "doc: {short: ..} is missing"
    assert op.doc["short"] in (h.function(op).__doc__ or "")
    assert str(op.schema) in (h.function(op).__doc__ or "")
