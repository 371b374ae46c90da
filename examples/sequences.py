"""Teach an LSTM which words of brackets are closed rightly: ([]) is, ([)] is not.

    PYTHONPATH=frontend python examples/sequences.py
    PYTHONPATH=frontend python examples/sequences.py --words 4000 --width 48

Words have different lengths, and nothing is padded: a Python loop reads each word to its end, and
that loop is the graph of its gradient. In the end it judges words twice as long as those it knows.
Everything below is ordinary PyTorch: only the import says otherwise.
"""

import argparse
import random
import time

from tqdm import tqdm

import opsmith as torch
from opsmith import nn

PAIRS = {"(": ")", "[": "]"}
ALPHABET = "()[]"


def closed_rightly(word: str) -> bool:
    """Is every bracket closed by its own kind, and in order?"""
    open_ones: list[str] = []
    for letter in word:
        if letter in PAIRS:
            open_ones.append(PAIRS[letter])
        elif not open_ones or open_ones.pop() != letter:
            return False
    return not open_ones


def make_word(rng: random.Random, length: int, deepest: int = 3) -> str:
    """A word that is closed rightly; half of the time one of its letters is then changed."""
    word = ""
    open_ones: list[str] = []
    while len(word) < length:
        room = length - len(word) > len(open_ones) and len(open_ones) < deepest
        if room and (not open_ones or rng.random() < 0.5):
            letter = rng.choice(list(PAIRS))
            open_ones.append(PAIRS[letter])
        else:
            letter = open_ones.pop()
        word += letter
    if rng.random() < 0.5:
        at = rng.randrange(length)
        word = word[:at] + rng.choice(ALPHABET.replace(word[at], "")) + word[at + 1 :]
    return word


class Reader(nn.Module):
    """Reads a word letter by letter; says at its end whether it was closed rightly."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.letters = nn.Embedding(len(ALPHABET), width)
        self.cell = nn.LSTMCell(width, width)
        self.judge = nn.Linear(width, 1)

    def forward(self, word: str) -> torch.Tensor:
        """Map a string to a logit."""
        letters = self.letters(torch.tensor([ALPHABET.index(letter) for letter in word]))
        state: tuple[torch.Tensor, torch.Tensor] | None = None
        for letter in letters:  # as many steps as there are letters: no padding, no mask
            state = self.cell(letter.unsqueeze(0), state)
        assert state is not None
        logit: torch.Tensor = self.judge(state[0])
        return logit.squeeze()


def evaluate(model: Reader, words: list[str]) -> float:
    """The percentage of words that are judged rightly."""
    with torch.no_grad():
        judged: list[bool] = [model(word).item() > 0 for word in words]
    right = sum(said == closed_rightly(word) for said, word in zip(judged, words, strict=True))
    return 100 * right / len(words)


def train(model: Reader, words: list[str], epochs: int, batch: int, rate: float) -> list[float]:
    """Adam on batches of words; returns the mean loss of each epoch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    losses: list[float] = []
    for epoch in range(1, epochs + 1):
        random.shuffle(words)
        total = 0.0
        with tqdm(total=len(words), desc=f"epoch {epoch:2}/{epochs}", unit=" word") as bar:
            for at in range(0, len(words), batch):
                chosen = words[at : at + batch]
                logits = torch.stack([model(word) for word in chosen])
                targets = torch.tensor([float(closed_rightly(word)) for word in chosen])
                loss = nn.functional.binary_cross_entropy_with_logits(logits, targets)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                total += loss.item() * len(chosen)
                bar.update(len(chosen))
            losses.append(total / len(words))
            bar.set_postfix_str(f"loss {losses[-1]:.3f}")
    return losses


def main() -> None:
    """Train, then report on words as long as those and on longer ones."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--words", type=int, default=3000, help="to train on; default 3000")
    parser.add_argument("--epochs", type=int, default=12, help="default 12")
    parser.add_argument("--width", type=int, default=32, help="of the state; default 32")
    parser.add_argument("--longest", type=int, default=16, help="letters; default 16")
    parser.add_argument("--batch", type=int, default=16, help="words a step; default 16")
    parser.add_argument("--rate", type=float, default=0.005, help="of Adam; default 0.005")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    args = parser.parse_args()

    rng = random.Random(args.seed)
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    lengths = range(2, args.longest + 1, 2)
    words = [make_word(rng, rng.choice(lengths)) for _ in range(args.words)]
    known = set(words)
    drawn = [make_word(rng, args.longest) for _ in range(1000)]
    unseen = [word for word in drawn if word not in known]
    longer = [make_word(rng, 2 * args.longest) for _ in range(300)]
    model = Reader(args.width)
    print(f"{len(words)} words of {lengths[0]} to {lengths[-1]} letters, seed {args.seed}")
    start = time.perf_counter()
    losses = train(model, words, args.epochs, args.batch, args.rate)
    seconds = time.perf_counter() - start
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f} in {seconds:.1f} s")
    print(f"unseen words of {args.longest} letters: {evaluate(model, unseen):.1f}% right")
    print(f"words of {2 * args.longest} letters: {evaluate(model, longer):.1f}% right")
    for word in ("([])", "([)]", "()[()]", "(()"):
        print(f"  {word:8} {'closed' if model(word).item() > 0 else 'not closed'}")


if __name__ == "__main__":
    main()
