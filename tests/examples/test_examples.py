"""Every example runs, from the outside, on settings that take seconds; so do the documents."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATHS = [str(ROOT / "frontend"), str(ROOT / "codegen"), os.environ.get("PYTHONPATH", "")]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, PATHS))}
PNG = b"\x89PNG\r\n\x1a\n"


def run(*command, cwd=ROOT, timeout=300, environment=ENVIRONMENT):
    """Run Python on `command`; return what it prints, or fail with all of it."""
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_digits(tmp_path):
    """Three epochs of the demo reach 90%, and the picture is one."""
    pytest.importorskip("matplotlib")
    picture = tmp_path / "new" / "digits.png"
    printed = run("examples/digits.py", "--epochs", 3, "--out", picture)
    accuracy = float(re.search(r"held-out accuracy ([\d.]+)%", printed)[1])
    assert accuracy >= 90
    assert picture.read_bytes().startswith(PNG)
    assert picture.stat().st_size > 20_000


def test_char_gpt(tmp_path):
    """The loss falls, and the checkpoint alone is enough to write, reproducibly."""
    pytest.importorskip("safetensors")
    checkpoint = ("--checkpoint", tmp_path / "new" / "gpt.safetensors", "--length", 60)
    small = ("--steps", 60, "--batch", 8, "--context", 32, "--width", 32, "--depth", 1)
    printed = run("examples/char_gpt.py", *small, *checkpoint)
    losses = [float(loss) for loss in re.findall(r"validation loss ([\d.]+)", printed)]
    assert losses[-1] < losses[0] - 0.8

    def sample(seed):
        """Write from the checkpoint; return what follows the ruler."""
        only = ("--sample-only", "--seed", seed, "--prompt", "The ")
        return run("examples/char_gpt.py", *only, *checkpoint).split("-" * 80 + "\n")[1]

    text = sample(seed=1)
    assert text.startswith("The ")
    assert len(text) == len("The ") + 60 + len("\n")
    assert text == sample(seed=1) != sample(seed=2)


def test_sequences():
    """Short words of brackets are learned in seconds, by loops of different lengths."""
    small = ("--words", 600, "--epochs", 6, "--longest", 8)
    printed = run("examples/sequences.py", *small)
    first, last = (
        float(loss) for loss in re.search(r"loss ([\d.]+) -> ([\d.]+)", printed).groups()
    )
    assert last < first / 2
    assert float(re.search(r"of 8 letters: ([\d.]+)% right", printed)[1]) >= 85


def test_vae(tmp_path):
    """The bound on held-out images improves, and the picture is one."""
    pytest.importorskip("matplotlib")
    picture = tmp_path / "new" / "vae.png"
    printed = run("examples/vae.py", "--epochs", 3, "--out", picture)
    before, after = map(float, re.search(r"loss ([\d.]+) -> ([\d.]+) nats", printed).groups())
    assert after < 0.75 * before
    assert picture.read_bytes().startswith(PNG)


def test_gan(tmp_path):
    """What is made up resembles digits on average, and the picture is one."""
    pytest.importorskip("matplotlib")
    picture = tmp_path / "new" / "gan.png"
    printed = run("examples/gan.py", "--epochs", 6, "--out", picture)
    before, after = map(float, re.search(r"one: ([\d.]+) -> ([\d.]+)", printed).groups())
    assert after < before / 2
    assert picture.read_bytes().startswith(PNG)


def test_burgers(tmp_path):
    """Second derivatives of a network lead it to the exact solution, and the picture is one."""
    pytest.importorskip("matplotlib")
    picture = tmp_path / "new" / "burgers.png"
    small = ("--steps", 1000, "--points", 256, "--viscosity", 0.1, "--out", picture)
    printed = run("examples/burgers.py", *small)
    before, after = map(float, re.search(r"solution ([\d.]+)% -> ([\d.]+)%", printed).groups())
    assert before > 20
    assert after < 5
    assert picture.read_bytes().startswith(PNG)


def test_maml(tmp_path):
    """One step on ten points helps weights that were trained for it, and those more than others."""
    pytest.importorskip("matplotlib")
    picture = tmp_path / "new" / "maml.png"
    printed = run("examples/maml.py", "--steps", 1000, "--out", picture)
    (before, after), (_, other) = (
        (float(first), float(last))
        for first, last in re.findall(r"^  .*: ([\d.]+) -> ([\d.]+)$", printed, re.M)
    )
    assert after < 0.6 * before
    assert after < 0.7 * other
    assert picture.read_bytes().startswith(PNG)


def test_cartpole(tmp_path):
    """The pole stands several times as long after thirty updates, and the picture is one."""
    pytest.importorskip("matplotlib")
    picture = tmp_path / "new" / "cartpole.png"
    printed = run("examples/cartpole.py", "--updates", 30, "--out", picture)
    first, last = map(float, re.search(r"upright (\d+) -> (\d+) of 500", printed).groups())
    assert first < 50
    assert last > 3 * first
    assert picture.read_bytes().startswith(PNG)


def test_add_an_op(tmp_path):
    """An op from text: its gradient is printed, drawn, checked and trained through."""
    pytest.importorskip("matplotlib")
    picture = tmp_path / "new" / "op.png"
    printed = run("examples/add_an_op.py", "--steps", 100, "--out", picture)
    assert "/* swoosh: out = input * sigmoid(beta * input) */" in printed
    assert "gradcheck passed" in printed
    first, last = (
        float(loss) for loss in re.search(r"loss ([\d.]+) -> ([\d.]+)", printed).groups()
    )
    assert last < first / 4
    assert picture.read_bytes().startswith(PNG)


def code_blocks(name):
    """Return the Python blocks of a document, as test parameters."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.S)
    return [pytest.param(block, id=f"{name}-{i}") for i, block in enumerate(blocks)]


def run_block(block, folder, **options):
    """Run a Python block; it has to print what stands after each `# ->`."""
    script = folder / "block.py"
    script.write_text(block)
    printed = run(script, **options).splitlines()
    expected = re.findall(r"# -> (.*)$", block, re.M)
    assert [line for line in printed if line in expected] == expected


PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize(
    "block",
    [b for name in ("README.md", "examples/data/README.md", *PAGES) for b in code_blocks(name)],
)
def test_documents(block, tmp_path):
    """What a document shows can be run."""
    run_block(block, tmp_path)
