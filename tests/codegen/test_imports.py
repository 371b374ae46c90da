"""Who may import whom (ARCHITECTURE.md): one direction, one module per third-party package."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMPILER, FRONTEND = ROOT / "codegen" / "opsmithc", ROOT / "frontend" / "opsmith"
# Each third-party package, and the standard library's subprocess, is imported in one place.
HOME = {
    "yaml": ("reader.py",), "jinja2": ("emit.py",),
    "cffi": ("boundary.py",), "subprocess": ("compile.py",), "mpmath": ("readings/mp.py",),
    "ninja": ("compile.py",), "tqdm": ("compile.py",), "setuptools": (),
    "matplotlib": ("docs/plots.py",),
}  # fmt: skip
ARRAYS = (
    "readings",
    "checks",
    "samples.py",
    "accuracy.py",
    "docs/plots.py",
)  # NumPy: the readings and what draws for them


def imports(path: Path) -> Iterator[tuple[str, int, bool]]:
    """(module, line, is it at the top level?) of every absolute import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = {id(n) for n in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, id(node) in top
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module, node.lineno, id(node) in top


def files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*.py") if "_generated" not in p.parts)


def test_compiler_never_imports_frontend() -> None:
    for path in files(COMPILER):
        for module, line, _ in imports(path):
            assert module.partition(".")[0] != "opsmith", f"{path}:{line} imports {module}"


def test_frontend_imports_compiler_in_ops_only_and_lazily() -> None:
    for path in files(FRONTEND):
        for module, line, top in imports(path):
            if module.partition(".")[0] == "opsmithc":
                assert path == FRONTEND / "ops.py", f"{path}:{line} imports {module}"
                assert not top, f"{path}:{line} imports {module} when it is loaded"


@pytest.mark.parametrize("package", list(HOME))
def test_one_home_per_package(package: str) -> None:
    for path in files(COMPILER):
        name = path.relative_to(COMPILER).as_posix()
        for module, line, _ in imports(path):
            if module.partition(".")[0] == package:
                assert name in HOME[package], (
                    f"{name}:{line} imports {module}; it may be in {HOME[package]}"
                )


def test_numpy_is_for_readings() -> None:
    for path in files(COMPILER):
        name = path.relative_to(COMPILER).as_posix()
        for module, line, _ in imports(path):
            if module.partition(".")[0] == "numpy":
                assert name.startswith(ARRAYS), f"{name}:{line} imports numpy"


def test_no_other_packages() -> None:
    """What is imported is the standard library, ours, or named in HOME."""
    allowed = {*sys.stdlib_module_names, *HOME, "numpy", "opsmithc", "__future__"}
    for path in files(COMPILER):
        for module, line, _ in imports(path):
            assert module.partition(".")[0] in allowed, f"{path}:{line} imports {module}"


def test_nothing_shipped_imports_torch() -> None:
    for folder in (COMPILER, FRONTEND, ROOT / "tests"):
        for path in files(folder):
            for module, line, _ in imports(path):
                assert module.partition(".")[0] != "torch", f"{path}:{line} imports torch"


def test_stages_point_one_way() -> None:
    """opdef, formula and schema know no stage; derive knows no lowering; lowering no emission."""
    below = {
        "formula.py": (), "schema.py": (), "errors.py": (), "opdef.py": (), "dtypes.py": (),
        "ir.py": (),
        "registry.py": (), "semantics.py": (), "reader.py": (),
    }  # fmt: skip
    stages = {
        "derive",
        "lower",
        "backends",
        "emit",
        "centry",
        "pytext",
        "compile",
        "boundary",
        "verify",
        "pipeline",
    }
    for name in below:
        tree = ast.parse((COMPILER / name).read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                first = (node.module or "").partition(".")[0]
                assert first not in stages, f"{name}:{node.lineno} imports {first}"
