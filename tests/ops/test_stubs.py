"""The generated stub: every op is in it as the schema says; mypy accepts programs that use it."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from opsmithc import emit, paths, stubs
from opsmithc.derive.op import Derived
from opsmithc.opdef import OpDef
from opsmithc.pytext.signature import other_names

from . import harness as h
from .conftest import registry


def ops() -> list[OpDef]:
    return [d.op for d in registry()]


@cache
def declarations() -> tuple[dict[str, str], dict[str, str]]:
    """Functions and members of Tensor by name."""
    file = stubs.stub_file(map(stubs.stub_of, ops()), paths.FRONTEND / "opsmith")
    name = re.compile(r"(?:@property\s+)?def (\w+)|(\w+):")

    def by_name(texts: tuple[str, ...]) -> dict[str, str]:
        return {(m[1] or m[2]): t for t in texts if (m := name.match(t))}

    return by_name(file.functions), by_name(file.members)


@pytest.mark.trial("stub")
def test_every_op(derived: Derived) -> None:
    """Each name, with the parameters that the function has."""
    op = derived.op
    functions, members = declarations()
    if "property" in op.variants:
        assert op.name in members
        return
    for name in (op.name, *op.alias):
        if name in functions:  # creation functions are re-exported from where they are written
            stated = re.match(r"def \w+\((.*?)\) ->", functions[name])
            assert stated
            names = re.findall(r"(\w+):", re.sub(r"\[[^\]]*\]", "", stated[1]))
            taken = list(inspect.signature(h.function(op)).parameters)
            others = {other for names in other_names(op).values() for other in names}
            assert names == [n for n in taken if n not in others]
        if "method" in op.variants:
            assert name in members
            if "inplace" in op.variants:
                assert f"{name}_" in members


PROGRAM = """
import opsmith as torch
from opsmith import Tensor

x = torch.tensor([1.0, 2.0], requires_grad=True)
y: Tensor = torch.sigmoid(x) * 2 + x.sum()
y = (1 - y).reshape(2, 1).sigmoid_()
y += 1
same: bool = x is y
n: int = x.dim()
d: torch.dtype = torch.float32
found: Tensor = x == y
torch.zeros(2, 3).to(torch.int64)
reveal_type(torch.exp(x))
q: Tensor = torch.linalg.qr(torch.ones(2, 2)).Q
torch.exp("x")  # wrong
torch.exp(x, y)  # wrong
torch.linalg.qr(x, modus="r")  # wrong
"""


@pytest.mark.skipif(not importlib.util.find_spec("mypy"), reason="mypy is not installed")
def test_mypy(tmp_path: Path) -> None:
    """A program passes, its two mistakes are found, and the stub itself is sound."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    stub = tmp_path / "opsmith" / "_generated" / "stubs.pyi"
    frontend = paths.FRONTEND / "opsmith"
    file = stubs.stub_file(map(stubs.stub_of, ops()), frontend)
    emit.write(stub, emit.render("python/stubs.pyi.j2", file))
    linalg = stubs.linalg_stub_file(map(stubs.stub_of, ops()))
    text = emit.render("python/linalg_stubs.pyi.j2", linalg)
    emit.write(stub.with_name("linalg_stubs.pyi"), text)
    for path in (*frontend.glob("*.py"), *frontend.glob("*.pyi")):
        (stub.parent.parent / path.name).write_text(path.read_text())
    (stub.parent / "__init__.py").write_text("")
    got = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", "--follow-imports=silent",
         f"--cache-dir={tmp_path / 'cache'}", str(program), str(stub)],
        capture_output=True, text=True, env={**os.environ, "MYPYPATH": str(tmp_path)}, cwd=tmp_path,
    )  # fmt: skip
    wrong = [k for k, line in enumerate(PROGRAM.splitlines(), 1) if line.endswith("# wrong")]
    errors = [line for line in got.stdout.splitlines() if ": error:" in line]
    assert len(errors) == len(wrong), got.stdout + got.stderr
    assert all(f"program.py:{k}:" in e for k, e in zip(wrong, errors, strict=True)), got.stdout
    assert "stubs.Tensor" in got.stdout
