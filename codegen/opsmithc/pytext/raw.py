"""In: gradients that are programs of ops. Out: the same programs on raw handles.

Must not know: kernels. A backward on handles makes no tensor objects; it exists where every call of
the program has a C entry of its own that returns one handle. Others run as recorded calls
(``_core.raw``). The engine has gradient mode off, so results are plain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..abi import encode
from ..derive.op import Gradient
from ..errors import FormulaError
from ..formula import Attr, Call, Name, Nil, Node, names, substitute, unparse
from ..opdef import Index, OpDef, Reference, View
from ..schema import Param


@dataclass
class RawOps:
    """The ops of the registry by name, and which of them raw programs call."""

    ops: Mapping[str, OpDef] = field(default_factory=dict)  # none: gradients run as recorded calls
    called: set[str] = field(default_factory=set)


class NoRaw(Exception):
    """The program has a part without a C entry of its own."""


@dataclass
class Program:
    """Lines of one gradient under construction."""

    at: Callable[[str], str]  # where a saved value stands in the node
    saved: frozenset[str]
    tensors: frozenset[str]  # saved names that are tensors
    ops: Mapping[str, OpDef]
    python: Callable[[Node], str]
    lines: list[str] = field(default_factory=list)
    called: list[str] = field(default_factory=list)
    count: int = 0

    def handle(self, node: Node) -> tuple[str, bool]:
        """A tensor-valued formula as a handle; True when the program owns it."""
        match node:
            case Name(id="g"):
                return "g", False
            case Name(id=name) if name in self.tensors:
                return f"{self.at(name)}._h", False
            case Nil():
                return "NONE_H", False
            case Attr(base=base, name=name) if self._entry(name):
                return self._call(name, (base,), ())
            case Call(fn=fn, args=args, kwargs=kwargs) if self._entry(fn):
                return self._call(fn, args, kwargs)
        raise NoRaw(unparse(node))

    def _entry(self, fn: str) -> bool:
        op = self.ops.get(fn)
        if op is None or op.name != fn or not has_entry(op):
            return False
        return len(op.schema.outputs) == 1 and not op.schema.many

    def _call(
        self, fn: str, args: tuple[Node, ...], kwargs: tuple[tuple[str, Node], ...]
    ) -> tuple[str, bool]:
        op = self.ops[fn]
        given = dict(kwargs)
        texts, owned = [], []
        for k, p in enumerate(op.schema.params):
            node = args[k] if k < len(args) else given.get(p.name)
            if p.type.is_tensor:
                if node is None:
                    node = Nil()
                text, mine = self.handle(node)
                owned += [text] if mine else []
                texts.append(text)
            else:
                texts.append(self._value(p, node))
        self.called.append(fn)
        h = f"h{self.count}"
        self.count += 1
        self.lines.append(f"{h} = c_{fn}({', '.join(texts)}) or backward_failed(n, g)")
        self.lines += [f"drop({o})" for o in owned]
        return h, True

    def _value(self, p: Param, node: Node | None) -> str:
        if p.type.base == "Tensor":
            raise NoRaw(p.name)
        try:
            encoding = encode(p).py
        except FormulaError:
            raise NoRaw(p.name) from None
        if node is None:
            default = {"true": "True", "false": "False"}.get(str(p.default), str(p.default))
            return encoding.replace("{x}", default)
        if any(n in self.tensors or n == "g" for n in names(node)):
            raise NoRaw(p.name)
        places: dict[str, Node] = {n: Name(f"@{n}") for n in names(node)}
        text = self.python(substitute(node, places))
        for n in sorted(places, key=len, reverse=True):
            text = text.replace(f"@{n}", self.at(n))
        return encoding.replace("{x}", text)


def has_entry(op: OpDef) -> bool:
    """Does the op's C entry take the schema's parameters and return one handle?"""
    if isinstance(op.meaning, Reference):
        return op.fast is not None and op.fast.kind == "source"
    return isinstance(op.meaning, View | Index)


def gradient_lines(program: Program, g: Gradient) -> str:
    """Append the gradient's statements; returns the handle it ends in, owned by the caller."""
    h, owned = program.handle(g.formula)
    if not owned:
        program.lines.append("hold(g, 2)" if h == "g" else f"hold_saved({h})")
    return h


__all__ = ["NoRaw", "Program", "RawOps", "gradient_lines", "has_entry"]
