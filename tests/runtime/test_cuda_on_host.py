"""CUDA kernels and the whole CUDA runtime without a GPU.

Compiled for the CPU, where fibers play the threads of a block (cuda_on_host/cuda_runtime.h), they
pass the tests written for a GPU. That shows wrong subscripts, tails, masks, merges and copies on
every machine; races, memory order and architecture are left to a GPU.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from opsmithc import boundary, dtype_text, paths, pipeline
from opsmithc.derive.rows import Rows
from opsmithc.opdef import Index, Out, Reduce

HERE = Path(__file__).resolve().parent
NAMES = (
    "add", "mul", "sub", "where", "eq", "exp", "sigmoid", "clamp_both", "floor_divide", "digamma",
    "normal_like", "masked_fill", "bitwise_and", "sum", "any", "max_dim", "argmax", "var", "prod",
    "gather", "scatter_add", "index_add", "max_pool2d", "max_pool2d_with_indices", "conv2d", "mm",
    "embedding", "one_hot",
)  # fmt: skip


def test_kernels_on_the_cpu(tmp_path: Path) -> None:
    runtime = paths.runtime_library()
    compiler = shutil.which("g++")
    if compiler is None or not runtime.exists():
        pytest.skip("needs g++ and a built opsmith")
    derived = pipeline.derive_all(pipeline.parse([paths.OPS_YAML]))
    stems = tuple(f"{n}_adjoint" for n in NAMES)
    kept = [
        d for d in derived
        if isinstance(d.op.meaning, Out | Reduce | Index | Rows)
        and (isinstance(d.op.meaning, Rows) or d.op.name in NAMES or d.op.name.startswith(stems))
    ]  # fmt: skip
    sources = pipeline.emit_cuda(kept, tmp_path)
    dtype_text.write(tmp_path)
    include = [f"-I{p}" for p in (
        HERE / "cuda_on_host", paths.RUNTIME / "include", paths.RUNTIME / "cuda", tmp_path,
    )]  # fmt: skip
    flags = ["-std=c++20", "-O0", "-fPIC", "-fvisibility=hidden", "-fwrapv", "-w", "-x", "c++"]

    def one(source: Path) -> str:
        target = tmp_path / f"{source.stem}.o"
        command = [compiler, *flags, *include, "-c", str(source), "-o", str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{source.name}\n{done.stderr[:4000]}"
        return str(target)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(one, sources))
    link = [str(runtime), f"-Wl,-rpath,{runtime.parent}", f"-Wl,-rpath,{tmp_path}"]
    library, module = tmp_path / "libopsmith_cuda.so", tmp_path / "_cuda.so"
    subprocess.run([compiler, "-shared", "-Wl,-Bsymbolic", *objects, *link, "-o", str(library)], check=True)  # noqa: E501
    header = (paths.RUNTIME / "include" / "opsmith" / "cuda.h").read_text(encoding="utf-8")
    boundary.module("opsmith._generated._cuda", header, "opsmith/cuda.h", tmp_path / "_cuda.c")
    python = ["-D_CFFI_NO_LIMITED_API", f"-I{sysconfig.get_path('include')}"]
    subprocess.run(
        ["gcc", "-w", "-O1", "-fPIC", "-shared", "-Wl,-Bsymbolic",
         *python, f"-I{paths.RUNTIME / 'include'}", f"-I{tmp_path}",
         str(tmp_path / "_cuda.c"), str(library), *link, "-o", str(module)],
        check=True,
    )  # fmt: skip
    path = [str(HERE / "cuda_on_host"), str(paths.FRONTEND), str(paths.PACKAGE.parent)]
    env = dict(os.environ, CUDA_ON_HOST=str(module), PYTHONPATH=os.pathsep.join(path))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "plugin", "-p", "no:cacheprovider",
         "-m", "gpu and not full", *(str(HERE / f"test_cuda_{n}.py") for n in ("device", "rows"))],
        env=env, capture_output=True, text=True, check=False, cwd=paths.ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None and int(passed[1]) > 200, done.stdout[-2000:]
