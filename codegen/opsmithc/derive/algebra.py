"""In: formula trees. Out: simpler formula trees of the same value, NaN and infinity included.

Must not know: ops or derivatives. Only rewrites that hold for every float are done, with one
exception that derivatives need: ``0 * x`` is 0 (a cotangent that is exactly zero is absent).
"""

from __future__ import annotations

from ..formula import ONE, ZERO, Binary, Call, Name, Node, Num, Unary, transform


def is_num(node: Node, value: float) -> bool:
    """Is ``node`` the literal number ``value``?"""
    return isinstance(node, Num) and not isinstance(node.value, complex) and node.value == value


def add(a: Node, b: Node) -> Node:
    """``a + b``."""
    if is_num(a, 0):
        return b
    if is_num(b, 0):
        return a
    if isinstance(b, Unary) and b.op == "-":
        return Binary("-", a, b.arg)
    if isinstance(b, Num) and not isinstance(b.value, complex) and b.value < 0:
        return Binary("-", a, Num(-b.value))
    return Binary("+", a, b)


def sub(a: Node, b: Node) -> Node:
    """``a - b``."""
    if is_num(b, 0):
        return a
    if is_num(a, 0):
        return neg(b)
    return Binary("-", a, b)


def neg(a: Node) -> Node:
    """``-a``."""
    if isinstance(a, Num) and not isinstance(a.value, bool):
        return Num(-a.value) if a.value != 0 else ZERO
    if isinstance(a, Unary) and a.op == "-":
        return a.arg
    if isinstance(a, Call) and a.fn == "where":
        return where(a.args[0], neg(a.args[1]), neg(a.args[2]))
    return Unary("-", a)


def mul(a: Node, b: Node) -> Node:
    """``a * b``; a factor is pushed inside ``where`` so that 0 * inf never arises."""
    if is_num(a, 0) or is_num(b, 0):
        return ZERO
    if is_num(a, 1):
        return b
    if is_num(b, 1):
        return a
    if is_num(a, -1):
        return neg(b)
    if is_num(b, -1):
        return neg(a)
    if isinstance(a, Call) and a.fn == "where" and _has_zero(a):
        return where(a.args[0], mul(a.args[1], b), mul(a.args[2], b))
    if isinstance(b, Call) and b.fn == "where" and _has_constants(b):
        return where(b.args[0], mul(a, b.args[1]), mul(a, b.args[2]))
    if isinstance(a, Unary) and a.op == "-":
        return neg(mul(a.arg, b))
    if isinstance(b, Unary) and b.op == "-":
        return neg(mul(a, b.arg))
    return Binary("*", a, b)


def div(a: Node, b: Node) -> Node:
    """``a / b``."""
    if is_num(a, 0):
        return ZERO
    if is_num(b, 1):
        return a
    if isinstance(a, Call) and a.fn == "where" and _has_zero(a):
        return where(a.args[0], div(a.args[1], b), div(a.args[2], b))
    if isinstance(a, Unary) and a.op == "-":
        return neg(div(a.arg, b))
    return Binary("/", a, b)


def where(c: Node, a: Node, b: Node) -> Node:
    """``where(c, a, b)``."""
    return a if a == b else Call("where", (c, a, b))


def _has_zero(w: Call) -> bool:
    return is_num(w.args[1], 0) or is_num(w.args[2], 0)


def _has_constants(w: Call) -> bool:
    return isinstance(w.args[1], Num) or isinstance(w.args[2], Num)


def simplify(node: Node) -> Node:
    """Rebuild with the constructors above."""

    def step(n: Node) -> Node:
        match n:
            case Binary(op="+", left=a, right=b):
                return add(a, b)
            case Binary(op="-", left=a, right=b):
                return sub(a, b)
            case Binary(op="*", left=a, right=b):
                return mul(a, b)
            case Binary(op="/", left=a, right=b):
                return div(a, b)
            case Binary(op="**", left=a, right=b) if is_num(b, 1):
                return a
            case Unary(op="-", arg=a):
                return neg(a)
            case Call(fn="where", args=(c, a, b)):
                if isinstance(c, Num):
                    return a if c.value else b
                return where(c, a, b)
        return n

    return transform(node, step)


__all__ = ["ONE", "ZERO", "Name", "add", "div", "is_num", "mul", "neg", "simplify", "sub", "where"]
