"""Train a small ConvNet on real handwritten digits, and draw what it learned.

    python3 build.py demo                         # sets everything up, then runs this
    PYTHONPATH=frontend python examples/digits.py --epochs 5

The data are 1,797 images of 8x8 pixels (see data/README.md); a random fifth is held out.
Everything below is ordinary PyTorch: only the import says otherwise.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

import opsmith as torch
from opsmith import nn
from opsmith.utils.data import DataLoader, TensorDataset

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HERE = Path(__file__).resolve().parent
EPOCHS, GOAL = 15, 98.0  # GOAL: percent of the held-out images, on the default settings
Data = tuple[torch.Tensor, torch.Tensor]  # images and labels
Array = npt.NDArray[Any]
INK, BLUE, RED, GREY = "#222222", "#2563a8", "#c0392b", "#b8c4d0"


def load_digits(seed: int) -> tuple[Data, Data]:
    """Return (images, labels) to train on, and a random fifth of them held out."""
    rows = np.loadtxt(HERE / "data" / "digits.csv.gz", delimiter=",", dtype=np.float32)
    rows = rows[np.random.default_rng(seed).permutation(len(rows))]
    images = torch.from_numpy(rows[:, :64].reshape(-1, 1, 8, 8) / 16)
    labels = torch.from_numpy(rows[:, 64].astype(np.int64))
    held_out = len(rows) // 5
    return (images[held_out:], labels[held_out:]), (images[:held_out], labels[:held_out])


class ConvNet(nn.Module):
    """8x8 image -> 32 channels -> 4x4 with 64 channels -> ten logits."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *self.block(1, 32),
            *self.block(32, 32),
            nn.MaxPool2d(2),
            *self.block(32, 64),
            *self.block(64, 64),
            nn.MaxPool2d(2),
        )
        self.dropout = nn.Dropout(0.3)
        self.classify = nn.Linear(64 * 2 * 2, 10)

    @staticmethod
    def block(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
        """Convolution without bias, since BatchNorm brings its own."""
        conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        return conv, nn.BatchNorm2d(outputs), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, 1, 8, 8) images to (n, 10) logits."""
        logits: torch.Tensor = self.classify(self.dropout(self.features(x).flatten(1)))
        return logits


def evaluate(
    model: ConvNet, images: torch.Tensor, labels: torch.Tensor
) -> tuple[float, Array, Array]:
    """Return (accuracy in percent, predicted digits, probability of the true digit)."""
    model.eval()
    with torch.no_grad():
        probabilities = torch.softmax(model(images), 1)
    model.train()
    predicted = probabilities.argmax(1)
    sure = probabilities.gather(1, labels.unsqueeze(1)).squeeze(1)
    return 100 * (predicted == labels).float().mean().item(), predicted.numpy(), sure.numpy()


def train(
    model: ConvNet, data: Data, held_out: Data, epochs: int,
    batch_size: int = 64, peak: float = 0.02,
) -> tuple[list[float], list[float]]:
    """SGD with momentum on a cosine schedule; return each step's loss, each epoch's accuracy."""
    loader = DataLoader(TensorDataset(*data), batch_size=batch_size, shuffle=True)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=peak, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(loader))
    losses: list[float] = []
    accuracies: list[float] = []
    for epoch in range(1, epochs + 1):
        with tqdm(total=len(data[0]), desc=f"epoch {epoch:2}/{epochs}", unit=" img") as bar:
            for images, labels in loader:
                loss = criterion(model(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                losses.append(loss.item())
                bar.update(len(images))
                bar.set_postfix_str(f"loss {losses[-1]:.3f}", refresh=False)
            accuracies.append(evaluate(model, *held_out)[0])
            mean = sum(losses[-len(loader) :]) / len(loader)
            bar.set_postfix_str(f"loss {mean:.3f}, held-out accuracy {accuracies[-1]:.2f}%")
    return losses, accuracies


def draw(
    path: Path, losses: list[float], accuracies: list[float], images: Array, labels: Array,
    predicted: Array, sure: Array,
) -> None:  # fmt: skip
    """Write the loss curve, the accuracy and the hardest held-out digits as one PNG."""
    import matplotlib  # here, because it is slow to load

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
    plt.rcParams.update({"text.color": INK, "axes.titleweight": "bold"})
    figure = plt.figure(figsize=(12, 6.6), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1.15, 1], squeeze=False).flat
    left, right = above.subplots(1, 2)
    draw_curves(left, right, losses, accuracies)
    wrong = predicted != labels
    hardest = np.argsort(sure + ~wrong)[:24]  # every mistake first, then what it was unsure of
    below.suptitle(
        f"{wrong.sum()} of {len(labels)} held-out digits are misread (red); then the least sure",
        weight="bold",
    )
    for axes, i in zip(below.subplots(2, 12).flat, hardest, strict=True):
        draw_digit(axes, images[i, 0], labels[i], predicted[i], sure[i])
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_curves(left: Axes, right: Axes, losses: list[float], accuracies: list[float]) -> None:
    """Draw the loss of each step with each epoch's mean, and beside it the accuracy."""
    per_epoch = len(losses) // len(accuracies)
    steps = np.arange(1, len(losses) + 1) / per_epoch
    means = np.reshape(losses, (len(accuracies), per_epoch)).mean(1)
    epochs = np.arange(1, len(accuracies) + 1)
    bold: dict[str, Any] = {"color": BLUE, "linewidth": 2, "marker": "o", "markersize": 4}
    left.plot(steps, losses, color=GREY, linewidth=0.8, label="each step")
    left.plot(epochs - 0.5, means, **bold, label="epoch mean")
    left.set(title="Training loss (label smoothing 0.05)", xlabel="epoch", yscale="log")
    left.yaxis.set_major_formatter("{x:g}")
    left.yaxis.set_minor_formatter("{x:g}")
    left.legend(frameon=False)
    right.plot(epochs, accuracies, **bold)
    right.axhline(GOAL, color=RED, linewidth=1, linestyle="--")
    for text, height, offset, color in [
        (f"goal {GOAL:g}%", GOAL, -12, RED),
        (f"{accuracies[-1]:.2f}%", accuracies[-1], 6, BLUE),
    ]:
        at: dict[str, Any] = {"xytext": (0, offset), "textcoords": "offset points", "ha": "right"}
        right.annotate(text, (epochs[-1], height), **at, color=color, weight="bold")
    low = max(0, min(90, min(accuracies[len(accuracies) // 5 :]) - 1))
    right.set(title="Held-out accuracy", xlabel="epoch", ylabel="percent", ylim=(low, 100.6))
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.set_xlim(0, epochs[-1] + 0.2)


def draw_digit(axes: Axes, image: Array, label: int, predicted: int, sure: float) -> None:
    """Draw one digit and what the network made of it."""
    if predicted == label:
        caption, color, line, weight = f"{label}, {sure:.0%} sure", INK, 0.5, "normal"
    else:
        caption, color, line, weight = f"{label} read as {predicted}", RED, 1.5, "bold"
    axes.set_title(caption, color=color, fontsize=9, weight=weight)
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color=color, linewidth=line)


def main() -> int:
    """Train, report, draw; return 1 if the default run misses its goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"default {EPOCHS}")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--out", type=Path, default=HERE.parent / "build" / "demo" / "digits.png")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    data, held_out = load_digits(args.seed)
    model = ConvNet()
    size = sum(parameter.numel() for parameter in model.parameters())
    print(
        f"ConvNet with {size:,} parameters; {len(data[0]):,} digits to train on, "
        f"{len(held_out[0])} held out, seed {args.seed}"
    )
    start = time.perf_counter()
    losses, accuracies = train(model, data, held_out, args.epochs)
    seconds = time.perf_counter() - start

    accuracy, predicted, sure = evaluate(model, *held_out)
    images, labels = (tensor.numpy() for tensor in held_out)
    draw(args.out, losses, accuracies, images, labels, predicted, sure)
    right = int((predicted == labels).sum())
    print(
        f"held-out accuracy {accuracy:.2f}% ({right} of {len(labels)}) after {seconds:.1f} s "
        f"of training, {args.epochs * len(data[0]) / seconds:,.0f} images/s"
    )
    print(f"picture: {args.out}")
    if args.epochs == EPOCHS and accuracy < GOAL:
        print(f"below the goal of {GOAL:g}%", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
