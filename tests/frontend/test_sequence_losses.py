"""Losses over alignments and many classes, and bags of rows, against sums written out."""

import itertools
import math

import numpy as np
import pytest

import opsmith
from opsmith import nn
from opsmith.autograd import gradcheck, gradgradcheck
from opsmith.nn import functional as F

F64 = opsmith.float64


def probability(p, target, blank):
    """The sum over all readings of p (T, C) that are the target once repeats and blanks go."""
    total = 0.0
    for path in itertools.product(range(p.shape[1]), repeat=p.shape[0]):
        read = [c for c, _ in itertools.groupby(path) if c != blank]
        if read == list(target):
            total += math.prod(p[t, c] for t, c in enumerate(path))
    return total


LOGITS = np.random.default_rng(0).standard_normal((5, 3, 4))
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(2, keepdims=True)
TARGETS = ([1, 1], [3], [2, 3, 1])
SIZES = [5, 3, 4]


def losses():
    return [
        -math.log(probability(PROBABILITIES[:n, k], target, 0))
        for k, (target, n) in enumerate(zip(TARGETS, SIZES, strict=True))
    ]


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_ctc_is_the_sum_over_alignments(joined, reduction):
    lengths = [len(t) for t in TARGETS]
    flat = opsmith.tensor([c for t in TARGETS for c in t])
    padded = opsmith.tensor([[*t, *[2] * (3 - len(t))] for t in TARGETS])
    each = np.array(losses())
    want = {"none": each, "sum": each.sum(), "mean": (each / lengths).mean()}[reduction]
    loss = nn.CTCLoss(reduction=reduction)
    log_probs = opsmith.tensor(LOGITS).log_softmax(2)
    got = loss(log_probs, flat if joined else padded, SIZES, opsmith.tensor(lengths))
    np.testing.assert_allclose(got.numpy(), want)


def test_ctc_of_one_sequence_and_another_blank():
    log_probs = opsmith.tensor(LOGITS[:, 0]).log_softmax(1)
    target, lengths = opsmith.tensor([0, 2]), (opsmith.tensor(5), opsmith.tensor(2))
    got = F.ctc_loss(log_probs, target, *lengths, blank=3, reduction="none")
    assert (
        got.shape == ()
        and abs(got.item() + math.log(probability(PROBABILITIES[:, 0], [0, 2], 3))) < 1e-12
    )
    empty = F.ctc_loss(log_probs, target[:0], *(opsmith.tensor(n) for n in (2, 0)), reduction="sum")
    assert abs(empty.item() + np.log(PROBABILITIES[:2, 0, 0]).sum()) < 1e-12


def test_ctc_gradients():
    logits = opsmith.tensor(LOGITS, requires_grad=True)
    padded = opsmith.tensor([[*t, *[0] * (3 - len(t))] for t in TARGETS])

    def run(x):
        return F.ctc_loss(x.log_softmax(2), padded, SIZES, [2, 1, 3], reduction="none")

    assert gradcheck(run, (logits,)) and gradgradcheck(run, (logits,))


def test_ctc_without_an_alignment():
    log_probs = opsmith.tensor(LOGITS, requires_grad=True)
    targets, sizes, lengths = opsmith.tensor([[1, 1], [1, 2], [2, 2]]), [2, 5, 0], [2, 2, 0]
    plain = F.ctc_loss(log_probs.log_softmax(2), targets, sizes, lengths, reduction="none")
    assert plain[0] == math.inf and plain[1] < 20 and plain[2] == 0
    zeroed = F.ctc_loss(
        log_probs.log_softmax(2), targets, sizes, lengths, reduction="none", zero_infinity=True
    )
    assert zeroed[0] == 0 and zeroed[1] == plain[1]
    zeroed.sum().backward()
    assert (log_probs.grad[:, 0] == 0).all() and log_probs.grad.isfinite().all()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"blank": 4}, "blank must be in label range"),
        ({"input_lengths": [6, 1, 1]}, "at most 5, but got value 6"),
        ({"input_lengths": [5, 5]}, "input_lengths must be of size batch_size"),
        ({"target_lengths": [3, 1, 1]}, "size at least 3 at dimension 1, but got size 2"),
        ({"targets": opsmith.ones(5, dtype=opsmith.int64)}, "Expected tensor to have size 3"),
    ],
)
def test_ctc_refused(change, text):
    arguments = {
        "targets": opsmith.ones(3, 2, dtype=opsmith.int64),
        "input_lengths": [5, 5, 5],
        "target_lengths": [1, 1, 1],
        **change,
    }
    with pytest.raises(RuntimeError, match=text):
        F.ctc_loss(opsmith.tensor(LOGITS), **arguments)


TABLE = np.random.default_rng(1).standard_normal((6, 3))
INDICES = [1, 2, 2, 5, 0, 3, 1, 4]


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding", [None, 2, -1])
@pytest.mark.parametrize("offsets", [None, [0, 3, 3, 5], [0, 1, 8]])
def test_bags(mode, padding, offsets):
    last = offsets == [0, 1, 8]
    layer = nn.EmbeddingBag.from_pretrained(
        opsmith.tensor(TABLE), False, mode=mode, padding_idx=padding, include_last_offset=last
    )
    ends = [0, 4, 8] if offsets is None else offsets if last else [*offsets, 8]
    skipped = None if padding is None else padding % 6
    want = []
    for start, end in itertools.pairwise(ends):
        rows = [TABLE[i] for i in INDICES[start:end] if i != skipped]
        reduce = {"sum": np.sum, "mean": np.mean, "max": np.max}[mode]
        want.append(reduce(rows, axis=0) if rows else np.zeros(3))
    indices = opsmith.tensor(INDICES)
    if offsets is None:
        arguments = (indices.reshape(2, 4),)
    else:
        arguments = (indices, opsmith.tensor(offsets))
    np.testing.assert_allclose(layer(*arguments).detach().numpy(), want)
    assert gradcheck(lambda w: F.embedding_bag(
        arguments[0], w, *arguments[1:], mode=mode, padding_idx=padding, include_last_offset=last
    ), (layer.weight,))  # fmt: skip
    assert list(layer.state_dict()) == ["weight"]


def test_weighted_bags():
    table = opsmith.tensor(TABLE, requires_grad=True)
    factors = opsmith.randn(2, 4, dtype=F64, requires_grad=True)
    indices = opsmith.tensor(INDICES).reshape(2, 4)

    def run(table, factors):
        return F.embedding_bag(indices, table, mode="sum", per_sample_weights=factors)

    want = (table[indices] * factors.unsqueeze(2)).sum(1)
    opsmith.testing.assert_close(run(table, factors), want)
    assert gradcheck(run, (table, factors))
    with pytest.raises(NotImplementedError, match="only supported for mode='sum'"):
        F.embedding_bag(indices, table, per_sample_weights=factors)
    with pytest.raises(ValueError, match="mode has to be one of sum, mean or max"):
        F.embedding_bag(indices, table, mode="x")
    with pytest.raises(ValueError, match="offsets has to be a 1D Tensor but got None"):
        F.embedding_bag(indices[0], table)
    layer = nn.EmbeddingBag(6, 3, mode="sum", padding_idx=-1, max_norm=1.0)
    assert repr(layer) == "EmbeddingBag(6, 3, max_norm=1.0, mode='sum', padding_idx=5)"
    assert (layer.weight[5] == 0).all()
    layer(indices)
    assert (layer.weight[indices].norm(dim=-1) <= 1 + 1e-6).all()


def test_multilabel_margin():
    x, labels = (
        np.random.default_rng(2).standard_normal((3, 4)),
        [[1, 3, -1, 0], [0, 1, 2, 3], [-1] * 4],
    )
    want = []
    for row, targets in zip(x, labels, strict=True):
        own = targets[: targets.index(-1)] if -1 in targets else targets
        rest = [i for i in range(4) if i not in own]
        want.append(sum(max(0, 1 - row[j] + row[i]) for j in own for i in rest) / 4)
    input, target = opsmith.tensor(x, requires_grad=True), opsmith.tensor(labels)
    for reduction, reduce in (("none", np.array), ("mean", np.mean), ("sum", np.sum)):
        loss = nn.MultiLabelMarginLoss(reduction=reduction)
        np.testing.assert_allclose(loss(input, target).detach().numpy(), reduce(want))
        assert gradcheck(lambda x, loss=loss: loss(x, target), (input,))
    assert F.multilabel_margin_loss(input[0], target[0]).item() == pytest.approx(want[0])
    with pytest.raises(RuntimeError, match="inconsistent target size"):
        F.multilabel_margin_loss(input, target[:2])


def test_adaptive_softmax():
    model = nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6], 2.0, True, dtype=F64)
    names = ["head.weight", "head.bias"]
    names += [f"tail.{k}.{i}.weight" for k in (0, 1) for i in (0, 1)]
    assert list(model.state_dict()) == names and model.tail[1][0].out_features == 2
    x, y = opsmith.randn(6, 8, dtype=F64, requires_grad=True), opsmith.tensor([0, 3, 9, 2, 5, 7])
    full = model.log_prob(x)
    opsmith.testing.assert_close(full.exp().sum(1), opsmith.ones(6, dtype=F64))
    head = model.head(x).log_softmax(1)
    tail = head[:, 4:5] + model.tail[1](x).log_softmax(1)
    opsmith.testing.assert_close(full, opsmith.cat([
        head[:, :3], head[:, 3:4] + model.tail[0](x).log_softmax(1), tail
    ], 1))  # fmt: skip
    output, loss = model(x, y)
    opsmith.testing.assert_close(output, full.gather(1, y.unsqueeze(1)).squeeze(1))
    opsmith.testing.assert_close(loss, -output.mean())
    assert model.predict(x).tolist() == full.argmax(1).tolist()
    assert model(x[0], y[1]).output.shape == () and gradcheck(lambda x: model(x, y).loss, (x,))
    with pytest.raises(ValueError, match="sequence of unique, positive integers"):
        nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 3])
    with pytest.raises(RuntimeError, match=r"should be in \[0, 9\]"):
        model(x, y + 1)
