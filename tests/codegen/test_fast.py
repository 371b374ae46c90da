"""Fast forms are what is lowered: one pass, a library's function, hand-written C."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsmithc import paths, pipeline
from opsmithc.errors import RegistryError
from opsmithc.inspect import explain, find, show
from opsmithc.lower import families
from opsmithc.opdef import Body, OpDef


@pytest.fixture(scope="module")
def ops() -> tuple[OpDef, ...]:
    return pipeline.parse([paths.OPS_YAML])


@pytest.mark.parametrize(("name", "family"), [("logsumexp", "reduce"), ("logcumsumexp", "scan")])
def test_a_body_with_a_fast_form_is_one_pass(
    ops: tuple[OpDef, ...], name: str, family: str
) -> None:
    d = find(ops, name)
    assert isinstance(d.op.meaning, Body)
    assert "from opsmith._core" not in show(d, "c") and f"templates/c/{family}.c.j2" in show(d, "c")
    text = show(d, "python")
    assert f"c_{name}(" in text and "_f.sum" not in text.partition(f"def {name}(")[2]
    assert f"fast    {family}: " in explain(d) and f"family  {family}" in explain(d)


def test_a_library_form_has_no_c(ops: tuple[OpDef, ...]) -> None:
    d = find(ops, "singular_values")
    assert families.entries(d) == ([], []) and not families.kernel_contexts(d)
    assert "library_entry('singular_values', 'opsmith._lapack.singular_values'" in show(d, "python")
    assert "tests compare it with differences" not in explain(d)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("source: flip", "source: flap", "fast source 'flap': there is no flap.c in runtime/cpu/"),
        ("(Tensor input)", "(Tensor[] input)", "parameter 'input' of type 'Tensor[]' cannot be"),
    ],
)
def test_mistakes_name_the_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (
        "- op: one(Tensor input) -> Tensor\n"
        "  reference: flip\n"
        "  fast: {source: flip}\n"
        "  unsupported: {backward: no derivative by definition}\n"
        "- op: two(Tensor input) -> Tensor\n"
        "  reference: inverse\n"
        "  fast: {library: numpy.linalg.inv}\n"
        "  unsupported: {backward: no derivative by definition}\n"
    )
    assert old in text
    file = tmp_path / "ops.yaml"
    file.write_text(text.replace(old, new))
    with pytest.raises(RegistryError, match=r"ops.yaml:\d:\d+: op '\w+': fast ") as error:
        for d in pipeline.derive_all(pipeline.parse([file])):
            families.own_sources(d)
            families.function_text(d)
    assert message in str(error.value)
