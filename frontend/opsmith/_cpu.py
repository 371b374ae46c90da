"""Which of the compiled libraries this CPU can run. Looks before any of them is loaded.

A library compiled for features that the CPU lacks would end the process at the first instruction
that is missing: it is refused here, with a reason. ``OPSMITH_CPU`` (features, as in /proc/cpuinfo)
stands for the CPU's own list, to see what others would.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def features() -> frozenset[str] | None:
    """What Linux says this CPU has; None where it says nothing."""
    pretended = os.environ.get("OPSMITH_CPU")
    if pretended is not None:
        return frozenset(pretended.replace(",", " ").split())
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:  # of the first processor: reading on takes long where there are many
                if line.startswith(("flags", "Features")):
                    return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    return None


def choose(package: ModuleType) -> None:
    """Let the package find the best libraries that this CPU can run.

    Raises:
        ImportError: when it can run none.
    """
    have = features()
    libraries = [(folder, frozenset(needs.split())) for folder, needs in package.LIBRARIES]
    if have is None:  # the least is all that can be asked for
        libraries = [(folder, frozenset()) for folder, _ in libraries[-1:]]
        have = frozenset()
    for folder, needs in libraries:
        if needs <= have:
            if folder:
                package.__path__.insert(0, os.path.join(package.__path__[0], folder))
            return
    lacking = " ".join(sorted(libraries[-1][1] - have))
    raise ImportError(
        f"opsmith's libraries were compiled for another CPU: this one lacks {lacking}. "
        "Build them here (python3 build.py), or for many CPUs (python3 build.py --isa portable)"
    )
