"""In: the name of an instruction set. Out: flags, kernels to render, what it needs of a CPU.

Must not know: ops, or how anything is compiled. ``native`` (the default) is this machine's set;
``portable`` makes the libraries several times, and the frontend chooses among them when it loads;
any other name is one that the compiler's -march knows. $OPSMITH_ISA says which.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from . import compile

# Best first. Each machine's last is the oldest that is served at all.
PORTABLE = {
    "x86_64": ("x86-64-v4", "x86-64-v3", "x86-64-v2"),
    "aarch64": ("armv8.2-a+sve", "armv8.2-a", "armv8-a"),
}
OLDEST = {"x86_64": "x86-64", "aarch64": "armv8-a"}
# How Linux calls a feature (/proc/cpuinfo) that compilers announce by another name. On x86 what is
# not listed goes by its own name; Arm's macros also announce what is no feature of the CPU.
FEATURES = {
    "x86_64": {
        "abm": "abm", "lzcnt": "abm", "avx512bf16": "avx512_bf16", "avx512bitalg": "avx512_bitalg",
        "avx512fp16": "avx512_fp16", "avx512vbmi2": "avx512_vbmi2", "avx512vnni": "avx512_vnni",
        "avx512vp2intersect": "avx512_vp2intersect", "avx512vpopcntdq": "avx512_vpopcntdq",
        "avxvnni": "avx_vnni", "bmi": "bmi1", "gcc_have_sync_compare_and_swap_16": "cx16",
        "lahf_sahf": "lahf_lm", "sse3": "pni",
        "crc32": "sse4_2",  # of the same CPUs, and without a name of its own
    },
    "aarch64": {
        "arm_feature_aes": "aes", "arm_feature_atomics": "atomics", "arm_feature_bf16": "bf16",
        "arm_feature_complex": "fcma", "arm_feature_crc32": "crc32",
        "arm_feature_dotprod": "asimddp", "arm_feature_fp16_scalar_arithmetic": "fphp",
        "arm_feature_fp16_vector_arithmetic": "asimdhp", "arm_feature_jcvt": "jscvt",
        "arm_feature_matmul_int8": "i8mm", "arm_feature_qrdmx": "asimdrdm",
        "arm_feature_rcpc": "lrcpc", "arm_feature_sha2": "sha2", "arm_feature_sha3": "sha3",
        "arm_feature_sha512": "sha512", "arm_feature_sve": "sve", "arm_feature_sve2": "sve2",
    },
}  # fmt: skip
# Announced with -march too: what compilers use in intrinsics alone, and the runtime does not ask
# for; modes; hints.
UNUSED = (
    "aes", "clflushopt", "clwb", "clzero", "evex", "fp_fast_", "fsgsbase", "pclmul", "prfchw",
    "rdpid", "rdrnd", "rdseed", "sha", "shstk", "vaes", "vpclmul", "xsave",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """One set of libraries."""

    name: str
    folder: str  # inside the package of libraries; empty where there is one set
    flags: tuple[str, ...]
    kernels: str  # the family of hand-shaped kernels to render: avx512, avx2 or generic
    needs: tuple[str, ...]  # features of the CPU, as Linux calls them, sorted


def machine() -> str:
    """The processor family: x86_64 or aarch64."""
    return os.uname().machine


def chosen() -> str:
    """The instruction set that $OPSMITH_ISA names."""
    return os.environ.get("OPSMITH_ISA") or "native"


def targets(name: str) -> tuple[Target, ...]:
    """The libraries to make for an instruction set, best first."""
    if name != "portable":
        return (target(name),)
    folders = {n: n.translate(str.maketrans("-.+", "___")) for n in PORTABLE[machine()]}
    return tuple(target(n, folder) for n, folder in folders.items())


@cache
def target(name: str = "native", folder: str = "") -> Target:
    """What compiling for one instruction set takes."""
    flags = flags_of(name)
    found = compile.macros(flags)
    needs = features(found - compile.macros(flags_of(OLDEST[machine()])))
    if name == "native":  # a hypervisor may hide what the compiler knows of the model
        needs &= cpu() or needs
    shaped = kernels(found)
    flags += ("-mprefer-vector-width=512",) if shaped == "avx512" else ()
    return Target(name, folder, flags, shaped, tuple(sorted(needs)))


def flags_of(name: str) -> tuple[str, ...]:
    """Compiler flags."""
    arm = machine() == "aarch64"
    return ("-mcpu=native",) if arm and name == "native" else (f"-march={name}",)


def kernels(macros: frozenset[str]) -> str:
    """The family of kernels that the compiler's predefined macros allow."""
    if {"__AVX512F__", "__AVX512DQ__", "__AVX512VL__"} <= macros:
        return "avx512"
    return "avx2" if {"__AVX2__", "__FMA__"} <= macros else "generic"


def features(macros: frozenset[str]) -> frozenset[str]:
    """The CPU's features that macros announce."""
    names = FEATURES[machine()]
    found = set()
    for macro in macros:
        word = macro.strip("_").lower()
        if word in names:
            found.add(names[word])
        elif machine() == "x86_64" and macro.isupper() and not word.startswith(UNUSED):
            found.add(word)  # in lower case: the model's name
    return frozenset(found)


@cache
def cpu() -> frozenset[str]:
    """This CPU's features, as Linux lists them; empty where it does not."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    line = next((s for s in text.splitlines() if s.startswith(("flags", "Features"))), "")
    return frozenset(line.partition(":")[2].split())


def package_text(libraries: tuple[Target, ...]) -> str:
    """The generated package's __init__: which libraries there are, and what they need."""
    lines = ['"""Generated by opsmithc. Do not edit."""', ""]
    lines += [
        "# Folder, and what its libraries need of the CPU; the best come first.",
        "LIBRARIES = (",
    ]
    lines += [f"    ({t.folder!r}, {' '.join(t.needs)!r})," for t in libraries]
    return "\n".join([*lines, ")", ""])
