"""The head of `Forecaster` that gives the quantiles of all steps ahead at once, and its loss. `networks/series.py` has the recurrent layers, and the head that gives a density.

Shapes: W width of the layers' output, h steps ahead, P features of a step ahead, Q quantiles.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import silu, softplus

from tenuto.networks import rows

LEAST_GAP = 1e-3  # between two quantiles, in scales, when training begins


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

    def by_rows(self, output: np.ndarray, ahead: np.ndarray) -> np.ndarray:
        """The same in use, [N, h, Q] from [N, W] and [N, h, P + 1]: each row has the bits that it has alone."""
        hidden = rows.silu(rows.linear(output[:, None], self.past) + rows.linear(ahead, self.ahead) + rows.array(self.step.weight))
        raw = rows.linear(hidden, self.out) + rows.array(self.bias)
        middle, gaps = raw[..., self.middle : self.middle + 1], rows.softplus(raw)
        above = middle + np.cumsum(gaps[..., self.middle + 1 :], axis=-1)
        below = middle - np.cumsum(gaps[..., : self.middle][..., ::-1], axis=-1)[..., ::-1]
        return np.concatenate([below, middle, above], axis=-1)


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
