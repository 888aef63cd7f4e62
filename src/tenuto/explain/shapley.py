"""`Shapley`: what each player adds, averaged over all orders in which they could come (KernelSHAP over players that suit sequences).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from tenuto.explain.coalitions import Coalitions
from tenuto.explain.explanation import Item
from tenuto.explain.kernel import ENUMERATED, enumerated, sampled
from tenuto.explain.methods import Method, entered, is_count, require
from tenuto.explain.past import effect_of_past, far_past
from tenuto.explain.players import check_players, players_of
from tenuto.explain.prefixes import Prefixes
from tenuto.explain.question import Question

WORTHWHILE = 6  # players, from which so many coalitions are run that it pays to look whether those that begin alike can be run together


@entered
@dataclass(frozen=True)
class Shapley(Method):
    """Shapley values of players, against the background: exact up to 12 players, else estimated, with standard errors. They add up to the prediction minus the base.

    Args:
        players: "features", "segments", "cells" (features in segments), "tokens", "words", or an array [T, F] with the player of each cell.
            Default: "tokens" where steps have texts, else "cells".
        segments: of an item, at most. cut: where they end: "equal" lengths, or at "change points" (needs ruptures).
        samples: how many coalitions are run where not all are. Default: 2048, and two for each player; at least four for each.
        prune: None, or a share of |prediction - base|: the far past whose value, against the rest as the only other player, is no more than that, is one player.
            What this changes of the other values at most is said in the item (see `past.py`). A model that looks only backwards then runs only the steps after it.
        seed: of the coalitions, which are the same for every item with as many players.
    """

    name: ClassVar[str] = "shapley"
    players: Any = None
    segments: int = 8
    cut: str = "equal"
    samples: int | None = None
    prune: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_players(self.players, self.segments, self.cut)
        require("samples", self.samples, self.samples is None or is_count(self.samples, 4), "4 or more, or None")
        require("prune", self.prune, self.prune is None or 0 <= self.prune < 1, "None, or a share from 0 to below 1")

    def for_order(self) -> Shapley:
        """Without pruning, which would make other players of each model."""
        return replace(self, prune=None)

    def explain(self, question: Question) -> list[Item]:
        """Item by item."""
        return [self._of_row(question, row) for row in question.rows]

    def _of_row(self, question: Question, row: int) -> Item:
        words = None if question.posed.words is None else question.posed.words[row]
        players = players_of(self.players, question.x(row).double().cpu().numpy(), question.inputs, words, segments=self.segments, cut=self.cut)
        measured: dict[str, float] = {}
        notes: list[str] = []
        prefixes: Prefixes | None = None
        if self.prune is not None or len(players.names) >= WORTHWHILE:
            together = Prefixes(question, row)
            prefixes = together if together.fits() else None
        cut, past = (0, 0.0) if self.prune is None else far_past(question, row, self.prune, prefixes)
        if cut:
            players = players.pruned(cut)
        game = Coalitions(question, row, players, prefixes=prefixes)
        if cut:
            delta = effect_of_past(game, self.seed)
            measured |= {"pruned_steps": cut, "past_value": past, "past_effect": delta, "bound": 2 * delta, "steps_run": len(game.x) if prefixes is None else len(game.x) - cut}
            notes.append(
                f"The first {cut} of {len(game.x)} steps are one player: against the rest as the only other one it is worth {past:.3g}. It changes the answer to a "
                f"coalition by {delta:.3g} at most, so the other values differ by at most {2 * delta:.3g} from those of an unpruned run."
            )
        if game.count <= ENUMERATED:
            found = enumerated(game.values, game.count)
        else:
            found = sampled(game.values, game.count, samples=self.samples or 2 * game.count + 2048, seed=self.seed)
        own = len(players.names)
        state = dict(zip(game.states, found.values[own:].tolist()))
        measured |= {"coalitions": found.coalitions, "rows_run": game.asked}
        return question.item(
            row, players.spread(found.values[:own]), found.all, found.none, error=players.spread(found.errors[:own]), state=state, players=players,
            player_values=found.values[:own], player_errors=found.errors[:own], measured=measured, notes=tuple(notes),
        )  # fmt: skip

    def settings(self) -> dict[str, Any]:
        """The settings as plain data; an array of players is only named."""
        known = super().settings()
        return {**known, "players": "given" if isinstance(self.players, np.ndarray) else self.players}
