"""Comes in: runtime/cpu/convert.c, for this machine and for the oldest x86, with what overrides it.
Goes out: verdicts on all pairs of dtypes, strides, rounding and range, against NumPy.
Must not know: any kernel.

The dtypes are those of the table and more rows of every kind that a row can say: what C and the
generated lists do with them is tested before such a row is added.
"""

import itertools
import platform
from functools import cache

import numpy as np
import pytest

from opsmithc import dtype_text
from opsmithc.dtypes import ROWS, DType, ordered

from .ccompile import ROOT, compile_library, ffi

MORE = (
    DType("uint16", "u16", "int", 16, "i32", "UInt16", signed=False),
    DType("uint32", "u32", "int", 32, "i64", "UInt32", signed=False),
    DType("uint64", "u64", "int", 64, "i64", "UInt64", signed=False),
    DType("float8_e5m2", "f8e5m2", "float", 8, "f32", "Float8_e5m2", exponent=5),
    DType("float8_e4m3fn", "f8e4m3", "float", 8, "f32", "Float8_e4m3fn", exponent=4, finite=True),
)
TABLE = ordered([*ROWS, *(d for d in MORE if d.code not in {r.code for r in ROWS})])
BY_CODE = {d.code: d for d in TABLE}
DTYPES = [d.code for d in TABLE]
STORAGE = {d.code: np.dtype(d.numpy or f"u{d.size}").type for d in TABLE}
PAIRS = list(itertools.product(DTYPES, repeat=2))
FLOATS = [d.code for d in TABLE if d.kind == "float"]
BITS = [d.code for d in TABLE if not d.numpy]  # NumPy has their bits alone
BUILDS = [("native", True), ("native", False)]  # instruction set, with overrides
BUILDS += [("x86-64-v2", False)] if platform.machine() == "x86_64" else []

CDEF = """
extern const int64_t ops_dtype_size[];
extern const char *const ops_dtype_name[];
extern const char *const ops_dtype_spelling[];
extern const int ops_compute_dtype[];
extern const uint8_t ops_promote[];
void ops_override_half(void);
void ops_convert(int, int, int64_t n, const void *src, int64_t src_stride, void *dst);
void ops_convert_out(int, int, int64_t n, const void *src, void *dst, int64_t dst_stride);
"""


@pytest.fixture(scope="module", params=BUILDS)
def library(request, tmp_path_factory):
    """convert.c for one instruction set: with F16C or the portable half conversion."""
    folder = tmp_path_factory.mktemp("convert")
    isa, tuned = request.param
    files = [ROOT / "runtime" / "cpu" / name for name in ("convert.c", "overrides/half.c")]
    text = "".join(f'#include "{file}"\n' for file in (*files, dtype_text.write(folder, TABLE)))
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


@cache
def positive_values(code):
    """The values of the patterns from 0 up to the greatest one, then its next in the sequence."""
    d = BY_CODE[code]
    greatest = (1 << (d.exponent + d.mantissa)) - 2 if d.finite else ((1 << d.exponent) - 1 << d.mantissa) - 1  # noqa: E501
    bits = np.arange(greatest + 2)
    exponent, significand = bits >> d.mantissa, bits & ((1 << d.mantissa) - 1)
    implied = np.where(exponent > 0, 1 << d.mantissa, 0) + significand
    return np.ldexp(implied.astype(float), np.maximum(exponent, 1) - d.bias - d.mantissa)


def bits_from_exact(code, x):
    """Nearest, ties to the even pattern; beyond the last value infinity, or NaN without one."""
    values, d = positive_values(code), BY_CODE[code]
    size = np.abs(np.where(np.isnan(x), 0, x))
    above = np.clip(np.searchsorted(values, size), 1, len(values) - 1)
    low, high = values[above - 1], values[above]
    even = np.where(above % 2 == 0, above, above - 1)
    bits = np.where(size - low < high - size, above - 1, above)
    bits = np.where(size - low == high - size, even, bits)
    bits = np.where(size >= values[-1], len(values) - 1, bits)
    nan = (1 << (d.exponent + d.mantissa)) - 1
    bits = np.where(np.isnan(x), nan, bits) | np.signbit(x).astype(int) << (d.bits - 1)
    return bits.astype(STORAGE[code])


def value_of_bits(code, bits):
    """The double of each pattern."""
    values, d = positive_values(code), BY_CODE[code]
    beyond = [np.nan] if d.finite else [np.inf]
    magnitude = bits.astype(int) & ((1 << (d.bits - 1)) - 1)
    table = np.concatenate([values[:-1], beyond])
    size = np.where(magnitude < len(table), table[np.minimum(magnitude, len(table) - 1)], np.nan)
    return np.where(bits.astype(int) >> (d.bits - 1), -size, size)


def expected(to, from_, src):
    """What convert.h promises."""
    if to == from_:
        return src
    value = value_of_bits(from_, src) if from_ in BITS else src
    with np.errstate(all="ignore"):
        if to == "b8":
            return value != 0
        if to in BITS:
            if value.dtype.kind in "iu":
                value = rounded_integers(value, BY_CODE[to].mantissa + 1)
            return bits_from_exact(to, value.astype(np.float64))
        if to in FLOATS:
            return value.astype(STORAGE[to])
        if from_ not in FLOATS:
            return value.astype(STORAGE[to])
        wide = np.int64 if to == "i64" or not BY_CODE[to].signed else np.int32
        low, high = float(np.iinfo(wide).min), -float(np.iinfo(wide).min)
        whole = np.trunc(value.astype(np.float64))
        inside = (whole >= low) & (whole < high)
        out = np.where(inside, whole, low).astype(wide).astype(STORAGE[to])
        if to == "u64":
            out = np.where((whole >= 2.0**63) & (whole < 2.0**64), whole.astype(np.uint64), out)
        return out


def rounded_integers(values, digits):
    """Exact for 64-bit integers, which float64 may not hold: rounded in Python."""
    rounded = []
    for value in values.tolist():
        drop = max(abs(value).bit_length() - digits, 0)
        quotient, rest = divmod(abs(value), 1 << drop)
        half = (1 << drop) >> 1
        quotient += drop > 0 and (rest > half or (rest == half and quotient % 2 == 1))
        rounded.append(float(quotient << drop) * (-1 if value < 0 else 1))
    return np.array(rounded, np.float64)


@np.errstate(all="ignore")
def sample(dtype, seed=0):
    """All patterns of the small dtypes; of the others random ones, edges and rounding ties."""
    rng = np.random.default_rng(seed)
    if dtype == "b8":
        return rng.random(1500) < 0.5
    storage = STORAGE[dtype]
    if np.dtype(storage).itemsize <= 2:
        bits = np.dtype(storage).itemsize * 8
        return np.arange(1 << bits).astype(f"u{bits // 8}").view(storage)
    if BY_CODE[dtype].kind == "int":
        info = np.iinfo(storage)
        shifts = rng.integers(0, np.dtype(storage).itemsize * 8 - 1, 4000, storage)
        values = rng.integers(info.min, info.max, 4000, storage, endpoint=True) >> shifts
        around = [(257 << k) + d for k in range(20) for d in (-1, 0, 1)]
        ties = [*around, *[-v for v in around if info.min < 0]]
        edges = [info.min, info.max, info.min + 1, 0, 127, 128, 255, 256]
        edges += [-1] if info.min < 0 else [info.max // 2, info.max // 2 + 1, info.max // 2 + 2]
        wide = [(257 << 40) + d for d in (-1, 0, 1)] if info.bits == 64 else []
        return np.concatenate([values, np.array(ties, storage), np.array(edges + wide, storage)])
    halves = np.arange(1 << 16, dtype=np.uint16)
    ties = (halves.astype(np.uint32)[::7] << 16 | 0x8000).view(np.float32).astype(storage)
    f16 = halves[::5].view(np.float16).astype(np.float64)
    ties = np.concatenate([ties, ((f16[1:] + f16[:-1]) / 2).astype(storage)])
    near = [np.nextafter(ties, np.inf), np.nextafter(ties, -np.inf)]
    patterns = rng.integers(0, 256, 8 * 4000, np.uint8).view(storage)
    plain = rng.normal(0, 1000, 4000).astype(storage)
    edges = [2.0**31, -(2.0**31), -(2.0**31) - 0.5, 2.0**63, -(2.0**63), 3e9 + 1, 65519.99, 65520]
    edges += [2.0**64, 1.5 * 2.0**63, 448, 463.9, 464, 464.1, 480, 57344, 61440]
    edges += [300.7, -300.7, 2.0**32 + 1, 0.0, -0.0, 0.5, -0.5, 1e-40, 3.4028235677973366e38]
    edges += [np.inf, -np.inf, np.nan]
    return np.concatenate([ties, *near, patterns, plain, np.array(edges, storage)])


def assert_same(to, got, want, src):
    """Equal bits, but any quiet NaN for a NaN."""
    assert got.dtype == STORAGE[to]
    if to in FLOATS:
        if to in BITS:
            nan, found = np.isnan(value_of_bits(to, want)), np.isnan(value_of_bits(to, got))
        else:
            nan, found = np.isnan(want), np.isnan(got)
        assert np.array_equal(found, nan)
        got, want, src = got[~nan], want[~nan], src[~nan]
    unsigned = f"u{got.itemsize}"
    bad = np.flatnonzero(got.view(unsigned) != want.astype(got.dtype).view(unsigned))
    assert not bad.size, (src[bad[0]], got[bad[0]], want[bad[0]], bad.size)


# ---- tests ---------------------------------------------------------------------------------------


def test_tables(library):
    """Every array has the row's fact in the row's place."""
    for k, d in enumerate(TABLE):
        assert library.ops_dtype_size[k] == np.dtype(STORAGE[d.code]).itemsize
        assert ffi.string(library.ops_dtype_name[k]).decode() == d.scalar
        assert ffi.string(library.ops_dtype_spelling[k]).decode() == d.spelling
        assert TABLE[library.ops_compute_dtype[k]].code == d.compute


def test_promotion_holds_both(library):
    """The promoted dtype holds both, and none that is smaller does."""
    n = len(TABLE)
    for i, j in itertools.product(range(n), repeat=2):
        a, b, got = TABLE[i], TABLE[j], TABLE[library.ops_promote[i * n + j]]
        assert got is TABLE[library.ops_promote[j * n + i]]
        if a.kind != b.kind:
            assert got is max(a, b, key=lambda d: ("bool", "int", "float").index(d.kind))
        elif {a.code, b.code} & {"u64"} and a.signed != b.signed:
            assert got.code == "f64"
        else:
            assert got.holds(a) and got.holds(b)
            for d in TABLE:
                same = d.kind == a.kind and d.bits < got.bits
                assert not (same and d.holds(a) and d.holds(b)), (a.name, b.name, got.name, d.name)


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
    got = value_of_bits("bf16", convert(library, "bf16", "f64", src))
    assert got.tolist() == [1 + 2.0**-7, 1.0, 1.0]


@pytest.mark.parametrize("name", ["u8", "bf16", "f32", "f64"])
@pytest.mark.parametrize("count", [1, 7, 64, 1001])
def test_mirrored_lines(library, name, count):
    """Backwards, from places that need not be aligned."""
    size = {"u8": 1, "bf16": 2, "f32": 4, "f64": 8}[name]
    raw = np.random.default_rng(0).integers(0, 256, count * size + 1, np.uint8)
    line = raw[1:].reshape(count, size)
    out = np.zeros((count, size), np.uint8)
    code = DTYPES.index(name)
    last = address(raw[1:]) + (count - 1) * size
    library.ops_convert(code, code, count, last, -size, address(out))
    assert np.array_equal(out, line[::-1])
