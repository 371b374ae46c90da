"""Per-op overhead: opsmith and PyTorch side by side in one process, one thread, tiny tensors.

    python benchmarks/overhead.py [--repeats 25] [--json FILE]

Every workload is timed in turns (ours, theirs, ours, ...) and the median of the repeats is shown
with the ratio ours / PyTorch. ``must`` is the ratio the project promises; a row above it is marked.
Needs PyTorch (extra ``bench``); nothing else in the project does.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "frontend"))
os.environ.setdefault("OPSMITH_NUM_THREADS", "1")

VALUES = [k * 0.25 - 2 for k in range(16)]
# label, statement, the ratio that must hold, and the one we aim for
ROWS = (
    ("add, no grad", "a + b", 0.45, 0.20),
    ("add, recorded", "ar + br", 0.50, 0.25),
    ("mul, recorded", "ar * br", 0.50, 0.25),
    ("x * 2.0", "a * 2.0", 0.25, 0.12),
    ("sum", "a.sum()", 0.25, 0.10),
    ("x.t()", "m.t()", 0.40, 0.15),
    ("reshape", "m.reshape(2, 8)", 0.60, 0.30),
    ("x[0]", "m[0]", 0.60, 0.30),
    ("x[:, 1:3]", "m[:, 1:3]", 0.60, 0.35),
    ("matmul 4x4", "m @ m2", 0.40, 0.20),
    ("tensor([..4 floats..]), drop", "tensor(four)", 0.25, 0.10),
    ("x.shape again", "a.shape", 0.60, 0.20),
)


def timer(statement: str, scope: dict[str, Any]) -> Callable[[int], float]:
    """A function that runs the statement n times and returns nanoseconds a run."""
    names = ", ".join(scope)
    source = (
        f"def make({names}, clock, repeat):\n"
        "    def run(n):\n"
        "        start = clock()\n"
        "        for _ in repeat(None, n):\n"
        f"            {statement}\n"
        "        return (clock() - start) / n\n"
        "    return run\n"
    )
    made: dict[str, Any] = {}
    exec(compile(source, "<benchmark>", "exec"), made)  # the statement is the benchmark
    return made["make"](*scope.values(), time.perf_counter_ns, repeat)


def scope(lib: Any) -> dict[str, Any]:
    """The names a statement uses, made by one library."""
    make = lib.tensor
    a, b = make(VALUES), make(VALUES)
    return {
        "a": a, "b": b, "m": a.reshape(4, 4), "m2": b.reshape(4, 4),
        "ar": make(VALUES).requires_grad_(), "br": make(VALUES).requires_grad_(),
        "tensor": make, "four": VALUES[:4],
    }  # fmt: skip


def mlp_step(lib: Any) -> Callable[[], None]:
    """Forward, backward and SGD of a three-layer network on eight rows."""
    functional = lib.nn.functional
    sizes = ((16, 32), (32, 32), (32, 10))
    weights = [
        lib.tensor([0.01 * ((k * 7) % 13 - 6) for k in range(i * o)]).reshape(o, i).requires_grad_()
        for i, o in sizes
    ]
    weights = [w.detach().clone().requires_grad_() for w in weights]
    biases = [lib.tensor([0.1] * o).requires_grad_() for _, o in sizes]
    x = lib.tensor([0.1 * ((k * 3) % 11 - 5) for k in range(128)]).reshape(8, 16)
    y = lib.tensor([0.1 * ((k * 5) % 7) for k in range(80)]).reshape(8, 10)
    w0, w1, w2 = weights
    b0, b1, b2 = biases
    optimizer = lib.optim.SGD([*weights, *biases], lr=0.01)
    linear, mse = functional.linear, functional.mse_loss

    def step() -> None:
        optimizer.zero_grad()
        h = linear(x, w0, b0).tanh()
        h = linear(h, w1, b1).tanh()
        loss = mse(linear(h, w2, b2), y)
        loss.backward()
        optimizer.step()

    return step


def error_case(lib: Any) -> Callable[[], None]:
    """A wrong call, raised and caught."""
    a, b = lib.tensor([1.0, 2.0, 3.0]), lib.tensor([1.0, 2.0])

    def run() -> None:
        try:
            a + b
        except RuntimeError:
            pass

    return run


def compare(
    ours: Callable[[int], float], theirs: Callable[[int], float], n: int, repeats: int
) -> tuple[float, float]:
    """Medians of interleaved runs, in nanoseconds."""
    ours(n), theirs(n)
    mine, their = [], []
    for _ in range(repeats):
        mine.append(ours(n))
        their.append(theirs(n))
    return statistics.median(mine), statistics.median(their)


def memory(module: str) -> tuple[float, float]:
    """Bytes a small tensor takes, alone and as a recorded result, in a process of its own."""
    code = (
        "import sys, os, gc, resource\n"
        f"import {module} as lib\n"
        "def rss():\n"
        "    with open('/proc/self/statm') as f: return int(f.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')\n"  # noqa: E501
        "x = lib.tensor([1., 2., 3., 4.]); r = lib.tensor([1., 2., 3., 4.]).requires_grad_()\n"
        "n = 200000\n"
        "for make in (lambda: x + x, lambda: r + r):\n"
        "    keep = [None] * n; warm = [make() for _ in range(1000)]; del warm; gc.collect()\n"
        "    before = rss()\n"
        "    for k in range(n): keep[k] = make()\n"
        "    print((rss() - before) / n); del keep\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=_env())
    return tuple(float(v) for v in out.stdout.split())  # type: ignore[return-value]


def import_time(module: str, repeats: int = 5) -> float:
    """Milliseconds to import a module, the interpreter's own start taken off."""
    code = f"import time; t = time.perf_counter(); import {module}; print((time.perf_counter() - t) * 1e3)"  # noqa: E501
    runs = [
        float(
            subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, env=_env()
            ).stdout
        )
        for _ in range(repeats)
    ]
    return statistics.median(runs)


def _env() -> dict[str, str]:
    path = str(Path(__file__).resolve().parent.parent / "frontend")
    return dict(os.environ, PYTHONPATH=path)


def main() -> int:
    """Run every row and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--fast", action="store_true", help="skip memory and import")
    args = parser.parse_args()
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed here: pip install torch (extra 'bench')", file=sys.stderr)
        return 2
    import opsmith

    torch.set_num_threads(1)
    gc.disable()
    table: list[tuple[str, str, float, float, float, float]] = []
    mine, theirs = scope(opsmith), scope(torch)
    for label, statement, must, stretch in ROWS:
        ours, other = compare(
            timer("c = " + statement, mine), timer("c = " + statement, theirs), 2000, args.repeats
        )
        table.append((label, "ns", ours, other, must, stretch))
    step, other_step = mlp_step(opsmith), mlp_step(torch)
    ours, other = compare(
        timer("f()", {"f": step}), timer("f()", {"f": other_step}), 50, args.repeats
    )
    table.append(("tiny MLP: forward + backward + SGD", "ns", ours, other, 0.20, 0.10))
    ours, other = compare(
        timer("f()", {"f": error_case(opsmith)}),
        timer("f()", {"f": error_case(torch)}),
        200,
        args.repeats,
    )
    table.append(("error raised and caught", "ns", ours, other, 0.25, 0.05))
    gc.enable()
    if not args.fast:
        (a, ar), (b, br) = memory("opsmith"), memory("torch")
        table.append(("memory of a small tensor", "B", a, b, 0.70, 0.5))
        table.append(("memory of a small tensor with its node", "B", ar, br, 0.70, 0.5))
        table.append(("import", "ms", import_time("opsmith"), import_time("torch", 3), 15, 8))
    print(
        f"{'workload':40s} {'PyTorch':>12s} {'opsmith':>12s} {'ratio':>7s} {'must':>6s} {'stretch':>8s}"  # noqa: E501
    )
    failed = 0
    for label, unit, ours, other, must, stretch in table:
        value = ours if label == "import" else ours / other
        bad = value > must
        failed += bad
        shown = f"{ours:.1f} ms" if label == "import" else f"{ours / other:.2f}"
        print(
            f"{label:40s} {other:9.1f} {unit:>2s} {ours:9.1f} {unit:>2s} {shown:>7s} {must:6.2f} {stretch:8.2f}"  # noqa: E501
            + ("  ABOVE" if bad else "")
        )
    if args.json:
        args.json.write_text(
            json.dumps(
                [
                    dict(zip(("label", "unit", "ours", "torch", "must", "stretch"), r, strict=True))
                    for r in table
                ],
                indent=1,
            )
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
