"""In: an op. Out: the line that refuses the dtypes its entry calls unsupported.

Must not know: kernels. A family whose kernels refuse by themselves has no such line.
"""

from __future__ import annotations

from ..dtypes import TABLE
from ..opdef import CHECK_ERRORS, OpDef
from .signature import safe


def refusal(op: OpDef) -> list[str]:
    """Raise where every operand that takes part in promotion has a dtype the op does not take.

    A reason that is written as an error is what is raised; ``{type}`` in it is the dtype's name.
    """
    codes: dict[str, int] = {}
    for k, d in enumerate(TABLE):
        for key in (d.name, d.code, d.kind):
            if key in op.unsupported:
                reason = op.unsupported[key]
                said = reason if reason.partition(":")[0] in CHECK_ERRORS else ""
                codes[said] = codes.get(said, 0) | 1 << k
                break
    read = [
        safe(p.name)
        for p in op.schema.tensors
        if p.name in op.dtype.args and not (p.type.is_list or p.name in op.dtype.classes)
    ]
    if not codes or not read:
        return []
    first, every = read[0], ", ".join(read)
    return [
        f"    if {first}.__class__ is Tensor and {bits} >> dtype_code({first}._h) & 1: "
        f"refuse_dtype({op.name!r}, {bits}, {every}{f', reason={said!r}' if said else ''})"
        for said, bits in codes.items()
    ]
