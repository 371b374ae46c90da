"""Comes in: runtime/include/opsmith/special.h, as the host compiles it.
Goes out: verdicts on errors against mpmath (in last places, or of the size of the function where it
crosses zero), and on limits.
Must not know: the code generator.
"""

import math
import random

import mpmath
import pytest

from .ccompile import compile_library

POINTS = 150
HEAD = '#include "opsmith/math.h"\n#define OPS_SPECIAL static inline\n#include "opsmith/special.h"'

# name: (reference, ranges of x, last places)
UNARY = {
    "erfcx": (lambda x: mpmath.exp(x * x) * mpmath.erfc(x), [(-25, 0), (0, 30), (0, 1e5)], 3),
    "ndtri": (lambda p: mpmath.sqrt(2) * mpmath.erfinv(2 * p - 1), [(1e-9, 1), (0.29, 0.31)], 6),
    "i0e": (lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(0, x), [(-60, 60), (690, 2000)], 5),
    "i1e": (lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(1, x), [(-60, 60), (690, 2000)], 5),
    "k0": (lambda x: mpmath.besselk(0, x), [(1e-3, 3), (2, 60)], 9),
    "k1": (lambda x: mpmath.besselk(1, x), [(1e-3, 3), (2, 60)], 9),
    "k0e": (lambda x: mpmath.exp(x) * mpmath.besselk(0, x), [(1e-3, 3), (2, 900)], 7),
    "k1e": (lambda x: mpmath.exp(x) * mpmath.besselk(1, x), [(1e-3, 3), (2, 900)], 7),
}

# name: (reference, range of the first argument, of the second, error relative to 1 or the value)
BINARY = {
    "zeta": (mpmath.zeta, (1.1, 20), (0.1, 9), 2e-15),
    "igamma": (lambda a, x: mpmath.gammainc(a, 0, x, regularized=True), (0.1, 9), (0, 20), 1e-14),
    "igammac": (
        lambda a, x: mpmath.gammainc(a, x, mpmath.inf, regularized=True),
        (20, 300), (20, 300), 3e-14,
    ),
    "chebyshev_t": (lambda x, n: mpmath.chebyt(int(n), x), (-1, 1), (0, 9), 2e-15),
    "chebyshev_u": (lambda x, n: mpmath.chebyu(int(n), x), (-1, 1), (0, 9), 4e-15),
    "hermite_h": (lambda x, n: mpmath.hermite(int(n), x), (-1, 1), (0, 9), 4e-15),
    "laguerre": (lambda x, n: mpmath.laguerre(int(n), 0, x), (-1, 1), (0, 9), 4e-15),
    "legendre": (lambda x, n: mpmath.legendre(int(n), x), (-1, 1), (0, 9), 2e-15),
}  # fmt: skip


@pytest.fixture(scope="module")
def lib(tmp_path_factory):
    names = [(name, ("x",)) for name in UNARY] + [(name, ("x", "y")) for name in BINARY]
    lines, prototypes = [HEAD], []
    for name, args in names:
        prototype = f"double t_{name}({', '.join(f'double {a}' for a in args)})"
        lines.append(f"{prototype}\n{{\n    return ops_{name}_f64({', '.join(args)});\n}}")
        prototypes.append(f"{prototype};")
    folder = tmp_path_factory.mktemp("special")
    return compile_library(folder, "special", "\n".join(lines), "\n".join(prototypes))


@pytest.mark.parametrize("name", UNARY)
def test_of_one_argument(name, lib):
    reference, ranges, most = UNARY[name]
    numbers, worst = random.Random(name), (-1.0, 0.0)
    with mpmath.workdps(40):
        for low, high in ranges:
            for _ in range(POINTS):
                x = numbers.uniform(low, high)
                want = reference(mpmath.mpf(x))
                got = getattr(lib, f"t_{name}")(x)
                worst = max(worst, (float(abs(got - want) / math.ulp(float(want))), x))
    assert worst[0] <= most, f"{name}: {worst[0]:.1f} last places at {worst[1]!r}"


@pytest.mark.parametrize("name", BINARY)
def test_of_two_arguments(name, lib):
    reference, first, second, most = BINARY[name]
    least = 1e-9 if name.startswith(("zeta", "igamma")) else 1  # polynomials cross zero
    numbers, worst = random.Random(name), (-1.0, 0.0, 0.0)
    with mpmath.workdps(40):
        for _ in range(POINTS // 3):
            x, y = numbers.uniform(*first), numbers.uniform(*second)
            want = mpmath.mpf(reference(mpmath.mpf(x), y))
            got = getattr(lib, f"t_{name}")(x, y)
            size = max(abs(want), least)
            worst = max(worst, (float(abs(got - want) / size), x, y))
    assert worst[0] <= most, f"{name}: {worst[0]:.2g} at {worst[1:]}"


def test_limits(lib):
    inf, nan = math.inf, math.nan
    for name, x, want in (
        ("erfcx", inf, 0), ("erfcx", -30, inf), ("erfcx", nan, nan), ("ndtri", 0, -inf),
        ("ndtri", 1, inf), ("ndtri", 2, nan), ("i0e", -inf, 0), ("i1e", -0.0, -0.0), ("k0", 0, inf),
        ("k1", -1, nan), ("k0", inf, 0), ("k1e", inf, 0),
    ):  # fmt: skip
        got = getattr(lib, f"t_{name}")(x)
        assert got == want or got != got and want != want, (name, x, got)
    for name, x, y, want in (
        ("zeta", 1, 2, inf), ("zeta", 0.5, 2, nan), ("zeta", 2, -3, inf), ("zeta", 2.5, -0.5, nan),
        ("zeta", inf, 2, 0), ("igamma", 0, 0, nan), ("igamma", 1, 0, 0), ("igamma", 1, inf, 1),
        ("igammac", inf, 1, 1), ("igammac", -1, 1, nan), ("legendre", 0.5, -1, 0),
        ("chebyshev_t", 0.5, 0.9, 1), ("chebyshev_t", 0.5, inf, nan),
    ):  # fmt: skip
        got = getattr(lib, f"t_{name}")(x, y)
        assert got == want or got != got and want != want, (name, x, y, got)
