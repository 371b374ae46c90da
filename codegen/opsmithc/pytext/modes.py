"""In: an op. Out: the line by which its function asks whether a block changes its calls.

Must not know: which blocks there are. Calls of C ask C; this is for what C cannot see:
compositions, and the dtype that an entry's ``autocast`` names.
"""

from __future__ import annotations

from ..opdef import Body, Compose, OpDef


def modes(op: OpDef, function: str, passed: str, policy: str | None = None) -> list[str]:
    """Ask, once a block was entered in any thread: until then it costs the read of one number."""
    composed = isinstance(op.meaning, Body | Compose) and not op.hidden
    if not op.autocast and not composed:
        return []
    policy = op.autocast if policy is None else policy
    call = f"divert({function}, {policy!r}, {passed})"
    return [f"    if _f.blocks and diverts({policy!r}): return {call}"]


def writing(op: OpDef, function: str, passed: str) -> list[str]:
    """The same for a form that writes in place: its first argument decides the dtype."""
    return modes(op, function, passed, "keep") if op.autocast else []
