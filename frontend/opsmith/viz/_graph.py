"""A graph to look at: vertices, edges, and how they are written."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import Any


@dataclass
class Vertex:
    """An operation, a leaf or an output.

    ``looks`` has shape and dtype of each of its results, None where they are not known.
    """

    key: str
    kind: str  # "op", "leaf" or "output"
    name: str
    looks: tuple[tuple[tuple[int, ...], str] | None, ...]
    module: str
    module_kind: str

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of its (first) result."""
        return self.looks[0][0] if self.looks[0] is not None else None

    def lines(self) -> list[str]:
        """What is written on it: its name, and the results' shapes."""
        texts = [_look_text(look) for look in self.looks]
        shown = texts[:3] + (["..."] if len(texts) > 3 else [])
        return [self.name, *(t for t in shown if t)]


def _look_text(look: tuple[tuple[int, ...], str] | None) -> str:
    if look is None:
        return ""
    shape, dtype = look
    return f"({', '.join(map(str, shape))})" + ("" if dtype == "float32" else f" {dtype}")


@dataclass
class Edge:
    """From what makes a tensor to what reads it; ``output`` says which of its results."""

    source: str
    target: str
    output: int = 0


class Graph:
    """Vertices and edges; shown as a picture in notebooks."""

    def __init__(self, vertices: list[Vertex], edges: list[Edge], direction: str = "TB") -> None:
        if direction not in ("TB", "LR"):
            raise ValueError(f"direction must be 'TB' or 'LR', found {direction!r}")
        self.vertices, self.edges, self.direction = vertices, edges, direction

    @property
    def ops(self) -> list[Vertex]:
        """The operations, newest first."""
        return [v for v in self.vertices if v.kind == "op"]

    @property
    def leaves(self) -> list[Vertex]:
        """What requires grad by itself."""
        return [v for v in self.vertices if v.kind == "leaf"]

    @property
    def source(self) -> str:
        """The graph in Graphviz's language."""
        from ._dot import dot

        return dot(self)

    def svg(self, engine: str | None = None) -> str:
        """A picture as SVG.

        Args:
            engine: "graphviz" lays it out by Graphviz (the extra ``viz`` and the program ``dot``),
                "own" in layers without it; by default the first where it is there.
        """
        if engine is None:
            engine = "graphviz" if _has_graphviz() else "own"
        if engine == "own":
            from ._svg import svg

            return svg(self)
        return _rendered(self.source, "svg").decode()

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write it: .gv or .dot for the source, .svg, or what Graphviz writes (.png, .pdf)."""
        path = os.fspath(path)
        ending = os.path.splitext(path)[1].lower()
        if ending in (".gv", ".dot"):
            data = self.source.encode()
        elif ending == ".svg":
            data = self.svg().encode()
        elif ending:
            data = _rendered(self.source, ending[1:])
        else:
            raise ValueError(f"save(): the ending of {path!r} says the format: .svg, .gv, .png")
        with open(path, "wb") as file:
            file.write(data)
        return path

    def _repr_html_(self) -> str:
        """For notebooks: the picture, in a frame that scrolls."""
        return f'<div style="overflow:auto; max-height:80vh">{self.svg()}</div>'

    def __repr__(self) -> str:
        ops, leaves = len(self.ops), len(self.leaves)
        return f"<Graph of {ops} operations and {leaves} leaves>"

    def __str__(self) -> str:
        return self.source


def _has_graphviz() -> bool:
    from importlib.util import find_spec

    return shutil.which("dot") is not None and find_spec("graphviz") is not None


def _rendered(source: str, form: str) -> bytes:
    try:
        import graphviz
    except ImportError:
        raise ImportError(
            f"a picture as {form} is drawn by Graphviz: pip install 'opsmith[viz]', and install "
            "Graphviz itself (the program dot)"
        ) from None
    picture: Any = graphviz.Source(source)
    return picture.pipe(format=form)  # type: ignore[no-any-return]
