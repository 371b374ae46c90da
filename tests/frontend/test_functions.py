"""Functions and methods by tables: calls, with the values and dtypes that PyTorch 2.13 gives."""

from __future__ import annotations

import builtins
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import opsmith as torch

DATA = Path(__file__).parent / "data"


def table(name: str) -> list[list[str]]:
    """The rows of a table, whose columns tabs part."""
    text = (DATA / f"{name}.tsv").read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines()]


class _Names(dict):
    """What a call of the table may name: the public functions, and two of Python's."""

    def __missing__(self, name: str) -> Any:
        return float if name == "float" else getattr(torch, name)


def _plain(v: Any) -> Any:
    if isinstance(v, tuple):
        return tuple(_plain(x) for x in v)
    return v.tolist() if isinstance(v, torch.Tensor) else v


@pytest.mark.filterwarnings("ignore:torch.range is deprecated")
@pytest.mark.parametrize(("call", "values", "dtype"), table("functions"))
def test_values(call: str, values: str, dtype: str) -> None:
    want = eval(values, {"inf": math.inf, "nan": math.nan})
    got = eval(call, {}, _Names())
    if dtype != "-":
        assert got.dtype is getattr(torch, dtype)
    _same(_plain(got), want)


def _same(got: Any, want: Any) -> None:
    if isinstance(want, tuple):
        assert len(got) == len(want)
        for g, w in zip(got, want, strict=True):
            _same(g, w)
        return
    assert np.shape(got) == np.shape(want)
    assert np.allclose(np.array(got, float), np.array(want, float), 1e-5, 1e-7, equal_nan=True)


@pytest.mark.parametrize(("call", "error", "text"), table("errors"))
@pytest.mark.filterwarnings("ignore:torch.range is deprecated")
def test_errors(call: str, error: str, text: str) -> None:
    kind = getattr(builtins, error)
    with pytest.raises(kind, match=text) as e:
        eval(call, {}, _Names())
    assert type(e.value) is kind or kind is AttributeError  # which names what is near, too


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
def test_gradients_of_folds(reduce: str, own: bool) -> None:
    """First and second derivatives, away from ties; products with zeros."""
    torch.manual_seed(0)
    x, s = (torch.randn(3, n, dtype=torch.float64, requires_grad=True) for n in (4, 6))
    at = torch.tensor([[0, 0, 1, 1, 1, 3]]).expand(3, 6)

    def fold(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a.scatter_reduce(1, at, b, reduce, include_self=own)

    assert torch.autograd.gradcheck(fold, (x, s))
    assert torch.autograd.gradgradcheck(fold, (x, s))
    if reduce == "prod":
        with torch.no_grad():
            s[0, 0] = s[1, 2] = s[1, 3] = x[2, 3] = 0
        assert torch.autograd.gradcheck(fold, (x, s))


def test_ties_share_a_gradient() -> None:
    x, s = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
    at = torch.tensor([0, 0, 1])
    x.scatter_reduce(0, at, s, "amax").sum().backward()
    assert torch.allclose(x.grad, torch.tensor([1 / 3, 0.5]))
    assert torch.allclose(s.grad, torch.tensor([1 / 3, 1 / 3, 0.5]))


def test_in_place() -> None:
    x = torch.arange(4.0)
    assert x.scatter_reduce_(0, torch.tensor([0]), torch.tensor([9.0]), "amax") is x and x[0] == 9
    assert x.index_reduce_(0, torch.tensor([1]), torch.tensor([3.0]), "mean")[1] == 2
    assert x.put_(torch.tensor([3]), torch.tensor([7.0]))[3] == 7
    assert torch.ones(2).ldexp_(torch.tensor(2)).tolist() == [4, 4]
    assert torch.tensor([1.0]).polygamma_(1).item() == pytest.approx(math.pi**2 / 6)


def test_memory_of_others() -> None:
    """asarray, from_dlpack and from_file share memory where they can."""
    array = np.zeros(3)
    shared, copied = torch.asarray(array), torch.asarray(array, copy=True)
    array[0] = 1
    assert shared[0] == 1 and copied[0] == 0 and torch.asarray(shared) is shared
    assert torch.from_dlpack(array).data_ptr() == shared.data_ptr()
    assert torch.from_dlpack(shared).data_ptr() == shared.data_ptr()
    assert torch.asarray(bytearray(b"\0\0\x80\x3f")).tolist() == [1.0]
    assert torch.asarray([1.0], requires_grad=True).requires_grad


def test_files(tmp_path: Any) -> None:
    path = str(tmp_path / "elements")
    np.arange(4, dtype="f4").tofile(path)
    private = torch.from_file(path, size=4)
    private[0] = 9
    assert np.fromfile(path, "f4").tolist() == [0, 1, 2, 3]
    shared = torch.from_file(path, shared=True, size=6, dtype=torch.float32)
    shared[0] = 5
    assert np.fromfile(path, "f4").tolist() == [5, 1, 2, 3, 0, 0]


def test_distributions() -> None:
    torch.manual_seed(1)
    x = torch.empty(20000)
    assert x.cauchy_(2, 3).median().item() == pytest.approx(2, abs=0.15)
    assert x.log_normal_(0.5, 0.3).log().mean().item() == pytest.approx(0.5, abs=0.02)
    assert x.geometric_(0.25).mean().item() == pytest.approx(4, abs=0.15) and x.min() == 1
    assert torch.zeros(9, dtype=torch.int64).geometric_(0.5).dtype is torch.int64
    drawn = torch.binomial(torch.full((20000,), 10.0), torch.full((20000,), 0.3))
    assert drawn.mean().item() == pytest.approx(3, abs=0.05) and drawn.max() <= 10


def test_special_functions_have_derivatives() -> None:
    x = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64, requires_grad=True)
    for name in ("entr", "erfcx", "i0", "i0e", "i1", "i1e", "log_ndtr", "ndtr", "ndtri",
                 "bessel_j0", "bessel_y1", "modified_bessel_k0", "scaled_modified_bessel_k1",
                 "spherical_bessel_j0"):  # fmt: skip
        assert torch.autograd.gradcheck(getattr(torch.special, name), (x,)), name
        assert torch.autograd.gradgradcheck(getattr(torch.special, name), (x,)), name
