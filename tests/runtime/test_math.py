"""Comes in: runtime/include/opsmith/math.h, in plain loops compiled with the flags that ship, once
for this machine and once for the oldest x86: with fma and without.
Goes out: verdicts on errors in ULP (against libm in long double, whose mantissa has 64 bits on x86,
and mpmath), special values (against NumPy and torch's rules), integer semantics.
Must not know: the code generator.
"""

import itertools
import math
import platform
from typing import NamedTuple

import mpmath
import numpy as np
import pytest

from .ccompile import compile_library, pointer

TYPES = {"f32": np.float32, "f64": np.float64}
INTEGERS = {"i32": np.int32, "i64": np.int64}
C_NAMES = {"f32": "float", "f64": "double", "i32": "int32_t", "i64": "int64_t"}
ISAS = ["native", "x86-64-v2"] if platform.machine() == "x86_64" else ["native"]


class Row(NamedTuple):
    """A function of x (and y), its reference, the f32 and f64 range sampled densely, its error."""

    reference: str
    f32: tuple
    f64: tuple
    max_ulp: tuple  # f32, f64
    why: str


# Measured on 1e6 points or more, with and without fma, then rounded up a little. An error below 1
# is the last rounding (0.5) and one more operation at full size.
MAX_ULP = {
    "exp": Row("expl(x)", (-110, 95), (-760, 715), (1.2, 1.2), "1 + r + ..: one rounding near 1/2"),
    "exp2": Row("exp2l(x)", (-155, 130), (-1080, 1030), (1.2, 1.2), "as exp"),
    "expm1": Row("expm1l(x)", (-50, 90), (-100, 712), (1.6, 2.2), "1 lost at ln(2) / 2"),
    "log": Row("logl(x)", (0, 4), (0, 4), (1.2, 1), "f + what is smaller"),
    "log2": Row("log2l(x)", (0, 4), (0, 4), (2.1, 1), "f32: log, then times log2(e)"),
    "log10": Row("log10l(x)", (0, 4), (0, 4), (2.2, 1), "f32: log, then times log10(e)"),
    "log1p": Row("log1pl(x)", (-1, 3), (-1, 3), (1.6, 1.6), "f has one rounding more than in log"),
    "sqrt": Row("sqrtl(x)", (0, 9), (0, 9), (0.5, 0.5), "IEEE"),
    "rsqrt": Row("1 / sqrtl(x)", (0, 9), (0, 9), (1.5, 1.5), "two IEEE operations"),
    "sin": Row("sinl(x)", (-40, 40), (-40, 40), (1.6, 1), "f32: r is rounded to f32"),
    "cos": Row("cosl(x)", (-40, 40), (-40, 40), (1.6, 1), "as sin"),
    "tan": Row("tanl(x)", (-40, 40), (-40, 40), (3.3, 2.4), "sin / cos; f32: r magnified by 1.6"),
    "asin": Row("asinl(x)", (-1, 1), (-1, 1), (2.5, 2.5), "above 1/2 from a rounded square root"),
    "acos": Row("acosl(x)", (-1, 1), (-1, 1), (1.5, 1.5), "as asin, without the subtraction"),
    "atan": Row("atanl(x)", (-8, 8), (-8, 8), (2, 2), "quotient, polynomial, sum"),
    "sinh": Row("sinhl(x)", (-90, 90), (-711, 711), (2.2, 2.5), "expm1 enters twice"),
    "cosh": Row("coshl(x)", (-90, 90), (-711, 711), (1.5, 1.5), "exp and a division"),
    "tanh": Row("tanhl(x)", (-12, 12), (-22, 22), (2.5, 2.7), "e / (e + 2), e = expm1(2 x)"),
    "asinh": Row("asinhl(x)", (-5, 5), (-5, 5), (2.2, 2.2), "log1p of three roundings"),
    "acosh": Row("acoshl(x)", (1, 5), (1, 5), (2.7, 2.7), "log1p of three roundings"),
    "atanh": Row("atanhl(x)", (-1, 1), (-1, 1), (2.3, 2.3), "log1p of two roundings"),
    "sigmoid": Row("1 / (1 + expl(-x))", (-110, 30), (-760, 50), (2.5, 2.5), "exp, sum, quotient"),
    "erf": Row("erfl(x)", (-6, 6), (-7, 7), (1.3, 1.6), "1 - exp(..) of a degree 16 argument"),
    "erfc": Row("erfcl(x)", (-6, 11), (-7, 28), (4, 4), "four operations, next to 1 worth 1 each"),
    "lgamma": Row("lgammal(x)", (-5, 40), (-5, 40), (1, 5), "f32: in double; f64: libm's"),
    "pow": Row("powl(x, y)", (0, 20), (0, 20), (1, 1.2), "two-part logarithm"),
    "atan2": Row("atan2l(x, y)", (-5, 5), (-5, 5), (2, 2), "as atan"),
    "hypot": Row("hypotl(x, y)", (-5, 5), (-5, 5), (0.51, 1.3), "f32: in double"),
    "fmod": Row("fmodl(x, y)", (-1e9, 1e9), (-1e9, 1e9), (0, 0), "exact"),
}  # fmt: skip

# Against mpmath: function, range of x, max ULP of f32 and f64 with and without fma, why.
MPMATH = {
    "erfinv": (mpmath.erfinv, -1, 1, 4, 4, "polynomial of degree 22 in a logarithm"),
    "i0": (lambda x: mpmath.besseli(0, x), -60, 60, 1, 4, "exp(x / 2) squared; f32: in double"),
    "i1": (lambda x: mpmath.besseli(1, x), -60, 60, 1, 5, "as i0"),
    "digamma": (mpmath.digamma, 0.01, 40, 1, 4, "1 / (x - 1) + the value at x - 1; f32: in double"),
    "trigamma": (lambda x: mpmath.polygamma(1, x), 0.01, 40, 1, 4, "as digamma"),
}

UNARY_PLAIN = "abs sign floor ceil trunc round isnan isinf isfinite erfinv i0 i1 digamma trigamma"
BINARY_PLAIN = "copysign maximum minimum fmax fmin nextafter remainder floor_divide"
BINARY = {"pow", "atan2", "hypot", "fmod", *BINARY_PLAIN.split()}
INTEGER_UNARY = "abs sign"
INTEGER_BINARY = (
    "floor_divide remainder fmod div_trunc pow shift_left shift_right gcd lcm maximum minimum"
)

ULP_C = """
/* |got - reference| in last places of the reference; infinity where their kinds differ. */
static double ulp_TYPE(C_TYPE got, long double reference)
{
    C_TYPE nearest = (C_TYPE)reference;
    if (reference != reference || got != got)
        return reference != reference && got != got ? 0 : INFINITY;
    if (got == nearest && got == 0)
        return signbit(got) == signbit(nearest) ? 0 : INFINITY;
    if (got == nearest)
        return isinf(got) ? 0 : fabsl(got - reference) / last_place_TYPE(reference);
    long double limit = ldexpl(1, MAX_EXPONENT); /* where infinity stands in for a finite value */
    long double value = isinf(got) ? copysignl(limit, got) : got;
    if (isinf(reference))
        return INFINITY;
    return fabsl(value - reference) / last_place_TYPE(reference);
}
"""

LAST_PLACE_C = """
static long double last_place_TYPE(long double x)
{
    int exponent;
    frexpl(x, &exponent);
    exponent -= DIGITS;
    exponent = exponent < LEAST_EXPONENT ? LEAST_EXPONENT : exponent;
    exponent = exponent > MAX_EXPONENT - DIGITS ? MAX_EXPONENT - DIGITS : exponent;
    return ldexpl(1, exponent);
}
"""

LIMITS = {
    "f32": {"DIGITS": "24", "LEAST_EXPONENT": "-149", "MAX_EXPONENT": "128"},
    "f64": {"DIGITS": "53", "LEAST_EXPONENT": "-1074", "MAX_EXPONENT": "1024"},
}


def kernel_text(name, suffix, arguments, result=None):
    """A plain loop, as the generator writes them."""
    ctype = C_NAMES[suffix]
    prototype = (
        f"void k_{name}_{suffix}(int64_t n, const {ctype} *restrict x, const {ctype} *restrict y, "
        f"{result or ctype} *restrict out)"
    )
    body = f"for (int64_t i = 0; i < n; ++i) out[i] = ops_{name}_{suffix}({arguments});"
    return prototype, f"{prototype}\n{{\n    (void)y;\n    {body}\n}}\n"


def kernels_source():
    """All kernels as one C text, and its prototypes."""
    texts = []
    for suffix in TYPES:
        for name in [*MAX_ULP, *UNARY_PLAIN.split(), *BINARY_PLAIN.split()]:
            texts.append(kernel_text(name, suffix, "x[i], y[i]" if name in BINARY else "x[i]"))
    for suffix in INTEGERS:
        texts += [kernel_text(name, suffix, "x[i]") for name in INTEGER_UNARY.split()]
        texts += [kernel_text(name, suffix, "x[i], y[i]") for name in INTEGER_BINARY.split()]
        ctype = C_NAMES[suffix]
        prototype = f"int any_zero_{suffix}(int64_t n, const {ctype} *x)"
        texts.append((prototype, f"{prototype} {{ return ops_any_zero_{suffix}(n, x); }}\n"))
    source = '#include "opsmith/math.h"\n' + "".join(body for _, body in texts)
    return source, "".join(f"{prototype};\n" for prototype, _ in texts).replace("restrict ", "")


def reference_source():
    """For each function of MAX_ULP a C function that gives the largest error and its place."""
    source, cdef = "#include <math.h>\n#include <stdint.h>\n", ""
    for suffix, limits in LIMITS.items():
        text = LAST_PLACE_C + ULP_C
        for key, value in {"C_TYPE": C_NAMES[suffix], "TYPE": suffix, **limits}.items():
            text = text.replace(key, value)
        source += text
        for name, row in MAX_ULP.items():
            ctype = C_NAMES[suffix]
            prototype = (
                f"double worst_{name}_{suffix}(int64_t n, const {ctype} *xs, const {ctype} *ys, "
                f"const {ctype} *out, int64_t *at)"
            )
            cdef += f"{prototype};\n"
            source += f"""{prototype}
{{
    double worst = 0;
    for (int64_t i = 0; i < n; ++i) {{
        long double x = xs[i], y = ys[i];
        (void)y;
        double error = ulp_{suffix}(out[i], {row.reference});
        if (error > worst) {{
            worst = error;
            *at = i;
        }}
    }}
    return worst;
}}
"""
    return source, cdef


@pytest.fixture(scope="module", params=ISAS)
def kernels(request, tmp_path_factory):
    """Kernels for one instruction set."""
    source, cdef = kernels_source()
    folder = tmp_path_factory.mktemp("kernels")
    return compile_library(folder, "kernels", source, cdef, march=request.param)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The long double reference."""
    source, cdef = reference_source()
    return compile_library(tmp_path_factory.mktemp("reference"), "reference", source, cdef)


def run(library, name, suffix, x, y=None, result=None):
    """One kernel over NumPy arrays."""
    y = x if y is None else y
    out = np.empty(x.shape, result or x.dtype)
    getattr(library, f"k_{name}_{suffix}")(x.size, pointer(x), pointer(y), pointer(out))
    return out


def specials(dtype):
    """Zeros, infinities, NaN, the ends of the number line and where behaviour changes."""
    info = np.finfo(dtype)
    tiny = [info.smallest_subnormal, info.tiny, info.eps, info.max]
    values = [0, 1, np.inf, 0.5, 1.5, 2, 2.5, 3, 10, 1e-5, 2**23 + 1, 2**24, *tiny]
    return np.array([*values, *[-v for v in values], np.nan], dtype)


def samples(dtype, low, high, count, seed):
    """All bit patterns alike, a dense range, both sides of 0 and 1 at all distances, specials,
    and what lies next to a multiple of pi / 2.
    """
    rng = np.random.default_rng(seed)
    bits = np.int32 if dtype == np.float32 else np.int64
    limits = np.iinfo(bits)
    patterns = rng.integers(limits.min, limits.max, count, bits, endpoint=True).view(dtype)
    dense = (low + (high - low) * rng.random(count)).astype(dtype)
    near = np.exp2(rng.uniform(-30 if dtype == np.float32 else -60, 3, count // 4)).astype(dtype)
    quarters = (np.pi / 2 * np.concatenate([np.arange(1, 999), 3.0 ** np.arange(60)])).astype(dtype)
    around = [near, -near, 1 + near, 1 - near]
    return np.concatenate([patterns, dense, *around, quarters, specials(dtype)])


@pytest.mark.parametrize("suffix", TYPES)
@pytest.mark.parametrize("name", MAX_ULP)
def test_error_within_max_ulp(kernels, reference, name, suffix):
    row, dtype = MAX_ULP[name], TYPES[suffix]
    low, high = getattr(row, suffix)
    x = samples(dtype, low, high, 20000, seed=1)
    y = samples(dtype, -40, 40, 20000, seed=2)
    y = np.roll(y, 10000) if name in BINARY else x
    out = run(kernels, name, suffix, x, y)
    at = np.zeros(1, np.int64)
    worst = getattr(reference, f"worst_{name}_{suffix}")(
        x.size, pointer(x), pointer(y), pointer(out), pointer(at)
    )
    place = f"{name}({x[at[0]]!r}, {y[at[0]]!r}) = {out[at[0]]!r}: {worst:.3g} ULP"
    assert worst <= row.max_ulp[suffix == "f64"], place


@pytest.mark.parametrize("suffix", TYPES)
@pytest.mark.parametrize("name", MPMATH)
def test_error_against_mpmath(kernels, name, suffix):
    function, low, high, *max_ulp, _ = MPMATH[name]
    rng = np.random.default_rng(3)
    x = (low + (high - low) * rng.random(200)).astype(TYPES[suffix])
    if name == "erfinv":
        x = np.concatenate([x, (1 - np.exp2(-rng.uniform(1, 24, 50))).astype(x.dtype)])
        x = x[np.abs(x) < 1]
    out = run(kernels, name, suffix, x)
    with mpmath.workdps(30):
        exact = [function(mpmath.mpf(float(v))) for v in x]
        last_places = np.spacing(np.abs(np.array(exact, float).astype(x.dtype)))
        pairs = zip(out, exact, last_places, strict=True)
        errors = [abs(float(got) - value) / mpmath.mpf(float(u)) for got, value, u in pairs]
    worst = int(np.argmax(errors))
    assert errors[worst] <= max_ulp[suffix == "f64"], (name, x[worst], float(errors[worst]))


def same(got, expected):
    """Equal bits but for NaN, whose payload is free."""
    both_nan = np.isnan(got) & np.isnan(expected)
    return np.all(both_nan | ((got == expected) & (np.signbit(got) == np.signbit(expected))))


@pytest.mark.parametrize("suffix", TYPES)
@np.errstate(all="ignore")
def test_exact_functions_match_numpy(kernels, suffix):
    x = samples(TYPES[suffix], -5, 5, 5000, seed=4)
    y = np.roll(x, 777)
    unary = {"abs": np.abs, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc}
    unary |= {"round": np.round, "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite}
    for name, function in unary.items():
        assert same(run(kernels, name, suffix, x), function(x).astype(x.dtype)), name
    binary = {"copysign": np.copysign, "nextafter": np.nextafter}
    for name, function in binary.items():
        assert same(run(kernels, name, suffix, x, y), function(x, y)), name
    for name in ("maximum", "minimum", "fmax", "fmin"):  # which zero is greater is left open
        got = run(kernels, name, suffix, x, y)
        assert np.array_equal(got, getattr(np, name)(x, y), equal_nan=True), name


@pytest.mark.parametrize("suffix", TYPES)
def test_binary_special_values(kernels, suffix):
    """All pairs of special values, against NumPy (C99)."""
    values = specials(TYPES[suffix])
    x, y = (np.ascontiguousarray(a.ravel()) for a in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        for name, function in {"pow": np.power, "atan2": np.arctan2, "fmod": np.fmod}.items():
            got, expected = run(kernels, name, suffix, x, y), function(x, y)
            assert same(np.isnan(got) * 1.0, np.isnan(expected) * 1.0), name
            special = ~np.isfinite(expected) | (expected == 0)
            assert same(got[special], expected[special]), name
            assert np.allclose(got[~special], expected[~special], rtol=1e-6, atol=0), name


def torch_remainder(x, y):
    """torch.remainder and torch.floor_divide of two Python floats (from their definition)."""
    if y == 0:
        return math.nan, math.nan if x == 0 or math.isnan(x) else math.copysign(math.inf, x) * (
            math.copysign(1, y)
        )
    if math.isnan(x) or math.isnan(y) or math.isinf(x):
        return math.nan, math.nan
    rest = math.fmod(x, y)
    whole = (x - rest) / y
    if rest != 0 and (rest < 0) != (y < 0):
        rest, whole = rest + y, whole - 1
    if whole == 0:
        return rest, math.copysign(0.0, x / y)
    floor = math.floor(whole) if math.isfinite(whole) else whole
    return rest, float(floor) + (1.0 if whole - floor > 0.5 else 0.0)


def test_remainder_and_floor_divide(kernels):
    values = [0.0, -0.0, 1.0, -1.0, 5.5, -5.5, 0.3, 0.1, -3.0, 1e-20, 1e300]
    pairs = list(itertools.product([*values, math.inf, -math.inf, math.nan], repeat=2))
    x, y = (np.ascontiguousarray(column) for column in np.array(pairs).T)
    expected = np.array([torch_remainder(a, b) for a, b in pairs])
    assert same(run(kernels, "remainder", "f64", x, y), expected[:, 0])
    assert same(run(kernels, "floor_divide", "f64", x, y), expected[:, 1])


@pytest.mark.parametrize("suffix", TYPES)
def test_values_as_torch_gives_them(kernels, suffix):
    inf, nan = math.inf, math.nan
    table = {
        "sign": [(nan, 0.0), (-0.0, 0.0), (inf, 1.0), (-2.0, -1.0)],
        "erfinv": [(1, inf), (-1, -inf), (1.5, nan), (inf, nan), (0.0, 0.0), (-0.0, -0.0)],
        "i0": [(inf, inf), (-inf, inf), (0.0, 1.0)],
        "digamma": [(0.0, -inf), (-0.0, inf), (-1, nan), (-inf, nan), (inf, inf)],
        "trigamma": [(0.0, inf), (-0.0, inf), (-1, inf), (inf, 0.0)],
        "lgamma": [(0.0, inf), (-0.0, inf), (-1, inf), (inf, inf), (-inf, inf), (1, 0.0), (2, 0.0)],
        "sigmoid": [(inf, 1.0), (-inf, 0.0), (0.0, 0.5)],
        "rsqrt": [(0.0, inf), (-0.0, -inf), (inf, 0.0), (-1, nan)],
    }
    for name, cases in table.items():
        if name != "sign":
            cases = [*cases, (nan, nan)]
        x, expected = (np.array(column, TYPES[suffix]) for column in zip(*cases, strict=True))
        got = run(kernels, name, suffix, x)
        assert same(got, expected), (name, x, got, expected)


@pytest.mark.parametrize("suffix", TYPES)
def test_gamma_family_left_of_zero(kernels, suffix):
    x = np.array([-0.5, -1.25, -3.75, -10.5], TYPES[suffix])
    rtol = 1e-6 if suffix == "f32" else 1e-13
    for name, order in (("digamma", 0), ("trigamma", 1)):
        expected = [float(mpmath.polygamma(order, mpmath.mpf(float(v)))) for v in x]
        assert np.allclose(run(kernels, name, suffix, x), expected, rtol=rtol)


# ---- integers ------------------------------------------------------------------------------------


def wrap(value, bits):
    """A Python integer as a wrapping C integer."""
    return (value + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


def integer_pow(a, b):
    if b < 0:
        return {1: 1, -1: -1 if b % 2 else 1}.get(a, 0)
    return pow(a, b, 1 << 64)


def truncated(a, b):
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def integer_results(a, b, bits):
    """Every integer function of two Python integers; a zero divisor gives 0."""
    inside = 0 <= b < bits
    return {
        "floor_divide": a // b if b else 0,
        "remainder": a % b if b else 0,
        "fmod": a - truncated(a, b) * b if b else 0,
        "div_trunc": truncated(a, b) if b else 0,
        "pow": integer_pow(a, b),
        "shift_left": a << b if inside else 0,
        "shift_right": a >> (b if inside else bits - 1),
        "gcd": math.gcd(a, b),
        "maximum": max(a, b),
        "minimum": min(a, b),
    }


@pytest.mark.parametrize("suffix", INTEGERS)
def test_integer_functions(kernels, suffix):
    dtype = INTEGERS[suffix]
    bits, info = np.dtype(dtype).itemsize * 8, np.iinfo(dtype)
    rng = np.random.default_rng(5)
    edges = [0, 1, -1, 2, -2, 3, 7, -7, 31, 32, 63, 64, info.max, info.min, info.min + 1, 1 << 30]
    values = edges + rng.integers(-1000, 1000, 20).tolist()
    values += rng.integers(info.min, info.max, 20).tolist()
    pairs = list(itertools.product(values, repeat=2))
    x, y = (np.array(a, dtype) for a in zip(*pairs, strict=True))
    expected = [integer_results(a, b, bits) for a, b in pairs]
    for name in expected[0]:
        want = np.array([wrap(row[name], bits) for row in expected], dtype)
        got = run(kernels, name, suffix, x, y)
        bad = np.flatnonzero(got != want)
        assert not bad.size, (name, pairs[bad[0]], got[bad[0]], want[bad[0]])
    assert run(kernels, "abs", suffix, x).tolist() == [wrap(abs(a), bits) for a, _ in pairs]
    assert run(kernels, "sign", suffix, x).tolist() == [(a > 0) - (a < 0) for a, _ in pairs]
    small = np.array([(a, b) for a, b in pairs if max(abs(a), abs(b)) <= 1000], dtype)
    a, b = np.ascontiguousarray(small[:, 0]), np.ascontiguousarray(small[:, 1])
    assert np.array_equal(run(kernels, "lcm", suffix, a, b), np.lcm(a, b))


@pytest.mark.parametrize("suffix", INTEGERS)
def test_a_zero_divisor_is_found(kernels, suffix):
    divisors = np.arange(-50, 50, dtype=INTEGERS[suffix])
    find = getattr(kernels, f"any_zero_{suffix}")
    assert find(divisors.size, pointer(divisors)) == 1
    assert find(49, pointer(divisors)) == 0
    assert find(0, pointer(divisors)) == 0
