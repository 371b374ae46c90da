"""Every operation by name: generated from the registry, plus the functions the boundary itself has.

Generated modules import this one for the ops they call; it is filled from them, shard by shard.
"""

from __future__ import annotations

import importlib

from ._generated import index as _index

_namespace = globals()
for _shard in _index.SHARDS:
    _module = importlib.import_module(f"opsmith._generated.{_shard}")
    for _name in _module.PUBLIC:
        _namespace[_name] = getattr(_module, _name)
        if hasattr(_module, _name + "_"):
            _namespace[_name + "_"] = getattr(_module, _name + "_")
    for _name in vars(_module):
        if _name.startswith(("o_", "m_")):
            _namespace[_name] = getattr(_module, _name)
for _name, _target in _index.ALIASES:
    if _target in _namespace:
        _namespace[_name] = _namespace[_target]
del _shard, _module, _name, _target
