# ruff: noqa: E501 (a mistake and its message stand on one line)
"""Generated C of index notation, compiled with the runtime, against the plain reading.

Arrays in, arrays out, through the ABI that entry points use; both autograd-free.
"""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import cffi
import numpy as np
import pytest

from opsmithc import dtype_text, dtypes, emit, paths, registry
from opsmithc.derive import index
from opsmithc.lower import families
from opsmithc.lower import index as lower
from opsmithc.readings import index as reading

FLAGS = (
    "-std=gnu11 -O2 -march=native -fPIC -fwrapv -fno-math-errno -fno-trapping-math "
    "-Wall -Wextra -Werror"
).split()
CDEF = """
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
typedef struct ops_scalar { double f; int64_t i; } ops_scalar;
extern ops_tensor ops_none;
extern double ops_more[16];
ops_tensor *ops_tensor_new(int dtype, int device, int ndim, const int64_t *shape);
ops_tensor *ops_tensor_foreign(int dtype, int ndim, const int64_t *shape, const int64_t *stride,
                               char *data, int readonly, void *release, void *owner);
void ops_tensor_free(ops_tensor *t);
int ops_take_status(void);
const char *ops_error_text(void);
int64_t ops_live_tensors(void);
void ops_set_num_threads(int n);
"""
CODES = {d.numpy: k for k, d in enumerate(dtypes.TABLE) if d.numpy}
NAMES = {k: d.numpy for k, d in enumerate(dtypes.TABLE)}
NONE = -(2**63)
ERRORS = {1: RuntimeError, 2: IndexError, 3: TypeError, 4: ValueError, 5: NotImplementedError}
META = 1


# Formulas that no public op has: three factors, a value beyond the edge, folds other than sum and
# max, windows without channels, terms that are not linear, transposition.
TOYS = """
- op: bilinear(Tensor input, Tensor weight, Tensor other) -> Tensor
  index: out[b, o] = sum(input[b, i] * weight[o, i, j] * other[b, j] for i in I for j in J)
  dtype: same
  samples: [{input: [2, 3], weight: [4, 3, 5], other: [2, 5]}]
- op: shifted(Tensor input) -> Tensor
  dims: {input: [N, I], out: [N, I]}
  index: out[n, i] = input[n, i - 1]
  outside: {input: 7}
  dtype: same
  samples: [{input: [3, 5]}]
- op: smallest(Tensor input) -> Tensor
  index: out[i] = min(input[i, k] for k in K)
  dtype: same
  samples: [{input: [3, 5]}, {input: [0, 5]}]
- op: multiplied(Tensor input) -> Tensor
  index: out[j] = prod(input[i, j] for i in I)
  dtype: same
  unsupported: {backward: no derivative by definition}
  samples: [{input: [3, 5]}]
- op: blurred(Tensor input, Tensor weight, int step) -> Tensor
  dims: {input: [I], weight: [K], out: [I]}
  index: out[i] = sum(input[i + k*step - 1] * weight[k] for k in K) + input[i]
  outside: {input: 0}
  dtype: same
  grad: {input: g}
  samples: [{input: [9], weight: [3], step: 1}, {input: [9], weight: [3], step: 3}]
- op: distances(Tensor input, Tensor other) -> Tensor
  index: out[i, j] = sum((input[i, k] - other[j, k]) * (input[i, k] - other[j, k]) for k in K)
  dtype: same
  samples: [{input: [3, 4], other: [2, 4]}]
- op: turned(Tensor input) -> Tensor
  index: out[k, j, i] = input[i, j, k]
  dtype: same
  samples: [{input: [2, 3, 4]}]
"""


def load_index_ops():
    """The entries in index notation alone: bodies call ops of other families."""
    waiting = paths.PACKAGE / "_wip" / "index.yaml"
    text = (waiting if waiting.exists() else paths.OPS_YAML).read_text(encoding="utf-8")
    entries = re.split(r"(?m)^(?=- op: )", text)
    kept = [e for e in entries if re.search(r"(?m)^  index: ", e)]
    return {op.name: op for op in registry.parse("".join(kept) + TOYS, "ops.yaml")}


OPS = load_index_ops()
ALL = {a.name: a for op in OPS.values() for a in (op, *index.adjoint_ops(op))}
CASES = [(name, k) for name, op in OPS.items() for k in range(len(op.samples))]


class Library:
    """The compiled ops; calls take and give NumPy arrays."""

    def __init__(self, path):
        self.ffi = cffi.FFI()
        self.ffi.cdef(CDEF)
        for op in ALL.values():
            params = ", ".join(lower.c_params(op)[0])
            self.ffi.cdef(f"ops_tensor *opsk_{op.name}({params});")
            if lower.render_context(op).inplace:
                self.ffi.cdef(f"ops_tensor *opsk_{op.name}_inplace({params});")
        self.c = self.ffi.dlopen(str(path))

    def tensor(self, array, device=0):
        if array is None:
            return self.ffi.addressof(self.c, "ops_none")
        if device == META:
            return self.c.ops_tensor_new(CODES[array.dtype.name], META, array.ndim, array.shape)
        stride = [s // array.itemsize for s in array.strides]
        data = self.ffi.cast("char *", array.ctypes.data)
        null = self.ffi.NULL
        return self.c.ops_tensor_foreign(
            CODES[array.dtype.name], array.ndim, array.shape, stride, data, 0, null, null
        )

    def array(self, t):
        dtype = np.dtype(NAMES[t.dtype])
        shape = [t.shape[d] for d in range(t.ndim)]
        if t.numel == 0:
            return np.empty(shape, dtype)
        assert [t.stride[d] for d in range(t.ndim)] == contiguous(shape)
        flat = np.frombuffer(self.ffi.buffer(t.data, t.numel * dtype.itemsize), dtype)
        return flat.reshape(shape).copy()

    def run(self, op, tensors, params, suffix="", device=0):
        """Outputs as arrays (shapes, on the meta device); errors are raised."""
        args, held = [], []
        for p in op.schema.params:
            value = params.get(p.name)
            if p.type.base == "Tensor":
                held.append(self.tensor(tensors[p.name], device))
                args.append(held[-1])
            elif p.type.is_list and value is None:
                args += [-1, self.ffi.NULL]
            elif p.type.is_list:
                args += [len(value), self.ffi.new("int64_t[]", list(value))]
            elif p.type.base == "Scalar":
                args.append(self.ffi.new("ops_scalar *", [float(value), int(value)])[0])
            else:
                args.append(NONE if value is None else value)
        out = getattr(self.c, f"opsk_{op.name}{suffix}")(*args)
        if out == self.ffi.NULL:
            self.drop(held)
            raise ERRORS[self.c.ops_take_status()](
                self.ffi.string(self.c.ops_error_text()).decode()
            )
        results = [out]
        if len(op.schema.outputs) > 1:
            results.append(self.ffi.cast("ops_tensor *", int(self.c.ops_more[1])))
        if device == META:
            found = tuple(tuple(t.shape[d] for d in range(t.ndim)) for t in results)
        else:
            found = tuple(self.array(t) for t in results)
        self.drop([*results, *held])
        return found

    def drop(self, tensors):
        none = self.ffi.addressof(self.c, "ops_none")
        for t in tensors:
            if t != none:
                t.refcount -= 1
                if t.refcount == 0:
                    self.c.ops_tensor_free(t)


def contiguous(shape):
    """Row-major strides as the runtime counts them: dims of size 0 count as 1."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return strides[::-1]


@pytest.fixture(scope="module")
def lib(tmp_path_factory):
    work = tmp_path_factory.mktemp("index")
    sources = [dtype_text.write(work), *families.runtime_sources(work)]
    for op in ALL.values():
        path = work / f"{op.name}.c"
        path.write_text(emit.render("c/index.c.j2", lower.render_context(op)), encoding="utf-8")
        sources.append(path)

    def build(source):
        target = work / f"{source.stem}.o"
        include = [f"-I{paths.RUNTIME / 'include'}", f"-I{paths.RUNTIME / 'cpu'}", f"-I{work}"]
        command = [
            os.environ.get("CC", "gcc"),
            *FLAGS,
            *include,
            "-c",
            str(source),
            "-o",
            str(target),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return target

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(build, sources))
    library = work / "libindex.so"
    subprocess.run(
        ["gcc", "-shared", "-Wl,-Bsymbolic", *map(str, objects), "-o", str(library), "-lm", "-lpthread"], check=True
    )
    return Library(library)


def arguments(op, sample, rng, floats=np.float64):
    """Tensors and parameters of a sample; `int_range` bounds positions."""
    tensors, params = {}, {}
    low, high = sample.get("int_range", (0, 2))
    for p in op.schema.params:
        value = sample.get(p.name)
        if p.type.base == "Tensor" and value is None:
            tensors[p.name] = None
        elif p.type.base == "Tensor" and op.dtype.classes.get(p.name) == "integral":
            tensors[p.name] = rng.integers(low, high, value)
        elif p.type.base == "Tensor":
            data = (
                rng.normal(size=value)
                if np.issubdtype(floats, np.floating)
                else rng.integers(0, 5, value)
            )
            tensors[p.name] = np.asarray(data).astype(floats)
        else:
            value = sample.get(p.name, registry.literal(p.default or "None"))
            one = p.type.is_list and p.type.length and isinstance(value, int)
            params[p.name] = [value] * p.type.length if one else value
    return tensors, params


def expected(op, tensors, params):
    wide = {
        k: a if a is None or op.dtype.classes.get(k) else a.astype(np.float64)
        for k, a in tensors.items()
    }
    return reading.run(index.analyse(op), wide, params)


def compare(got, want, dtype, name):
    tolerance = {"float64": 1e-12, "float32": 1e-5, "float16": 5e-3}.get(np.dtype(dtype).name, 0)
    assert got[0].dtype == (dtype if index.differentiable(ALL[name]) else np.int64), name
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape, name
        if np.issubdtype(a.dtype, np.integer):  # overflow wraps
            b = b.astype(np.int64).astype(a.dtype)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize(("name", "k"), CASES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_forward(lib, name, k, dtype):
    op, rng = OPS[name], np.random.default_rng(k)
    tensors, params = arguments(op, op.samples[k], rng, dtype)
    before = lib.c.ops_live_tensors()
    compare(lib.run(op, tensors, params), expected(op, tensors, params), dtype, name)
    assert lib.c.ops_live_tensors() == before


@pytest.mark.parametrize(("name", "k"), CASES)
def test_strided_operands(lib, name, k):
    op, rng = OPS[name], np.random.default_rng(k)
    tensors, params = arguments(op, op.samples[k], rng)
    want = expected(op, tensors, params)
    turned = {n: a if a is None else np.asarray(a.T.copy().T[...]) for n, a in tensors.items()}
    compare(lib.run(op, turned, params), want, np.float64, name)
    spread = {
        n: a if a is None or a.ndim == 0 else np.repeat(a, 2, -1)[..., ::2]
        for n, a in tensors.items()
    }
    compare(lib.run(op, spread, params), want, np.float64, name)


INTEGERS = [
    n
    for n, op in OPS.items()
    if lower.render_context(op).by_size or "NULL" not in lower.render_context(op).table[:4]
]


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int16, np.uint8])
def test_integers(lib, name, dtype):
    op, rng = OPS[name], np.random.default_rng(0)
    tensors, params = arguments(op, op.samples[0], rng, dtype)
    params = {k: int(v) if isinstance(v, float) else v for k, v in params.items()}
    compare(lib.run(op, tensors, params), expected(op, tensors, params), dtype, name)


@pytest.mark.parametrize(("name", "k"), CASES)
def test_meta_has_the_shape(lib, name, k):
    op, rng = OPS[name], np.random.default_rng(k)
    tensors, params = arguments(op, op.samples[k], rng)
    want = tuple(a.shape for a in expected(op, tensors, params))
    assert lib.run(op, tensors, params, device=META) == want


def adjoint_cases():
    for name, op in OPS.items():
        for k in range(len(op.samples)):
            for a in ALL.values():
                if a.name.startswith(f"{name}_adjoint_") and index.is_adjoint(a):
                    yield name, k, a.name


@pytest.mark.parametrize(("name", "k", "adjoint"), list(adjoint_cases()))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_adjoints(lib, name, k, adjoint, dtype):
    op, a, rng = OPS[name], ALL[adjoint], np.random.default_rng(k)
    tensors, params = arguments(op, op.samples[k], rng, dtype)
    tensor = adjoint.removeprefix(f"{name}_adjoint_").removesuffix("_adjoint_grad_output")
    if tensors.get(tensor) is None:
        pytest.skip(f"the sample has no {tensor}")
    results, own = expected(op, tensors, params), tensors[tensor].shape
    out = results[0].shape
    known = tensors | dict(zip(op.schema.outputs[1:], results[1:], strict=True))
    if adjoint.endswith("_adjoint_grad_output"):
        out, own = own, out
    inner = {p.name: known.get(p.name) for p in a.schema.tensors}
    inner["grad_output"] = rng.normal(size=out).astype(dtype)
    values = {**params, "size": list(own)}
    before = lib.c.ops_live_tensors()
    compare(lib.run(a, inner, values), expected(a, inner, values), dtype, adjoint)
    assert lib.c.ops_live_tensors() == before


def test_places_beyond_the_edge_are_skipped(lib):
    """No check has looked at the places that an op returned to itself: writes must stay inside."""
    op = ALL["max_pool2d_with_indices_adjoint_input"]
    places = np.array([[[-1, 5], [6, 2**40]]])
    inner = {"grad_output": np.full((1, 2, 2), 2.0), "indices": places}
    params = {
        "size": [1, 2, 3], "kernel_size": [1, 1], "stride": None, "padding": [0, 0],
        "dilation": [1, 1], "ceil_mode": False,
    }  # fmt: skip
    (found,) = lib.run(op, inner, params)
    assert found.tolist() == [[[0, 0, 0], [0, 0, 2]]]
    back = ALL["max_pool2d_with_indices_adjoint_input_adjoint_grad_output"]
    inner["grad_output"] = np.arange(1.0, 7.0).reshape(1, 2, 3)
    (found,) = lib.run(back, inner, params | {"size": [1, 2, 2]})
    assert found.tolist() == [[[0, 6], [0, 0]]]


@pytest.mark.parametrize("name", [n for n, op in OPS.items() if index.analyse(op).start])
@pytest.mark.parametrize("dtype", [np.float64, np.float16])
@pytest.mark.parametrize("turned", [False, True])
def test_in_place(lib, name, dtype, turned):
    op, rng = OPS[name], np.random.default_rng(1)
    tensors, params = arguments(op, op.samples[0], rng, dtype)
    want = expected(op, tensors, params)
    if turned:
        tensors["input"] = np.asfortranarray(tensors["input"])
    data = tensors["input"]
    if not turned:
        compare(lib.run(op, tensors, params, "_inplace"), want, dtype, name)
    else:
        with pytest.raises(AssertionError):  # the result is the strided input itself
            lib.run(op, tensors, params, "_inplace")
    compare((data,), want, dtype, name)


def test_empty_operands(lib):
    mm = OPS["mm"]
    for shapes in (((0, 3), (3, 2)), ((2, 3), (3, 0)), ((2, 0), (0, 3))):
        a, b = (np.ones(s) for s in shapes)
        compare(lib.run(mm, {"input": a, "mat2": b}, {}), (a @ b,), np.float64, "mm")
    weight = np.ones((4, 3))
    none = np.zeros((0,), np.int64)
    for op, tensors, params in (
        ("embedding", {"input": none, "weight": weight}, {"padding_idx": None}),
        ("index_select", {"input": weight, "index": none}, {"dim": 0}),
    ):
        assert lib.run(OPS[op], tensors, params)[0].shape == (0, 3)
    size = {"size": [4, 3], "padding_idx": None}
    (zero,) = lib.run(
        ALL["embedding_adjoint_weight"], {"grad_output": np.ones((0, 3)), "input": none}, size
    )
    assert not zero.any()


def test_the_last_of_equal_positions_stays_at_any_thread_count(lib):
    rng = np.random.default_rng(0)
    index_, src = rng.integers(0, 50, (4000, 30)), rng.normal(size=(4000, 30))
    found = []
    for threads in (1, 2):
        lib.c.ops_set_num_threads(threads)
        tensors = {"input": np.zeros((50, 30)), "index": index_, "src": src}
        found.append(lib.run(OPS["scatter"], tensors, {"dim": 0})[0])
        found.append(lib.run(OPS["scatter_add"], tensors, {"dim": 0})[0])
    assert (found[0] == found[2]).all() and (found[1] == found[3]).all()
    last = np.zeros((50, 30))
    for m in range(4000):
        last[index_[m], np.arange(30)] = src[m]
    assert (found[0] == last).all()


def test_nan_and_ties_in_max_pool(lib):
    op = OPS["max_pool2d_with_indices"]
    params = {
        "kernel_size": [2, 2],
        "stride": None,
        "padding": [0, 0],
        "dilation": [1, 1],
        "ceil_mode": False,
    }
    x = np.array([[[1.0, np.nan, 3.0, 3.0], [2.0, 0.0, 3.0, 3.0]]])
    values, where = lib.run(op, {"input": x}, params)
    assert np.isnan(values[0, 0, 0]) and where[0, 0, 0] == 1
    assert values[0, 0, 1] == 3.0 and where[0, 0, 1] == 2  # the first of equals
    (plain,) = lib.run(OPS["max_pool2d"], {"input": x}, params)
    np.testing.assert_array_equal(plain, values)
    (low,) = lib.run(OPS["max_pool2d"], {"input": np.full((1, 2, 2), -np.inf)}, params)
    assert low[0, 0, 0] == -np.inf


O = np.ones  # noqa: E741
CONV = {"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "groups": 1}
POOL = {
    "kernel_size": [2, 2],
    "stride": None,
    "padding": [0, 0],
    "dilation": [1, 1],
    "ceil_mode": False,
}
MISTAKES = [
    ("mm", [O((2, 3)), O((4, 5))], {}, RuntimeError, "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"),
    ("mm", [O(2), O((4, 5))], {}, RuntimeError, "self must be a matrix"),
    ("mm", [O((2, 3)), O(3)], {}, RuntimeError, "mat2 must be a matrix"),
    ("mm", [O((2, 3), np.float32), O((3, 5))], {}, RuntimeError, "expected m1 and m2 to have the same dtype, but got: float != double"),
    ("mm", [O((2, 3), bool), O((3, 5), bool)], {}, NotImplementedError, '"mm" not implemented for \'Bool\''),
    ("bmm", [O((2, 3, 4)), O((3, 4, 5))], {}, RuntimeError, "Expected size for first two dimensions of batch2 tensor to be: [2, 4] but got: [3, 4]."),
    ("dot", [O(3), O(4)], {}, RuntimeError, "inconsistent tensor size, expected tensor [3] and src [4] to have the same number of elements, but got 3 and 4 elements respectively"),
    ("mv", [O((2, 3)), O(4)], {}, RuntimeError, "size mismatch, got input (2), mat (2x3), vec (4)"),
    ("linear", [O((2, 2, 3)), O((5, 4)), None], {}, RuntimeError, "mat1 and mat2 shapes cannot be multiplied (4x3 and 4x5)"),
    ("conv2d", [O((2, 3)), O((5, 3, 2, 2)), None], CONV, RuntimeError, "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [2, 3]"),
    ("conv2d", [O((2, 4, 5, 5)), O((5, 3, 2, 2)), None], CONV, RuntimeError, "Given groups=1, weight of size [5, 3, 2, 2], expected input[2, 4, 5, 5] to have 3 channels, but got 4 channels instead"),
    ("conv2d", [O((2, 3, 1, 1)), O((5, 3, 2, 2)), None], CONV, RuntimeError, "Calculated padded input size per channel: (1 x 1). Kernel size: (2 x 2). Kernel size can't be greater than actual input size"),
    ("conv2d", [O((2, 3, 5, 5)), O((5, 3, 2, 2)), O(4)], CONV, RuntimeError, "Given weight of size [5, 3, 2, 2], expected bias to be 1-dimensional with 5 elements, but got bias of size [4] instead"),
    ("conv2d", [O((2, 3, 5, 5)), O((5, 3, 2, 2)), None], {**CONV, "stride": [0, 1]}, RuntimeError, "non-positive stride is not supported"),
    ("max_pool2d", [O((3, 3))], POOL, RuntimeError, "non-empty 3D or 4D (batch mode) tensor expected for input"),
    ("max_pool2d", [O((1, 3, 3, 3))], {**POOL, "kernel_size": [5, 5]}, RuntimeError, "Given input size: (3x3x3). Calculated output size: (3x0x0). Output size is too small"),
    ("max_pool2d", [O((1, 3, 3, 3))], {**POOL, "padding": [2, 2]}, RuntimeError, "pad should be at most half of effective kernel size, but got pad=2, kernel_size=2 and dilation=1"),
    ("max_pool2d", [O((1, 3, 3, 3))], {**POOL, "stride": [0, 0]}, RuntimeError, "stride should not be zero"),
    ("embedding", [np.array([5]), O((3, 3))], {"padding_idx": None}, IndexError, "index out of range in self"),
    ("embedding", [np.array([-1]), O((3, 3))], {"padding_idx": None}, IndexError, "index out of range in self"),
    ("gather", [O((3, 3)), np.array([[5]])], {"dim": 0, "sparse_grad": False}, RuntimeError, "index 5 is out of bounds for dimension 0 with size 3"),
    ("gather", [O((3, 3)), np.array([[0]])], {"dim": 2, "sparse_grad": False}, IndexError, "Dimension out of range (expected to be in range of [-2, 1], but got 2)"),
    ("gather", [O((3, 3)), np.array([[0] * 4])], {"dim": 0, "sparse_grad": False}, RuntimeError, "Size does not match at dimension 1 expected index [1, 4] to be no larger than self [3, 3] apart from dimension 0"),
    ("gather", [O((3, 3)), np.array([0])], {"dim": 0, "sparse_grad": False}, RuntimeError, "Index tensor must have the same number of dimensions as input tensor"),
    ("index_select", [O((3, 3)), np.array([3])], {"dim": 0}, IndexError, "index out of range in self"),
    ("index_select", [O((3, 3)), np.array([0.5])], {"dim": 0}, RuntimeError, "index_select(): Expected dtype int32 or int64 for index"),
    ("take", [O((3, 3)), np.array([9])], {}, IndexError, "out of range: tried to access index 9 on a tensor of 9 elements."),
    ("scatter", [O((3, 3)), np.array([[5]]), O((3, 3))], {"dim": 0}, RuntimeError, "index 5 is out of bounds for dimension 0 with size 3"),
    ("scatter", [O((3, 3)), np.array([[1]]), O((3, 3), np.float32)], {"dim": 0}, RuntimeError, "scatter(): Expected self.dtype to be equal to src.dtype"),
    ("index_fill", [O((3, 3)), np.array([5])], {"dim": 0, "value": 1}, IndexError, "index 5 is out of bounds for dimension 0 with size 3"),
]  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES, ids=[f"{c[0]}-{k}" for k, c in enumerate(MISTAKES)])
def test_mistakes_read_as_in_pytorch(lib, case):
    name, arrays, params, error, message = case
    op = OPS[name]
    tensors = dict(zip([p.name for p in op.schema.tensors], arrays, strict=True))
    before = lib.c.ops_live_tensors()
    with pytest.raises(error) as caught:
        lib.run(op, tensors, params)
    assert str(caught.value) == message
    assert lib.c.ops_live_tensors() == before
