"""Comes in: the `conv` section of schedules.yaml and the name of an instruction set.

Goes out: one ConvFile a dtype, everything templates/c/conv.c.j2 prints, already decided.
Must not know: the registry, the IR of single ops, how files are rendered or compiled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opsmithc.lower.gemm import C_TYPES, VECTOR_SETS, schedule_entry


@dataclass(frozen=True)
class Schedule:
    """Cache budgets in bytes, and the channel count up to which plain loops are faster."""

    band_bytes: int
    chunk_bytes: int
    narrow: int


@dataclass(frozen=True)
class ConvFile:
    """Context of templates/c/conv.c.j2."""

    dtype: str
    ctype: str
    band_bytes: int
    chunk_bytes: int
    narrow: int

    @property
    def path(self) -> str:
        """File name of the generated source."""
        return f"conv_{self.dtype}.c"


def conv_contexts(schedules: Mapping[str, Any], isa: str) -> list[ConvFile]:
    """One generated file a dtype; it runs on the micro-kernels gemm_contexts makes for `isa`."""
    if isa not in VECTOR_SETS:
        raise ValueError(f"conv: instruction set {isa!r}; known are {', '.join(VECTOR_SETS)}")
    files = []
    for dtype, (ctype, _) in C_TYPES.items():
        plan = Schedule(**schedule_entry(schedules, ("conv", isa, dtype), Schedule))
        files.append(ConvFile(dtype, ctype, plan.band_bytes, plan.chunk_bytes, plan.narrow))
    return files
