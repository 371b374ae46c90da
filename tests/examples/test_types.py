"""Programs type-check: every example under `mypy --strict`, and the names that programs touch."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import opsmith
from opsmith.nn import functional

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(
    not importlib.util.find_spec("mypy"), reason="mypy is not installed"
)


def mypy(folder, *files, cache):
    """Run mypy as a user does, to whom opsmith is an installed package; return what it says."""
    environment = os.environ | {"MYPYPATH": str(ROOT / "frontend"), "PYTHONUNBUFFERED": "1"}
    options = ["--strict", "--follow-imports=silent", "--config-file=", f"--cache-dir={cache}"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *files],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_examples(tmp_path):
    """Every example, and every function in it, says its types, and they fit."""
    pytest.importorskip("matplotlib")
    files = sorted(path.name for path in (ROOT / "examples").glob("*.py"))
    assert len(files) >= 10
    said = mypy(ROOT / "examples", *files, cache=tmp_path)
    errors = [line for line in said.splitlines() if ": error: " in line]
    errors = [line for line in errors if "[import-untyped]" not in line]  # tqdm has no types
    assert not errors, said
    assert "checked 10 source files" in said or "no issues found" in said, said


def test_names(tmp_path):
    """Editors and mypy know what `nn.functional`, `Tensor` and the modules of opsmith have."""
    public = [n for n in dir(functional) if not n.startswith("_") and n not in ("annotations",)]
    program = ["import opsmith", "from opsmith.nn import functional", "x = opsmith.ones(2)"]
    program += [f"functional.{n}" for n in public if callable(getattr(functional, n))]
    program += [f"reveal_type(x.{n})" for n in dir(opsmith.Tensor) if not n.startswith("_")]
    modules = ("autograd.grad", "nn.Linear", "optim.Adam", "linalg.norm", "save", "no_grad()")
    program += [f"reveal_type(opsmith.{n})" for n in modules]
    (tmp_path / "program.py").write_text("\n".join(program) + "\n")
    said = mypy(tmp_path, "program.py", cache=tmp_path)
    assert ": error: " not in said, said
    unknown = [
        program[int(line.split(":")[1]) - 1]
        for line in said.splitlines() if 'Revealed type is "Any"' in line
    ]  # fmt: skip
    untyped = ("grad_fn", "itemsize", "layout", "names", "nbytes", "output_nr")
    assert unknown == [f"reveal_type(x.{n})" for n in untyped]


MISTAKES = """\
import opsmith as torch
from opsmith import nn

x = torch.rand(3)
torch.exp("x")
x.reshape("2")
torch.optim.Adam([x], betas=0.9)
size: str = x.shape[0]
with torch.no_grad():
    y: int = x + 1


@torch.no_grad()
def typed(n: int) -> int:
    return n


typed("n")
"""


def test_mistakes(tmp_path):
    """What is wrong is found: the declarations are more than Any."""
    (tmp_path / "program.py").write_text(MISTAKES)
    said = mypy(tmp_path, "program.py", cache=tmp_path)
    found = {int(line.split(":")[1]) for line in said.splitlines() if ": error: " in line}
    assert found == {5, 6, 7, 8, 10, 18}, said
