"""Formatting changes layout alone, and only once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsmithc import registry
from opsmithc.errors import RegistryErrors
from opsmithc.fmt import ORDER, format_registry
from opsmithc.reader import plain

ENTRIES = Path(__file__).parent / "data" / "entries.yaml"


def test_the_order_names_every_key() -> None:
    assert sorted(ORDER) == sorted(registry.KEYS)


def test_canonical_layout() -> None:
    source = (
        "\n# The registry.\n# -- pointwise: arithmetic ---\n\n"
        "-   samples: [{input: [3]}]   # small\n"
        "    # why two\n"
        "    dtype:   same\n"
        "\n"
        "    op: f(Tensor input) -> Tensor # c\n"
        "    out: input * 2   \n\n\n\n"
        "# on h\n"
        "- op: h(Tensor input) -> Tensor\n"
        "  doc:\n    short: two words\n"
        "  body: |\n    m = exp(input)\n\n    m * 2\n\n"
        "# -- reductions ---\n"
        "- {op: k(Tensor input) -> Tensor, out: input}\n"
    )
    assert format_registry(source) == (
        "# The registry.\n\n# -- pointwise: arithmetic ---\n\n"
        "- op: f(Tensor input) -> Tensor # c\n"
        "  out: input * 2\n"
        "  # why two\n"
        "  dtype: same\n"
        "  samples: [{input: [3]}]   # small\n\n"
        "# on h\n"
        "- op: h(Tensor input) -> Tensor\n"
        "  body: |\n    m = exp(input)\n\n    m * 2\n"
        "  doc:\n    short: two words\n\n"
        "# -- reductions ---\n"
        "- {op: k(Tensor input) -> Tensor, out: input}\n"
    )


def test_the_prototypes_keep_their_meaning_and_comments() -> None:
    source = ENTRIES.read_text()
    result = format_registry(source)
    assert format_registry(result) == result
    assert plain(result) == plain(source)
    assert sorted(c.partition("#")[2] for c in result.splitlines()) == sorted(
        c.partition("#")[2] for c in source.splitlines()
    )


def test_what_is_no_yaml_is_refused() -> None:
    with pytest.raises(RegistryErrors, match="ops.yaml:1:"):
        format_registry("- op: [", "ops.yaml")
    with pytest.raises(RegistryErrors, match=r"ops.yaml:2:1: blank lines kept by '\|\+'"):
        format_registry("- op: f\n  body: |+\n    input\n\n", "ops.yaml")


VALUES = {
    "out": ["  out: input\n", '  out: "input +\n\n    1"\n', "  out: >-\n    input\n    + 1\n"],
    "grad": ["  grad: {input: g}\n", "  grad:\n      input: g   # as it is\n"],
    "body": ["  body: |\n    m = input\n\n\n    m\n\n", "  body: |\n      input\n\n"],
    "variants": ["  variants: [method]\n", "  variants:\n  - method\n  # last\n  - out\n"],
    "doc": ["  doc: {short: x}\n", "  # about\n  doc:\n    short: x\n\n"],
}


@given(st.data())
def test_idempotent_and_harmless(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(["", "# top\n", "\n\n# -- section ---\n"]))
    for k in range(data.draw(st.integers(1, 3))):
        keys = data.draw(st.permutations(list(VALUES)))[: data.draw(st.integers(0, 5))]
        lines = [f"  op: f{k}(Tensor input) -> Tensor\n"]
        lines += [data.draw(st.sampled_from(VALUES[key])) for key in keys]
        if data.draw(st.booleans()) and not lines[-1].startswith("  #"):
            lines.reverse()
        if lines[0].startswith("  #"):
            lines.insert(0, "  alias: [k]\n")
        entry = "".join(lines)
        text += "-" + entry[1:] + data.draw(st.sampled_from(["", "\n", "\n\n# -- next ---\n"]))
    once = format_registry(text)
    assert format_registry(once) == once
    assert plain(once) == plain(text)
