"""From an edit of one entry to its use: build.py and an import, in a copy of this checkout.

    python benchmarks/edit.py [--repeats 5]

The copy is made with the build as it stands, so that nothing but the edit is new there; this
checkout stays as it is. Each edit is made, built (the time), proved by a value in a fresh
interpreter, and taken back. ``must``: the most that the best of the repeats may take; ``CPU``: the
least time of all processors together, which a busy machine does not stretch.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MUST = 1.0
LEFT_OUT = (".git", ".venv", "dist", ".*_cache", ".hypothesis", "docs", "demo", "fuzz", "shared")
NEW = """\
- op: swoosh(Tensor input) -> Tensor
  out: input * sigmoid(2 * input)
  dtype: int_to_float
  doc: {short: "A new entry."}
  samples: [{input: [3, 4]}]

"""
# label, the entry it is in, old text, new text, what shows it, what that must print
EDITS = (
    ("a formula", "mish", "out: input * tanh", "out: 2 * input * tanh",
     "opsmith.nn.functional.mish(opsmith.tensor(1.)).item()", "1.73"),
    ("a gradient, and what it saves", "logsigmoid", "g * sigmoid(-input)", "g * (1 - exp(out))",
     "'exp' in opsmith.ops.show('logsigmoid', 'grad')", "True"),
    ("a body", "softmax", "e * (1 / sum(e, dim, True))", "e / sum(e, dim, True)",
     "opsmith.softmax(opsmith.zeros(4), 0)[0].item()", "0.25"),
    ("a new entry among the others", "relu", "", NEW,
     "opsmith.swoosh(opsmith.tensor(1.)).item()", "0.88"),
)  # fmt: skip


def main() -> int:
    """Time every edit; the status says whether all keep to ``must``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "opsmith"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
        build(tree)
        print(f"{'edit':32} {'best':>8} {'median':>8} {'CPU':>8} {'must':>8}")
        slow = False
        for edit in EDITS:
            pairs = [timed(tree, *edit[1:]) for _ in range(repeats)]
            times, least = [p[0] for p in pairs], min(p[1] for p in pairs)
            slow |= min(times) > MUST
            mark = "  <- slower" if min(times) > MUST else ""
            print(f"{edit[0]:32} {min(times):6.2f} s {statistics.median(times):6.2f} s "
                  f"{least:6.2f} s {MUST:6.2f} s{mark}", flush=True)  # fmt: skip
    return int(slow)


def timed(
    tree: Path, op: str, old: str, new: str, shown: str, value: str
) -> tuple[float, float]:
    """Seconds of the build after an edit, which is proved and taken back."""
    file = tree / "ops.yaml"
    text = file.read_text(encoding="utf-8")
    at = text.index(old, text.index(f"- op: {op}("))
    file.write_text(text[:at] + new + text[at + len(old) :], encoding="utf-8")
    seconds = build(tree)
    got = run(tree, "-c", f"import opsmith, opsmith.ops; print({shown})")
    assert got.startswith(value), f"{op}: {shown} is {got}, not {value}"
    file.write_text(text, encoding="utf-8")
    build(tree)
    return seconds


def build(tree: Path) -> tuple[float, float]:
    """Seconds that build.py takes, by the clock and of all processors."""
    begin, used = time.perf_counter(), spent()
    run(tree, "build.py", "build", "--no-venv")
    return time.perf_counter() - begin, spent() - used


def spent() -> float:
    """Processor seconds of all processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(tree: Path, *arguments: str) -> str:
    """Run this interpreter in the tree; what it prints."""
    env = {**os.environ, "PYTHONPATH": str(tree / "frontend")}
    done = subprocess.run([sys.executable, *arguments], cwd=tree, env=env, text=True,
                          capture_output=True)  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr or done.stdout}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
