"""Neural-network building blocks: modules, parameters, initialisers and functional forms."""

from opsmith.nn import functional, init, utils
from opsmith.nn.modules import *  # noqa: F403
from opsmith.nn.modules import __all__ as _modules
from opsmith.nn.parameter import (
    Buffer,
    Parameter,
    UninitializedBuffer,
    UninitializedParameter,
)


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)


__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "functional",
    "init",
    "utils",
    *_modules,
]
