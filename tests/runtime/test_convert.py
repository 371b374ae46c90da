"""Comes in: runtime/cpu/convert.c, for this machine and for the oldest x86, with what overrides it.
Goes out: verdicts on all 100 dtype pairs, strides, rounding and range, against NumPy.
Must not know: any kernel.
"""

import itertools
import platform

import numpy as np
import pytest

from .ccompile import ROOT, compile_library, ffi

DTYPES = ["f64", "f32", "bf16", "f16", "i64", "i32", "i16", "i8", "u8", "bool"]
STORAGE = dict(
    zip(
        DTYPES,
        [np.float64, np.float32, np.uint16, np.float16, np.int64, np.int32, np.int16, np.int8]
        + [np.uint8, np.bool_],
        strict=True,
    )
)
NAMES = ["Double", "Float", "BFloat16", "Half", "Long", "Int", "Short", "Char", "Byte", "Bool"]
COMPUTE = ["f64", "f32", "f32", "f32", "i64", "i32", "i32", "i32", "i32", "bool"]
PAIRS = list(itertools.product(DTYPES, repeat=2))
FLOATS = ("f64", "f32", "bf16", "f16")
BUILDS = [("native", True), ("native", False)]  # instruction set, with overrides
BUILDS += [("x86-64-v2", False)] if platform.machine() == "x86_64" else []

CDEF = """
extern const int64_t ops_dtype_size[10];
extern const char *const ops_dtype_name[10];
extern const int ops_compute_dtype[10];
void ops_convert(int, int, int64_t n, const void *src, int64_t src_stride, void *dst);
void ops_convert_out(int, int, int64_t n, const void *src, void *dst, int64_t dst_stride);
void ops_override_half(void);
"""


@pytest.fixture(scope="module", params=BUILDS)
def library(request, tmp_path_factory):
    """convert.c for one instruction set: with F16C or the portable half conversion."""
    isa, tuned = request.param
    folder = tmp_path_factory.mktemp("convert")
    files = [ROOT / "runtime" / "cpu" / name for name in ("convert.c", "overrides/half.c")]
    text = "".join(f'#include "{file}"\n' for file in files)
    library = compile_library(folder, "convert", text, CDEF, march=isa)
    if tuned:
        library.ops_override_half()
    return library


def address(array):
    return ffi.cast("void *", array.ctypes.data)


def convert(library, to, from_, src):
    """`src`, with whatever stride it has, to a new contiguous array."""
    out = np.empty(len(src), STORAGE[to])
    stride = src.strides[0] if len(src) else src.itemsize
    library.ops_convert(
        DTYPES.index(to), DTYPES.index(from_), len(src), address(src), stride, address(out)
    )
    return out


# ---- the rules, in NumPy -------------------------------------------------------------------------


def bf16_from_f64(x):
    """Nearest, ties to even, from the exact value: by integers in units of the last bf16 place."""
    x = np.asarray(x, np.float64)
    with np.errstate(all="ignore"):
        exponent = np.maximum(np.frexp(x)[1] - 8, -133)  # 8 bits, and the denormals' last place
        rounded = np.ldexp(np.rint(np.ldexp(x, -exponent)), exponent)
        rounded = np.where(np.isfinite(x), rounded, x).astype(np.float32)
    return np.ascontiguousarray(rounded).view(np.uint32) >> 16


@np.errstate(all="ignore")
def f64_from_bf16(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def expected(to, from_, src):
    """What convert.h promises."""
    if to == from_:
        return src
    value = f64_from_bf16(src) if from_ == "bf16" else src
    with np.errstate(all="ignore"):
        if to == "bool":
            return value != 0
        if to == "bf16":
            return bf16_from_integers(value) if value.dtype == np.int64 else bf16_from_f64(value)
        if to in FLOATS:
            return value.astype(STORAGE[to])
        if from_ not in FLOATS:
            return value.astype(STORAGE[to])
        wide = np.int64 if to in ("i64", "u8") else np.int32
        low, high = float(np.iinfo(wide).min), -float(np.iinfo(wide).min)
        whole = np.trunc(value.astype(np.float64))
        inside = (whole >= low) & (whole < high)
        return np.where(inside, whole, low).astype(wide).astype(STORAGE[to])


def bf16_from_integers(values):
    """Exact for 64-bit integers, which float64 may not hold: rounded in Python."""
    rounded = []
    for value in values.tolist():
        drop = max(abs(value).bit_length() - 8, 0)
        quotient, rest = divmod(abs(value), 1 << drop)
        half = (1 << drop) >> 1
        quotient += drop > 0 and (rest > half or (rest == half and quotient % 2 == 1))
        rounded.append(float(quotient << drop) * (-1 if value < 0 else 1))
    return np.array(rounded, np.float32).view(np.uint32) >> 16


@np.errstate(all="ignore")
def sample(dtype, seed=0):
    """All patterns of the small dtypes; of the others random ones, edges and rounding ties."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random(1500) < 0.5
    storage = STORAGE[dtype]
    if np.dtype(storage).itemsize <= 2:
        bits = np.dtype(storage).itemsize * 8
        return np.arange(1 << bits).astype(f"u{bits // 8}").view(storage)
    if dtype in ("i64", "i32"):
        info = np.iinfo(storage)
        shifts = rng.integers(0, np.dtype(storage).itemsize * 8 - 1, 4000)
        values = rng.integers(info.min, info.max, 4000, storage, endpoint=True) >> shifts
        around = [(257 << k) + d for k in range(20) for d in (-1, 0, 1)]
        ties = np.array([*around, *[-v for v in around]])
        edges = [info.min, info.max, info.min + 1, 0, -1, 127, 128, 255, 256]
        wide = [(257 << 40) + d for d in (-1, 0, 1)] if dtype == "i64" else []
        return np.concatenate([values, ties, np.array(edges + wide, storage)]).astype(storage)
    halves = np.arange(1 << 16, dtype=np.uint16)
    ties = (halves.astype(np.uint32)[::7] << 16 | 0x8000).view(np.float32).astype(storage)
    f16 = halves[::5].view(np.float16).astype(np.float64)
    ties = np.concatenate([ties, ((f16[1:] + f16[:-1]) / 2).astype(storage)])
    near = [np.nextafter(ties, np.inf), np.nextafter(ties, -np.inf)]
    patterns = rng.integers(0, 256, 8 * 4000, np.uint8).view(storage)
    plain = rng.normal(0, 1000, 4000).astype(storage)
    edges = [2.0**31, -(2.0**31), -(2.0**31) - 0.5, 2.0**63, -(2.0**63), 3e9 + 1, 65519.99, 65520]
    edges += [300.7, -300.7, 2.0**32 + 1, 0.0, -0.0, 0.5, -0.5, 1e-40, 3.4028235677973366e38]
    edges += [np.inf, -np.inf, np.nan]
    return np.concatenate([ties, *near, patterns, plain, np.array(edges, storage)])


def assert_same(to, got, want, src):
    """Equal bits, but any quiet NaN for a NaN."""
    assert got.dtype == STORAGE[to]
    if to in FLOATS:
        floats = f64_from_bf16 if to == "bf16" else np.asarray
        nan = np.isnan(floats(want))
        assert np.array_equal(np.isnan(floats(got)), nan)
        got, want, src = got[~nan], want[~nan], src[~nan]
    unsigned = f"u{got.itemsize}"
    bad = np.flatnonzero(got.view(unsigned) != want.astype(got.dtype).view(unsigned))
    assert not bad.size, (src[bad[0]], got[bad[0]], want[bad[0]], bad.size)


# ---- tests ---------------------------------------------------------------------------------------


def test_tables(library):
    assert list(library.ops_dtype_size) == [np.dtype(s).itemsize for s in STORAGE.values()]
    assert [ffi.string(name).decode() for name in library.ops_dtype_name] == NAMES
    assert [DTYPES[d] for d in library.ops_compute_dtype] == COMPUTE


@pytest.mark.parametrize(("to", "from_"), PAIRS)
def test_contiguous(library, to, from_):
    src = sample(from_)
    assert_same(to, convert(library, to, from_, src), expected(to, from_, src), src)


@pytest.mark.parametrize(("to", "from_"), PAIRS)
def test_strides(library, to, from_):
    """Spread, reversed and repeated sources, spread destinations, around the block of 512."""
    for count in (0, 1, 3, 511, 512, 513, 1300):
        values = np.resize(sample(from_)[-1400:], count)
        plain = convert(library, to, from_, values)
        spread = np.zeros(3 * count, values.dtype)
        spread[::3] = values
        assert convert(library, to, from_, spread[::3]).tobytes() == plain.tobytes()
        assert convert(library, to, from_, values[::-1]).tobytes() == plain[::-1].tobytes()
        if count:
            repeated = np.broadcast_to(values[:1], count)
            first = np.repeat(plain[:1], count)
            assert convert(library, to, from_, repeated).tobytes() == first.tobytes()
        out = np.zeros(2 * count + 1, plain.dtype)
        library.ops_convert_out(
            DTYPES.index(to), DTYPES.index(from_), count, address(values), address(out),
            2 * plain.itemsize,
        )  # fmt: skip
        assert out[: 2 * count : 2].tobytes() == plain.tobytes()
        assert not out[1::2].any()


def test_unaligned_source(library):
    raw = np.frombuffer(bytes(1) + np.arange(100, dtype=np.float64).tobytes(), np.uint8)
    out = np.empty(50, np.float32)
    library.ops_convert(
        DTYPES.index("f32"), DTYPES.index("f64"), 50, address(raw[1:]), 16, address(out)
    )
    assert np.array_equal(out, np.arange(0, 100, 2))


def test_nan_stays_quiet_nan(library):
    """Also where the payload sits in the bits that are dropped."""
    for bits in (0x7F800001, 0xFF800001, 0x7FFFFFFF, 0x7FC00000):
        src = np.array([bits] * 9, np.uint32).view(np.float32)
        bf16 = convert(library, "bf16", "f32", src)
        f16 = convert(library, "f16", "f32", src).view(np.uint16)
        assert all((b & 0x7FC0) == 0x7FC0 and b >> 15 == bits >> 31 for b in bf16.tolist())
        assert all((b & 0x7E00) == 0x7E00 and b >> 15 == bits >> 31 for b in f16.tolist())


def test_rounded_once(library):
    """1 + 2^-8 + 2^-40 in double: through f32 to nearest it would land on a tie."""
    src = np.array([1 + 2.0**-8 + 2.0**-40, 1 + 2.0**-8 - 2.0**-40, 1 + 2.0**-8])
    got = f64_from_bf16(convert(library, "bf16", "f64", src))
    assert got.tolist() == [1 + 2.0**-7, 1.0, 1.0]
