"""No op is treated by its name outside ops.yaml: no comparison, case or table keyed by one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from opsmithc import paths, pipeline
from opsmithc.intrinsics import table
from opsmithc.registry import KEYS

ROOT = Path(__file__).resolve().parents[2]
COMPILER = ROOT / "codegen" / "opsmithc"
# Words of the formula language: the compiler may know these, they are no ops there.
LANGUAGE = {
    "where", "sum", "mean", "prod", "amax", "amin", "any", "all", "max", "min", "argmax", "argmin",
    "size", "numel", "count", "len", "abs", "floor", "ceil", "slice", "select", "squeeze",
    "reshape", "permute", "narrow", "diagonal", "unfold", "split", "broadcast", "dense", "view",
    "round", "neg", "along", "positions",
    "T", "H", "mT", "mH", "div", *KEYS,
}  # fmt: skip


@cache
def op_names() -> frozenset[str]:
    ops = pipeline.parse([paths.OPS_YAML])
    names = {n for op in ops for n in (op.name, *op.alias)}
    return frozenset(names - LANGUAGE - set(table()))


def compared(path: Path) -> Iterator[tuple[int, str]]:
    """(line, string) of every string that code compares with, matches or keys a table by."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                items = side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side]
                yield from ((node.lineno, i.value) for i in items if _text(i))
        elif isinstance(node, ast.MatchValue) and _text(node.value):
            yield node.value.lineno, node.value.value  # type: ignore[attr-defined]
        elif isinstance(node, ast.Dict):
            yield from ((k.lineno, k.value) for k in node.keys if k is not None and _text(k))


def _text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


@pytest.mark.parametrize(
    "path", sorted(COMPILER.rglob("*.py")), ids=lambda p: p.relative_to(COMPILER).as_posix()
)
def test_compiler(path: Path) -> None:
    for line, word in compared(path):
        assert word not in op_names(), f"{path}:{line} decides by the op '{word}'"


def test_templates() -> None:
    for path in sorted(paths.TEMPLATES.rglob("*.j2")):
        for word in re.findall(r"""[=!]=\s*["'](\w+)["']""", path.read_text(encoding="utf-8")):
            assert word not in op_names(), f"{path} decides by the op '{word}'"


def test_runtime() -> None:
    """C does not compare names; where it prints one, it comes from a descriptor."""
    for path in sorted((ROOT / "runtime").rglob("*.[ch]")):
        for word in re.findall(r'strcmp\([^()]*,\s*"(\w+)"\)', path.read_text(encoding="utf-8")):
            assert word not in op_names(), f"{path} decides by the op '{word}'"
