"""Eight threads run random ops of the registry, forward and backward, on tensors of their own and
on shared ones: no crash, the same bits whichever thread computed them, nothing leaked.

``build.py soak --minutes N`` runs it for long. Each thread writes the case that it is about to run
to ``build/soak/<thread>.txt``, so that the files name what ran when a process crashed.
"""

from __future__ import annotations

import gc
import os
import random
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tqdm import tqdm

import opsmith
from opsmith import _boundary
from opsmithc import samples
from opsmithc.derive.op import Derived
from opsmithc.dtypes import TABLE, DType
from opsmithc.opdef import Out, Reduce, Scan
from opsmithc.samples import Case

from . import harness as h
from .conftest import registry
from .test_layout import LAYOUTS, undefined

THREADS = 8
SECONDS = 60 * float(os.environ.get("OPSMITH_SOAK_MINUTES", "0.15"))
LOG = Path(__file__).resolve().parents[2] / "build" / "soak"
LARGE = (3, 64, 300)  # elements above which the interpreter's lock is released
REFUSED = (*h.ERRORS, OverflowError, ZeroDivisionError)
LEFT = 64  # tensors that caches of the package may keep


@dataclass(frozen=True)
class Problem:
    """One call: which op, which arguments, how they lie in memory."""

    derived: Derived
    number: int
    dtype: DType
    layout: str
    large: bool
    backward: bool

    def __str__(self) -> str:
        form = " ".join(
            filter(None, (self.layout, "large" * self.large, "backward" * self.backward))
        )
        return f"{self.derived.op.name} sample {self.number} {self.dtype.name} {form}"

    def case(self) -> Case:
        op = self.derived.op
        case = samples.case(op, self.number, op.samples[self.number], self.dtype, h.SEED)
        arrays = [v for v in case.args.values() if isinstance(v, np.ndarray)]
        if not self.large or len({a.shape for a in arrays}) != 1:
            return case
        grown = {
            n: np.resize(v, LARGE) if isinstance(v, np.ndarray) else v for n, v in case.args.items()
        }
        return replace(case, args=grown)


def problems(rng: random.Random) -> Callable[[], Problem]:
    """A stream of calls; few enough kinds that each comes again."""
    ops = [d for d in registry() if d.op.samples]
    taken: dict[str, list[DType]] = {}

    def draw() -> Problem:
        d = rng.choice(ops)
        if d.op.name not in taken:
            taken[d.op.name] = [t for t in TABLE if not samples.refusal(d.op, t)] or [samples.FLOAT]
        grows = isinstance(d.op.meaning, Out | Reduce | Scan)
        return Problem(
            d, rng.randrange(len(d.op.samples)), rng.choice(taken[d.op.name]),
            rng.choice(("", "", *LAYOUTS)), grows and rng.random() < 0.2, rng.random() < 0.5,
        )  # fmt: skip

    return draw


def run(problem: Problem, case: Case) -> list[Any]:
    """The outputs and the gradients."""
    args = h.arguments(case)
    for n in case.tensors:
        if problem.layout and case.dtypes[n].numpy:
            args[n] = opsmith.from_numpy(LAYOUTS[problem.layout](case.args[n].copy()))
    leaves = []
    for n in problem.derived.differentiable if problem.backward else ():
        t = args.get(n)
        if isinstance(t, opsmith.Tensor) and t.dtype.is_floating_point:
            args[n] = t.requires_grad_(True)
            leaves.append(t)
    got = list(h.call(problem.derived.op, args))
    carriers = [t for t in got if t.requires_grad] if leaves else []
    if carriers:
        opsmith.autograd.backward([t.sum() for t in carriers])
    return [t.detach() for t in got] + [t.grad for t in leaves if t.grad is not None]


def digest(tensors: list[Any]) -> tuple[Any, ...]:
    """What the results are, to the bit; any NaN is as good as another."""

    def bits(t: Any) -> int:
        a = h.numpy(t)
        return zlib.crc32(np.where(np.isnan(a), np.nan, a).tobytes() if a.dtype.kind == "f" else a)

    return tuple((t.dtype, tuple(t.shape), bits(t.contiguous())) for t in tensors)


class Soak:
    """What the threads share: results seen so far, weights, what went wrong."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}
        self.weight = opsmith.ones(40_000, requires_grad=True)
        self.base = opsmith.arange(12.0).reshape(3, 4)
        self.passes, self.counts = [0] * THREADS, Counter[str]()
        self.wrong: list[str] = []
        self.until = time.monotonic() + SECONDS
        self.lock = threading.Lock()

    def work(self, k: int) -> None:
        log = (LOG / f"{k}.txt").open("w", encoding="utf-8")
        draw, rng = problems(random.Random(f"{h.SEED} {k}")), random.Random(k)
        while time.monotonic() < self.until and not self.wrong:
            problem = draw()
            log.seek(0)
            log.write(f"{problem}\n")
            log.truncate()
            log.flush()
            try:
                self.step(problem)
                if rng.random() < 0.1:
                    self.share(k)
            except AssertionError as e:
                self.wrong.append(str(e))
            except Exception as e:  # not an error that an op may answer with
                self.wrong.append(f"{problem}: {type(e).__name__}: {e}")

    def step(self, problem: Problem) -> None:
        try:
            found = digest(run(problem, problem.case()))
        except REFUSED as e:
            found = type(e).__name__
        op = problem.derived.op
        with self.lock:
            self.counts["refused" if isinstance(found, str) else "ran"] += 1
        if op.random or undefined(op):
            return
        first = self.seen.setdefault(str(problem), found)
        assert first == found, f"{problem}: {found} after {first}"

    def share(self, k: int) -> None:
        """All threads accumulate into one leaf and read one tensor's views."""
        (self.weight * 2).sum().backward()
        self.passes[k] += 1
        assert self.base[1:, ::2].sum().item() == 28.0
        with opsmith.no_grad():
            assert not (self.weight * 2).requires_grad


def held() -> tuple[int, int]:
    gc.collect()
    return _boundary.lib.ops_live_tensors(), _boundary.lib.ops_live_bytes()


@pytest.mark.filterwarnings("ignore")
def test_soak() -> None:
    LOG.mkdir(parents=True, exist_ok=True)
    for d in registry():  # what is loaded on first use is loaded before memory is counted
        if d.op.samples:
            h.function(d.op)
    tensors, size = held()
    soak = Soak()
    threads = [threading.Thread(target=soak.work, args=(k,), daemon=True) for k in range(THREADS)]
    for t in threads:
        t.start()
    with tqdm(total=round(SECONDS), unit="s", desc="soak", disable=SECONDS < 60) as bar:
        while any(t.is_alive() for t in threads):
            time.sleep(min(1.0, SECONDS / 10))
            bar.update(min(round(SECONDS), round(SECONDS - soak.until + time.monotonic())) - bar.n)
            bar.set_postfix(dict(soak.counts), refresh=False)
    for t in threads:
        t.join()
    assert not soak.wrong, "\n".join(soak.wrong)
    assert soak.counts["ran"] > 20 * THREADS, soak.counts
    total = sum(soak.passes)
    if total:
        assert soak.weight.grad.unique().tolist() == [2.0 * total], "a gradient was lost"
    counts = dict(soak.counts)
    del soak
    after, bytes_after = held()
    print(f"{counts}, tensors held {tensors} -> {after}, bytes {size} -> {bytes_after}")
    assert after - tensors < LEFT, f"{after - tensors} tensors more are alive than before"
