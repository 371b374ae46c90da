"""Module: registration, state, hooks, traversal, printing, copying."""

import copy
import pickle
from collections import OrderedDict

import pytest

import opsmith
from opsmith import nn


class Net(nn.Module):
    """Two layers and a buffer."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.second = nn.Linear(3, 1, bias=False)
        self.scale = nn.Parameter(opsmith.ones(1))
        self.register_buffer("offset", opsmith.zeros(1))
        self.register_buffer("scratch", opsmith.zeros(1), persistent=False)

    def forward(self, x):
        return self.second(opsmith.tanh(self.first(x))) * self.scale + self.offset


KEYS = ["scale", "offset", "first.weight", "first.bias", "second.weight"]


def test_parameter_is_a_tensor():
    data = opsmith.zeros(2)
    p = nn.Parameter(data)
    assert isinstance(p, opsmith.Tensor) and isinstance(p, nn.Parameter)
    assert p.requires_grad and p.is_leaf
    assert p.data_ptr() == data.data_ptr()
    assert repr(p).startswith("Parameter containing:\ntensor([0., 0.]")
    assert not nn.Parameter(data, requires_grad=False).requires_grad
    assert not isinstance(p * 2, nn.Parameter)
    with opsmith.no_grad():
        assert nn.Parameter(data).requires_grad
    same = copy.deepcopy([p, p])
    assert same[0] is same[1] and isinstance(same[0], nn.Parameter)
    assert same[0].data_ptr() != p.data_ptr()
    again = pickle.loads(pickle.dumps(p))
    assert isinstance(again, nn.Parameter) and again.tolist() == [0.0, 0.0]


def test_names_in_order():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == [k for k in KEYS if k != "offset"]
    assert [name for name, _ in net.named_buffers()] == ["offset", "scratch"]
    assert [name for name, _ in net.named_modules()] == ["", "first", "second"]
    assert [name for name, _ in net.named_children()] == ["first", "second"]
    assert [name for name, _ in net.named_parameters(prefix="n", recurse=False)] == ["n.scale"]
    assert list(net.state_dict()) == KEYS
    assert net.state_dict()._metadata == {
        "": {"version": 1},
        "first": {"version": 1},
        "second": {"version": 1},
    }


def test_shared_parameters_and_modules_come_once():
    net = Net()
    net.again = net.first
    net.second.twin = net.scale
    assert len(list(net.parameters())) == 4
    assert len(list(net.named_parameters(remove_duplicate=False))) == 7
    assert len(list(net.modules())) == 3
    assert "again.weight" in net.state_dict()


def test_attributes_and_tables_agree():
    net = Net()
    other = nn.Parameter(opsmith.zeros(1))
    net._parameters["scale"] = other
    assert net.scale is other
    net.scale = None
    assert net.scale is None and net._parameters["scale"] is None
    del net.offset
    assert not hasattr(net, "offset") and "offset" not in net._buffers
    net.first = nn.Identity()
    assert net._modules["first"] is net.first
    net.plain = 3
    net.plain = nn.Parameter(opsmith.zeros(1))
    assert "plain" in net._parameters
    net.plain_module = nn.Linear(1, 1)
    net.plain_module = nn.Parameter(opsmith.zeros(1))
    assert "plain_module" not in net._modules and "plain_module" in net._parameters
    net.scratch = opsmith.ones(1)
    assert net._buffers["scratch"].item() == 1 and "scratch" in net._non_persistent_buffers_set
    net.auto = nn.Buffer(opsmith.ones(2), persistent=False)
    assert "auto" in net._buffers and "auto" not in net.state_dict()


@pytest.mark.parametrize(
    ("act", "error", "text"),
    [
        (
            lambda m: setattr(m, "scale", 3),
            TypeError,
            "cannot assign 'int' as parameter 'scale' (torch.nn.Parameter or None expected)",
        ),
        (
            lambda m: setattr(m, "first", 3),
            TypeError,
            "cannot assign 'int' as child module 'first' (torch.nn.Module or None expected)",
        ),
        (
            lambda m: setattr(m, "offset", 3),
            TypeError,
            "cannot assign 'int' as buffer 'offset' "
            "(torch.nn.Buffer, torch.Tensor or None expected)",
        ),
        (lambda m: m.register_buffer("scale", None), KeyError, "attribute 'scale' already exists"),
        (
            lambda m: m.register_buffer("b", 3),
            TypeError,
            "cannot assign 'int' object to buffer 'b' (torch Tensor or None required)",
        ),
        (
            lambda m: m.register_parameter("p", 3),
            TypeError,
            "cannot assign 'int' object to parameter 'p' (torch.nn.Parameter or None required)",
        ),
        (lambda m: m.register_parameter("a.b", None), KeyError, "can't contain"),
        (lambda m: m.register_parameter("", None), KeyError, "can't be empty string"),
        (lambda m: m.register_parameter(3, None), TypeError, "should be a string. Got int"),
        (lambda m: m.add_module("a.b", m), KeyError, 'module name can\'t contain ".", got: a.b'),
        (lambda m: m.add_module("x", 3), TypeError, "int is not a Module subclass"),
        (lambda m: m.missing, AttributeError, "'Net' object has no attribute 'missing'"),
        (lambda m: m.train(3), ValueError, "training mode is expected to be boolean"),
        (lambda m: m.get_submodule("x.y"), AttributeError, "Net has no attribute `x`"),
        (lambda m: m.get_parameter("first"), AttributeError, "`first` is not an nn.Parameter"),
        (lambda m: m.get_buffer("scale"), AttributeError, "`scale` is not a buffer"),
        (
            lambda m: m.to(opsmith.int64),
            TypeError,
            "nn.Module.to only accepts floating point or complex dtypes",
        ),
        (
            lambda m: nn.Module()(1),
            NotImplementedError,
            'Module [Module] is missing the required "forward" function',
        ),
    ],
)
def test_errors(act, error, text):
    with pytest.raises(error) as raised:
        act(Net())
    assert text in str(raised.value).replace("\\'", "'")


@pytest.mark.parametrize(
    ("value", "kind"),
    [(nn.Parameter(opsmith.zeros(1)), "parameters"), (nn.Identity(), "module")],
)
def test_assigning_before_init(value, kind):
    class Early(nn.Module):
        def __init__(self):
            self.x = value

    with pytest.raises(AttributeError, match=f"cannot assign {kind} before Module.__init__"):
        Early()


def test_state_dict_round_trip():
    one, two = Net(), Net()
    result = two.load_state_dict(one.state_dict())
    assert str(result) == "<All keys matched successfully>"
    for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True):
        assert a.tolist() == b.tolist() and a.data_ptr() != b.data_ptr()
    state = one.state_dict()
    assert not state["scale"].requires_grad and one.state_dict(keep_vars=True)["scale"] is one.scale
    assert state["scale"].data_ptr() == one.scale.data_ptr()


def test_load_state_dict_lists_all_errors():
    net = Net()
    state = net.state_dict()
    del state["scale"]
    state["first.weight"] = opsmith.zeros(5, 5)
    state["more"] = state["second.more"] = opsmith.zeros(1)
    with pytest.raises(RuntimeError) as raised:
        net.load_state_dict(state)
    assert str(raised.value) == (
        "Error(s) in loading state_dict for Net:\n"
        '\tMissing key(s) in state_dict: "scale". \n'
        '\tUnexpected key(s) in state_dict: "more", "second.more". \n'
        "\tsize mismatch for first.weight: copying a param with shape torch.Size([5, 5]) from "
        "checkpoint, the shape in current model is torch.Size([3, 2])."
    )
    state = net.state_dict()
    del state["scale"]
    state["more"] = opsmith.zeros(1)
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert missing == ["scale"] and unexpected == ["more"]
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like"):
        net.load_state_dict(3)


def test_load_state_dict_by_assignment():
    net = Net()
    state = {key: value.clone() for key, value in net.state_dict().items()}
    net.load_state_dict(state, assign=True)
    assert isinstance(net.scale, nn.Parameter) and net.scale.requires_grad
    assert net.scale.data_ptr() == state["scale"].data_ptr()


def test_extra_state_and_state_hooks():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.count = 1

        def get_extra_state(self):
            return self.count

        def set_extra_state(self, state):
            self.count = state

    m = nn.Sequential(Counting())
    state = m.state_dict()
    assert state == {"0._extra_state": 1}
    state["0._extra_state"] = 5
    m.load_state_dict(state)
    assert m[0].count == 5

    seen = []
    net = Net()
    net.register_state_dict_pre_hook(lambda module, prefix, keep: seen.append("pre"))
    net.register_state_dict_post_hook(lambda module, state, prefix, meta: state.clear())
    assert net.state_dict() == {} and seen == ["pre"]
    net.register_load_state_dict_pre_hook(
        lambda module, state, prefix, *rest: state.setdefault("scale", module.scale)
    )
    net.register_load_state_dict_post_hook(lambda module, keys: seen.append(list(keys)))
    net._state_dict_hooks.clear()
    state = net.state_dict()
    del state["scale"]
    net.load_state_dict(state)
    assert seen[-1] == [[], []]


def test_forward_hooks():
    net = nn.Linear(1, 1)
    calls = []
    x = opsmith.ones(1, 1)
    plain = net(x).item()
    pre = net.register_forward_pre_hook(lambda m, args: (args[0] * 0,))
    assert net(x).item() == pytest.approx(net.bias.item())
    pre.remove()
    assert net(x).item() == plain
    with net.register_forward_hook(lambda m, args, out: out + 1):
        assert net(x).item() == pytest.approx(plain + 1)
    assert net(x).item() == plain
    net.register_forward_hook(lambda m, args, out: calls.append("second"))
    net.register_forward_hook(lambda m, args, out: calls.append("first"), prepend=True)
    net.register_forward_hook(
        lambda m, args, kwargs, out: calls.append(sorted(kwargs)), with_kwargs=True
    )
    net.register_forward_pre_hook(
        lambda m, args, kwargs: (args, {"input": kwargs["input"] * 2}), with_kwargs=True
    )
    doubled = net(input=x)
    assert calls == ["first", "second", ["input"]]
    assert doubled.item() == pytest.approx(2 * (plain - net.bias.item()) + net.bias.item())


def test_always_called_hooks():
    class Failing(nn.Module):
        def forward(self, x):
            raise ZeroDivisionError

    net, seen = Failing(), []
    net.register_forward_hook(lambda m, args, out: seen.append("skipped"))
    net.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    with pytest.raises(ZeroDivisionError):
        net(1)
    assert seen == [None]


def test_full_backward_hooks():
    net = nn.Linear(2, 1, bias=False)
    x = opsmith.ones(3, 2).requires_grad_()
    seen = []
    net.register_full_backward_pre_hook(lambda m, grads: (grads[0] * 2,))
    net.register_full_backward_hook(lambda m, gin, gout: seen.append((gin, gout)))
    net.register_full_backward_hook(lambda m, gin, gout: (gin[0] * 10,))
    net(x).sum().backward()
    (grad_input,), (grad_output,) = seen[0]
    assert grad_output.tolist() == [[2.0]] * 3
    weight = net.weight.detach()[0].tolist()
    assert grad_input[0].tolist() == pytest.approx([2 * w for w in weight])
    assert x.grad[0].tolist() == pytest.approx([20 * w for w in weight])
    assert net.weight.grad.tolist() == [[6.0, 6.0]]


def test_full_backward_hook_without_input_gradient():
    net, seen = nn.Linear(1, 1), []
    net.register_full_backward_hook(lambda m, gin, gout: seen.append(gin))
    net(opsmith.ones(1, 1)).sum().backward()
    assert seen == [(None,)]


def test_modes_and_conversion():
    net = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
    assert net.eval() is net and not net[1].training
    assert net.train().training and net[1].training
    weight = net[0].weight
    net(opsmith.ones(2, 1)).sum().backward()
    assert net.double() is net and net[0].weight is weight
    assert weight.dtype == opsmith.float64 and weight.grad.dtype == opsmith.float64
    assert net[1].num_batches_tracked.dtype == opsmith.int64
    net.to(opsmith.float32)
    assert weight.dtype == opsmith.float32 and isinstance(weight, nn.Parameter)
    net.to("cpu", opsmith.float64).to(opsmith.ones(1))
    assert weight.dtype == opsmith.float32
    assert net.half()[0].weight.dtype == opsmith.float16
    assert net.bfloat16()[1].running_mean.dtype == opsmith.bfloat16
    net.float().cpu().requires_grad_(False)
    assert not weight.requires_grad
    seen = []
    net.apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["Linear", "BatchNorm1d", "Sequential"]


def test_zero_grad():
    net = nn.Linear(1, 1)
    net(opsmith.ones(1, 1)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert net.weight.grad.tolist() == [[0.0]]
    net.zero_grad()
    assert net.weight.grad is None


def test_paths():
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_parameter("first.bias") is net.first.bias
    assert net.get_buffer("offset") is net.offset
    net.set_submodule("first", nn.Identity())
    assert isinstance(net.first, nn.Identity)


def test_repr():
    class Odd(nn.Module):
        def extra_repr(self):
            return "a=1\nb=2"

    net = nn.Sequential(
        OrderedDict(
            body=nn.Sequential(nn.Conv2d(1, 2, (3, 1), padding=1), nn.ReLU(inplace=True)),
            odd=Odd(),
            empty=nn.Identity(),
        )
    )
    net.nothing = None
    assert repr(net) == (
        "Sequential(\n"
        "  (body): Sequential(\n"
        "    (0): Conv2d(1, 2, kernel_size=(3, 1), stride=(1, 1), padding=(1, 1))\n"
        "    (1): ReLU(inplace=True)\n"
        "  )\n"
        "  (odd): Odd(\n"
        "    a=1\n"
        "    b=2\n"
        "  )\n"
        "  (empty): Identity()\n"
        ")"
    )


# As PyTorch 2.13.0 prints them
REPRS = [
    ("Linear", (3, 4), "in_features=3, out_features=4, bias=True"),
    ("Bilinear", (1, 2, 3), "in1_features=1, in2_features=2, out_features=3, bias=True"),
    ("Conv1d", (2, 4, 3, 2, 1, 2, 2, False), "2, 4, kernel_size=(3,), stride=(2,), padding=(1,), "
     "dilation=(2,), groups=2, bias=False"),
    ("ConvTranspose2d", (2, 4, 3, 2, 0, 1), "2, 4, kernel_size=(3, 3), stride=(2, 2), "
     "output_padding=(1, 1)"),
    ("BatchNorm2d", (3,), "3, eps=1e-05, momentum=0.1, affine=True, bias=True, "
     "track_running_stats=True"),
    ("LayerNorm", (3,), "(3,), eps=1e-05, elementwise_affine=True, bias=True"),
    ("GroupNorm", (2, 4), "2, 4, eps=1e-05, affine=True, bias=True"),
    ("RMSNorm", (3,), "(3,), eps=None, elementwise_affine=True"),
    ("Embedding", (5, 3, -1, 2.0), "5, 3, padding_idx=4, max_norm=2.0"),
    ("Dropout", (0.3,), "p=0.3, inplace=False"),
    ("GELU", ("tanh",), "approximate='tanh'"),
    ("Hardtanh", (), "min_val=-1.0, max_val=1.0"),
    ("LeakyReLU", (0.2, True), "negative_slope=0.2, inplace=True"),
    ("Softplus", (), "beta=1.0, threshold=20.0"),
    ("Softmax", (1,), "dim=1"),
    ("PReLU", (), "num_parameters=1"),
    ("MaxPool2d", (2,), "kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False"),
    ("AvgPool1d", (2,), "kernel_size=(2,), stride=(2,), padding=(0,)"),
    ("AdaptiveAvgPool2d", (1,), "output_size=1"),
    ("Flatten", (), "start_dim=1, end_dim=-1"),
    ("Unflatten", (1, (2, 3)), "dim=1, unflattened_size=(2, 3)"),
    ("ZeroPad2d", (1,), "(1, 1, 1, 1)"),
    ("ConstantPad1d", (1, 2.0), "padding=(1, 1), value=2.0"),
    ("CrossEntropyLoss", (), ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "text"), REPRS, ids=[case[0] for case in REPRS])
def test_repr_of_layers(name, args, text):
    assert repr(getattr(nn, name)(*args)) == f"{name}({text})"


def test_copies_and_pickles():
    net = Net()
    net.tied = net.scale
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert repr(other) == repr(net)
        assert other.tied is other.scale and other.scale is not net.scale
        assert other._parameters["scale"] is other.scale
        x = opsmith.ones(1, 2)
        assert other(x).tolist() == net(x).tolist()
        other.scale = None
        assert other._parameters["scale"] is None and net.scale is not None


def test_modules_are_freed_without_the_collector():
    import gc
    import weakref

    gc.disable()
    try:
        net = Net()
        gone = weakref.ref(net)
        del net
        assert gone() is None
    finally:
        gc.enable()
