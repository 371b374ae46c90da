"""In: an integer formula of a loop program. Out: its C text.

Must not know: loops or element types; sizes, subscripts and conditions are all it prints.
"""

from __future__ import annotations

from collections.abc import Sequence

from ... import formula as fm
from ...derive.algebra import add, mul
from ...derive.index import Axis, Program
from ...errors import FormulaError
from ...formula import (
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
    Unary,
)  # fmt: skip


class Ints:
    """Prints integer formulas: sizes, subscripts, conditions."""

    def __init__(self, program: Program, in_kernel: bool) -> None:
        self.program, self.in_kernel = program, in_kernel
        self.params = {p.name: p for p in program.op.schema.params}

    def text(self, node: Node, outer: int = 0) -> str:
        """C text of ``node``, parenthesised for an operator of precedence ``outer``."""
        text, prec = self._text(node)
        return f"({text})" if prec < outer else text

    def _text(self, node: Node) -> tuple[str, int]:
        match node:
            case Num(value=bool() as v):
                return str(int(v)), 20
            case Num(value=int() as v):
                return str(v), 20 if v >= 0 else 9
            case Name(id=name):
                return name, 20
            case Item(base=Name(id=t), index=index) if t in self.program.dims:
                return f"{t}[{self.offset(t, index)}]", 20
            case Item(base=Attr(base=Name(id=t), name="shape"), index=(Num(value=int() as k),)):
                return f"{t}->shape[{k if k >= 0 else f'{t}->ndim - {-k}'}]", 20
            case Item(base=Name(id=t), index=(i,)):
                return f"{t}[{self.text(i)}]", 20
            case Attr(base=Name(id=t), name="ndim" | "dtype" | "numel" as a):
                return f"{t}->{a}", 20
            case Call(fn="numel", args=(Name(id=t),)):
                return f"{t}->numel", 20
            case Call(fn="min" | "max" | "minimum" | "maximum" as fn, args=(a, b)):
                which = "smaller" if fn.startswith("min") else "larger"
                return f"ops_{which}({self.text(a)}, {self.text(b)})", 20
            case Binary(op="//", left=a, right=b):
                return f"ops_floor_div({self.text(a)}, {self.text(b)})", 20
            case Binary(op="%", left=a, right=b):
                return f"ops_floor_mod({self.text(a)}, {self.text(b)})", 20
            case Binary(op="+" | "-" | "*" as op, left=a, right=b):
                p = 10 if op == "*" else 9
                return f"{self.text(a, p)} {op} {self.text(b, p + 1)}", p
            case Unary(op="-", arg=a):
                return f"-{self.text(a, 11)}", 9
            case Unary(op="not", arg=a):
                return f"!{self.text(a, 20)}", 15
            case Compare(op="is" | "is not" as op, left=Name(id=t), right=Nil()):
                return self.absent(t, op == "is"), 15
            case Compare(op=op, left=a, right=b):
                return f"{self.text(a, 8)} {op} {self.text(b, 8)}", 7
            case Logic(op=op, args=args):
                symbol, p = (" && ", 5) if op == "and" else (" || ", 4)
                return symbol.join(self.text(a, 6) for a in args), p
            case IfExp(test=c, then=a, other=b) | Call(fn="where", args=(c, a, b)):
                return f"({self.text(c, 6)} ? {self.text(a)} : {self.text(b)})", 20
        raise FormulaError(f"'{fm.unparse(node)}' is no integer formula", node.col)

    def absent(self, name: str, wanted: bool) -> str:
        """C condition: the parameter is None (or is not)."""
        param = self.params[name]
        if param.type.base == "Tensor":
            if self.in_kernel:
                return f"{name} {'==' if wanted else '!='} NULL"
            return f"{'' if wanted else '!'}({name}->flags & OPS_NONE)"
        if param.type.is_list:
            return f"n_{name} {'<' if wanted else '>='} 0"
        return f"{name} {'==' if wanted else '!='} OPS_NO_INT"

    def offset(self, tensor: str, index: Sequence[Node]) -> str:
        """Position of an element of a contiguous tensor."""
        return self.text(position(self.program.dims[tensor], index))


def position(axes: Sequence[Axis], index: Sequence[Node]) -> Node:
    """The row-major position, as a formula."""
    total: Node = Num(0)
    for size, i in joined(axes, index):
        total = add(mul(total, size), i)
    return total


def joined(axes: Sequence[Axis], index: Sequence[Node]) -> list[tuple[Node, Node]]:
    """Sizes and subscripts; neighbours that take one position apart, ``a // N, a % N``, are one."""
    found: list[tuple[Node, Node]] = []
    for axis, i in zip(axes, index, strict=True):
        if found and isinstance(i, Binary) and i.op == "%" and i.right == axis.size:
            size, before = found[-1]
            if before == _quotient(i.left, axis.size):
                found[-1] = mul(size, axis.size), i.left
                continue
        found.append((axis.size, i))
    return found


def _quotient(a: Node, n: Node) -> Node:
    """``a // n``, as ``x // m // n`` is written."""
    if isinstance(a, Binary) and a.op == "//":
        return Binary("//", a.left, mul(n, a.right))
    return Binary("//", a, n)
