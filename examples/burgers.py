"""Solve Burgers' equation with a network that knows nothing but the equation, and draw it.

    PYTHONPATH=frontend python examples/burgers.py
    PYTHONPATH=frontend python examples/burgers.py --steps 6000 --viscosity 0.01

    u_t + u u_x = nu u_xx,   -1 < x < 1, 0 < t < 1;   u(x, 0) = -sin(pi x);   u(-1, t) = u(1, t) = 0

The loss is how far the network is from satisfying this at random points (Raissi et al., 2019): it
takes derivatives of the network by its inputs, the second one among them, and then the derivative
of all that by the weights. There are no data. The exact solution, by the transform of Cole (1951)
and Hopf (1950), tells in the end how good the network is.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
from pictures import Panel, save_plots
from tqdm import tqdm

import opsmith as torch
from opsmith import nn

HERE = Path(__file__).resolve().parent


class Solution(nn.Module):
    """u(x, t), for columns x and t. Its form alone makes it meet the initial and edge values."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(2, width),
            nn.Tanh(),
            nn.Linear(width, width),
            nn.Tanh(),
            nn.Linear(width, width),
            nn.Tanh(),
            nn.Linear(width, 1),
        )

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """Map (n, 1) places and times to (n, 1) speeds."""
        free: torch.Tensor = self.net(torch.cat([x, t], 1))
        return -torch.sin(math.pi * x) + t * (1 - x**2) * free


def derivative(of: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    """Return d of/d by, row by row, as something that can be differentiated again."""
    return torch.autograd.grad(of.sum(), by, create_graph=True)[0]


def residual(u: nn.Module, x: torch.Tensor, t: torch.Tensor, viscosity: float) -> torch.Tensor:
    """What is left of the equation when everything is put on its left side."""
    x, t = x.requires_grad_(), t.requires_grad_()
    value: torch.Tensor = u(x, t)
    slope = derivative(value, x)
    return derivative(value, t) + value * slope - viscosity * derivative(slope, x)


def exact(x: torch.Tensor, t: torch.Tensor, viscosity: float) -> torch.Tensor:
    """The solution at (n, 1) places and times: two integrals, by Gauss and Hermite's rule."""
    nodes, weights = np.polynomial.hermite.hermgauss(80)
    z, w = torch.from_numpy(nodes), torch.from_numpy(weights)
    from_where = x.double() - z * torch.sqrt(4 * viscosity * t.double())  # (n, 80)
    heat = w * torch.exp(-torch.cos(math.pi * from_where) / (2 * math.pi * viscosity))
    moved = (torch.sin(math.pi * from_where) * heat).sum(1, keepdim=True)
    return (-moved / heat.sum(1, keepdim=True)).float()


def grid(places: int, times: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Every place at every time, as columns (times * places, 1)."""
    x = torch.linspace(-1, 1, places).repeat(times).unsqueeze(1)
    t = torch.linspace(0, 1, times).repeat_interleave(places).unsqueeze(1)
    return x, t


def error(u: nn.Module, viscosity: float) -> float:
    """How far the network is from the exact solution: norm of the difference by norm."""
    x, t = grid(101, 51)
    with torch.no_grad():
        right, found = exact(x, t, viscosity), u(x, t)
    wrong: torch.Tensor = found - right
    return (wrong.norm() / right.norm()).item()


def train(u: nn.Module, steps: int, points: int, viscosity: float) -> list[float]:
    """Adam, at new points every step; return the losses."""
    optimizer = torch.optim.Adam(u.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    losses: list[float] = []
    with tqdm(range(steps), unit=" step") as bar:
        for _ in bar:
            x, t = 2 * torch.rand(points, 1) - 1, torch.rand(points, 1)
            loss = (residual(u, x, t, viscosity) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            bar.set_postfix_str(f"loss {losses[-1]:.5f}")
    return losses


def draw(path: Path, u: nn.Module, losses: list[float], viscosity: float) -> None:
    """The solution over place and time, two moments of it against the exact one, the losses."""
    x, t = grid(201, 101)
    line = torch.linspace(-1, 1, 201).unsqueeze(1)
    moments = {}
    with torch.no_grad():
        values = u(x, t).reshape(101, 201).T
        for moment in (0.25, 1.0):
            at = torch.full_like(line, moment)
            moments[f"network, t = {moment}"] = (line[:, 0], u(line, at)[:, 0])
            moments[f"exact, t = {moment}"] = (line[:, 0], exact(line, at, viscosity)[:, 0])
    steps = torch.arange(len(losses))
    save_plots(
        path,
        [
            Panel("u(x, t), by the network", "t", "x", values=values, extent=(0, 1, -1, 1)),
            Panel("the wave grows steep", "x", "u", moments),
            Panel("log10 of the loss", "step", "", {"": (steps, torch.tensor(losses).log10())}),
        ],
    )


def main() -> None:
    """Train, compare with the exact solution, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3000, help="default 3000")
    parser.add_argument("--points", type=int, default=512, help="a step; default 512")
    parser.add_argument("--width", type=int, default=32, help="of the layers; default 32")
    parser.add_argument("--viscosity", type=float, default=0.02, help="nu; default 0.02")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--out", type=Path, default=HERE.parent / "build" / "demo" / "burgers.png")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    u = Solution(args.width)
    before = error(u, args.viscosity)
    start = time.perf_counter()
    losses = train(u, args.steps, args.points, args.viscosity)
    print(
        f"error against the exact solution {100 * before:.2f}% -> "
        f"{100 * error(u, args.viscosity):.2f}% after {time.perf_counter() - start:.1f} s"
    )
    draw(args.out, u, losses, args.viscosity)
    print(f"picture: {args.out}")


if __name__ == "__main__":
    main()
