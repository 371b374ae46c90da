"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict."""

from collections import OrderedDict

import pytest

import opsmith
from opsmith import nn


def names(module):
    return list(module._modules)


def test_sequential():
    a, b, c = nn.Identity(), nn.ReLU(), nn.Tanh()
    net = nn.Sequential(a, b)
    net.append(c)
    assert len(net) == 3 and net[-1] is c and list(net) == [a, b, c]
    assert [type(m).__name__ for m in net[1:]] == ["ReLU", "Tanh"]
    assert names(net[1:]) == ["1", "2"]
    del net[0]
    assert list(net) == [b, c] and names(net) == ["0", "1"]
    net.insert(0, a)
    assert list(net) == [a, b, c]
    net[1] = nn.Sigmoid()
    assert isinstance(net[1], nn.Sigmoid)
    assert net.pop(1) is not None and len(net) == 2
    assert len(net + nn.Sequential(b)) == 3 and len(net * 2) == 4
    net += nn.Sequential(b)
    assert len(net) == 3
    named = nn.Sequential(OrderedDict(first=a, second=b))
    assert named.second is b and names(named) == ["first", "second"]
    del named[0]
    assert names(named) == ["0"] and named[0] is b
    assert nn.Sequential()(3) == 3
    with pytest.raises(IndexError, match="index 5 is out of range"):
        net[5]
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        nn.Sequential(3)


def test_module_list():
    layers = nn.ModuleList([nn.Linear(1, 1) for _ in range(3)])
    layers.append(nn.ReLU())
    layers.extend([nn.ReLU()])
    layers += [nn.Tanh()]
    assert len(layers) == 6 and isinstance(layers[-1], nn.Tanh)
    assert isinstance(layers[:2], nn.ModuleList) and len(layers[:2]) == 2
    assert len(list(layers.parameters())) == 6
    assert list(layers.state_dict())[:2] == ["0.weight", "0.bias"]
    assert repr(layers) == (
        "ModuleList(\n"
        "  (0-2): 3 x Linear(in_features=1, out_features=1, bias=True)\n"
        "  (3-4): 2 x ReLU()\n"
        "  (5): Tanh()\n"
        ")"
    )
    layers.insert(0, nn.GELU())
    assert isinstance(layers[0], nn.GELU) and len(layers) == 7
    del layers[1:4]
    assert names(layers) == ["0", "1", "2", "3"]
    assert isinstance(layers.pop(0), nn.GELU)
    assert repr(nn.ModuleList()) == "ModuleList()"
    with pytest.raises(NotImplementedError):
        layers(1)


def test_module_dict():
    d = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()})
    d["c"] = nn.Linear(1, 2)
    assert list(d) == ["a", "b", "c"] and "a" in d and len(d) == 3
    assert isinstance(d.a, nn.ReLU) and list(d.items())[0][0] == "a"
    d.update([("a", nn.GELU())])
    assert isinstance(d["a"], nn.GELU) and list(d.keys()) == ["a", "b", "c"]
    assert isinstance(d.pop("b"), nn.Tanh) and "b" not in d
    del d["a"]
    assert len(list(d.values())) == 1
    d.clear()
    assert len(d) == 0
    with pytest.raises(KeyError, match="already exists"):
        d["keys"] = nn.ReLU()


def test_parameter_list():
    values = nn.ParameterList([opsmith.zeros(2), nn.Parameter(opsmith.ones(1))])
    values.append(opsmith.ones(3, 2))
    assert len(values) == 3 and all(isinstance(p, nn.Parameter) for p in values)
    assert [name for name, _ in values.named_parameters()] == ["0", "1", "2"]
    assert len(values[1:]) == 2 and values[-1].shape == (3, 2)
    values[0] = opsmith.ones(2)
    assert values[0].tolist() == [1.0, 1.0]
    assert repr(values) == (
        "ParameterList(\n"
        "    (0): Parameter containing: [torch.float32 of size 2]\n"
        "    (1): Parameter containing: [torch.float32 of size 1]\n"
        "    (2): Parameter containing: [torch.float32 of size 3x2]\n"
        ")"
    )
    with pytest.raises(RuntimeError, match="ParameterList should not be called"):
        values(1)


def test_parameter_dict():
    d = nn.ParameterDict({"a": opsmith.zeros(1)})
    d["b"] = nn.Parameter(opsmith.ones(2))
    assert list(d) == ["a", "b"] and isinstance(d["a"], nn.Parameter)
    assert [name for name, _ in d.named_parameters()] == ["a", "b"]
    assert d.get("c") is None and d.setdefault("c", opsmith.zeros(1)) is d["c"]
    both = d | nn.ParameterDict({"z": opsmith.zeros(1)})
    assert list(both) == ["a", "b", "c", "z"]
    assert d.popitem()[0] == "c" and d.pop("a") is not None and len(d) == 1
    with pytest.raises(KeyError):
        d["a"]
