"""The PEP 517 backend: setuptools, after the same build that build.py makes.

In: pyproject.toml and the tree. Out: a wheel with the compiled library, the compiler, its
templates and, as `opsmithc/_data`, the rest of what loading a user's registry needs: the
runtime's headers and sources, and ops.yaml. Must not know: how anything is generated.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from setuptools import Distribution, build_meta
from setuptools.build_meta import (  # hooks taken as they are
    build_sdist,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ROOT = Path(__file__).resolve().parents[1]
DATA = ["ops.yaml", "runtime"]  # where opsmithc.paths looks in a wheel: opsmithc/_data/NAME
FOLDERS = ["benchmarks", "codegen", "docs", "examples", "frontend", "runtime", "tests"]
GENERATED = shutil.ignore_patterns("__pycache__", "_generated", "*.egg-info")

# The libraries are compiled for one platform and one CPython: say so in the wheel's name.
Distribution.has_ext_modules = lambda self: True  # type: ignore[method-assign]

Settings = dict[str, Any] | None


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """Ask for what compiling needs: the extra `build`, written once in pyproject.toml."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    return [*build_meta.get_requires_for_build_wheel(config_settings), *extras["build"]]


get_requires_for_build_editable = get_requires_for_build_wheel


def build_wheel(
    wheel_directory: str,
    config_settings: Settings = None,
    metadata_directory: str | None = None,
) -> str:
    """Compile, then pack."""
    compile_library(config_settings)
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(
    wheel_directory: str,
    config_settings: Settings = None,
    metadata_directory: str | None = None,
) -> str:
    """Compile, then point at the tree; later builds need no new installation."""
    compile_library(config_settings)
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)


def compile_library(config_settings: Settings) -> None:
    """Run build.py in this interpreter, which has been given all that it needs.

    ``pip install . -C isa=portable`` compiles for many CPUs, as ``build.py --isa portable`` does.
    """
    isa = (config_settings or {}).get("isa")
    options = ["--no-venv", *(["--isa", isa] if isa else [])]
    subprocess.run([sys.executable, str(ROOT / "build.py"), "build", *options], check=True)


class BuildPy(build_py):
    """Collect the packages, and beside them the data that the tree keeps elsewhere."""

    def run(self) -> None:
        """Start from an empty folder, so that nothing stale reaches the wheel."""
        if self.editable_mode:
            super().run()
            return
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        for name in DATA:
            copy(ROOT / name, Path(self.build_lib, "opsmithc", "_data", name))


class Sdist(sdist):
    """A source archive from which both `build.py` and `pip install` work."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Add what setuptools does not find by itself."""
        super().make_release_tree(base_dir, [file for file in files if "_generated" not in file])
        for source in [*map(ROOT.joinpath, FOLDERS), *ROOT.glob("[!.]*.*")]:
            if source.name in FOLDERS or source.is_file():
                copy(source, Path(base_dir, source.name))


def copy(source: Path, target: Path) -> None:
    """Copy a file or a folder, less what is generated."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=GENERATED, dirs_exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
