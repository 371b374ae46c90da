"""Grids of small images as a PNG, for the examples."""

import math

import numpy as np

COLUMNS = 12


def save_grid(path, groups):
    """Write groups of (title, images), images (n, 1, h, w) in [0, 1], twelve a row."""
    import matplotlib  # here, because it is slow to load

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = [math.ceil(len(images) / COLUMNS) for _, images in groups]
    figure = plt.figure(figsize=(9, 0.85 * sum(rows) + 0.35 * len(rows)), layout="constrained")
    parts = np.atleast_1d(figure.subfigures(len(groups), 1, height_ratios=rows))
    for part, count, (title, images) in zip(parts, rows, groups, strict=True):
        part.suptitle(title, weight="bold", fontsize=10)
        axes = part.subplots(count, COLUMNS, squeeze=False)
        for place in axes.flat:
            place.axis("off")
        for place, image in zip(axes.flat, images.numpy(), strict=False):
            place.imshow(image[0], cmap="gray_r", vmin=0, vmax=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
