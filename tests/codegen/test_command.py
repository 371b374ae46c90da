"""The command: a name that there is not is refused, whatever verb it was given to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from opsmithc import paths
from opsmithc.__main__ import main

OWN = "- op: twice(Tensor input) -> Tensor\n  out: 2 * input\n  samples: [{input: [3, 4]}]\n"


def refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    try:
        status = main(argv)
    except SystemExit as e:  # argparse's own way out
        status = int(e.code or 0)
    captured = capsys.readouterr()
    assert status == 2
    assert not captured.out
    return captured.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["check", "sigmoidd"], "no op 'sigmoidd'; did you mean 'sigmoid'?"),
        (["check", "relu", "nosuch"], "no op 'nosuch'; did you mean 'cosh'?"),
        (["check", "/nowhere.yaml"], "no registry file '/nowhere.yaml'"),
        (["check", "--registry", "/nowhere.yaml"], "no registry file '/nowhere.yaml'"),
        (["show", "sigmoidd"], "no op 'sigmoidd'; did you mean 'sigmoid'?"),
        (["show", "relu", "--stage", "pyhton"], "did you mean 'python'?"),
        (["show", "relu", "--dtype", "float8"], "no compute dtype 'float8'; kernels compute in"),
        (["explain", "sigmoidd"], "no op 'sigmoidd'; did you mean 'sigmoid'?"),
        (["build", "/nowhere.yaml"], "no registry file '/nowhere.yaml'"),
        (["gen", "/nowhere.yaml"], "no registry file '/nowhere.yaml'"),
        (["fmt", "/nowhere.yaml"], "no registry file '/nowhere.yaml'"),
        (["new", "Foo bar"], "expected a name or a schema 'name(Tensor input) -> Tensor', "
                             "found 'Foo bar'"),
    ],
)  # fmt: skip
def test_unknown(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in refused(argv, capsys)


def test_check_of_a_file_and_of_an_op_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(OWN + OWN.replace("twice", "thrice").replace("2 *", "3 *"), encoding="utf-8")
    assert main(["check", str(file)]) == 0
    assert capsys.readouterr().out.startswith("2 ops: ")
    assert main(["check", str(file), "thrice"]) == 0
    assert capsys.readouterr().out.startswith("1 ops: ")


def test_functions_of_one_dtype(capsys: pytest.CaptureFixture[str]) -> None:
    for op in ("sigmoid", "softmax", "sum"):
        assert main(["show", op, "--dtype", "f32"]) == 0
        text = capsys.readouterr().out
        assert f"opsk_{op}__f32" in text
        assert f"opsk_{op}__f64(" not in text
    assert main(["show", "softmax", "--dtype", "i64"]) == 0
    assert "no function of its own for i64" in capsys.readouterr().out


@pytest.mark.parametrize("op", ["cat", "sort"])
def test_c_written_by_hand_is_shown(op: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", op]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"/* {op} is written by hand: runtime/cpu/source/{op}.c */")
    assert f"opsk_{op}(" in text


def test_a_skeleton_says_that_the_op_exists(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "relu"]) == 0
    assert "opsmith has an op 'relu' already" in capsys.readouterr().out


def test_gen_of_a_registry_of_ones_own_compiles_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, folder = tmp_path / "own.yaml", tmp_path / "own_build"
    file.write_text(OWN, encoding="utf-8")
    assert main(["gen", str(file), "--quiet"]) == 0
    assert list(folder.rglob("twice.c"))
    assert not list(folder.rglob("*.o")) + list(folder.rglob("*.so"))
    capsys.readouterr()


def test_a_build_from_nothing_is_that_of_the_registry_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And it finds a registry whose path is relative."""
    bundled = tmp_path / "bundled"
    (bundled / "c").mkdir(parents=True)
    monkeypatch.setattr(paths, "BUILD", bundled)
    monkeypatch.chdir(tmp_path)
    Path("own.yaml").write_text(OWN, encoding="utf-8")
    assert main(["build", "own.yaml", "--quiet", "--jobs", "1"]) == 0
    captured = capsys.readouterr()
    assert "0 files compiled" not in captured.out
    assert not captured.err
    stale = tmp_path / "own_build" / "build" / "c" / "stale.c"
    stale.write_text("", encoding="utf-8")
    assert main(["build", "own.yaml", "--quiet", "--force"]) == 0
    assert not stale.exists()
    assert (bundled / "c").is_dir()


@pytest.mark.parametrize(
    "schema",
    ["foo(Tensor input, int dim) -> (Tensor values, Tensor indices)", "foo", "foo(int a) -> Tensor",
     "foo(Tensor input, int[] sizes, *, bool flag, float eps=0.1) -> Tensor"],
)  # fmt: skip
def test_a_skeleton_passes_the_gate(
    schema: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", schema]) == 0
    file = tmp_path / "own.yaml"
    file.write_text(capsys.readouterr().out, encoding="utf-8")
    assert main(["check", str(file)]) == 0


def test_a_skeleton_of_a_name_that_an_op_cannot_have(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "class"]) == 1
    captured = capsys.readouterr()
    assert "op 'class' is a keyword of Python" in captured.err
    assert not captured.out


def test_a_reader_that_has_enough() -> None:
    command = f"(sleep 0.2; exec {sys.executable} -m opsmithc show sigmoid) | true"
    done = subprocess.run(
        ["bash", "-c", command], env={**os.environ, "PYTHONPATH": str(paths.PACKAGE.parent)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""


def test_ops_without_figures_are_said_to_have_none(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "logsumexp"]) == 0
    assert "not measured: a body is no formula of one element" in capfd.readouterr().out


def test_figures_of_a_registry_of_ones_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(OWN, encoding="utf-8")
    assert main(["check", str(file)]) == 0
    lines = [line.split() for line in capfd.readouterr().out.splitlines()]
    assert [line[:4] for line in lines if line[:1] == ["twice"]] == [
        ["twice", "float64", "0.00", "0.00"], ["twice", "float32", "0.00", "0.00"]
    ]  # fmt: skip
