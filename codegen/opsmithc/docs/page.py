"""In: an op with its gradients. Out: what its page says.

Must not know: files, or how kernels are lowered; it asks ``inspect.py`` for their text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .. import dtypes, inspect, matrix, samples, stubs, trials
from ..derive.op import Derived, Gradient
from ..formula import Node, calls
from ..lower import families
from ..opdef import Body, OpDef
from ..readings.latex import latex
from .meanings import meanings

RULES = {
    "same": "The result has the dtype of {args}.",
    "default": "The result has the promoted dtype of {args}.",
    "no_opmath": "The result has the promoted dtype of {args}.",
    "int_to_float": "The promoted dtype of {args}; integers and booleans become the default float.",
    "int_to_long": "The promoted dtype of {args}; integers and booleans become int64.",
    "bool_to_long": "The promoted dtype of {args}; booleans become int64.",
    "always_bool": "The result is boolean.",
    "always_long": "The result is int64.",
    "complex_to_float": "The promoted dtype of {args}; complex numbers become real.",
}
NUMBERS = {
    "common": "may be a float or boolean only where the result is",
    "natural": "given as a number may not be negative where the result is an integer",
}
CELLS = ("forward", "backward", "double backward", "inplace", "out")  # columns of a page's table


@dataclass(frozen=True, slots=True)
class Figures:
    """Measured errors of an op's kernels, by dtype, and where they were measured."""

    rows: tuple[tuple[str, str, str], ...]  # dtype, value (ULP), gradient (ULP)
    points: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The section an op stands in, and the ops before and after it there ('' at its ends)."""

    section: str
    anchor: str
    before: str
    after: str

    @property
    def links(self) -> tuple[str, ...]:
        """Both, in Markdown."""
        before = f"← [{self.before}]({self.before}.md)" if self.before else ""
        after = f"[{self.after}]({self.after}.md) →" if self.after else ""
        return tuple(link for link in (before, after) if link)


@dataclass(frozen=True, slots=True)
class Code:
    """Text that a page shows when asked for it."""

    title: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class OpPage:
    """Context of templates/docs/op.md.j2."""

    name: str
    beside: Neighbours
    short: str
    long: str
    signature: str
    schema: str
    facts: tuple[tuple[str, str], ...]
    formulas: tuple[tuple[str, str], ...]  # what it is the formula of, LaTeX
    gradients: tuple[tuple[str, str, str], ...]  # parameter, origin, LaTeX
    adjoints: tuple[tuple[str, str], ...]  # what the gradients call, and its meaning
    composed: bool  # its gradient is that of the ops it calls
    kinks: tuple[tuple[str, str], ...]
    drawn: bool  # is there a picture?
    dtype: str
    columns: tuple[str, ...]
    support: tuple[tuple[str, tuple[str, ...]], ...]
    refused: tuple[tuple[str, str], ...]
    tolerances: tuple[tuple[str, str], ...]
    refusals: tuple[tuple[str, str], ...]  # what has to hold, the error where it does not
    figures: Figures | None
    example: str
    code: tuple[Code, ...]


def page(
    d: Derived, known: Mapping[str, Derived], beside: Neighbours, drawn: bool,
    figures: Figures | None,
) -> OpPage:  # fmt: skip
    """What an op's page says; ``known`` are all ops by name and alias."""
    op = d.op
    ops = {name: other.op for name, other in known.items()}
    inner = called(bodies(op), ops)
    adjoints = called([g.formula for g in d.gradients.values()], ops)
    kinds = {kind: ", ".join(r.name for r in dtypes.TABLE if r.kind == kind)
             for kind in dict.fromkeys(r.kind for r in dtypes.TABLE)}  # fmt: skip
    refusals = {k: samples.refusal(op, t, ops) for k, t in matrix.CLASSES.items()}
    return OpPage(
        name=op.name,
        beside=beside,
        short=prose(op.doc.get("short", "")),
        long=prose(op.doc.get("long", "").strip()),
        signature=signature(op),
        schema=str(op.schema),
        facts=tuple(facts(op)),
        formulas=(
            *meanings(op),
            *(shown for o in inner for shown in labelled(o)),
        ),
        gradients=tuple(
            (f"`{g.param}`" if e is d else f"`{g.param}` of `{e.op.name}`",
             "declared and verified" if written(e.op, g) else "derived", latex(g.formula))
            for e in (d, *(known[o.name] for o in inner)) for g in e.gradients.values()
        ),
        adjoints=tuple(
            shown for o in adjoints if o not in inner for shown in labelled(o, meanings(op))
        ),
        composed=not d.gradients and matrix.cell(d, "backward", samples.FLOAT, ops).test != "",
        kinks=tuple(
            (k.condition.text, ", ".join(f"`{p}` gets `{v.text}`" for p, v in k.values.items()))
            for k in op.kinks
        ),
        drawn=drawn,
        dtype=dtype_rule(op),
        columns=CELLS,
        support=tuple(
            (kinds.get(t.kind, kind), tuple(matrix.cell(d, c, t, ops).mark for c in CELLS))
            for kind, t in matrix.CLASSES.items() if not refusals[kind]
        ),
        refused=tuple((kinds.get(k, k), why) for k, why in refusals.items() if why),
        tolerances=tuple(
            (code, f"{value!r}: {reason}") for code, (value, reason) in op.tol.items()
        ),
        refusals=tuple((verbatim(f.text), verbatim(message)) for f, message in op.check),
        figures=figures,
        example=op.doc.get("example", ""),
        code=tuple(code(d)),
    )  # fmt: skip


def prose(text: str) -> str:
    """A sentence of an entry, whose stars, bars and angles are no markup."""
    parts = re.split(r"(`[^`]*`)", text)
    parts[::2] = [re.sub(r"[*|<]", lambda m: f"\\{m[0]}", part) for part in parts[::2]]
    return "".join(parts)


def verbatim(text: str) -> str:
    """Text as code in a cell of a table."""
    ticks = "``" if "`" in text else "`"
    space = " " if "`" in text else ""
    return f"{ticks}{space}{text}{space}{ticks}".replace("|", "\\|")


def signature(op: OpDef) -> str:
    """The function, or the method where there is no function, as Python writes it."""
    method = "property" in op.variants or set(op.variants) == {"method"} and not op.schema.tensors
    place = "Tensor" if method else "opsmith.nn.functional" if "nn" in op.variants else "opsmith"
    text = f"{place}.{op.name}({stubs.parameters(op, method)}) -> {stubs.returns(op)}"
    if "property" in op.variants:
        text = f"Tensor.{op.name}: {stubs.returns(op)}"
    for p in (p for p in op.schema.params if p.default is not None):  # stubs write dots for it
        text = re.sub(rf"(\b{p.name}: [^=]*) = \.\.\.", rf"\1 = {p.default}", text, count=1)
    text = re.sub(r"\b_(?=[A-Za-z])", "", text).replace(" = ...", " = None")
    if len(text) < 90:
        return text
    head, _, rest = text.partition("(")
    inside, _, result = rest.rpartition(") -> ")
    lines = ",\n    ".join(re.split(r", (?=\*|\w+: )", inside))
    return f"{head}(\n    {lines},\n) -> {result}"


def dtype_rule(op: OpDef) -> str:
    """The result's dtype, in words."""
    rule = RULES[op.dtype.kind].format(
        args=" and ".join(f"`{a}`" for a in op.dtype.args) or "its arguments"
    )
    for name, kind in op.dtype.classes.items():
        rule += f" `{name}` is {'a condition' if kind == 'bool' else 'an index'}."
    for name, kind in op.dtype.numbers.items():
        rule += f" `{name}` {NUMBERS[kind]}."
    return rule


def facts(op: OpDef) -> list[tuple[str, str]]:
    """Rows of the table on top of a page."""
    found = [("Family", family(op)), ("Also as", ", ".join(forms(op)))]
    found += [("Aliases", ", ".join(f"`{a}`" for a in op.alias))]
    found += [("From", op.doc.get("source", "")), ("Shapes", shapes(op))]
    return [(what, text) for what, text in found if text]


GROUPS = {"many": "{}..", "fits": "{}.. or more", "maybe": "{} if any"}


def shapes(op: OpDef) -> str:
    """The sizes that index notation names, tensor by tensor."""

    def size(text: str) -> str:
        found = re.fullmatch(r"(many|fits|maybe)\((\w+)\)", text)
        return GROUPS[found[1]].format(found[2]) if found else text

    known = {p.name for p in op.schema.params} | set(op.schema.outputs)
    given = [(name, ", ".join(map(size, sizes))) for name, sizes in op.dims.items()]
    return "; ".join(f"`{name}: {sizes}`" for name, sizes in given if name in known)


def written(op: OpDef, gradient: Gradient) -> bool:
    """Does the entry say the gradient? That of index notation is found by its transposition."""
    return gradient.declared and re.search(r"(?m)^  (grad|transpose):", op.text) is not None


def family(op: OpDef) -> str:
    """The family that makes the op's code: that of its one-pass form, where it has one."""
    return inspect.family(families.fast_form(op))


def called(trees: Iterable[Node], known: Mapping[str, OpDef]) -> list[OpDef]:
    """The ops without a page that formulas call, and those that their bodies call, once each."""
    found: dict[str, OpDef] = {}
    todo = list(trees)
    while todo:
        for name in calls(todo.pop(0)):
            inner = known.get(name)
            if inner is not None and (inner.hidden or not trials.written(inner)):
                if name not in found:
                    todo += bodies(inner)
                found[name] = inner
    return list(found.values())


def bodies(op: OpDef) -> list[Node]:
    """The formulas of a composition."""
    if not isinstance(op.meaning, Body):
        return []
    return [t for _, b, _ in op.meaning.cases for t in (*(v for _, v in b.lets), b.result)]


def labelled(op: OpDef, known: Iterable[tuple[str, str]] = ()) -> list[tuple[str, str]]:
    """The meaning of an op without a page, under its name; not what is ``known`` by then."""
    found = [shown for shown in meanings(op) if shown not in known]
    return [(f"`{op.name}`: {label[0].lower()}{label[1:]}", text) for label, text in found]


def forms(op: OpDef) -> list[str]:
    """Where the op is found besides the function."""
    found = []
    for v in op.variants:
        word = v.partition(":")
        if word[0] == "operator":
            found.append(f"operator `{word[2]}`")
        elif v == "inplace":
            found.append(f"in-place `{op.name}_`")
        elif v == "foreach":
            found.append(f"in-place on lists `_foreach_{op.name}_`")
        elif v == "out":
            found.append("`out=`")
        elif v == "nn":
            found.append(f"`nn.functional.{op.name}`")
        elif v in ("method", "property"):
            found.append(f"{v} `Tensor.{op.name}`")
    return found


def code(d: Derived) -> list[Code]:
    """The entry, and what the compiler writes for it: C, or Python for a composition."""
    entry = re.sub(r"(\n *#[^\n]*|\s)*\Z", "", d.op.text)  # comments after it are the next one's
    found = [Code("The entry in ops.yaml", "yaml", entry)]
    if families.kernel_contexts(d):
        found.append(Code("The generated C, float32", "c", inspect.show(d, "c", "f32").strip()))
    else:
        found.append(Code("The generated Python", "python", inspect.show(d, "python").strip()))
    return found
