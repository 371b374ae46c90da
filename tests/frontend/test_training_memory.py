"""Over a long training neither the allocator's, the tensors' nor the process's memory grows."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import opsmith as torch
from opsmith import nn
from opsmith._boundary import lib
from opsmith.nn import functional as F

STEPS, WARM = 10_000, 200
SLACK = 1 << 20  # bytes of the process: what malloc and the interpreter's arenas round up to


class Net(nn.Module):
    """One layer of every kind that training meets: running statistics, random masks, an index."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.drop, self.embed = nn.Dropout(0.1), nn.Embedding(8, 16)
        self.line, self.out = nn.Linear(64, 16), nn.Linear(16, 5)

    def forward(self, x, words):
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2).flatten(1)
        return self.out(self.drop(F.gelu(self.line(x))) + self.embed(words).mean(1))


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_memory_stays() -> None:
    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9999)
    total = 0.0

    def step(k: int) -> None:
        nonlocal total
        size = 4 + k % 3  # the last batch of an epoch is smaller
        x, words = torch.randn(size, 1, 8, 8), torch.randint(0, 8, (size, 3))
        loss = F.cross_entropy(net(x, words), torch.randint(0, 5, (size,)))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += loss.item()

    def held() -> tuple[int, int, int]:
        gc.collect()
        return lib.ops_live_tensors(), lib.ops_live_bytes(), resident()

    for k in range(WARM):
        step(k)
    before = held()
    for k in range(STEPS):
        step(k)
    after = held()
    assert after[:2] == before[:2]
    assert after[2] <= before[2] + SLACK, f"{(after[2] - before[2]) / 2**20:.1f} MiB more"
    assert total == total
