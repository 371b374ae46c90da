"""Train a generative adversarial network on real handwritten digits, and draw what it makes up.

    PYTHONPATH=frontend python examples/gan.py --epochs 60

Two networks play against each other (Goodfellow et al., 2014): one makes images from noise, the
other tells them from real ones. Both are convolutional, as Radford et al. (2015) found to work.
"""

import argparse
import time
from pathlib import Path

from digits import load_digits
from pictures import save_grid
from tqdm import tqdm

import opsmith as torch
from opsmith import nn
from opsmith.nn import functional as F
from opsmith.utils.data import DataLoader, TensorDataset

HERE = Path(__file__).resolve().parent
NOISE = 32


def make_generator() -> nn.Sequential:
    """(n, NOISE) noise -> (n, 1, 8, 8) images in [0, 1]."""
    return nn.Sequential(
        nn.Linear(NOISE, 64 * 2 * 2, bias=False),
        nn.Unflatten(1, (64, 2, 2)),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1),
        nn.Sigmoid(),
    )


def make_critic() -> nn.Sequential:
    """(n, 1, 8, 8) images -> (n, 1) logits of being real."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 64, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(64 * 2 * 2, 1),
    )


def real_or_not(logits: torch.Tensor, label: float) -> torch.Tensor:
    """The loss of logits that all should say `label`."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def distance(generator: nn.Module, images: torch.Tensor) -> float:
    """How far the mean image made up is from the real mean: the root of the mean square."""
    with torch.no_grad():
        made: torch.Tensor = generator(torch.randn(500, NOISE)).mean(0)
        return ((made - images.mean(0)) ** 2).mean().sqrt().item()


def train(
    generator: nn.Module, critic: nn.Module, images: torch.Tensor, epochs: int
) -> tuple[float, float]:
    """Alternate steps of both networks; return the mean losses of the last epoch."""
    loader = DataLoader(TensorDataset(images), batch_size=64, shuffle=True, drop_last=True)
    learn_to_make = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    learn_to_judge = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.999))
    losses = (0.0, 0.0)
    with tqdm(range(epochs), unit=" epoch") as bar:
        for _ in bar:
            sums = [0.0, 0.0]
            for (batch,) in loader:
                made = generator(torch.randn(len(batch), NOISE))
                # 0.9 rather than 1: a critic that is never sure keeps teaching
                judged = real_or_not(critic(batch), 0.9) + real_or_not(critic(made.detach()), 0.0)
                learn_to_judge.zero_grad()
                judged.backward()
                learn_to_judge.step()

                fooled = real_or_not(critic(made), 1.0)
                learn_to_make.zero_grad()
                fooled.backward()
                learn_to_make.step()
                sums[0] += fooled.item()
                sums[1] += judged.item()
            losses = (sums[0] / len(loader), sums[1] / len(loader))
            bar.set_postfix_str(f"generator {losses[0]:.2f}, critic {losses[1]:.2f}")
    return losses


def main() -> None:
    """Train, report, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60, help="default 60")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--out", type=Path, default=HERE.parent / "build" / "demo" / "gan.png")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    (images, _), _ = load_digits(args.seed)
    generator, critic = make_generator(), make_critic()
    before = distance(generator, images)
    start = time.perf_counter()
    made, judged = train(generator, critic, images, args.epochs)
    seconds = time.perf_counter() - start
    after = distance(generator, images)
    print(f"losses: generator {made:.2f}, critic {judged:.2f} after {seconds:.1f} s")
    print(f"distance of the mean image from the real one: {before:.3f} -> {after:.3f}")
    generator.eval()
    with torch.no_grad():
        drawn = generator(torch.randn(60, NOISE))
    save_grid(args.out, [("digits made up", drawn), ("real digits", images[:12])])
    print(f"picture: {args.out}")


if __name__ == "__main__":
    main()
