"""In: an op whose meaning is loop notation. Out: its loop program, and its adjoints as hidden ops.

Must not know: targets. Four forms of program exist; all four are closed under transposition:

    out[i, j] = sum(input[i, k] * other[k, j] for k in K)    gather: the target names its loops
    out[input[b], d] = sum(g[b, d] for b in B for d in D)    scatter: the target is computed
    input[a, index[m], b] = src[a, m, b]                     replace: ``input`` with elements set
    pick(g[..], argmax(input[..] for p in kh))               select: loops stand at the largest

``program.py`` is what the rest is about, ``analysis.py`` reads it from an entry, ``adjoint.py``
transposes one read of it, ``family.py`` closes the derivatives.
"""

from __future__ import annotations

from .adjoint import beyond
from .affine import affine
from .analysis import analyse, parse_axis
from .edges import Bound, Edge, edges, guarded, narrowing
from .family import adjoint_ops, gradient_programs, with_gradients
from .program import (
    ACC,
    GRAD,
    OUT,
    SIZE,
    Axis,
    Loop,
    Program,
    Read,
    differentiable,
    is_adjoint,
)

__all__ = [
    "ACC", "GRAD", "OUT", "SIZE", "Axis", "Bound", "Edge", "Loop", "Program", "Read",
    "adjoint_ops", "affine", "analyse", "beyond", "differentiable", "edges", "gradient_programs",
    "guarded", "is_adjoint", "narrowing", "parse_axis", "with_gradients",
]  # fmt: skip
