"""Instruction sets: what compilers announce, what a CPU must have, one plan for several sets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

from opsmithc import compile, emit, isa, paths

X86 = pytest.mark.skipif(isa.machine() != "x86_64", reason="names of x86-64")


@X86
def test_levels_need_what_the_abi_says() -> None:
    """The levels of the x86-64 psABI, by Linux's names (OSXSAVE is not listed there)."""
    v4, v3, v2 = isa.targets("portable")
    two = {"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"}
    three = two | {"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"}
    four = three | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
    assert [set(t.needs) for t in (v4, v3, v2)] == [four, three, two]
    assert [t.kernels for t in (v4, v3, v2)] == ["avx512", "avx2", "generic"]
    assert isa.target("x86-64").needs == ()


def test_this_machine_has_what_native_needs() -> None:
    native = isa.target()
    assert native.folder == "" and set(native.needs) <= isa.cpu()
    assert native.needs


def test_arm_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isa, "machine", lambda: "aarch64")
    announced = {"__ARM_FEATURE_DOTPROD", "__ARM_FEATURE_ATOMICS", "__ARM_FEATURE_UNALIGNED"}
    assert isa.features(frozenset(announced)) == {"asimddp", "atomics"}
    assert isa.flags_of("native") == ("-mcpu=native",)
    assert isa.flags_of("armv8.2-a") == ("-march=armv8.2-a",)


def test_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPSMITH_ISA", raising=False)
    assert isa.chosen() == "native"
    monkeypatch.setenv("OPSMITH_ISA", "portable")
    assert isa.chosen() == "portable"


SHAPED = "int shaped(void);\nint shaped(void)\n{{\n    return {};\n}}\n"
SOURCES = {
    "c/level.c": """
#ifdef __AVX2__
enum { LEVEL = 2 };
#else
enum { LEVEL = 0 };
#endif
int level(void);
int level(void) { return LEVEL; }
""",
    "c/avx512/shaped.c": SHAPED.format(512),
    "c/avx2/shaped.c": SHAPED.format(2),
    "c/generic/shaped.c": SHAPED.format(0),
    "c/user.c": """
int level(void);
int shaped(void);
int both(void);
int both(void) { return 1000 * level() + shaped(); }
""",
}


@X86
def test_one_plan_makes_every_set(tmp_path: Path) -> None:
    """A small library three times: its own flags each, and only its own hand-shaped kernels."""
    export = "#pragma GCC visibility push(default)\n"
    for name, text in SOURCES.items():
        emit.write(tmp_path / name, export + text)
    plan = compile.Plan(tmp_path, (), isa.targets("portable"))
    stage = tmp_path / "stage"
    emit.write(stage / "x86_64_v9" / "_old.so", "of another build")
    emit.write(stage / "_older.so", "of a build for one machine")
    objects = [plan.object(tmp_path / name) for name in list(SOURCES)[:4]]
    base = stage / "base.so"
    plan.library(base, objects, ["-Wl,-soname,base.so"])
    plan.library(
        stage / "user.so",
        [plan.object(tmp_path / "c/user.c")],
        [base, "-Wl,-rpath,'$$ORIGIN'"],
    )
    compile.run(plan, 2, progress=False)
    made = sorted(p.relative_to(stage).as_posix() for p in stage.rglob("*.so"))
    folders = ("x86_64_v2", "x86_64_v3", "x86_64_v4")
    assert made == [f"{f}/{name}.so" for f in folders for name in ("base", "user")]
    package = tmp_path / "package"
    emit.write(package / "_runtime.so", "of a build for one machine")
    emit.install(stage, package)
    assert sorted(p.relative_to(package).as_posix() for p in package.rglob("*.so")) == made
    script = "import ctypes, sys; print(ctypes.CDLL(sys.argv[1]).both())"
    for folder, printed in zip(folders, ("0", "2002", "2512"), strict=True):
        if folder != "x86_64_v4" or "avx512f" in isa.cpu():
            command = [sys.executable, "-c", script, str(package / folder / "user.so")]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            assert done.stdout.strip() == printed, folder


def package(*libraries: tuple[str, str]) -> types.ModuleType:
    """A package of compiled libraries."""
    module = types.ModuleType("package")
    module.__path__ = ["/package"]
    module.LIBRARIES = libraries
    return module


PORTABLE = (("v4", "avx2 avx512f"), ("v3", "avx2"), ("v2", "sse4_2"))


@pytest.mark.parametrize(
    ("cpu", "folder"),
    [("sse4_2 avx2 avx512f", "v4"), ("sse4_2,avx2", "v3"), ("sse4_2", "v2")],
)
def test_the_best_set_is_chosen(cpu: str, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from opsmith import _cpu

    monkeypatch.setenv("OPSMITH_CPU", cpu)
    made = package(*PORTABLE)
    _cpu.choose(made)
    assert made.__path__ == [f"/package/{folder}", "/package"]


def test_a_silent_system_gets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    from opsmith import _cpu

    monkeypatch.setattr(_cpu, "features", lambda: None)
    made = package(*PORTABLE)
    _cpu.choose(made)
    assert made.__path__ == ["/package/v2", "/package"]


def test_a_cpu_that_lacks_features_is_refused() -> None:
    """Before any library is loaded: with one, the next instruction would end the process."""
    from opsmith import _generated

    script = (
        "import sys\n"
        "try:\n    import opsmith\n"
        "except ImportError as e:\n    print(e)\n"
        "print(any('/_generated/' in line and '.so' in line for line in open('/proc/self/maps')))\n"
    )
    needs = _generated.LIBRARIES[-1][1].split()
    env = {**os.environ, "PYTHONPATH": str(paths.FRONTEND), "OPSMITH_CPU": " ".join(needs[1:])}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True)
    message, loaded = done.stdout.splitlines()
    assert f"this one lacks {needs[0]}." in message and "build.py --isa portable" in message
    assert loaded == "False"


def test_registries_are_compiled_anew_for_another_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache may lie on a disk that machines share."""
    from opsmithc import user

    mine = user.identity.__wrapped__()
    monkeypatch.setattr(isa, "cpu", lambda: frozenset({"sse2"}))
    assert user.identity.__wrapped__() != mine


@pytest.mark.full
@X86
def test_portable_build(tmp_path: Path) -> None:
    """All of it, three times; each CPU loads its own, and an old one is refused."""
    for name in ("codegen", "frontend", "runtime"):
        ignore = shutil.ignore_patterns("__pycache__", "_generated")
        shutil.copytree(paths.ROOT / name, tmp_path / name, ignore=ignore)
    for file in ("build.py", "ops.yaml", "pyproject.toml"):
        shutil.copy2(paths.ROOT / file, tmp_path)
    build = [sys.executable, "build.py", "--no-venv", "--isa", "portable"]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    script = (
        "import opsmith\n"
        "x = opsmith.ones(65, 65, requires_grad=True)\n"
        "((x @ x).exp() / 2.0**93).sum().backward()\n"
        "my = opsmith.ops.define('- op: twice(Tensor input) -> Tensor\\n  out: 2 * input')\n"
        "assert my.twice(x).sum().item() == 2 * 65 * 65\n"
        "maps = open('/proc/self/maps').read()\n"
        "print(*sorted({p for p in ('v2', 'v3', 'v4') if f'/x86_64_{p}/' in maps}))\n"
    )
    for target, printed in zip(isa.targets("portable"), ("v4", "v3", "v2"), strict=True):
        env = {**os.environ, "OPSMITH_CPU": " ".join(target.needs)}
        env |= {"PYTHONPATH": str(tmp_path / "frontend"), "OPSMITH_CACHE": str(tmp_path / "cache")}
        command = [sys.executable, "-c", script]
        if set(target.needs) <= isa.cpu():
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
            assert done.stdout.strip() == printed
