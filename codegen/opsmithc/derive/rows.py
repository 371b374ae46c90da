"""In: a body of pointwise ops and reductions over one common dim set. Out: its tree and gradients.

Must not know: targets. ``recognise`` inlines a body to a formula of intrinsics and reductions; a
pure pointwise one becomes an ``out``, the others ``Rows``. Gradients are found by one reverse pass
over the shared graph of the formula, so a value used twice is differentiated once; sums of the
cotangents are then freed of factors that are constant along a row, which saves passes over it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ..errors import FormulaError
from ..formula import (
    ONE, ZERO, Attr, Binary, Block, Call, Compare, Fold, Formula_, IfExp, Item, Logic, Name, Nil,
    Node, Num, Seq, Str, Unary, calls, children, inline, names, substitute, transform, unparse, walk,
)  # fmt: skip
