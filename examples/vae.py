"""Train a variational autoencoder on real handwritten digits, and draw digits from noise.

    PYTHONPATH=frontend python examples/vae.py --epochs 60

The loss is the negative evidence lower bound (Kingma and Welling, 2014): how badly an image is
rebuilt from its code, plus how far the codes' distribution is from a standard normal one.
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


class VAE(nn.Module):
    """(n, 1, 8, 8) image -> mean and log-variance of its code -> logits of the image."""

    def __init__(self, code: int = 8) -> None:
        super().__init__()
        self.code = code
        self.encode = nn.Sequential(
            nn.Conv2d(1, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * 2 * 2, 2 * code),
        )
        self.decode = nn.Sequential(
            nn.Linear(code, 64 * 2 * 2),
            nn.ReLU(),
            nn.Unflatten(1, (64, 2, 2)),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(64, 32, 3, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1),
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the logits of the rebuilt images, and the codes' means and log-variances."""
        mean, log_variance = self.encode(x).chunk(2, 1)
        noise = torch.randn_like(mean)
        return self.decode(mean + noise * (log_variance / 2).exp()), mean, log_variance


def bound(
    logits: torch.Tensor, images: torch.Tensor, mean: torch.Tensor, log_variance: torch.Tensor
) -> torch.Tensor:
    """The negative evidence lower bound of an image, in nats, averaged over the batch."""
    rebuilt = F.binary_cross_entropy_with_logits(logits, images, reduction="sum")
    divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()
    return (rebuilt + divergence) / len(images)


def evaluate(model: VAE, images: torch.Tensor) -> float:
    """The loss on images that were not trained on."""
    with torch.no_grad():
        logits, mean, log_variance = model(images)
        return bound(logits, images, mean, log_variance).item()


def train(
    model: VAE, images: torch.Tensor, held_out: torch.Tensor, epochs: int
) -> list[float]:
    """Adam; return each epoch's loss on the held-out images."""
    loader = DataLoader(TensorDataset(images), batch_size=64, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    losses: list[float] = []
    with tqdm(range(epochs), unit=" epoch") as bar:
        for _ in bar:
            for (batch,) in loader:
                logits, mean, log_variance = model(batch)
                loss = bound(logits, batch, mean, log_variance)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            losses.append(evaluate(model, held_out))
            bar.set_postfix_str(f"held-out loss {losses[-1]:.2f} nats")
    return losses


def main() -> None:
    """Train, report, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60, help="default 60")
    parser.add_argument("--code", type=int, default=8, help="numbers in a code, default 8")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--out", type=Path, default=HERE.parent / "build" / "demo" / "vae.png")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    (images, _), (held_out, _) = load_digits(args.seed)
    model = VAE(args.code)
    before = evaluate(model, held_out)
    start = time.perf_counter()
    losses = train(model, images, held_out, args.epochs)
    print(
        f"held-out loss {before:.2f} -> {losses[-1]:.2f} nats an image "
        f"after {time.perf_counter() - start:.1f} s"
    )
    with torch.no_grad():
        drawn = torch.sigmoid(model.decode(torch.randn(48, args.code)))
        rebuilt = torch.sigmoid(model(held_out[:12])[0])
    rows = [
        ("digits drawn from noise", drawn),
        ("held-out digits, and below them what their codes say", held_out[:12]),
        ("", rebuilt),
    ]
    save_grid(args.out, rows)
    print(f"picture: {args.out}")


if __name__ == "__main__":
    main()
