"""In: a PyTorch schema line. Out: a Schema whose text is that line again.

Must not know: formulas or dtypes; only names, types and defaults.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import FormulaError, did_you_mean

BASE_TYPES = (
    "Tensor", "Scalar", "int", "float", "bool", "str", "dtype", "device", "Generator", "Dimname",
)  # fmt: skip
_TYPE = re.compile(r"(?P<base>\w+)(?P<list>\[(?P<n>\d*)\])?(?P<opt>\?)?$")
_RETURN = re.compile(r"(?P<type>Tensor(\[\])?)(\s+(?P<name>\w+))?$")


@dataclass(frozen=True, slots=True)
class Type:
    """``int[2]?``: base, list (0 = any length), optional."""

    base: str
    is_list: bool = False
    length: int = 0
    optional: bool = False

    def __str__(self) -> str:
        """The type as written in a schema."""
        items = f"[{self.length or ''}]" if self.is_list else ""
        return f"{self.base}{items}{'?' if self.optional else ''}"

    @property
    def is_tensor(self) -> bool:
        """A single tensor (perhaps optional)."""
        return self.base == "Tensor" and not self.is_list


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter; ``default`` is its text, None when required."""

    name: str
    type: Type
    default: str | None = None
    kwonly: bool = False

    def __str__(self) -> str:
        """The parameter as written in a schema."""
        return f"{self.type} {self.name}" + ("" if self.default is None else f"={self.default}")


@dataclass(frozen=True, slots=True)
class Schema:
    """``name(params) -> returns``; returns are names ('' when unnamed), ``many`` for Tensor[]."""

    name: str
    params: tuple[Param, ...]
    returns: tuple[str, ...]
    many: bool = False

    def __str__(self) -> str:
        """The schema line; parsing it gives this schema again."""
        parts: list[str] = []
        for i, p in enumerate(self.params):
            if p.kwonly and (i == 0 or not self.params[i - 1].kwonly):
                parts.append("*")
            parts.append(str(p))
        if self.many:
            ret = "Tensor[]"
        elif len(self.returns) == 1:
            ret = f"Tensor {self.returns[0]}".strip()
        else:
            ret = "(" + ", ".join(f"Tensor {r}".strip() for r in self.returns) + ")"
        return f"{self.name}({', '.join(parts)}) -> {ret}"

    def param(self, name: str) -> Param:
        """The parameter of that name (KeyError if none)."""
        for p in self.params:
            if p.name == name:
                return p
        raise KeyError(name)

    @property
    def tensors(self) -> tuple[Param, ...]:
        """Parameters that are single tensors."""
        return tuple(p for p in self.params if p.type.is_tensor)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, ``out`` for a single unnamed one."""
        if len(self.returns) == 1:
            return (self.returns[0] or "out",)
        return tuple(r or f"out{i}" for i, r in enumerate(self.returns))


def parse_type(text: str, offset: int = 0) -> Type:
    """Parse ``int[2]?`` and the like."""
    m = _TYPE.match(text)
    if not m or m["base"] not in BASE_TYPES:
        base = m["base"] if m else text
        raise FormulaError(f"unknown type '{text}'{did_you_mean(base, BASE_TYPES)}", offset)
    return Type(m["base"], bool(m["list"]), int(m["n"] or 0) if m["list"] else 0, bool(m["opt"]))


def parse_schema(text: str) -> Schema:
    """Parse a schema line; raises FormulaError with an offset."""
    m = re.match(r"\s*(\w+)\s*\((.*)\)\s*->\s*(.+?)\s*$", text, re.S)
    if not m:
        raise FormulaError(f"expected 'name(Tensor input, ...) -> Tensor', found {text!r}")
    params: list[Param] = []
    kwonly = False
    offset = m.start(2)
    for part in _split(m[2]):
        at = offset + len(part) - len(part.lstrip())
        offset += len(part) + 1
        part = part.strip()
        if part == "*":
            if kwonly:
                raise FormulaError("a second '*'", at)
            kwonly = True
            continue
        decl, eq, default = part.partition("=")
        words = decl.split()
        if len(words) != 2:
            raise FormulaError(f"expected 'Type name' or 'Type name=default', found '{part}'", at)
        if any(p.name == words[1] for p in params):
            raise FormulaError(f"parameter '{words[1]}' appears twice", at)
        if not eq and not kwonly and params and params[-1].default is not None:
            raise FormulaError(f"'{words[1]}' without default follows a default", at)
        params.append(
            Param(words[1], parse_type(words[0], at), default.strip() if eq else None, kwonly)
        )
    ret = m[3]
    if ret == "Tensor[]":
        return Schema(m[1], tuple(params), ("",), many=True)
    items = _split(ret[1:-1]) if ret.startswith("(") and ret.endswith(")") else [ret]
    returns: list[str] = []
    for item in items:
        r = _RETURN.match(item.strip())
        if not r:
            raise FormulaError(
                f"expected 'Tensor' or '(Tensor a, Tensor b)', found '{ret}'", m.start(3)
            )
        returns.append(r["name"] or "")
    return Schema(m[1], tuple(params), tuple(returns))


def _split(text: str) -> list[str]:
    """Split at commas outside brackets and quotes."""
    parts, depth, start, quote = [], 0, 0, ""
    for i, c in enumerate(text):
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c in "[(":
            depth += 1
        elif c in "])":
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    if text[start:].strip():
        parts.append(text[start:])
    return parts
