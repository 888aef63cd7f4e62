"""The module behind `Forecaster`: recurrent layers over the past, and a head that gives the quantiles of all steps ahead at once.

Shapes: B batch, T time, F features, W width of the layer's output, O origins, h steps ahead, P features of a step ahead, Q quantiles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import silu, softplus

from tenuto.cell import Cell
from tenuto.data.series.windows import Batch
from tenuto.layers import Recurrent
from tenuto.networks.anatomy import Network

LEAST_GAP = 1e-3  # between two quantiles, in scales, when training begins


class Features(nn.Module):
    """The features of a batch as they are."""

    def forward(self, batch: Batch) -> Tensor:
        """[T, B, F]."""
        return batch.x


class Quantiles(nn.Module):
    """From the encoder's output at an origin, and what is known of the steps ahead, to quantiles in scales from the base. They cannot cross: each is
    the one nearer to the median, plus or minus something positive.

    Args:
        width: W. ahead: P. horizon: h. levels: the quantiles in order, 0.5 among them.
        start: [h, Q], the quantiles of what training's bases leave over: what is forecast before anything is learnt.
    """

    def __init__(self, width: int, ahead: int, horizon: int, levels: tuple[float, ...], *, units: int, dropout: float, start: np.ndarray | None = None) -> None:
        super().__init__()
        self.levels, self.middle = levels, levels.index(0.5)
        self.past = nn.Linear(width, units)
        self.ahead = nn.Linear(ahead + 1, units, bias=False)  # and the base itself
        self.step = nn.Embedding(horizon, units)  # which step ahead it is
        nn.init.uniform_(self.step.weight, -0.1, 0.1)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(units, len(levels), bias=False)
        nn.init.zeros_(self.out.weight)
        self.bias = nn.Parameter(_inverse(np.zeros((horizon, len(levels))) if start is None else start, self.middle))

    def forward(self, output: Tensor, ahead: Tensor) -> Tensor:
        """Quantiles [..., h, Q], ascending.

        Args:
            output: [..., W]. ahead: [..., h, P + 1].
        """
        steps = torch.arange(self.step.num_embeddings, device=output.device)
        hidden = silu(self.past(output)[..., None, :] + self.ahead(ahead) + self.step(steps))
        raw = self.out(self.dropout(hidden)) + self.bias
        middle = raw[..., self.middle : self.middle + 1]
        above = middle + softplus(raw[..., self.middle + 1 :]).cumsum(-1)
        below = middle - softplus(raw[..., : self.middle].flip(-1)).cumsum(-1).flip(-1)
        return torch.cat([below, middle, above], dim=-1)


class ForecastNetwork(Network):
    """From windows to quantiles."""

    def __init__(
        self, cell: Cell, features: int, ahead: int, hidden_size: int, horizon: int, levels: tuple[float, ...], *, num_layers: int = 1, dropout: float = 0.0, engine: str = "auto",
        start: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.front = Features()
        self.encoder = Recurrent(cell, features, hidden_size, num_layers, dropout=dropout if num_layers > 1 else 0.0, engine=engine)
        self.head = Quantiles(self.encoder.output_width, ahead, horizon, levels, units=hidden_size, dropout=dropout, start=start)

    def forward(self, batch: Batch) -> Tensor:
        """Quantiles in scales from the base, [O, B, h, Q] float32."""
        output = self.encode(batch).output
        columns = torch.arange(output.shape[1], device=output.device)
        return self.quantiles(output[batch.places, columns], batch)

    def quantiles(self, output: Tensor, batch: Any) -> Tensor:
        """The same, from the encoder's output at the origins, [O, B, W]. In use, the head runs for each series alone, so that its bits do not depend on the others."""
        ahead = ahead_of(batch)
        if self.training:
            return self.head(output, ahead)  # type: ignore[no-any-return]
        rows = [torch.stack([self.head(output[at, row], ahead[at, row]) for at in range(len(output))]) for row in range(output.shape[1])]
        return torch.stack(rows, dim=1)


def ahead_of(batch: Any) -> Tensor:
    """What the head reads of the steps ahead, [O, B, h, P + 1]: what is known of them, and the base, from its first step on, in scales."""
    with torch.no_grad():
        near = ((batch.base - batch.base[..., :1]) / batch.scale[..., None]).clamp(-20, 20).float()
    return torch.cat([batch.ahead, near[..., None]], dim=-1)


def quantile_loss(quantiles: Tensor, targets: Tensor, levels: tuple[float, ...]) -> Tensor:
    """Twice the pinball loss, [...]: the mean over the quantiles [..., Q], 0 where a target is missing (NaN)."""
    there = ~torch.isnan(targets)
    short = torch.where(there, targets, 0.0)[..., None] - quantiles
    level = torch.tensor(levels, dtype=quantiles.dtype, device=quantiles.device)
    return torch.where(there, 2 * torch.maximum(level * short, (level - 1) * short).mean(-1), 0.0)


def _inverse(quantiles: np.ndarray, middle: int) -> Tensor:
    """What softplus and sums make these quantiles of."""
    found = np.array(quantiles, dtype=np.float64)
    gaps = np.maximum(np.diff(found, axis=-1), LEAST_GAP)
    raw = np.where(gaps > 20, gaps, np.log(np.expm1(np.minimum(gaps, 20))))
    found[..., middle + 1 :], found[..., :middle] = raw[..., middle:], raw[..., :middle]
    return torch.from_numpy(found).float()
