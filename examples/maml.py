"""Learn weights from which a few points are enough to learn any sine wave, and draw that.

    PYTHONPATH=frontend python examples/maml.py
    PYTHONPATH=frontend python examples/maml.py --steps 5000 --shots 5

Model-agnostic meta-learning (Finn et al., 2017). A task is a wave of which a few points are shown.
The network takes one step of gradient descent on those points; the loss is how wrong it then is
elsewhere on the wave, and its gradient goes back through that step to the weights it started from:
a gradient of a gradient. The same network trained on all waves at once, the usual way, can only
learn their mean, and shows what the difference is.
"""

import argparse
import math
import time
from pathlib import Path

from pictures import Panel, save_plots
from tqdm import tqdm

import opsmith as torch
from opsmith.nn import functional as F

HERE = Path(__file__).resolve().parent
Weights = list[torch.Tensor]


class Wave:
    """A task: amplitude * sin(x - phase), for x between -5 and 5."""

    def __init__(self) -> None:
        self.amplitude = 0.1 + 4.9 * torch.rand(()).item()
        self.phase = math.pi * torch.rand(()).item()

    def at(self, x: torch.Tensor) -> torch.Tensor:
        """Values at x."""
        return self.amplitude * torch.sin(x - self.phase)

    def points(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (count, 1) random places and the values there."""
        x = 10 * torch.rand(count, 1) - 5
        return x, self.at(x)


def initial(width: int) -> Weights:
    """Weights and biases of a network with two hidden layers."""
    weights = []
    for inputs, outputs in ((1, width), (width, width), (width, 1)):
        scale = 0.7 / math.sqrt(inputs)  # half of the usual one, so that a step leads not too far
        weights += [scale * torch.randn(outputs, inputs), torch.zeros(outputs)]
    return [w.requires_grad_() for w in weights]


def network(x: torch.Tensor, weights: Weights) -> torch.Tensor:
    """Run the network with any weights, such as those that a step has led to."""
    w1, b1, w2, b2, w3, b3 = weights
    return F.linear(F.relu(F.linear(F.relu(F.linear(x, w1, b1)), w2, b2)), w3, b3)


def adapt(
    weights: Weights, x: torch.Tensor, y: torch.Tensor, rate: float, steps: int = 1
) -> Weights:
    """Gradient descent, every step of it recorded: the result is a function of `weights`."""
    for _ in range(steps):
        loss = F.mse_loss(network(x, weights), y)
        slopes = torch.autograd.grad(loss, weights, create_graph=True)
        weights = [w - rate * slope for w, slope in zip(weights, slopes, strict=True)]
    return weights


def losses_of_task(weights: Weights, task: Wave, shots: int, rate: float) -> list[torch.Tensor]:
    """The loss elsewhere on the wave, before a step on `shots` points and after it."""
    shown, asked = task.points(shots), task.points(shots)
    adapted = adapt(weights, *shown, rate)
    return [F.mse_loss(network(asked[0], w), asked[1]) for w in (weights, adapted)]


def train(weights: Weights, steps: int, tasks: int, shots: int, rate: float, meta: bool) -> None:
    """Adam on the loss after a step of adaptation (`meta`), or on the loss before it."""
    optimizer = torch.optim.Adam(weights, lr=2e-3)
    with tqdm(range(steps), unit=" step", desc="meta" if meta else "plain") as bar:
        for _ in bar:
            total = torch.zeros(())
            for _ in range(tasks):
                if meta:
                    total = total + losses_of_task(weights, Wave(), shots, rate)[1]
                else:
                    x, y = Wave().points(2 * shots)
                    total = total + F.mse_loss(network(x, weights), y)
            optimizer.zero_grad()
            (total / tasks).backward()
            optimizer.step()
            bar.set_postfix_str(f"loss {total.item() / tasks:.3f}")


def evaluate(weights: Weights, shots: int, rate: float, tasks: int = 300) -> tuple[float, float]:
    """The mean loss on new waves, before a step and after it."""
    before = after = 0.0
    for _ in range(tasks):
        first, second = losses_of_task(weights, Wave(), shots, rate)
        before, after = before + first.item(), after + second.item()
    return before / tasks, after / tasks


def draw(path: Path, ways: dict[str, Weights], shots: int, rate: float) -> None:
    """A new wave, the points shown, and each network before and after it saw them."""
    task = Wave()
    shown = task.points(shots)
    x = torch.linspace(-5, 5, 200).unsqueeze(1)
    panels = []
    for name, weights in ways.items():
        before, after = (
            network(x, adapt(weights, *shown, rate, steps)).detach() for steps in (0, 1)
        )
        curves = {
            "after one step": (x[:, 0], after[:, 0]),
            "the wave": (x[:, 0], task.at(x)[:, 0]),
            "before": (x[:, 0], before[:, 0]),
        }
        points = {"points shown": (shown[0][:, 0], shown[1][:, 0])}
        panels.append(Panel(name, "x", "y", curves, points))
    save_plots(path, panels)


def main() -> None:
    """Train both ways, report, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000, help="default 2000")
    parser.add_argument("--tasks", type=int, default=10, help="a step; default 10")
    parser.add_argument("--shots", type=int, default=10, help="points of a wave; default 10")
    parser.add_argument("--rate", type=float, default=0.02, help="of the inner step; default 0.02")
    parser.add_argument("--width", type=int, default=40, help="of the layers; default 40")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--out", type=Path, default=HERE.parent / "build" / "demo" / "maml.png")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    ways = {"meta-learned": initial(args.width), "trained on all waves": initial(args.width)}
    start = time.perf_counter()
    for name, weights in ways.items():
        meta = name == "meta-learned"
        train(weights, args.steps, args.tasks, args.shots, args.rate, meta)
    print(f"trained in {time.perf_counter() - start:.1f} s; loss on new waves, one step apart:")
    for name, weights in ways.items():
        before, after = evaluate(weights, args.shots, args.rate)
        print(f"  {name}: {before:.3f} -> {after:.3f}")
    draw(args.out, ways, args.shots, args.rate)
    print(f"picture: {args.out}")


if __name__ == "__main__":
    main()
