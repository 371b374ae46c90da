"""Optimizers against trajectories computed with PyTorch 2.13.0; their states, groups and errors."""

import copy
import pickle

import numpy as np
import pytest

import opsmith
from opsmith import nn, optim

# (class, options, the four parameters after each of five steps, names of the state's entries)
CASES = [
    (
        "SGD",
        {"lr": 0.1},
        [
            [0.94, -2.15, 0.4625, 0.298],
            [0.883692, -2.318475, 0.4262828, 0.30103],
            [0.8301616, -2.509838, 0.3907283, 0.3091588],
            [0.7785707, -2.729732, 0.3552324, 0.3225714],
            [0.7281284, -2.985533, 0.3191895, 0.3415871],
        ],
        [],
    ),
    (
        "SGD",
        {"lr": 0.1, "momentum": 0.9},
        [
            [0.94, -2.15, 0.4625, 0.298],
            [0.829692, -2.453475, 0.3925328, 0.29923],
            [0.6798401, -2.937112, 0.2950169, 0.3129928],
            [0.4998087, -3.662483, 0.1733423, 0.3521047],
            [0.2950757, -4.75294, 0.02772316, 0.4330079],
        ],
        ["momentum_buffer"],
    ),
    (
        "SGD",
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        [
            [0.8841, -2.2812, 0.4278, 0.296086],
            [0.7322008, -2.749623, 0.3295191, 0.3086358],
            [0.5534483, -3.490465, 0.2075843, 0.3537622],
            [0.3497567, -4.682822, 0.05878304, 0.4518583],
            [0.1135509, -6.725195, -0.1281109, 0.6317239],
        ],
        ["momentum_buffer"],
    ),
    (
        "SGD",
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "maximize": True},
        [
            [1.06, -1.85, 0.5375, 0.302],
            [1.171517, -1.595412, 0.6062305, 0.310127],
            [1.33685, -1.269648, 0.7059222, 0.3318879],
            [1.563774, -0.903066, 0.8389695, 0.3773369],
            [1.86799, -0.5171627, 1.011677, 0.4588194],
        ],
        ["momentum_buffer"],
    ),
    (
        "Adam",
        {"lr": 0.1},
        [
            [0.9, -2.1, 0.4, 0.28],
            [0.8005909, -2.200118, 0.3005705, 0.2885868],
            [0.7017803, -2.30045, 0.201451, 0.3029823],
            [0.6035916, -2.401083, 0.1024473, 0.3193332],
            [0.5060241, -2.502098, 0.003372163, 0.3367335],
        ],
        ["exp_avg", "exp_avg_sq", "step"],
    ),
    (
        "Adam",
        {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1},
        [
            [0.9, -2.1, 0.4, 0.28],
            [0.8005635, -2.20012, 0.3006311, 0.2856861],
            [0.7017838, -2.300458, 0.2017855, 0.299082],
            [0.6037327, -2.401102, 0.1033273, 0.3149322],
            [0.506461, -2.502136, 0.005103, 0.3320302],
        ],
        ["exp_avg", "exp_avg_sq", "max_exp_avg_sq", "step"],
    ),
    (
        "Adam",
        {"lr": 0.05, "betas": (0.8, 0.9), "eps": 0.001, "maximize": True},
        [
            [1.049917, -1.950033, 0.549867, 0.319802],
            [1.099914, -1.90011, 0.5998214, 0.3382953],
            [1.150038, -1.850261, 0.6499107, 0.3569354],
            [1.200329, -1.800511, 0.7001789, 0.3758667],
            [1.250823, -1.750885, 0.7506648, 0.395114],
        ],
        ["exp_avg", "exp_avg_sq", "step"],
    ),
    (
        "AdamW",
        {"lr": 0.1},
        [
            [0.899, -2.098, 0.3995, 0.27994],
            [0.7986988, -2.196018, 0.2996742, 0.2884607],
            [0.699105, -2.294151, 0.2002611, 0.3027951],
            [0.6002417, -2.392485, 0.1010648, 0.3190846],
            [0.502107, -2.4911, 0.001896761, 0.3364217],
        ],
        ["exp_avg", "exp_avg_sq", "step"],
    ),
    (
        "AdamW",
        {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1},
        [
            [0.89, -2.08, 0.395, 0.2794],
            [0.7817609, -2.159299, 0.2916531, 0.2873248],
            [0.6752904, -2.237999, 0.1896775, 0.3011106],
            [0.5705976, -2.316186, 0.08885378, 0.3168509],
            [0.4676552, -2.39394, -0.01102859, 0.3336237],
        ],
        ["exp_avg", "exp_avg_sq", "max_exp_avg_sq", "step"],
    ),
    (
        "RMSprop",
        {"lr": 0.1},
        [
            [1.788139e-07, -3.0, -0.4999998, 0.1000002],
            [-0.1652048, -3.882464, -0.9246325, 0.2999094],
            [-0.6206291, -4.7191, -1.729632, 0.4598112],
            [-1.270385, -5.498795, -2.621665, 0.6095937],
            [-2.049142, -6.226944, -3.491676, 0.751026],
        ],
        ["square_avg", "step"],
    ),
    (
        "RMSprop",
        {"lr": 0.1, "momentum": 0.9},
        [
            [1.758337e-07, -3.0, -0.4999997, 0.1000002],
            [-1.065205, -4.782464, -1.824632, 0.1199095],
            [-2.631126, -7.297852, -3.955714, 0.3207577],
            [-4.994369, -10.4675, -6.846866, 0.6722217],
            [-8.077346, -14.2024, -10.39336, 1.149583],
        ],
        ["momentum_buffer", "square_avg", "step"],
    ),
    (
        "RMSprop",
        {"lr": 0.1, "centered": True, "momentum": 0.5, "weight_decay": 0.1},
        [
            [-0.005037799, -3.005038, -0.5050376, 0.09899261],
            [-0.6484764, -4.404432, -1.293243, 0.1992641],
            [-1.322563, -6.007544, -2.49026, 0.4258181],
            [-2.410539, -7.684342, -4.042165, 0.700728],
            [-3.861488, -9.356453, -5.752508, 0.9909008],
        ],
        ["grad_avg", "momentum_buffer", "square_avg", "step"],
    ),
    (
        "Adagrad",
        {"lr": 0.1},
        [
            [0.9, -2.1, 0.4, 0.28],
            [0.8342919, -2.173018, 0.3341637, 0.2984615],
            [0.7805468, -2.234581, 0.2787141, 0.3153236],
            [0.7338742, -2.289133, 0.2294809, 0.3302808],
            [0.6920183, -2.338803, 0.1845336, 0.3437687],
        ],
        ["step", "sum"],
    ),
    (
        "Adagrad",
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.3},
        [
            [0.9212438, -2.092155, 0.4386964, 0.2953814],
            [0.8680072, -2.156176, 0.3935215, 0.2989266],
            [0.8274055, -2.205913, 0.3573636, 0.3059542],
            [0.7945069, -2.246634, 0.3270631, 0.313852],
            [0.7668768, -2.281023, 0.3009653, 0.321482],
        ],
        ["step", "sum"],
    ),
]


def start(name, options):
    p = opsmith.tensor([1.0, -2.0, 0.5]).requires_grad_()
    q = opsmith.tensor([0.3]).requires_grad_()
    groups = [{"params": [p]}, {"params": [q], "lr": 0.02}]
    return p, q, getattr(optim, name)(groups, **options)


def advance(p, q, optimizer):
    optimizer.zero_grad()
    ((p * p * p).sum() * 0.1 + (p * q).sum() + (q * q).sum()).backward()
    optimizer.step()
    return [*p.tolist(), *q.tolist()]


@pytest.mark.parametrize(("name", "options", "steps", "keys"), CASES)
def test_trajectory(name, options, steps, keys):
    p, q, optimizer = start(name, options)
    for i, expected in enumerate(steps):
        np.testing.assert_allclose(advance(p, q, optimizer), expected, rtol=2e-5, atol=2e-6)
        if i == 2:  # go on from a stored state
            state = copy.deepcopy(optimizer.state_dict())
            groups = [{"params": [p]}, {"params": [q]}]
            optimizer = getattr(optim, name)(groups, **options)
            optimizer.load_state_dict(state)
    assert sorted(optimizer.state_dict()["state"].get(0, ())) == keys
    assert p.requires_grad and p.is_leaf


def test_state_dict_layout():
    layer = nn.Linear(2, 1)
    optimizer = optim.Adam(layer.parameters())
    assert optimizer.state_dict() == {
        "state": {},
        "param_groups": [
            {
                "lr": 0.001,
                "betas": (0.9, 0.999),
                "eps": 1e-08,
                "weight_decay": 0,
                "amsgrad": False,
                "maximize": False,
                "foreach": None,
                "capturable": False,
                "differentiable": False,
                "fused": None,
                "decoupled_weight_decay": False,
                "params": [0, 1],
            }
        ],
    }
    layer(opsmith.ones(1, 2)).sum().backward()
    optimizer.step()
    state = optimizer.state_dict()["state"]
    assert sorted(state) == [0, 1] and state[0]["step"].item() == 1.0
    assert tuple(state[0]["exp_avg"].shape) == (1, 2)


def test_loading_converts_to_the_parameters_dtype():
    p = opsmith.zeros(1, dtype=opsmith.float64).requires_grad_()
    optimizer = optim.Adam([p])
    p.sum().backward()
    optimizer.step()
    state = optimizer.state_dict()
    state["state"][0]["exp_avg"] = state["state"][0]["exp_avg"].to(opsmith.float32)
    state["state"][0]["step"] = 1  # as old files have it
    optimizer.load_state_dict(state)
    assert optimizer.state[p]["exp_avg"].dtype == opsmith.float64
    assert optimizer.state[p]["step"].item() == 1.0
    other = optim.Adam([p, opsmith.zeros(1).requires_grad_()])
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        other.load_state_dict(state)
    state["param_groups"] *= 2
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optimizer.load_state_dict(state)


def test_groups_and_repr():
    p, q = opsmith.zeros(1).requires_grad_(), opsmith.zeros(2).requires_grad_()
    optimizer = optim.SGD([{"params": p, "lr": 0.5}], lr=0.1, momentum=0.9)
    optimizer.add_param_group({"params": [q]})
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.1]
    body = (
        "    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n"
        "    lr: {}\n    maximize: False\n    momentum: 0.9\n    nesterov: False\n"
        "    weight_decay: 0\n"
    )
    assert repr(optimizer) == (
        "SGD (\nParameter Group 0\n"
        + body.format(0.5)
        + "\nParameter Group 1\n"
        + body.format(0.1)
        + ")"
    )
    again = pickle.loads(pickle.dumps(optimizer))
    assert repr(again) == repr(optimizer)
    named = optim.SGD(nn.Linear(1, 1).named_parameters())
    assert named.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda p: optim.SGD(p), TypeError, "should be an iterable of Tensors or dicts"),
        (lambda p: optim.SGD([]), ValueError, "optimizer got an empty parameter list"),
        (lambda p: optim.SGD([3]), TypeError, "can only optimize Tensors, but one of the params"),
        (lambda p: optim.SGD([p * 2]), ValueError, "can't optimize a non-leaf Tensor"),
        (lambda p: optim.SGD([{"params": {p}}]), TypeError, "ordered collections"),
        (
            lambda p: optim.SGD([{"params": [p]}, {"params": [p]}]),
            ValueError,
            "some parameters appear in more than one parameter group",
        ),
        (lambda p: optim.SGD([p], lr=-1), ValueError, "Invalid learning rate: -1"),
        (lambda p: optim.SGD([p], nesterov=True), ValueError, "Nesterov momentum requires"),
        (
            lambda p: optim.Adam([p], betas=(1.0, 0.9)),
            ValueError,
            "Invalid beta parameter at index",
        ),
        (lambda p: optim.RMSprop([p], eps=-1), ValueError, "Invalid epsilon value: -1"),
        (lambda p: optim.Optimizer([p], {}).step(), NotImplementedError, "^$"),
    ],
)
def test_errors(make, error, text):
    with pytest.raises(error, match=text):
        make(opsmith.zeros(1).requires_grad_())


def test_closure_and_zero_grad():
    p = opsmith.ones(2).requires_grad_()
    optimizer = optim.SGD([p], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with opsmith.no_grad():
        assert optimizer.step(closure).item() == 2.0
    assert p.tolist() == [0.0, 0.0]
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert p.grad is None
    optimizer.step()


def test_hooks():
    p = opsmith.ones(1).requires_grad_()
    optimizer, seen = optim.SGD([p], lr=0.5), []
    before = optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("before"))
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("after"))
    optimizer.register_state_dict_post_hook(lambda o, state: state.setdefault("mine", 1))
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append("loaded"))
    optimizer.step()
    before.remove()
    optimizer.step()
    assert seen == ["before", "after", "after"]

    class Own(optim.Optimizer):
        def step(self, closure=None):
            seen.append("own")

    own = Own([p], {})
    own.register_step_pre_hook(lambda o, args, kwargs: seen.append("hook"))
    own.step()
    assert seen[-2:] == ["hook", "own"]


def test_required_options():
    from opsmith.optim.optimizer import required

    class Own(optim.Optimizer):
        pass

    with pytest.raises(ValueError, match="didn't specify a value of required optimization .* lr"):
        Own([opsmith.ones(1).requires_grad_()], {"lr": required})


def test_training_fits_a_line():
    opsmith.manual_seed(0)
    x = opsmith.linspace(-1, 1, 32).reshape(-1, 1)
    y = x * 3 - 0.5
    model = nn.Linear(1, 1)
    for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad"):
        model.reset_parameters()
        optimizer = getattr(optim, name)(model.parameters(), lr=0.1 if name != "Adagrad" else 1.0)
        for _ in range(300):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
        assert loss.item() < 0.05, name
