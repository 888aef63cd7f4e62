"""Handwritten digits of 8 by 8 pixels, read pixel by pixel, 64 steps: recurrent layers beside a Transformer; and a stack of 20 layers with and without a way past each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenuto import Recurrent, cells
from tenuto.layers import Blocks, Hybrid, Transformer

Data = tuple[Tensor, Tensor, Tensor, Tensor]


def pixels() -> Data:
    """x [64, N, 1] and y [N] to learn from, and 360 others, one of five in the order of scikit-learn's set."""
    from sklearn.datasets import load_digits

    found = load_digits()
    x, y = torch.from_numpy(found.data.astype(np.float32).T[..., None] / 16 - 0.3), torch.from_numpy(found.target.astype(np.int64))
    test = torch.arange(len(y)) % 5 == 4
    return x[:, ~test], y[~test], x[:, test], y[test]


class Reader(nn.Module):
    """An encoder, and a line over its last output."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(encoder.output_width, 10)

    def forward(self, x: Tensor) -> Tensor:
        said: Tensor = self.head(self.encoder(x).output[-1])
        return said


def learnt(make: Any, data: Data, *, seed: int, epochs: int, rate: float, batch: int = 32) -> dict[str, Any]:
    """Accuracy on the others after each epoch. The learning rate rises over 50 steps and falls to zero as a cosine."""
    x, y, other_x, other_y = data
    torch.manual_seed(seed)
    model = Reader(make())
    optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.01)
    total = epochs * -(-len(y) // batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1.0, (step + 1) / 50) * 0.5 * (1 + float(np.cos(np.pi * step / total))))
    chance, curve, begin = torch.Generator().manual_seed(seed), [], time.process_time()
    for _ in range(epochs):
        losses = []
        for rows in torch.randperm(len(y), generator=chance).split(batch):
            loss = nn.functional.cross_entropy(model(x[:, rows]), y[rows])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0, error_if_nonfinite=True)
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        with torch.no_grad():
            curve.append([sum(losses) / len(losses), float((model(other_x).argmax(-1) == other_y).float().mean())])
    return {"seed": seed, "parameters": sum(weight.numel() for weight in model.parameters()), "seconds": round(time.process_time() - begin, 1), "accuracy": curve[-1][1], "curve": curve}


def digits(smoke: bool) -> Iterator[dict[str, Any]]:
    """Three encoders of nearly as many weights, three seeds each."""
    data, rows = pixels(), list[dict[str, Any]]()
    data = tuple(part[:, :64] if part.dim() == 3 else part[:64] for part in data) if smoke else data  # type: ignore[assignment]
    made = {
        "GRU, 64 units": lambda: Recurrent(cells.GRU(), 1, 64),
        "Transformer, 2 layers of 24": lambda: Transformer(1, 24, 2, heads=4),
        "hybrid, 1 recurrent layer of 24": lambda: Hybrid(cells.GRU(), 1, 24, 1, heads=4, expansion=2),
    }
    for seed in range(1 if smoke else 3):
        for name, make in made.items():
            rows.append({"encoder": name, **learnt(make, data, seed=seed, epochs=1 if smoke else 20, rate=5e-3)})
            yield {"rows": rows}


def depth(smoke: bool) -> Iterator[dict[str, Any]]:
    """Twenty layers of an LSTM, one upon the other and with a way past each, on the rows of the same digits: 8 steps of 8 pixels."""
    x, y, other_x, other_y = pixels()
    data = (x.view(8, 8, -1).transpose(1, 2).contiguous(), y, other_x.view(8, 8, -1).transpose(1, 2).contiguous(), other_y)
    data = tuple(part[:, :64] if part.dim() == 3 else part[:64] for part in data) if smoke else data  # type: ignore[assignment]
    layers, rows = 2 if smoke else 20, list[dict[str, Any]]()
    made = {"plain": lambda: Recurrent(cells.LSTM(), 8, 24, layers), "pre-norm": lambda: Blocks(cells.LSTM(), 8, 24, layers, expansion=2)}
    for seed in range(1 if smoke else 2):
        for name, make in made.items():
            rows.append({"stack": name, "layers": layers, **learnt(make, data, seed=seed, epochs=1 if smoke else 5, rate=3e-3)})
            yield {"rows": rows}
