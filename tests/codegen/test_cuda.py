"""CUDA: contexts and templates agree, sources are deterministic and nvcc accepts them.

What the kernels compute is tested by tests/runtime/test_cuda_device.py, on a GPU or, compiled for
the CPU, by tests/runtime/test_cuda_on_host.py.
"""

from __future__ import annotations

import ctypes
import dataclasses
import os
import re
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jinja2 import meta

from opsmithc import boundary, compile, dtype_text, emit, paths, pipeline
from opsmithc.backends import cpu, cuda
from opsmithc.derive.op import Derived
from opsmithc.derive.rows import Rows
from opsmithc.dtypes import COMPUTE
from opsmithc.opdef import Index, Out, Reduce

RUNTIME = paths.RUNTIME / "cuda"
INCLUDE = (paths.RUNTIME / "include", RUNTIME)
# A few of every kind: classes of operands, several outputs, masks, random numbers, positions, tuple
# states, scalars, moved and computed elements, checks, windows, products, scatters, rows.
NAMES = (
    "add", "where", "eq", "sigmoid", "normal_like", "sum", "any", "max_dim", "norm_p", "gather",
    "scatter_add", "max_pool2d", "conv2d", "mm", "softmax", "nll_rows",
)  # fmt: skip


@cache
def registry() -> tuple[Derived, ...]:
    return pipeline.derive_all(pipeline.parse([paths.OPS_YAML]))


@cache
def chosen() -> tuple[Derived, ...]:
    """The named ops that the registry has, and enough others for every family to be there."""
    found = [d for d in registry() if d.op.name in NAMES]
    for kind in (Out, Reduce, Index, Rows):
        if not any(isinstance(d.op.meaning, kind) for d in found):
            found += [d for d in registry() if isinstance(d.op.meaning, kind)][:3]
    return tuple(found)


def contexts() -> list[tuple[str, Any]]:
    """(template, context) of every kind, the files that hold several ops included."""
    found = [pair for d in chosen() for pair in cuda.BACKEND.kernel_contexts(d)]
    rows = tuple(row for _, c in found for row in cuda.tables(c))
    group = cuda.groups((f"{c.op}.cu", c) for _, c in found)[0]
    return [*found, ("cuda/group.cu.j2", group), ("cuda/table.cu.j2", cuda.TableFile(rows))]


def test_every_family_and_compute_dtype_is_there() -> None:
    texts = "\n".join(emit.render(t, c) for t, c in contexts())
    assert {t for t, _ in contexts()} == {
        f"cuda/{p.name}" for p in (paths.TEMPLATES / "cuda").iterdir() if p.suffix == ".j2"
    }
    for dtype in COMPUTE:
        assert re.search(rf"opsk_\w+__{dtype.code}\b", texts), dtype.code


def test_template_names_are_context_fields() -> None:
    for template, context in contexts():
        text = (paths.TEMPLATES / template).read_text(encoding="utf-8")
        used = meta.find_undeclared_variables(emit.environment().parse(text))
        assert used == {f.name for f in dataclasses.fields(context)}, template
        header = text.splitlines()[0]
        listed = re.fullmatch(r"\{# context: (\w+)\((.*)\) #\}", header)
        assert listed is not None, header
        assert listed[1] == type(context).__name__
        fields = [f.name for f in dataclasses.fields(context)]
        assert listed[2].split(", ") == fields, template


def test_templates_ask_no_names() -> None:
    for file in (paths.TEMPLATES / "cuda").glob("*.j2"):
        text = file.read_text(encoding="utf-8")
        assert "{% set" not in text and not re.search(r"\{% (?:el)?if [^%]*==", text), file.name


def test_both_backends_find_a_kernel_by_the_same_key() -> None:
    for d in chosen():
        plain = emit.render(*cpu.BACKEND.kernel_contexts(d)[0])
        for _, context in cuda.BACKEND.kernel_contexts(d):
            for row in cuda.tables(context):
                assert f'"{row.key}"' in plain, row.key


def test_keys_and_symbols_are_unique() -> None:
    found = [c for d in registry() for _, c in cuda.BACKEND.kernel_contexts(d)]
    rows = [row for context in found for row in cuda.tables(context)]
    assert len({row.key for row in rows}) == len(rows)
    assert len({row.symbol for row in rows}) == len(rows)


def test_sources_are_the_same_from_run_to_run(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from opsmithc import paths, pipeline\n"
        "d = pipeline.derive_all(pipeline.parse([paths.OPS_YAML]))\n"
        "pipeline.emit_cuda(d, Path(sys.argv[1]))\n"
    )
    for seed in ("1", "2"):
        env = dict(os.environ, PYTHONHASHSEED=seed, PYTHONPATH=str(paths.PACKAGE.parent))
        subprocess.run([sys.executable, "-c", program, str(tmp_path / seed)], env=env, check=True)
    files = [{p.name: p.read_bytes() for p in (tmp_path / s).iterdir()} for s in "12"]
    first, second = files
    assert first == second
    everything = b"".join(first.values())
    assert str(paths.ROOT).encode() not in everything


# Compiled -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chosen ops and the whole runtime, for an H100."""
    compiler = compile.nvcc()
    if compiler is None:
        pytest.skip("no nvcc")
    folder = tmp_path_factory.mktemp("cuda")
    sources = pipeline.emit_cuda(chosen(), folder)
    dtype_text.write(folder)
    command = compile.cuda_command(compiler, "sm_90", (*INCLUDE, folder)).split()

    def one(source: Path) -> Path:
        target = folder / f"{source.stem}.o"
        # -Xptxas -O1: the test is of the sources, not of the code
        done = subprocess.run(
            [*command, "-Xptxas", "-O1", "-c", str(source), "-o", str(target)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{source.name}\n{done.stdout}{done.stderr}"
        return target

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(one, sources))
    made = folder / "libopsmith_cuda.so"
    subprocess.run(
        [compiler, "-shared", "-cudart", "static", *map(str, objects), "-o", str(made)], check=True
    )
    return made


def test_nvcc_accepts_a_dozen_ops_without_warnings(library: Path) -> None:
    assert library.exists()


def test_the_library_exports_its_header_alone(library: Path) -> None:
    header = (paths.RUNTIME / "include" / "opsmith" / "cuda.h").read_text(encoding="utf-8")
    declared = set(re.findall(r"\b(ops_cuda_\w+)\(", header))
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True, check=True
    ).stdout
    exported = {line.split()[-1] for line in listed.splitlines()}
    assert {e for e in exported if e.startswith("ops")} == declared


def test_it_loads_where_there_is_no_gpu(library: Path) -> None:
    runtime = paths.runtime_library()
    if not runtime.exists():
        pytest.skip("libopsmith.so is not built")
    ctypes.CDLL(str(runtime), mode=ctypes.RTLD_GLOBAL)
    lib = ctypes.CDLL(str(library))
    lib.ops_cuda_why_not.restype = ctypes.c_char_p
    if Path("/dev/nvidia0").exists():
        pytest.skip("there is a GPU")
    assert lib.ops_cuda_device_count() == 0
    assert lib.ops_cuda_start() == 0
    assert lib.ops_cuda_why_not() not in (b"", b"started")
    assert lib.ops_cuda_kernel_count() > 10


def test_opsmith_works_with_the_library_and_without_a_gpu(library: Path) -> None:
    """The real library behind the real boundary: nothing breaks, and a GPU is asked for in vain."""
    runtime = paths.runtime_library()
    if not runtime.exists() or Path("/dev/nvidia0").exists():
        pytest.skip("needs a built opsmith and no GPU")
    folder = library.parent
    header = (paths.RUNTIME / "include" / "opsmith" / "cuda.h").read_text(encoding="utf-8")
    source, module = folder / "_cuda.c", folder / "_cuda.so"
    boundary.module("opsmith._generated._cuda", header, "opsmith/cuda.h", source)
    python = ["-D_CFFI_NO_LIMITED_API", f"-I{sysconfig.get_path('include')}"]
    link = [str(library), str(runtime), f"-Wl,-rpath,{folder}", f"-Wl,-rpath,{runtime.parent}"]
    subprocess.run(
        [compile.compiler(), "-w", "-fPIC", "-shared", *python, *(f"-I{p}" for p in INCLUDE),
         str(source), *link, "-o", str(module)], check=True,
    )  # fmt: skip
    program = (
        "import plugin, opsmith\n"
        "assert not opsmith.cuda.is_available() and opsmith.cuda.device_count() == 0\n"
        "try: opsmith.ones(2).cuda()\n"
        "except RuntimeError as e: print(e)\n"
        "assert opsmith.ones(2).sum().item() == 2\n"
    )
    path = (paths.ROOT / "tests" / "runtime" / "cuda_on_host", paths.FRONTEND)
    env = dict(os.environ, CUDA_ON_HOST=str(module), PYTHONPATH=os.pathsep.join(map(str, path)))
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Found no usable NVIDIA GPU on your system: "), done.stdout
