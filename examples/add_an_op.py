# %% [markdown]
"""# Add an op: write its formula, look at what the compiler makes of it, train with it.

A notebook as a script: editors that know `# %%` run it cell by cell, and Python runs it whole:

    PYTHONPATH=frontend python examples/add_an_op.py

The text of the second cell is the whole implementation. It goes through the same compiler, and the
same checks, as the ops of the library; put into a file of your own, `opsmith.ops.load("my.yaml")`
reads it.
"""

# %% What this script needs
import argparse
import time
from pathlib import Path

from pictures import Panel, save_plots
from tqdm import tqdm

import opsmith as torch
from opsmith import nn
from opsmith.testing import gradcheck

parser = argparse.ArgumentParser(description="Define an op from its formula and train with it.")
parser.add_argument("--steps", type=int, default=500, help="training steps; default 500")
parser.add_argument("--out", type=Path, default=Path("build/demo/add_an_op.png"))
args, _ = parser.parse_known_args()  # a notebook has arguments of its own

# %% The op, all of it
REGISTRY = """
- op: swoosh(Tensor input, *, float beta=1.0) -> Tensor
  out: input * sigmoid(beta * input)
  dtype: int_to_float
  doc: {short: The input where it is positive; smoothly less and less of it below zero.}
  samples: [{input: [3, 4], range: [-6, 6]}, {input: [5], beta: 2.0, range: [-6, 6]}]
"""
start = time.perf_counter()
my = torch.ops.define(REGISTRY)
print(f"compiled and loaded in {time.perf_counter() - start:.2f} s\n")

# %% The gradient was derived from the formula
print(torch.ops.show(my.swoosh, stage="grad"))

# %% So was the C: this is the loop that runs on float32
print(torch.ops.show(my.swoosh, stage="c", dtype="f32"))

# %% Value and gradient, and the gradient's gradient, at 400 places
x = torch.linspace(-5, 5, 400, requires_grad=True)
value = my.swoosh(x, beta=2.0)
(slope,) = torch.autograd.grad(value.sum(), x, create_graph=True)
(bend,) = torch.autograd.grad(slope.sum(), x)
curves = {
    "value": (x.detach(), value.detach()),
    "second derivative": (x.detach(), bend),
    "gradient": (x.detach(), slope.detach()),
}

# %% Both orders against finite differences
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


# %% A network with the op between its layers
class Net(nn.Module):
    """1 -> width -> width -> 1."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.enter, self.middle = nn.Linear(1, width), nn.Linear(width, width)
        self.leave = nn.Linear(width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, 1) to (n, 1)."""
        x = my.swoosh(self.enter(x), beta=2.0)
        left: torch.Tensor = self.leave(my.swoosh(self.middle(x), beta=2.0))
        return left


# %% An ordinary loop: learn a wave
torch.manual_seed(0)
inputs = torch.linspace(-3, 3, 128).unsqueeze(1)
targets = torch.sin(2 * inputs)
model = Net()
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
losses = []
with tqdm(range(args.steps), unit=" step") as bar:
    for _ in bar:
        loss = nn.functional.mse_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        bar.set_postfix_str(f"loss {losses[-1]:.5f}")
print(f"learned sin(2x): loss {losses[0]:.5f} -> {losses[-1]:.5f}")

# %% What came of it
with torch.no_grad():
    learned = {
        "network": (inputs[:, 0], model(inputs)[:, 0]),
        "sin(2x)": (inputs[:, 0], targets[:, 0]),
    }
panels = [Panel("swoosh, beta = 2", "x", "", curves), Panel("learned", "x", "y", learned)]
save_plots(args.out, panels)
print(f"picture: {args.out}")
