"""The adding problem: a sequence of numbers, two of which are marked; their sum is asked for at the end (Hochreiter & Schmidhuber 1997, section 5.4)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tenuto import Recurrent, cells
from tenuto.cell import Cell, State
from tenuto.layers import Init

GOAL = 1e-3


class MinGRU(Cell):
    """A diagonal cell whose gate reads the input alone (Feng et al. 2024, "Were RNNs all we needed?", section 3.1): h_t = (1 - z) h_{t-1} + z c, z = sigmoid(W x + b)."""

    gates = "z c"
    state = "h"

    def step(self, x, U, s):
        z = torch.sigmoid(x.z)
        return State(h=s.h + z * (x.c - s.h))


def drawn(steps: int, batch: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """x [T, B, 2]: numbers from 0 to 1, and marks, one in each half; and the sums [B] of the two that are marked."""
    numbers, marks = torch.rand(steps, batch, generator=chance), torch.zeros(steps, batch)
    for begin, end in ((0, steps // 2), (steps // 2, steps)):
        marks.scatter_(0, torch.randint(begin, end, (1, batch), generator=chance), 1.0)
    return torch.stack([numbers, marks], -1), (numbers * marks).sum(0)


class Adder(nn.Module):
    """A recurrent layer, and a line over its last output."""

    def __init__(self, cell: Cell, hidden: int, steps: int) -> None:
        super().__init__()
        self.layer, self.head = Recurrent(cell, 2, hidden, init=Init(longest=steps)), nn.Linear(hidden, 1)
        if isinstance(cell, MinGRU):  # its z writes: what forgets is 1 - z
            with torch.no_grad():
                self.layer.bias_l0[:hidden].neg_()

    def forward(self, x: Tensor) -> Tensor:
        said: Tensor = self.head(self.layer(x).output[-1])[:, 0]
        return said


class Course(NamedTuple):
    """What is trained: a cell, its size, steps in time, rows, learning rate; seconds of a processor at most."""

    name: str
    cell: Cell
    hidden: int
    steps: int
    batch: int
    rate: float
    seconds: float


COURSES = (
    Course("GRU", cells.GRU(), 64, 600, 50, 3e-3, 600.0),
    Course("minGRU", MinGRU(), 128, 5_000, 20, 2e-2, 400.0),
)


def trained(course: Course, seed: int, every: int) -> Iterator[dict[str, Any]]:
    """Mean squared errors as they fall, until the mean over `every` batches, each of them new, and that over 1,000 test sequences, is at the goal; or the time is over."""
    torch.manual_seed(seed)
    chance, other = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(10_000 + seed)
    model = Adder(course.cell, course.hidden, course.steps)
    optimiser = torch.optim.Adam(model.parameters(), course.rate)
    tests = [drawn(course.steps, 100, other) for _ in range(10)]
    found: dict[str, Any] = {"cell": course.name, "hidden": course.hidden, "time_steps": course.steps, "batch": course.batch, "rate": course.rate, "seed": seed, "curve": [], "solved": False}
    begin, step, window = time.process_time(), 0, []
    while time.process_time() - begin < course.seconds:
        x, sums = drawn(course.steps, course.batch, chance)
        loss = (model(x) - sums).square().mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0, error_if_nonfinite=True)
        optimiser.step()
        step += 1
        window.append(float(loss.detach()))
        if step % every:
            continue
        mean, window = sum(window) / len(window), []
        found["curve"].append([step, mean])
        found |= {"steps": step, "seconds": round(time.process_time() - begin, 1)}
        if mean <= 4 * GOAL:
            with torch.no_grad():
                found["test"] = float(torch.stack([(model(x) - sums).square().mean() for x, sums in tests]).mean())
            if found["test"] <= GOAL:
                yield found | {"solved": True}
                return
            for group in optimiser.param_groups:  # near the goal, smaller steps
                group["lr"] = max(course.rate / 16, group["lr"] * 0.9)
        yield found


def adding(smoke: bool) -> Iterator[dict[str, Any]]:
    """Three seeds of the GRU, one of the long course."""
    rows: list[dict[str, Any]] = []
    for course in COURSES:
        course = course._replace(steps=40, seconds=1.0, hidden=8) if smoke else course
        for seed in range(1 if smoke else 3 if course.steps < 1_000 else 1):  # the long one once
            last: dict[str, Any] = {}
            for last in trained(course, seed, 5 if smoke else 100):
                yield {"rows": [*rows, last]}
            rows.append(last)
    yield {"rows": rows}
