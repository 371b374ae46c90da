"""In: a name of a schema. Out: how generated C spells it, and why generated Python cannot keep it.

Must not know: ops, families or files other than the template whose imports are taken names. In C a
schema's name is private, so one that C or the templates use gets a ``_``. In Python it is the
keyword that callers write, so a taken one is refused where it is written.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from .errors import Place
from .formula import NODES, Name, substitute
from .opdef import OpDef
from .paths import TEMPLATES

if TYPE_CHECKING:
    from .derive.op import Derived

# Words of C, of its library and of CUDA, and the locals of templates, lowering and entries.
_WORDS = frozenset("""
auto bool break case char const constexpr continue default do double else enum extern false float
for goto if inline int long nullptr register restrict return short signed sizeof static struct
switch thread_local true typedef typeof union unsigned void volatile while asm
memcpy memset memcmp errno signbit isnan isinf main exit abort free malloc printf
blockIdx blockDim threadIdx gridDim class new delete template this private public operator
acc all arg args arguments axis backward base before best better block common compute consume count
cost data define
direct done dst each element failed from half here hi implied into kernel kernels lanes left length
lo lock next number numbers operands outputs own part pitch place positions pragma ready record
rest result right row rows run seed span stamp start state steps stop strand task to tuned typed
undef
unroll walk wanted whole width work
""".split())  # fmt: skip
_PARTS = (
    "p|h|n|v|small|d|g|ops|opsk|opse|compute|convolve|combine|count|finish|init|kept|"
    "lanes|lines|load|loops|map|merge|out|product|state|steps|store|sum|tuned|vector|"
    "widen|positions|amax|amin|i|j|k|q|r|best"
)
_C_TAKEN = re.compile(
    rf"_.*|[A-Za-z]\d*|[A-Z][A-Z0-9_]+|\w+_t|(kept|next|out)\d+|({_PARTS})_\w+|"
    r"\w+_(f64|f32|i64|i32|b8|at\d+|kind|first|last|\w|\d)"
)
# The built-in functions and the locals that generated Python uses.
_BUILTINS = frozenset(
    ("AttributeError", "KeyError", "OverflowError", "RuntimeError", "TypeError", "ValueError",
     "bool", "complex", "float", "int", "len", "tuple", "PUBLIC")
)  # fmt: skip
_LOCALS = frozenset(("count", "h", "i", "node", "original", "s", "stamp", "t"))
_LOCAL = re.compile(r"(d|h|t)\d+|(c|b|r|g|shape_of|dtype_of|saved)_\w+|_\w*")
_OP_PARTS = re.compile(r"(b|c|r|T)_\w+|_\w*|\w+_")


def c_name(name: str) -> str:
    """How C spells a name of a schema."""
    return name + "_" if name in _WORDS or _C_TAKEN.fullmatch(name) else name


@cache
def helpers() -> frozenset[str]:
    """What the generated modules import."""
    text = (TEMPLATES / "python" / "functions.py.j2").read_text(encoding="utf-8")
    found = re.search(r"from opsmith\._core import \((.*?)\)", text, re.S)
    assert found is not None
    parts = found.group(1).replace("\n", " ").split(",")
    return frozenset(part.split(" as ")[-1].strip() for part in parts if part.strip())


NAMES = "expected letters of ASCII, digits and _, a letter first"


def named(name: str) -> bool:
    """Can C and Python spell it?"""
    return name.isascii() and name.isidentifier()


def refused(name: str, op: bool = False) -> str:
    """Why a parameter, an output or an op cannot be called that; '' where it can."""
    if keyword.iskeyword(name):
        return "is a keyword of Python"
    if name in helpers() or name in _BUILTINS or name == "_f":
        return "is taken in generated modules"
    if op:
        return "is taken in generated modules" if _OP_PARTS.fullmatch(name) else ""
    if name == "g":
        return "is the cotangent in gradients"
    if name == "out":
        return "is the result in formulas and where it is written"
    if name in _LOCALS or _LOCAL.fullmatch(name):
        return "is taken in generated functions"
    return ""


def as_written(name: str) -> str:
    """A name that C spells, as the schema has it."""
    return name[:-1] if name.endswith("_") and c_name(name[:-1]) == name else name


def better(name: str) -> str:
    """A name near a refused one that can be had."""
    tried = (f"{name}_", f"{name}_value", f"the_{name}", f"{name}_op", f"my_{name}")
    stem = name.strip("_")
    return next(
        n for n in (*tried, f"{stem}s", f"my{stem}", f"my{stem}x")
        if not refused(n) and not refused(n, op=True)
    )  # fmt: skip


# An op as C spells it ----------------------------------------------------------------------------


def spelled(d: Derived) -> Derived:
    """The op with its parameters and outputs as C spells them."""
    schema = d.op.schema
    names = (*(p.name for p in schema.params), *(r for r in schema.returns if r))
    new = {n: c_name(n) for n in names if c_name(n) != n}
    if not new:
        return d
    new |= {f"g_{r}": f"g_{new[r]}" for r in schema.returns if r in new}  # their cotangents
    rename = _Renaming(new)
    gradients = {
        rename.name(param): replace(
            g, param=rename.name(g.param), formula=rename(g.formula), reads=rename.all(g.reads)
        )
        for param, g in d.gradients.items()
    }
    return replace(d, op=rename.op(d.op), gradients=gradients)


class _Renaming:
    """New names for some of an op's, wherever the op speaks of them."""

    def __init__(self, new: Mapping[str, str]) -> None:
        self.new = new
        self.nodes = {k: Name(v) for k, v in new.items()}
        self.word = re.compile(rf"\b({'|'.join(new)})\b")

    def name(self, name: str) -> str:
        return self.new.get(name, name)

    def all(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(self.name(n) for n in names)

    def __call__(self, value: Any) -> Any:
        """Formulas, and the tables, tuples and records that hold them."""
        if isinstance(value, Mapping):
            return {self.name(k): self(v) for k, v in value.items()}
        if isinstance(value, tuple):
            return tuple(self(v) for v in value)
        if isinstance(value, Place) or not is_dataclass(value):
            return value
        if isinstance(value, NODES):
            return substitute(value, self.nodes)
        own = {f.name: self(getattr(value, f.name)) for f in fields(value)}
        return replace(value, **own)  # type: ignore[type-var]

    def op(self, op: OpDef) -> OpDef:
        schema, dtype = op.schema, op.dtype
        params = tuple(
            replace(p, name=self.name(p.name), default=p.default and self.name(p.default))
            for p in schema.params
        )
        spoken = ("meaning", "fast", "grad", "kinks", "transpose", "let", "outside", "check",
                  "stop")  # fmt: skip
        return replace(
            op,
            schema=replace(schema, params=params, returns=self.all(schema.returns)),
            dtype=replace(
                dtype, args=self.all(dtype.args),
                classes={self.name(n): kind for n, kind in dtype.classes.items()},
            ),
            linear=tuple(self.all(names) for names in op.linear),
            dims={
                self.name(n): tuple(self.word.sub(lambda m: self.new[m[0]], axis) for axis in axes)
                for n, axes in op.dims.items()
            },
            **{key: self(getattr(op, key)) for key in spoken},
        )  # fmt: skip
