"""One step of a recurrent network: Elman (1990), LSTM (1997), GRU (2014)."""

from __future__ import annotations

import math
from typing import Any

import opsmith
from opsmith import Tensor
from opsmith import _functions as _f
from opsmith.nn import init
from opsmith.nn.modules.module import Module
from opsmith.nn.parameter import Parameter

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


class RNNCellBase(Module):
    """The parameters of a cell, drawn from U(-s, s), s = 1 / sqrt(hidden_size).

    They are weight_ih (gates, input_size), weight_hh (gates, hidden_size), bias_ih and bias_hh
    (gates), where gates is `num_chunks` times `hidden_size`.

    Args:
        input_size: the number of features of the input.
        hidden_size: of the state.
        bias: whether there are biases.
        num_chunks: the number of gates.
        device: where the parameters live.
        dtype: of the parameters.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        """Make and initialise the parameters."""
        super().__init__()
        options = {"device": device, "dtype": dtype}
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        gates = num_chunks * hidden_size
        self.weight_ih = Parameter(opsmith.empty((gates, input_size), **options))
        self.weight_hh = Parameter(opsmith.empty((gates, hidden_size), **options))
        for name in ("bias_ih", "bias_hh"):
            made = Parameter(opsmith.empty(gates, **options)) if bias else None
            self.register_parameter(name, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        """The sizes, and what differs from the defaults."""
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text

    def _refuse(self, what: str, x: Tensor) -> None:
        if x.dim() not in (1, 2):
            raise ValueError(
                f"{type(self).__name__}: Expected {what} to be 1D or 2D, got {x.dim()}D instead"
            )

    def _ready(self, input: Tensor, states: list[Tensor]) -> tuple[Any, ...]:
        """Input, states and weights, with a batch dimension."""
        batched = input.dim() == 2
        if not batched:
            input, states = input.unsqueeze(0), [s.unsqueeze(0) for s in states]
        return input, states, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _zeros(self, input: Tensor) -> Tensor:
        shape = (*input.shape[:-1], self.hidden_size)
        return opsmith.zeros(shape, dtype=input.dtype, device=input.device)


class RNNCell(RNNCellBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu in the place of tanh; see `RNNCellBase`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        """Make and initialise the parameters."""
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """(B, I), (B, H) -> (B, H), or all without B; `hx` is zeros by default."""
        self._refuse("input", input)
        if hx is not None:
            self._refuse("hidden", hx)
        states = [self._zeros(input) if hx is None else hx]
        x, (h,), *weights = self._ready(input, states)
        if self.nonlinearity == "tanh":
            out = _f.rnn_tanh_cell(x, h, *weights)
        elif self.nonlinearity == "relu":
            out = _f.rnn_relu_cell(x, h, *weights)
        else:
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return out if input.dim() == 2 else out.squeeze(0)


class LSTMCell(RNNCellBase):
    """c' = f c + i g and h' = o tanh(c'); gates in the order i, f, g, o; see `RNNCellBase`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        """Make and initialise the parameters."""
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, I), two of (B, H) -> two of (B, H), or all without B; `hx` is zeros by default."""
        self._refuse("input", input)
        for k, state in enumerate(hx or ()):
            self._refuse(f"hx[{k}]", state)
        states = [self._zeros(input)] * 2 if hx is None else list(hx)
        out = _f.lstm_cell(*self._ready(input, states))
        return tuple(out) if input.dim() == 2 else tuple([s.squeeze(0) for s in out])  # type: ignore[return-value]


class GRUCell(RNNCellBase):
    """h' = (1 - z) n + z h; gates in the order r, z, n; see `RNNCellBase` and `GRU`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        """Make and initialise the parameters."""
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """(B, I), (B, H) -> (B, H), or all without B; `hx` is zeros by default."""
        self._refuse("input", input)
        if hx is not None:
            self._refuse("hidden", hx)
        x, (h,), *weights = self._ready(input, [self._zeros(input) if hx is None else hx])
        out = _f.gru_cell(x, h, *weights)
        return out if input.dim() == 2 else out.squeeze(0)
