"""A build takes over what an earlier one made of an entry where nothing it reads has changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from opsmithc import emission, paths, pipeline, store
from opsmithc.errors import RegistryErrors

OPS = """\
# Pointwise
- op: mul(Tensor input, Tensor other) -> Tensor
  out: input * other
  variants: [method, "operator:*"]
  doc: {short: "The product."}
  samples: [{input: [3, 4], other: [3, 4]}]

- op: twice(Tensor input) -> Tensor
  out: input * 2
  dtype: same
  doc: {short: "Two times."}
  samples: [{input: [3, 4]}]

- op: halved(Tensor input) -> Tensor
  out: tanh(input) / 2
  dtype: int_to_float
  doc: {short: "A half."}
  samples: [{input: [3, 4]}]

- op: four(Tensor input) -> Tensor
  body: twice(twice(input))
  dtype: same
  doc: {short: "Four times."}
  samples: [{input: [3, 4]}]

# Reductions
- op: sum(Tensor input, int[]? dim=None, bool keepdim=False) -> Tensor
  reduce: {map: input, identity: 0, combine: a0 + b0}
  linear: [[input]]
  doc: {short: "The sum."}
  samples: [{input: [3, 4], dim: [1]}]

- op: amax(Tensor input, int[] dim=[], bool keepdim=False) -> Tensor
  reduce: {map: input, identity: -inf, combine: "maximum(a0, b0)"}
  grad: {input: "where(input == out, g, 0) / sum(where(input == out, 1, 0), dim, True)"}
  dtype: same
  doc: {short: "The largest."}
  samples: [{input: [3, 4], dim: [1]}]

- op: eight(Tensor input, int[]? dim=None) -> Tensor
  body: sum(twice(four(input)), dim)
  doc: {short: "Eight times the sum."}
  samples: [{input: [3, 4], dim: [1]}]

- op: move(Tensor input, int dim0, int dim1) -> Tensor
  view: swap(dim0, dim1)
  linear: [[input]]
  transpose: {input: "move(g, dim0, dim1)"}
  dtype: same
  doc: {short: "Two dims swapped."}
  samples: [{input: [3, 4], dim0: 0, dim1: 1}]
"""
ALL = ("mul", "twice", "halved", "four", "sum", "amax", "eight", "move")


class Tree:
    """A registry file and the folders of its builds."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.file = folder, folder / "ops.yaml"
        self.layout = replace(pipeline.BUNDLED, folder=folder / "package", work=folder / "work")
        self.file.write_text(OPS)

    def edit(self, old: str, new: str) -> None:
        text = self.file.read_text()
        assert text.count(old) == 1, old
        self.file.write_text(text.replace(old, new))

    def build(self, gate: bool = True) -> tuple[str, ...]:
        """Entries that were made anew."""
        return pipeline.build(
            self.file, self.layout, progress=False, gate=gate, link=False
        ).new  # fmt: skip

    def texts(self) -> dict[str, bytes]:
        """Every source by its path, without those of ops that are no more."""
        found = [*self.layout.work.glob("c/*.c"), *self.layout.work.glob("stage/*")]
        return {p.relative_to(self.layout.work).as_posix(): p.read_bytes() for p in found}

    def clean(self, gate: bool = False) -> dict[str, bytes]:
        """What a build from nothing makes of the same registry."""
        other = Tree(self.folder / "clean")
        shutil.rmtree(other.layout.work, ignore_errors=True)
        other.file.write_text(self.file.read_text())
        other.build(gate)
        return other.texts()

    def as_clean(self) -> bool:
        """Is every file that a build from nothing makes here, byte for byte?"""
        texts, clean = self.texts(), self.clean()
        return {name: texts.get(name) for name in clean} == clean


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = Tree(tmp_path_factory.mktemp("built"))
    assert tree.build() == ALL
    assert tree.build() == ()
    return tree.folder


@pytest.fixture
def tree(built: Path, tmp_path: Path) -> Tree:
    """A tree that was built, copied: records hold wherever it stands."""
    shutil.copytree(built, tmp_path / "tree")
    return Tree(tmp_path / "tree")


# What depends on what -----------------------------------------------------------------------------


EDITS = {  # old text, new text, entries made anew
    "nothing but lines": ("# Pointwise", "# Pointwise\n\n# more\n", ()),
    "a formula": ("tanh(input) / 2", "0.5 * tanh(input)", ("halved",)),
    "documentation of a called op": ('"Two times."', '"Twice."', ("twice",)),
    "samples of a called op": (
        "2\n  dtype: same\n  doc: {short: \"Two times.\"}\n  samples: [{input: [3, 4]}]",
        "2\n  dtype: same\n  doc: {short: \"Two times.\"}\n  samples: [{input: [3, 5]}]",
        ("twice",),
    ),
    "a formula that bodies call, directly or not": (
        "input * 2", "input + input", ("twice", "four", "eight"),
    ),
    "a body that a body calls": ("twice(twice(input))", "twice(input) * 2", ("four", "eight")),
    "a formula that a gradient calls": (
        "combine: a0 + b0", "combine: b0 + a0", ("sum", "amax", "eight"),
    ),
    "the schema of an op that a gradient calls": (
        "op: sum(Tensor input, int[]? dim=None, bool keepdim=False)",
        "op: sum(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None)",
        ("sum", "amax", "eight"),
    ),
    "a name": ("op: halved(", "op: half(", ("half",)),
    "an alias": ('doc: {short: "A half."}', 'alias: [h]\n  doc: {short: "A half."}', ("halved",)),
    "another entry": (
        "# Reductions\n",
        "- op: same(Tensor input) -> Tensor\n  out: input\n  dtype: same\n"
        '  doc: {short: "It."}\n  samples: [{input: [3]}]\n\n# Reductions\n',
        ("four", "same"),  # the comment ends the entry above
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(EDITS))
def test_edit(tree: Tree, name: str) -> None:
    """Just what depends on the edit is made anew, and all is as in a build from nothing."""
    old, new, expected = EDITS[name]
    tree.edit(old, new)
    assert tree.build() == expected
    assert tree.as_clean()
    assert tree.build() == ()
    tree.edit(new, old)
    assert set(tree.build()) <= {*expected, *ALL}
    assert tree.as_clean()


def test_order(tree: Tree) -> None:
    """Entries that change places are no new ones; modules are."""
    first, _, rest = tree.file.read_text().partition("\n\n")
    tree.file.write_text(f"{rest}\n{first}\n")
    assert len(tree.build()) <= 1  # the last has no comment behind it
    assert tree.as_clean()


def test_op_goes(tree: Tree) -> None:
    """An op that a body calls is missed, whatever was recorded of the body."""
    text = tree.file.read_text()
    start = text.index("- op: twice(")
    tree.file.write_text(text[:start] + text[text.index("- op: halved(") :])
    with pytest.raises(RegistryErrors, match="op 'four'.* calls unknown function 'twice'"):
        tree.build()
    tree.file.write_text(text)
    assert tree.build() == ()


def test_heads_of_called_ops(tree: Tree) -> None:
    """A record depends on what calls were checked against, whether or not a gate ran."""
    shutil.rmtree(tree.layout.work)
    assert tree.build(gate=False) == ALL
    tree.edit("combine: a0 + b0", "combine: b0 + a0")
    assert "amax" not in tree.build(gate=False)  # its gradient calls sum, whatever that means
    tree.edit(
        "op: sum(Tensor input, int[]? dim=None, bool keepdim=False)",
        "op: sum(Tensor input, int[]? dim=None)",
    )
    with pytest.raises(RegistryErrors, match="op 'amax'.* calls sum"):
        tree.build(gate=False)


# The compiler -------------------------------------------------------------------------------------


def compile_with(tree: Path, *folders: Path) -> list[str]:
    """Run the compiler that stands in ``tree`` into folders; entries made anew in the last."""
    script = (
        "import sys\nfrom dataclasses import replace\nfrom pathlib import Path\n"
        "from opsmithc import pipeline\n"
        "for work in map(Path, sys.argv[1:]):\n"
        "    layout = replace(pipeline.BUNDLED, folder=work / 'package', work=work)\n"
        "    new = pipeline.build(layout=layout, progress=False, link=False).new\n"
        "print(*new)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(tree / "codegen"), "PYTHONDONTWRITEBYTECODE": "1"}
    got = subprocess.run([sys.executable, "-c", script, *map(str, folders)], env=env,
                         capture_output=True, text=True, check=True)  # fmt: skip
    return got.stdout.split()


COMPILER = {  # file, old text, new text, a file that must change
    "an intrinsic": ("intrinsics.yaml", "{np: np.tanh", "{np: np.tanh", "c/halved.c"),
    "a template": ("templates/c/pointwise.c.j2", "Do not edit.", "Never edit.", "c/halved.c"),
    "a module": ("emit.py", 'return text.replace(', 'return ("/**/ " + text).replace(',
                 "c/s_mul_entries.c"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(COMPILER))
def test_compiler_changes(tmp_path: Path, name: str) -> None:
    """A change in the compiler makes everything anew."""
    file, old, new, changes = COMPILER[name]
    for part in ("runtime", "frontend"):
        (tmp_path / part).symlink_to(paths.ROOT / part)
    ignore = shutil.ignore_patterns("__pycache__", "build")
    shutil.copytree(paths.PACKAGE, tmp_path / "codegen" / "opsmithc", ignore=ignore)
    (tmp_path / "ops.yaml").write_text(OPS)
    work, clean = tmp_path / "work", tmp_path / "clean"
    assert compile_with(tmp_path, work, work) == []
    before = (work / changes).read_bytes()
    source = tmp_path / "codegen" / "opsmithc" / file
    text = source.read_text()
    if file.endswith(".yaml"):  # the row of tanh
        row = next(line for line in text.splitlines() if line.startswith("tanh:"))
        old, new = row, row.replace("{", '{c: "ops_other_{T}", ', 1)
    assert old in text
    source.write_text(text.replace(old, new))
    assert compile_with(tmp_path, work) == list(ALL)
    assert (work / changes).read_bytes() != before
    compile_with(tmp_path, clean)
    for path in clean.rglob("*.[cp]*"):
        if path.suffix in (".c", ".py", ".pyi"):
            assert path.read_bytes() == (work / path.relative_to(clean)).read_bytes(), path


# Mistakes -----------------------------------------------------------------------------------------


MISTAKES = {
    "not YAML": ("variants: [method,", "variants: [method,,"),
    "unknown key": ('doc: {short: "Four', 'docs: {short: "Four'),
    "unknown name": ("tanh(input)", "tanh(inputs)"),
    "unknown function": ("twice(twice(input))", "twice(twise(input))"),
    "a name twice": ("op: halved(", "op: twice("),
    "an alias of its own": ('doc: {short: "A half."}', 'alias: [mul]\n  doc: {short: "A half."}'),
    "its own name as alias": ('doc: {short: "A half."}', 'alias: [halved]\n  doc: {short: "A."}'),
    "a cycle through an old entry": ("out: input * 2", "body: four(input)"),
    "a wrong gradient": ("where(input == out, g, 0)", "where(input == out, 2 * g, 0)"),
    "a parameter that callers lack": ("op: twice(Tensor input)", "op: twice(Tensor input, int n)"),
    "a truth value": ("input * 2", "input == 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(MISTAKES))
def test_mistake(tree: Tree, name: str) -> None:
    """Mistakes read as in a build from nothing, each time, and leave what was recorded right."""
    tree.edit("# Pointwise", "# Pointwise\n# so that no line is where it was\n")
    tree.edit(*MISTAKES[name])
    if name == "a truth value":  # is none: it only changes what others may do with the op
        tree.build()
        assert tree.as_clean()
        return
    with pytest.raises(RegistryErrors) as clean:
        tree.clean(gate=True)
    for _ in range(2):
        with pytest.raises(RegistryErrors) as caught:
            tree.build()
        assert str(caught.value) == str(clean.value)
    tree.file.write_text(OPS)
    assert tree.build() == ()
    assert tree.as_clean()


def test_gate_is_not_skipped(tmp_path: Path) -> None:
    """What was made without the gate is not taken for verified."""
    tree = Tree(tmp_path / "tree")
    tree.edit("where(input == out, g, 0)", "where(input == out, 2 * g, 0)")
    tree.build(gate=False)
    assert tree.build(gate=False) == ()
    with pytest.raises(RegistryErrors, match="gradient of 'input'"):
        tree.build()


def test_entries_joined_by_an_anchor(tree: Tree) -> None:
    """An entry depends on the one from which it takes something by an alias."""
    tree.edit('doc: {short: "Two times."}', 'doc: &twice {short: "Two times."}')
    tree.edit('doc: {short: "Four times."}', "doc: *twice")
    assert tree.build() == ("twice", "four")
    assert tree.as_clean()
    tree.edit("&twice {short: \"Two", "&twice {short: \"Just two")
    assert tree.build() == ("twice", "four")
    assert b"Just two" in tree.texts()["stage/s_mul.py"].partition(b"def four(")[2]
    assert tree.as_clean()
    tree.edit("tanh(input) / 2", "0.5 * tanh(input)")
    assert tree.build() == ("halved",)
    text = tree.file.read_text()
    at = text.index("- op: four")
    four = text[at : text.index("# Reductions")]
    tree.file.write_text(four + text.replace(four, ""))
    with pytest.raises(RegistryErrors, match="undefined alias"):
        tree.build()


# Accidents ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("harm", ["cut short", "one bit", "empty", "other bytes", "gone", "folder"])
def test_damaged_store(tree: Tree, harm: str) -> None:
    """Damage is seen, never trusted; nothing is unpickled then."""
    path = store.Store.load(tree.layout.work).path
    data = path.read_bytes()
    path.unlink()
    if harm == "cut short":
        path.write_bytes(data[: len(data) // 2])
    elif harm == "one bit":
        path.write_bytes(data[:2000] + bytes([data[2000] ^ 1]) + data[2001:])
    elif harm in ("empty", "other bytes"):
        path.write_bytes(b"" if harm == "empty" else b"cos\nsystem\n(S'false'\ntR.")
    elif harm == "folder":
        path.mkdir()
        path = tree.layout.work / "entries.pickle"
        path.rmdir()
    assert tree.build() == ALL
    assert tree.as_clean()
    assert tree.build() == ()


OUTPUTS = ("c/halved.c", "c/s_mul_entries.c", "c/_s_mul.c", "c/_runtime.c", "stage/s_mul.py",
           "stage/index.py", "stage/stubs.pyi", "stage/linalg_stubs.pyi")  # fmt: skip


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("harm", ["edited", "gone"])
def test_damaged_output(tree: Tree, name: str, harm: str) -> None:
    """A generated file that is not as it was written is written again."""
    path = tree.layout.work / name
    good = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(b"other" + good)
    tree.build()
    assert path.read_bytes() == good


@pytest.mark.parametrize("where", ["make", "write_shard", "write_index", "sources"])
def test_interrupted(tree: Tree, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """A build that is stopped anywhere is resumed by the next."""
    tree.edit("input * 2", "input + input")
    tree.edit("op: halved(", "op: half(")
    wanted = getattr(emission, where)

    def stopped(*args: object) -> object:
        wanted(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(emission, where, stopped)
        with pytest.raises(KeyboardInterrupt):
            tree.build()
    assert set(tree.build()) == {"twice", "half", "four", "eight"}
    assert tree.as_clean()


def test_concurrent_builds(tree: Tree) -> None:
    """Builds of one folder at a time leave what one of them alone would have left."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom dataclasses import replace\n"
        "from opsmithc import pipeline\n"
        "work, package, *files = map(Path, sys.argv[1:])\n"
        "layout = replace(pipeline.BUNDLED, folder=package, work=work)\n"
        "for file in files * 3:\n"
        "    pipeline.build(file, layout, progress=False, link=False)\n"
    )
    one, two = tree.folder / "one" / "ops.yaml", tree.folder / "two" / "ops.yaml"
    for file, formula in ((one, "input + input"), (two, "2 * input")):
        file.parent.mkdir()
        file.write_text(OPS.replace("input * 2", formula))
    env = {**os.environ, "PYTHONPATH": str(paths.PACKAGE.parent)}
    folders = (str(tree.layout.work), str(tree.layout.folder))
    running = [
        subprocess.Popen([sys.executable, "-c", script, *folders, *map(str, files)], env=env)
        for files in ((one, two), (two, one))
    ]
    assert [process.wait() for process in running] == [0, 0]
    tree.build()
    assert tree.as_clean()


def test_bundled_registry(tmp_path: Path) -> None:
    """The registry itself, edited in several places, comes out as from nothing."""
    tree = Tree(tmp_path / "tree")
    tree.file.write_text(paths.OPS_YAML.read_text())
    tree.build(gate=False)
    text = tree.file.read_text()
    entries = text.split("\n- op: ")
    chosen = [k for k, e in enumerate(entries) if "\n  out: " in e][::40]
    for k in chosen:
        assert "doc: {short: " in entries[k]
        entries[k] = entries[k].replace("  doc: {short: ", '  doc: {long: "So.", short: ')
    tree.file.write_text("\n\n- op: ".join(entries))  # every line moves, too
    new = tree.build(gate=False)
    assert len(new) == len(chosen)
    other = Tree(tmp_path / "other")
    other.file.write_text(tree.file.read_text())
    other.build(gate=False)
    assert tree.texts() == other.texts()
    at = text.index("- op: relu(")
    one = "- op: one_more(Tensor input) -> Tensor\n  out: input\n  samples: [{input: [3]}]\n\n"
    tree.file.write_text(text[:at] + one + text[at:])
    assert "one_more" in tree.build(gate=False)
    other.file.write_text(text)
    other.build(gate=False)
    before, after = other.texts(), tree.texts()
    shards = [name for name in {*before, *after} if name.startswith("stage/s_")]
    changed = [name for name in shards if before.get(name) != after.get(name)]
    assert len(shards) > 8 and len(changed) <= 3, "an entry moves more than its own shard"
