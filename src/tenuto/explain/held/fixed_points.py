"""Where a layer comes to rest while its input stays the same, and whether it would stay there.

Source: Sussillo & Barak 2013, "Opening the black box": minimise q(s) = |F(s) - s|^2 / 2 over the states s, from states that the data leads to, and look at the
eigenvalues of dF/ds where q is nearly zero. Differs: Levenberg-Marquardt steps in float64 with the whole Jacobian in the place of a gradient descent; they come to
fixed points of any stability, to the last digits.
Letters: N points, D all states together, W the layer's output.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenuto.explain.held.steps import StepMap

MOST_STEPS = 200
SAME = 1e-4  # how far apart two points are that count as one, as a share of 1 + their size
NEAR_ONE = 1e-6  # an eigenvalue this near to 1 in size neither grows nor fades


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """A state that the layer does not leave while its input stays the same.

    Attributes:
        states: [W] each, by name. output: [W], what the layer puts out there. speed: q, half the squared length of a step there.
        eigenvalues: [D] complex, of the Jacobian of one step, the largest first.
        kind: "stable" if all are smaller than 1, "unstable" if all are larger, "saddle" if there are some of both, "neutral" if one is 1 in size and none larger.
        distance: to the nearest state that the data led to. starts: how many of the starts came here.
    """

    states: dict[str, np.ndarray]
    output: np.ndarray
    speed: float
    eigenvalues: np.ndarray
    kind: str
    distance: float
    starts: int

    @property
    def largest(self) -> float:
        """The size of the largest eigenvalue."""
        return float(np.abs(self.eigenvalues[0]))

    @property
    def growing(self) -> int:
        """Along how many directions a small distance grows."""
        return int((np.abs(self.eigenvalues) > 1 + NEAR_ONE).sum())

    @property
    def time_constant(self) -> float:
        """In how many steps a small distance shrinks to 1/e along the slowest direction; where it grows, in how many it grows to e times, as a negative number."""
        if abs(self.largest - 1) <= NEAR_ONE:
            return math.inf
        return 0.0 if self.largest == 0 else -1 / math.log(self.largest)


@dataclass(frozen=True, eq=False)
class FixedPoints:
    """The fixed points of one layer in one direction, the most visited first.

    Attributes:
        read: [I], the input that stays the same, as this layer reads it. said: what that is, in words.
        points: those that were found. tried: how many starts there were; settled: how many came to a point with a q below tolerance.
    """

    read: np.ndarray
    said: str
    points: tuple[FixedPoint, ...]
    tried: int
    settled: int
    tolerance: float


class _Found(NamedTuple):
    states: Tensor
    speed: Tensor


def fixed_points_of(step: StepMap, said: str, visited: Tensor, starts: int, tolerance: float) -> FixedPoints:
    """The fixed points that lie near the states of the data.

    Args:
        visited: [N, D], states that the data led to, the state before the first step among them.
        starts: from how many of these the search begins, evenly chosen. tolerance: the largest q of a fixed point.
    """
    visited = visited.double()
    visited = visited[torch.isfinite(visited).all(1)]
    places = torch.linspace(0, len(visited) - 1, min(starts, len(visited)), dtype=torch.float64).round().long()
    begun = torch.unique(visited[places], dim=0)
    found = _rest(step, begun)
    settled = (found.speed <= tolerance).nonzero().flatten().tolist()
    settled.sort(key=lambda place: float(found.speed[place]))
    groups: list[list[int]] = []
    for place in settled:
        point = found.states[place]
        near = next((group for group in groups if _same(found.states[group[0]], point)), None)
        if near is None:
            groups.append([place])
        else:
            near.append(place)
    groups.sort(key=len, reverse=True)
    points = tuple(_point(step, found.states[group[0]], float(found.speed[group[0]]), visited, len(group)) for group in groups)
    return FixedPoints(step.read.double().cpu().numpy(), said, points, len(begun), len(settled), tolerance)


def _same(one: Tensor, other: Tensor) -> bool:
    return float((one - other).abs().max()) <= SAME * (1 + float(one.abs().max()))


def _rest(step: Callable[[Tensor], Tensor], begun: Tensor) -> _Found:
    """Each start, taken to where q is smallest nearby."""
    states = begun.clone()
    with torch.no_grad():
        speed = _speed(step(states) - states)
    damping = torch.full_like(speed, 1e-3)
    eye = torch.eye(states.shape[1], dtype=states.dtype, device=states.device)
    for _ in range(MOST_STEPS):
        size = 1 + states.abs().amax(1)
        moving = ((speed > 1e-30 * size**2) & (damping < 1e10)).nonzero().flatten()
        if not len(moving):
            break
        here = states[moving]
        after, slopes = jacobian(step, here)
        left, slopes = after - here, slopes - eye
        downhill = torch.einsum("nij,ni->nj", slopes, left)
        curved = slopes.transpose(1, 2) @ slopes + damping[moving, None, None] * eye
        tried = here - torch.linalg.solve_ex(curved, downhill)[0]  # what cannot be solved is no number, and not better
        with torch.no_grad():
            new = _speed(step(tried) - tried)
        better = new < speed[moving]  # not where it is no number
        states[moving] = torch.where(better[:, None], tried, here)
        speed[moving] = torch.where(better, new, speed[moving])
        damping[moving] = torch.where(better, (damping[moving] / 10).clamp(min=1e-15), damping[moving] * 10)
    return _Found(states, speed)


def _speed(left: Tensor) -> Tensor:
    return (left**2).sum(1) / 2


def jacobian(step: Callable[[Tensor], Tensor], states: Tensor) -> tuple[Tensor, Tensor]:
    """F [N, D] of the states, and dF/ds [N, D, D] of each row, by autograd."""
    with torch.enable_grad():
        given = states.detach().requires_grad_()
        after = step(given)
        wanted = torch.eye(after.shape[1], dtype=after.dtype, device=after.device)[:, None].expand(-1, len(after), -1)
        if not after.requires_grad:  # a step that reads no state
            return after.detach(), torch.zeros(len(after), after.shape[1], states.shape[1], dtype=after.dtype, device=after.device)
        (slopes,) = torch.autograd.grad(after, given, wanted, is_grads_batched=True)
    return after.detach(), slopes.transpose(0, 1)


def _point(step: StepMap, state: Tensor, speed: float, visited: Tensor, starts: int) -> FixedPoint:
    _, slopes = jacobian(step, state[None])
    values = np.linalg.eigvals(slopes[0].cpu().numpy()).astype(np.complex128)
    values = values[np.argsort(-np.abs(values), kind="stable")]
    with torch.no_grad():
        output = step.output(state[None])[0]
    sizes = step.sizes
    parts = {name: part.cpu().numpy() for name, part in zip(sizes, state.split(list(sizes.values())))}
    distance = float((visited - state).norm(dim=1).min())
    return FixedPoint(parts, output.cpu().numpy(), speed, values, kind_of(values), distance, starts)


def kind_of(eigenvalues: np.ndarray) -> str:
    """How a point is called that has these eigenvalues."""
    sizes = np.abs(eigenvalues)
    growing, fading = (sizes > 1 + NEAR_ONE).sum(), (sizes < 1 - NEAR_ONE).sum()
    if fading == len(sizes):
        return "stable"
    if not growing:
        return "neutral"
    return "saddle" if growing < len(sizes) else "unstable"
