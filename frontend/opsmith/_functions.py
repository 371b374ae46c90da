"""Every operation by name, from the registry.

Until the first call of one of a shard's functions their stand-ins are here. To call, read the
function from this module; to keep it, ask `_loading.lookup`.
"""

from __future__ import annotations

from . import _loading

blocks = 0  # entered in any thread: see `_modes`
globals().update(_loading.stand_ins())
