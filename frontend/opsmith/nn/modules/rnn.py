"""Recurrent layers over whole sequences: Elman (1990), LSTM (1997), GRU (2014)."""

from __future__ import annotations

import math
import numbers
import warnings
from typing import Any

import opsmith
from opsmith import Tensor
from opsmith import _functions as _f
from opsmith._modes import autocasting
from opsmith.nn import functional as F
from opsmith.nn import init
from opsmith.nn.modules.module import Module
from opsmith.nn.parameter import Parameter
from opsmith.nn.utils.rnn import PackedSequence

__all__ = ["GRU", "LSTM", "RNN", "RNNBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _check_options(layer: RNNBase, dropout: Any) -> None:
    """Refuse what PyTorch refuses."""
    number = isinstance(dropout, numbers.Number) and not isinstance(dropout, bool)
    if not number or not 0 <= dropout <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element "
            "being zeroed"
        )
    if dropout > 0 and layer.num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
            f"expects num_layers greater than 1, but got dropout={dropout} and "
            f"num_layers={layer.num_layers}",
            stacklevel=4,
        )
    for name, kind in (
        ("bias", bool), ("batch_first", bool), ("input_size", int), ("hidden_size", int),
    ):  # fmt: skip
        value = getattr(layer, name)
        if not isinstance(value, kind):
            raise TypeError(
                f"{name} should be of type {kind.__name__}, got: {type(value).__name__}"
            )
    for name in ("input_size", "hidden_size", "num_layers"):
        if getattr(layer, name) <= 0:
            raise ValueError(f"{name} must be greater than zero")
    if layer.proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if layer.proj_size >= layer.hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")


class RNNBase(Module):
    """What `RNN`, `LSTM` and `GRU` share: parameters, shapes, layers and directions.

    Layer k has the parameters weight_ih_lk (gates, I), weight_hh_lk (gates, H), bias_ih_lk and
    bias_hh_lk (gates), all drawn from U(-s, s), s = 1 / sqrt(hidden_size); those of the other
    direction end with `_reverse`. I is `input_size`, above the first layer H per direction.

    Args:
        mode: 'LSTM', 'GRU', 'RNN_TANH' or 'RNN_RELU'.
        input_size: the number of features of the input.
        hidden_size: of the state.
        num_layers: each layer reads the outputs of the one below.
        bias: whether there are biases.
        batch_first: sequences are (B, T, features) in the place of (T, B, features).
        dropout: the probability of zeroing an output of every layer but the last.
        bidirectional: let a second direction read from the end; outputs of both are joined.
        proj_size: of LSTMs: map the hidden state to that many features, by weight_hr_lk (P, H).
        device: where the parameters live.
        dtype: of the parameters.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        """Make and initialise the parameters."""
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        _check_options(self, dropout)
        self.dropout = float(dropout)
        if mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)
        options = {"device": device, "dtype": dtype}
        gates, width = _GATES[mode] * hidden_size, self._width
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in self._suffixes:
                read = input_size if layer == 0 else width * len(self._suffixes)
                shapes: dict[str, tuple[int, ...]] = {
                    "weight_ih": (gates, read), "weight_hh": (gates, width),
                }  # fmt: skip
                if bias:
                    shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                names = {f"{name}_l{layer}{suffix}": shape for name, shape in shapes.items()}
                for name, shape in names.items():
                    setattr(self, name, Parameter(opsmith.empty(shape, **options)))
                self._all_weights.append(list(names))
        self.reset_parameters()

    @property
    def _suffixes(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    @property
    def _width(self) -> int:
        """The features of the hidden state."""
        return self.proj_size or self.hidden_size

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights(self) -> list[Parameter]:
        return [weight for weights in self.all_weights for weight in weights]

    def flatten_parameters(self) -> None:
        """Nothing: where the parameters lie makes no difference here."""

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Refuse an input whose dtype, rank or features do not fit."""
        dtype = getattr(self, self._all_weights[0][0]).dtype
        if input.dtype != dtype and not autocasting():
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}). "
                f"Convert input: input.to({dtype}), or convert model: model.to({input.dtype})"
            )
        expected = 3 if batch_sizes is None else 2
        if input.dim() != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.dim()}")
        if input.size(-1) != self.input_size:
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. Expected "
                f"{self.input_size}, got {input.size(-1)}"
            )

    def _batch(self, input: Tensor, batch_sizes: Tensor | None) -> int:
        if batch_sizes is not None:
            return int(batch_sizes[0])
        return input.size(0 if self.batch_first else 1)

    def get_expected_hidden_size(
        self, input: Tensor, batch_sizes: Tensor | None
    ) -> tuple[int, int, int]:
        """(layers times directions, batch, features of the hidden state)."""
        rows = self.num_layers * len(self._suffixes)
        return rows, self._batch(input, batch_sizes), self._width

    def check_hidden_size(
        self,
        hx: Tensor,
        expected_hidden_size: tuple[int, int, int],
        msg: str = "Expected hidden size {}, got {}",
    ) -> None:
        """Refuse a state of another shape."""
        if tuple(hx.shape) != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.shape)))

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """Refuse an input or state that does not fit."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """The state with its sequences in another order."""
        return hx if permutation is None else hx.index_select(1, permutation)

    # Hooks of the subclasses: a state is a tensor, of LSTMs a pair -------------------------------

    def _check_ranks(self, hx: Any, batched: bool) -> None:
        if hx.dim() != 2 + batched:
            kind = "batched 3-D" if batched else "unbatched 2-D"
            raise RuntimeError(
                f"For {kind} input, hx should also be {2 + batched}-D but got {hx.dim()}-D tensor"
            )

    def _pair(self, states: list[Tensor]) -> Any:
        return states[0]

    def _split(self, hx: Any) -> list[Tensor]:
        return [hx]

    def _steps(
        self, x: Tensor, first: list[Tensor], weights: dict[str, Any], sizes: list[int], back: bool
    ) -> Any:
        """One layer in one direction: outputs, then last states."""
        raise NotImplementedError

    def _zeros(self, input: Tensor, expected: tuple[int, int, int]) -> Any:
        options = {"dtype": input.dtype, "device": input.device}
        return opsmith.zeros(expected, **options)

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Run over sequences (T, I), (T, B, I) or packed ones: outputs and last states.

        `hx` are the first states (layers times directions, B, H), zeros by default.
        """
        batch_sizes = order = back = None
        batched = True
        if isinstance(input, PackedSequence):
            data, batch_sizes, order, back = input
        else:
            data = input
            if data.dim() not in (2, 3):
                name = self.mode.split("_")[0]
                tail = " tensor instead" if name == "RNN" else " instead"
                raise ValueError(f"{name}: Expected input to be 2D or 3D, got {data.dim()}D{tail}")
            batched = data.dim() == 3
            if not batched:
                data = data.unsqueeze(0 if self.batch_first else 1)
            if hx is not None:
                self._check_ranks(hx, batched)
                if not batched:
                    hx = self._pair([h.unsqueeze(1) for h in self._split(hx)])
        if hx is None:
            hx = self._zeros(data, self.get_expected_hidden_size(data, batch_sizes))
        self.check_forward_args(data, hx, batch_sizes)
        hx = self.permute_hidden(hx, order)
        if batch_sizes is not None:
            output, hidden = self._layers(data, self._split(hx), batch_sizes.tolist())
            packed = PackedSequence(output, batch_sizes, order, back)
            return packed, self.permute_hidden(self._pair(hidden), back)
        if self.batch_first:
            data = data.transpose(0, 1)
        steps, batch = data.shape[:2]
        if steps == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        rows = data.reshape(steps * batch, data.shape[2])
        output, hidden = self._layers(rows, self._split(hx), [batch] * steps)
        output = output.reshape(steps, batch, output.shape[1])
        if self.batch_first:
            output = output.transpose(0, 1)
        if not batched:
            output = output.squeeze(0 if self.batch_first else 1)
            hidden = [h.squeeze(1) for h in hidden]
        return output, self._pair(hidden)

    def _layers(
        self, x: Tensor, first: list[Tensor], sizes: list[int]
    ) -> tuple[Tensor, list[Tensor]]:
        """All layers over packed rows."""
        ways = len(self._suffixes)
        last: list[list[Tensor]] = []
        for layer in range(self.num_layers):
            outputs = []
            for way in range(ways):
                k = layer * ways + way
                names = self._all_weights[k]
                weights = {name.split("_l")[0]: getattr(self, name) for name in names}
                output, *states = self._steps(x, [h[k] for h in first], weights, sizes, way == 1)
                outputs.append(output)
                last.append(states)
            x = opsmith.cat(outputs, 1) if ways == 2 else outputs[0]
            if self.dropout > 0 and layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout, self.training)
        return x, [opsmith.stack(states) for states in zip(*last, strict=True)]

    def extra_repr(self) -> str:
        """The sizes, and what differs from the defaults."""
        text = f"{self.input_size}, {self.hidden_size}"
        for name, default in (
            ("proj_size", 0), ("num_layers", 1), ("bias", True), ("batch_first", False),
            ("dropout", 0), ("bidirectional", False),
        ):  # fmt: skip
            value = getattr(self, name)
            if value != default:
                text += f", {name}={value}"
        return text


def _joint_input(x: Tensor, weights: dict[str, Any]) -> Tensor:
    """The input's part of all gates, at all steps, with both biases."""
    bias = weights["bias_ih"] + weights["bias_hh"] if "bias_ih" in weights else None
    return F.linear(x, weights["weight_ih"], bias)


class RNN(RNNBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu in the place of tanh; see `RNNBase`.

    Args: those of `RNNBase` without `mode` and `proj_size`; `nonlinearity`, 'tanh' or 'relu',
    comes after `num_layers`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make and initialise the parameters."""
        _refuse_projection(kwargs)
        if len(args) > 3:
            nonlinearity, args = args[3], args[:3] + args[4:]
        else:
            nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(f"RNN_{nonlinearity.upper()}", *args, **kwargs)
        self.nonlinearity = nonlinearity

    def _steps(
        self, x: Tensor, first: list[Tensor], weights: dict[str, Any], sizes: list[int], back: bool
    ) -> Any:
        sums, relu = _joint_input(x, weights), self.nonlinearity == "relu"
        return _f.elman_layer(sums, first[0], weights["weight_hh"], sizes, back, relu)


class GRU(RNNBase):
    """h' = (1 - z) n + z h with gates r, z and n = tanh(W_in x + b_in + r (W_hn h + b_hn)).

    The rows of the weights are those of r, z, n, in that order; arguments are those of `RNNBase`
    without `mode` and `proj_size`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make and initialise the parameters."""
        _refuse_projection(kwargs)
        super().__init__("GRU", *args, **kwargs)

    def _steps(
        self, x: Tensor, first: list[Tensor], weights: dict[str, Any], sizes: list[int], back: bool
    ) -> Any:
        gates = F.linear(x, weights["weight_ih"], weights.get("bias_ih"))
        bias = weights.get("bias_hh")
        return _f.gru_layer(gates, first[0], weights["weight_hh"], bias, sizes, back)


class LSTM(RNNBase):
    """c' = f c + i g and h' = o tanh(c'), with gates i, f, o and g = tanh(W_ig x + W_hg h + b).

    The rows of the weights are those of i, f, g, o, in that order; arguments are those of `RNNBase`
    without `mode`. States are pairs (h, c).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make and initialise the parameters."""
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(
        self, input: Tensor, batch_sizes: Tensor | None
    ) -> tuple[int, int, int]:
        """(layers times directions, batch, hidden_size)."""
        rows, batch, _ = self.get_expected_hidden_size(input, batch_sizes)
        return rows, batch, self.hidden_size

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """Refuse an input or states that do not fit."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(
            hidden[0],
            self.get_expected_hidden_size(input, batch_sizes),
            "Expected hidden[0] size {}, got {}",
        )
        self.check_hidden_size(
            hidden[1],
            self.get_expected_cell_size(input, batch_sizes),
            "Expected hidden[1] size {}, got {}",
        )

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """The states with their sequences in another order."""
        if permutation is None:
            return hx
        return hx[0].index_select(1, permutation), hx[1].index_select(1, permutation)

    def _check_ranks(self, hx: Any, batched: bool) -> None:
        ranks = [h.dim() for h in hx]
        if any(rank != 2 + batched for rank in ranks):
            kind = "batched 3-D" if batched else "unbatched 2-D"
            raise RuntimeError(
                f"For {kind} input, hx and cx should also be {2 + batched}-D but got "
                f"({ranks[0]}-D, {ranks[1]}-D) tensors"
            )

    def _pair(self, states: list[Tensor]) -> Any:
        return tuple(states)

    def _split(self, hx: Any) -> list[Tensor]:
        return list(hx)

    def _zeros(self, input: Tensor, expected: tuple[int, int, int]) -> Any:
        options = {"dtype": input.dtype, "device": input.device}
        cell = (*expected[:2], self.hidden_size)
        return opsmith.zeros(expected, **options), opsmith.zeros(cell, **options)

    def _steps(
        self, x: Tensor, first: list[Tensor], weights: dict[str, Any], sizes: list[int], back: bool
    ) -> Any:
        gates, projection = _joint_input(x, weights), weights.get("weight_hr")
        return _f.lstm_layer(gates, *first, weights["weight_hh"], projection, sizes, back)


def _refuse_projection(kwargs: dict[str, Any]) -> None:
    if "proj_size" in kwargs:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
