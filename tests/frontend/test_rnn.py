"""Recurrent layers and packed sequences: values against loops over time written in NumPy."""

import itertools

import numpy as np
import pytest

import opsmith
from opsmith import nn
from opsmith.autograd import gradcheck, gradgradcheck
from opsmith.nn.utils import rnn as packing

F64 = opsmith.float64
MODES = ("RNN", "GRU", "LSTM")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def stepped(mode, x, states, w_ih, w_hh, b_ih, b_hh, w_hr=None):
    """The states after one step on x (I)."""
    h = states[0]
    if mode == "RNN":
        return (np.tanh(w_ih @ x + b_ih + w_hh @ h + b_hh),)
    gates, product = w_ih @ x + b_ih, w_hh @ h + b_hh
    if mode == "GRU":
        (r, z, n), (hr, hz, hn) = np.split(gates, 3), np.split(product, 3)
        r, z = sigmoid(r + hr), sigmoid(z + hz)
        return ((1 - z) * np.tanh(n + r * hn) + z * h,)
    i, f, g, o = np.split(gates + product, 4)
    c = sigmoid(f) * states[1] + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return (h if w_hr is None else w_hr @ h), c


def walked(mode, module, x, first):
    """Outputs (T, features) and last states (layers times directions, H) of one sequence (T, I)."""
    parameters = {name: p.detach().numpy() for name, p in module.named_parameters()}
    last = [[] for _ in first]
    k = 0
    for layer in range(module.num_layers):
        sides = []
        for suffix in ("", "_reverse") if module.bidirectional else ("",):
            gates = parameters[f"weight_ih_l{layer}{suffix}"].shape[0]
            weights = [
                parameters.get(f"{name}_l{layer}{suffix}", zeros)
                for name, zeros in (
                    ("weight_ih", None), ("weight_hh", None), ("bias_ih", np.zeros(gates)),
                    ("bias_hh", np.zeros(gates)), ("weight_hr", None),
                )
            ]  # fmt: skip
            states, outputs = tuple(f[k] for f in first), []
            for step in x[::-1] if suffix else x:
                states = stepped(mode, step, states, *weights)
                outputs.append(states[0])
            sides.append(outputs[::-1] if suffix else outputs)
            for kept, state in zip(last, states, strict=True):
                kept.append(state)
            k += 1
        x = np.concatenate([np.stack(s) for s in sides], 1)
    return x, [np.stack(states) for states in last]


def made(mode, proj=0, **options):
    if proj:
        options["proj_size"] = proj
    opsmith.manual_seed(3)
    return getattr(nn, mode)(3, 4, dtype=F64, **options)


def first_states(mode, module, batch, seed=1):
    rows = module.num_layers * (2 if module.bidirectional else 1)
    widths = [module.proj_size or 4, 4] if mode == "LSTM" else [4]
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((rows, batch, w)) for w in widths]


def paired(mode, states):
    return tuple(states) if mode == "LSTM" else states[0]


CASES = [
    (mode, layers, ways, bias, proj)
    for mode, layers, ways, bias, proj in itertools.product(
        MODES, (1, 2), (False, True), (True, False), (0, 2)
    )
    if not proj or mode == "LSTM"
]


@pytest.mark.parametrize(("mode", "layers", "ways", "bias", "proj"), CASES)
@pytest.mark.parametrize("lengths", [(5, 5, 5), (5, 3, 2), (2, 5, 3)])
def test_against_a_loop(mode, layers, ways, bias, proj, lengths):
    """Padded and packed batches; each sequence is what it is alone."""
    module = made(mode, proj, num_layers=layers, bidirectional=ways, bias=bias)
    x = np.random.default_rng(0).standard_normal((5, 3, 3))
    states = first_states(mode, module, 3)
    hx = paired(mode, [opsmith.tensor(s) for s in states])
    if lengths == (5, 5, 5):
        output, last = module(opsmith.tensor(x), hx)
    else:
        packed = packing.pack_padded_sequence(opsmith.tensor(x), lengths, enforce_sorted=False)
        output, last = module(packed, hx)
        output, found = packing.pad_packed_sequence(output)
        assert found.tolist() == list(lengths)
    last = last if mode == "LSTM" else (last,)
    for k, length in enumerate(lengths):
        want, ends = walked(mode, module, x[:length, k], [s[:, k] for s in states])
        np.testing.assert_allclose(output[:length, k].detach().numpy(), want, atol=1e-12)
        assert (output[length:, k] == 0).all()
        for a, b in zip(last, ends, strict=True):
            np.testing.assert_allclose(a[:, k].detach().numpy(), b, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_shapes(mode):
    """Without a batch, the batch first, states left out."""
    module, first = made(mode), made(mode, batch_first=True)
    x = opsmith.randn(5, 2, 3, dtype=F64)
    output, last = module(x)
    other, _ = first(x.transpose(0, 1))
    assert output.shape == (5, 2, 4) and opsmith.equal(other, output.transpose(0, 1))
    alone, end = module(x[:, 0])
    assert alone.shape == (5, 4) and opsmith.testing.assert_close(alone, output[:, 0]) is None
    ends = zip(end, last, strict=True) if mode == "LSTM" else [(end, last)]
    for a, b in ends:
        assert a.shape == (1, 4) and opsmith.testing.assert_close(a, b[:, 0]) is None
    rest, _ = module(x[2:], module(x[:2])[1])
    opsmith.testing.assert_close(rest, output[2:])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ways", [False, True])
def test_gradients(mode, ways):
    """Of input, states and every parameter, once and twice."""
    options = {"proj_size": 1} if mode == "LSTM" else {}
    module = getattr(nn, mode)(1, 2, bidirectional=ways, dtype=F64, **options)
    states = [
        opsmith.randn(1 + ways, 2, size, dtype=F64, requires_grad=True)
        for size in ((1, 2) if mode == "LSTM" else (2,))
    ]
    x = opsmith.randn(3, 2, 1, dtype=F64, requires_grad=True)

    def run(x, *rest):
        for name, weight in zip(names, rest[len(states) :], strict=True):
            module._parameters[name] = weight
        packed = packing.pack_padded_sequence(x, [3, 2])
        output, last = module(packed, paired(mode, rest[: len(states)]))
        return (output.data, *(last if mode == "LSTM" else (last,)))

    names, weights = zip(*module.named_parameters(), strict=True)
    operands = (x, *states, *weights)
    assert gradcheck(run, operands)
    assert gradgradcheck(run, operands)


def test_relu_and_dropout():
    module = made("RNN", nonlinearity="relu", num_layers=2, dropout=1.0)
    x = opsmith.randn(3, 2, 3, dtype=F64)
    assert module.mode == "RNN_RELU"
    alone = nn.RNN(3, 4, nonlinearity="relu", dtype=F64)
    alone.load_state_dict({k: v for k, v in module.state_dict().items() if "_l0" in k})
    opsmith.testing.assert_close(module.eval()(x)[1][:1], alone(x)[1])
    assert (alone(x)[0] >= 0).all()
    upper = module.train()(x)[0]  # nothing of the lower layer comes through
    opsmith.testing.assert_close(upper[:, 0], upper[:, 1])


def test_a_checkpoint_of_pytorch_has_these_keys():
    module = nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2)
    shapes = {name: tuple(p.shape) for name, p in module.state_dict().items()}
    parts = ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"]
    assert list(shapes) == [
        f"{part}_l{k}{way}" for k in (0, 1) for way in ("", "_reverse") for part in parts
    ]
    assert shapes["weight_ih_l0"] == (16, 3) and shapes["weight_ih_l1_reverse"] == (16, 4)
    assert shapes["weight_hh_l0"] == (16, 2) and shapes["weight_hr_l1"] == (2, 4)
    assert repr(module) == "LSTM(3, 4, proj_size=2, num_layers=2, bidirectional=True)"
    assert (
        repr(nn.GRU(3, 4, bias=False, batch_first=True))
        == "GRU(3, 4, bias=False, batch_first=True)"
    )
    assert [len(w) for w in module.all_weights] == [5] * 4
    module.flatten_parameters()


@pytest.mark.parametrize(
    ("run", "error", "text"),
    [
        (lambda: nn.LSTM(3, 4)(opsmith.zeros(2, 2, 5)), RuntimeError, "Expected 3, got 5"),
        (
            lambda: nn.LSTM(3, 4)(opsmith.zeros(3)),
            ValueError,
            "LSTM: Expected input to be 2D or 3D",
        ),
        (lambda: nn.RNN(3, 4)(opsmith.zeros(3)), ValueError, "got 1D tensor instead"),
        (lambda: nn.GRU(3, 4)(opsmith.zeros(2, 2, 3, dtype=F64)), ValueError, "RNN input dtype"),
        (lambda: nn.GRU(3, 4)(opsmith.zeros(0, 2, 3)), RuntimeError, "larger than 0 in RNN"),
        (
            lambda: nn.GRU(3, 4)(opsmith.zeros(2, 2, 3), opsmith.zeros(1, 3, 4)),
            RuntimeError,
            r"Expected hidden size \(1, 2, 4\), got \[1, 3, 4\]",
        ),
        (
            lambda: nn.LSTM(3, 4)(opsmith.zeros(2, 3), (opsmith.zeros(1, 1, 4),) * 2),
            RuntimeError,
            r"unbatched 2-D input, hx and cx should also be 2-D but got \(3-D, 3-D\)",
        ),
        (lambda: nn.GRU(3, 4, proj_size=2), ValueError, "only supported for LSTM"),
        (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "smaller than hidden_size"),
        (lambda: nn.LSTM(3, 4, dropout=2), ValueError, "dropout should be a number"),
        (lambda: nn.LSTM(3, 4, bias=1), TypeError, "bias should be of type bool, got: int"),
        (lambda: nn.RNN(3, 4, 1, "x"), ValueError, "Unknown nonlinearity 'x'"),
        (lambda: nn.GRUCell(3, 4)(opsmith.zeros(2, 5)), RuntimeError, "got 5 expected 3"),
        (lambda: nn.LSTMCell(3, 4)(opsmith.zeros(1, 1, 3)), ValueError, "1D or 2D, got 3D"),
        (
            lambda: packing.pack_padded_sequence(opsmith.zeros(5, 3), [5, 6, 3]),
            RuntimeError,
            "must be sorted in decreasing order",
        ),
        (
            lambda: packing.pack_padded_sequence(opsmith.zeros(5, 3), [5, 2]),
            RuntimeError,
            r"got 2 \(batch_size=3\)",
        ),
        (
            lambda: packing.pack_padded_sequence(opsmith.zeros(5, 3), [5, 2, 0]),
            RuntimeError,
            "greater than 0",
        ),
        (lambda: packing.pad_sequence(3), RuntimeError, "Expected iterable"),
        (lambda: packing.pad_sequence([]), RuntimeError, "empty list of sequences"),
    ],
)
def test_refused(run, error, text):
    with pytest.raises(error, match=text):
        run()


@pytest.mark.parametrize("mode", MODES)
def test_cells(mode):
    """A cell is a layer of one step."""
    layer, cell = made(mode), getattr(nn, f"{mode}Cell")(3, 4, dtype=F64)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    x = opsmith.randn(2, 3, dtype=F64)
    states = [opsmith.tensor(s[0]) for s in first_states(mode, layer, 2)]
    _, want = layer(x.unsqueeze(0), paired(mode, [s.unsqueeze(0) for s in states]))
    got = cell(x, paired(mode, states))
    alone = cell(x[0], paired(mode, [s[0] for s in states]))
    zero, empty = cell(x, paired(mode, [s * 0 for s in states])), cell(x)
    pairs = zip(got, want, alone, zero, empty, strict=True)
    for a, b, c, d, e in pairs if mode == "LSTM" else [(got, want, alone, zero, empty)]:
        opsmith.testing.assert_close(a, b[0])
        opsmith.testing.assert_close(c, a[0])
        assert opsmith.equal(d, e)
    assert repr(cell) == f"{mode}Cell(3, 4)"
    assert list(cell.state_dict()) == ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]


def sequences():
    return [opsmith.tensor(values) for values in ([1.0, 2.0], [3.0, 4.0, 5.0], [6.0])]


def test_packing():
    packed = packing.pack_sequence(sequences(), enforce_sorted=False)
    assert packed.data.tolist() == [3, 1, 6, 4, 2, 5] and packed.batch_sizes.tolist() == [3, 2, 1]
    assert packed.sorted_indices.tolist() == [1, 0, 2] == packed.unsorted_indices.tolist()
    back = packing.unpack_sequence(packed)
    assert [s.tolist() for s in back] == [s.tolist() for s in sequences()]
    padded, lengths = packing.pad_packed_sequence(packed, True, -1.0, 4)
    assert padded.tolist() == [[1, 2, -1, -1], [3, 4, 5, -1], [6, -1, -1, -1]]
    assert lengths.tolist() == [2, 3, 1]
    with pytest.raises(ValueError, match="total_length=2 and max sequence length being 3"):
        packing.pad_packed_sequence(packed, total_length=2)
    double = packed.double()
    assert double.data.dtype is F64 and double.to(F64) is double and not double.is_cuda
    assert double.sorted_indices.tolist() == [1, 0, 2] and isinstance(
        double, packing.PackedSequence
    )
    assert repr(packed).startswith(
        "PackedSequence(data=tensor([3., 1., 6., 4., 2., 5.]), batch_sizes="
    )


def test_padding():
    assert packing.pad_sequence(sequences()).tolist() == [[1, 3, 6], [2, 4, 0], [0, 5, 0]]
    left = packing.pad_sequence(sequences(), True, 9.0, "left")
    assert left.tolist() == [[9, 1, 2], [3, 4, 5], [9, 9, 6]]
    cut = packing.unpad_sequence(packing.pad_sequence(sequences()), opsmith.tensor([2, 3, 1]))
    assert [s.tolist() for s in cut] == [[1, 2], [3, 4, 5], [6]]
    x = opsmith.randn(4, 2, 2, dtype=F64, requires_grad=True)
    assert gradcheck(lambda x: packing.pack_padded_sequence(x, [2, 4], False, False).data, (x,))


def test_a_graph_that_is_kept():
    """Backward may come again while the graph is kept; a parameter written since is refused."""
    module, x = nn.LSTM(3, 4), opsmith.randn(5, 2, 3, requires_grad=True)
    total = module(x)[0].sum()
    total.backward(retain_graph=True)
    once = x.grad.clone()
    total.backward()
    opsmith.testing.assert_close(x.grad, 2 * once)
    with pytest.raises(RuntimeError, match="a second time"):
        total.backward()
    total = module(x)[0].sum()
    with opsmith.no_grad():
        module.weight_hh_l0.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an in"):
        total.backward()
