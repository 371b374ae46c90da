"""What editors and type checkers see: generated from the registry, see ``opsmithc/stubs.py``."""

from builtins import bool as _bool
from typing import Any

from ._generated.stubs import *  # noqa: F403
from ._generated.stubs import Tensor as Tensor

__version__: str

def is_tensor(obj: Any) -> _bool: ...
def is_floating_point(input: Tensor) -> _bool: ...
def __getattr__(name: str) -> Any: ...
