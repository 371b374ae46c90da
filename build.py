#!/usr/bin/env python3
"""Build opsmith: generate and compile the library, then run the demo, the tests or anything else.

A fresh machine needs Python 3.11-3.14 and a C compiler. If this interpreter has the packages that
the verb needs (the extras in pyproject.toml), it is used as it is; else they go into .venv.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
BUILD, VENV = ROOT / "build", ROOT / ".venv"
GENERATED = ROOT / "frontend" / "opsmith" / "_generated"
PYTHONS = ((3, 11), (3, 14))
# What one interpreter tells the next: seconds spent so far, and what the first one lacked.
CARRIED, LACK = "OPSMITH_BUILD_CARRIED", "OPSMITH_BUILD_LACK"

VERBS = {  # verb: (extras it needs, what it does)
    "build": (["build"], "generate and compile everything (the default)"),
    "gen": (["build"], "generate the sources under build/, compile nothing"),
    "demo": (["build", "demo"], "build, then train a network on handwritten digits"),
    "test": (["build", "demo", "test"], "build, then run the test suite"),
    "soak": (["build", "demo", "test"], "build, then run random ops in eight threads for long"),
    "lint": (["dev"], "ruff and mypy"),
    "show": (["build"], "print an op at each stage of the compiler (see `show OP --help`)"),
    "bench": (["bench"], "build, then time against PyTorch in the same process"),
    "docs": (["build", "docs"], "build, then make the documentation, a site in build/docs/site"),
    "clean": ([], "remove everything generated"),
}


def main(argv: Sequence[str]) -> int:
    """Run one verb; return its exit status."""
    options, extra = parse(argv)
    check_python()
    BUILD.mkdir(exist_ok=True)
    if options.verb == "clean":
        return clean(options)
    clock = Clock()
    with clock.part("environment", f"{sys.executable}, Python {sys.version.split()[0]}"), lock():
        enter_environment(VERBS[options.verb][0], clock, may_create=not options.no_venv)
    if options.verb == "show":
        return python("-m", "opsmithc", "show", options.op, *options.args, *extra)
    try:
        return run(options, extra, clock)
    except KeyboardInterrupt:
        print("\ninterrupted; the next build goes on from here", file=sys.stderr)
        return 130
    finally:
        if len(clock.rows) > 1:
            clock.print()


def run(options: argparse.Namespace, extra: list[str], clock: Clock) -> int:
    """Do the verb's work in the environment, which by now is complete."""
    verb = options.verb
    if verb == "lint":
        return lint(clock)
    registry = ["--registry", os.path.abspath(options.registry)] if options.registry else []
    if verb == "gen":
        with lock(), clock.part("gen", "sources build/"):
            return python("-m", "opsmithc", "gen", *registry)
    check_compiler()
    jobs = ["--jobs", str(options.jobs)] if options.jobs else []
    jobs += ["--isa", options.isa] if options.isa else []
    force = ["--force"] if options.force else []
    force += ["--cuda"] if options.cuda or getattr(options, "device", "cpu") == "cuda" else []
    # The lock is held only while sources and libraries change, not while tests run.
    with lock(), clock.part("build", "sources build/, libraries frontend/opsmith/_generated/"):
        status = python("-m", "opsmithc", "build", *registry, *jobs, *force)
    if status:
        return status
    if verb == "demo":
        with clock.part("demo", "picture build/demo/digits.png"):
            return python("examples/digits.py", *extra)
    if verb == "docs":
        with clock.part("pages", "sources build/docs/source/"):
            status = python("-m", "opsmithc", "docs")
        if status:
            return status
        with clock.part("site", "build/docs/site/index.html"):
            return python("docs/site.py", *extra)
    if verb == "test":
        return test(options, extra, clock)
    if verb == "soak":
        with clock.part("soak", "cases under way build/soak/"):
            minutes = {"OPSMITH_SOAK_MINUTES": str(options.minutes)}
            return python("-m", "pytest", "-s", "tests/ops/test_soak.py", *extra, **minutes)
    if verb == "bench":
        return bench(options, extra, clock)
    print(f"\nTo use it from this checkout: PYTHONPATH=frontend {sys.executable}")
    return 0


def parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Split the command line into options and what follows `--`, for pytest or a script."""
    argv = list(argv)
    cut = argv.index("--") if "--" in argv else len(argv)
    argv, extra = argv[:cut], argv[cut + 1 :]
    if not argv or (argv[0].startswith("-") and argv[0] not in ("-h", "--help")):
        argv.insert(0, "build")
    parser = argparse.ArgumentParser(
        prog="build.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, (_, text) in VERBS.items():
        sub = verbs.add_parser(name, help=text, description=text)
        sub.add_argument("--no-venv", action="store_true", help="use this interpreter or fail")
        if name not in ("lint", "show", "clean"):
            sub.add_argument("--registry", metavar="FILE", help="another registry than ops.yaml")
            sub.add_argument("--jobs", type=int, metavar="N", help="compile N files at a time")
            sub.add_argument("--force", action="store_true", help="compile all, changed or not")
            sub.add_argument("--isa", metavar="SET", help="for CPUs: native, portable, ..")
            sub.add_argument("--cuda", action="store_true", help="CUDA kernels too, GPU or not")
        if name == "test":
            sub.usage = "build.py test [options] [-- pytest arguments]"
            sub.add_argument("--full", action="store_true", help="add the tests that take long")
            sub.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
        elif name == "soak":
            sub.add_argument("--minutes", type=float, default=10.0, metavar="N")
        elif name == "show":
            sub.add_argument("op", metavar="OP")
            sub.add_argument("args", nargs=argparse.REMAINDER, help="e.g. --stage grad")
        elif name == "bench":
            sub.add_argument("names", nargs="*", metavar="NAME", help="scripts of benchmarks/")
        elif name == "clean":
            sub.add_argument("--all", action="store_true", help=".venv and caches too")
    return parser.parse_args(argv), extra


def check_python() -> None:
    """Stop unless this is an interpreter that opsmith supports."""
    if not sys.platform.startswith("linux"):
        stop(f"opsmith runs on Linux; this is {sys.platform}")
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        low, high = (".".join(map(str, version)) for version in PYTHONS)
        stop(f"opsmith needs CPython {low} to {high}; {sys.executable} is {sys.version.split()[0]}")
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        stop("free-threaded CPython is not supported: the boundary relies on the GIL")


def check_compiler() -> None:
    """Stop unless there is a C compiler."""
    names = [os.environ["CC"].split()[0]] if os.environ.get("CC") else ["cc", "gcc"]
    if not any(shutil.which(name) for name in names):
        stop(f"no C compiler ({' or '.join(names)}): `apt install gcc libc6-dev`, or set CC")


def requirements(extras: Sequence[str]) -> dict[str, str]:
    """Read the extras of pyproject.toml: {package: requirement}."""
    import tomllib  # since Python 3.11, which check_python has made sure of

    with open(ROOT / "pyproject.toml", "rb") as file:
        table = tomllib.load(file)["project"]["optional-dependencies"]
    found: dict[str, str] = {}
    for requirement in (line for extra in extras for line in table[extra]):
        nested = re.fullmatch(r"opsmith\[(.*)\]", requirement)
        if nested:
            found |= requirements(nested[1].split(","))
        else:
            found[re.split(r"[<>=!~ ;\[]", requirement)[0]] = requirement
    return found


def numbers(version: str) -> list[int]:
    """Make a version comparable; three parts are enough here."""
    return [int(part) for part in re.findall(r"\d+", version)[:3]]


def missing(extras: Sequence[str]) -> list[str]:
    """Return the requirements that this interpreter does not meet."""
    lacking = []
    for name, requirement in requirements(extras).items():
        try:
            have = metadata.version(name)
        except metadata.PackageNotFoundError:
            if name == "ninja" and shutil.which("ninja"):
                continue
            lacking.append(requirement)
            continue
        if ">=" in requirement and numbers(have) < numbers(requirement.split(">=")[1]):
            lacking.append(f"{requirement} (found {have})")
    return lacking


def enter_environment(extras: Sequence[str], clock: Clock, may_create: bool) -> None:
    """Go on in an interpreter that has the extras: this one, or the one in .venv."""
    lacking = missing(extras)
    if not lacking:
        return
    lack = f"{sys.executable} lacks {', '.join(lacking)}"
    if not may_create:
        stop(lack)
    inside = VENV / "bin" / "python"
    if Path(sys.prefix).resolve() == VENV.resolve():
        print(f"installing into .venv: {', '.join(lacking)}", flush=True)
        wanted = [requirement.split(" (found")[0] for requirement in lacking]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", *wanted]
        if subprocess.call(pip) or missing(extras):
            stop(
                "pip could not install everything: no package index in reach, or it lacks some.\n"
                f"  {sys.executable} lacks {', '.join(missing(extras))}\n"
                f"  {os.environ.get(LACK, '')}\n"
                "Give either interpreter what it lacks by other means, and run build.py with it."
            )
    else:
        os.environ[LACK] = lack
        if not inside.exists():
            print(f"{lack}: making .venv", flush=True)
            if subprocess.call([sys.executable, "-m", "venv", str(VENV)]):
                shutil.rmtree(VENV, ignore_errors=True)
                stop(f"`python -m venv` failed (Debian: `apt install python3-venv`), and {lack}")
    os.environ[CARRIED] = repr(clock.elapsed())
    os.execv(inside, [str(inside), str(ROOT / "build.py"), *sys.argv[1:]])


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """Keep other runs of build.py in this checkout out (the kernel frees it if we die)."""
    import fcntl  # Linux only, which check_python has made sure of

    with open(BUILD / ".lock", "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another build runs in this checkout; waiting for it ...", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def python(*arguments: str, **environment: str) -> int:
    """Run this interpreter on the tree's own packages; return the exit status."""
    paths = [str(ROOT / "frontend"), str(ROOT / "codegen"), os.environ.get("PYTHONPATH", "")]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), **environment}
    sys.stdout.flush()
    return subprocess.call([sys.executable, *arguments], cwd=ROOT, env=os.environ | environment)


def test(options: argparse.Namespace, extra: list[str], clock: Clock) -> int:
    """Run pytest, on all cores where pytest-xdist is there."""
    left_out = ([] if options.full else ["full"]) + ([] if options.device == "cuda" else ["gpu"])
    arguments = ["-m", " and ".join(f"not {marker}" for marker in left_out)] if left_out else []
    with contextlib.suppress(metadata.PackageNotFoundError):
        if metadata.version("pytest-xdist") and not any(word.startswith("-n") for word in extra):
            arguments += ["-n", str(len(os.sched_getaffinity(0)))]
    chosen = {"OPSMITH_TEST_DEVICE": options.device, "OPSMITH_TEST_FULL": str(int(options.full))}
    with clock.part("test", " ".join(["pytest", *arguments, *extra])):
        return python("-m", "pytest", *arguments, *extra, **chosen)


def lint(clock: Clock) -> int:
    """Run ruff on everything and mypy where pyproject.toml says."""
    with clock.part("ruff"):
        ruff = python("-m", "ruff", "check", ".")
    with clock.part("mypy"):
        mypy = python("-m", "mypy")
    return ruff or mypy


def bench(options: argparse.Namespace, extra: list[str], clock: Clock) -> int:
    """Run the named benchmarks, or all."""
    there = {path.stem: path for path in sorted((ROOT / "benchmarks").glob("[!_]*.py"))}
    unknown = [name for name in options.names if name not in there]
    if unknown:
        stop(f"no benchmark {', '.join(unknown)}; there are {', '.join(there) or 'none'}")
    status = 0
    for name in options.names or there:
        with clock.part(name):
            status = python(str(there[name]), *extra) or status
    return status


def clean(options: argparse.Namespace) -> int:
    """Remove what is generated; the lock file stays, since another run may wait on it."""
    caches = [".ruff_cache", ".mypy_cache", ".pytest_cache", ".hypothesis", "dist"]
    with lock():
        gone = [path for path in BUILD.iterdir() if path.name != ".lock"] + [GENERATED]
        gone += [VENV, *(ROOT / name for name in caches)] if options.all else []
        for path in gone:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    print("removed", ", ".join(sorted(str(path.relative_to(ROOT)) for path in gone)))
    return 0


class Clock:
    """The parts of a run: how long each took, and where its results are."""

    def __init__(self) -> None:
        self.start = time.perf_counter() - float(os.environ.pop(CARRIED, "0"))
        self.rows: list[tuple[str, float, str]] = []

    def elapsed(self) -> float:
        """Return the seconds since the command was given."""
        return time.perf_counter() - self.start

    @contextlib.contextmanager
    def part(self, name: str, note: str = "") -> Iterator[None]:
        """Time the body as `name`; the first part also counts what came before."""
        begin = self.elapsed() if self.rows else 0.0
        try:
            yield
        finally:
            self.rows.append((name, self.elapsed() - begin, note))

    def print(self) -> None:
        """Print the table."""
        print()
        for name, seconds, note in [*self.rows, ("total", self.elapsed(), "")]:
            print(f"  {name:<12} {seconds:7.1f} s   {note}".rstrip(), flush=True)


def stop(message: str) -> NoReturn:
    """End the run with a message."""
    sys.exit(f"build.py: {message}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
