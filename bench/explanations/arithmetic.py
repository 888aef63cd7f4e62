"""A sum over a long gap: the answer is a + b, two marked numbers among others (after the arithmetic task of Arras et al. 2019).

Each step has a number from -1 to 1 and a mark. a is marked in the first tenth of the steps and b in the last; all other numbers are to be ignored. Of a right explanation
everything lies on these two steps, what lies on a's step is a and what lies on b's step is b. The reference is the same item with its marks and with zeros for all numbers,
so that the numbers are what is explained. (Against no marks at all, which no network has seen, all methods find less: one row shows it.)

Shapes: T steps, B items; two features.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from explanations.measures import share
from explanations.rectangles import Reader
from tenuto import cells, explain

CELLS = {"GRU": cells.GRU, "LSTM": cells.LSTM}


def items(count: int, steps: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """x [T, B, 2] and the steps of a and b, [2, B]."""
    numbers, edge = 2.0 * torch.rand(steps, count, generator=generator) - 1.0, max(1, steps // 10)
    places = torch.randint(edge, (2, count), generator=generator)
    places[1] = steps - 1 - places[1]
    marks = torch.zeros(steps, count).scatter_(0, places, 1.0)
    return torch.stack([numbers, marks], 2), places


def sums(x: Tensor) -> Tensor:
    """[B], a + b."""
    return (x[..., 0] * x[..., 1]).sum(0)


def trained(cell: str, steps: int, *, most: int, good: float, seed: int) -> tuple[Reader, float, int]:
    """A network in evaluation mode, the mean squared error on unseen items, and how many training steps there were."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = Reader(CELLS[cell](), 2, 32)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    recent, taken = 1.0, 0
    while taken < most and recent >= good:
        taken += 1
        x, _ = items(64, steps, generator)
        loss = (model(x) - sums(x)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recent = 0.98 * recent + 0.02 * loss.item()
    x, _ = items(1000, steps, generator)
    with torch.no_grad():
        return model.eval(), (model(x) - sums(x)).square().mean().item(), taken


def methods(steps: int) -> dict[str, explain.Method]:
    every = np.repeat(np.arange(steps)[:, None], 2, axis=1)
    return {
        "contributions": explain.Contributions(),
        "gradient × input": explain.Gradient(),
        "smoothgrad": explain.SmoothGrad(),
        "integrated gradients": explain.IntegratedGradients(tolerance=0.01),
        "expected gradients": explain.ExpectedGradients(draws=64),
        "shapley, steps as players": explain.Shapley(every, samples=600),
        "lime, steps as players": explain.Lime(every, fill="background", redraws=2),
        "occlusion, single steps": explain.Occlusion(every),
    }


def agreement(values: list[np.ndarray], x: Tensor, places: Tensor) -> dict[str, float]:
    """The share of |values of steps| on the two right steps (mean over items); the correlation of what lies on them with a and b."""
    by_step = np.stack([one.sum(1) for one in values], 1)  # [T, B], number and mark together
    truth = x[..., 1].bool().numpy()
    found = {"share": float(np.mean([share(by_step[:, item], truth[:, item]) for item in range(len(values))]))}
    for name, place in zip("ab", places.numpy()):
        rows = np.arange(len(values))
        found[f"correlation {name}"] = float(np.corrcoef(by_step[place, rows], x[place, rows, 0])[0, 1])
    return found


def measure(smoke: bool) -> Iterator[dict[str, Any]]:
    """The section, after each network."""
    found: dict[str, Any] = {"networks": {}, "values": {}, "items": 3 if smoke else 20}
    for gap in (10,) if smoke else (100,):
        for cell in list(CELLS)[: 1 if smoke else None]:
            begin = time.perf_counter()
            model, error, taken = trained(cell, gap, most=3 if smoke else 3000, good=1e-3, seed=0)
            found["networks"].setdefault(cell, {})[str(gap)] = {"mean squared error": error, "training steps": taken}
            x, places = items(found["items"], gap, torch.Generator().manual_seed(1))
            marks = x.clone()
            marks[..., 0] = 0.0
            rows = {name: (method, marks) for name, method in methods(gap).items()} | {"contributions, against no marks": (explain.Contributions(), 0.0 * x)}
            for name, (method, reference) in rows.items():
                values = [
                    explain(model, x[:, row : row + 1], target=lambda answer: answer, background=reference[:, row : row + 1], method=method)[0].values for row in range(x.shape[1])
                ]
                found["values"].setdefault(name, {}).setdefault(cell, {})[str(gap)] = agreement(values, x, places)
            print(f"arithmetic: {cell}, {gap} steps, mean squared error {error:.2g} after {taken}; {time.perf_counter() - begin:.0f} s", flush=True)
            yield found
