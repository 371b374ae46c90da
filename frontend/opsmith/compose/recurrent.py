"""Layers of recurrent networks over sequences of any lengths.

A sequence of batches lies packed: step t has ``sizes[t]`` rows, at once behind those of step t - 1;
row k of every step belongs to sequence k. Sizes do not grow, so longer sequences come first. What a
layer takes as input is already mapped to its gates, by one product for all steps.

A layer is one node of the graph. Its forward keeps the graph of each step's gates; its backward
walks them once and finds the gradient of a weight by one product over all steps. Under
``create_graph`` it runs the steps anew as recorded operations, whose gradient is differentiable.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from .. import _functions as f
from .._core import Tensor, grad_enabled
from ..autograd import grad
from ..autograd.function import Function
from ..autograd.grad_mode import enable_grad, no_grad
from ..autograd.single import operand_gradients

MANY = 8  # steps from which on a product with the transposed weight gains more than its copy costs


class Lstm:
    """Long short-term memory: gates entry, forget, fresh, exit; states hidden and cell."""

    @staticmethod
    def pieces(x: Tensor, product: Tensor, states: list[Tensor]) -> list[Tensor]:
        """What the step's operation reads, in its order."""
        return [*_parts(x + product, 4), states[1]]

    @staticmethod
    def step(pieces: list[Tensor]) -> tuple[Tensor, ...]:
        """The new states."""
        return f.lstm_gates(*pieces)

    @staticmethod
    def joined(grads: list[Any]) -> tuple[Tensor, Tensor, list[Tensor | None]]:
        """Cotangents of x, product and states, from those of the pieces."""
        gates = f.cat(grads[:4], 1)
        return gates, gates, [None, grads[4]]


class Gru:
    """Gated recurrent unit: gates reset, update, fresh; one state."""

    @staticmethod
    def pieces(x: Tensor, product: Tensor, states: list[Tensor]) -> list[Tensor]:
        """What the step's operation reads."""
        size = states[0].shape[1]
        both = f.narrow(x, 1, 0, 2 * size) + f.narrow(product, 1, 0, 2 * size)
        fresh, recurrent = f.narrow(x, 1, 2 * size, size), f.narrow(product, 1, 2 * size, size)
        return [*_parts(both, 2), fresh, recurrent, states[0]]

    @staticmethod
    def step(pieces: list[Tensor]) -> tuple[Tensor, ...]:
        """The new state."""
        return (f.gru_gates(*pieces),)

    @staticmethod
    def joined(grads: list[Any]) -> tuple[Tensor, Tensor, list[Tensor | None]]:
        """Cotangents of x, product and state, from those of the pieces."""
        reset, update, fresh, recurrent, state = grads
        return f.cat([reset, update, fresh], 1), f.cat([reset, update, recurrent], 1), [state]


class Elman:
    """The simple recurrent layer: one gate, one state."""

    @staticmethod
    def pieces(x: Tensor, product: Tensor, states: list[Tensor]) -> list[Tensor]:
        """What the step's operation reads."""
        return [x + product]

    @staticmethod
    def joined(grads: list[Any]) -> tuple[Tensor, Tensor, list[Tensor | None]]:
        """Cotangents of x, product and state, from that of their sum."""
        return grads[0], grads[0], [None]


class ElmanTanh(Elman):
    """With tanh."""

    @staticmethod
    def step(pieces: list[Tensor]) -> tuple[Tensor, ...]:
        """The new state."""
        return (f.tanh(pieces[0]),)


class ElmanRelu(Elman):
    """With relu."""

    @staticmethod
    def step(pieces: list[Tensor]) -> tuple[Tensor, ...]:
        """The new state."""
        return (f.relu(pieces[0]),)


def _parts(x: Tensor, count: int) -> list[Tensor]:
    size = x.shape[1] // count
    return [f.narrow(x, 1, k * size, size) for k in range(count)]


def _head(x: Tensor, rows: int) -> Tensor:
    return f.narrow(x, 0, 0, rows)


def _tail(x: Tensor, start: int) -> Tensor:
    return f.narrow(x, 0, start, x.shape[0] - start)


def _resized(
    states: list[Tensor], rows: int, more: Sequence[Tensor], ended: list[list[Tensor]]
) -> list[Tensor]:
    """``states`` for ``rows`` sequences: what is cut off goes to ``ended``, ``more`` fills up."""
    have = states[0].shape[0] if states else 0
    if rows < have:
        ended.append([_tail(s, rows) for s in states])
        return [_head(s, rows) for s in states]
    if rows > have or not states:
        new = [f.narrow(m, 0, have, rows - have) for m in more]
        return [f.cat([s, n], 0) for s, n in zip(states, new, strict=True)] if states else new
    return states


def _whole(states: list[Tensor], ended: list[list[Tensor]]) -> list[Tensor]:
    """Of all sequences, those that ended first being the last."""
    if not ended:
        return states
    return [f.cat(parts, 0) for parts in zip(states, *reversed(ended), strict=True)]


class _Step:
    """What the backward of a step reads."""

    __slots__ = ("before", "made", "raw")

    def __init__(self, before: Tensor, made: tuple[Tensor, ...], raw: Tensor) -> None:
        self.before, self.made, self.raw = before, made, raw


class Run:
    """A layer's steps: ``sizes`` rows each, walked from the last to the first if ``reverse``."""

    def __init__(self, cell: Any, sizes: tuple[int, ...], reverse: bool) -> None:
        self.cell, self.sizes = cell, sizes
        self.starts = list(accumulate(sizes, initial=0))
        steps = range(len(sizes))
        self.order = steps[::-1] if reverse else steps

    def forward(
        self, x: Tensor, first: Sequence[Tensor], weight: Tensor, bias: Tensor | None,
        projection: Tensor | None, tape: list[_Step] | None = None,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        """The output of every step and the last states; ``tape`` takes what a backward needs."""
        cell, sizes, starts = self.cell, self.sizes, self.starts
        weight_t = f.mT(weight)
        if len(sizes) >= MANY:
            weight_t = weight_t.contiguous()
        outputs: list[Any] = [None] * len(sizes)
        ended: list[list[Tensor]] = []
        states: list[Tensor] = []
        for t in self.order:
            rows = sizes[t]
            if not states or states[0].shape[0] != rows:
                states = _resized(states, rows, first, ended)
            before = states[0]
            product = f.mm(before, weight_t)
            if bias is not None:
                product = product + bias
            pieces = cell.pieces(f.narrow(x, 0, starts[t], rows), product, states)
            if tape is None:
                made = cell.step(pieces)
                states = list(made)
            else:
                pieces = [p.detach().requires_grad_() for p in pieces]
                with enable_grad():
                    made = cell.step(pieces)
                states = [m.detach() for m in made]
            raw = states[0]
            if projection is not None:
                states[0] = f.mm(raw, f.mT(projection))
            if tape is not None:
                tape.append(_Step(before, made, raw))
            outputs[t] = states[0]
        return (f.cat(outputs, 0), *_whole(states, ended))

    def backward(
        self, tape: list[_Step], grads: Sequence[Tensor], weight: Tensor, projection: Tensor | None
    ) -> tuple[Any, ...]:
        """Cotangents of x, the first states, weight, bias and projection."""
        cell, sizes, starts = self.cell, self.sizes, self.starts
        of_output, last = grads[0], grads[1:]
        count = len(sizes)
        of_x: list[Any] = [None] * count
        of_product: list[Any] = [None] * count
        before: list[Any] = [None] * count
        projected: list[Any] = [None] * count
        ended: list[list[Tensor]] = []
        states: list[Tensor] = []
        raw: list[Any] = [None] * count
        for t, step in zip(reversed(self.order), reversed(tape), strict=True):
            rows = sizes[t]
            if not states or states[0].shape[0] != rows:
                states = _resized(states, rows, last, ended)
            states[0] = states[0] + f.narrow(of_output, 0, starts[t], rows)
            if projection is not None:
                projected[t], raw[t] = states[0], step.raw
                states[0] = f.mm(states[0], projection)
            of_pieces = operand_gradients(step.made, states)
            of_x[t], of_product[t], direct = cell.joined(of_pieces)
            before[t] = step.before
            through = f.mm(of_product[t], weight)
            states = [d for d in direct if d is not None]
            if direct[0] is None:
                states.insert(0, through)
            else:
                states[0] = states[0] + through
        all_x = f.cat(of_x, 0)
        all_products = all_x if of_x[0] is of_product[0] else f.cat(of_product, 0)
        of_weight = f.mm(f.mT(all_products), f.cat(before, 0))
        of_bias = f.sum(all_products, (0,))
        of_projection = None
        if projection is not None:
            of_projection = f.mm(f.mT(f.cat(projected, 0)), f.cat(raw, 0))
        return (all_x, _whole(states, ended), of_weight, of_bias, of_projection)


class _Layer(Function):
    """``Run`` as one node."""

    @staticmethod
    def forward(ctx: Any, run: Run, x: Tensor, weight: Tensor, bias: Tensor | None,
                projection: Tensor | None, *first: Tensor) -> tuple[Tensor, ...]:  # fmt: skip
        tape: list[_Step] = []
        ctx.save_for_backward(x, weight, bias, projection, *first)
        ctx.run, ctx.tape = run, tape
        return run.forward(x, first, weight, bias, projection, tape)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        saved = ctx.saved_tensors
        x, weight, bias, projection, *first = saved
        if grad_enabled():  # the caller wants to differentiate this again
            outputs = ctx.run.forward(x, first, weight, bias, projection)
            wanted = [t for t in saved if t is not None and t.requires_grad]
            found = iter(grad(outputs, wanted, grads, create_graph=True, allow_unused=True))
            given = [next(found) if t is not None and t.requires_grad else None for t in saved]
            return (None, *given)
        with no_grad():
            of_x, of_first, of_weight, of_bias, of_projection = ctx.run.backward(
                ctx.tape, grads, weight, projection
            )
        of_bias = None if bias is None else of_bias
        return (None, of_x, of_weight, of_bias, of_projection, *of_first)


def _layer(
    cell: Any, x: Tensor, first: tuple[Tensor, ...], weight: Tensor, bias: Tensor | None,
    projection: Tensor | None, sizes: Sequence[int], reverse: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    run = Run(cell, tuple(sizes), reverse)
    operands = (x, weight, bias, projection, *first)
    if grad_enabled() and any(t is not None and t.requires_grad for t in operands):
        return _Layer.apply(run, x, weight, bias, projection, *first)  # type: ignore[no-any-return]
    return run.forward(x, first, weight, bias, projection)


def lstm_layer(
    input: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor, projection: Tensor | None,
    sizes: Sequence[int], reverse: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Outputs (rows, H), the last hidden (B, H) and cell of gates ``input`` (rows, 4 H)."""
    return _layer(Lstm, input, (hidden, cell), weight, None, projection, sizes, reverse)


def gru_layer(
    input: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor | None, sizes: Sequence[int],
    reverse: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Outputs (rows, H) and the last hidden (B, H) of gates ``input`` (rows, 3 H)."""
    return _layer(Gru, input, (hidden,), weight, bias, None, sizes, reverse)


def elman_layer(
    input: Tensor, hidden: Tensor, weight: Tensor, sizes: Sequence[int], reverse: bool, relu: bool
) -> tuple[Tensor, ...]:
    """Outputs (rows, H) and the last hidden (B, H) of sums ``input`` (rows, H)."""
    cell = ElmanRelu if relu else ElmanTanh
    return _layer(cell, input, (hidden,), weight, None, None, sizes, reverse)


def _check_cell(input: Tensor, hx: Sequence[Tensor], w_ih: Tensor, w_hh: Tensor) -> None:
    if input.shape[-1] != w_ih.shape[-1]:
        raise RuntimeError(
            f"input has inconsistent input_size: got {input.shape[-1]} expected {w_ih.shape[-1]}"
        )
    for k, hidden in enumerate(hx):
        if input.shape[:-1] != hidden.shape[:-1]:
            raise RuntimeError(
                f"Input batch size {input.shape[0]} doesn't match hidden{k} batch size "
                f"{hidden.shape[0]}"
            )
    if hx[0].shape[-1] != w_hh.shape[-1]:
        raise RuntimeError(
            f"hidden0 has inconsistent hidden_size: got {hx[0].shape[-1]}, expected "
            f"{w_hh.shape[-1]}"
        )


def lstm_cell(
    input: Tensor, hx: Sequence[Tensor], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None,
    b_hh: Tensor | None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The next hidden and cell state."""
    if len(hx) != 2:
        raise RuntimeError(f"lstm_cell expects two hidden states, got {len(hx)}")
    _check_cell(input, hx, w_ih, w_hh)
    gates, product = f.linear(input, w_ih, b_ih), f.linear(hx[0], w_hh, b_hh)
    return Lstm.step(Lstm.pieces(gates, product, list(hx)))


def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None
) -> Tensor:
    """The next state."""
    _check_cell(input, (hx,), w_ih, w_hh)
    gates, product = f.linear(input, w_ih, b_ih), f.linear(hx, w_hh, b_hh)
    return Gru.step(Gru.pieces(gates, product, [hx]))[0]


def elman_sum(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None
) -> Tensor:
    """The state of an Elman cell before its activation."""
    _check_cell(input, (hx,), w_ih, w_hh)
    return f.linear(input, w_ih, b_ih) + f.linear(hx, w_hh, b_hh)
