"""The command: a name that there is not is refused, whatever verb it was given to."""

from __future__ import annotations

from pathlib import Path

import pytest

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
