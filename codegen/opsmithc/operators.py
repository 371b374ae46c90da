"""What an ``operator:`` of an entry is in Python."""

from __future__ import annotations

# The special method, without underscores, of a symbol between two operands.
DUNDERS = {
    "+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv", "%": "mod", "**": "pow",
    "&": "and", "|": "or", "^": "xor", "<<": "lshift", ">>": "rshift", "==": "eq", "!=": "ne",
    "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "@": "matmul",
}  # fmt: skip
COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})
UNARY = ("neg", "invert", "abs", "pos")  # words, which are the special methods
