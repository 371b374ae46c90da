"""In: the text of a formula. Out: a typed tree of our own, and its text again.

Must not know: ops, dtypes or any target language; readings of the tree live elsewhere.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeAlias, TypeVar

from .errors import FormulaError, did_you_mean

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Num:
    """A number; ``inf`` and ``nan`` are floats."""

    value: int | float | bool | complex
    col: int = field(default=0, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Str:
    """A string literal, e.g. a reduction mode."""

    value: str
    col: int = field(default=0, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Nil:
    """``None``."""

    col: int = field(default=0, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Name:
    """A name in scope."""

    id: str
    col: int = field(default=0, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Unary:
    """``-x``, ``not x`` or ``~x``."""

    op: str
    arg: Node
    col: int = field(default=0, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic, bitwise and matrix-product operators."""

    op: str
    left: Node
    right: Node
    col: int = field(default=0, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Compare:
    """One comparison; chains are split into a Logic."""

    op: str
    left: Node
    right: Node
    col: int = field(default=0, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Logic:
    """``and`` / ``or`` of two or more terms."""

    op: str
    args: tuple[Node, ...]
    col: int = field(default=0, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Call:
    """A function of an intrinsic or of a registry op."""

    fn: str
    args: tuple[Node, ...]
    kwargs: tuple[tuple[str, Node], ...] = ()
    col: int = field(default=0, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Item:
    """``base[i, j]``."""

    base: Node
    index: tuple[Node, ...]
    col: int = field(default=0, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Attr:
    """``base.name``, e.g. ``input.ndim``."""

    base: Node
    name: str
    col: int = field(default=0, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class IfExp:
    """``a if test else b`` on values known at call time."""

    test: Node
    then: Node
    other: Node
    col: int = field(default=0, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Seq:
    """A list or tuple of formulas."""

    items: tuple[Node, ...]
    col: int = field(default=0, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Fold:
    """``sum(body for k in K)``: a reduction over loop variables; extent is a size."""

    kind: str
    body: Node
    loops: tuple[tuple[str, Node], ...]
    col: int = field(default=0, compare=False, repr=False, kw_only=True)


Node: TypeAlias = (
    Num
    | Str
    | Nil
    | Name
    | Unary
    | Binary
    | Compare
    | Logic
    | Call
    | Item
    | Attr
    | IfExp
    | Seq
    | Fold
)


@dataclass(frozen=True, slots=True)
class Block:
    """Named intermediate values, then the result: the form of a ``body``."""

    lets: tuple[tuple[str, Node], ...]
    result: Node


ZERO, ONE = Num(0), Num(1)
INF, NAN = float("inf"), float("nan")
_CONSTANTS = {"inf": INF, "nan": NAN, "pi": 3.141592653589793, "e": 2.718281828459045}
_BIN: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.Pow: "**", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<",
    ast.RShift: ">>", ast.MatMult: "@",
}  # fmt: skip
_UN: dict[type[ast.unaryop], str] = {ast.USub: "-", ast.Not: "not", ast.Invert: "~", ast.UAdd: "+"}
_CMP: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip
FOLDS = ("sum", "prod", "max", "min", "any", "all")


def parse(text: str) -> Node:
    """Parse one expression; raises FormulaError with an offset into ``text``."""
    return _node(_parsed(text, lambda: ast.parse(text.strip(), mode="eval").body))


def _parsed(text: str, read: Callable[[], T]) -> T:
    """What Python's parser makes of a formula or a body, no deeper than the compiler follows."""
    try:
        tree = read()
    except SyntaxError as e:
        message = f"cannot parse formula {_short(text)!r}: {e.msg}"
        raise FormulaError(message, (e.offset or 1) - 1) from None
    except (RecursionError, MemoryError):
        raise FormulaError(_TOO_DEEP) from None
    todo: list[tuple[Any, int]] = [(tree, 0)]
    while todo:
        node, depth = todo.pop()
        if depth > DEEPEST:
            raise FormulaError(_TOO_DEEP, getattr(node, "col_offset", 0))
        todo += [(child, depth + 1) for child in ast.iter_child_nodes(node)]
    return tree


DEEPEST = 120  # operations within one another; every reading of a formula walks down them
_TOO_DEEP = (
    f"operations stand more than {DEEPEST} deep within one another; expected parts with names of "
    "their own (let:, or lines of a body)"
)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:40]}..."


def parse_block(text: str) -> Block:
    """Parse a body: lines ``name = expression`` and a last line with the result."""
    try:
        module = ast.parse(text)
    except SyntaxError as e:
        raise FormulaError(f"cannot parse body: {e.msg}", (e.offset or 1) - 1) from None
    except (RecursionError, MemoryError):
        raise FormulaError(_TOO_DEEP) from None
    for stmt in module.body:
        _parsed(text, lambda stmt=stmt: stmt)  # type: ignore[misc]
    if not module.body:
        raise FormulaError("the body is empty; expected an expression")
    lets: list[tuple[str, Node]] = []
    for stmt in module.body[:-1]:
        if not (isinstance(stmt, ast.Assign) and isinstance(stmt.targets[0], ast.Name)):
            raise FormulaError("expected 'name = expression' on every line but the last")
        lets.append((stmt.targets[0].id, _node(stmt.value)))
    last = module.body[-1]
    if not isinstance(last, ast.Expr):
        raise FormulaError("the last line of a body must be its result, an expression")
    return Block(tuple(lets), _node(last.value))


def parse_assignment(text: str) -> tuple[Item, Node]:
    """Parse index notation ``out[i, j] = expression``."""
    try:
        module = ast.parse(text.strip())
    except SyntaxError as e:
        raise FormulaError(f"cannot parse index notation: {e.msg}", (e.offset or 1) - 1) from None
    except (RecursionError, MemoryError):
        raise FormulaError(_TOO_DEEP) from None
    _parsed(text, lambda: module)
    stmt = module.body[0] if len(module.body) == 1 else None
    if not isinstance(stmt, ast.Assign) or len(stmt.targets) != 1:
        raise FormulaError("expected one assignment 'out[i, j] = ...'")
    target = _node(stmt.targets[0])
    if isinstance(target, Name):
        target = Item(target, ())
    if not isinstance(target, Item):
        raise FormulaError("the left side must be 'out[i, j]'")
    return target, _node(stmt.value)


def _node(t: ast.AST) -> Node:
    """Translate one ast node, rejecting what the language does not have."""
    col = getattr(t, "col_offset", 0)
    match t:
        case ast.Constant(value=None):
            return Nil(col=col)
        case ast.Constant(value=str(v)):
            return Str(v, col=col)
        case ast.Constant(value=float(v)) if v == INF:
            raise FormulaError(
                "found a number that float64 does not hold; expected one up to 1.79e308, or inf",
                col,
            )
        case ast.Constant(value=int(v)) if v >= 2**63:
            raise FormulaError(
                f"found the integer {_short(str(v))}, which int64 does not hold; expected one up "
                f"to 2**63 - 1, or a float like {float(v) if v < 10**300 else 1e300!r}", col,
            )  # fmt: skip
        case ast.Constant(value=bool() | int() | float() | complex() as v):
            return Num(v, col=col)
        case ast.Name(id=name) if not name.isascii():
            raise FormulaError(f"'{name}' is no name: expected letters of ASCII, digits and _", col)
        case ast.Name(id=name):
            return (
                Num(_CONSTANTS[name], col=col)
                if name in ("inf", "nan", "pi")
                else Name(name, col=col)
            )
        case ast.UnaryOp(op=op, operand=x):
            arg = _node(x)
            symbol = _UN[type(op)]
            if symbol == "+":
                return arg
            if symbol == "-" and isinstance(arg, Num) and not isinstance(arg.value, bool):
                return Num(-arg.value, col=col)
            return Unary(symbol, arg, col=col)
        case ast.BinOp(left=left, op=op, right=right):
            return Binary(_BIN[type(op)], _node(left), _node(right), col=col)
        case ast.BoolOp(op=op, values=values):
            word = "and" if isinstance(op, ast.And) else "or"
            return Logic(word, tuple(_node(v) for v in values), col=col)
        case ast.Compare(left=left, ops=ops, comparators=rights):
            terms = [left, *rights]
            pairs = tuple(
                Compare(_CMP[type(op)], _node(terms[i]), _node(terms[i + 1]), col=col)
                for i, op in enumerate(ops)
            )
            return pairs[0] if len(pairs) == 1 else Logic("and", pairs, col=col)
        case ast.Call(func=ast.Name(id=fn), args=[ast.GeneratorExp() as gen], keywords=[]):
            return _fold(fn, gen, col)
        case ast.Call(func=ast.Name(id=fn), args=args, keywords=kws):
            if any(k.arg is None for k in kws) or any(isinstance(a, ast.Starred) for a in args):
                raise FormulaError("'*' and '**' arguments are not part of the language", col)
            return Call(
                fn,
                tuple(_node(a) for a in args),
                tuple((str(k.arg), _node(k.value)) for k in kws),
                col=col,
            )
        case ast.Call(func=ast.Attribute(value=base, attr=fn), args=args, keywords=kws):
            return Call(
                fn,
                (_node(base), *(_node(a) for a in args)),
                tuple((str(k.arg), _node(k.value)) for k in kws),
                col=col,
            )
        case ast.Subscript(value=base, slice=ast.Tuple(elts=elts)):
            return Item(_node(base), tuple(_node(e) for e in elts), col=col)
        case ast.Subscript(value=base, slice=index):
            return Item(_node(base), (_node(index),), col=col)
        case ast.Attribute(value=base, attr=attr):
            return Attr(_node(base), attr, col=col)
        case ast.IfExp(test=test, body=then, orelse=other):
            return IfExp(_node(test), _node(then), _node(other), col=col)
        case ast.List(elts=elts) | ast.Tuple(elts=elts):
            return Seq(tuple(_node(e) for e in elts), col=col)
    raise FormulaError(f"'{ast.unparse(t)}' is not part of the formula language", col)


def _fold(fn: str, gen: ast.GeneratorExp, col: int) -> Fold:
    """``sum(body for i in I for j in J)``."""
    if fn not in FOLDS:
        raise FormulaError(f"'{fn}' cannot fold a loop{did_you_mean(fn, FOLDS)}", col)
    loops: list[tuple[str, Node]] = []
    for comp in gen.generators:
        if comp.ifs or not isinstance(comp.target, ast.Name):
            raise FormulaError("a loop is 'for k in K', without conditions", col)
        loops.append((comp.target.id, _node(comp.iter)))
    return Fold(fn, _node(gen.elt), tuple(loops), col=col)


# Walking -----------------------------------------------------------------------------------------


def children(node: Node) -> Iterator[Node]:
    """The direct sub-formulas, in order of writing."""
    match node:
        case Unary(arg=a):
            yield a
        case Binary(left=a, right=b) | Compare(left=a, right=b):
            yield a
            yield b
        case Logic(args=args) | Seq(items=args):
            yield from args
        case Call(args=args, kwargs=kwargs):
            yield from args
            for _, v in kwargs:
                yield v
        case Item(base=base, index=index):
            yield base
            yield from index
        case Attr(base=base):
            yield base
        case IfExp(test=a, then=b, other=c):
            yield a
            yield b
            yield c
        case Fold(body=body, loops=loops):
            yield body
            for _, extent in loops:
                yield extent


def walk(node: Node) -> Iterator[Node]:
    """``node`` and everything below it, in order of writing."""
    yield node
    for child in children(node):
        yield from walk(child)


def names(node: Node) -> list[str]:
    """Free names in order of first use (loop variables of folds are bound)."""
    found: dict[str, None] = {}
    _free(node, frozenset(), found)
    return list(found)


def _free(node: Node, bound: frozenset[str], found: dict[str, None]) -> None:
    if isinstance(node, Name) and node.id not in bound:
        found[node.id] = None
    if isinstance(node, Fold):
        bound = bound | {v for v, _ in node.loops}
    for child in children(node):
        _free(child, bound, found)


def calls(node: Node) -> list[str]:
    """Names of functions called, in order of first use."""
    return list(dict.fromkeys(n.fn for n in walk(node) if isinstance(n, Call)))


def transform(node: Node, fn: Callable[[Node], Node]) -> Node:
    """Rebuild bottom-up, applying ``fn`` to every rebuilt node."""
    changes: dict[str, Any] = {}
    for f in fields(node):
        v = getattr(node, f.name)
        if isinstance(v, NODES):
            changes[f.name] = transform(v, fn)
        elif isinstance(v, tuple) and f.name in ("args", "items", "index"):
            changes[f.name] = tuple(transform(x, fn) for x in v)
        elif isinstance(v, tuple) and f.name in ("kwargs", "loops"):
            changes[f.name] = tuple((k, transform(x, fn)) for k, x in v)
    return fn(replace(node, **changes) if changes else node)


def substitute(node: Node, values: Mapping[str, Node]) -> Node:
    """Replace free names by formulas."""
    if not values:
        return node
    return transform(node, lambda n: values.get(n.id, n) if isinstance(n, Name) else n)


def inline(block: Block) -> Node:
    """One tree without intermediate names."""
    env: dict[str, Node] = {}
    for name, value in block.lets:
        env[name] = substitute(value, env)
    return substitute(block.result, env)


NODES = (
    Num, Str, Nil, Name, Unary, Binary, Compare, Logic, Call, Item, Attr, IfExp, Seq, Fold,
)  # fmt: skip

# Text --------------------------------------------------------------------------------------------

_PREC = {
    "or": 1, "and": 2, "not": 3, "cmp": 4, "|": 5, "^": 6, "&": 7, "<<": 8, ">>": 8, "+": 9,
    "-": 9, "*": 10, "/": 10, "//": 10, "%": 10, "@": 10, "neg": 11, "**": 12,
}  # fmt: skip


def unparse(node: Node, outer: int = 0) -> str:
    """Formula text that parses to the same tree."""
    text, prec = _text(node)
    return f"({text})" if prec < outer else text


def _text(node: Node) -> tuple[str, int]:
    match node:
        case Num(value=v):
            if isinstance(v, float) and v != v:
                return "nan", 20
            text = str(v) if isinstance(v, bool) else repr(v)
            return text, (11 if text.startswith("-") else 20)
        case Str(value=s):
            return repr(s), 20
        case Nil():
            return "None", 20
        case Name(id=name):
            return name, 20
        case Unary(op=op, arg=a):
            prec = 3 if op == "not" else 11
            return (f"not {unparse(a, prec)}" if op == "not" else f"{op}{unparse(a, prec)}"), prec
        case Binary(op=op, left=a, right=b):
            p = _PREC[op]
            left, right = (p + 1, p) if op == "**" else (p, p + 1)
            return f"{unparse(a, left)} {op} {unparse(b, right)}", p
        case Compare(op=op, left=a, right=b):
            return f"{unparse(a, 5)} {op} {unparse(b, 5)}", 4
        case Logic(op=op, args=args):
            p = _PREC[op]
            return f" {op} ".join(unparse(a, p + 1) for a in args), p
        case Call(fn=fn, args=args, kwargs=kwargs):
            parts = [unparse(a) for a in args] + [f"{k}={unparse(v)}" for k, v in kwargs]
            return f"{fn}({', '.join(parts)})", 20
        case Item(base=base, index=index):
            return f"{unparse(base, 20)}[{', '.join(unparse(i) for i in index)}]", 20
        case Attr(base=base, name=name):
            return f"{unparse(base, 20)}.{name}", 20
        case IfExp(test=t, then=a, other=b):
            return f"{unparse(a, 1)} if {unparse(t, 1)} else {unparse(b)}", 0
        case Seq(items=items):
            return f"[{', '.join(unparse(i) for i in items)}]", 20
        case Fold(kind=kind, body=body, loops=loops):
            tail = " ".join(f"for {v} in {unparse(x, 1)}" for v, x in loops)
            return f"{kind}({unparse(body)} {tail})", 20
    raise AssertionError(node)
