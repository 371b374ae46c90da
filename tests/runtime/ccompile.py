"""Comes in: small C texts and their prototypes.
Goes out: cffi libraries (ABI mode) compiled against runtime/include with the flags that ship.
Must not know: the code generator.
"""

import subprocess
from pathlib import Path

import cffi
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "runtime" / "include"
TENSORS = ("error", "memory", "tensor", "overlap")  # of runtime/cpu: what every driver stands on

# The flags of generated kernels: what is tested is the vectorised code that ships.
KERNEL_FLAGS = [
    "-std=gnu11", "-O3", "-mprefer-vector-width=512", "-fno-math-errno", "-fno-trapping-math",
    "-fwrapv", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-Wl,-Bsymbolic",
]  # fmt: skip
# gcc knows the vector width option on x86 only.
if "x86_64" not in subprocess.run(["gcc", "-dumpmachine"], capture_output=True, text=True).stdout:
    KERNEL_FLAGS.remove("-mprefer-vector-width=512")

ffi = cffi.FFI()


def compile_library(folder, name, source, cdef, march="native"):
    """Compile `source` into `folder`, where generated headers may stand, and load it."""
    c_file, library = folder / f"{name}.c", folder / f"{name}.so"
    c_file.write_text(source)
    command = ["gcc", *KERNEL_FLAGS, f"-march={march}", f"-I{INCLUDE}", f"-I{folder}", str(c_file)]
    command += ["-o", str(library), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ffi.cdef(cdef, override=True)
    return ffi.dlopen(str(library))


def pointer(array, ctype=None):
    """A C pointer to a NumPy array's data."""
    ctype = ctype or C_TYPES[array.dtype.type]
    return ffi.cast(f"{ctype} *", array.ctypes.data)


C_TYPES = {
    np.float32: "float", np.float64: "double", np.int32: "int32_t", np.int64: "int64_t",
    np.int16: "int16_t", np.int8: "int8_t", np.uint8: "uint8_t", np.uint16: "uint16_t",
    np.uint32: "uint32_t", np.uint64: "uint64_t", np.bool_: "uint8_t",
}  # fmt: skip
