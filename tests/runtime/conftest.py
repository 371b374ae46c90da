"""Comes in: the runtime's C sources, headers and kernel templates.
Goes out: fixtures that hold them compiled and loaded by cffi, one library an instruction set.
Must not know: build.py, emit.py, the registry; these tests run before any of them works.
"""

from __future__ import annotations

import ctypes
import dataclasses
import mmap
import os
import re
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cffi
import jinja2
import numpy as np
import pytest
import yaml

from opsmithc.lower import conv, gemm

ROOT = Path(__file__).resolve().parents[2]
CODEGEN = ROOT / "codegen" / "opsmithc"
INCLUDE = ROOT / "runtime" / "include"
FLAGS = (
    "-std=gnu11 -Wall -Wextra -Werror -O3 -fno-math-errno -fno-trapping-math -fwrapv -fPIC".split()
)
MACHINE = {
    "avx512": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
    "avx2": ["-march=x86-64-v3"],
    "generic": [],
}
NEEDS = {"avx512": {"avx512f", "avx512dq", "avx512bw", "avx512vl"}, "avx2": {"avx2", "fma"}}
CTYPES = {"f32": ("float", np.float32), "f64": ("double", np.float64)}


def compile_library(folder: Path, sources: list[Path], flags: list[str] | None = None) -> Path:
    """Compile C sources side by side into folder/library.so."""
    cc = os.environ.get("CC", "cc")
    options = [*FLAGS, *(flags or []), f"-I{INCLUDE}"]
    objects = [folder / f"{source.stem}.o" for source in sources]

    def compile_one(pair: tuple[Path, Path]) -> None:
        source, target = pair
        subprocess.run([cc, *options, "-c", str(source), "-o", str(target)], check=True)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_one, zip(sources, objects, strict=True)))
    library = folder / "library.so"
    subprocess.run([cc, "-shared", "-Wl,-Bsymbolic", "-pthread", "-o", str(library), *map(str, objects)], check=True)  # noqa: E501
    return library


def declarations(*headers: str) -> str:
    """A runtime header as cffi reads it: without its preprocessor lines."""
    text = "\n".join((INCLUDE / "opsmith" / header).read_text() for header in headers)
    return re.sub(r"(?m)^#.*$", "", text)


def render_kernels(folder: Path, isa: str) -> list[Path]:
    """The gemm and conv sources of one instruction set, written to folder."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(CODEGEN / "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )
    schedules = yaml.safe_load((CODEGEN / "schedules.yaml").read_text())
    files: list[tuple[str, Any]] = [
        ("c/gemm.c.j2", context) for context in gemm.gemm_contexts(schedules, isa)
    ]
    files += [("c/conv.c.j2", context) for context in conv.conv_contexts(schedules, isa)]
    paths = []
    for template, context in files:
        values = {f.name: getattr(context, f.name) for f in dataclasses.fields(context)}
        path = folder / context.path
        path.write_text(environment.get_template(template).render(values))
        paths.append(path)
    return paths


class Kernels:
    """A loaded library; functions take NumPy arrays where C takes pointers."""

    def __init__(self, path: Path) -> None:
        self.ffi = cffi.FFI()
        self.ffi.cdef(declarations("parallel.h", "gemm.h", "conv.h"))
        self.lib = self.ffi.dlopen(str(path))

    def pointer(self, array: np.ndarray | None, dtype: str) -> Any:
        if array is None:
            return self.ffi.NULL
        assert array.dtype == CTYPES[dtype][1]
        return self.ffi.cast(f"{CTYPES[dtype][0]} *", array.ctypes.data)


def _load(tmp_path_factory: pytest.TempPathFactory, isa: str, flags: list[str]) -> Kernels:
    folder = tmp_path_factory.mktemp(isa)
    sources = [*render_kernels(folder, isa), ROOT / "runtime" / "cpu" / "parallel.c"]
    return Kernels(compile_library(folder, sources, [*MACHINE[isa], *flags]))


@pytest.fixture(scope="session")
def pool_library() -> Callable[[Path, str], Path]:
    """Compiles the thread pool with the C text of a test, into a folder."""

    def build(folder: Path, text: str) -> Path:
        source = folder / "bodies.c"
        source.write_text(text)
        return compile_library(folder, [ROOT / "runtime" / "cpu" / "parallel.c", source])

    return build


@pytest.fixture(scope="session")
def pool_declarations() -> str:
    """What parallel.h declares, for cffi."""
    return declarations("parallel.h")


@pytest.fixture(scope="session", params=list(gemm.VECTOR_SETS))
def kernels(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    """The kernels of each instruction set that this CPU has."""
    isa = request.param
    cpu = Path("/proc/cpuinfo").read_text() if isa in NEEDS else ""
    if not NEEDS.get(isa, set()) <= set(cpu.split()):
        pytest.skip(f"this CPU lacks {isa}")
    return _load(tmp_path_factory, isa, [])


@pytest.fixture(scope="session")
def reference_kernels(tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    """Convolution by plain loops alone."""
    return _load(tmp_path_factory, "generic", ["-DOPS_REFERENCE=1", "-O1"])


@pytest.fixture(params=["f32", "f64"])
def dtype(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def guarded() -> Callable[[np.ndarray], np.ndarray]:
    """Copies an array to the end of a page that no readable page follows: an overrun crashes."""
    libc = ctypes.CDLL(None, use_errno=True)
    page = mmap.PAGESIZE
    kept = []

    def place(array: np.ndarray) -> np.ndarray:
        size = -(-array.nbytes // page) * page
        block = mmap.mmap(-1, size + page)
        address = np.frombuffer(block, np.uint8).ctypes.data
        assert libc.mprotect(ctypes.c_void_p(address + size), ctypes.c_size_t(page), 0) == 0
        kept.append(block)
        flat = np.frombuffer(block, array.dtype, array.size, size - array.nbytes)
        copy = flat.reshape(array.shape)
        copy[...] = array
        return copy

    return place
