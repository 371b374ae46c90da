"""Schedulers against rates computed with PyTorch 2.13.0; their states and errors."""

import copy
import warnings

import pytest

import opsmith
from opsmith import optim
from opsmith.optim import lr_scheduler as schedule

# name -> the rates of both groups at each step; the groups start from 0.5 and 0.3
RATES = {
    "LambdaLR": [
        [0.5, 0.3],
        [0.45, 0.27],
        [0.405, 0.243],
        [0.3645, 0.2187],
        [0.32805, 0.19683],
        [0.295245, 0.177147],
        [0.2657205, 0.1594323],
        [0.23914845, 0.14348907],
        [0.215233605, 0.129140163],
        [0.193710245, 0.116226147],
        [0.17433922, 0.104603532],
        [0.156905298, 0.0941431788],
    ],
    "MultiplicativeLR": [
        [0.5, 0.3],
        [0.45, 0.24],
        [0.405, 0.192],
        [0.3645, 0.1536],
        [0.32805, 0.12288],
        [0.295245, 0.098304],
        [0.2657205, 0.0786432],
        [0.23914845, 0.06291456],
        [0.215233605, 0.050331648],
        [0.193710245, 0.0402653184],
        [0.17433922, 0.0322122547],
        [0.156905298, 0.0257698038],
    ],
    "StepLR": [
        [0.5, 0.3],
        [0.5, 0.3],
        [0.5, 0.3],
        [0.25, 0.15],
        [0.25, 0.15],
        [0.25, 0.15],
        [0.125, 0.075],
        [0.125, 0.075],
        [0.125, 0.075],
        [0.0625, 0.0375],
        [0.0625, 0.0375],
        [0.0625, 0.0375],
    ],
    "MultiStepLR": [
        [0.5, 0.3],
        [0.5, 0.3],
        [0.125, 0.075],
        [0.125, 0.075],
        [0.125, 0.075],
        [0.125, 0.075],
        [0.125, 0.075],
        [0.0625, 0.0375],
        [0.0625, 0.0375],
        [0.0625, 0.0375],
        [0.0625, 0.0375],
        [0.0625, 0.0375],
    ],
    "ExponentialLR": [
        [0.5, 0.3],
        [0.45, 0.27],
        [0.405, 0.243],
        [0.3645, 0.2187],
        [0.32805, 0.19683],
        [0.295245, 0.177147],
        [0.2657205, 0.1594323],
        [0.23914845, 0.14348907],
        [0.215233605, 0.129140163],
        [0.193710245, 0.116226147],
        [0.17433922, 0.104603532],
        [0.156905298, 0.0941431788],
    ],
    "CosineAnnealingLR": [
        [0.5, 0.3],
        [0.453209164, 0.272307464],
        [0.330709164, 0.199807464],
        [0.179290836, 0.110192536],
        [0.0567908364, 0.0376925358],
        [0.01, 0.01],
        [0.0567908364, 0.0376925358],
        [0.179290836, 0.110192536],
        [0.330709164, 0.199807464],
        [0.453209164, 0.272307464],
        [0.5, 0.3],
        [0.453209164, 0.272307464],
    ],
    "LinearLR": [
        [0.1, 0.06],
        [0.158333333, 0.095],
        [0.216666667, 0.13],
        [0.275, 0.165],
        [0.333333333, 0.2],
        [0.391666667, 0.235],
        [0.45, 0.27],
        [0.45, 0.27],
        [0.45, 0.27],
        [0.45, 0.27],
        [0.45, 0.27],
        [0.45, 0.27],
    ],
    "ConstantLR": [
        [0.1, 0.06],
        [0.1, 0.06],
        [0.1, 0.06],
        [0.1, 0.06],
        [0.1, 0.06],
        [0.1, 0.06],
        [0.5, 0.3],
        [0.5, 0.3],
        [0.5, 0.3],
        [0.5, 0.3],
        [0.5, 0.3],
        [0.5, 0.3],
    ],
    "PolynomialLR": [
        [0.5, 0.3],
        [0.347222222, 0.208333333],
        [0.222222222, 0.133333333],
        [0.125, 0.075],
        [0.0555555556, 0.0333333333],
        [0.0138888889, 0.00833333333],
        [0.0, 0.0],
        [0.0, 0.0],
        [0.0, 0.0],
        [0.0, 0.0],
        [0.0, 0.0],
        [0.0, 0.0],
    ],
    "CosineAnnealingWarmRestarts": [
        [0.5, 0.3],
        [0.3775, 0.2275],
        [0.1325, 0.0825],
        [0.5, 0.3],
        [0.467176224, 0.280573684],
        [0.3775, 0.2275],
        [0.255, 0.155],
        [0.1325, 0.0825],
        [0.0428237761, 0.0294263165],
        [0.5, 0.3],
        [0.491651827, 0.295059245],
        [0.467176224, 0.280573684],
    ],
    "SequentialLR": [
        [0.05, 0.03],
        [0.05, 0.03],
        [0.5, 0.3],
        [0.5, 0.3],
        [0.45, 0.27],
        [0.405, 0.243],
        [0.3645, 0.2187],
        [0.32805, 0.19683],
        [0.5, 0.3],
        [0.426776695, 0.256066017],
        [0.25, 0.15],
        [0.0732233047, 0.0439339828],
    ],
    "ChainedScheduler": [
        [0.05, 0.03],
        [0.045, 0.027],
        [0.405, 0.243],
        [0.3645, 0.2187],
        [0.32805, 0.19683],
        [0.295245, 0.177147],
        [0.2657205, 0.1594323],
        [0.23914845, 0.14348907],
        [0.215233605, 0.129140163],
        [0.193710245, 0.116226147],
        [0.17433922, 0.104603532],
        [0.156905298, 0.0941431788],
    ],
    "OneCycleLR": [
        [0.028, 0.028],
        [0.244852758, 0.244852758],
        [0.615499611, 0.615499611],
        [0.696090805, 0.696090805],
        [0.653109079, 0.653109079],
        [0.568221958, 0.568221958],
        [0.453165298, 0.453165298],
        [0.323845972, 0.323845972],
        [0.198142699, 0.198142699],
        [0.0934342711, 0.0934342711],
        [0.0241968912, 0.0241968912],
        [2.8e-06, 2.8e-06],
    ],
    "OneCycleLR-3": [
        [0.028, 0.012],
        [0.286461538, 0.122769231],
        [0.544923077, 0.233538462],
        [0.596615385, 0.255692308],
        [0.338153846, 0.144923077],
        [0.0796923077, 0.0341538462],
        [0.0241383172, 0.0103449931],
        [0.0193112138, 0.00827623448],
        [0.0144841103, 0.00620747586],
        [0.0096570069, 0.00413871724],
        [0.00482990345, 0.00206995862],
        [2.8e-06, 1.2e-06],
    ],
}

PLATEAUS = [
    (
        {"patience": 2},
        [
            [0.5, 0.3],
            [0.5, 0.3],
            [0.5, 0.3],
            [0.5, 0.3],
            [0.5, 0.3],
            [0.5, 0.3],
            [0.5, 0.3],
            [0.05, 0.03],
            [0.05, 0.03],
            [0.05, 0.03],
            [0.005, 0.003],
            [0.005, 0.003],
            [0.005, 0.003],
            [0.0005, 0.0003],
            [0.0005, 0.0003],
            [0.0005, 0.0003],
        ],
    ),
    (
        {
            "mode": "max",
            "threshold_mode": "abs",
            "cooldown": 2,
            "patience": 1,
            "min_lr": [0.01, 0.02],
        },
        [
            [0.5, 0.3],
            [0.5, 0.3],
            [0.5, 0.3],
            [0.05, 0.03],
            [0.05, 0.03],
            [0.05, 0.03],
            [0.05, 0.03],
            [0.01, 0.02],
            [0.01, 0.02],
            [0.01, 0.02],
            [0.01, 0.02],
            [0.01, 0.02],
            [0.01, 0.02],
            [0.01, 0.02],
            [0.01, 0.02],
            [0.01, 0.02],
        ],
    ),
    (
        {"mode": "max", "threshold": 0.1, "patience": 0},
        [
            [0.5, 0.3],
            [0.5, 0.3],
            [0.05, 0.03],
            [0.005, 0.003],
            [0.0005, 0.0003],
            [5e-05, 3e-05],
            [5e-06, 3e-06],
            [5e-07, 3e-07],
            [5e-08, 3e-08],
            [5e-09, 3e-09],
            [5e-09, 3e-09],
            [5e-09, 3e-09],
            [5e-09, 3e-09],
            [5e-09, 3e-09],
            [5e-09, 3e-09],
            [5e-09, 3e-09],
        ],
    ),
    (
        {"threshold_mode": "abs", "factor": 0.5, "patience": 1},
        [
            [0.5, 0.3],
            [0.5, 0.3],
            [0.5, 0.3],
            [0.5, 0.3],
            [0.5, 0.3],
            [0.5, 0.3],
            [0.25, 0.15],
            [0.25, 0.15],
            [0.125, 0.075],
            [0.125, 0.075],
            [0.0625, 0.0375],
            [0.0625, 0.0375],
            [0.03125, 0.01875],
            [0.03125, 0.01875],
            [0.015625, 0.009375],
            [0.015625, 0.009375],
        ],
    ),
]


MAKE = {
    "LambdaLR": lambda o: schedule.LambdaLR(o, lambda epoch: 0.9**epoch),
    "MultiplicativeLR": lambda o: schedule.MultiplicativeLR(o, [lambda e: 0.9, lambda e: 0.8]),
    "StepLR": lambda o: schedule.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda o: schedule.MultiStepLR(o, [2, 2, 7], 0.5),
    "ExponentialLR": lambda o: schedule.ExponentialLR(o, 0.9),
    "CosineAnnealingLR": lambda o: schedule.CosineAnnealingLR(o, 5, 0.01),
    "LinearLR": lambda o: schedule.LinearLR(o, 0.2, 0.9, 6),
    "ConstantLR": lambda o: schedule.ConstantLR(o, 0.2, 6),
    "PolynomialLR": lambda o: schedule.PolynomialLR(o, 6, 2.0),
    "CosineAnnealingWarmRestarts": lambda o: schedule.CosineAnnealingWarmRestarts(o, 3, 2, 0.01),
    "SequentialLR": lambda o: schedule.SequentialLR(
        o,
        [
            schedule.ConstantLR(o, 0.1, 2),
            schedule.ExponentialLR(o, 0.9),
            schedule.CosineAnnealingLR(o, 4),
        ],
        [3, 8],
    ),
    "ChainedScheduler": lambda o: schedule.ChainedScheduler(
        [schedule.ConstantLR(o, 0.1, 2), schedule.ExponentialLR(o, 0.9)]
    ),
    "OneCycleLR": lambda o: schedule.OneCycleLR(o, 0.7, total_steps=12),
    "OneCycleLR-3": lambda o: schedule.OneCycleLR(
        o, [0.7, 0.3], epochs=2, steps_per_epoch=6, three_phase=True, anneal_strategy="linear"
    ),
}


def optimizer():
    p, q = opsmith.zeros(1).requires_grad_(), opsmith.zeros(1).requires_grad_()
    return optim.SGD([{"params": [p]}, {"params": [q], "lr": 0.3}], lr=0.5, momentum=0.9)


def rates_of(o):
    return [group["lr"] for group in o.param_groups]


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize("name", RATES)
def test_rates(name):
    o = optimizer()
    scheduler = MAKE[name](o)
    for expected in RATES[name]:
        assert rates_of(o) == pytest.approx(expected, rel=1e-7, abs=1e-12)
        assert scheduler.get_last_lr() == pytest.approx(expected, rel=1e-7, abs=1e-12)
        o.step()
        scheduler.step()


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize("name", RATES)
def test_resuming(name):
    o = optimizer()
    scheduler = MAKE[name](o)
    for _ in range(5):
        o.step()
        scheduler.step()
    states = copy.deepcopy((o.state_dict(), scheduler.state_dict()))
    again = optimizer()
    resumed = MAKE[name](again)
    again.load_state_dict(states[0])
    resumed.load_state_dict(states[1])
    for expected in RATES[name][5:]:
        assert rates_of(again) == pytest.approx(expected, rel=1e-7, abs=1e-12)
        again.step()
        resumed.step()


@pytest.mark.parametrize(("options", "expected"), PLATEAUS)
def test_plateaus(options, expected):
    o = optimizer()
    scheduler = schedule.ReduceLROnPlateau(o, **options)
    for i, rates in enumerate(expected):
        assert rates_of(o) == pytest.approx(rates)
        o.step()
        scheduler.step(opsmith.tensor(abs(i % 7 - 3) * 1.0))
    assert scheduler.get_last_lr() == rates_of(o)


def test_one_cycle_moves_momentum():
    o = optimizer()
    scheduler = schedule.OneCycleLR(o, 0.7, total_steps=12)
    assert o.param_groups[0]["momentum"] == 0.95
    lowest = 1.0
    for _ in range(11):
        o.step()
        scheduler.step()
        lowest = min(lowest, o.param_groups[0]["momentum"])
    assert lowest == pytest.approx(0.85, abs=2e-3)
    adam = optim.Adam([opsmith.zeros(1).requires_grad_()])
    schedule.OneCycleLR(adam, 0.1, total_steps=10)
    assert adam.param_groups[0]["betas"] == (0.95, 0.999)


def test_a_rate_that_is_a_tensor_is_set_in_place():
    rate = opsmith.tensor(0.5)
    o = optim.SGD([opsmith.zeros(1).requires_grad_()], lr=rate)
    scheduler = schedule.ExponentialLR(o, 0.5)
    o.step()
    scheduler.step()
    assert o.param_groups[0]["lr"] is rate and rate.item() == 0.25
    assert scheduler.base_lrs[0].item() == 0.5


def test_order_of_steps():
    o = optimizer()
    scheduler = schedule.StepLR(o, 1)
    with pytest.warns(UserWarning, match=r"before `optimizer.step\(\)`"):
        scheduler.step()
    o = optimizer()
    scheduler = schedule.StepLR(o, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        o.step()
        scheduler.step()
    with pytest.warns(UserWarning, match="please use `get_last_lr"):
        scheduler.get_lr()


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda o: schedule.StepLR(3, 1), TypeError, "int is not an Optimizer"),
        (lambda o: schedule.LambdaLR(o, [abs]), ValueError, "Expected 2 lr_lambdas, but got 1"),
        (lambda o: schedule.StepLR(o, 1, last_epoch=3), KeyError, "initial_lr"),
        (lambda o: schedule.ConstantLR(o, 2.0), ValueError, "between 0 and 1"),
        (lambda o: schedule.LinearLR(o, 0.0), ValueError, "greater than 0"),
        (lambda o: schedule.OneCycleLR(o, 0.1), ValueError, "You must define either total_steps"),
        (lambda o: schedule.SequentialLR(o, [], []), ValueError, "at least one scheduler"),
        (
            lambda o: schedule.SequentialLR(o, [schedule.StepLR(o, 1)], [1]),
            ValueError,
            "number of schedulers provided to be one more",
        ),
        (lambda o: schedule.ReduceLROnPlateau(o, factor=1.0), ValueError, "Factor should be < 1"),
        (lambda o: schedule.ReduceLROnPlateau(o, mode="x"), ValueError, "mode x is unknown"),
    ],
)
def test_errors(make, error, text):
    with pytest.raises(error, match=text):
        make(optimizer())
