"""Define an op from its formula, look at the derived gradient, check it, train with it.

    PYTHONPATH=frontend python examples/add_an_op.py

The text below is the whole implementation. It goes through the same compiler, and the same checks,
as the ops of the library; put into a file of your own, `opsmith.ops.load("my_ops.yaml")` reads it.
"""

import argparse
import time

from tqdm import tqdm

import opsmith as torch
from opsmith import nn
from opsmith.testing import gradcheck

REGISTRY = """
- op: swoosh(Tensor input, *, float beta=1.0) -> Tensor
  out: input * sigmoid(beta * input)
  dtype: int_to_float
  doc: {short: The input where it is positive; smoothly less and less of it below zero.}
  samples: [{input: [3, 4], range: [-6, 6]}, {input: [5], beta: 2.0, range: [-6, 6]}]
"""


class Net(nn.Module):
    """1 -> width -> width -> 1, with our op between the layers."""

    def __init__(self, activation, width=32):
        super().__init__()
        self.activation = activation
        self.enter, self.middle = nn.Linear(1, width), nn.Linear(width, width)
        self.leave = nn.Linear(width, 1)

    def forward(self, x):
        """Map (n, 1) to (n, 1)."""
        x = self.activation(self.enter(x), beta=2.0)
        return self.leave(self.activation(self.middle(x), beta=2.0))


def main():
    """Define, show, check, train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=500, help="training steps (default 500)")
    args = parser.parse_args()

    start = time.perf_counter()
    my = torch.ops.define(REGISTRY)
    print(f"compiled and loaded in {time.perf_counter() - start:.2f} s\n")
    print(torch.ops.show(my.swoosh, stage="grad"))

    # The gradient, and the gradient's gradient, against finite differences.
    x = torch.linspace(-4, 4, 12, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: my.swoosh(x, beta=2.0), (x,))
    (slope,) = torch.autograd.grad(my.swoosh(x).sum(), x, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), x)
    step = 1e-5
    slopes = []
    for shift in (step, -step):
        moved = (x.detach() + shift).requires_grad_()
        slopes.append(torch.autograd.grad(my.swoosh(moved).sum(), moved)[0])
    assert torch.allclose(bend, (slopes[0] - slopes[1]) / (2 * step), atol=1e-8)
    print("gradcheck passed, first and second order\n")

    # An ordinary network and loop: learn a wave.
    torch.manual_seed(0)
    inputs = torch.linspace(-3, 3, 128).unsqueeze(1)
    targets = torch.sin(2 * inputs)
    model = Net(my.swoosh)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    losses = []
    with tqdm(range(args.steps), unit="step") as bar:
        for _ in bar:
            loss = nn.functional.mse_loss(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            bar.set_postfix_str(f"loss {losses[-1]:.5f}")
    print(f"learned sin(2x): loss {losses[0]:.5f} -> {losses[-1]:.5f}")


if __name__ == "__main__":
    main()
