"""In: an op whose meaning is written by hand. Out: the mistake, where there is no such function.

Must not know: what the functions compute. Their texts are read, nothing is imported.
"""

from __future__ import annotations

import ast
import re
from functools import cache

from .. import paths
from ..errors import Place, RegistryError, did_you_mean
from ..opdef import VIEW_ADJOINT, Compose, OpDef, Reference


def missing(op: OpDef) -> RegistryError | None:
    """What the entry calls and nobody wrote."""
    match op.meaning:
        case Compose(function=name, place=place):
            return _composition(name, place)
        case Reference(function=name, place=place):
            if name == VIEW_ADJOINT or (op.fast is not None and op.fast.kind == "library"):
                return None
            if f"opsk_{op.name}" not in _sources():
                return RegistryError(
                    place, f"reference: found no C function 'opsk_{op.name}' for '{name}'; "
                    "expected one in runtime/cpu/source, or 'fast: {library: package.function}'",
                )  # fmt: skip
    return None


def _composition(name: str, place: Place) -> RegistryError | None:
    module, _, function = name.rpartition(".")
    known = _compositions()
    if module not in known:
        return RegistryError(
            place, f"compose: found no module '{module}' for '{name}'; expected 'module.function' "
            f"of opsmith/compose{did_you_mean(module, known)}",
        )  # fmt: skip
    if function not in known[module]:
        return RegistryError(
            place, f"compose: found no function '{function}' in opsmith/compose/{module}.py; "
            f"expected one that is defined there{did_you_mean(function, known[module])}",
        )  # fmt: skip
    return None


@cache
def _compositions() -> dict[str, list[str]]:
    """Functions by module, those that a module hands on included."""
    folder = paths.FRONTEND / "opsmith" / "compose"
    found = {}
    for path in sorted(folder.glob("[!_]*.py")):
        names: dict[str, None] = {}
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            match node:
                case ast.FunctionDef(name=name):
                    names[name] = None
                case ast.ImportFrom(names=handed):
                    names |= dict.fromkeys(a.asname or a.name for a in handed)
                case ast.Assign(targets=[ast.Name(id=name)]):
                    names[name] = None
        found[path.stem] = list(names)
    return found


@cache
def _sources() -> frozenset[str]:
    """The functions of ops in hand-written C."""
    texts = (path.read_text(encoding="utf-8") for path in (paths.RUNTIME / "cpu").rglob("*.c"))
    return frozenset(name for text in texts for name in re.findall(r"\b(opsk_\w+)\(", text))
