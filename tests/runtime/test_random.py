"""Comes in: runtime/include/opsmith/random.h, for this machine and for the oldest x86.
Goes out: verdicts on the published vectors, the same bits everywhere, distribution.
Must not know: any kernel.
"""

import platform

import numpy as np
import pytest

from .ccompile import compile_library, pointer

# Random123, kat_vectors: "philox4x32 10": counter, key, result.
KNOWN = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]
DRAWS = {
    "bits32": np.uint32, "bits64": np.uint64, "uniform_f32": np.float32,
    "uniform_f64": np.float64, "normal_f32": np.float32, "normal_f64": np.float64,
}  # fmt: skip
C_TYPES = {
    np.uint32: "uint32_t", np.uint64: "uint64_t", np.float32: "float", np.float64: "double"
}  # fmt: skip
ISAS = ["native", "x86-64-v2"] if platform.machine() == "x86_64" else ["native"]


def source_and_cdef():
    source = '#include "opsmith/random.h"\n'
    prototypes = ["void philox(uint64_t key, uint32_t *w)"]
    source += prototypes[0] + " { ops_philox(key, w, w + 1, w + 2, w + 3); }\n"
    for name, dtype in DRAWS.items():
        arguments = f"uint64_t seed, uint64_t offset, int64_t n, {C_TYPES[dtype]} *out"
        prototypes.append(f"void draw_{name}({arguments})")
        source += f"""{prototypes[-1]}
{{
    for (int64_t i = 0; i < n; ++i)
        out[i] = ops_{name}(seed, offset, i);
}}
"""
    return source, "".join(f"{prototype};\n" for prototype in prototypes)


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """One library an instruction set: other vector lengths, fma an instruction and a call."""
    source, cdef = source_and_cdef()
    return [
        compile_library(tmp_path_factory.mktemp("random"), "random", source, cdef, march=isa)
        for isa in ISAS
    ]


def draw(library, name, seed, offset, count):
    out = np.empty(count, DRAWS[name])
    getattr(library, f"draw_{name}")(seed, offset, count, pointer(out))
    return out


def test_known_vectors(libraries):
    for library in libraries:
        for counter, key, result in KNOWN:
            words = np.array(counter, np.uint32)
            library.philox(key[1] << 32 | key[0], pointer(words))
            assert words.tolist() == result


def test_words_of_an_element(libraries):
    """The counter is offset + index, the key the seed; carries reach the second word."""
    words = np.array([3, 1, 0, 0], np.uint32)
    libraries[0].philox(0x123456789ABCDEF0, pointer(words))
    bits = draw(libraries[0], "bits64", 0x123456789ABCDEF0, (1 << 32) - 5, 10)
    assert bits[8] == int(words[1]) << 32 | int(words[0])
    assert draw(libraries[0], "bits32", 0x123456789ABCDEF0, (1 << 32) - 5, 10)[8] == words[0]


@pytest.mark.parametrize("name", DRAWS)
def test_same_bits_on_every_instruction_set(libraries, name):
    first, *others = (draw(library, name, 42, 7, 100003) for library in libraries)
    for other in others:
        assert first.tobytes() == other.tobytes()


@pytest.mark.parametrize("name", DRAWS)
def test_any_split_gives_the_same_numbers(libraries, name):
    """As threads and vector tails split them."""
    whole = draw(libraries[0], name, 1, 100, 1001)
    parts = [draw(libraries[0], name, 1, 100 + begin, 77) for begin in range(0, 1001, 77)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


@pytest.mark.parametrize("name", ["uniform_f32", "uniform_f64"])
def test_uniform(libraries, name):
    x = draw(libraries[0], name, 5, 0, 1 << 20).astype(np.float64)
    assert x.min() >= 0 and x.max() < 1
    # Five standard deviations of each estimate over 2^20 draws.
    assert abs(x.mean() - 0.5) < 5 * np.sqrt(1 / 12 / x.size)
    assert abs(x.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / x.size)
    counts = np.histogram(x, 64, (0, 1))[0]
    expected = x.size / 64
    assert ((counts - expected) ** 2 / expected).sum() < 63 + 5 * np.sqrt(2 * 63)
    assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 5 / np.sqrt(x.size)


def test_uniform_never_reaches_one(libraries):
    """The largest value that its bits allow is below 1 by construction: 24 and 53 bits."""
    single = draw(libraries[0], "uniform_f32", 9, 0, 1 << 20)
    assert np.array_equal(single * 2**24, np.round(single.astype(np.float64) * 2**24))
    double = draw(libraries[0], "uniform_f64", 9, 0, 1 << 20)
    assert np.array_equal(double * 2.0**53, np.floor(double * 2.0**53))


@pytest.mark.parametrize("name", ["normal_f32", "normal_f64"])
def test_normal(libraries, name):
    x = draw(libraries[0], name, 6, 0, 1 << 20).astype(np.float64)
    assert np.isfinite(x).all()
    # Moments 1 to 6 of the standard normal; five standard deviations of each estimate.
    for order, moment, spread in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)]:
        assert abs((x**order).mean() - moment) < 5 * np.sqrt(spread / x.size), order
    tail = (np.abs(x) > 4).mean()
    assert 0.5 < tail / 6.334e-5 < 1.5
    assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 5 / np.sqrt(x.size)


@pytest.mark.parametrize("suffix", ["f32", "f64"])
def test_normal_is_box_muller_of_its_words(libraries, suffix):
    """Against NumPy's logarithm and cosine: the written-out ones are accurate."""
    x = draw(libraries[0], f"normal_{suffix}", 8, 0, 100000)
    words = np.empty((x.size, 4), np.uint32)
    for i in range(1000):
        words[i] = [i, 0, 0, 0]
        libraries[0].philox(8, pointer(words[i]))
    a, b, c, d = words[:1000].astype(np.float64).T
    if suffix == "f32":
        u, turn = (np.floor(a / 2) + 0.5) / 2**31, ((b + 2**31) % 2**32 - 2**31) / 2**32
    else:
        u = (np.floor(b / 32) * 2**26 + np.floor(a / 64) + 1) / 2**53
        turn = (np.floor(d / 32) * 2**26 + np.floor(c / 64)) / 2**53 - 0.5
    expected = np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * turn)
    assert np.allclose(x[:1000], expected, rtol=0, atol=2e-6 if suffix == "f32" else 1e-14)


def test_seeds_and_offsets_differ(libraries):
    base = draw(libraries[0], "bits32", 0, 0, 1000)
    assert not np.array_equal(base, draw(libraries[0], "bits32", 1, 0, 1000))
    assert not np.array_equal(base, draw(libraries[0], "bits32", 1 << 32, 0, 1000))
    assert np.array_equal(base[1:], draw(libraries[0], "bits32", 0, 1, 999))
