"""`Occlusion`: how much the answer falls when one player is replaced by the background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tenuto.explain.coalitions import Coalitions
from tenuto.explain.explanation import Item
from tenuto.explain.methods import Method, entered
from tenuto.explain.players import check_players, players_of
from tenuto.explain.question import Question


@entered
@dataclass(frozen=True)
class Occlusion(Method):
    """The prediction minus the prediction without a player, one after another. What two players do together is counted twice or not at all, so nothing adds up.

    Args:
        players, segments, cut: as in `Shapley`.
    """

    name: ClassVar[str] = "occlusion"
    players: Any = None
    segments: int = 8
    cut: str = "equal"

    def __post_init__(self) -> None:
        check_players(self.players, self.segments, self.cut)

    def explain(self, question: Question) -> list[Item]:
        """One run for each player and reference."""
        return [self._of_row(question, row) for row in question.rows]

    def _of_row(self, question: Question, row: int) -> Item:
        words = None if question.posed.words is None else question.posed.words[row]
        players = players_of(self.players, question.x(row).double().cpu().numpy(), question.inputs, words, segments=self.segments, cut=self.cut)
        game = Coalitions(question, row, players)
        found = game.values(np.concatenate([np.ones((1, game.count), dtype=bool), ~np.eye(game.count, dtype=bool)]))
        falls, own = found[0] - found[1:], len(players.names)
        state = dict(zip(game.states, falls[own:].tolist()))
        return question.item(
            row, players.spread(falls[:own]), float(found[0]), None, state=state, players=players, player_values=falls[:own], measured={"rows_run": game.asked}
        )

    def settings(self) -> dict[str, Any]:
        """The settings as plain data; an array of players is only named."""
        return {**super().settings(), "players": "given" if isinstance(self.players, np.ndarray) else self.players}
