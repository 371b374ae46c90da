"""In: C files and what they become. Out: shared libraries, through ninja.

Must not know: ops. The only module that runs subprocesses; incremental and resumable because ninja
is, safe against concurrent builds because outputs are renamed into place by the linker rule.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from .emit import write
from .paths import ROOT

if TYPE_CHECKING:
    from .isa import Target

WARNINGS = ("-Wall", "-Wextra", "-Werror")
# Never -ffast-math: it breaks NaN and infinity, and linking with it changes the whole process.
BASE = (
    "-std=gnu11", "-fPIC", "-fvisibility=hidden", "-fwrapv", "-fno-math-errno",
    "-fno-trapping-math", "-fno-plt",
)  # fmt: skip
FAMILIES = ("avx512", "avx2", "generic")  # of hand-shaped kernels
KERNEL = ("-O3",)
# Formulas say where a product is fused into a sum (fma). Left to the compiler, vectors and the
# elements after the last whole one differ in a bit, and so do results by how threads share a loop.
LOOPS = (*KERNEL, "-ffp-contract=off")
ENTRY = ("-O2",)
GLUE = ("-O1",)  # conversions of arguments, which are calls: more costs a third of the time again


class CompileError(Exception):
    """The C compiler or linker failed; the text shows its message."""


def compiler() -> str:
    """The C compiler: $CC, else cc, else gcc."""
    names = [name for name in (os.environ.get("CC"), "gcc", "cc", "clang") if name]
    for name in names:
        if shutil.which(name):
            return name
    raise CompileError(f"found none of {', '.join(names)}: install gcc, or set CC")


def flags() -> str:
    """What loops, entries and glue are compiled with, and by which compiler if one was chosen."""
    return " ".join((os.environ.get("CC", ""), *BASE, *WARNINGS, *LOOPS, *ENTRY, *GLUE))


@cache
def macros(flags: Sequence[str]) -> frozenset[str]:
    """What the C compiler predefines with these flags."""
    done = subprocess.run(
        [compiler(), *flags, "-dM", "-E", "-x", "c", os.devnull],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise CompileError(f"{compiler()} {' '.join(flags)}: {done.stderr.strip()}")
    return frozenset(line.split()[1] for line in done.stdout.splitlines())


# No fast math, as for C. -split-compile would help big files, but groups are small. Machine code is
# compressed: a third of the size, for no time.
# 186: an unsigned ndim is never negative, which texts made for every rank do not know.
CUDA = ("-std=c++20", "-O3", "-Xcompiler", "-fPIC,-fvisibility=hidden,-Wall,-Werror,-O1", "-Werror",
        "all-warnings", "-diag-suppress", "186", "-Xfatbin", "-compress-all")  # fmt: skip


def nvcc() -> str | None:
    """The CUDA compiler: on the path, in $CUDA_HOME, or where its installer puts it."""
    home = os.environ.get("CUDA_HOME") or "/usr/local/cuda"
    return shutil.which("nvcc") or shutil.which(f"{home}/bin/nvcc")


def wants_cuda(asked: bool = False) -> bool:
    """Build the CUDA library? When asked for, or where a GPU is visible beside nvcc.

    `--cuda` and OPSMITH_CUDA=1 ask, OPSMITH_CUDA=0 forbids. It takes minutes, so that machines
    without a GPU do not build it by default.
    """
    setting = os.environ.get("OPSMITH_CUDA", "")
    if setting == "0":
        return False
    if asked or setting == "1":
        if nvcc() is None:
            raise CompileError("CUDA was asked for; there is no nvcc: install it or set CUDA_HOME")
        return True
    return nvcc() is not None and Path("/dev/nvidia0").exists()


def cuda_arch() -> str:
    """What to compile for, like sm_90: $OPSMITH_CUDA_ARCH, this machine's GPU, or an H100."""
    if named := os.environ.get("OPSMITH_CUDA_ARCH"):
        return named if named.startswith("sm_") else f"sm_{named.replace('.', '')}"
    tool = shutil.which("nvidia-smi")
    if tool is not None:
        found = subprocess.run(
            [tool, "--query-gpu=compute_cap", "--format=csv,noheader"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        match = re.match(r"(\d+)\.(\d+)", found.stdout)
        if found.returncode == 0 and match:
            return f"sm_{match[1]}{match[2]}"
    return "sm_90"


def cuda_command(compiler: str, arch: str, include: Iterable[Path | str]) -> str:
    """nvcc up to its input and output: machine code for one architecture."""
    number = arch.removeprefix("sm_")
    folders = " ".join(f"-I{p}" for p in include)
    return f"{compiler} {' '.join(CUDA)} -gencode arch=compute_{number},code={arch} {folders}"


@dataclass
class Plan:
    """Objects and libraries to make, for each instruction set; becomes one build.ninja.

    Sources in a folder named after a family of kernels (avx512, ...) are for sets of that family.
    Paths inside the tree are written relative to ``folder``: a checkout that is moved stays built.
    """

    folder: Path
    include: Sequence[Path]
    targets: Sequence[Target]
    objects: dict[tuple[Path, str], Path] = field(default_factory=dict)  # source, rule: object
    libraries: list[tuple[Path, list[Path], list[str | Path]]] = field(default_factory=list)

    def object(self, source: Path, rule: str = "kernel") -> Path:
        """Compile ``source``; returns the object's path."""
        target = self.folder / "o" / source.parent.name / f"{source.stem}.o"
        return self.objects.setdefault((source, rule), target)  # shards may share a source

    def library(
        self, target: Path, objects: Iterable[Path], flags: Sequence[str | Path] = ()
    ) -> None:
        """Link objects to a shared library; a flag that is a path is another one it needs."""
        self.libraries.append((target, list(objects), list(flags)))

    def path(self, path: Path) -> str:
        """How the ninja file names a path."""
        inside = path.is_relative_to(ROOT) and self.folder.is_relative_to(ROOT)
        return os.path.relpath(path, self.folder) if inside else str(path)

    def _cuda_rules(self) -> list[str]:
        compiler = nvcc()
        if compiler is None or not any(rule == "cuda" for _, rule in self.objects):
            return []
        command = cuda_command(compiler, cuda_arch(), map(self.path, self.include))
        return [
            "rule cuda",
            f"  command = {command} -MMD -MF $out.d -c $in -o $out",
            "  depfile = $out.d",
            "  deps = gcc",
            "  description = $in",
            "",
            "rule cuda_link",
            f"  command = {compiler} -shared -cudart static -arch={cuda_arch()} -Xlinker"
            " --build-id=none $in $flags -o $out.tmp && mv -f $out.tmp $out",
            "  description = link $out",
            "",
        ]

    def made(self, target: Target) -> list[Path]:
        """The libraries for one instruction set."""
        return [library.parent / target.folder / library.name for library, *_ in self.libraries]

    def _builds(self, target: Target) -> list[str]:
        """The statements for one instruction set."""
        cuda = {made for (_, rule), made in self.objects.items() if rule == "cuda"}
        stage = {library: made for (library, *_), made in zip(self.libraries, self.made(target))}

        def place(path: Path) -> Path:
            inside = target.folder and path not in cuda
            return self.folder / target.folder / path.relative_to(self.folder) if inside else path

        def foreign(path: Path) -> bool:
            return path.parent.name in FAMILIES and path.parent.name != target.kernels

        lines = []
        for (source, rule), made in self.objects.items():
            if foreign(source) or (rule == "cuda" and target is not self.targets[0]):
                continue
            lines.append(f"build {self.path(place(made))}: {rule} {self.path(source)}")
            lines.append(f"  isa = {' '.join(target.flags)}")
        for library, objects, options in self.libraries:
            link = "cuda_link" if cuda & set(objects) else "link"
            linked = {o: self.path(stage.get(o, o)) for o in options if isinstance(o, Path)}
            implicit = f" | {' '.join(linked.values())}" if linked else ""
            own = " ".join(self.path(place(o)) for o in objects if not foreign(o))
            lines.append(f"build {self.path(stage[library])}: {link} {own}{implicit}")
            flags = (linked[o] if isinstance(o, Path) else o for o in options)
            lines.append(f"  flags = {' '.join(flags)}")
        return lines

    def text(self) -> str:
        """The ninja file."""
        cc = compiler()
        include = " ".join(f"-I{self.path(p)}" for p in self.include)
        python = f"-I{sysconfig.get_path('include')} -D_CFFI_NO_LIMITED_API"
        base = " ".join(BASE)
        rules = {
            "kernel": " ".join((*KERNEL, *WARNINGS)),
            "loops": " ".join((*LOOPS, *WARNINGS)),
            "entry": " ".join((*ENTRY, *WARNINGS)),
            "cffi": f"{' '.join(GLUE)} -w {python}",
        }
        lines = ["ninja_required_version = 1.5", f"base = {base} {include}", ""]
        for name, flags in rules.items():
            lines += [
                f"rule {name}",
                f"  command = {cc} $base $isa {flags} -MMD -MF $out.d -c $in -o $out",
                "  depfile = $out.d",
                "  deps = gcc",
                "  description = $in",
                "",
            ]
        lines += [
            "rule link",
            f"  command = {cc} -shared -Wl,-z,now -Wl,-z,relro -Wl,--build-id=none $in $flags"
            " -o $out.tmp && mv -f $out.tmp $out",
            "  description = link $out",
            "",
        ]
        lines += self._cuda_rules()
        for target in self.targets:
            lines += self._builds(target)
        return "\n".join([*lines, ""])


def run(plan: Plan, jobs: int, progress: bool = True, name: str = "build.ninja") -> int:
    """Bring every library of the plan up to date; returns the number of steps done."""
    file = plan.folder / name
    write(file, plan.text())
    command = [_ninja(), "-C", str(plan.folder), "-f", name, "-j", str(jobs)]
    bar = None
    steps = 0
    tail: list[str] = []
    env = dict(os.environ, NINJA_STATUS="[%f/%t] ")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            match = re.match(r"\[(\d+)/(\d+)\] (.*)", line)
            if match is None:
                tail.append(line)
                continue
            steps = int(match[1])
            if progress and bar is None:
                from tqdm import tqdm

                bar = tqdm(total=int(match[2]), desc="compile", unit="file", leave=False)
            if bar is not None:
                bar.total = int(match[2])
                bar.update(steps - bar.n)
        code = process.wait()
    if bar is not None:
        bar.close()
    if code:
        raise CompileError("".join(tail[-60:]))
    _prune(plan)
    return steps


def _prune(plan: Plan) -> None:
    """Remove libraries of earlier builds: larger registries, other instruction sets."""
    made = {path for target in plan.targets for path in plan.made(target)}
    for folder in {library.parent for library, *_ in plan.libraries}:
        for left in set(folder.rglob("*.so")) - made:
            left.unlink()
            if left.parent != folder:
                shutil.rmtree(left.parent)


@contextlib.contextmanager
def bar(what: str, total: int, shown: bool = True) -> Iterator[Callable[[str], None]]:
    """A progress bar; call what it gives with the name of each thing done."""
    if not shown:
        yield lambda name: None
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=what, leave=False) as found:
        yield lambda name: found.update()


def run_python(arguments: Sequence[str], path: Sequence[Path]) -> int:
    """Run this interpreter on something else, with ``path`` in front; returns its status."""
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(map(str, path)))
    return subprocess.run([sys.executable, *arguments], env=env, check=False).returncode


def precompile(folder: Path) -> None:
    """Write the bytecode of a package, so that importing it is fast from the first time on."""
    import compileall

    compileall.compile_dir(str(folder), quiet=2, workers=1, maxlevels=3)


def _ninja() -> str:
    try:
        import ninja

        return str(Path(ninja.BIN_DIR) / "ninja")
    except ImportError:
        found = shutil.which("ninja") or shutil.which("ninja-build")
        if found is None:
            raise CompileError(f"ninja is missing: {sys.executable} -m pip install ninja") from None
        return found
