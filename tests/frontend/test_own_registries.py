"""Registries of one's own: what keeps them from harm, and what they have of the bundled ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import opsmith

EDGES = """
- op: shifted(Tensor input, int by) -> Tensor
  dims: {input: [I], out: [I]}
  index: out[i] = input[i + by]
  samples: [{input: [5], by: 0}]
- op: together(Tensor input, Tensor other) -> Tensor
  dims: {input: [N], other: [M], out: [N]}
  index: out[i] = input[i] + other[i]
  samples: [{input: [3], other: [4]}]
- op: steps(Tensor input) -> Tensor
  dims: {input: [I], out: [I - 1]}
  index: out[i] = input[i + 1] - input[i]
  samples: [{input: [5]}]
- op: picked(Tensor input, Tensor index) -> Tensor
  dims: {input: [N], index: [I], out: [I]}
  index: out[i] = input[index[i]]
  dtype: {args: [input], kind: same, index: integral}
  samples: [{input: [5], index: [3]}]
- op: placed(Tensor input, Tensor index) -> Tensor
  dims: {input: [N], index: [N], out: [N]}
  index: out[index[i]] = input[i]
  dtype: {args: [input], kind: same, index: integral}
  samples: [{input: [3], index: [3]}]
- op: below(Tensor input) -> Tensor
  dims: {input: [I, K], out: [I]}
  index: out[i] = sum(input[i + 1, k] for k in K)
  outside: {input: 0}
  samples: [{input: [4, 2]}]
- op: first(Tensor input) -> Tensor
  dims: {input: [I, K], out: [I]}
  index: out[i] = input[i, 0]
  samples: [{input: [4, 2]}]
- op: diagonally(Tensor input) -> Tensor
  dims: {input: [I], out: [I, I]}
  index: out[i, i + 1] = input[i]
  samples: [{input: [3]}]
"""
DTYPES = """
- op: rest(Tensor input) -> Tensor
  out: input % 3
- op: half(Tensor input) -> Tensor
  out: input * 0.5
- op: power(Tensor input) -> Tensor
  out: input ** -1.5
- op: unknown(Tensor input) -> Tensor
  out: isnan(input)
- op: much(Tensor input) -> Tensor
  out: input + 4000000000
- op: doubled(Tensor input) -> Tensor
  out: input << 1
- op: parts(Tensor input) -> Tensor
  let: {y: z + 1, z: 2 * input}
  out: y * z
"""


@pytest.fixture(scope="module")
def edges():
    return opsmith.ops.define(EDGES)


@pytest.fixture(scope="module")
def dtypes():
    return opsmith.ops.define(DTYPES)


def test_a_subscript_that_leaves_its_axis_is_refused_by_the_call(edges) -> None:
    x = opsmith.arange(5.0)
    assert edges.shifted(x, 0).tolist() == x.tolist()
    message = r"shifted: 'input\[i \+ by\]' takes positions 2 to 6 along dimension -1, which has"
    with pytest.raises(IndexError, match=message):
        edges.shifted(x, 2)
    with pytest.raises(IndexError, match="takes positions -3 to 1"):
        edges.shifted(x, -3)
    assert edges.shifted(opsmith.ones(0), 7).shape == (0,)
    with pytest.raises(IndexError, match=r"'other\[i\]' takes positions 0 to 4 .* has size 2"):
        edges.together(x, opsmith.ones(2))
    assert edges.together(opsmith.ones(2), x).tolist() == [1, 2]


def test_a_subscript_that_stays_inside_costs_nothing(edges) -> None:
    assert edges.steps(opsmith.tensor([1.0, 4.0, 9.0])).tolist() == [3, 5]
    assert edges.first(opsmith.tensor([[1.0, 2.0], [3.0, 4.0]])).tolist() == [1, 3]
    text = opsmith.ops.show(edges.steps, "c")
    assert "OPS_INDEX_ERROR" not in text
    assert "OPS_INDEX_ERROR" in opsmith.ops.show(edges.shifted, "c")


def test_positions_are_looked_at(edges) -> None:
    x = opsmith.arange(3.0, requires_grad=True)
    y = edges.picked(x, opsmith.tensor([2, 0, 2]))
    assert y.tolist() == [2, 0, 2]
    y.sum().backward()
    assert x.grad.tolist() == [1, 0, 2]
    for wrong in (3, -1):
        message = f"index {wrong} is out of bounds for dimension -1 with size 3"
        with pytest.raises(IndexError, match=message):
            edges.picked(x, opsmith.tensor([0, wrong]))
        with pytest.raises(IndexError, match=message):
            edges.placed(x, opsmith.tensor([0, wrong, 1]))


def test_rows_beyond_the_edge_are_outside_also_where_no_loop_of_the_fold_leads_there(edges) -> None:
    assert edges.below(opsmith.ones(4, 2)).tolist() == [2, 2, 2, 0]


def test_nothing_is_written_beyond_the_edge(edges) -> None:
    x = opsmith.tensor([1.0, 2.0, 3.0])
    assert edges.diagonally(x).tolist() == [[0, 1, 0], [0, 0, 2], [0, 0, 0]]


@pytest.mark.parametrize(
    ("op", "dtype"),
    [("rest", "bool"), ("half", "int64"), ("half", "bool"), ("power", "int32"), ("unknown", "bool"),
     ("unknown", "int64"), ("much", "int32"), ("doubled", "float32"), ("doubled", "bool")],
)  # fmt: skip
def test_dtypes_in_which_a_formula_means_nothing(dtypes, op: str, dtype: str) -> None:
    x = opsmith.ones(3, dtype=getattr(opsmith, dtype))
    with pytest.raises(NotImplementedError, match=f'"{op}" not implemented for'):
        getattr(dtypes, op)(x)


def test_dtypes_in_which_it_means_something(dtypes) -> None:
    assert dtypes.rest(opsmith.tensor([-1, 4])).tolist() == [2, 1]
    assert dtypes.half(opsmith.tensor([3.0])).tolist() == [1.5]
    assert dtypes.power(opsmith.tensor([4.0])).tolist() == [0.125]
    assert dtypes.much(opsmith.tensor([1])).tolist() == [4000000001]
    assert dtypes.doubled(opsmith.tensor([3])).tolist() == [6]
    assert dtypes.parts(opsmith.tensor([1.0])).tolist() == [6]


def test_methods_and_properties() -> None:
    own = opsmith.ops.define("""
        - op: swooshy(Tensor input, *, float beta=1.0) -> Tensor
          out: input * sigmoid(beta * input)
          variants: [method, inplace]
          alias: [swishing]
    """)
    x = opsmith.tensor([2.0])
    want = own.swooshy(x, beta=0.0).tolist()
    assert x.swooshy(beta=0.0).tolist() == x.swishing(beta=0.0).tolist() == want == [1]
    assert x.swooshy_(beta=0.0).tolist() == x.tolist() == [1]
    taken = "- op: exp(Tensor input) -> Tensor\n  out: input\n  variants: [method]\n"
    with pytest.raises(ValueError, match="Tensor has its own 'exp', which 'variants:' would"):
        opsmith.ops.define(taken)


@pytest.mark.parametrize("name", ["../evil", "x/y", "class", "a b", "", "é x"])
def test_names_of_registries_are_identifiers(name: str) -> None:
    with pytest.raises(ValueError, match="expected an identifier for the registry's name"):
        opsmith.ops.define("- op: f(Tensor input) -> Tensor\n  out: input\n", name=name)


def test_names_that_the_module_has() -> None:
    with pytest.raises(ValueError, match=r"opsmith\.ops\.load is taken"):
        opsmith.ops.define("- op: f(Tensor input) -> Tensor\n  out: input\n", name="load")


ENTRY = "- op: thrice(Tensor input) -> Tensor\n  out: 3 * input\n"


def test_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "marked.yaml"
    file.write_text(ENTRY, encoding="utf-8-sig")
    assert opsmith.ops.load(file).thrice(opsmith.ones(1)).tolist() == [3]
    assert opsmith.ops.define("\ufeff" + ENTRY).thrice(opsmith.ones(1)).tolist() == [3]


def test_paths_that_are_relative(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(ENTRY, encoding="utf-8")
    code = "import opsmith; print(opsmith.ops.load('own.yaml').thrice(opsmith.ones(1)).item())"
    env = {**os.environ, "OPSMITH_CACHE": "cache", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.stdout == "3.0\n", done.stderr
    assert list((tmp_path / "cache").glob("opsmith_registry_*/complete"))


def test_the_cache_is_keyed_by_compiler_and_headers(monkeypatch, tmp_path: Path) -> None:
    from opsmithc import paths, store, user

    first = user.identity.__wrapped__()
    with monkeypatch.context() as m:
        m.setattr(store, "compiler", lambda: "another")
        assert user.identity.__wrapped__() != first
    with monkeypatch.context() as m:
        m.setenv("CC", "another")
        assert user.identity.__wrapped__() != first
    (tmp_path / "include").mkdir()
    with monkeypatch.context() as m:
        m.setattr(paths, "RUNTIME", tmp_path)
        assert user.identity.__wrapped__() != first
    assert user.identity.__wrapped__() == first
