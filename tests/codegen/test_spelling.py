"""Names of a schema that C, its headers or the templates use: C spells them otherwise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opsmithc import names, paths, pipeline, registry
from opsmithc.emit import render
from opsmithc.formula import Name, walk
from opsmithc.lower import families
from opsmithc.verify import formulas

OPS = pipeline.parse([paths.OPS_YAML])
WORDS = re.compile(r'"(?:\\.|[^"\\])*"|/\*.*?\*/|#\s*include.*|(?<![\w.>])[A-Za-z_]\w*', re.S)
STATED = {"dtype", "indices", "input", "other"}  # of every op that has them, spelled as they are
FORMULAS = {
    "pointwise": "(Tensor input, float {n}=2.0) -> Tensor\n  out: input * {n}\n",
    "tensor": "(Tensor input, Tensor {n}) -> Tensor\n  out: input * {n}\n",
    "reduce": "(Tensor {n}, int[1]? dim=None, bool keepdim=False) -> Tensor\n"
              "  reduce: {{map: '{n}', identity: 0, combine: a0 + b0}}\n",
    "index": "(Tensor {n}, Tensor other) -> Tensor\n"
             "  index: out[x, y] = sum({n}[x, z] * other[z, y] for z in Z)\n"
             "  dims: {{{n}: [X, Z], other: [Z, Y]}}\n",
    "rows": "(Tensor input, int[1]? dim=None, float {n}=1.0) -> Tensor\n"
            "  body: input * {n} - sum(input * {n}, dim, True)\n",
}  # fmt: skip


def identifiers(text: str) -> set[str]:
    return {m for m in WORDS.findall(text) if m[0].isalpha() or m[0] == "_"}


def spoken(op: object) -> set[str]:
    """Names that an op's own formulas, sizes and schema bring along."""
    own = {p.name for p in op.schema.params} | {*op.schema.outputs, *op.let, *op.dims}
    own |= {w for axes in op.dims.values() for a in axes for w in re.findall(r"\w+", a)}
    own |= {n.id for f in formulas(op) for n in walk(f) if isinstance(n, Name)}
    text = getattr(getattr(op.meaning, "formula", None), "text", "")
    return own | set(re.findall(r"[A-Za-z_]\w*", text))


@pytest.mark.parametrize("op", OPS[::7], ids=lambda op: op.name)
def test_every_identifier_of_generated_c_is_known(op: object) -> None:
    (d,) = pipeline.derive_all([op])
    for template, context in families.kernel_contexts(d):
        own = spoken(op)
        free = {
            n for n in identifiers(render(template, context))
            if names.c_name(n) == n and n not in own and n.rstrip("_") not in own
            and n not in STATED and op.name not in n and not n.startswith("grad_output")
        }  # fmt: skip
        assert not free, f"a parameter of one of these names would clash: {sorted(free)}"


@pytest.mark.parametrize("form", FORMULAS)
@pytest.mark.parametrize("word", ["int64_t", "NULL", "double", "p", "k", "start", "acc", "args"])
def test_c_does_not_see_the_name(form: str, word: str) -> None:
    source = f"- op: q{FORMULAS[form].format(n=word)}"
    d = pipeline.derive_all(families.by_structure(registry.parse(source)))[0]
    (((template, context),), (_, entries)) = families.kernel_contexts(d), families.entries(d)
    assert re.search(rf"\b{word}_\b", render(template, context))
    for entry in entries:
        assert not re.search(rf"\b(int|double|int64_t) {word}\b", entry.declaration)


def test_names_of_generated_modules(tmp_path: Path) -> None:
    assert {"seq", "make", "like"} <= names.helpers()
    for name in (*names.helpers(), "for", "int", "None"):
        assert names.refused(name)
        assert names.refused(name, op=True)
        assert not names.refused(names.better(name))
