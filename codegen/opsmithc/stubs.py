"""In: the registry and the frontend's source text. Out: one typed stub of the public namespace.

Must not know: opsmith as a module; the hand-written methods of Tensor are read as text, by ``ast``.
``frontend/opsmith/__init__.pyi`` re-exports the file, so that editors and mypy see every op.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import frontend_text, trials
from .dtypes import TABLE
from .frontend_text import body, docstring
from .opdef import OpDef, Out
from .operators import COMPARISONS, DUNDERS, UNARY
from .pytext.signature import safe, tuple_name
from .schema import Param, Type

_TYPES = {
    "Tensor": "Tensor", "Scalar": "_Number", "int": "_int", "float": "_float", "bool": "_bool",
    "str": "_str", "dtype": "_dtype", "device": "_Device", "Generator": "_Any", "Dimname": "_str",
}  # fmt: skip
_WRITTEN = (
    "shape",
    "dtype",
    "dtype_",
    "device",
    "grad",
    "requires_grad",
    "ndim",
)  # in the template


@dataclass(frozen=True, slots=True)
class StubFile:
    """Context of templates/python/stubs.pyi.j2."""

    modules: tuple[str, ...]
    reexports: tuple[tuple[str, tuple[str, ...]], ...]  # module, names
    dtypes: tuple[str, ...]
    casts: tuple[str, ...]  # methods that convert to a dtype
    tuples: tuple[tuple[str, tuple[str, ...]], ...]  # class, fields
    members: tuple[str, ...]  # of Tensor
    functions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LinalgStubFile:
    """Context of templates/python/linalg_stubs.pyi.j2."""

    tuples: tuple[str, ...]
    functions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stub:
    """What the stub says of an op."""

    functions: tuple[tuple[str, str], ...] = ()  # name, declaration
    methods: tuple[tuple[str, str], ...] = ()
    tuples: tuple[tuple[str, tuple[str, ...]], ...] = ()
    linalg: tuple[str, ...] = ()  # declarations that opsmith.linalg has, not the root namespace


def stub_of(op: OpDef) -> Stub:
    """The declarations of an op; none where it is not public."""
    if not trials.written(op) or op.hidden and "method" not in op.variants:
        return Stub()
    many = len(op.schema.outputs) > 1
    elsewhere = "linalg" in op.variants
    name = op.name.removeprefix("linalg_")
    return Stub(
        () if elsewhere else tuple(functions([op])), tuple(methods([op])),
        ((tuple_name(op), op.schema.outputs),) if many else (),
        (_declaration(op, name, parameters(op), op.doc),) if elsewhere else (),
    )  # fmt: skip


def linalg_stub_file(stubs: Iterable[Stub]) -> LinalgStubFile:
    """The operations of ``opsmith.linalg``, as declarations."""
    found = [stub for stub in stubs if stub.linalg]
    return LinalgStubFile(
        tuple(name for stub in found for name, _ in stub.tuples),
        tuple(line for stub in found for line in stub.linalg),
    )


def stub_file(stubs: Iterable[Stub], frontend: Path) -> StubFile:
    """Everything ``import opsmith`` offers, as declarations."""
    stubs = list(stubs)
    taken = {name: line for stub in stubs for name, line in stub.methods}
    own = {
        name: line for name, line in frontend_text.members(frontend)
        if name not in _WRITTEN and not (name.startswith("_") and not name.startswith("__"))
    }  # fmt: skip
    members = [*own.values(), *(line for name, line in taken.items() if name not in own)]
    reexports = tuple(frontend_text.reexports(frontend / "__init__.py"))
    written = dict(frontend_text.functions(frontend / "__init__.py"))
    imported = {*written, *(n for _, names in reexports for n in names)}
    return StubFile(
        modules=frontend_text.modules(frontend / "__init__.py"),
        reexports=reexports,
        dtypes=tuple(n for t in TABLE for n in (t.name, *t.aliases)),
        casts=tuple(t.scalar.lower() for t in TABLE if t.typed),
        tuples=tuple(t for stub in stubs for t in stub.tuples),
        members=tuple(members),
        functions=(
            *written.values(),
            *(line for stub in stubs for name, line in stub.functions if name not in imported),
        ),
    )


# Ops ---------------------------------------------------------------------------------------------


def functions(ops: Iterable[OpDef]) -> Iterator[tuple[str, str]]:
    """(name, declaration) of every function."""
    for op in ops:
        if "property" in op.variants or set(op.variants) == {"method"} and not op.schema.tensors:
            continue
        for name in (op.name, *op.alias):
            yield name, _declaration(op, name, parameters(op), op.doc)
        if "inplace" in op.variants:
            for name in (op.name, *op.alias):
                yield f"{name}_", _declaration(op, f"{name}_", parameters(op, out=False), {})
        if "foreach" in op.variants:
            params = parameters(op, out=False).replace("Tensor", "_Sequence[Tensor]", 1)
            params = params.replace("Tensor | _Number", "_Sequence[Tensor] | Tensor | _Number")
            yield f"_foreach_{op.name}_", f"def _foreach_{op.name}_({params}) -> None: ..."


def methods(ops: Iterable[OpDef]) -> Iterator[tuple[str, str]]:
    """(name, declaration) of the methods, properties and operators of Tensor that are ops."""
    for op in ops:
        if "property" in op.variants:
            text = docstring(op.doc)
            yield op.name, f"@property\n    def {op.name}(self) -> {returns(op)}: {text}"
        if "method" in op.variants:
            for name in (op.name, *op.alias):
                yield name, _declaration(op, name, parameters(op, method=True), op.doc, 8)
                if "inplace" in op.variants:
                    params = parameters(op, method=True, out=False)
                    yield f"{name}_", _declaration(op, f"{name}_", params, {}, 8)
        for v in op.variants:
            if v.startswith("operator:"):
                yield from _operators(op, v.partition(":")[2])


def _operators(op: OpDef, word: str) -> Iterator[tuple[str, str]]:
    if word in UNARY:
        name = f"__{word}__"
        yield name, f"def {name}(self) -> Tensor: ..."
        return
    names = [f"__{DUNDERS[word]}__"]
    if DUNDERS[word] not in COMPARISONS:
        names.append(f"__r{DUNDERS[word]}__")
        if "inplace" in op.variants:
            names.append(f"__i{DUNDERS[word]}__")
    equality = word in ("==", "!=")  # object takes anything and says bool
    other = "_Any" if equality else "Tensor | _Number"
    for name in names:
        text = f"def {name}(self, other: {other}) -> Tensor: ..."
        yield name, f"{text}  # type: ignore[override]" if equality else text


def parameters(op: OpDef, method: bool = False, out: bool = True) -> str:
    """Typed parameters, as PyTorch writes them."""
    parts: list[str] = []
    keywords = False
    for k, p in enumerate(op.schema.params):
        if method and k == 0:
            parts.append("self")
            continue
        if p.kwonly and not keywords:
            parts.append("*")
            keywords = True
        if method and k == 1 and "varargs" in op.variants and p.type.is_list:
            parts.append(f"*{safe(p.name)}: _int | _Sequence[_int]")
            keywords = True
            continue
        parts.append(f"{safe(p.name)}: {annotation(op, p)}{'' if p.default is None else ' = ...'}")
    if out and "out" in op.variants:
        parts += [*([] if keywords else ["*"]), "out: Tensor | None = ..."]
    return ", ".join(parts)


def annotation(op: OpDef, p: Param) -> str:
    """The type of an argument: what PyTorch takes for it."""
    first = op.schema.params[0] is p
    text = _type(p.type)
    single = any(sample.get(p.name) == [] for sample in op.samples)  # a 0-d tensor will do
    if p.type.is_tensor and not first and (isinstance(op.meaning, Out) or single):
        text = "Tensor | _Number"  # numbers become 0-d tensors
    follows = p.default in {q.name for q in op.schema.params}  # int[2] stride=kernel_size
    return f"{text} | None" if p.type.optional or p.default == "None" or follows else text


def _type(t: Type) -> str:
    if t.is_list:
        single = f"{_TYPES[t.base]} | " if t.base == "int" else ""
        return f"{single}_Sequence[{_TYPES[t.base]}]"
    return _TYPES[t.base]


def returns(op: OpDef) -> str:
    """The result's type."""
    if op.schema.many:
        return "tuple[Tensor, ...]"
    return tuple_name(op) if len(op.schema.outputs) > 1 else "Tensor"


def _declaration(op: OpDef, name: str, params: str, doc: Mapping[str, str], indent: int = 4) -> str:
    text = body(docstring(doc, indent))
    return f"def {safe(name)}({params}) -> {returns(op)}:{text}"


__all__ = ["LinalgStubFile", "Stub", "StubFile", "linalg_stub_file", "stub_file", "stub_of"]
