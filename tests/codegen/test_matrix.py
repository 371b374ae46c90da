"""The support matrix has no hole, and names tests that exist."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from opsmithc import matrix, paths, pipeline, registry, trials
from opsmithc.derive.op import Derived

OPS = Path(__file__).resolve().parents[1] / "ops"


@pytest.fixture(scope="module")
def derived() -> tuple[Derived, ...]:
    return pipeline.derive_all(pipeline.parse([paths.OPS_YAML]))


def test_no_hole(derived: tuple[Derived, ...]) -> None:
    holes = matrix.holes(matrix.rows(derived))
    assert not holes, "\n".join(holes)


def test_every_entry_has_a_row(derived: tuple[Derived, ...]) -> None:
    table = matrix.rows(derived)
    entries = re.findall(r"(?m)^- op: (\w+)\(", paths.OPS_YAML.read_text(encoding="utf-8"))
    assert list(dict.fromkeys(r.op for r in table)) == entries
    assert {r.dtype for r in table} == set(matrix.CLASSES)
    assert all([c for c, _ in r.cells] == list(matrix.COLUMNS) for r in table)


def test_tests_exist() -> None:
    """Each column's test is a function of tests/ops, parametrised by the column's own trial."""
    for column, (_, test) in trials.TRIALS.items():
        file, _, name = test.partition("::")
        text = (OPS / file).read_text(encoding="utf-8")
        marked = re.search(rf'@pytest\.mark\.trial\("([\w ]+)"\)\n(?:@.*\n)*def {name}\(', text)
        assert marked, f"{column}: no parametrised test {test}"
        assert marked[1] == column or not reasons_differ(column, marked[1]), column


def reasons_differ(column: str, other: str) -> bool:
    """Do two trials leave out different ops?"""
    return trials.TRIALS[column][0] is not trials.TRIALS[other][0]


ENTRY = """
- op: twice(Tensor input) -> Tensor
  out: 2 * input
  variants: [method]
  doc: {short: Doubles.}
"""


def test_a_hole_is_found() -> None:
    """An entry without samples is not tested, and has no reason."""
    (d,) = pipeline.derive_all(registry.parse(ENTRY))
    holes = matrix.holes(matrix.rows([d]))
    assert any(
        hole.startswith("twice, float, forward: neither a test nor a reason") for hole in holes
    )


def test_an_open_reason_is_found() -> None:
    (d,) = pipeline.derive_all(registry.parse(ENTRY + "  samples: [{input: [3]}]\n"))
    assert not matrix.holes(matrix.rows([d]))
    bad = replace(d, op=replace(d.op, unsupported={"backward": "too hard"}))
    assert "'too hard' is not among the reasons" in "\n".join(matrix.holes(matrix.rows([bad])))
