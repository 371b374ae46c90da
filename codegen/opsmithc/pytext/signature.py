"""In: an op. Out: how its Python functions are called and what they say of themselves.

Must not know: kernels, gradients or nodes; the stubs ask here too.
"""

from __future__ import annotations

from ..opdef import OpDef, Out
from ..schema import Param

# What NumPy calls a parameter, which PyTorch accepts everywhere. It also takes x, a, x1 and x2 for
# `input` and `other`, which no program was seen to use: signatures stay readable without.
OTHER_NAMES = {"dim": ("axis",), "keepdim": ("keepdims",)}


def signature(op: OpDef, out: bool = True) -> str:
    """Python parameters of the op as its function is defined.

    A public function takes other names too (``other_names``), so that none of its parameters is
    required by Python itself. The other names stand between the positional parameters and those
    that PyTorch takes by keyword only: an argument too many lands on one of them and is refused,
    and the interpreter fills defaults of positional parameters much faster than of others.
    """
    others = other_names(op)
    if not others:
        return plain_signature(op, out)
    parts = [_free(op, p) for p in op.schema.params if not p.kwonly]
    guarded = any(p.name in others for p in op.schema.params if not p.kwonly)
    parts += [] if guarded else ["*"]
    parts += [f"{name}=None" for names in others.values() for name in names]
    parts += [_free(op, p) for p in op.schema.params if p.kwonly]
    return ", ".join([*parts, "out=None"] if out and "out" in op.variants else parts)


def _free(op: OpDef, p: Param) -> str:
    """A parameter that Python does not ask for."""
    return parameter(op, p) if p.default is not None else f"{safe(p.name)}=MISSING"


def other_names(op: OpDef) -> dict[str, tuple[str, ...]]:
    """Of a public op's parameters those that have other names."""
    rest = any(p.type.base == "Tensor" and p.type.is_list for p in op.schema.params)
    if op.hidden or "property" in op.variants or (rest and "varargs" in op.variants):
        return {}
    params = {p.name: p for p in op.schema.params}
    found = [name for name in OTHER_NAMES if name in params]
    if any(other in params for name in found for other in OTHER_NAMES[name]):
        return {}
    # Those that are asked for come first, but for one on which no positional argument may land.
    found.sort(key=lambda name: (params[name].kwonly, params[name].default is None))
    return {name: OTHER_NAMES[name] for name in found}


def plain_signature(op: OpDef, out: bool) -> str:
    """Python parameters of the op, as PyTorch writes them."""
    parts: list[str] = []
    for i, p in enumerate(op.schema.params):
        if p.kwonly and (i == 0 or not op.schema.params[i - 1].kwonly) and not _has_rest(parts):
            parts.append("*")
        parts.append(parameter(op, p))
    if out and "out" in op.variants:
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


def itself(op: OpDef) -> str:
    """The op's function, seen from inside: a parameter may have its name."""
    return f"_f.{op.name}" if op.name in {p.name for p in op.schema.params} else op.name


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
