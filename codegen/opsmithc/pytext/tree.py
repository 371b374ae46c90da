"""In: formula trees on whole tensors. Out: Python expressions.

Must not know: which op the formula belongs to; ops are called through the namespace ``_f``.
"""

from __future__ import annotations

from ..formula import (
    Attr,
    Binary,
    Call,
    Compare,
    IfExp,
    Item,
    Logic,
    Name,
    Nil,
    Node,
    Num,
    Seq,
    Str,
    Unary,
    unparse,
)
from .signature import safe


def python(node: Node, local: frozenset[str] = frozenset()) -> str:
    """A tensor-level formula as calls of public functions and operators."""

    def wrap(n: Node) -> str:
        text = python(n, local)
        return f"({text})" if isinstance(n, Binary | Compare | Unary | IfExp) else text

    match node:
        case Num(value=float() as v) if v != v or v in (float("inf"), float("-inf")):
            return f'float("{v}")'
        case Num() | Str() | Nil():
            return unparse(node)
        case Name(id="n"):
            return "count"
        case Name(id=name):
            return safe(name)
        case Unary(op="not", arg=a):
            return f"_f.logical_not({python(a, local)})"
        case Unary(op=op, arg=a):
            return f"{op}{wrap(a)}"
        case Binary(op=op, left=a, right=b):
            return f"{wrap(a)} {op} {wrap(b)}"
        case Compare(op=op, left=a, right=b):
            return f"{wrap(a)} {op} {wrap(b)}"
        case Logic(op=op, args=args):
            text = python(args[0], local)
            for a in args[1:]:
                text = f"_f.logical_{op}({text}, {python(a, local)})"
            return text
        case Call(fn="size", args=(x, d)):
            return f"{wrap(x)}.shape[{python(d, local)}]"
        case Call(fn="numel", args=(x,)):
            return f"{wrap(x)}.numel()"
        case Call(fn="len", args=(x,)):
            return f"len({python(x, local)})"
        case Call(fn=fn, args=args, kwargs=kwargs):
            parts = [python(a, local) for a in args]
            parts += [f"{k}={python(v, local)}" for k, v in kwargs]
            return f"_f.{fn}({', '.join(parts)})"
        case Attr(base=base, name=name):
            return f"{wrap(base)}.{name}"
        case Item(base=base, index=index):
            return f"{wrap(base)}[{', '.join(python(i, local) for i in index)}]"
        case IfExp(test=t, then=a, other=b):
            return f"{wrap(a)} if {static(t)} else {wrap(b)}"
        case Seq(items=items):
            return f"[{', '.join(python(i, local) for i in items)}]"
    raise AssertionError(f"no Python for {node}")


def static(node: Node) -> str:
    """A condition on values known at call time, as plain Python."""
    match node:
        case Logic(op=op, args=args):
            return f" {op} ".join(f"({static(a)})" for a in args)
        case Unary(op="not", arg=a):
            return f"not ({static(a)})"
        case Compare(op=op, left=a, right=b):
            return f"{static(a)} {op} {static(b)}"
        case _:
            return python(node)
