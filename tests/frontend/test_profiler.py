"""The profiler: what it sees, how it adds up, what it writes, and that it leaves nothing behind."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import threading

import pytest

import opsmith as torch
import opsmith.nn.functional as F
from opsmith.profiler import (
    ProfilerAction,
    ProfilerActivity,
    profile,
    record_function,
    schedule,
    tensorboard_trace_handler,
)


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    assert torch._functions.blocks == 0 and torch._boundary.lib.ops_diverted_flags() == 6
    assert torch.autograd.engine.timed is None and not torch.autograd.engine.watched


def names(p):
    return [e.name for e in p.events()]


def test_operations_and_what_they_call():
    a, b = torch.randn(3, 4), torch.randn(4, 5)
    expected = torch.addmm(torch.ones(5), a, b)
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as p:
        out = torch.addmm(torch.ones(5), a, b)
        (out + 1).mul_(2)
        out @ b.T
        torch.stack([a, a])
    assert torch.equal(out, expected)
    assert names(p)[:5] == ["addmm", "mm", "add_scaled", "add", "mul_"]
    events = p.events()
    own, product, scaled, added = events[:4]
    assert product.cpu_parent is own and scaled.cpu_parent is own
    assert own.is_top_level and added.is_top_level
    assert "matmul" in names(p)
    assert own.input_shapes[:3] == [[5], [3, 4], [4, 5]] and added.input_shapes[:2] == [[3, 5], []]
    assert events[-1].name == "stack" and events[-1].input_shapes[0] == [[3, 4], [3, 4]]
    parts = sum(e.cpu_time_total for e in own.cpu_children) + own.self_cpu_time_total
    assert own.cpu_time_total == pytest.approx(parts)


def test_backward_functions():
    w = torch.randn(4, 3, requires_grad=True)
    x = torch.randn(5, 4)
    with profile() as p:
        (x @ w).tanh().sum().backward()
    grad, w.grad = w.grad, None
    (x @ w).tanh().sum().backward()
    assert torch.equal(grad, w.grad)
    found = [e.name for e in p.events() if e.kind == "backward"]
    assert found == ["SumBackward0", "TanhBackward0", "MmBackward0"]
    with profile() as p:
        (g,) = torch.autograd.grad((w * w).sum(), w, create_graph=True)
        g.sum().backward()
    assert names(p).count("MulBackward0") == 3  # of w * w, and of the two products in its gradient


def test_averages_and_table():
    x = torch.randn(10, 10)
    with profile(record_shapes=True, profile_memory=True) as p:
        for _ in range(3):
            y = x + x
        z = x[:2] + 1
        y.sum()
    averages = {e.key: e for e in p.key_averages()}
    assert averages["add"].count == 4 and averages["sum"].count == 1
    apart = [e for e in p.key_averages(group_by_input_shape=True) if e.key == "add"]
    assert sorted(e.count for e in apart) == [1, 3]
    table = p.key_averages().table(sort_by="count", row_limit=1, header="All of it")
    lines = table.splitlines()
    assert lines[1] == "All of it" and lines[5].split()[0] == "add" and lines[5].split()[-1] == "4"
    for column in ("Name", "Self CPU %", "CPU time avg", "Self CPU Mem", "# of Calls"):
        assert column in lines[3]
    assert lines[-1].startswith("Self CPU time total: ")
    assert "Input Shapes" in p.key_averages(group_by_input_shape=True).table()
    assert "ms" in p.key_averages().table(time_unit="ms").splitlines()[3]
    assert averages["add"].cpu_memory_usage == 3 * y.numel() * 4 + z.numel() * 4
    total = p.events().total_average()
    assert total.count == len(p.events()) and p.events().self_cpu_time_total > 0
    assert profile().key_averages().table() == ""


def test_an_event_inside_its_like_counts_its_time_once():
    x = torch.randn(4)
    with profile() as p, record_function("a"), record_function("a"):
        x.exp()
    (a,) = (e for e in p.key_averages() if e.key == "a")
    assert a.count == 2 and a.cpu_time_total == p.events()[0].cpu_time_total


def test_blocks():
    @record_function("decorated")
    def f(x):
        return x.exp()

    x = torch.randn(4)
    f(x)
    with profile() as p:
        with record_function("outer"):
            f(x)
        x.log()
    assert names(p) == ["outer", "decorated", "exp", "log"]
    assert p.events()[2].cpu_parent.name == "decorated" and p.events()[3].is_top_level
    with record_function("outside"):
        with profile() as p:
            pass
    assert names(p) == []


def test_stacks(tmp_path):
    with profile(with_stack=True) as p:
        torch.randn(4).exp()
    (e,) = (e for e in p.events() if e.name == "exp")
    assert "test_profiler.py" in e.stack[0] and "test_stacks" in e.stack[0]
    p.export_stacks(str(tmp_path / "s"))
    assert "test_stacks;exp " in (tmp_path / "s").read_text()
    assert "Source Location" in p.key_averages(group_by_stack_n=2).table()


def test_chrome_trace(tmp_path):
    with profile(record_shapes=True) as p, record_function("block"):
        torch.ones(3, requires_grad=True).exp().sum().backward()
    p.export_chrome_trace(str(tmp_path / "t.json"))
    p.export_chrome_trace(str(tmp_path / "t.json.gz"))
    trace = json.loads((tmp_path / "t.json").read_text())
    with gzip.open(tmp_path / "t.json.gz", "rt") as file:
        assert json.load(file) == trace
    found = {e["name"]: e for e in trace["traceEvents"]}
    assert found["block"]["cat"] == "user_annotation" and found["exp"]["cat"] == "cpu_op"
    assert found["ExpBackward0"]["cat"] == "autograd" and found["exp"]["ph"] == "X"
    assert found["exp"]["args"]["Input Dims"] == [[3]] and found["exp"]["dur"] > 0
    block = found["block"]
    assert block["ts"] <= found["exp"]["ts"] <= block["ts"] + block["dur"]


def test_schedule():
    plan = schedule(wait=1, warmup=1, active=2, repeat=2, skip_first=1)
    done = [plan(k).name for k in range(11)]
    cycle = ["NONE", "WARMUP", "RECORD", "RECORD_AND_SAVE"]
    assert done == ["NONE", *cycle, *cycle, "NONE", "NONE"]
    assert schedule(wait=2, warmup=1, active=1, skip_first_wait=1)(0) is ProfilerAction.WARMUP
    with pytest.raises(AssertionError, match="Invalid profiler schedule"):
        schedule(wait=1, warmup=1, active=0)
    with pytest.warns(UserWarning, match="warmup"):
        schedule(wait=1, warmup=0, active=1)


def test_steps_of_a_schedule(tmp_path):
    seen = []

    def ready(p):
        seen.append([n for n in names(p) if n != "exp"])

    x = torch.randn(4)
    with profile(
        schedule=schedule(wait=1, warmup=1, active=2, repeat=2), on_trace_ready=ready
    ) as p:
        for _ in range(9):
            x.exp()
            p.step()
    assert seen == [["ProfilerStep#2", "ProfilerStep#3"], ["ProfilerStep#6", "ProfilerStep#7"]]
    assert names(p).count("exp") == 2
    with profile(on_trace_ready=tensorboard_trace_handler(str(tmp_path), "w", use_gzip=True)):
        x.exp()
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("w.") and file.name.endswith(".pt.trace.json.gz")


def test_recording_can_pause():
    x = torch.randn(4)
    with profile() as p:
        x.exp()
        p.toggle_collection_dynamic(False)
        x.log()
        p.toggle_collection_dynamic(True)
        x.sin()
    assert names(p) == ["exp", "sin"]


def test_other_threads_modes_and_errors():
    x = torch.randn(4)
    seen = []

    class Mode(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func.__name__)
            return func(*args, **(kwargs or {}))

    def other():
        x.log()
        x.clone().requires_grad_(True).cos().sum().backward()

    with profile() as p:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        with Mode():
            F.gelu(x)
        with pytest.raises(RuntimeError, match="size"):
            x + torch.ones(3)
        x.exp()
    assert seen == ["gelu"]
    assert names(p)[0] == "gelu" and names(p)[-2:] == ["add", "exp"]
    assert "log" not in names(p) and "CosBackward0" not in names(p)
    with profile() as outer, profile() as inner:
        x.exp()
    assert names(outer) == names(inner) == ["exp"]


def test_autocast_inside():
    x = torch.rand(2, 2)
    with profile(record_shapes=True) as p, torch.autocast("cpu"):
        assert (x @ x).dtype == torch.bfloat16
        assert F.cross_entropy(x.bfloat16(), torch.tensor([0, 1])).dtype == torch.float32
    assert {"matmul", "cross_entropy"} <= set(names(p))


def test_training_is_the_same_under_it():
    def train():
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(), torch.nn.LSTM(8, 3))
        optimizer = torch.optim.AdamW(model.parameters())
        for _ in range(3):
            model(torch.randn(5, 4))[0].pow(2).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        return torch.cat([p.flatten() for p in model.parameters()]).detach()

    plain = train()
    with profile():
        watched = train()
    assert torch.equal(plain, watched)


def test_older_names():
    with torch.autograd.profiler.profile(record_shapes=True) as p:
        with torch.autograd.profiler.record_function("block"):
            torch.ones(3).exp()
    assert [e.name for e in p.function_events] == ["block", "exp"]
    assert "exp" in p.key_averages().table() and "exp" in str(p) and p.self_cpu_time_total > 0
    with torch.autograd.profiler.profile(enabled=False) as p:
        torch.ones(3).exp()
    assert not p.function_events


def test_trace_of_a_whole_program() -> None:
    program = "import opsmith as t; x = t.ones(2, 3).requires_grad_(); (x @ x.t()).sum().backward()"
    env = {**os.environ, "OPSMITH_TRACE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
    )
    lines = [re.sub(r"\d+ ns$", "ns", line) for line in done.stderr.splitlines()]
    lines = [line for line in lines if not line.startswith("requires_grad_")]
    assert lines[:4] == [
        "t(float32[2, 3]) ns",
        "  mm(float32[2, 3], float32[3, 2]) ns",
        "matmul(float32[2, 3], float32[3, 2]) ns",
        "sum(float32[2, 2], False) ns",
    ]
    assert any(line.startswith("MmBackward0(float32[2, 2])") for line in lines[4:])
    quiet = subprocess.run(
        [sys.executable, "-c", program], env={**env, "OPSMITH_TRACE": "0"}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert not quiet.stderr
