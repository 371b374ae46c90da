"""In: the reduce and scan entries of the registry. Out: their kernels, compiled, on NumPy arrays.

Must not know: the frontend, generated entries, or what an op means.
"""

from __future__ import annotations

import math
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cffi
import numpy as np
from numpy.lib.stride_tricks import as_strided

from opsmithc import dtype_text, dtypes, registry
from opsmithc.emit import render
from opsmithc.lower import reduce, scan
from opsmithc.lower.families import fast_form
from opsmithc.opdef import Reduce

from .ccompile import TENSORS

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "runtime"
SOURCES = (*TENSORS, "iterate", "pointwise", "parallel", "convert", "reduce", "scan")
FLAGS = (
    "-std=gnu11 -O3 -march=native -fno-math-errno -fno-trapping-math -fwrapv -Wall -Wextra -Werror "
    "-fPIC -pthread"
).split()
STRUCTS = """
typedef struct { double f; int64_t i; } ops_scalar;
typedef struct ops_tensor {
    int32_t refcount;
    uint8_t dtype, ndim, device, flags;
    int64_t numel;
    char *data;
    void *storage, *version;
    int64_t *stride;
    uint32_t born, capacity;
    int64_t shape[];
} ops_tensor;
int ops_take_status(void);
const char *ops_error_text(void);
int64_t ops_live_tensors(void);
void ops_set_num_threads(int n);
ops_tensor *ops_tensor_new(int dtype, int device, int ndim, const int64_t *shape);
ops_tensor *ops_tensor_foreign(int dtype, int ndim, const int64_t *shape, const int64_t *stride,
                               char *data, int readonly, void (*release)(void *), void *owner);
void ops_tensor_free(ops_tensor *t);
double ops_reduce(const void *op, ops_tensor *input, int record, uint64_t dims, int64_t all,
                  int keepdim, int dtype, const ops_scalar *s, ops_tensor *dst);
double ops_scan(const void *op, ops_tensor *input, int record, int64_t dim, int dtype,
                const ops_scalar *s, ops_tensor *dst);
double more(int k);
"""
# The error states are thread-local, which cffi's ABI mode cannot read.
MORE = '#include "opsmith/abi.h"\ndouble more(int k);\ndouble more(int k) { return ops_more[k]; }\n'
STATUS = {1: RuntimeError, 2: IndexError, 3: TypeError, 4: ValueError, 5: NotImplementedError}


def entries(kind: type) -> dict:
    """The registry's ops of a family."""
    ops = [fast_form(op) for op in registry.load(ROOT / "ops.yaml")]
    return {op.name: op for op in ops if isinstance(op.meaning, kind)}


def code_of(dtype) -> int:
    """The index of a NumPy dtype in the table of dtypes."""
    name = {"bool": "bool"}.get(np.dtype(dtype).name, np.dtype(dtype).name)
    return next(i for i, d in enumerate(dtypes.TABLE) if d.numpy == name)


class Library:
    """Every op of a family."""

    def __init__(self, folder: Path, kind: type) -> None:
        self.ops = entries(kind)
        files = {"more": MORE}
        for name, op in self.ops.items():
            if isinstance(op.meaning, Reduce):
                files[name] = render("c/reduce.c.j2", reduce.render_context(op))
            else:
                files[name] = render("c/scan.c.j2", scan.render_context(op))
        for name, text in files.items():
            (folder / f"{name}_.c").write_text(text)
        sources = [RUNTIME / "cpu" / f"{name}.c" for name in SOURCES]
        sources += [*(folder / f"{name}_.c" for name in files), dtype_text.write(folder)]
        compiler = os.environ.get("CC", "cc")

        def compile_one(source: Path) -> Path:
            target = folder / f"{source.stem}.o"
            include = [f"-I{RUNTIME / 'include'}", f"-I{folder}"]
            command = [compiler, *FLAGS, *include, "-c", str(source), "-o", str(target)]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            return target

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = [str(o) for o in pool.map(compile_one, sources)]
        out = folder / "accumulate.so"
        link = [compiler, "-shared", "-Wl,-Bsymbolic", "-pthread", *objects, "-o", str(out), "-lm"]
        subprocess.run(link, check=True)
        self.ffi = cffi.FFI()
        self.ffi.cdef(STRUCTS + "".join(f"extern const char opsk_{name}[];\n" for name in self.ops))
        self.lib = self.ffi.dlopen(str(out))
        self.keep = self.ffi.callback("void(void *)", lambda owner: None)  # NumPy frees its own

    def tensor(self, array: np.ndarray):
        """A tensor over the array's memory, whatever its strides."""
        strides = [s // array.itemsize for s in array.strides]
        data = self.ffi.cast("char *", array.ctypes.data)
        return self.lib.ops_tensor_foreign(
            code_of(array.dtype), array.ndim, list(array.shape), strides, data, 0, self.keep,
            self.ffi.NULL,
        )  # fmt: skip

    def empty(self, shape, dtype):
        """A tensor with storage of its own."""
        return self.lib.ops_tensor_new(code_of(dtype), 0, len(shape), list(shape))

    def array(self, t) -> np.ndarray:
        """A copy of the tensor's elements."""
        dtype = np.dtype(dtypes.TABLE[t.dtype].numpy)
        shape = [t.shape[d] for d in range(t.ndim)]
        if t.numel == 0:
            return np.empty(shape, dtype)
        one = np.frombuffer(self.ffi.buffer(t.data, dtype.itemsize), dtype)
        return as_strided(one, shape, [t.stride[d] * dtype.itemsize for d in range(t.ndim)]).copy()

    def drop(self, t) -> None:
        t.refcount -= 1
        if t.refcount == 0:
            self.lib.ops_tensor_free(t)

    def _handle(self, handle: float):
        return self.ffi.cast("ops_tensor *", int(abs(handle)))

    def _scalars(self, values):
        if not values:
            return self.ffi.NULL
        cells = [{"f": float(v), "i": int(v) if math.isfinite(v) else 0} for v in values]
        return self.ffi.new("ops_scalar[]", cells)

    def _results(self, name: str, handle: float, dst):
        if handle == 0.0:
            status = self.lib.ops_take_status()
            raise STATUS[status](self.ffi.string(self.lib.ops_error_text()).decode())
        count = len(self.ops[name].schema.outputs)
        tensors = [self._handle(handle), *(self._handle(self.lib.more(k)) for k in range(1, count))]
        arrays = [self.array(t) for t in tensors]
        for t in tensors:
            if t != dst:
                self.drop(t)
        return arrays[0] if count == 1 else tuple(arrays)

    def reduce(self, name, array, dim=None, keepdim=False, dtype=None, scalars=(), dst=None):
        """The op's outputs as arrays; raises the error the library reports."""
        dims = [dim] if isinstance(dim, int) else list(dim or ())
        mask = sum(1 << (d if d >= 0 else 64 + d) for d in set(dims))
        array = np.asarray(array)
        t = self.tensor(array)
        asked = -1 if dtype is None else code_of(dtype)
        target = self.ffi.NULL if dst is None else dst
        op = getattr(self.lib, f"opsk_{name}")
        handle = self.lib.ops_reduce(
            op, t, 0, mask, dim is None, keepdim, asked, self._scalars(scalars), target
        )
        try:
            return self._results(name, handle, dst)
        finally:
            self.drop(t)

    def scan(self, name, array, dim, dtype=None, dst=None):
        """The op's outputs as arrays; raises the error the library reports."""
        array = np.asarray(array)
        t = self.tensor(array)
        asked = -1 if dtype is None else code_of(dtype)
        target = self.ffi.NULL if dst is None else dst
        op = getattr(self.lib, f"opsk_{name}")
        handle = self.lib.ops_scan(op, t, 0, dim, asked, self.ffi.NULL, target)
        try:
            return self._results(name, handle, dst)
        finally:
            self.drop(t)


FLOATS = (np.float64, np.float32, np.float16)
INTEGERS = (np.int64, np.int32, np.int16, np.int8, np.uint8)
EVERY = (*FLOATS, *INTEGERS, np.bool_)


def numbers(rng: np.random.Generator, shape, dtype) -> np.ndarray:
    """Values that sum and multiply without overflow in any dtype; ties are common in integers."""
    if dtype == np.bool_:
        return rng.random(shape) < 0.5
    if dtype in INTEGERS:
        return rng.integers(0 if dtype == np.uint8 else -9, 10, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def layouts(rng: np.random.Generator, shape, dtype):
    """The same kind of values in memory orders of every kind: (name, array)."""
    yield "contiguous", numbers(rng, shape, dtype)
    if shape:
        order = rng.permutation(len(shape))
        back = np.argsort(order)
        yield "permuted", numbers(rng, [shape[d] for d in order], dtype).transpose(back)
        steps = tuple(slice(None, None, int(rng.choice([-2, -1, 2]))) for _ in shape)
        wide = numbers(rng, [max(0, 2 * s) for s in shape], dtype)
        cut = tuple(slice(0, s) for s in shape)
        yield "strided", wide[steps][cut]
        d = int(rng.integers(len(shape)))
        one = numbers(rng, [1 if k == d else s for k, s in enumerate(shape)], dtype)
        yield "expanded", np.broadcast_to(one, shape)
