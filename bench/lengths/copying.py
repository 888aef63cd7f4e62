"""Copying with a Neural Turing Machine (Graves et al. 2014, section 4.1): ten seeds, 1 to 20 vectors of 8 bits in training, up to 80 afterwards."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lengths.settling import settle
from tenuto import cells
from tenuto.layers import NTM

BITS, LONGEST = 8, 20
SOLVED = 1e-3  # bits wrong in a hundred batches
NEARLY = 1e-2  # from here on the learning rate falls
SETTLING = 2000  # steps, until it is zero
RATE = 5e-4


def copying(length: int, batch: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """x [2 L + 1, B, 9]: L vectors of -1 and 1, a mark in a channel of its own, then nothing, which is zeros; and the vectors' bits [L, B, 8], to be said after the mark.

    With 0 and 1 instead, one vector in 256 is like nothing, and it takes most seeds long to tell them apart: 27 % of the sequences of 80 vectors have one.
    """
    told = torch.randint(0, 2, (length, batch, BITS), generator=chance).float()
    x = torch.zeros(2 * length + 1, batch, BITS + 1)
    x[:length, :, :BITS] = 2 * told - 1
    x[length, :, BITS] = 1
    return x, told


class Copier(nn.Module):
    """An NTM and what it says: the logits [L, B, 8] of the bits, after the mark."""

    def __init__(self, hidden_size: int, rows: int, width: int) -> None:
        super().__init__()
        self.encoder = NTM(cells.GRU(), BITS + 1, hidden_size, rows=rows, width=width)
        self.head = nn.Linear(self.encoder.output_width, BITS)

    def forward(self, x: Tensor) -> Tensor:
        said: Tensor = self.head(self.encoder(x).output[(len(x) + 1) // 2 :])
        return said


@torch.no_grad()
def wrong_at(model: Copier, length: int, seed: int) -> float:
    """The share of wrong bits of 32 sequences of this length."""
    x, told = copying(length, 32, torch.Generator().manual_seed(10_000 + seed))
    return float(((model(x) > 0) != told.bool()).float().mean())


def learnt(seed: int, seconds: float, longest: int, sizes: tuple[int, int, int]) -> dict[str, Any]:
    """One seed, until it is nearly right or the time is over; then some steps more, which become smaller and smaller."""
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    model = Copier(*sizes)
    optimiser = torch.optim.Adam(model.parameters(), RATE, amsgrad=True)

    def batch() -> tuple[Tensor, Tensor]:
        x, told = copying(int(torch.randint(1, longest + 1, (), generator=chance)), 16, chance)
        return model(x), told

    found = settle(model, optimiser, batch, seconds=seconds, nearly=NEARLY, settling=SETTLING, every=100)
    return {
        "seed": seed, "solved": next((step for step, wrong in found["curve"] if wrong <= SOLVED), None), "curve": found["curve"], "parameters": sum(weight.numel() for weight in model.parameters()),
        "steps": found["steps"], "seconds": found["seconds"], "wrong": {str(length): wrong_at(model, length, seed) for length in (longest, 2 * longest, 4 * longest, 6 * longest)},
    }  # fmt: skip


def copy(smoke: bool) -> Iterator[dict[str, Any]]:
    """Seed after seed."""
    seconds, longest, sizes, seeds = (1.0, 4, (8, 8, 4), 2) if smoke else (300.0, LONGEST, (100, 128, 20), 10)
    rows: list[dict[str, Any]] = []
    for seed in range(seeds):
        rows.append(learnt(seed, seconds, longest, sizes))
        yield {"longest": longest, "hidden_rows_width": list(sizes), "seconds": seconds, "rows": rows}


def median_of(rows: list[dict[str, Any]]) -> float:
    """Steps until a seed had solved it; one that never did counts as endless."""
    return statistics.median(float("inf") if row["solved"] is None else row["solved"] for row in rows)
