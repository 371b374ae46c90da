"""``autograd.grad``: gradients that are returned, one cotangent at a time or many."""

from __future__ import annotations

from .._boundary import lib
from .._core import Tensor, wrap
from .engine import cotangent, root, run_recorded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def grad(
    outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool | None = None,
    create_graph: bool = False, only_inputs: bool = True, allow_unused: bool | None = None,
    is_grads_batched: bool = False, materialize_grads: bool = False,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Gradients of ``outputs`` with respect to ``inputs``, returned instead of accumulated.

    Raises:
        RuntimeError: when an input was not used and neither ``allow_unused`` nor
            ``materialize_grads`` is given.
    """
    if is_grads_batched:
        return _batched(
            outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused,
            materialize_grads,
        )  # fmt: skip
    outs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    ins = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    cots = (
        (grad_outputs,) * len(outs)
        if grad_outputs is None or isinstance(grad_outputs, Tensor)
        else tuple(grad_outputs)
    )
    retain = create_graph if retain_graph is None else retain_graph
    for t in ins:
        if not t.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    roots = [
        (root(t, k), cotangent(t, g)) for k, (t, g) in enumerate(zip(outs, cots, strict=True))
    ]
    found = run_recorded(roots, create_graph, retain, [t._node for t in ins])
    results: list[Tensor | None] = []
    for t, g in zip(ins, found, strict=True):
        if g is None and materialize_grads:
            g = wrap(lib.ops_like(t._h, -1, 0, 0.0, 0))
        elif g is None and not allow_unused:
            raise RuntimeError(
                f"The differentiated Tensor at index {len(results)} appears to not have been used in the "  # noqa: E501
                "graph. Set allow_unused=True if this is the desired behavior."
            )
        results.append(g)
    return tuple(results)


def _batched(
    outputs: Any, inputs: Any, cotangents: Any, retain: bool | None, create_graph: bool,
    allow_unused: bool | None, materialize: bool,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    """One pass for each row of the cotangents; the results are stacked."""
    from .. import _functions as f

    outs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    ins = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    given = (cotangents,) if isinstance(cotangents, Tensor) else tuple(cotangents or ())
    if all(g is None for g in given):
        raise RuntimeError("grad can be implicitly created only for scalar outputs")
    for k, (t, g) in enumerate(zip(outs, given, strict=True)):
        if g is not None and (g.ndim == 0 or g.shape[1:] != t.shape):
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output "
                "as the batch dimension. The sizes of the remaining dimensions are expected to "
                f"match the shape of corresponding output, but a mismatch was detected: "
                f"grad_output[{k}] has a shape of {g.shape!r} and output[{k}] has a shape of "
                f"{t.shape!r}. If you only want some tensors in `grad_output` to be considered "
                "batched, consider using vmap."
            )
    sizes = {g.shape[0] for g in given if g is not None}
    if len(sizes) != 1:
        raise ValueError(
            f"is_grads_batched=True: grad_outputs have different numbers of rows: {sorted(sizes)}"
        )
    count = sizes.pop()
    keep = create_graph if retain is None else retain
    rows = []
    for k in range(max(count, 1)):
        row = [None if g is None else f.select(g, 0, k) if count else _no_row(g) for g in given]
        last = k >= count - 1
        unused = allow_unused or materialize
        rows.append(grad(outs, ins, row, keep or not last, create_graph, True, unused))
    stacked = [None if ts[0] is None else f.stack(list(ts)) for ts in zip(*rows, strict=True)]
    stacked = [t if t is None or count else t[:0] for t in stacked]
    if materialize:  # unused inputs have no rows
        stacked = [
            wrap(lib.ops_like(t._h, -1, 0, 0.0, 0)) if g is None else g
            for t, g in zip(ins, stacked, strict=True)
        ]
    return tuple(stacked)


def _no_row(g: Tensor) -> Tensor:
    """Zeros in the shape of a row of none."""
    from .._create import zeros

    return zeros(*g.shape[1:], dtype=g.dtype, device=g.device)


__all__ = ["grad"]
