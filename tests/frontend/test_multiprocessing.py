"""Tensors that go to another process and back, and processes that are watched together."""

from __future__ import annotations

import os
import signal

import pytest

import opsmith
import opsmith.multiprocessing as mp


@pytest.fixture(params=["file_descriptor", "file_system"])
def strategy(request):
    before = mp.get_sharing_strategy()
    mp.set_sharing_strategy(request.param)
    yield request.param
    mp.set_sharing_strategy(before)


def _echo(inward, outward, parameter):
    t = inward.get()
    t += 1  # seen by the sender
    with opsmith.no_grad():
        parameter.mul_(2)
    outward.put(t.clone())
    outward.put(opsmith.ones(2, 3).t())
    outward.put(opsmith.arange(5)[2:])
    outward.put(opsmith.empty(0, 3))
    inward.get()  # the receiver has opened what was sent


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_there_and_back(strategy, method):
    context = mp.get_context(method)
    there, back = context.Queue(), context.Queue()
    layer = opsmith.nn.Linear(2, 2)
    before = layer.weight.detach().clone()
    layer.share_memory()
    assert layer.weight.is_shared() and layer.weight.requires_grad
    process = context.Process(target=_echo, args=(there, back, layer.weight))
    process.start()
    x = opsmith.zeros(3)
    assert not x.is_shared()
    there.put(x)
    got = [back.get(timeout=60) for _ in range(4)]
    there.put(None)
    process.join(60)
    assert process.exitcode == 0
    assert x.is_shared() and x.tolist() == [1, 1, 1]
    assert got[0].tolist() == [1, 1, 1]
    assert got[1].shape == (3, 2) and got[1].stride() == (1, 3)
    assert got[2].tolist() == [2, 3, 4]
    assert got[3].shape == (0, 3)
    assert opsmith.equal(layer.weight, 2 * before)


def test_shared_memory_keeps_values_views_and_gradients():
    x = opsmith.arange(6.0).reshape(2, 3).t().clone().requires_grad_(True)
    assert x.share_memory_() is x and x.is_shared() and x.is_leaf
    (x * x).sum().backward()
    assert opsmith.equal(x.grad, 2 * x.detach())
    pickled = mp.reductions.reduce_tensor(x[1].detach())
    again = pickled[0](*pickled[1])
    assert again.tolist() == [1, 4] and again.is_shared()
    again[0] = 9  # the same memory
    assert x[1, 0] == 9


def test_a_tensor_that_shares_its_storage_is_sent_as_a_copy():
    x = opsmith.zeros(4)
    view = x[1:3]
    pickled = mp.reductions.reduce_tensor(view)
    again = pickled[0](*pickled[1])
    again += 1
    assert again.is_shared() and not x.is_shared() and x.tolist() == [0, 0, 0, 0]


def test_part_of_a_graph_is_refused():
    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf"):
        mp.reductions.reduce_tensor(opsmith.ones(2, requires_grad=True) * 2)


def test_memory_goes_with_the_last_tensor(strategy):
    x = opsmith.zeros(1000).share_memory_()
    held = len(mp.reductions._segments)
    del x
    assert len(mp.reductions._segments) == held - 1
    mine = f"opsmith_{os.getpid()}_"
    assert not [f for f in os.listdir("/dev/shm") if f.startswith(mine)]


def _write(i, t):
    t[i] = i + 10


def _raise(i):
    raise ValueError(f"number {i}")


def _exit(i):
    os._exit(3)


def _die(i):
    os.kill(os.getpid(), signal.SIGKILL)


def test_spawn():
    t = opsmith.zeros(3)
    assert mp.spawn(_write, (t,), 3) is None
    assert t.tolist() == [10, 11, 12]


def test_spawn_says_what_failed():
    with pytest.raises(mp.ProcessRaisedException, match="ValueError: number 0"):
        mp.start_processes(_raise, start_method="fork")
    with pytest.raises(mp.ProcessExitedException, match="exit code 3") as e:
        mp.start_processes(_exit, start_method="fork")
    assert (e.value.exit_code, e.value.error_index) == (3, 0)
    with pytest.raises(mp.ProcessExitedException, match="signal SIGKILL") as e:
        mp.start_processes(_die, nprocs=2, start_method="fork")
    assert e.value.signal_name == "SIGKILL"
    context = mp.start_processes(_write, (opsmith.zeros(1),), join=False, start_method="fork")
    while not context.join(1):
        pass
    assert len(context.pids()) == 1
