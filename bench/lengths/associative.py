"""Associative recall with a Neural Turing Machine (Graves et al. 2014, section 4.3): which item came after this one? 2 to 6 items in training, 12 afterwards; three seeds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lengths.settling import settle
from tenuto import cells
from tenuto.layers import NTM

BITS, VECTORS = 6, 3  # of an item: so many vectors, each of so many bits
MOST = 6  # items in training
BATCH, RATE = 16, 2e-3
NEARLY = 0.005  # bits wrong in 250 batches: from here on the learning rate falls
SETTLING = 2000  # steps, until it is zero
TESTED = 2000  # sequences of each number of items


def recalling(items: int, questions: int, batch: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """x [4 (n + 2 Q), B, 8] and the bits [Q, 3, B, 6] to be said: n items, a mark before each; then Q times one of them, but for the last, with another mark, and after a mark three steps in which the next one is said.

    No item is asked for twice.
    """
    told = torch.randint(0, 2, (items, VECTORS, batch, BITS), generator=chance).float()
    order = torch.stack([torch.randperm(items - 1, generator=chance)[:questions] for _ in range(batch)], 1)
    x, every = torch.zeros(items + 2 * questions, VECTORS + 1, batch, BITS + 2), torch.arange(batch)
    x[:items, 0, :, BITS], x[:items, 1:, :, :BITS] = 1, 2 * told - 1
    x[items:, 0, :, BITS + 1] = 1
    for k, asked in enumerate(order):
        x[items + 2 * k, 1:, :, :BITS] = 2 * told[asked, :, every].transpose(0, 1) - 1
    return x.flatten(0, 1), torch.stack([told[asked + 1, :, every].transpose(0, 1) for asked in order])


class Recaller(nn.Module):
    """An NTM and what it says after each question: logits [Q, 3, B, 6]."""

    def __init__(self, hidden_size: int, rows: int, width: int) -> None:
        super().__init__()
        self.encoder = NTM(cells.LSTM(), BITS + 2, hidden_size, rows=rows, width=width)
        self.head = nn.Linear(self.encoder.output_width, BITS)

    def forward(self, x: Tensor, questions: int) -> Tensor:
        groups = self.encoder(x).output.unflatten(0, (-1, VECTORS + 1))
        said: Tensor = self.head(groups[-2 * questions :][1::2, 1:])
        return said


@torch.no_grad()
def wrong_at(model: Recaller, items: int, questions: int, seed: int) -> float:
    """The share of wrong bits of TESTED sequences with so many items."""
    x, told = recalling(items, questions, TESTED, torch.Generator().manual_seed(10_000 + seed))
    return float(((model(x, questions) > 0) != told.bool()).float().mean())


def learnt(seed: int, seconds: float, settling: int, most: int, sizes: tuple[int, int, int]) -> dict[str, Any]:
    """One seed, until it is nearly right or the time is over; then some steps more, which become smaller and smaller. In training all items but the last are asked for, one after the other."""
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    model = Recaller(*sizes)
    optimiser = torch.optim.Adam(model.parameters(), RATE)

    def batch() -> tuple[Tensor, Tensor]:
        items = int(torch.randint(2, most + 1, (), generator=chance))
        x, told = recalling(items, items - 1, BATCH, chance)
        return model(x, items - 1), told

    found = settle(model, optimiser, batch, seconds=seconds, nearly=NEARLY, settling=settling, every=250)
    wrong = {str(items): wrong_at(model, items, 1, seed) for items in (most, most + most // 2, 2 * most)}
    return {"seed": seed, "parameters": sum(weight.numel() for weight in model.parameters()), **found, "wrong": wrong}


def associative(smoke: bool) -> Iterator[dict[str, Any]]:
    """Seed after seed."""
    seconds, settling, most, sizes, seeds = (1.0, 20, 3, (8, 16, 4), 1) if smoke else (300.0, SETTLING, MOST, (64, 64, 20), 3)
    rows: list[dict[str, Any]] = []
    for seed in range(seeds):
        rows.append(learnt(seed, seconds, settling, most, sizes))
        yield {"most": most, "hidden_rows_width": list(sizes), "seconds": seconds, "rows": rows}
