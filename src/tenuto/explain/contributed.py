"""`Contributions`: DeepLIFT and DeepSHAP, by the derived program that runs a cell on an item and on its reference (`contributions.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from tenuto.explain.contributions import contributions
from tenuto.explain.explanation import Item
from tenuto.explain.methods import Method, entered
from tenuto.explain.question import Question


@entered
@dataclass(frozen=True)
class Contributions(Method):
    """What each cell adds, by rules for every operation of the model: DeepLIFT against one reference, DeepSHAP (the mean) against several, with its standard error.

    The values add up to the prediction minus the base, up to rounding, for every cell whose step can be traced. What flows into a carried state is a term of its own.
    """

    name: ClassVar[str] = "contributions"

    def explain(self, question: Question) -> list[Item]:
        """All rows together, if they fit in memory."""
        items = []
        for piece in question.pieces(len(question.rows), 4 * len(question.posed.x)):  # an item, its reference, and the multipliers of both
            items += self._of_rows(question, torch.arange(piece.start, piece.stop, device=question.posed.x.device))
        return items

    def _of_rows(self, question: Question, rows: Tensor) -> list[Item]:
        posed = question.posed
        carried = {name: value.index_select(-2, rows) for name, value in posed.state.items()}
        given = {"x": posed.x[:, rows], **{f"state.{name}": value for name, value in carried.items()}}
        each = [question.references(row) for row in rows.tolist()]
        nothing = {f"state.{name}": torch.zeros_like(value) for name, value in carried.items()}
        references = [
            {"x": torch.cat([question.padded(one[number][:, None]) for one in each], dim=1), **nothing} for number in range(len(each[0]))
        ]  # fmt: skip

        def run(x: Tensor, **state: Tensor) -> Any:
            return posed.run(x, rows, {name.removeprefix("state."): value for name, value in state.items()} or None)

        found = contributions(run, given, references, lambda raw: question.goals(raw, rows))
        items = []
        for place, row in enumerate(rows.tolist()):
            length = posed.lengths[row]
            values = found.values["x"][:length, place].double().cpu().numpy()
            errors = None if found.standard_error is None else found.standard_error["x"][:length, place].double().cpu().numpy()
            state = {name: float(found.values[f"state.{name}"].select(-2, place).sum()) for name in carried}
            items.append(question.item(row, values, float(found.prediction[place]), float(found.base[place]), error=errors, state=state))
        return items
