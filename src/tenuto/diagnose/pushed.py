"""How small changes of a layer's state grow or fade from step to step: Lyapunov exponents, and norms of products of Jacobians over lags.

K directions are pushed through the tangent of each step and made orthonormal again (QR), so that nothing overflows however long the sequence is.
Source: Benettin, Galgani, Giorgilli, Strelcyn 1980; for networks Vogt, Puelma Touzel, Shlizerman, Lajoie 2022, "On Lyapunov exponents for RNNs".
Letters: T time, B batch, D all states of a layer together, K directions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tenuto.engines.problem import hidden_size
from tenuto.engines.reference import Products
from tenuto.explain.held.listening import Call
from tenuto.explain.held.steps import Walk
from tenuto.program.graph import Key, Stack
from tenuto.program.tangent import push

SETTLING = 0.2  # the share of each row's steps, at its beginning, in which the directions find their places; they count for no exponent


@dataclass(frozen=True, eq=False)
class Growth:
    """How changes of the state grew.

    Attributes:
        exponents: [K], the largest Lyapunov exponents, per step: a change along the first grows by exp of it in each step, in the long run. The mean over rows and steps.
        gain: [T], after lag 1, 2, ... T from the first step: the Frobenius norm of the product of the steps' Jacobians over sqrt(D), which is by how much a small change in a direction drawn at
            random grows, as a root of the mean square. The geometric mean over rows; K < D directions estimate it. Rows count until they end or their state returns to its initial value.
    """

    exponents: Tensor
    gain: Tensor


def growth_of(call: Call, walk: Walk, directions: int) -> Growth:
    """Of one call.

    Args:
        directions: K; all D where there are no more.
    """
    form, cell, rows = call.form, call.form.cell, call.rows
    names, sizes, hidden = list(cell.widths("state")), [state.shape[1] for state in call.final], hidden_size(form, call.inputs)
    total, device, steps = sum(sizes), call.output.device, len(walk.values)
    count = min(directions, total)
    chance = torch.Generator().manual_seed(0)
    begun = torch.linalg.qr(torch.randn(rows, total, count, generator=chance, dtype=torch.float64, device="cpu"))[0].to(device)
    q, product, scale = begun, torch.eye(count, dtype=torch.float64, device=device).repeat(rows, 1, 1), torch.zeros(rows, dtype=torch.float64, device=device)
    live = torch.ones(steps, rows, dtype=torch.bool, device=device) if walk.live is None else walk.live[..., 0]
    settling = (live.sum(0) * SETTLING).long()
    seen = torch.zeros(rows, dtype=torch.long, device=device)
    whole = torch.ones(rows, dtype=torch.bool, device=device)
    sums, counted = torch.zeros(rows, count, dtype=torch.float64, device=device), torch.zeros(rows, device=device, dtype=torch.float64)
    gains, kept = torch.zeros(steps, dtype=torch.float64, device=device), torch.zeros(steps, dtype=torch.float64, device=device)

    def multiply(stack: Stack, value: Tensor) -> list[Tensor]:
        products = Products(form, call.inputs)
        return [products(name, value) for name in stack.products]

    with torch.no_grad():
        for t in reversed(range(steps)) if form.reverse else range(steps):
            returned = walk.returns[t]
            if returned is not None:
                whole &= ~(returned[:, 0] & live[t] & (seen > 0))
            changes: dict[Key, Tensor] = {("t_state", name): part for name, part in zip(names, q.transpose(1, 2).flatten(0, 1).split(sizes, -1))}
            values = {key: value.repeat_interleave(count, 0) for key, value in walk.values[t].items()}
            found = push(form.traced, values, changes, multiply, hidden)
            after = torch.cat([found["t_state", name] for name in names], -1).unflatten(0, (rows, count)).transpose(1, 2)
            sound = torch.isfinite(after).flatten(1).all(1)
            new, triangle = torch.linalg.qr(torch.where(sound[:, None, None], after, q))
            grown = triangle.diagonal(dim1=1, dim2=2).abs().log()
            now = live[t] & sound
            q = torch.where(now[:, None, None], new, q)
            counting = now & (seen >= settling)
            sums += torch.where(counting[:, None], grown, 0)
            counted += counting
            product = torch.where(now[:, None, None], triangle @ product, product)
            size = torch.linalg.matrix_norm(product)
            product = product / torch.where(size > 0, size, 1)[:, None, None]
            scale = torch.where(now, scale + size.log(), scale)
            at = seen.clamp(max=steps - 1)[now & whole]
            gains.index_add_(0, at, (scale - 0.5 * math.log(count))[now & whole])
            kept.index_add_(0, at, torch.ones_like(at, dtype=torch.float64))
            seen = seen + live[t]
    exponents = sums.sum(0) / counted.sum().clamp(min=1)
    return Growth(exponents, torch.where(kept > 0, gains / kept.clamp(min=1), torch.nan).exp())
