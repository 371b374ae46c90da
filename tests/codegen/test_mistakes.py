"""The catalogue of mistakes: each is refused with a line that says where, what and what else.

``data/mistakes.txt`` holds, for each: its name, the registry, and the messages, whole.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from opsmithc import entries, registry, verify
from opsmithc.derive.op import derive
from opsmithc.errors import RegistryError, RegistryErrors
from opsmithc.lower import families
from opsmithc.store import Store

F = "- op: f(Tensor input) -> Tensor\n"


def _catalogue() -> dict[str, tuple[str, str]]:
    text = (Path(__file__).parent / "data" / "mistakes.txt").read_text(encoding="utf-8")
    found = {}
    for part in text.removeprefix("=== ").split("\n=== "):
        name, _, rest = part.partition("\n")
        source, _, messages = rest.partition("---\n")
        assert name not in found
        found[name] = (source, messages.strip())
    return found


CATALOGUE = _catalogue()


@pytest.mark.parametrize("name", CATALOGUE)
def test_mistake(name: str) -> None:
    source, messages = CATALOGUE[name]
    try:
        derived = [derive(families.with_gradients(op)) for op in registry.parse(source, "ops.yaml")]
        errors = verify.verify(derived, None)
    except RegistryErrors as e:
        errors = e.errors
    except RegistryError as e:
        errors = [e]
    assert "\n".join(map(str, errors)) == messages


def test_catalogue_is_long_enough() -> None:
    assert len(CATALOGUE) >= 25


def test_all_errors_at_once_in_order_of_place() -> None:
    source = (
        "- op: f(Tensor input) -> Tensor\n"
        "  out: inptu\n"
        "  dtype: sam\n"
        "- op: h(Tensor input) -> Tensor\n"
        "  body: f(input) + q\n"
        "  grad: {input: g * z}\n"
        "- op: k(Tensr input) -> Tensor\n"
        "  out: input\n"
    )
    with pytest.raises(RegistryErrors) as caught:
        registry.parse(source, "ops.yaml")
    assert str(caught.value).splitlines() == [
        "ops.yaml:2:8: op 'f': out reads 'inptu'; in scope are input; did you mean 'input'?",
        "ops.yaml:3:10: op 'f': dtype: unknown 'sam'; known are same, default, no_opmath, "
        "int_to_float, int_to_long, bool_to_long, always_bool, always_long, complex_to_float; "
        "did you mean 'same'?",
        "ops.yaml:5:20: op 'h': body reads 'q'; in scope are input",
        "ops.yaml:6:21: op 'h': gradient of 'input' reads 'z'; in scope are g, out, input",
        "ops.yaml:7:9: op 'k': unknown type 'Tensr'; did you mean 'Tensor'?",
    ]


def test_an_entry_that_does_not_read_is_still_known_by_name() -> None:
    source = F + "  out: input\n  dtype: sam\n- op: h(Tensor input) -> Tensor\n  body: f(input)\n"
    with pytest.raises(RegistryErrors) as caught:
        registry.parse(source, "ops.yaml")
    assert [e.place.line for e in caught.value.errors] == [3]


@pytest.mark.parametrize(
    "line",
    [
        "out: input * 1e-5",
        "out: where(input == -inf, 0, input)",
        "tol: {float32: [1e-5, rounding]}",
    ],
)
def test_numbers_that_yaml_reads_as_text(line: str) -> None:
    source = F + f"  {line}\n" + ("" if line.startswith("out") else "  out: input\n")
    (op,) = registry.parse(source)
    assert op.tol == ({"float32": (1e-5, "rounding")} if line.startswith("tol") else {})


def test_words_that_yaml_reads_as_booleans() -> None:
    source = F.replace("f(", "on(") + "  out: input\n  alias: [no, off]\n"
    (op,) = registry.parse(source)
    assert (op.name, op.alias) == ("on", ("no", "off"))


def test_bad_characters_are_placed() -> None:
    with pytest.raises(RegistryErrors, match=r"ops.yaml:2:1: not YAML: special characters"):
        registry.parse(F + "  out: input\x00\n", "ops.yaml")


def test_a_choice_by_elements_says_where() -> None:
    (op,) = registry.parse(F + "  out: input if input > 0 else 0\n", "ops.yaml")
    with pytest.raises(RegistryError, match=r"write where\(input > 0, input, 0\)$"):
        derive(op)


@pytest.mark.parametrize("source", ["5", "[", "{a: 1}"])
def test_a_text_without_entries_says_why(source: str, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(source, encoding="utf-8")
    with pytest.raises(RegistryErrors, match=r"own.yaml:\d+:\d+: "):
        entries.load(file, {}, Store.load(tmp_path), lambda record: False, "")
