"""Learn to balance a pole on a cart by trying, and draw how long it stands.

    PYTHONPATH=frontend python examples/cartpole.py
    PYTHONPATH=frontend python examples/cartpole.py --updates 150 --carts 32

The cart is pushed to the left or to the right, fifty times a second; what counts is how long the
pole stays up (the task of Barto, Sutton and Anderson, 1983). The policy's gradient is estimated
from episodes (REINFORCE, Williams, 1992), with what a second network expected as the baseline.
"""

import argparse
import math
import random
import time
from pathlib import Path

from pictures import Panel, save_plots
from tqdm import tqdm

import opsmith as torch
from opsmith import nn
from opsmith.nn import functional as F

HERE = Path(__file__).resolve().parent


class Cart:
    """A cart on a track, with a pole on a hinge; an action is 0 (push left) or 1 (push right)."""

    GRAVITY, CART, POLE = 9.8, 1.0, 0.1  # m/s^2, kg, kg
    HALF, FORCE, TICK = 0.5, 10.0, 0.02  # half the pole's length in m, N, s
    TRACK, TILT = 2.4, math.radians(12)  # where an episode ends: m, rad

    def __init__(self, rng: random.Random) -> None:
        self.place, self.speed, self.angle, self.spin = (rng.uniform(-0.05, 0.05) for _ in range(4))

    def state(self) -> list[float]:
        """What the policy sees."""
        return [self.place, self.speed, self.angle, self.spin]

    def push(self, action: int) -> bool:
        """Move on by one tick; return whether the pole still stands and the cart is on its track.

        The equations of motion are Newton's, with no friction (Florian, 2007).
        """
        force = self.FORCE if action == 1 else -self.FORCE
        mass, sine, cosine = self.CART + self.POLE, math.sin(self.angle), math.cos(self.angle)
        push = (force + self.POLE * self.HALF * self.spin**2 * sine) / mass
        turn = (self.GRAVITY * sine - cosine * push) / (
            self.HALF * (4 / 3 - self.POLE * cosine**2 / mass)
        )
        shift = push - self.POLE * self.HALF * turn * cosine / mass
        self.place += self.TICK * self.speed
        self.speed += self.TICK * shift
        self.angle += self.TICK * self.spin
        self.spin += self.TICK * turn
        return abs(self.place) <= self.TRACK and abs(self.angle) <= self.TILT


class Agent(nn.Module):
    """The policy, and what it expects: states (n, 4) -> logits (n, 2), values (n,)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.policy = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 2))
        self.value = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 1))

    def forward(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both."""
        logits: torch.Tensor = self.policy(states)
        values: torch.Tensor = self.value(states)
        return logits, values.squeeze(1)


Episode = list[tuple[list[float], int]]  # states, and what was done in them


def play(agent: Agent, rng: random.Random, carts: int, longest: int) -> list[Episode]:
    """Let the agent play some episodes side by side; each lasts as long as its pole stands."""
    episodes: list[Episode] = [[] for _ in range(carts)]
    standing = [(Cart(rng), episode) for episode in episodes]
    with torch.no_grad():
        for _ in range(longest):
            states = [cart.state() for cart, _ in standing]
            chances = F.softmax(agent(torch.tensor(states))[0], 1)
            actions = torch.multinomial(chances, 1).squeeze(1).tolist()
            still = []
            for (cart, episode), state, action in zip(standing, states, actions, strict=True):
                episode.append((state, action))
                if cart.push(action):
                    still.append((cart, episode))
            standing = still
            if not standing:
                break
    return episodes


def returns(length: int, discount: float) -> list[float]:
    """What is still to come at each tick of an episode: one a tick, later ones count less."""
    found, total = [], 0.0
    for _ in range(length):
        total = 1 + discount * total
        found.append(total)
    return found[::-1]


def loss_of(agent: Agent, episodes: list[Episode], discount: float) -> torch.Tensor:
    """The loss whose gradient is the policy's, plus how wrong the expectation was."""
    steps = [step for episode in episodes for step in episode]
    states = torch.tensor([state for state, _ in steps])
    actions = torch.tensor([action for _, action in steps])
    came = torch.tensor([r for episode in episodes for r in returns(len(episode), discount)])
    came = came * (1 - discount)  # between 0 and 1
    logits: torch.Tensor
    expected: torch.Tensor
    logits, expected = agent(states)
    better = came - expected.detach()
    better = (better - better.mean()) / (better.std() + 1e-6)
    chosen = F.log_softmax(logits, 1).gather(1, actions.unsqueeze(1)).squeeze(1)
    certain = (F.softmax(logits, 1) * F.log_softmax(logits, 1)).sum(1)
    return -(chosen * better).mean() + F.mse_loss(expected, came) + 0.01 * certain.mean()


def train(
    agent: Agent, rng: random.Random, updates: int, carts: int, longest: int, discount: float
) -> list[float]:
    """Play, then one step of Adam; return the mean length of each round's episodes."""
    optimizer = torch.optim.Adam(agent.parameters(), lr=0.01)
    lengths: list[float] = []
    with tqdm(range(updates), unit=" update") as bar:
        for _ in bar:
            episodes = play(agent, rng, carts, longest)
            loss = loss_of(agent, episodes, discount)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 1.0)
            optimizer.step()
            lengths.append(sum(map(len, episodes)) / carts)
            bar.set_postfix_str(f"ticks upright {lengths[-1]:.0f}")
    return lengths


def draw(path: Path, agent: Agent, lengths: list[float], longest: int) -> None:
    """How long poles stood, and what the policy does where."""
    angle, spin = torch.linspace(-12, 12, 97), torch.linspace(-120, 120, 97)
    across, along = spin.repeat_interleave(97), angle.repeat(97)
    still = torch.zeros(97 * 97)
    states = torch.stack([still, still, torch.deg2rad(along), torch.deg2rad(across)], 1)
    with torch.no_grad():
        right = F.softmax(agent(states)[0], 1)[:, 1].reshape(97, 97)
    updates = torch.arange(1, len(lengths) + 1)
    most = torch.full((len(lengths),), float(longest))
    stood = {"mean of a round": (updates, torch.tensor(lengths)), "longest": (updates, most)}
    save_plots(
        path,
        [
            Panel("ticks upright", "update", "", stood),
            Panel(
                "chance of a push to the right, cart at rest",
                "angle of the pole (degrees)", "degrees a second",
                values=right, extent=(-12, 12, -120, 120),
            ),
        ],
    )  # fmt: skip


def main() -> None:
    """Train, report, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=80, help="default 80")
    parser.add_argument("--carts", type=int, default=16, help="episodes an update; default 16")
    parser.add_argument("--longest", type=int, default=500, help="ticks; default 500")
    parser.add_argument("--discount", type=float, default=0.98, help="default 0.98")
    parser.add_argument("--width", type=int, default=32, help="of the layers; default 32")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--out", type=Path, default=HERE.parent / "build" / "demo" / "cartpole.png")
    args = parser.parse_args()

    rng = random.Random(args.seed)
    torch.manual_seed(args.seed)
    agent = Agent(args.width)
    start = time.perf_counter()
    lengths = train(agent, rng, args.updates, args.carts, args.longest, args.discount)
    tenth = max(1, len(lengths) // 10)
    first, last = (sum(part) / tenth for part in (lengths[:tenth], lengths[-tenth:]))
    print(
        f"ticks upright {first:.0f} -> {last:.0f} of {args.longest} "
        f"after {time.perf_counter() - start:.1f} s"
    )
    draw(args.out, agent, lengths, args.longest)
    print(f"picture: {args.out}")


if __name__ == "__main__":
    main()
