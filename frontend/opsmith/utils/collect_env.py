"""What to say of this machine in a report: ``python -m opsmith.utils.collect_env``."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata

from .. import __config__, __version__, cuda


def get_env_info() -> dict[str, str]:
    """Facts about the library, the interpreter and the machine."""
    found = {
        "opsmith version": __version__,
        "Is CUDA available": str(cuda.is_available()),
        "OS": platform.platform(),
        "Libc version": "-".join(platform.libc_ver()),
        "Python version": sys.version.replace("\n", " "),
        "Python platform": sys.platform,
        "CPU": _processor(),
        "CPU count": str(os.cpu_count()),
    }
    for package in ("numpy", "cffi", "safetensors", "torch"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def get_pretty_env_info() -> str:
    """The same as text, with how the library was built."""
    width = max(map(len, get_env_info()))
    lines = [f"{name:<{width}} : {value}" for name, value in get_env_info().items()]
    return "\n".join([*lines, "", __config__.show()])


def main() -> None:
    """Print it."""
    print("Collecting environment information...")
    print(get_pretty_env_info())


if __name__ == "__main__":
    main()

__all__ = ["get_env_info", "get_pretty_env_info", "main"]
