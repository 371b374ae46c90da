"""Averages of weights: figures of PyTorch 2.13.0 for the same programs."""

from __future__ import annotations

import pytest

import opsmith as torch
from opsmith import nn
from opsmith.optim.swa_utils import (
    SWALR,
    AveragedModel,
    get_ema_avg_fn,
    get_ema_multi_avg_fn,
    get_swa_avg_fn,
    get_swa_multi_avg_fn,
    update_bn,
)


def model():
    m = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    with torch.no_grad():
        for k, p in enumerate(m.parameters()):
            p.copy_(torch.arange(p.numel()).reshape(p.shape) * 0.5 + k)
    return m


def step(m):
    with torch.no_grad():
        for p in m.parameters():
            p.mul_(-1.5).add_(0.25)
        for b in m.buffers():
            b.add_(1)


NEAR = {"rtol": 2e-4, "atol": 2e-4}
# how to average: the first weight, the running mean, the number of batches
AVERAGES = {
    "plain": (
        {},
        [0.1406, -0.0625, -0.2656, -0.4688], [3.0, 3.0], 3,
    ),
    "ema": (
        {"avg_fn": get_ema_avg_fn(0.9)},
        [0.0527, 0.289, 0.5252, 0.7615], [3.0, 3.0], 3,
    ),
    "ema of lists": (
        {"multi_avg_fn": get_ema_multi_avg_fn(0.9)},
        [0.0528, 0.289, 0.5252, 0.7615], [3.0, 3.0], 3,
    ),
    "buffers too": (
        {"use_buffers": True},
        [0.1406, -0.0625, -0.2656, -0.4688], [1.5, 1.5], 0,
    ),
    "swa": (
        {"avg_fn": get_swa_avg_fn()},
        [0.1406, -0.0625, -0.2656, -0.4688], [3.0, 3.0], 3,
    ),
    "ema of buffers": (
        {"use_buffers": True, "multi_avg_fn": get_ema_multi_avg_fn(0.5)},
        [0.2188, -0.375, -0.9688, -1.5625], [2.125, 2.125], 2,
    ),
}  # fmt: skip
BN = ([4.0, 14.5], [4.6667, 116.6667], 3)
RATES = {
    "cos": ({"swa_lr": 0.05}, [
        [0.5, 1.0], [0.488988, 0.976752], [0.457029, 0.909283],
        [0.407252, 0.804198], [0.344529, 0.671783], [0.275, 0.525],
    ]),
    "linear": ({"swa_lr": 0.05, "anneal_epochs": 3, "anneal_strategy": "linear"}, [
        [0.5, 1.0], [0.35, 0.683333], [0.2, 0.366667],
        [0.05, 0.05], [0.05, 0.05], [0.05, 0.05],
    ]),
    "two rates": ({"swa_lr": [0.05, 0.2], "anneal_epochs": 4}, [
        [0.5, 1.0], [0.434099, 0.882843], [0.275, 0.6],
        [0.115901, 0.317157], [0.05, 0.2], [0.05, 0.2],
    ]),
    "at once": ({"swa_lr": 0.05, "anneal_epochs": 0}, [
        [0.05, 0.05], [0.05, 0.05], [0.05, 0.05],
        [0.05, 0.05], [0.05, 0.05], [0.05, 0.05],
    ]),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(AVERAGES))
def test_averages(kind):
    options, weight, mean, count = AVERAGES[kind]
    m = model()
    averaged = AveragedModel(m, **options)
    for _ in range(4):
        averaged.update_parameters(m)
        step(m)
    state = averaged.state_dict()
    assert list(state)[:3] == ["n_averaged", "module.0.weight", "module.0.bias"]
    assert state["n_averaged"].item() == 4
    torch.testing.assert_close(state["module.0.weight"].flatten(), torch.tensor(weight), **NEAR)
    torch.testing.assert_close(state["module.1.running_mean"], torch.tensor(mean), **NEAR)
    assert state["module.1.num_batches_tracked"].item() == count
    x = torch.ones(1, 2)
    assert torch.equal(averaged.eval()(x), averaged.module(x))
    assert not torch.equal(averaged(x), m.eval()(x))


def test_integers_are_averaged_by_value():
    a, b = torch.tensor([2, 8]), torch.tensor([4, 4])
    get_swa_multi_avg_fn()([a], [b], torch.tensor(1))
    assert a.tolist() == [3, 6]
    get_ema_multi_avg_fn(0.5)([a], [b], None)
    assert a.tolist() == [3, 5]


def test_update_bn():
    m = model()
    batches = [(torch.arange(6.0).reshape(3, 2) * k, 0) for k in (1, 2, 3)]
    m.eval()
    update_bn(batches, m)
    mean, variance, count = BN
    torch.testing.assert_close(m[1].running_mean, torch.tensor(mean), **NEAR)
    torch.testing.assert_close(m[1].running_var, torch.tensor(variance), **NEAR)
    assert m[1].num_batches_tracked.item() == count and m[1].momentum == 0.1 and not m.training
    update_bn(batches, nn.Linear(2, 2))  # nothing to do


@pytest.mark.parametrize("kind", list(RATES))
def test_swalr(kind):
    options, expected = RATES[kind]
    params = [nn.Parameter(torch.ones(1)) for _ in "ab"]
    groups = [{"params": [params[0]]}, {"params": [params[1]], "lr": 1.0}]
    optimizer = torch.optim.SGD(groups, lr=0.5)
    schedule = SWALR(optimizer, **options)
    found = []
    for _ in range(6):
        optimizer.step()
        found.append([g["lr"] for g in optimizer.param_groups])
        schedule.step()
    assert found == [pytest.approx(e, abs=1e-6) for e in expected]
    again = SWALR(optimizer, **options)
    again.load_state_dict(schedule.state_dict())
    assert again.get_last_lr() == schedule.get_last_lr()


def test_refusals():
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.5)
    with pytest.raises(ValueError, match="'cos' or 'linear', instead got x"):
        SWALR(optimizer, 0.1, anneal_strategy="x")
    with pytest.raises(ValueError, match="equal or greater than 0, got -1"):
        SWALR(optimizer, 0.1, anneal_epochs=-1)
    with pytest.raises(ValueError, match="same length as optimizer.param_groups"):
        SWALR(optimizer, [0.1, 0.2])
    with pytest.raises(ValueError, match=r"Invalid decay value 2"):
        get_ema_avg_fn(2)
    with pytest.raises(AssertionError, match="Only one of"):
        AveragedModel(model(), avg_fn=get_swa_avg_fn(), multi_avg_fn=get_swa_multi_avg_fn())
