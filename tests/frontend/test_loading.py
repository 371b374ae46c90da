"""Shards load when one of their operations is first used, by whatever way it is reached."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FRONTEND = Path(__file__).resolve().parent.parent.parent / "frontend"
HEAD = """
import sys
import opsmith
from opsmith._loading import home
def loaded(): return {m.rpartition(".")[2] for m in sys.modules if m.startswith("opsmith._generated.s")}
assert not loaded(), loaded()
"""  # noqa: E501


def fresh(code: str) -> str:
    """What a new interpreter prints."""
    env = dict(os.environ, PYTHONPATH=str(FRONTEND))
    done = subprocess.run(
        [sys.executable, "-c", HEAD + code], capture_output=True, text=True, env=env, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "use",
    [
        "opsmith.relu(x)",
        "opsmith.relu_(x)",
        "x.relu()",
        "x.relu_()",
        "opsmith.Tensor.relu(x)",
        "opsmith.nn.functional.relu(x)",
        "opsmith.nn.ReLU()(x)",
    ],
)
def test_every_way_to_an_op_loads_it(use: str) -> None:
    assert fresh(f"x = opsmith.tensor([-1.0, 2.0]); print(({use}).tolist())") == "[0.0, 2.0]"


@pytest.mark.parametrize(
    ("use", "prints"),
    [
        ("x + x", "[-2.0, 4.0]"),
        ("1 - x", "[2.0, -1.0]"),
        ("-x", "[1.0, -2.0]"),
        ("x < 0", "[True, False]"),
        ("x.T", "[-1.0, 2.0]"),
        ("x.view(2)", "[-1.0, 2.0]"),
        ("x.var()", "4.5"),
        ("x[1]", "2.0"),
        ("opsmith.subtract(x, x)", "[0.0, 0.0]"),
        ("x.subtract_(x)", "[0.0, 0.0]"),
    ],
)
def test_operators_properties_and_aliases(use: str, prints: str) -> None:
    assert fresh(f"x = opsmith.tensor([-1.0, 2.0]); print(({use}).tolist())") == prints


def test_only_the_shard_that_is_needed() -> None:
    assert fresh("opsmith.relu; assert loaded() == {home('relu')}, loaded(); print('ok')") == "ok"


def test_subclasses_reach_the_placeholders() -> None:
    code = "class Mine(opsmith.Tensor): pass\nprint(Mine.cumsum is opsmith.Tensor.cumsum)"
    assert fresh(code) == "True"


def test_a_property_cannot_be_set_before_its_shard_is_there() -> None:
    code = "x = opsmith.zeros(2)\ntry: x.T = 1\nexcept AttributeError: print('refused')"
    assert fresh(code) == "refused"


def test_an_operator_refuses_what_it_cannot_take() -> None:
    code = "x = opsmith.zeros(2)\ntry: x + 'a'\nexcept TypeError: print('refused')"
    assert fresh(code) == "refused"


def test_names_are_listed_and_star_imported() -> None:
    code = (
        "assert {'relu', 'relu_', 'add', 'subtract', 'Tensor', 'float32'} <= set(dir(opsmith))\n"
        "assert not set(opsmith._generated.index.HIDDEN) & set(dir(opsmith)) - set(vars(opsmith))\n"
        "from opsmith import *\nprint(relu(Tensor([-1.0])).tolist())"
    )
    assert fresh(code) == "[0.0]"


def test_eight_threads_may_be_first() -> None:
    code = (
        "import threading\nx = opsmith.tensor([1.0, 2.0]); out = []\n"
        "gate = threading.Barrier(8)\n"
        "def work():\n    gate.wait(); out.append((x.exp() + x).sum().item())\n"
        "threads = [threading.Thread(target=work) for _ in range(8)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\nprint(len(set(out)), len(out))"
    )
    assert fresh(code) == "1 8"
