"""Transformers: layers against formulas in NumPy, masks, stacks, names of parameters, errors."""

import copy

import numpy as np
import pytest

import opsmith
from opsmith import nn
from opsmith.autograd import gradcheck

F64 = opsmith.float64
HEADS = 2


def normed(x, norm):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + norm.eps)
    x = x * norm.weight.detach().numpy()
    return x if norm.bias is None else x + norm.bias.detach().numpy()


def mapped(x, weight, bias):
    x = x @ weight.detach().numpy().T
    return x if bias is None else x + bias.detach().numpy()


def attended(x, memory, module, hidden):
    """Attention of (T, E) to (S, E); `hidden` (T, S) is what may not be looked at."""
    biases = [None] * 3 if module.in_proj_bias is None else module.in_proj_bias.chunk(3)
    inputs = zip((x, memory, memory), module.in_proj_weight.chunk(3), biases, strict=True)
    parts = [np.split(mapped(*each), HEADS, 1) for each in inputs]
    heads = []
    for q, k, v in zip(*parts, strict=True):
        scores = q @ k.T / np.sqrt(q.shape[1]) - np.where(hidden, np.inf, 0)
        e = np.exp(scores - scores.max(1, keepdims=True))
        heads.append(e / e.sum(1, keepdims=True) @ v)
    return mapped(np.concatenate(heads, 1), module.out_proj.weight, module.out_proj.bias)


def layered(x, layer, blocks):
    def fed(x):
        inner = np.maximum(mapped(x, layer.linear1.weight, layer.linear1.bias), 0)
        return mapped(inner, layer.linear2.weight, layer.linear2.bias)

    for k, block in enumerate((*blocks, fed), 1):
        norm = getattr(layer, f"norm{k}")
        x = x + block(normed(x, norm)) if layer.norm_first else normed(x + block(x), norm)
    return x


@pytest.fixture
def made():
    def build(**options):
        opsmith.manual_seed(0)
        options = {"dropout": 0.0, "dtype": F64, **options}
        model = nn.Transformer(4, HEADS, 2, 1, 6, **options)
        with opsmith.no_grad():
            for parameter in model.parameters():
                if parameter.dim() == 1:
                    parameter.uniform_(0.5, 1.5)
        return model

    return build


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_against_formulas(made, norm_first, bias, batch_first):
    model = made(norm_first=norm_first, bias=bias, batch_first=batch_first)
    rng = np.random.default_rng(1)
    source, target = rng.standard_normal((2, 5, 4)), rng.standard_normal((2, 3, 4))
    hidden, padding = np.triu(np.ones((3, 3), bool), 1), np.zeros((2, 5), bool)
    padding[1, 3:] = True
    arguments = [opsmith.tensor(source), opsmith.tensor(target)]
    if not batch_first:
        arguments = [a.transpose(0, 1) for a in arguments]
    masks = {
        "tgt_mask": nn.Transformer.generate_square_subsequent_mask(3, dtype=F64),
        "src_key_padding_mask": opsmith.tensor(padding),
        "memory_key_padding_mask": opsmith.tensor(padding),
    }
    got = model(*arguments, **masks)
    same = model(*arguments, **{**masks, "tgt_mask": opsmith.tensor(hidden)}, tgt_is_causal=True)
    opsmith.testing.assert_close(same, got)
    for k in range(2):
        x = source[k]
        for layer in model.encoder.layers:
            x = layered(x, layer, [lambda x, m=layer, k=k: attended(x, x, m.self_attn, padding[k])])
        memory = normed(x, model.encoder.norm)
        layer = model.decoder.layers[0]
        blocks = [
            lambda x, m=layer: attended(x, x, m.self_attn, hidden),
            lambda x, m=layer, s=memory, k=k: attended(x, s, m.multihead_attn, padding[k]),
        ]
        want = normed(layered(target[k], layer, blocks), model.decoder.norm)
        one = (got if batch_first else got.transpose(0, 1))[k]
        np.testing.assert_allclose(one.detach().numpy(), want, atol=1e-10)


def test_without_a_batch(made):
    model = made()
    source, target = opsmith.randn(5, 4, dtype=F64), opsmith.randn(3, 4, dtype=F64)
    want = model(source.unsqueeze(1), target.unsqueeze(1)).squeeze(1)
    opsmith.testing.assert_close(model(source, target), want)


def test_gradients(made):
    model = made(activation="gelu", norm_first=True)
    source = opsmith.randn(3, 1, 4, dtype=F64, requires_grad=True)
    target = opsmith.randn(2, 1, 4, dtype=F64, requires_grad=True)
    assert gradcheck(lambda s, t: model(s, t), (source, target))
    model(source, target).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_names_and_copies():
    layer = nn.TransformerDecoderLayer(4, 2, 6)
    attention = ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"]
    pairs = ["linear1", "linear2", "norm1", "norm2", "norm3"]
    assert list(layer.state_dict()) == [
        *(f"self_attn.{name}" for name in attention),
        *(f"multihead_attn.{name}" for name in attention),
        *(f"{name}.{part}" for name in pairs for part in ("weight", "bias")),
    ]
    stack = nn.TransformerDecoder(layer, 2, nn.LayerNorm(4))
    assert len(stack.state_dict()) == 2 * 18 + 2
    assert stack.layers[0].linear1.weight is not stack.layers[1].linear1.weight
    assert opsmith.equal(stack.layers[0].linear1.weight, layer.linear1.weight)
    text = repr(nn.TransformerEncoderLayer(4, 2, 6)).splitlines()
    assert text[0] == "TransformerEncoderLayer(" and text[1] == "  (self_attn): MultiheadAttention("
    assert text[-2] == "  (dropout2): Dropout(p=0.1, inplace=False)"
    assert copy.deepcopy(stack)(opsmith.zeros(2, 1, 4), opsmith.zeros(3, 1, 4)).shape == (2, 1, 4)


def test_options():
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(4, 2, 6, activation=opsmith.tanh), 1, enable_nested_tensor=False
    )
    custom = nn.Transformer(4, 2, 1, 1, 6, custom_encoder=encoder)
    assert custom.encoder is encoder and encoder.norm is None
    mask = nn.Transformer.generate_square_subsequent_mask(2)
    assert mask.tolist() == [[0, -float("inf")], [0, 0]] and mask.dtype == opsmith.float32
    x = opsmith.randn(2, 1, 4)
    encoder.eval()
    opsmith.testing.assert_close(encoder(x, mask), encoder(x, mask, is_causal=True))
    opsmith.testing.assert_close(encoder(x, mask)[:1], encoder(x[:1]))


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (
            lambda: nn.TransformerEncoderLayer(4, 2, activation="x"),
            "activation should be relu/gelu",
        ),
        (
            lambda: nn.Transformer(4, 2, 1, 1, 6)(opsmith.zeros(2, 1, 4), opsmith.zeros(2, 2, 4)),
            "the batch number of src and tgt must be equal",
        ),
        (
            lambda: nn.Transformer(4, 2, 1, 1, 6)(opsmith.zeros(2, 1, 4), opsmith.zeros(2, 1, 6)),
            "feature number of src and tgt must be equal to d_model",
        ),
        (
            lambda: nn.TransformerEncoderLayer(4, 2)(opsmith.zeros(2, 1, 4), is_causal=True),
            "Need attn_mask if specifying the is_causal hint",
        ),
    ],
)
def test_refused(run, text):
    with pytest.raises(RuntimeError, match=text):
        run()
