"""Planted boxes: the class is the sign of some features during some steps of noise (the feature and time boxes of Ismail et al. 2020).

The box lies early, in the middle or late; a network reads to the end and answers from its last state, so that what it knows of an early box has passed through
all steps after it. Each network, one for each cell and place, explains items of the data it was made for; the truth is the box.

Shapes: T steps, B items, F features.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import tenuto
from explanations.measures import mean_and_spread, share, top_cells
from tenuto import cells, explain

STEPS, FEATURES, LONG, WIDE = 30, 10, 6, 4  # of the data; of the box
PLACES = {"early": 2, "middle": 12, "late": 22}  # the box's first step
SIZE = 0.7  # of the box's mean, up or down, beside noise of variance one
CELLS = {"GRU": cells.GRU, "LSTM": cells.LSTM, "IndRNN": cells.IndRNN}


def items(count: int, place: str, generator: torch.Generator) -> tuple[Tensor, Tensor, np.ndarray]:
    """x [T, B, F], classes [B], and the cells of the box, [T, F]."""
    x, classes = torch.randn(STEPS, count, FEATURES, generator=generator), torch.randint(2, (count,), generator=generator)
    truth = np.zeros((STEPS, FEATURES), dtype=bool)
    first = PLACES[place]
    truth[first : first + LONG, 3 : 3 + WIDE] = True
    x[first : first + LONG, :, 3 : 3 + WIDE] += SIZE * (2.0 * classes[None, :, None] - 1.0)
    return x, classes, truth


class Reader(nn.Module):
    """One number from the last state, above zero for class 1."""

    def __init__(self, cell: tenuto.Cell, features: int, hidden: int) -> None:
        super().__init__()
        self.layer, self.head = tenuto.Recurrent(cell, features, hidden), nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x).output[-1])[:, 0]  # type: ignore[no-any-return]


def trained(cell: str, place: str, *, steps: int, seed: int) -> tuple[Reader, float]:
    """A network in evaluation mode, and the share of unseen items that it gets right."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = Reader(CELLS[cell](), FEATURES, 32)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(steps):
        x, classes, _ = items(64, place, generator)
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), classes.float())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    x, classes, _ = items(1000, place, generator)
    with torch.no_grad():
        right = ((model.eval()(x) > 0) == classes.bool()).float().mean().item()
    return model, round(right, 4)


def methods(smoke: bool) -> dict[str, explain.Method]:
    few = {"segments": 10, "samples": 450} if smoke else {"segments": 10, "samples": 1000}
    return {
        "contributions": explain.Contributions(),
        "gradient × input": explain.Gradient(),
        "smoothgrad": explain.SmoothGrad(),
        "integrated gradients": explain.IntegratedGradients(tolerance=0.01),
        "expected gradients": explain.ExpectedGradients(draws=64),
        "shapley, 10 segments × features": explain.Shapley("cells", **few),  # type: ignore[arg-type]
        "lime, 10 segments × features": explain.Lime("cells", segments=10, fill="background", redraws=2),
        "occlusion, single cells": explain.Occlusion(np.arange(STEPS * FEATURES).reshape(STEPS, FEATURES)),
    }


def measure(smoke: bool) -> Iterator[dict[str, Any]]:
    """The section, after each network."""
    found: dict[str, Any] = {"accuracy": {}, "values": {}, "items": 1 if smoke else 6}
    for cell in list(CELLS)[: 1 if smoke else None]:
        for place in PLACES:
            begin = time.perf_counter()
            model, right = trained(cell, place, steps=2 if smoke else 500, seed=0)
            found["accuracy"].setdefault(cell, {})[place] = right
            x, _, truth = items(found["items"], place, torch.Generator().manual_seed(1))
            for name, method in methods(smoke).items():
                values = [item.values for item in explain(model, x, target=lambda answer: answer, background="zero", method=method)]
                row = mean_and_spread([{**top_cells(one, truth), "share": share(one, truth)} for one in values])
                found["values"].setdefault(name, {}).setdefault(cell, {})[place] = row
            print(f"rectangles: {cell} {place} {right:.1%} right, {time.perf_counter() - begin:.0f} s", flush=True)
            yield found
