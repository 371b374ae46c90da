"""The wheel: what it holds, how it is named, and that it works where it is unpacked, from anywhere.

The fast tests pack the libraries that are built already; the slow one goes the whole way, from a
source archive through pip to an installation.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from opsmithc import __version__, paths

PACK = """
import sys
import opsmith_build_backend as backend
backend.compile_library = lambda settings: None
print(backend.build_wheel(sys.argv[1]))
"""
TRAIN = """
import opsmith as torch
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
sgd = torch.optim.SGD(net.parameters(), lr=0.05)
x = torch.randn(64, 4)
y = (x.sum(1, keepdim=True) > 0).float()
losses = []
for _ in range(100):
    sgd.zero_grad()
    loss = ((net(x) - y) ** 2).mean()
    loss.backward()
    sgd.step()
    losses.append(loss.item())
assert losses[-1] < losses[0] / 2, losses
print(torch.__file__)
"""
DEFINE = """
import opsmith
my = opsmith.ops.define('''
- op: swoosh(Tensor input, *, float beta=1.0) -> Tensor
  out: input * sigmoid(beta * input)
''')
x = opsmith.ones(3, requires_grad=True)
my.swoosh(x).sum().backward()
print(x.grad)
"""
ADDED = """
- op: thrice(Tensor input) -> Tensor
  out: 3 * input
  dtype: same
  variants: [method]
  doc: {short: Three times., example: "thrice(tensor(1.))  # 3."}
  samples: [{input: [3]}]
"""


def copy_tree(folder: Path, *more: str) -> Path:
    """The checkout without what is generated, but with the libraries: packing litters."""
    for name in ("codegen", "frontend", "runtime", *more):
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(paths.ROOT / name, folder / name, ignore=ignore)
    for file in paths.ROOT.glob("[!.]*.*"):
        if file.is_file():
            shutil.copy2(file, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the libraries that stand in the tree."""
    tree, out = copy_tree(tmp_path_factory.mktemp("tree")), tmp_path_factory.mktemp("dist")
    stale = tree / "build" / f"lib.{sysconfig.get_platform()}-{sys.implementation.cache_tag}"
    (stale / "opsmith").mkdir(parents=True)
    (stale / "opsmith" / "left_over.py").write_text("")
    one_of_many = tree / "frontend" / "opsmith" / "_generated" / "x86_64_v0" / "_s0.so"
    one_of_many.parent.mkdir()  # as `build.py --isa portable` makes them
    one_of_many.write_text("")
    env = {**os.environ, "PYTHONPATH": str(tree / "codegen")}
    done = subprocess.run(
        [sys.executable, "-c", PACK, str(out)], cwd=tree, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return out / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel's files lie."""
    folder = tmp_path_factory.mktemp("site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(script: str, packages: Path, cache: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script from / against the unpacked wheel alone."""
    return subprocess.run(
        [sys.executable, "-c", script], cwd="/", capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(packages), "OPSMITH_CACHE": str(cache), **env},
    )  # fmt: skip


def test_name_says_platform_and_python(wheel: Path) -> None:
    python = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    assert wheel.name == f"opsmith-{__version__}-{python}-{python}-{platform}.whl"


def test_files(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {f.filename: f.file_size for f in archive.infolist()}
        root = {f.filename for f in archive.infolist() if f.filename.endswith("METADATA")}
        tags = archive.read(f"opsmith-{__version__}.dist-info/WHEEL").decode()
        scripts = archive.read(f"opsmith-{__version__}.dist-info/entry_points.txt").decode()
    expected = {"opsmith/_generated/x86_64_v0/_s0.so"}
    for base, package in ((paths.FRONTEND, "opsmith"), (paths.PACKAGE.parent, "opsmithc")):
        for file in (base / package).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                expected.add(file.relative_to(base).as_posix())
    for file in [paths.OPS_YAML, *paths.RUNTIME.rglob("*")]:
        if file.is_file():
            expected.add(f"opsmithc/_data/{file.relative_to(paths.ROOT).as_posix()}")
    mine = {name for name in held if ".dist-info/" not in name}
    assert sorted(expected - mine) == []
    assert sorted(mine - expected) == []
    assert len(root) == 1 and "Root-Is-Purelib: false" in tags
    assert "opsmithc = opsmithc.__main__:main" in scripts
    for part in ("/libopsmith.so", "/_runtime.so", "/_s_add.so", "c/pointwise.c.j2", "abi.h"):
        assert any(name.endswith(part) for name in mine), part
    assert sum(held.values()) < 32 * 2**20 and wheel.stat().st_size < 10 * 2**20


def test_trains_from_anywhere(unpacked: Path, tmp_path: Path) -> None:
    done = run(TRAIN, unpacked, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == str(unpacked / "opsmith" / "__init__.py")


def test_new_ops_need_a_compiler_once(unpacked: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    bare = {"PATH": str(tmp_path / "bin"), "CC": ""}
    done = run(TRAIN, unpacked, tmp_path / "cache", **bare)
    assert done.returncode == 0, done.stderr[-2000:]
    done = run(DEFINE, unpacked, tmp_path / "cache", **bare)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "RuntimeError: loading new ops needs a C compiler: found none of gcc, cc, clang: "
        "install gcc, or set CC"
    )
    done = run(DEFINE, unpacked, tmp_path / "cache")
    assert done.returncode == 0, done.stderr[-2000:]
    again = run(DEFINE, unpacked, tmp_path / "cache", **bare)
    assert again.stdout == done.stdout, again.stderr[-2000:]


def test_intermediates_stay_out_of_the_installation(unpacked: Path, tmp_path: Path) -> None:
    done = run("from opsmithc import paths; print(paths.BUILD)", unpacked, tmp_path)
    assert done.stdout.strip() == str(tmp_path / "build"), done.stderr[-2000:]


@pytest.mark.full
def test_from_source_archive_to_installation(tmp_path: Path) -> None:
    """Pip without an index: the new environment sees this one's packages through a .pth file."""
    tree = copy_tree(tmp_path / "tree", "benchmarks", "docs", "examples", "tests")
    shutil.rmtree(tree / "frontend" / "opsmith" / "_generated")
    environment, here = tmp_path / "venv", sysconfig.get_path("purelib")
    venv = [sys.executable, "-m", "venv", "--without-pip", str(environment)]  # pip is seen too
    subprocess.run(venv, check=True)
    python = environment / "bin" / "python"
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    clean |= {"OPSMITH_CACHE": str(tmp_path / "cache"), "PIP_NO_INDEX": "1"}

    def check(*command: str, cwd: Path = Path("/")) -> str:
        done = subprocess.run(
            [str(python), *command], cwd=cwd, env=clean, capture_output=True, text=True
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done.stdout

    packages = Path(check("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (packages / "seen.pth").write_text(f"{here}\n")
    source = "import opsmith_build_backend as b, sys; print(b.build_sdist(sys.argv[1]))"
    clean["PYTHONPATH"] = str(tree / "codegen")
    archive = check("-c", source, str(tmp_path), cwd=tree).splitlines()[-1]
    del clean["PYTHONPATH"]
    pip = ("-m", "pip", "install", "--no-build-isolation", "--no-deps")
    check(*pip, str(tmp_path / archive))
    assert check("-c", TRAIN).strip() == str(packages / "opsmith" / "__init__.py")
    check("-c", DEFINE)
    assert "tanh" in check("-m", "opsmithc", "show", "tanh", "--stage", "grad")

    check("-m", "pip", "uninstall", "--yes", "opsmith")
    check(*pip, "-e", str(tree))
    assert str(tree) in check("-c", TRAIN)
    with (tree / "ops.yaml").open("a", encoding="utf-8") as registry:
        registry.write(ADDED)
    check("build.py", "--no-venv", cwd=tree)
    assert check("-c", "import opsmith; print(opsmith.tensor(2.).thrice())").strip() == "tensor(6.)"
