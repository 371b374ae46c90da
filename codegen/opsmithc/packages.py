"""In: the dotted name of a function of a Python package. Out: why there is none, if so.

Must not know: what the function is for. Packages are imported to look, but for the frontend, which
the compiler never imports: there the text of the module says it.
"""

from __future__ import annotations

import importlib
import re

from .errors import did_you_mean
from .paths import FRONTEND


def absent(module: str, name: str) -> str:
    """Why ``module`` has no function ``name``; '' where it has."""
    if module.partition(".")[0] == "opsmith":
        file = FRONTEND.joinpath(*module.split(".")).with_suffix(".py")
        if not file.is_file():
            return f"there is no module '{module}'"
        text = file.read_text(encoding="utf-8")
        found = re.findall(r"(?m)^(?:def |class )?(\w+)(?=[(:= ])", text)
    else:
        try:
            loaded = importlib.import_module(module)
        except ImportError as e:
            return f"there is no module '{module}' ({e})"
        found = dir(loaded)
    return "" if name in found else f"'{module}' has no '{name}'{did_you_mean(name, found)}"
