"""Pictures of graphs and of tensors: what they show, and that looking changes nothing."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET

import pytest

import opsmith as torch
import opsmith.nn.functional as F
from opsmith import nn, viz


def shown(g):
    return {v.name: (v.shape, v.module) for v in g.vertices}


def test_operations_shapes_and_leaves():
    w, x = torch.randn(4, 3, requires_grad=True), torch.randn(5, 4)
    g = viz.graph((x @ w).tanh().sum())
    assert [v.name for v in g.ops] == ["sum", "tanh", "mm"]
    assert shown(g) == {
        "output": ((), ""), "sum": ((), ""), "tanh": ((5, 3), ""), "mm": ((5, 3), ""),
        "leaf": ((4, 3), ""),
    }  # fmt: skip
    keys = {v.name: v.key for v in g.vertices}
    assert {(e.source, e.target) for e in g.edges} == {
        (keys["leaf"], keys["mm"]), (keys["mm"], keys["tanh"]), (keys["tanh"], keys["sum"]),
        (keys["sum"], keys["output"]),
    }  # fmt: skip
    assert repr(g) == "<Graph of 3 operations and 1 leaves>"


def test_the_graph_stays_what_it_was():
    w = torch.randn(3, requires_grad=True)
    seen = []
    y = w.exp()
    y.register_hook(seen.append)
    w.register_hook(seen.append)
    loss = (y * y).sum()
    viz.graph(loss).svg()
    assert seen == [] and w.grad is None
    loss.backward()
    torch.testing.assert_close(w.grad, 2 * (2 * w.detach()).exp())
    with pytest.raises(RuntimeError, match="backward has freed this graph"):
        viz.graph(loss)


def test_parameters_and_their_modules():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    x = torch.randn(3, 1, 4, 4)
    g = viz.graph(F.cross_entropy(model(x), torch.tensor([0, 1, 1])), model)
    found = shown(g)
    assert found["0.weight"] == ((4, 1, 3, 3), "0") and found["3.bias"] == ((2,), "3")
    assert found["conv2d"] == ((3, 4, 2, 2), "0") and found["linear"] == ((3, 2), "3")
    assert found["relu"] == ((3, 4, 2, 2), "")
    with viz.modules(model):
        out = model(x)
    found = shown(viz.graph(out, model))
    assert found["relu"] == ((3, 4, 2, 2), "1") and found["flatten"] == ((3, 16), "2")
    assert nn.Module.__call__.__name__ == "__call__"


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
        self.rnn = nn.LSTM(4, 4)

    def forward(self, x):
        a, b = self.inner(x).exp().chunk(2)
        return {"out": self.rnn(torch.cat([b, a]))[0], "n": 3}


def test_the_innermost_module_is_shown():
    g = viz.trace(Nested(), torch.randn(4, 4))
    found = shown(g)
    assert found["tanh"][1] == "inner.1" and found["exp"] == ((4, 4), "Nested")
    assert found["cat"] == ((4, 4), "Nested") and found["squeeze"][1] == "rnn"
    tree = g.source
    assert 'label="inner.1: Tanh"' in tree and 'label="rnn: LSTM"' in tree


def test_several_results_and_what_has_no_shape_on_meta():
    x = torch.randn(4, 3, requires_grad=True)
    values, places = x.max(1)
    g = viz.graph([values.sum(), x.sort(0).values])
    assert [v.name for v in g.vertices if v.kind == "output"] == ["output 0", "output 1"]
    sort = next(v for v in g.ops if v.name == "sort")
    assert sort.looks[0] == ((4, 3), "float32")
    selected = torch.masked_select(x, x > 0)
    assert viz.graph(selected.sum()).leaves[0].shape == (4, 3)
    mixed = viz.graph(x.double().sum())
    assert any("float64" in " ".join(v.lines()) for v in mixed.ops)


def test_custom_functions_are_not_run():
    count = [0]

    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * 2, y[:1]

        @staticmethod
        def backward(ctx, g, h):
            count[0] += 1
            return g * 2, torch.cat([h, h])

    x, y = torch.ones(3, requires_grad=True), torch.ones(2, requires_grad=True)
    a, b = Twice.apply(x.exp(), y.sin())
    found = shown(viz.graph(a.sum() + b.sum()))
    assert count == [0] and found["TwiceBackward"][0] == (3,)
    assert found["exp"][0] == (3,) and found["sin"][0] == (2,)


def test_dot_source():
    x = torch.ones(2, requires_grad=True)
    g = viz.graph(x.exp())
    lines = g.source.splitlines()
    assert lines[0] == "digraph {" and lines[-1] == "}" and "rankdir=TB" in lines[1]
    assert any('label="exp\\n(2)"' in line for line in lines)
    assert str(g) == g.source and "rankdir=LR" in viz.graph(x.exp(), direction="LR").source
    with pytest.raises(ValueError, match="'TB' or 'LR'"):
        viz.graph(x.exp(), direction="up")


def boxes(picture):
    root = ET.fromstring(picture)
    space = {"s": "http://www.w3.org/2000/svg"}
    size = float(root.get("width")), float(root.get("height"))
    return size, [
        tuple(float(r.get(k)) for k in ("x", "y", "width", "height"))
        for r in root.findall(".//s:rect", space)
    ]


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_svg_without_graphviz(direction):
    x = torch.randn(3, 4, requires_grad=True)
    h = x
    for _ in range(4):  # residual blocks: long edges beside short ones
        h = h + (h.exp() * h.sin()).tanh()
    g = viz.graph(h.sum(), direction=direction)
    (width, height), found = boxes(g.svg("own"))
    assert len(found) == len(g.vertices)
    for k, (x0, y0, w0, h0) in enumerate(found):
        assert 0 <= x0 and x0 + w0 <= width + 1 and 0 <= y0 and y0 + h0 <= height + 1
        for x1, y1, w1, h1 in found[k + 1 :]:
            apart = x0 + w0 <= x1 or x1 + w1 <= x0 or y0 + h0 <= y1 or y1 + h1 <= y0
            assert apart
    assert "<title>tanh, (3, 4)</title>" in g.svg("own")


def test_saving(tmp_path, monkeypatch):
    g = viz.graph(torch.ones(2, requires_grad=True).exp())
    g.save(tmp_path / "g.svg")
    assert (tmp_path / "g.svg").read_text().lstrip().startswith(("<svg", "<?xml"))
    g.save(tmp_path / "g.gv")
    assert (tmp_path / "g.gv").read_text() == g.source
    with pytest.raises(ValueError, match="ending"):
        g.save(tmp_path / "g")
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(ImportError, match=r"opsmith\[viz\]"):
        g.save(tmp_path / "g.png")
    assert g._repr_html_().startswith("<div") and "<svg" in g._repr_html_()


def test_graphs_without_a_graph():
    with pytest.raises(RuntimeError, match="no output requires grad"):
        viz.graph(torch.ones(2))


def test_long_graphs():
    x = torch.ones(2, requires_grad=True)
    y = x
    for _ in range(3000):
        y = y.sin()
    g = viz.graph(y)
    assert len(g.ops) == 3000 and all(v.shape == (2,) for v in g.ops)
    assert len(boxes(g.svg("own"))[1]) == 3002


# Tensors -----------------------------------------------------------------------------------------


def test_tensors_in_notebooks():
    x = torch.tensor([[1.0, -2.5], [float("nan"), 0.0]])
    text = x._repr_html_()
    assert "<b>Tensor</b> 2 × 2 · float32" in text and text.count("<td") == 4
    assert "1.0000" in text and "nan" in text and "rgba(52, 119, 219, 0.45)" in text
    assert repr(x) == "tensor([[ 1.0000, -2.5000],\n        [    nan,  0.0000]])"
    assert "requires grad" in nn.Parameter(x)._repr_html_()
    assert "<b>Parameter</b>" in nn.Parameter(x)._repr_html_()
    grown = (x.requires_grad_(True) * 2)._repr_html_()
    assert "grad_fn MulBackward0" in grown
    assert "<pre>tensor(3)</pre>" in torch.tensor(3)._repr_html_()
    assert "<pre>" in torch.zeros(2, 2, 2)._repr_html_()
    assert "<pre>" in torch.zeros(0, 3)._repr_html_()
    assert "<pre>" in torch.zeros(2, device="meta")._repr_html_() and "meta" in text + "meta"
    big = torch.arange(90000).reshape(300, 300)._repr_html_()
    assert big.count("<tr>") == 7 and "⋮" in big and "…" in big
    assert "True" in torch.tensor([True, False])._repr_html_()
