"""Hook tables of modules and optimizers: those of ``opsmith.utils.hooks``."""

from ..utils.hooks import HookTable, RemovableHandle

__all__ = ["HookTable", "RemovableHandle"]
