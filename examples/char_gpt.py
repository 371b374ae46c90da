"""Train a character-level GPT on Python's own language reference, then let it write some.

    PYTHONPATH=frontend python examples/char_gpt.py                 # a few minutes on two cores
    PYTHONPATH=frontend python examples/char_gpt.py --sample-only   # write more from the checkpoint

The text is `pydoc_data.topics`, which every Python installation carries.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tqdm import tqdm

import opsmith as torch
from opsmith import nn
from opsmith.nn import functional as F
from opsmith.safetensors import load_file, save_file

ROOT = Path(__file__).resolve().parents[1]
HEAD = 32  # width of one attention head


class Block(nn.Module):
    """Pre-norm transformer block: causal self-attention, then a GELU MLP, each added to x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.merge = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, time, width) to the same shape."""
        batch, time, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(batch, time, 3, width // HEAD, HEAD)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (batch, heads, time, HEAD)
        y: torch.Tensor = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.merge(y.transpose(1, 2).reshape(batch, time, width))
        z: torch.Tensor = self.narrow(F.gelu(self.widen(self.norm2(x))))
        return x + z


class GPT(nn.Module):
    """Characters so far -> logits of the next one. Its alphabet is part of its state."""

    def __init__(self, alphabet: str, context: int, width: int, depth: int) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(len(alphabet), width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList([Block(width) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.register_buffer("alphabet", torch.tensor([ord(c) for c in alphabet]))
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:  # GPT-2's initialisation
                deep = name.endswith(("merge.weight", "narrow.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * depth) if deep else 0.02)

    @classmethod
    def from_state(cls, state: dict[str, torch.Tensor]) -> "GPT":
        """Rebuild a trained model: every size can be read off its state."""
        context, width = state["position.weight"].shape
        depth = sum(name.endswith("merge.weight") for name in state)
        model = cls("".join(map(chr, state["alphabet"].tolist())), context, width, depth)
        model.load_state_dict(state)
        return model

    @property
    def context(self) -> int:
        """How many characters it sees at most."""
        return self.position.weight.shape[0]

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Map (batch, time) character codes to (batch, time, alphabet) logits."""
        x = self.token(codes) + self.position(torch.arange(codes.shape[1]))
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.token.weight)  # the embedding's weight serves twice

    @torch.no_grad()
    def write(self, prompt: str, length: int, temperature: float, top_k: int) -> Iterator[str]:
        """Yield `length` characters, each drawn from the `top_k` likeliest."""
        alphabet = "".join(map(chr, self.alphabet.tolist()))
        codes = torch.tensor([[alphabet.index(c) for c in prompt if c in alphabet] or [0]])
        for _ in range(length):
            logits = self(codes[:, -self.context :])[:, -1] / temperature
            likeliest, indices = logits.topk(min(top_k, len(alphabet)))
            choice = torch.multinomial(torch.softmax(likeliest, -1), 1)
            codes = torch.cat([codes, indices.gather(1, choice)], 1)
            yield alphabet[int(codes[0, -1])]


def read_text() -> str:
    """Return the language reference as one ASCII string."""
    from pydoc_data.topics import topics

    text = "\n\n".join(topics[name] for name in sorted(topics))
    return text.encode("ascii", "ignore").decode()


def batch(codes: torch.Tensor, context: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `size` random excerpts and, for each character, the one that follows."""
    starts = torch.randint(0, len(codes) - context, (size,)).tolist()
    excerpts = torch.stack([codes[start : start + context + 1] for start in starts])
    return excerpts[:, :-1], excerpts[:, 1:]


def loss_of(model: GPT, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy per character, in nats."""
    return F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())


@torch.no_grad()
def validate(model: GPT, codes: torch.Tensor, size: int, count: int = 8) -> float:
    """Return the mean loss on `count` batches, the same ones each time."""
    starts = torch.linspace(0, len(codes) - model.context - 1, count * size).long().tolist()
    total = 0.0
    for i in range(0, len(starts), size):
        excerpts = torch.stack([codes[s : s + model.context + 1] for s in starts[i : i + size]])
        total += loss_of(model, excerpts[:, :-1], excerpts[:, 1:]).item()
    return total / count


def warm_cosine(steps: int) -> Callable[[int], float]:
    """Return the schedule: up over the first twentieth, then down to a tenth along a cosine."""
    warmup = max(1, steps // 20)

    def factor(step: int) -> float:
        """Fraction of the peak learning rate at a step."""
        done = (step - warmup) / max(1, steps - warmup)
        return (step + 1) / warmup if step < warmup else 0.1 + 0.45 * (1 + math.cos(math.pi * done))

    return factor


def train(model: GPT, codes: torch.Tensor, args: argparse.Namespace) -> None:
    """AdamW with warm-up and a cosine schedule; the last tenth of the text validates."""
    cut = len(codes) * 9 // 10
    training, validation = codes[:cut], codes[cut:]
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warm_cosine(args.steps))
    every = max(1, args.steps // 5)
    valid = validate(model, validation, args.batch)
    print(f"validation loss {valid:.3f} before training")
    with tqdm(total=args.steps, unit="step") as bar:
        for step in range(1, args.steps + 1):
            loss = loss_of(model, *batch(training, model.context, args.batch))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            if step % every == 0 or step == args.steps:
                valid = validate(model, validation, args.batch)
                tqdm.write(f"step {step}: validation loss {valid:.3f}")
            bar.update()
            bar.set_postfix_str(f"loss {loss.item():.3f}, validation {valid:.3f}")


def main() -> None:
    """Train and save, or load; then write."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1000, help="training steps")
    parser.add_argument("--batch", type=int, default=16, help="excerpts in a step")
    parser.add_argument("--context", type=int, default=128, help="characters in an excerpt")
    parser.add_argument("--width", type=int, default=128, help=f"a multiple of {HEAD}")
    parser.add_argument("--depth", type=int, default=4, help="transformer blocks")
    parser.add_argument("--lr", type=float, default=3e-3, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "build/demo/char_gpt.safetensors")
    parser.add_argument("--sample-only", action="store_true", help="load instead of training")
    parser.add_argument("--prompt", default='The "for" statement', help="what the text begins with")
    parser.add_argument("--length", type=int, default=500, help="characters to write")
    parser.add_argument("--temperature", type=float, default=0.8, help="below 1: surer, duller")
    parser.add_argument("--top-k", type=int, default=20, help="choose among so many characters")
    args = parser.parse_args()
    if args.width % HEAD or args.width <= 0:
        parser.error(f"--width must be a multiple of {HEAD}, found {args.width}")
    if args.temperature <= 0:
        parser.error(f"--temperature must be positive, found {args.temperature}")

    torch.manual_seed(args.seed)
    if args.sample_only:
        model = GPT.from_state(load_file(args.checkpoint))
    else:
        text = read_text()
        alphabet = "".join(sorted(set(text)))
        model = GPT(alphabet, args.context, args.width, args.depth)
        size = sum(parameter.numel() for parameter in model.parameters())
        print(f"GPT with {size:,} parameters; {len(text):,} characters, {len(alphabet)} different")
        code = {c: i for i, c in enumerate(alphabet)}
        start = time.perf_counter()
        train(model, torch.tensor([code[c] for c in text]), args)
        seconds = time.perf_counter() - start
        rate = args.steps * args.batch * args.context / seconds
        args.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        save_file(model.state_dict(), args.checkpoint)
        print(f"{seconds:.1f} s, {rate:,.0f} characters/s; checkpoint: {args.checkpoint}")
    print("-" * 80 + f"\n{args.prompt}", end="", flush=True)
    for character in model.write(args.prompt, args.length, args.temperature, args.top_k):
        print(character, end="", flush=True)
    print()


if __name__ == "__main__":
    main()
