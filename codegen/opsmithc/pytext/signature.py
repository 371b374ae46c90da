"""In: an op. Out: how its Python functions are called and what they say of themselves.

Must not know: kernels, gradients or nodes; the stubs ask here too.
"""

from __future__ import annotations

from ..opdef import OpDef, Out
from ..schema import Param


def signature(op: OpDef, method: bool = False) -> str:
    """Python parameters of the op, as PyTorch writes them."""
    parts: list[str] = []
    for i, p in enumerate(op.schema.params):
        if p.kwonly and (i == 0 or not op.schema.params[i - 1].kwonly) and not _has_rest(parts):
            parts.append("*")
        parts.append(parameter(op, p))
    if "out" in op.variants:
        if not _has_rest(parts):
            parts.append("*")
        parts.append("out=None")
    return ", ".join(parts)


def _has_rest(parts: list[str]) -> bool:
    """Is there a ``*`` or ``*tensors`` already?"""
    return any(part.startswith("*") for part in parts)


def parameter(op: OpDef, p: Param) -> str:
    """One parameter as it stands in a ``def``."""
    name = safe(p.name)
    if "varargs" in op.variants and p.type.base == "Tensor" and p.type.is_list:
        return f"*{name}"
    if p.default is None:
        return name
    if p.default in {q.name for q in op.schema.params}:
        return f"{name}=None"
    default = {"true": "True", "false": "False"}.get(p.default, p.default)
    return f"{name}={default}"


def safe(name: str) -> str:
    """A Python identifier for a schema name (``self``/keywords are renamed)."""
    return name + "_" if name in ("lambda", "from", "global", "in", "is", "not", "pass") else name


def arguments(op: OpDef) -> str:
    """The call's own arguments, for error messages and retries."""
    return ", ".join(
        f"{safe(p.name)}={safe(p.name)}" if p.kwonly else safe(p.name) for p in op.schema.params
    )


def default(op: OpDef, name: str) -> str:
    """The default of a number parameter as Python; 0 where it has none."""
    text = op.schema.param(name).default
    return {"true": "True", "false": "False", None: "0"}.get(text, str(text))


def literal(p: Param) -> str:
    """The default as Python."""
    return {"false": "False", "true": "True"}.get(str(p.default), str(p.default))


def tuple_name(op: OpDef) -> str:
    """The named tuple class of an op with several outputs."""
    return f"T_{op.name}"


def doc(op: OpDef) -> list[str]:
    """The docstring's lines."""
    short = op.doc.get("short", f"{op.name}.")
    lines = [f'    """{short}']
    if op.doc.get("long"):
        lines += ["", *("    " + line for line in op.doc["long"].strip().splitlines())]
    lines += ["", f"    Schema: ``{op.schema}``"]
    if isinstance(op.meaning, Out):
        for o, by_class in op.meaning.outputs.items():
            for kind, f in by_class.items():
                lines.append(f"    Formula: ``{o} = {f.text}``" + (f" for {kind}" if kind else ""))
    if op.doc.get("source"):
        lines += [f"    Source: {op.doc['source']}"]
    if op.doc.get("example"):
        lines += ["", f"    Example: ``{op.doc['example']}``"]
    escaped = [line.replace("\\", "\\\\") for line in lines]
    return [*escaped, '    """']


DUNDERS = {
    "+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv", "%": "mod", "**": "pow",
    "&": "and", "|": "or", "^": "xor", "<<": "lshift", ">>": "rshift", "==": "eq", "!=": "ne",
    "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "@": "matmul",
}  # fmt: skip


COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})


UNARY_DUNDERS = {"-": "neg", "~": "invert", "abs": "abs"}
