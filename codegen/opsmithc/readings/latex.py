"""In: a formula tree. Out: it as LaTeX mathematics.

Must not know: ops. Functions print by their ``latex`` in intrinsics.yaml, others by name.
"""

from __future__ import annotations

import re

from ..formula import (
    Attr,
    Binary,
    Call,
    Compare,
    Fold,
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
)  # fmt: skip
from ..intrinsics import table

_SUM, _PRODUCT, _UNARY, _ATOM = 1, 2, 3, 9
_SYMBOLS = {
    "==": "=", "!=": r"\ne", "<": "<", "<=": r"\le", ">": ">", ">=": r"\ge", "is": "=",
    "is not": r"\ne", "in": r"\in", "not in": r"\notin",
}  # fmt: skip
_NAMES = {"inf": r"\infty", "pi": r"\pi", "alpha": r"\alpha", "beta": r"\beta", "lambd": r"\lambda"}
_BINARY = {
    "+": (_SUM, "+"), "-": (_SUM, "-"), "*": (_PRODUCT, r"\,"), "@": (_PRODUCT, r"\,"),
    "%": (_PRODUCT, r" \bmod "), "&": (_SUM, r"\wedge"), "|": (_SUM, r"\vee"),
    "^": (_SUM, r"\oplus"),
    "<<": (_SUM, r"\ll"), ">>": (_SUM, r"\gg"),
}  # fmt: skip


def latex(node: Node) -> str:
    """The formula in LaTeX, without delimiters."""
    return _text(node)[0]


def _inside(node: Node, least: int) -> str:
    text, level = _text(node)
    return text if level >= least else rf"\left({text}\right)"


def _text(node: Node) -> tuple[str, int]:
    """Text and how tightly it binds."""
    match node:
        case Num(value=bool() as v):
            return rf"\mathrm{{{str(v).lower()}}}", _ATOM
        case Num(value=v):
            return _number(v)
        case Str(value=v):
            return rf"\text{{{_word(v)}}}", _ATOM
        case Nil():
            return r"\varnothing", _ATOM
        case Name(id=name):
            return _name(name), _ATOM
        case Unary(op="not", arg=a):
            return rf"\neg {_inside(a, _UNARY)}", _UNARY
        case Unary(op=op, arg=a):
            sign = "-" if op == "-" else r"\sim "  # in braces: after another sign, this is no minus
            return f"{{{sign}{_inside(a, _PRODUCT)}}}", _SUM
        case Binary(op="/", left=a, right=b):
            return rf"\frac{{{latex(a)}}}{{{latex(b)}}}", _PRODUCT
        case Binary(op="//", left=a, right=b):
            return rf"\left\lfloor\frac{{{latex(a)}}}{{{latex(b)}}}\right\rfloor", _ATOM
        case Binary(op="**", left=a, right=b):
            return f"{_inside(a, _ATOM)}^{{{latex(b)}}}", _UNARY
        case Binary(op="*", left=a, right=b) if a == b:
            return f"{_inside(a, _ATOM)}^{{2}}", _UNARY
        case Binary(op=op, left=a, right=b):
            level, sign = _BINARY[op]
            if op == "*" and isinstance(b, Num):
                sign = r"\cdot "
            return f"{_inside(a, level)} {sign} {_inside(b, level + (op != '+'))}", level
        case Compare(op=op, left=a, right=b):
            return f"{_inside(a, _SUM)} {_SYMBOLS[op]} {_inside(b, _SUM)}", 0
        case Logic(op=op, args=args):
            sign = r" \wedge " if op == "and" else r" \vee "
            return sign.join(rf"\left({latex(a)}\right)" for a in args), 0
        case Call(fn="where", args=(test, a, b)) | IfExp(test=test, then=a, other=b):
            return _cases(test, a, b), _ATOM
        case Call():
            return _call(node)
        case Item(base=base, index=index):
            return f"{_inside(base, _ATOM)}_{{{', '.join(latex(i) for i in index)}}}", _ATOM
        case Attr(base=base, name="mT" | "T" | "mH" | "H"):
            return rf"{_inside(base, _ATOM)}^{{\top}}", _ATOM
        case Attr(base=base, name=name):
            return rf"{_inside(base, _ATOM)}\mathrm{{.{_word(name)}}}", _ATOM
        case Fold(kind=kind, body=body, loops=loops):
            return _fold(kind, body, loops), _PRODUCT
        case Seq(items=items):
            return rf"\left[{', '.join(latex(i) for i in items)}\right]", _ATOM
    raise AssertionError(node)


def _cases(test: Node, a: Node, b: Node) -> str:
    """Nested selections in their last branch are further lines of the same brace."""
    lines = [rf"{latex(a)} & {latex(test)}"]
    while isinstance(b, Call) and b.fn == "where" and len(b.args) == 3:
        test, a, b = b.args
        lines.append(rf"{latex(a)} & {latex(test)}")
    lines.append(rf"{latex(b)} & \text{{else}}")
    inner = r" \\ ".join(lines)
    return rf"\begin{{cases}} {inner} \end{{cases}}"


def _call(node: Call) -> tuple[str, int]:
    row = table().get(node.fn)
    if row is None or node.kwargs or len(row.args) != len(node.args) or row.latex == node.fn:
        parts = [latex(a) for a in node.args] + [
            rf"\mathrm{{{_word(k)}}}={latex(v)}" for k, v in node.kwargs
        ]
        return rf"\operatorname{{{_word(node.fn)}}}\left({', '.join(parts)}\right)", _ATOM
    values = dict(zip(row.args, node.args, strict=True))

    def put(m: re.Match[str]) -> str:
        before, after = row.latex[: m.start()], row.latex[m.end() :]
        enclosed = before.endswith(("{", "(", "|", ", ")) and after.startswith(("}", ")", "|", ","))
        return latex(values[m[0]]) if enclosed else _inside(values[m[0]], _ATOM)

    names = "|".join(map(re.escape, row.args))
    text = re.sub(rf"(?<![A-Za-z\\])({names})(?![A-Za-z])", put, row.latex) if names else row.latex
    outside = re.sub(r"\{[^{}]*\}|\([^()]*\)", "", row.latex)
    level = _SUM if "-" in outside or "+" in outside else _PRODUCT if "/" in outside else _UNARY
    return text, level


def _fold(kind: str, body: Node, loops: tuple[tuple[str, Node], ...]) -> str:
    sign = {"sum": r"\sum", "prod": r"\prod"}.get(kind, rf"\operatorname*{{{_word(kind)}}}")
    below = ", ".join(f"{_name(v)} < {latex(n)}" for v, n in loops)
    return rf"{sign}_{{{below}}} {_inside(body, _PRODUCT)}"


def _number(v: int | float | complex) -> tuple[str, int]:
    if v != v:
        return r"\mathrm{nan}", _ATOM
    if isinstance(v, float) and v in (float("inf"), float("-inf")):
        return (r"\infty", _ATOM) if v > 0 else (r"{-\infty}", _SUM)
    text = f"{v:.6g}" if isinstance(v, float) else str(v)
    mantissa, e, exponent = text.partition("e")
    text = rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if e else text
    return text, _ATOM if not text.startswith("-") and not e else _SUM


def _name(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    m = re.fullmatch(r"([A-Za-z])_?(\d*)", name)
    if m:
        return m[1] if not m[2] else f"{m[1]}_{{{m[2]}}}"
    return rf"\mathrm{{{_word(name)}}}"


def _word(text: str) -> str:
    return text.replace("_", r"\_")
