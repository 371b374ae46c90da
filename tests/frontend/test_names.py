"""PyTorch's names: what a missing one says, and that the page on coverage is true."""

from __future__ import annotations

import importlib.util
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

import opsmith
from opsmith import _names

ROOT = Path(__file__).resolve().parents[2]


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page():
    return load("coverage").page()


MESSAGES = {
    "opsmith.maximun": "no attribute 'maximun'; the nearest names are maximum",
    "opsmith.quantize_per_tensor": r"out of scope \(quantised tensors\), see the page on PyTorch",
    "opsmith.sparse_coo_tensor": r"out of scope \(sparse tensors\)",
    "opsmith.nn.Linearr": "the nearest names are Linear",
    "opsmith.nn.functional.softmaxx": "the nearest names are .*softmax",
    "opsmith.special.erfff": "the nearest names are erf",
    "opsmith.func.jacrew": "the nearest names are jacrev",
    "opsmith.onnx": "a name of PyTorch that is planned",
    "opsmith.nn.init.ones": "the nearest names are ones_",
    "opsmith.optim.AdamX": "module 'opsmith.optim' has no attribute 'AdamX'; .* Adam, AdamW",
    "opsmith.cuda.synchronise": "the nearest names are synchronize",
    "opsmith.linalg.invv": "the nearest names are .*inv",
    "opsmith.utils.dataa": "the nearest names are data",
    "opsmith.autograd.gradd": "the nearest names are grad",
    "opsmith.jit.scrit": "the nearest names are script",
    "opsmith.backends.cudn": "the nearest names are cudnn",
    "opsmith.distributed.all_reducee": "all_reduce",
}


@pytest.mark.parametrize("use", list(MESSAGES))
def test_messages(use):
    with pytest.raises(AttributeError, match=MESSAGES[use]):
        eval(use)


def test_asking_is_cheap():
    program = (
        "import sys, opsmith; hasattr(opsmith, 'no_such_name'); getattr(opsmith.nn, 'x', 0); "
        "print([m for m in ('difflib', 'json') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_error_can_be_pickled():
    with pytest.raises(AttributeError) as e:
        opsmith.no_such_name  # noqa: B018
    again = pickle.loads(pickle.dumps(e.value))
    assert str(again) == str(e.value) and again.name == "no_such_name"


def test_the_list_is_whole():
    assert re.fullmatch(r"2\.\d+\.\d+", _names.version())
    assert sum(len(_names.names(n)) for n in _names.namespaces()) > 3500
    for namespace in ("torch", "torch.Tensor", "torch.nn", "torch.nn.functional", "torch.optim"):
        assert namespace in _names.namespaces()
    assert {"add", "float32", "nn", "Tensor"} <= set(_names.names("torch"))


def test_the_page_lists_each_name_once_and_truly(page):
    sections = dict(
        (s.split("\n", 1)[0], s) for s in page.split("\n## ")[1:]
    )  # fmt: skip
    assert list(sections) == _names.namespaces()
    for namespace, text in sections.items():
        listed = re.findall(r"`([^`]+)`", text)
        assert sorted(listed) == sorted(_names.names(namespace)), namespace
        found = _names.here(namespace)
        present = text.split("**Present**: ")[1].split("\n")[0]
        for name in re.findall(r"`([^`]+)`", present):
            assert hasattr(found, name)
        rest = text.split("**Planned**: ")[1]
        for name in re.findall(r"`([^`]+)`", rest):
            assert not _names.has(found, name), f"{namespace}.{name}"


def test_the_table_counts(page):
    rows = re.findall(r"\| \[`([\w.]+)`\]\(#(\w+)\) \| (\d+) \| (\d+) \| (\d+) \|", page)
    assert [r[0] for r in rows] == _names.namespaces()
    for name, anchor, *counts in rows:
        assert anchor == name.lower().replace(".", "")
        assert sum(map(int, counts)) == len(_names.names(name))
    total = re.search(r"\*\*all\*\* \| \*\*(\d+)\*\* \| \*\*(\d+)\*\* \| \*\*(\d+)\*\*", page)
    assert [int(n) for n in total.groups()] == [
        sum(int(r[k]) for r in rows) for k in (2, 3, 4)
    ]  # fmt: skip
    assert int(total[1]) > 2000


def test_every_reason_is_for_something():
    used = {
        _names.reason(namespace, name)
        for namespace in _names.namespaces()
        for name in _names.names(namespace)
    }
    assert used - {None} == {why for why, _, _ in _names.OUT_OF_SCOPE}


def test_the_page_is_written(tmp_path):
    target = tmp_path / "docs" / "coverage.md"
    subprocess.run([sys.executable, str(ROOT / "docs" / "coverage.py"), str(target)], check=True)
    assert target.read_text().startswith("# PyTorch's names")
