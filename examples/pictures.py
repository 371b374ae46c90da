"""Pictures as PNG files, for the examples: grids of small images, and curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import opsmith as torch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 12
INK, BLUE, RED, GREY = "#222222", "#2563a8", "#c0392b", "#b8c4d0"
# Colour and line of a panel's curves, in order: what was learned, what it should be, so again.
STYLES = ((BLUE, "-"), (INK, ":"), (RED, "-"), (INK, ":"))


@dataclass
class Panel:
    """Curves {label: (x, y)} and points over one pair of axes, or a map: values[row, column]."""

    title: str
    x: str = ""
    y: str = ""
    curves: Mapping[str, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    points: Mapping[str, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    values: torch.Tensor | None = None
    extent: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 1.0)

    def draw(self, axes: Axes) -> None:
        """Draw it."""
        axes.set_title(self.title, weight="bold", fontsize=10)
        axes.set_xlabel(self.x)
        axes.set_ylabel(self.y)
        if self.values is not None:
            image = axes.imshow(
                self.values.numpy(), "RdBu_r", aspect="auto", origin="lower", extent=self.extent
            )
            axes.figure.colorbar(image, ax=axes)
            return
        for (color, style), (label, (x, y)) in zip(STYLES, self.curves.items(), strict=False):
            axes.plot(x.numpy(), y.numpy(), style, color=color, linewidth=1.8, label=label)
        for label, (x, y) in self.points.items():
            axes.plot(x.numpy(), y.numpy(), "o", color=INK, markersize=5, label=label)
        axes.grid(color=GREY, alpha=0.4)
        if len(self.curves) + len(self.points) > 1:
            axes.legend(fontsize=8)


def save_plots(path: Path, panels: Sequence[Panel]) -> None:
    """Write panels side by side, three a row."""
    import matplotlib  # here, because it is slow to load

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    size = (4.2 * columns, 3.2 * rows)
    figure, places = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for place, panel in zip(places.flat, panels, strict=False):
        panel.draw(place)
    for place in places.flat[len(panels) :]:
        place.axis("off")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def save_grid(path: Path, groups: Sequence[tuple[str, torch.Tensor]]) -> None:
    """Write groups of (title, images), images (n, 1, h, w) in [0, 1], twelve a row."""
    import matplotlib  # here, because it is slow to load

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = [math.ceil(len(images) / COLUMNS) for _, images in groups]
    figure = plt.figure(figsize=(9, 0.85 * sum(rows) + 0.35 * len(rows)), layout="constrained")
    parts = figure.subfigures(len(groups), 1, height_ratios=rows, squeeze=False)
    for part, count, (title, images) in zip(parts.flat, rows, groups, strict=True):
        part.suptitle(title, weight="bold", fontsize=10)
        axes = part.subplots(count, COLUMNS, squeeze=False)
        for place in axes.flat:
            place.axis("off")
        for place, image in zip(axes.flat, images.numpy(), strict=False):
            place.imshow(image[0], cmap="gray_r", vmin=0, vmax=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
