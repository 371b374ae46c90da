"""The pages of what is written in Python: which names they show; autodoc says what those are."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import opsmith

INTERNAL = (  # behind ops, behind what a package shows, or of machines that are not here
    "opsmith.compose", "opsmith.nn.modules", "opsmith.autograd.engine", "opsmith.autograd.hooks",
    "opsmith.autograd.single", "opsmith.autograd.views", "opsmith.backends.",
    "opsmith.multiprocessing.reductions",
)  # fmt: skip
OPS = "opsmith._generated"
Ops = dict[str, tuple[str, str]]  # name or alias -> the op's page, and what it does


@dataclass(frozen=True)
class Page:
    """A page: a heading, what it says first, and directives of autodoc with their names."""

    name: str
    title: str
    text: str
    members: tuple[tuple[str, str], ...]  # autoclass or autofunction, the full name

    def markdown(self) -> str:
        """The page's source."""
        lines = [f"# {self.title}", "", self.text, "", "```{eval-rst}"]
        for directive, name in self.members:
            lines += [f".. {directive}:: {name}", ""]
        return "\n".join([*lines, "```", ""])


def last(module: str) -> str:
    """The last part of a module's name, without the mark of what is private."""
    return module.rpartition(".")[2].strip("_")


def summary(thing: Any) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(thing) or "").split("\n", 1)[0].replace("|", "\\|")


def modules() -> list[str]:
    """The public modules, packages before what they consist of: a name stands where it is short."""
    found = [info.name for info in pkgutil.walk_packages(opsmith.__path__, "opsmith.")]
    public = [n for n in found if "._" not in n and not n.startswith(INTERNAL)]
    return sorted(public, key=lambda name: (name.count("."), name))


def public(module: ModuleType) -> list[str]:
    """The names a module offers: its own list, else what it defines."""
    late = getattr(module, "_LATE", {})
    return sorted({*getattr(module, "__all__", dir(module)), *late})


def members(module: ModuleType, seen: set[int]) -> Iterator[tuple[str, str, Any]]:
    """(directive, name, object) of what is written in Python and on no page yet."""
    for name in public(module):
        thing = getattr(module, name, None)
        home = getattr(thing, "__module__", None) or ""
        ours = home.startswith("opsmith") and not home.startswith(OPS)
        if name.startswith("_") or not ours or id(thing) in seen or not callable(thing):
            continue
        seen.add(id(thing))
        yield "autoclass" if isinstance(thing, type) else "autofunction", name, thing


def pages(known: Ops) -> Iterator[Page]:
    """Every page; ``known`` are the names of ops, which have pages already."""
    seen: set[int] = {id(opsmith.Tensor)}
    yield tensor_page(known)
    found = [(d, f"opsmith.{n}") for d, n, _ in members(opsmith, seen)]
    text = f"What `import opsmith` offers besides [operations](../ops/index.md).\n\n{settings()}"
    yield Page("opsmith", "opsmith", text, tuple(found))
    for name in modules():
        try:
            module = importlib.import_module(name)
        except ImportError:  # of a package that is not here
            continue
        if name != "opsmith.nn":
            found = [(d, f"{name}.{n}") for d, n, _ in members(module, seen)]
            yield Page(name, name, inspect.getdoc(module) or "", tuple(found))
            continue
        homes: dict[str, list[tuple[str, str]]] = {}
        for directive, n, thing in members(module, seen):
            homes.setdefault(thing.__module__, []).append((directive, f"{name}.{n}"))
        for home, listed in sorted(homes.items(), key=lambda item: last(item[0])):
            text = inspect.getdoc(importlib.import_module(home)) or ""
            title = f"nn: {last(home).replace('_', ' ')}"
            yield Page(f"nn.{last(home)}", title, text, tuple(listed))


def settings() -> str:
    """The dtypes, as a table."""
    rows = [(str(v).removeprefix("torch."), v) for v in vars(opsmith).values()
            if isinstance(v, opsmith.dtype)]  # fmt: skip
    lines = [f"| `{n}` | {v.itemsize} |" for n, v in sorted(dict(rows).items())]
    return "\n".join(["| dtype | bytes |", "|---|---|", *lines])


def tensor_page(known: Ops) -> Page:
    """Tensor: its methods that are ops with links, the others with what they do."""
    lines, written = ["| | |", "|---|---|"], []
    for name in sorted(n for n in dir(opsmith.Tensor) if not n.startswith("_")):
        getattr(opsmith.Tensor, name)  # what stands for a method until it is used goes away
        thing = inspect.getattr_static(opsmith.Tensor, name)
        op = next((n for n in (name, name.removesuffix("_")) if n in known), None)
        if isinstance(thing, FunctionType) and not thing.__module__.startswith(OPS):
            written.append(("automethod", f"opsmith.Tensor.{name}"))
            lines.append(f"| [`{name}`](#opsmith.Tensor.{name}) | {summary(thing)} |")
        elif op is not None:
            page, short = known[op]
            what = short if op == name else f"`{op}`, in place"
            lines.append(f"| [`{name}`](../ops/{page}.md) | {what} |")
        else:
            lines.append(f"| `{name}` | {summary(thing)} |")
    text = "The class of every value.\n\n" + "\n".join(lines)
    return Page("tensor", "opsmith.Tensor", text, tuple(written))


def read_ops(folder: Path) -> Ops:
    """The ops by name and alias, from the pages that the compiler wrote."""
    row = r"^\| \[(\w+)\]\(\w+\.md\) \| (.*) \|$"
    shorts = dict(re.findall(row, (folder / "index.md").read_text(encoding="utf-8"), re.M))
    names = (folder / "names.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\[(\w+)\]\((\w+)\.md\)$", names, re.M)
    return {name: (page, shorts[page]) for name, page in listed}


def write_api(source: Path, write: Callable[[Path, str], bool]) -> int:
    """Write the pages and their index; return how many there are."""
    folder = source / "api"
    found = [page for page in pages(read_ops(source / "ops")) if page.members]
    lines = ["# Python API", "", "Names and meanings are PyTorch's; this is what docstrings say."]
    lines += [""]
    for page in found:
        write(folder / f"{page.name}.md", page.markdown())
        first = " ".join(page.text.split("\n\n")[0].split())
        names = ", ".join(f"`{n.rpartition('.')[2]}`" for _, n in page.members[:6])
        more = ", .." if len(page.members) > 6 else ""
        lines.append(f"- [{page.title}]({page.name}.md): {first}\\\n  {names}{more}")
    toc = ["", "```{toctree}", ":hidden:", "", *(page.name for page in found), "```", ""]
    write(folder / "index.md", "\n".join([*lines, *toc]))
    return len(found)
