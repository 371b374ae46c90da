"""For type checkers: the Tensor class is made in C; its declaration is generated."""

from typing import Any

from ._generated.stubs import Tensor as Tensor

def __getattr__(name: str) -> Any: ...
