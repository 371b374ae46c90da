"""What editors and type checkers see: generated from the registry, see ``opsmithc/stubs.py``."""

from typing import Any

from ._generated.stubs import *  # noqa: F403
from ._generated.stubs import Tensor as Tensor

__version__: str

def __getattr__(name: str) -> Any: ...
