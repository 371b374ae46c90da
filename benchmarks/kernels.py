"""Windows, places, rows and joins: opsmith and PyTorch side by side in one process.

    python benchmarks/kernels.py [-k WORD] [--threads 1] [--cpu] [--repeats 11] [--json FILE]

Each workload is timed forward and, where it has one, backward (on a kept graph, into fresh grads).
Runs alternate between the libraries; medians and their ratio, ours / PyTorch, are shown.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "frontend"))

SHORTEST = 2e6  # nanoseconds that one timed run should take, so that the clock does not matter


@dataclass(frozen=True)
class Workload:
    """A statement over named tensors; names that start with ``i`` hold positions."""

    label: str
    statement: str
    tensors: dict[str, tuple[int, ...]]
    grad: tuple[str, ...] = ()  # tensors to differentiate by
    below: int = 0  # positions lie below this


def _images() -> Iterator[Workload]:
    image = {"x": (16, 64, 56, 56)}
    for label, call in (
        ("max_pool2d 2x2", "F.max_pool2d(x, 2)"),
        ("max_pool2d 3x3 stride 2 padding 1", "F.max_pool2d(x, 3, 2, 1)"),
        ("avg_pool2d 2x2", "F.avg_pool2d(x, 2)"),
        ("avg_pool2d 3x3 stride 1 padding 1", "F.avg_pool2d(x, 3, 1, 1)"),
        ("adaptive_avg_pool2d 1", "F.adaptive_avg_pool2d(x, 1)"),
        ("adaptive_avg_pool2d 7", "F.adaptive_avg_pool2d(x, 7)"),
        ("adaptive_max_pool2d 7", "F.adaptive_max_pool2d(x, 7)"),
    ):
        yield Workload(label, call, image, ("x",))
    for channels, size in ((16, 56), (64, 56), (64, 28), (128, 28)):
        yield _conv(f"conv2d 3x3, {channels} channels, {size}x{size}", channels, channels, size, 3,
                    "padding=1")
    yield _conv("conv2d 1x1, 64 to 128 channels, 28x28", 64, 128, 28, 1, "")
    yield _conv("conv2d 3x3 stride 2, 64 to 128, 56x56", 64, 128, 56, 3, "stride=2, padding=1")
    yield _conv("conv2d depthwise 3x3, 64, 28x28", 64, 64, 28, 3, "padding=1, groups=64", 64)
    yield _conv("conv2d 3x3, 3 to 64 channels, 56x56", 3, 64, 56, 3, "padding=1")
    turned = "conv_transpose2d"
    yield _conv(f"{turned} 3x3, 64, 28x28", 64, 64, 28, 3, "padding=1", 1, turned)
    yield _conv(f"{turned} 2x2 stride 2, 64, 28x28", 64, 64, 28, 2, "stride=2", 1, turned)


def _conv(
    label: str, c: int, o: int, size: int, kernel: int, options: str, groups: int = 1,
    name: str = "conv2d",
) -> Workload:  # fmt: skip
    weight = (o, c // groups, kernel, kernel) if name == "conv2d" else (c, o, kernel, kernel)
    call = f"F.{name}(x, w, b, {options})".replace(", )", ")")
    return Workload(label, call, {"x": (8, c, size, size), "w": weight, "b": (o,)}, ("x", "w", "b"))


def _rows() -> Iterator[Workload]:
    middle = {"x": (32, 128, 256)}
    yield Workload("softmax, middle dim", "F.softmax(x, 1)", middle, ("x",))
    yield Workload("log_softmax, middle dim", "F.log_softmax(x, 1)", middle, ("x",))
    yield Workload("softmax, last dim", "F.softmax(x, 2)", middle, ("x",))
    image = {"x": (16, 64, 28, 28), "w": (64,), "b": (64,)}
    yield Workload("group_norm", "F.group_norm(x, 8, w, b)", image, ("x", "w", "b"))
    yield Workload("batch_norm", "F.batch_norm(x, None, None, w, b, True)", image, ("x", "w", "b"))
    yield Workload("layer_norm", "F.layer_norm(x, (256,), w, b)",
                   {"x": (32, 128, 256), "w": (256,), "b": (256,)}, ("x", "w", "b"))  # fmt: skip


def _places() -> Iterator[Workload]:
    table = {"x": (1000, 64)}
    picks = {**table, "i": (4096,)}
    words = {"x": (10000, 64), "i": (4096,)}
    yield Workload("embedding", "F.embedding(i, x)", words, ("x",), 10000)
    yield Workload("x[i]", "x[i]", picks, ("x",), 1000)
    yield Workload("x[mask]", "x[x > 0]", {"x": (512, 512)}, ("x",))
    yield Workload("x[i] = 1", "x.__setitem__(i, 1.0)", picks, below=1000)
    yield Workload("x[mask] = 0", "x.__setitem__(m, 0.0)", {"x": (512, 512), "m": (512, 512)})
    yield Workload("index_select rows", "lib.index_select(x, 0, i)", picks, ("x",), 1000)
    yield Workload("index_select columns", "lib.index_select(x, 1, i)",
                   {"x": (512, 1024), "i": (512,)}, ("x",), 1024)  # fmt: skip
    yield Workload("index_add rows", "lib.index_add(x, 0, i, y)",
                   {**picks, "y": (4096, 64)}, ("x", "y"), 1000)  # fmt: skip
    grid = {"x": (512, 512), "i": (512, 512)}
    for dim in (0, 1):
        yield Workload(f"gather, dim {dim}", f"lib.gather(x, {dim}, i)", grid, ("x",), 512)
        yield Workload(f"scatter, dim {dim}", f"lib.scatter(x, {dim}, i, y)",
                       {**grid, "y": (512, 512)}, ("x", "y"), 512)  # fmt: skip
        yield Workload(f"scatter_add, dim {dim}", f"lib.scatter_add(x, {dim}, i, y)",
                       {**grid, "y": (512, 512)}, ("x", "y"), 512)  # fmt: skip


def _joins() -> Iterator[Workload]:
    pair = {"x": (16, 64, 28, 28), "y": (16, 64, 28, 28)}
    yield Workload("cat, dim 1", "lib.cat([x, y], 1)", pair, ("x", "y"))
    yield Workload("cat, last dim", "lib.cat([x, y], -1)", pair, ("x", "y"))
    yield Workload("stack, dim 0", "lib.stack([x, y])", pair, ("x", "y"))
    yield Workload("stack, last dim", "lib.stack([x, y], -1)", pair, ("x", "y"))
    yield Workload("pad, constant", "F.pad(x, (1, 1, 1, 1))", {"x": pair["x"]}, ("x",))
    yield Workload("pad, reflect", "F.pad(x, (1, 1, 1, 1), 'reflect')", {"x": pair["x"]}, ("x",))
    for mode in ("nearest", "bilinear"):
        yield Workload(f"upsample, {mode}", f"F.interpolate(x, scale_factor=2, mode='{mode}')",
                       {"x": pair["x"]}, ("x",))  # fmt: skip


def workloads() -> Iterator[Workload]:
    """Every workload."""
    yield from _images()
    yield from _rows()
    yield from _places()
    yield from _joins()


def forward(lib: Any, work: Workload, wrap: Callable[[Any], Any]) -> tuple[Any, dict[str, Any]]:
    """The workload as a function without arguments, and its tensors."""
    import numpy as np

    rng = np.random.default_rng(0)
    scope: dict[str, Any] = {"lib": lib, "F": lib.nn.functional}
    for name, shape in work.tensors.items():
        if name.startswith("i"):
            values = rng.integers(0, work.below, shape)
        elif name.startswith("m"):
            values = rng.standard_normal(shape) > 0
        else:
            values = rng.standard_normal(shape).astype(np.float32)
        scope[name] = wrap(values)
        if name in work.grad:
            scope[name].requires_grad_()
    return eval(f"lambda: {work.statement}", scope), scope  # the statement is the benchmark


def backward(lib: Any, run: Callable[[], Any], inputs: list[Any]) -> Callable[[], Any]:
    """The gradients of the workload's result, again and again."""
    out = run()
    g = lib.ones_like(out) * 0.5

    def step() -> None:
        for t in inputs:
            t.grad = None
        out.backward(g, retain_graph=True)

    return step


def compare(
    ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int, clock: Callable[[], int]
) -> tuple[float, float]:
    """Medians of interleaved runs, in nanoseconds."""

    def run(f: Callable[[], Any], n: int) -> float:
        start = clock()
        for _ in range(n):
            f()
        return (clock() - start) / n

    run(ours, 2), run(theirs, 2)
    n = int(SHORTEST / min(run(ours, 1), run(theirs, 1))) + 1
    pairs = [(run(ours, n), run(theirs, n)) for _ in range(repeats)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def main() -> int:
    """Run the workloads and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-k", default="", metavar="WORD", help="only labels with WORD in them")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--cpu", action="store_true", help="processor time: for busy machines")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    os.environ["OPSMITH_NUM_THREADS"] = str(args.threads)
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed here: pip install torch (extra 'bench')", file=sys.stderr)
        return 2
    import opsmith

    clock = time.process_time_ns if args.cpu else time.perf_counter_ns
    torch.set_num_threads(args.threads)
    opsmith.set_num_threads(args.threads)
    gc.disable()
    found: list[dict[str, Any]] = []
    print(f"{'workload':48s} {'PyTorch us':>11s} {'opsmith us':>11s} {'ratio':>7s}")
    for work in workloads():
        if args.k not in work.label:
            continue
        try:
            ours, mine = forward(opsmith, work, opsmith.from_numpy)
            theirs, their = forward(torch, work, torch.from_numpy)
            rows = [(work.label, ours, theirs)]
            with opsmith.no_grad(), torch.no_grad():
                ours()
            if work.grad:
                rows.append((f"{work.label}, backward",
                             backward(opsmith, ours, [mine[n] for n in work.grad]),
                             backward(torch, theirs, [their[n] for n in work.grad])))  # fmt: skip
        except AttributeError as e:  # not in this registry
            print(f"{work.label:48s} {e}")
            continue
        for label, a, b in rows:
            t, u = compare(a, b, args.repeats, clock)
            found.append({"label": label, "ours": t, "torch": u, "ratio": t / u})
            print(f"{label:48s} {u / 1e3:11.1f} {t / 1e3:11.1f} {t / u:7.2f}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
