"""In: an op. Out: the line that refuses the dtypes its entry calls unsupported.

Must not know: kernels. A family whose kernels refuse by themselves has no such line.
"""

from __future__ import annotations

from ..dtypes import TABLE
from ..opdef import OpDef
from .signature import safe


def refusal(op: OpDef) -> list[str]:
    """Raise where every operand that takes part in promotion has a dtype the op does not take."""
    codes = sum(
        1 << k for k, d in enumerate(TABLE) if op.unsupported.keys() & {d.name, d.code, d.kind}
    )
    read = [
        safe(p.name)
        for p in op.schema.tensors
        if p.name in op.dtype.args and not (p.type.is_list or p.name in op.dtype.classes)
    ]
    if not codes or not read:
        return []
    return [
        f"    if {read[0]}.__class__ is Tensor and {codes} >> dtype_code({read[0]}._h) & 1: "
        f"refuse_dtype({op.name!r}, {codes}, {', '.join(read)})"
    ]
