"""Causal self-attention over time with rotary positions, whose state is the keys and values of the steps before: at once, in chunks, or step by step the same.

Where a step stands does not matter, only how far apart two steps are, so keys are kept before they are turned, and are turned by how far back they lie from the first step of a call: an
endless stream has small angles, and cutting the oldest keys off changes none.

Source: Vaswani et al. 2017, eq. 1; Su et al. 2021, "RoFormer", eq. 34 (rotary positions).
Letters: T time, B batch, W width, N heads, S steps that are kept, D = W / N.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tenuto.errors import ArgumentError

BASE = 10_000.0  # of the angles' geometric series
AT_ONCE = 512  # queries that are given a mask together: it has as many rows, and a column for each key


def turned(x: Tensor, places: Tensor) -> Tensor:
    """x [..., P, D] with each pair of channels (d, d + D/2) of place p turned by p angles of its own; P places [P], which may be negative."""
    half = x.shape[-1] // 2
    rates = BASE ** (-torch.arange(half, dtype=torch.float64, device=x.device) / half)
    angles = places.double()[:, None] * rates
    wide = x.float() if x.dtype.itemsize == 2 else x
    cos, sin = angles.cos().to(wide.dtype), angles.sin().to(wide.dtype)
    first, second = wide[..., :half], wide[..., half:]
    return torch.cat([first * cos - second * sin, first * sin + second * cos], -1).to(x.dtype)


def steps_seen(steps: int, before: Tensor, resets: Tensor | None) -> Tensor:
    """[T, B]: how many steps before it each step may see: those since its row's beginning, or since the last reset."""
    here = torch.arange(steps, device=before.device)[:, None]
    if resets is None:
        return here + before
    last = torch.where(resets.bool(), here, -1).cummax(0).values
    return torch.where(last >= 0, here - last, here + before)


class SelfAttention(nn.Module):
    """Each step's mean of values, weighed by how its query goes with the keys of steps that it may see.

    Args:
        width: W. heads: N. window: how many steps a step sees, itself included; None for all before it. ahead: whether it sees later steps too; then there is no state.
    Raises:
        ArgumentError: W is no multiple of 2 N.
    """

    def __init__(self, width: int, heads: int, *, window: int | None = None, ahead: bool = False, dropout: float = 0.0, **options: Any) -> None:
        super().__init__()
        if width % heads or width // heads % 2:
            raise ArgumentError(f"{heads} heads do not divide a width of {width} into parts of an even number of channels.", expected="a multiple of twice the heads", fix=f"a width of {2 * heads * max(1, round(width / (2 * heads)))}")
        self.heads, self.window, self.ahead, self.dropout = heads, window, ahead, dropout
        self.project = nn.Linear(width, 3 * width, **options)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, seen: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Runs over x [T, B, W].

        Args:
            keys, values: [B, S, W] of the steps before x, the newest last. seen: [T, B], how many steps before it each step may see, whatever the window.
            lengths: [B] of x, or None.
        Returns:
            [T, B, W]; keys and values [B, S + T, W], or as many as the window needs, of which the newest of each row is that of its last step.
        """
        steps, kept = len(x), keys.shape[1]
        query, key, value = self.project(x).transpose(0, 1).chunk(3, -1)  # [B, T, W] each
        keys, values = torch.cat([keys.to(key.dtype), key], 1), torch.cat([values.to(value.dtype), value], 1)
        places = torch.arange(-kept, steps, device=x.device)
        heads = lambda v: v.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # noqa: E731  # [B, N, P, D]
        turned_keys, turned_queries = turned(heads(keys), places), turned(heads(query), places[kept:])
        output = self._attend(turned_queries, turned_keys, heads(values), seen, lengths, kept)
        return output.transpose(1, 2).flatten(2).transpose(0, 1), self._newest(keys, steps, lengths), self._newest(values, steps, lengths)

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor, seen: Tensor, lengths: Tensor | None, kept: int) -> Tensor:
        steps, dropout = queries.shape[2], self.dropout if self.training else 0.0
        attend = nn.functional.scaled_dot_product_attention
        if not steps:
            return queries
        if self.ahead:
            if lengths is None:
                return attend(queries, keys, values, dropout_p=dropout)
            live = torch.arange(steps, device=queries.device) < lengths[:, None].clamp(min=1)  # [B, T]; a row of no steps is zero in the end
            return attend(queries, keys, values, live[:, None, None], dropout_p=dropout)
        parts = []
        for begin in range(0, steps, AT_ONCE):
            end = min(begin + AT_ONCE, steps)
            oldest = 0 if self.window is None else max(0, begin + kept - self.window + 1)
            back = torch.arange(begin + kept, end + kept, device=queries.device)[:, None] - torch.arange(oldest, end + kept, device=queries.device)  # [queries, keys]: how far back
            limit = seen[begin:end].T[:, :, None] if self.window is None else seen[begin:end].T[:, :, None].clamp(max=self.window - 1)
            mask = (back >= 0) & (back <= limit)  # [B, queries, keys]
            span = slice(oldest, end + kept)
            parts.append(attend(queries[:, :, begin:end], keys[:, :, span], values[:, :, span], mask[:, None], dropout_p=dropout))
        return torch.cat(parts, 2)

    def _newest(self, rows: Tensor, steps: int, lengths: Tensor | None) -> Tensor:
        """[B, S', W]: of all keys or values [B, S + T, W] those that a later step may see, the last of each row's own steps at the end."""
        total = rows.shape[1]
        count = 0 if self.ahead else total if self.window is None else min(self.window - 1, total)
        if lengths is None:
            return rows[:, total - count :]
        places = (total - steps) + lengths[:, None] - count + torch.arange(count, device=rows.device)
        return rows.gather(1, places.clamp(min=0)[..., None].expand(-1, -1, rows.shape[2]))
