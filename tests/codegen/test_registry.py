"""Registries load whole and unchanged, and every value says where it was written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsmithc import registry
from opsmithc.errors import RegistryErrors
from opsmithc.opdef import Body, Index, Out, Reduce, Scan
from opsmithc.schema import BASE_TYPES, Param, Schema, Type, parse_schema

ENTRIES = Path(__file__).parent / "data" / "entries.yaml"
BASE = registry.parse("- op: flip(Tensor input, int[] dims) -> Tensor\n  view: flip(dims)\n")
DESIGN = """
- op: sigmoid(Tensor input) -> Tensor
  out: 1 / (1 + exp(-input))
  grad: {input: g * out * (1 - out)}     # optional override; its free names are what is saved
  dtype: int_to_float
  variants: [method, inplace, out]
  doc: {short: Logistic function., example: "sigmoid(tensor(0.))  # 0.5"}
  samples: [{input: [3, 4], range: [-120, 120]}]
- op: add(Tensor input, Tensor other, *, Scalar alpha=1) -> Tensor
  out: input + alpha * other
  variants: [method, inplace, out, "operator:+"]
- op: logsumexp(Tensor input, int[] dim, bool keepdim=False) -> Tensor
  body: log(sum(exp(input), dim, keepdim))
  fast:
    reduce:                              # one pass, two accumulators
      map: [input, 1]
      identity: [-inf, 0]
      let: {m: "maximum(a0, b0)"}
      combine: [m, "where(a0 == m, a1, a1 * exp(a0 - m)) + where(b0 == m, b1, b1 * exp(b0 - m))"]
      finish: a0 + log(a1)
  grad: {input: "g * where(out == -inf, 0, exp(input - out))"}
"""


def test_the_prototypes_load_unchanged() -> None:
    ops = {op.name: op for op in registry.parse(ENTRIES.read_text(), "entries.yaml", BASE)}
    kinds = {name: type(op.meaning) for name, op in ops.items()}
    assert kinds == {
        "relu": Out, "sigmoid": Out, "add": Out, "where": Out, "sum": Reduce, "logsumexp": Reduce,
        "cumsum": Scan, "mm": Index, "embedding": Index, "max_pool2d": Index,
    }  # fmt: skip
    assert [str(op.schema) for op in ops.values()] == [
        line.removeprefix("- op: ").partition("  ")[0]
        for line in ENTRIES.read_text().splitlines()
        if line.startswith("- op: ")
    ]


def test_the_design_page_loads_unchanged() -> None:
    sigmoid, add, logsumexp = registry.parse(DESIGN)
    assert sigmoid.samples == ({"input": [3, 4], "range": [-120, 120]},)
    assert add.variants[-1] == "operator:+"
    assert isinstance(logsumexp.meaning, Body)
    assert logsumexp.fast is not None and logsumexp.fast.acc is not None
    assert logsumexp.fast.acc.identity[0].text == "-inf"


def test_formulas_know_their_place() -> None:
    (op,) = registry.parse(
        "# a comment\n"
        "- op: f(Tensor input) -> Tensor\n"
        "  body: |\n"
        "    m = exp(input)\n"
        "    m * 2\n"
        '  grad: {input: "g * out"}\n',
        "ops.yaml",
    )
    assert str(op.grad["input"].place) == "ops.yaml:6:18: op 'f'"
    assert isinstance(op.meaning, Body)
    assert str(op.meaning.cases[0][2].place) == "ops.yaml:4:5: op 'f'"


def test_wide_accumulation_is_a_key_or_part_of_dtype() -> None:
    entry = "- op: f(Tensor input, int[] dim) -> Tensor\n  reduce: {map: [input], identity: [0], "
    entry += "combine: [a0 + b0]}\n"
    for more in ("  acc: wide\n", "  dtype: {kind: same, acc: wide}\n"):
        assert registry.parse(entry + more)[0].dtype.wide


def test_ops_of_another_registry_may_be_called() -> None:
    source = "- op: f(Tensor input) -> Tensor\n  body: flip(input, [0])\n"
    assert len(registry.parse(source, base=BASE)) == 1
    with pytest.raises(RegistryErrors, match="unknown function 'flip'"):
        registry.parse(source)


def test_kinks_by_point_and_by_condition() -> None:
    (op,) = registry.parse(
        "- op: f(Tensor input, Tensor other) -> Tensor\n"
        "  out: maximum(input, other)\n"
        "  kink: {input == other: {input: 0.5, other: 0.5}, input: {0: 1, 1: 0}}\n"
    )
    assert [k.condition.text for k in op.kinks] == ["input == other", "input == 0", "input == 1"]


SCHEMAS = [
    "add(Tensor input, Tensor other, *, Scalar alpha=1) -> Tensor",
    "max(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
    "max_pool2d(Tensor input, int[2] kernel, int[2] stride=kernel, int[2] padding=0) -> Tensor",
    "sum(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
    "cat(Tensor[] tensors, int dim=0) -> Tensor",
    "split(Tensor input, int[] sizes, int dim=0) -> Tensor[]",
    "gelu(Tensor input, *, str approximate='none') -> Tensor",
    "rand(int[] size, *, Generator? generator=None) -> Tensor",
]


@pytest.mark.parametrize("line", SCHEMAS)
def test_schema_round_trip(line: str) -> None:
    assert str(parse_schema(line)) == line


names = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)
types = st.builds(Type, st.sampled_from(BASE_TYPES), st.booleans(), st.just(0), st.booleans()) | (
    st.builds(Type, st.sampled_from(BASE_TYPES), st.just(True), st.integers(1, 9), st.booleans())
)
defaults = st.sampled_from(["None", "0", "1e-5", "'mean'", "[0, 1]", "False"])


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    params = []
    for k, name in enumerate(draw(st.lists(names, unique=True, max_size=5))):
        must = bool(params) and params[-1].default is not None
        kwonly = (bool(params) and params[-1].kwonly) or draw(st.booleans())
        default = draw(defaults if must and not kwonly else st.none() | defaults)
        params.append(Param(name, draw(types), default, kwonly))
        del k
    returns = draw(st.just(("",)) | st.lists(names, min_size=2, max_size=3, unique=True).map(tuple))
    return Schema(draw(names), tuple(params), returns)


@given(schemas())
def test_any_schema_round_trip(schema: Schema) -> None:
    assert parse_schema(str(schema)) == schema
