"""Every recipe of CONTRIBUTING.md, word for word, applied to a copy of the tree that is then built.

A fence that names a file is text for it: a new file, or more of one that is there. The registry is
cut down to what the recipes' own code calls, and compiled without optimisation, so that this takes
seconds; everything else is the tree as it is.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
RECIPES = {
    heading: text
    for heading, text in re.findall(r"(?ms)^## (An? [^\n]*)\n(.*?)(?=^## )", TEXT)
}  # fmt: skip
KEPT = (
    "add sub mul pow true_divide neg eq ne lt gt abs where sum exp tanh reshape sqrt expand sum_to "
    "select slice as_strided nonzero_rows nonzero unbind argsort sort along_back all any"
).split()


def fences(text, named=True):
    """(language, file, body) of the blocks that name a file, or of those that do not."""
    found = re.findall(r"(?ms)^```(\w+)(?: (\S+))?\n(.*?)^```$", text)
    return [f for f in found if bool(f[1]) is named]


def small_registry(text):
    """The entries of KEPT."""
    head, *entries = re.split(r"(?m)^(?=- op: )", text)
    return head + "".join(e for e in entries if re.match(r"- op: (\w+)", e)[1] in KEPT)


def apply(tree, file, body):
    """What a fence says, done to the tree."""
    path = tree / file
    if path.suffix == ".yaml":
        path.write_text(path.read_text() + "\n" + body)
    elif path.exists():  # a row of a table
        head, rows, tail = re.split(r"(?ms)^(ROWS = \(\n.*?)^(?=\))", path.read_text())
        path.write_text(head + rows + body + tail)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the tree with all recipes applied, built."""
    tree = tmp_path_factory.mktemp("recipes") / "tree"
    skip = shutil.ignore_patterns("__pycache__", "_generated")
    for name in ("codegen", "frontend", "runtime"):
        shutil.copytree(ROOT / name, tree / name, ignore=skip)
    for name in ("build.py", "pyproject.toml"):
        shutil.copy2(ROOT / name, tree / name)
    (tree / "ops.yaml").write_text(small_registry((ROOT / "ops.yaml").read_text()))
    for text in RECIPES.values():
        for _, file, body in fences(text):
            apply(tree, file, body)
    cc = tree / "cc"
    cc.write_text('#!/bin/sh\nexec gcc $(echo " $* " | sed "s/ -O[23] / -O0 /g")\n')
    cc.chmod(0o755)
    run(tree, "-m", "opsmithc", "build", "--quiet", CC=str(cc))
    return tree


def run(tree, *command, **more):
    """Run Python on `command` in the tree; return what it prints, or fail with all of it."""
    path = os.pathsep.join([str(tree / "frontend"), str(tree / "codegen")])
    done = subprocess.run(
        [sys.executable, *command], cwd=tree, env=os.environ | {"PYTHONPATH": path} | more,
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_there_is_a_recipe_for_every_kind():
    assert list(RECIPES) == [
        "An op", "A math function", "A dtype", "A family of kernels", "A backend",
    ]  # fmt: skip


@pytest.mark.parametrize("heading", RECIPES)
def test_recipe(heading, tree, tmp_path):
    """The code of the recipe runs, and prints what the comments beside `print` say."""
    blocks = [body for language, _, body in fences(RECIPES[heading], named=False)
              if language == "python"]  # fmt: skip
    assert blocks
    for block in blocks:
        script = tmp_path / "block.py"
        script.write_text(block)
        printed = run(tree, str(script)).splitlines()
        expected = re.findall(r"^print\(.*# -> (.*)$", block, re.M)
        assert expected and printed == expected


@pytest.mark.parametrize("heading", RECIPES)
def test_commands(heading, tree):
    """Commands of the compiler succeed."""
    for language, _, body in fences(RECIPES[heading], named=False):
        for line in body.splitlines() if language == "sh" else ():
            command = line.partition("#")[0].split()
            if command[:3] == ["python", "-m", "opsmithc"]:
                assert run(tree, *command[1:])


def test_the_family_compiles_for_cuda(tree, tmp_path):
    """By a C++ compiler, with the stand-ins that run CUDA on the host."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++")
    text = run(tree, "-m", "opsmithc", "show", "smoothstep", "--stage", "cuda")
    source = tmp_path / "smoothstep.cu"
    source.write_text('#include "math.cuh"\n#include "pointwise.cuh"\n' + text)
    folders = (ROOT / "tests/runtime/cuda_on_host", tree / "runtime/include", tree / "build/c",
               tree / "runtime/cuda")  # fmt: skip
    command = [compiler, "-std=c++20", "-fsyntax-only", "-w", "-x", "c++", str(source)]
    done = subprocess.run(
        [*command, *(f"-I{f}" for f in folders)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:4000]
    assert "y = y * x + (double)3.0;" in text


DTYPES = """
import io, pickle
import numpy as np
import opsmith as o
from opsmith import safetensors

x = o.tensor([0, 1, 3, 200, 60000], dtype=o.uint16)
a = x.numpy()
assert a.dtype == np.uint16 and a.tolist() == [0, 1, 3, 200, 60000]
a[0] = 7
assert x.tolist() == [7, 1, 3, 200, 60000] and o.from_numpy(a).dtype is o.uint16
assert (x * x).tolist() == [(v * v) % 65536 for v in x.tolist()]
assert (x < o.tensor(50000, dtype=o.int64)).tolist() == [True, True, True, True, False]
assert o.true_divide(x, 2).dtype is o.float32 and x.to(o.int8).tolist() == [7, 1, 3, -56, 96]
assert x.type() == "torch.UInt16Tensor" and not hasattr(x, "uint16")
assert (o.iinfo(o.uint16).min, o.iinfo(o.uint16).max) == (0, 65535)

assert o.nonzero(x - 7).tolist() == [[1], [2], [3], [4]]
assert o.argsort(x).tolist() == [1, 2, 0, 3, 4]

y = o.tensor([0.0, 0.001, 1.06, 448.0, 464.0, 465.0, -1e9, float("nan")], dtype=o.float8_e4m3fn)
inf, nan = float("inf"), float("nan")
assert str(y.float().tolist()) == "[0.0, 0.001953125, 1.0, 448.0, 448.0, nan, nan, nan]"
assert y.to(o.int64).tolist()[:5] == [0, 0, 1, 448, 448]
assert (o.exp(y[:3]).dtype, o.sum(y[:4]).item()) == (o.float8_e4m3fn, 448.0)
assert o.argsort(y[:5], descending=True).tolist() == [3, 4, 2, 1, 0]
assert o.nonzero(y).numel() == 7
assert o.finfo(y.dtype).eps == 0.125 and o.finfo(y.dtype).tiny == 2.0**-6
z = y[:3].detach().requires_grad_(True)
(z * z).sum().backward()
assert z.grad.dtype is o.float8_e4m3fn and z.grad.float().tolist() == [0.0, 0.00390625, 2.0]
pairs = {(o.uint16, o.uint8): o.uint16, (o.uint16, o.int16): o.int32,
         (o.uint16, o.float16): o.float16, (o.float8_e4m3fn, o.bfloat16): o.bfloat16,
         (o.float8_e4m3fn, o.int64): o.float8_e4m3fn}
for (p, q), both in pairs.items():
    assert (o.ones(2, dtype=p) + o.ones(2, dtype=q)).dtype is both

for t in (x, y[:5]):
    for back in (pickle.loads(pickle.dumps(t)), safetensors.load(safetensors.save({"t": t}))["t"]):
        assert back.dtype is t.dtype and back.double().tolist() == t.double().tolist()
    file = io.BytesIO()
    o.save({"t": t}, file)
    file.seek(0)
    back = o.load(file)["t"]
    assert back.dtype is t.dtype and back.double().tolist() == t.double().tolist()
print("well")
"""


def test_dtypes_everywhere(tree, tmp_path):
    """Memory shared with NumPy, arithmetic, promotion, gradients, limits, files."""
    script = tmp_path / "dtypes.py"
    script.write_text(DTYPES)
    assert run(tree, str(script)) == "well\n"
