"""Coalitions: the model's answer where some players are present and the others are replaced by the background; in pieces, so memory is bounded.

Shapes: N coalitions, P players (those of the item, then one for each carried state), T steps of the item, F features, R references.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from tenuto.explain.players import Players
from tenuto.explain.prefixes import Prefixes
from tenuto.explain.question import Question

Fill = Callable[[Tensor], Tensor]  # present [n, T, F] bool → x [n, T, F]


class Coalitions:
    """The game of one row.

    Args:
        question, row: what is asked. players: of the row.
        fill: what to do with absent cells, in place of the references.
        states: whether each carried state is a player too; else it is always there. prefixes: how to run coalitions that begin alike, where the model can be run so.
    Attributes:
        count: P, with one player for each state that is carried. asked: how many rows the model has been run on.
    """

    def __init__(self, question: Question, row: int, players: Players, *, fill: Fill | None = None, states: bool = True, prefixes: Prefixes | None = None) -> None:
        self.question, self.row, self.players = question, row, players
        self.x = question.x(row)
        self.references = question.references(row) if fill is None else self.x[None]
        self.fill = fill
        self._places = torch.from_numpy(players.places).to(self.x.device)
        self.states = list(question.posed.state) if states else []
        self.count = len(players.names) + len(self.states)
        self._prefixes = prefixes
        self.asked = 0

    def values(self, present: np.ndarray) -> np.ndarray:
        """The scores [N] float64 of coalitions [N, P] bool, each the mean over the references."""
        if self._prefixes is not None:
            self.asked += len(present) * len(self.references)
            return np.mean([self._prefixes.scores(present, self.players, reference) for reference in self.references], axis=0)
        z = torch.from_numpy(present).to(self.x.device)
        total = torch.zeros(len(z), dtype=torch.float64)
        with torch.no_grad():
            for piece in self.question.pieces(len(z), len(self.question.posed.x)):
                cells = z[piece][:, self._places]  # [n, T, F]
                for reference in self.references:
                    x = torch.where(cells, self.x, reference) if self.fill is None else self.fill(cells)
                    total[piece] += self._ask(x.transpose(0, 1), z[piece]).double().cpu()
                    self.asked += len(cells)
        return (total / len(self.references)).numpy()

    def _ask(self, x: Tensor, present: Tensor) -> Tensor:
        question = self.question
        rows = question.repeated(self.row, x.shape[1])
        state = None
        if self.states:
            first = len(self.players.names)
            state = {
                name: question.posed.state[name].index_select(-2, rows) * present[:, first + number, None]
                for number, name in enumerate(self.states)
            }
        return question.ask(question.padded(x), rows, state)
