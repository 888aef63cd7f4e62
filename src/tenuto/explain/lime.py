"""`Lime`: a line fitted to the answers near an item (Ribeiro et al. 2016), made for sequences.

What is left out is not zero: it is what its neighbours in time suggest, or the background. Players that are near each other in time are left out together, and a
copy counts the less the more of it is left out. The line is fitted several times to other copies, which says how stable it is.

Shapes: N copies, P players, T steps, F features, Q redraws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from tenuto.choices import unknown_name
from tenuto.explain.coalitions import Coalitions
from tenuto.explain.explanation import Item
from tenuto.explain.methods import Method, entered, is_count, require
from tenuto.explain.players import Players, check_players, players_of
from tenuto.explain.question import Question

FILLS = ("neighbours", "background")


@entered
@dataclass(frozen=True)
class Lime(Method):
    """The coefficients of a weighted line in the presence of the players. `gap` is what the line misses at the item itself.

    Each item has `measured`: "fidelity", the share of the (weighted) variance of the answers that the line explains; "stability", the mean correlation of the
    coefficients between redraws, 1 where all lines say the same. The standard errors are over the redraws.

    Args:
        players, segments, cut: as in `Shapley`.
        fill: what stands for a player that is left out: "neighbours", a line in time from the last step before to the first after it, in each feature; or
            "background". Default: "background" where steps have texts, else "neighbours".
        draws: copies for each line. redraws: lines.
        near: how far from a place in time players are left out together, as a share of the item. width: the share of an item that is left out where a copy counts
            a third. ridge: how much the coefficients are held back.
        seed: of the copies, which are the same for every item with as many players.
    """

    name: ClassVar[str] = "lime"
    players: Any = None
    segments: int = 8
    cut: str = "equal"
    fill: str | None = None
    draws: int = 500
    redraws: int = 5
    near: float = 0.25
    width: float = 0.5
    ridge: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        check_players(self.players, self.segments, self.cut)
        if self.fill is not None and self.fill not in FILLS:
            raise unknown_name(f"fill={self.fill!r} is not known.", self.fill, FILLS)
        require("draws", self.draws, is_count(self.draws, 2), "2 or more")
        require("redraws", self.redraws, is_count(self.redraws, 2), "2 or more")
        for name in ("near", "width"):
            require(name, getattr(self, name), getattr(self, name) > 0, "above 0")
        require("ridge", self.ridge, self.ridge >= 0, "0 or more")

    @property
    def compares(self) -> bool:  # type: ignore[override]  # here a setting decides
        """Whether it needs a background."""
        return self.fill != "neighbours"

    def explain(self, question: Question) -> list[Item]:
        """Item by item."""
        return [self._of_row(question, row) for row in question.rows]

    def _of_row(self, question: Question, row: int) -> Item:
        posed = question.posed
        words = None if posed.words is None else posed.words[row]
        x = question.x(row).double().cpu().numpy()
        players = players_of(self.players, x, question.inputs, words, segments=self.segments, cut=self.cut)
        neighbours = (self.fill or ("background" if words is not None else "neighbours")) == "neighbours"
        game = Coalitions(question, row, players, fill=(lambda present: between(question.x(row), present)) if neighbours else None)
        generator = np.random.default_rng(self.seed)
        sizes = np.append(np.bincount(players.places.ravel(), minlength=len(players.names)) / players.places.size, np.zeros(len(game.states)))
        whole, lines, fits = np.ones((1, game.count), dtype=bool), [], []
        for _ in range(self.redraws):
            present = np.concatenate([whole, self._drawn(players, game.count, generator)])
            weights = np.exp(-((((~present) @ sizes) / self.width) ** 2))
            answers = game.values(present)
            line, fit = fitted_line(present, answers, weights, self.ridge)
            lines.append(line)
            fits.append(fit)
        prediction = float(answers[0])
        each = np.stack(lines)  # [Q, 1 + P]: the base first
        mean, errors = each.mean(0), each.std(0, ddof=1) / np.sqrt(self.redraws)
        own = len(players.names)
        return question.item(
            row, players.spread(mean[1 : own + 1]), prediction, float(mean[0]), error=players.spread(errors[1 : own + 1]),
            state=dict(zip(game.states, mean[own + 1 :].tolist())), players=players, player_values=mean[1 : own + 1], player_errors=errors[1 : own + 1],
            measured={"fidelity": float(np.mean(fits)), "stability": agreement(each[:, 1:]), "rows_run": game.asked},
        )  # fmt: skip

    def _drawn(self, players: Players, count: int, generator: np.random.Generator) -> np.ndarray:
        """[draws, P] bool: who is there. Those near a place in time are left out, each with a probability of its own copy."""
        steps = len(players.places)
        ages = np.repeat(np.arange(steps) + 0.5, players.places.shape[1])
        middles = np.bincount(players.places.ravel(), ages) / np.maximum(np.bincount(players.places.ravel()), 1)
        middles = np.append(middles, np.zeros(count - len(middles)))  # a carried state is as old as the first step
        centres = generator.random((self.draws, 1)) * steps
        rates = (0.2 + 0.8 * generator.random((self.draws, 1))) * np.exp(-0.5 * ((middles - centres) / (self.near * steps)) ** 2)
        return generator.random((self.draws, count)) >= rates

    def settings(self) -> dict[str, Any]:
        """The settings as plain data; an array of players is only named."""
        return {**super().settings(), "players": "given" if isinstance(self.players, np.ndarray) else self.players}


def between(x: Tensor, present: Tensor) -> Tensor:
    """[N, T, F]: x [T, F] where present [N, T, F]; elsewhere, in each feature, a line in time between the nearest steps that are there; past the last one its value;
    where no step is there, the feature's mean."""
    steps = torch.arange(len(x), device=x.device)[None, :, None].expand_as(present)
    before = torch.where(present, steps, -1).cummax(1).values
    after = torch.where(present, steps, len(x)).flip(1).cummin(1).values.flip(1)
    none = (before < 0) & (after >= len(x))
    left, right = torch.where(before < 0, after, before).clamp(0, len(x) - 1), torch.where(after >= len(x), before, after).clamp(0, len(x) - 1)
    share = torch.where(right > left, (steps - left) / (right - left).clamp(min=1), 0.0).to(x.dtype)
    columns = torch.arange(x.shape[1], device=x.device).expand_as(present)
    filled = x[left, columns] * (1 - share) + x[right, columns] * share
    return torch.where(present, x, torch.where(none, x.mean(0), filled))


def fitted_line(present: np.ndarray, answers: np.ndarray, weights: np.ndarray, ridge: float) -> tuple[np.ndarray, float]:
    """The base and a coefficient for each player, [1 + P]; and the share of the weighted variance that they explain. A player that is always there has 0."""
    weights = weights / weights.sum()
    z, mean = present.astype(float), weights @ present
    centre, middle = z - mean, answers - weights @ answers
    matrix = (centre * weights[:, None]).T @ centre
    slopes = np.linalg.lstsq(matrix + ridge * np.eye(len(matrix)) * max(np.trace(matrix) / len(matrix), 1e-12), (centre * weights[:, None]).T @ middle, rcond=None)[0]
    total, left = float(weights @ middle**2), float(weights @ (middle - centre @ slopes) ** 2)
    if total <= (1e-12 * np.abs(answers).max()) ** 2:  # one answer, whatever is left out
        return np.append(weights @ answers, np.zeros(len(slopes))), 1.0
    return np.append(weights @ answers - mean @ slopes, slopes), 1.0 - left / total


def agreement(lines: np.ndarray) -> float:
    """The mean correlation between rows [Q, P]; 1.0 where they are the same."""
    if np.allclose(lines, lines[0], rtol=1e-9, atol=1e-12):
        return 1.0
    centre = lines - lines.mean(1, keepdims=True) if lines.shape[1] > 1 else lines
    lengths = np.sqrt((centre**2).sum(1))
    if (lengths <= 1e-12).any():
        return 0.0
    pairs = (centre @ centre.T) / np.outer(lengths, lengths)
    return float(pairs[np.triu_indices(len(lines), 1)].mean())
