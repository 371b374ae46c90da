"""In: a subscript. Out: its coefficients, one for each loop variable, and the rest.

Must not know: programs.
"""

from __future__ import annotations

from ... import formula as fm
from ...formula import Binary, Name, Node, Num
from ..algebra import ONE, ZERO, add, mul


def affine(node: Node, variables: frozenset[str]) -> tuple[dict[str, Node], Node] | None:
    """``({i: sh, p: dh}, -ph)`` for ``i*sh - ph + p*dh``; None where it is not affine."""
    used = set(fm.names(node)) & variables
    if not used:
        return {}, node
    match node:
        case Name(id=v):
            return {v: ONE}, ZERO
        case Binary(op="+" | "-" as op, left=a, right=b):
            left, right = affine(a, variables), affine(b, variables)
            if left is None or right is None:
                return None
            sign: Node = ONE if op == "+" else Num(-1)
            terms = dict(left[0])
            for v, c in right[0].items():
                terms[v] = add(terms.get(v, ZERO), mul(sign, c))
            return terms, add(left[1], mul(sign, right[1]))
        case Binary(op="*", left=a, right=b):
            if set(fm.names(b)) & variables:
                a, b = b, a
            parts = affine(a, variables)
            if parts is None or set(fm.names(b)) & variables:
                return None
            return {v: mul(c, b) for v, c in parts[0].items()}, mul(parts[1], b)
    return None
