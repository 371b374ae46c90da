"""Comes in: the view entries of the registry, rendered to C, and the runtime they stand on.
Goes out: verdicts on every view, its errors and its adjoint, against NumPy's strides.
Must not know: the frontend, cffi entries or the tape.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import cffi
import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from opsmithc import dtype_text, dtypes, registry
from opsmithc.emit import render
from opsmithc.errors import RegistryError
from opsmithc.lower import view
from opsmithc.opdef import View

from .ccompile import TENSORS

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "runtime"
SOURCES = (
    *TENSORS, "iterate", "pointwise", "parallel", "convert",
    "view", "view_part", "view_shape", "view_adjoint",
)  # fmt: skip
NO_INT = -(2**63)
STATUS = ("", "RuntimeError", "IndexError", "TypeError", "ValueError")
OPS_VIEW, OPS_CONTIGUOUS = 16, 1
STRUCTS = """
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
ops_tensor *ops_tensor_new(int dtype, int device, int ndim, const int64_t *shape);
ops_tensor *ops_tensor_foreign(int dtype, int ndim, const int64_t *shape, const int64_t *stride,
                               char *data, int readonly, void (*release)(void *), void *owner);
void ops_tensor_free(ops_tensor *t);
int ops_tensor_copy(ops_tensor *to, const ops_tensor *from);
int ops_tensor_accumulate(ops_tensor *to, ops_tensor *from);
ops_tensor *opsk_lay_out(ops_tensor *input, ops_tensor *like);
"""
STUB = "- op: sum_to(Tensor input, int[] size) -> Tensor\n  compose: shapes.sum_to\n"


def entries():
    """The registry's view ops; from the draft while ops.yaml has none."""
    draft = ROOT / "codegen" / "opsmithc" / "_wip" / "view.yaml"
    if draft.exists():
        ops = registry.parse(draft.read_text(), draft.name, registry.parse(STUB))
    else:
        ops = registry.load(ROOT / "ops.yaml")
    return {op.name: op for op in ops if isinstance(op.meaning, View)}


OPS = entries()


class Library:
    """The rendered views; NumPy arrays in, NumPy arrays over the result's memory out."""

    def __init__(self, folder: Path) -> None:
        texts = [render("c/view.c.j2", view.render_context(op)) for op in OPS.values()]
        declared = [d for op in OPS.values() for d in view.declarations(op)]
        (folder / "views.c").write_text("\n".join(texts))
        files = [RUNTIME / "cpu" / f"{name}.c" for name in SOURCES]
        files += [folder / "views.c", dtype_text.write(folder)]
        flags = "-std=gnu11 -O2 -Wall -Wextra -Werror -fPIC -shared -pthread -Wl,-Bsymbolic".split()
        out = folder / "views.so"
        subprocess.run(
            [os.environ.get("CC", "cc"), *flags, f"-I{RUNTIME / 'include'}", f"-I{folder}"]
            + [*map(str, files), "-o", str(out), "-lm"],
            check=True,
        )
        self.ffi = cffi.FFI()
        self.ffi.cdef(STRUCTS + "\n".join(declared))
        self.lib = self.ffi.dlopen(str(out))
        self.keep = self.ffi.callback("void(void *)", lambda owner: None)  # NumPy frees its own

    def ints(self, values):
        return self.ffi.new("int64_t[]", [int(v) for v in values])

    def tensor(self, array: np.ndarray, code: str = ""):
        """A tensor over the array's memory, whatever its strides."""
        code = code or {np.dtype(bool): "b8"}.get(array.dtype, "")
        code = code or next(d.code for d in dtypes.TABLE if d.numpy == array.dtype.name)
        strides = [s // array.itemsize for s in array.strides]
        data = self.ffi.cast("char *", array.ctypes.data)
        return self.lib.ops_tensor_foreign(
            dtypes.INDEX[code], array.ndim, self.ints(array.shape), self.ints(strides), data, 0,
            self.keep, self.ffi.NULL,
        )  # fmt: skip

    def own(self, shape, code="f64"):
        """A tensor with storage of its own."""
        return self.lib.ops_tensor_new(dtypes.INDEX[code], 0, len(shape), self.ints(shape))

    def array(self, t) -> np.ndarray:
        """The tensor's elements where they lie; valid while the tensor lives."""
        row = dtypes.TABLE[t.dtype]
        dtype = np.dtype(row.numpy or "uint16")
        shape = [t.shape[d] for d in range(t.ndim)]
        if t.numel == 0:
            return np.empty(shape, dtype)
        one = np.frombuffer(self.ffi.buffer(t.data, dtype.itemsize), dtype)
        strides = [t.stride[d] * dtype.itemsize if shape[d] > 1 else 0 for d in range(t.ndim)]
        return as_strided(one, shape, strides)

    def strides(self, t):
        return tuple(t.stride[d] for d in range(t.ndim))

    def drop(self, *tensors) -> None:
        for t in tensors:
            t.refcount -= 1
            if t.refcount == 0:
                self.lib.ops_tensor_free(t)

    def arguments(self, op, values):
        """The op's arguments after its tensor, as C takes them."""
        out = []
        for p, v in zip(op.schema.params[1:], values, strict=True):
            if p.type.is_list:
                out += [-1, self.ffi.NULL] if v is None else [len(v), self.ints(v)]
            else:
                out.append(NO_INT if v is None else v)
        return out

    def call(self, name, t, *values):
        """The result tensor; raises the error the library reports."""
        fn = getattr(self.lib, f"opsk_{name}")
        return self.checked(fn(t, *self.arguments(OPS[name], values)))

    def adjoint(self, name, g, like, *values):
        """The adjoint with the sizes of ``like``, or its layout."""
        fn = getattr(self.lib, f"opsk_{name}_adjoint")
        sizes = [like.ndim, like.shape]
        origin = [like] if view.is_absolute(OPS[name]) else sizes
        return self.checked(fn(g, *origin, *self.arguments(OPS[name], values)))

    def checked(self, t):
        if t == self.ffi.NULL:
            status = STATUS[self.lib.ops_take_status()]
            raise LookupError(f"{status}: {self.ffi.string(self.lib.ops_error_text()).decode()}")
        return t


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return Library(tmp_path_factory.mktemp("views"))


@pytest.fixture
def lib(library):
    """The library; a test may not leave a tensor behind."""
    before = library.lib.ops_live_tensors()
    yield library
    assert library.lib.ops_live_tensors() == before


# Arrays with all kinds of strides ----------------------------------------------------------------


def arrays(rng: np.random.Generator, least: int = 0, most: int = 5):
    """A random array: steps, negative strides, permuted, of size 1, empty, 0-d."""
    ndim = int(rng.integers(least, most + 1))
    shape = [int(n) for n in rng.choice(6, ndim, p=[0.05, 0.2, 0.2, 0.2, 0.2, 0.15])]
    base = rng.integers(-9, 10, [2 * n + 1 for n in shape]).astype(np.float64)
    cut = []
    for n in shape:
        kind = rng.integers(3)
        if kind == 0:
            cut.append(slice(0, n))
        elif kind == 1:
            cut.append(slice(1, 1 + 2 * n, 2))
        else:
            cut.append(slice(n - 1, None, -1) if n else slice(0, 0))
    x = np.asarray(base[tuple(cut)])
    assert x.shape == tuple(shape)
    x = x.copy() if rng.integers(3) == 0 else x
    return np.asarray(x.transpose(rng.permutation(ndim)) if rng.integers(2) else x)


def dim(rng, x, extra=0):
    """A valid dim of x, counted from the front or the back."""
    n = max(x.ndim + extra, 1)
    return int(rng.integers(-n, n))


def factors(rng, n: int) -> list[int]:
    """A random shape of n elements."""
    if n == 0:
        return [int(v) for v in rng.permutation([0, int(rng.integers(1, 4))])]
    shape = []
    while n > 1 and len(shape) < 4:
        divisors = [d for d in range(1, n + 1) if n % d == 0]
        shape.append(int(rng.choice(divisors)))
        n //= shape[-1]
    return [*shape, n] if n > 1 or rng.integers(2) else shape


def unfolded(x, d, size, step):
    d %= max(x.ndim, 1)
    if x.ndim == 0:
        return x.reshape(1)[:size]
    if size == 0:
        n = x.shape[d] // step + 1
        return np.empty([*x.shape[:d], n, *x.shape[d + 1 :], 0])
    windows = sliding_window_view(x, size, d)
    return windows[(slice(None),) * d + (slice(None, None, step),)]


def with_unknown(rng, shape):
    """The shape with one size left to infer, where that is allowed."""
    shape = list(shape)
    if shape and 0 not in shape and rng.integers(2):
        shape[rng.integers(len(shape))] = -1
    return shape


def case_transpose(rng, x):
    a, b = dim(rng, x), dim(rng, x)
    return (a, b), np.swapaxes(x, a, b) if x.ndim else x


def case_t(rng, x):
    return (), x.T


def case_mT(rng, x):
    return (), np.swapaxes(x, -1, -2) if x.ndim else x


def case_permute(rng, x):
    order = [int(d) for d in rng.permutation(x.ndim)]
    dims = [d - x.ndim if rng.integers(2) else d for d in order]
    return (dims,), x.transpose(order)


def case_permute_inverse(rng, x):
    order = [int(d) for d in rng.permutation(x.ndim)]
    return (order,), x.transpose(np.argsort(order)) if x.ndim else x


def case_movedim(rng, x):
    n = int(rng.integers(0, x.ndim + 1))
    a, b = rng.permutation(x.ndim)[:n], rng.permutation(x.ndim)[:n] - x.ndim
    return (list(a), list(b)), np.moveaxis(x, a, b)


def case_unsqueeze(rng, x):
    d = dim(rng, x, 1)
    return (d,), np.expand_dims(x, d)


def case_squeeze(rng, x):
    if rng.integers(3) == 0:
        return (None,), np.squeeze(x)
    dims = [int(d) for d in rng.permutation(x.ndim)[: rng.integers(0, x.ndim + 1)]]
    return (dims,), np.squeeze(x, tuple(d for d in dims if x.shape[d] == 1))


def case_reshape(rng, x):
    shape = factors(rng, x.size)
    return (with_unknown(rng, shape),), x.reshape(shape)


def case_ravel(rng, x):
    return (), x.reshape(-1)


def case_flatten(rng, x):
    a, b = sorted((dim(rng, x) % max(x.ndim, 1), dim(rng, x) % max(x.ndim, 1)))
    shape = [*x.shape[:a], int(np.prod(x.shape[a : b + 1])), *x.shape[b + 1 :]]
    return (a, b - max(x.ndim, 1)), x.reshape(shape)


def case_unflatten(rng, x):
    d = dim(rng, x)
    sizes = factors(rng, x.shape[d]) or [1]
    shape = [*x.shape[: d % x.ndim], *sizes, *x.shape[d % x.ndim + 1 :]]
    return (d, with_unknown(rng, sizes)), x.reshape(shape)


def case_expand(rng, x):
    shape = [int(rng.integers(0, 4)) if n == 1 else n for n in x.shape]
    lead = [int(n) for n in rng.integers(0, 4, rng.integers(0, 3))]
    asked = [-1 if n == m and rng.integers(2) else n for n, m in zip(shape, x.shape, strict=True)]
    return ([*lead, *asked],), np.broadcast_to(x, [*lead, *shape])


def case_slice(rng, x):
    d, n = dim(rng, x), 7
    start, end = (None if rng.integers(4) == 0 else int(rng.integers(-n, n)) for _ in range(2))
    step = int(rng.integers(1, 4))
    if start is not None and end is not None and rng.integers(8) == 0:
        start, end, step = -(2**62), 2**62, 2**62
    cut = (slice(None),) * (d % x.ndim) + (slice(start, end, step),)
    return (d, start, end, step), x[cut]


def case_narrow(rng, x):
    d = dim(rng, x)
    n = x.shape[d]
    start = int(rng.integers(0, n + 1))
    length = int(rng.integers(0, n - start + 1))
    cut = (slice(None),) * (d % x.ndim) + (slice(start, start + length),)
    return (d, start - n if 0 < start < n and rng.integers(2) else start, length), x[cut]


def case_select(rng, x):
    d = dim(rng, x)
    if x.shape[d] == 0:
        return None
    k = int(rng.integers(-x.shape[d], x.shape[d]))
    return (d, k), np.take(x, k, d)


def case_diagonal(rng, x):
    a, b = (int(d) for d in rng.permutation(x.ndim)[:2])
    offset = int(rng.choice([0, 0, 1, -1, 2, -3, 7, 2**63 - 1, -(2**63 - 1)]))
    if abs(offset) > 9:
        empty = [n for d, n in enumerate(x.shape) if d not in (a, b)]
        return (offset, a, b - x.ndim), np.empty([*empty, 0])
    return (offset, a, b - x.ndim), np.diagonal(x, offset, a, b)


def case_unfold(rng, x):
    d = dim(rng, x)
    size = int(rng.integers(0, (x.shape[d] if x.ndim else 1) + 1))
    step = int(rng.integers(1, 4))
    return (d, size, step), unfolded(x, d, size, step)


def case_alias(rng, x):
    return (), x


CASES = {
    "transpose": (case_transpose, 0, 5), "t": (case_t, 0, 2), "T": (case_t, 0, 5),
    "H": (case_t, 2, 2), "mT": (case_mT, 2, 5), "mH": (case_mT, 2, 5), "adjoint": (case_mT, 2, 5),
    "permute": (case_permute, 0, 5), "permute_inverse": (case_permute_inverse, 0, 5),
    "movedim": (case_movedim, 0, 5), "unsqueeze": (case_unsqueeze, 0, 5),
    "squeeze": (case_squeeze, 0, 5), "reshape": (case_reshape, 0, 5), "view": (case_reshape, 0, 5),
    "ravel": (case_ravel, 0, 5), "flatten": (case_flatten, 0, 5),
    "unflatten": (case_unflatten, 1, 4), "expand": (case_expand, 0, 4),
    "broadcast_to": (case_expand, 0, 4), "slice": (case_slice, 1, 5), "narrow": (case_narrow, 1, 5),
    "select": (case_select, 1, 5), "diagonal": (case_diagonal, 2, 5), "unfold": (case_unfold, 0, 4),
    "alias": (case_alias, 0, 5),
}  # fmt: skip
NEVER_COPIES = sorted(n for n in CASES if not view.may_copy(OPS[n]))
DEFAULT_ADJOINT = sorted(n for n in CASES if view.has_adjoint(OPS[n]))


def rounds(name: str, count: int):
    """Random arrays with arguments and NumPy's answer."""
    make, least, most = CASES[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    for _ in range(count):
        x = arrays(rng, least, most)
        case = make(rng, x)
        if case is not None:
            yield x, *case


def reachable_by_view(x: np.ndarray, shape) -> bool:
    """Does NumPy find strides for the shape?"""
    y = x.view()
    try:
        y.shape = shape
    except (AttributeError, ValueError):
        return False
    return True


@pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")
@pytest.mark.parametrize("name", sorted(CASES))
def test_values_and_sharing(lib, name):
    for x, args, expected in rounds(name, 400):
        t = lib.tensor(x)
        if name == "view" and x.size and not reachable_by_view(x, expected.shape):
            with pytest.raises(LookupError, match="view size is not compatible"):
                lib.call(name, t, *args)
            lib.drop(t)
            continue
        r = lib.call(name, t, *args)
        got = lib.array(r)
        assert got.shape == expected.shape, (name, x.shape, args)
        np.testing.assert_array_equal(got, expected)
        shares = r.storage == t.storage
        assert shares == bool(r.flags & OPS_VIEW)
        if name in NEVER_COPIES or (name == "reshape" and reachable_by_view(x, expected.shape)):
            assert shares
        assert bool(r.flags & OPS_CONTIGUOUS) == got.flags.c_contiguous
        assert r.numel == got.size
        lib.drop(r, t)


def test_every_view_is_tested():
    assert set(CASES) | {"as_strided"} == set(OPS)


def test_strides_of_size_one_dims(lib):
    """PyTorch's, so that .stride() agrees."""
    t = lib.own([3, 4])
    for d, strides in ((0, (12, 4, 1)), (1, (4, 4, 1)), (2, (4, 1, 1))):
        r = lib.call("unsqueeze", t, d)
        assert lib.strides(r) == strides
        lib.drop(r)
    for size, strides in (
        ([2, 3, 4], (0, 4, 1)), ([1, 1, 3, 4], (12, 12, 4, 1)), ([2, 1, 3, 4], (0, 12, 4, 1)),
    ):  # fmt: skip
        r = lib.call("expand", t, size)
        assert lib.strides(r) == strides
        lib.drop(r)
    lib.drop(t)
    e = lib.own([0, 3])
    for shape, strides in (([3, 0], (1, 1)), ([0, 3], (3, 1)), ([0], (1,))):
        r = lib.call("view", e, shape)
        assert lib.strides(r) == strides
        lib.drop(r)
    lib.drop(e)


ERRORS = [
    (
        "transpose", (3, 4), (0, 2),
        "IndexError: Dimension out of range (expected to be in range of [-2, 1], but got 2)",
    ),
    (
        "transpose", (), (0, 1),
        "IndexError: Dimension out of range (expected to be in range of [-1, 0], but got 1)",
    ),
    ("t", (2, 3, 4), (), "RuntimeError: t() expects a tensor with <= 2 dimensions, but self is 3D"),
    (
        "select", (3, 4), (0, 5),
        "IndexError: select(): index 5 out of range for tensor of size [3, 4] at dimension "
        "0",
    ),
    (
        "select", (3, 4), (-1, -5),
        "IndexError: select(): index -5 out of range for tensor of size [3, 4] at "
        "dimension 1",
    ),
    ("select", (), (0, 0), "IndexError: select() cannot be applied to a 0-dim tensor."),
    (
        "narrow", (3, 4), (0, 4, 1),
        "IndexError: start out of range (expected to be in range of [-3, 3], but got 4)",
    ),
    (
        "narrow", (3, 4), (0, 2, 5),
        "RuntimeError: start (2) + length (5) exceeds dimension size (3).",
    ),
    ("narrow", (3, 4), (0, 0, -1), "RuntimeError: narrow(): length must be non-negative."),
    ("narrow", (), (0, 0, 1), "RuntimeError: narrow() cannot be applied to a 0-dim tensor."),
    ("slice", (), (0, 0, 1, 1), "IndexError: slice() cannot be applied to a 0-dim tensor."),
    ("slice", (3,), (0, None, None, 0), "ValueError: step must be greater than zero"),
    ("slice", (3,), (0, None, None, -1), "ValueError: step must be greater than zero"),
    (
        "permute", (3, 4), ([0],),
        "RuntimeError: permute(sparse_coo): number of dimensions in the tensor input does "
        "not match the length of the desired ordering of dimensions i.e. input.dim() = 2 "
        "is not equal to len(dims) = 1",
    ),
    ("permute", (3, 4), ([0, 0],), "RuntimeError: permute(): duplicate dims are not allowed."),
    (
        "permute", (3, 4), ([0, 2],),
        "IndexError: Dimension out of range (expected to be in range of [-2, 1], but got 2)",
    ),
    (
        "movedim", (3, 4), ([0, 0], [0, 1]),
        "RuntimeError: movedim: repeated dim in `source` ([0, 0])",
    ),
    (
        "movedim", (3, 4), ([0, 1], [0, -2]),
        "RuntimeError: movedim: repeated dim in `destination` ([0, -2])",
    ),
    (
        "movedim", (3, 4), ([0], [0, 1]),
        "RuntimeError: movedim: Invalid source or destination dims: source ([0] dims) "
        "should contain the same number of dims as destination ([0, 1] dims)",
    ),
    (
        "unsqueeze", (3, 4), (3,),
        "IndexError: Dimension out of range (expected to be in range of [-3, 2], but got 3)",
    ),
    (
        "squeeze", (3, 4), ([2],),
        "IndexError: Dimension out of range (expected to be in range of [-2, 1], but got 2)",
    ),
    (
        "squeeze", (3, 4), ([0, 0],),
        "RuntimeError: dim 0 appears multiple times in the list of dims",
    ),
    ("view", (3, 4), ([2, 5],), "RuntimeError: shape '[2, 5]' is invalid for input of size 12"),
    ("view", (3, 4), ([5, -1],), "RuntimeError: shape '[5, -1]' is invalid for input of size 12"),
    (
        "view", (3, 4), ([2**62, 2**62],),
        "RuntimeError: shape '[4611686018427387904, 4611686018427387904]' is invalid for "
        "input of size 12",
    ),
    ("view", (3, 4), ([-1, -1],), "RuntimeError: only one dimension can be inferred"),
    (
        "view", (3, 4), ([-2, 3],),
        "RuntimeError: invalid shape dimension -2 at index 0 of shape [-2, 3]",
    ),
    (
        "reshape", (0, 3), ([-1, 0],),
        "RuntimeError: cannot reshape tensor of 0 elements into shape [-1, 0] because the "
        "unspecified dimension size -1 can be any value and is ambiguous",
    ),
    ("view", (1,), ([1] * 33,), "RuntimeError: a tensor may have at most 32 dimensions, found 33"),
    (
        "expand", (3, 4), ([2],),
        "RuntimeError: expand(torch.DoubleTensor{[3, 4]}, size=[2]): the number of sizes "
        "provided (1) must be greater or equal to the number of dimensions in the tensor "
        "(2)",
    ),
    (
        "expand", (3, 4), ([5, 4],),
        "RuntimeError: The expanded size of the tensor (5) must match the existing size "
        "(3) at non-singleton dimension 0.  Target sizes: [5, 4].  Tensor sizes: [3, 4]",
    ),
    (
        "expand", (3, 4), ([-1, 3, 4],),
        "RuntimeError: The expanded size of the tensor (-1) isn't allowed in a leading, "
        "non-existing dimension 0",
    ),
    (
        "expand", (3, 4), ([2, -2, 4],),
        "RuntimeError: The expanded size of the tensor (-2) must match the existing size "
        "(3) at non-singleton dimension 1.  Target sizes: [2, -2, 4].  Tensor sizes: [3, 4]",
    ),
    (
        "flatten", (3, 4), (1, 0),
        "RuntimeError: flatten() has invalid args: start_dim cannot come after end_dim",
    ),
    (
        "flatten", (3, 4), (0, 2),
        "IndexError: Dimension out of range (expected to be in range of [-2, 1], but got 2)",
    ),
    (
        "unflatten", (3, 4), (0, [2, 2]),
        "RuntimeError: unflatten: Provided sizes [2, 2] don't multiply up to the size of "
        "dim 0 (3) in the input tensor",
    ),
    (
        "unflatten", (3, 4), (0, [-1, 0]),
        "RuntimeError: unflatten: Provided sizes [-1, 0] don't multiply up to the size of "
        "dim 0 (3) in the input tensor",
    ),
    (
        "unflatten", (3, 4), (0, [-3, -1]),
        "RuntimeError: unflatten: Provided sizes [-3, -1] don't multiply up to the size of "
        "dim 0 (3) in the input tensor",
    ),
    ("unflatten", (3, 4), (0, []), "RuntimeError: unflatten: sizes must be non-empty"),
    ("diagonal", (3, 4), (0, 0, 0), "RuntimeError: diagonal dimensions cannot be identical 0, 0"),
    (
        "diagonal", (3,), (0, 0, 1),
        "IndexError: Dimension out of range (expected to be in range of [-1, 0], but got 1)",
    ),
    (
        "unfold", (3, 4), (0, 5, 1),
        "RuntimeError: maximum size for tensor at dimension 0 is 3 but size is 5",
    ),
    ("unfold", (3, 4), (0, 2, 0), "RuntimeError: step is 0 but must be > 0"),
    ("unfold", (3, 4), (0, -1, 1), "RuntimeError: size is -1 but must be >= 0"),
    (
        "mT", (3,), (),
        "RuntimeError: tensor.mT is only supported on matrices or batches of matrices. Got "
        "1-D tensor.",
    ),
    (
        "H", (2, 3, 4), (),
        "RuntimeError: tensor.H is only supported on matrices (2-D tensors). Got 3-D "
        "tensor.",
    ),
    (
        "as_strided", (3, 4), ([2], [1, 1], None),
        "RuntimeError: mismatch in length of strides and shape",
    ),
    (
        "as_strided", (3, 4), ([2], [-1], None),
        "RuntimeError: as_strided: Negative strides are not supported at the moment, got "
        "strides: [-1]",
    ),
    (
        "as_strided", (3, 4), ([20], [1], None),
        "RuntimeError: setStorage: sizes [20], strides [1], storage offset 0, and itemsize "
        "8 requiring a storage size of 160 are out of bounds for storage of size 96",
    ),
    (
        "as_strided", (3, 4), ([-2], [1], None),
        "RuntimeError: Storage size calculation overflowed with sizes=[-2] and strides=[1]",
    ),
    ("as_strided", (3, 4), ([2], [1], -1), "RuntimeError: Tensor: invalid storage offset -1"),
    (
        "as_strided", (3, 4), ([2**40], [2**40], None),
        "RuntimeError: Storage size calculation overflowed with sizes=[1099511627776] and "
        "strides=[1099511627776]",
    ),
]  # fmt: skip


@pytest.mark.parametrize("name, shape, args, message", ERRORS)
def test_errors_read_as_pytorchs(lib, name, shape, args, message):
    t = lib.own(shape)
    with pytest.raises(LookupError) as caught:
        lib.call(name, t, *args)
    assert str(caught.value.args[0]) == message
    lib.drop(t)


def test_an_error_after_a_copy_frees_the_copy(lib):
    x = np.arange(6.0).reshape(2, 3).T
    t = lib.tensor(x)
    with pytest.raises(LookupError, match="invalid for input of size 6"):
        lib.call("reshape", t, [4])
    r = lib.call("ravel", t)
    assert not r.flags & OPS_VIEW and r.refcount == 1
    np.testing.assert_array_equal(lib.array(r), x.reshape(-1))
    lib.drop(r, t)


def test_more_dims_than_fit_inline(lib):
    t = lib.own([2, 3])
    r = lib.call("view", t, [1] * 15 + [2] + [1] * 15 + [3])
    assert r.ndim == 32
    s = lib.call("squeeze", r, None)
    assert lib.array(s).shape == (2, 3) and lib.strides(s) == (3, 1)
    with pytest.raises(LookupError, match="at most 32 dimensions"):
        lib.call("unsqueeze", r, 0)
    lib.drop(s, r, t)


# as_strided --------------------------------------------------------------------------------------


def filled(lib, shape):
    t = lib.own(shape)
    a = lib.array(t)
    a[...] = np.arange(a.size).reshape(shape) + 1
    return t


def test_as_strided_reads_the_storage(lib):
    t = filled(lib, [4, 5])
    part = lib.call("slice", t, 0, 1, 3, 1)
    turned = lib.call("transpose", part, 0, 1)
    flat = np.arange(20.0) + 1
    for base in (t, part, turned):
        r = lib.call("as_strided", base, [2, 3], [7, 2], 1)
        np.testing.assert_array_equal(lib.array(r), as_strided(flat[1:], (2, 3), (56, 16)))
        lib.drop(r)
    r = lib.call("as_strided", turned, [3], [1], None)
    np.testing.assert_array_equal(lib.array(r), flat[5:8])
    lib.drop(r, turned, part, t)


def test_as_strided_adjoint_through_any_layout(lib):
    rng = np.random.default_rng(7)
    t = filled(lib, [4, 5])
    part = lib.call("slice", t, 0, 1, 3, 1)
    turned = lib.call("transpose", part, 0, 1)
    size, stride, offset = [2, 3, 2], [6, 2, 1], 3
    for like in (t, part, turned):
        shape = lib.array(like).shape
        x, g = rng.integers(-9, 9, shape) * 1.0, rng.integers(-9, 9, size) * 1.0
        tx, tg = lib.tensor(x), lib.tensor(g)
        laid = lib.checked(lib.lib.opsk_lay_out(tx, like))
        assert lib.strides(laid) == lib.strides(like)
        y = lib.call("as_strided", laid, size, stride, offset)
        back = lib.adjoint("as_strided", tg, like, size, stride, offset)
        np.testing.assert_array_equal(lib.array(laid), x)
        assert (lib.array(y) * g).sum() == (lib.array(back) * x).sum()
        assert not back.flags & OPS_VIEW
        lib.drop(back, y, laid, tg, tx)
    wide = lib.call("expand", t, [2, 4, 5])
    tg = lib.own(size)
    with pytest.raises(LookupError, match="elements share memory"):
        lib.adjoint("as_strided", tg, wide, size, stride, offset)
    lib.drop(tg, wide, turned, part, t)


# Adjoints ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEFAULT_ADJOINT)
def test_adjoint_is_the_transpose_of_the_view(lib, name):
    """<view(x), g> = <x, adjoint(g)>, exactly: the numbers are small integers."""
    rng = np.random.default_rng(3)
    for x, args, expected in rounds(name, 200):
        g = np.asarray(rng.integers(-9, 10, expected.shape), np.float64)
        g = g.T.copy().T if rng.integers(2) else g
        t, tg = lib.tensor(x), lib.tensor(g)
        r = lib.adjoint(name, tg, t, *args)
        got = lib.array(r)
        assert got.shape == x.shape and r.flags & (OPS_VIEW | OPS_CONTIGUOUS) == OPS_CONTIGUOUS
        assert (expected * g).sum() == (got * x).sum()
        positions = np.arange(float(x.size)).reshape(x.shape)
        tp = lib.tensor(positions)
        seen = lib.call(name, tp, *args)
        scattered = np.zeros(x.size)
        np.add.at(scattered, lib.array(seen).astype(int).ravel(), g.ravel())
        np.testing.assert_array_equal(got.ravel(), scattered)
        lib.drop(seen, tp, r, tg, t)


@pytest.mark.parametrize("code", [d.code for d in dtypes.TABLE if d.numpy])
def test_overlapping_adjoint_of_every_dtype(lib, code):
    """Sums are rounded once: 2048 + 1 + 1 is exact in float16 only in a wider sum."""
    row = dtypes.BY_CODE[code]
    g = np.ones((6, 3), row.numpy)
    if code == "f16":
        g[0, 2], g[1, 1], g[2, 0] = 2048, 1, 1
    x = np.zeros(8, row.numpy)
    t, tg = lib.tensor(x), lib.tensor(g)
    r = lib.adjoint("unfold", tg, t, 0, 3, 1)
    expected = np.zeros(8)
    for k in range(6):
        expected[k : k + 3] += g[k]
    np.testing.assert_array_equal(lib.array(r), expected.astype(row.numpy))
    lib.drop(r, tg, t)


def test_large_adjoint_runs_in_parallel(lib):
    rng = np.random.default_rng(5)
    g = rng.integers(-9, 9, (64, 255, 512)).astype(np.float32)
    x = np.zeros((64, 512 + 254 * 2), np.float32)
    t, tg = lib.tensor(x), lib.tensor(g)
    r = lib.adjoint("unfold", tg, t, 1, 512, 2)
    for k in range(255):
        x[:, 2 * k : 2 * k + 512] += g[:, k]
    np.testing.assert_array_equal(lib.array(r), x)
    lib.drop(r, tg, t)


def test_accumulate_into_repeated_elements(lib):
    rng = np.random.default_rng(6)
    for shape, stride in (
        ((4, 5), (0, 1)), ((4, 5), (1, 0)), ((3, 4), (1, 1)), ((3,), (0,)), ((2, 3, 4), (2, 0, 3)),
    ):  # fmt: skip
        base = rng.integers(0, 9, 40).astype(np.float32)
        x = rng.integers(0, 9, shape).astype(np.float64)
        expected = base.copy()
        np.add.at(expected, sum(i * s for i, s in zip(np.indices(shape), stride, strict=True)), x)
        to = lib.tensor(as_strided(base, shape, [4 * s for s in stride]))
        tx = lib.tensor(x)
        assert lib.lib.ops_tensor_accumulate(to, tx)
        np.testing.assert_array_equal(base, expected)
        lib.drop(to, tx)


def test_gradient_of_another_shape_is_refused(lib):
    t, g = lib.own([3, 4]), lib.own([3])
    with pytest.raises(LookupError, match=r"a view of shape \[4\] cannot have shape \[3\]"):
        lib.adjoint("select", g, t, 0, 1)
    with pytest.raises(LookupError, match="index 9 out of range"):
        lib.adjoint("select", g, t, 0, 9)
    with pytest.raises(LookupError, match="negative dimension"):
        lib.checked(lib.lib.opsk_select_adjoint(g, 1, lib.ints([-3]), 0, 0))
    lib.drop(g, t)


# The language ------------------------------------------------------------------------------------


def lowered(formula, schema="f(Tensor input, int dim, int? end=None)", extra=""):
    quoted = formula.replace("'", "''")
    (op,) = registry.parse(f"- op: {schema} -> Tensor\n  view: '{quoted}'\n{extra}", "ops.yaml")
    return view.render_context(op)


@pytest.mark.parametrize(
    "formula, message",
    [
        ("swop(dim, end)", "ops.yaml:2:10: op 'f': view: unknown primitive 'swop'"),
        ("swop(dim, end)", "did you mean 'swap'?"),
        ("[swap(dim, 0), 3]", "2:25: op 'f': view: expected a primitive, found '3'"),
        (
            "swap(dim, din)",
            "2:20: op 'f': view: reads 'din'; in scope are dim, end, ndim, input.ndim; did "
            "you mean 'dim'?",
        ),
        ("swap(dim, end)", "2:20: op 'f': view: 'end' may be None here; test 'end is None' first"),
        ("swap(dim)", "argument 'dim1' of swap(int dim0, int dim1) is missing"),
        ("swap(dim, 0, 1)", "too many arguments for swap(int dim0, int dim1)"),
        (
            "swap(dim, dim2=0)",
            "argument 'dim2' of swap(int dim0, int dim1) is unknown; did you mean 'dim1'?",
        ),
        ("swap(dim, 1.5)", "'1.5' is not an integer"),
        ("permute(dim)", "'dim' is not a list; write [dim]"),
        ("swap(dim, log(2))", "'log' is no integer function; known are size, stride"),
        ("swap(dim, dim / 2)", "'dim / 2' is not an integer"),
        ("select(dim, 0)", "view: parameter 'end' is not read"),
        ("slice(dim is None, 0, end)", "'dim' is never None"),
        ("[]", "expected one primitive or a list"),
        (
            "[select(dim, 0 if end is None else end), dense()]",
            "a view that may copy declares its 'transpose'",
        ),
        ("require(dim > 0)", "expected require(condition, 'text')"),
    ],
)  # fmt: skip
def test_mistakes_are_reported_in_place(formula, message):
    with pytest.raises(RegistryError) as caught:
        lowered(formula)
    assert message in str(caught.value)


def test_a_view_takes_integers_only():
    with pytest.raises(RegistryError, match="'Tensor other' is neither int"):
        lowered("same()", "f(Tensor input, Tensor other)")


def test_expressions_between_primitives(tmp_path):
    c = lowered(
        "[select(dim, size(dim) // 2), "
        "slice(-1, min(1, stride(0) % 2), end, 1 if ndim > 1 else 2), "
        "insert(input.ndim - 1, 1, 0) if end is None and not dim < -1 else same()]"
    )
    assert c.steps == (
        "ops_view_select(view, dim, ops_view_floor_divide(view, ops_view_size(view, dim), 2))",
        "ops_view_slice(view, -1, "
        "ops_view_min(1, ops_view_remainder(view, ops_view_stride(view, 0), 2)), "
        "end, (view->ndim > 1) ? 1 : 2)",
        "(((end == OPS_NO_INT) && !(dim < -1)) ? "
        "ops_view_insert(view, input_ndim - 1, 1, 0) : ops_view_same(view))",
    )
    (tmp_path / "f.c").write_text(render("c/view.c.j2", c))
    flags = "-std=gnu11 -O2 -Wall -Wextra -Werror -fsyntax-only".split()
    dtype_text.write(tmp_path)
    include = [f"-I{RUNTIME / 'include'}", f"-I{tmp_path}"]
    subprocess.run(["cc", *flags, *include, str(tmp_path / "f.c")], check=True)


def test_checks_of_the_entry_come_first():
    c = lowered("slice(dim, 0, end)", extra="  check: {dim >= 0: ValueError}\n")
    assert c.steps[0] == '(!(dim >= 0) && ops_view_refuse(OPS_VALUE_ERROR, "f: expected dim >= 0"))'


@pytest.mark.parametrize("name", sorted(OPS))
def test_every_view_has_a_transpose(name):
    op = view.with_adjoint(OPS[name])
    assert set(op.transpose) == {"input"}
    if view.has_adjoint(OPS[name]):
        adjoint = view.adjoint_op(OPS[name])
        assert adjoint.hidden and set(adjoint.transpose) == {"grad_output"}
        assert f"opsk_{adjoint.name}(" in view.declarations(OPS[name])[1]
