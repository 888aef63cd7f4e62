"""`Counterfactual`: the smallest change in time that gives an item another answer.

A stretch of steps is replaced by the same steps of another item (those of the background that have the wanted answer, the nearest first), or by what stands for
nothing. Short stretches are tried before long ones, everywhere in the item; then features are put back one by one while the answer stays changed. Source: the idea
of Delaney et al. 2021 (instance-based counterfactuals). Differs: the shortest stretch is looked for, not one found by an attribution.

Shapes: T steps, F features, n copies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenuto.errors import ArgumentError
from tenuto.explain.explanation import Item
from tenuto.explain.methods import Method, entered, is_count, require
from tenuto.explain.question import Question


class Change(NamedTuple):
    """Steps `first` to before `end` of an item replaced by those of a donor [T, F], in the features where `features` [F] is true; size: the mean absolute change of a cell."""

    first: int
    end: int
    donor: Tensor
    features: Tensor
    size: float


@entered
@dataclass(frozen=True)
class Counterfactual(Method):
    """What would have to be different, and for how long. `values` is the change: the changed item minus the item, zero where nothing changes.

    With target=None, or the answer that the model gives, any other answer will do; another target is the answer that is wanted. `measured` has "changed_steps" (0 where
    no stretch changes the answer), "first_step", "last_step", "changed_features", and "rows_run".

    Args:
        donors: of a background that is data, at most so many items are tried.
    """

    name: ClassVar[str] = "counterfactual"
    donors: int = 10

    def __post_init__(self) -> None:
        require("donors", self.donors, is_count(self.donors), "1 or more")

    @property
    def ranked_by(self) -> str | None:
        """The values are a change, which says nothing of what a cell is worth."""
        return None

    def explain(self, question: Question) -> list[Item]:
        """Item by item."""
        return [_Search(question, row, self.donors).item() for row in question.rows]


class _Search:
    """The search for one row."""

    def __init__(self, question: Question, row: int, donors: int) -> None:
        if not question.posed.choices:
            raise ArgumentError("the model answers with numbers, so no answer can change into another.", expected="a model that chooses: a class, a tag, a symbol", fix='another method, such as "shapley"')
        self.question, self.row, self.x = question, row, question.x(row)
        self.goal = question.goals.goal(row)
        self.donors, self.rows_run = donors, 0
        self.now = int(self._answers(self.x[None])[0])
        self.wanted = None if self.goal.output == self.now else self.goal.output

    def item(self) -> Item:
        question, found = self.question, self._found()
        prediction = float(question.of_row(self.row, 1, lambda _: self.x[:, None])[0])
        if found is None:
            aim = "another answer" if self.wanted is None else "the wanted answer"
            note = f"No stretch, and not the whole item, has {aim} when it is replaced by the background."
            return question.item(self.row, np.zeros(self.x.shape), prediction, None, measured={"changed_steps": 0, "rows_run": self.rows_run}, notes=(note,))
        changed = self._changed(found)
        answer = int(self._answers(changed[None])[0])
        names = question.inputs or [f"input {number}" for number in range(self.x.shape[1])]
        features = [name for name, kept in zip(names, found.features.tolist()) if kept]
        where = f"steps {found.first} to {found.end - 1}" if found.end - found.first > 1 else f"step {found.first}"
        what = "" if len(features) == self.x.shape[1] else f" of {', '.join(features[:12])}{', ...' if len(features) > 12 else ''}"
        note = f"With {where}{what} replaced, the answer is {question.goals.named(answer)} and no longer {question.goals.named(self.now)}."
        measured = {
            "changed_steps": found.end - found.first, "first_step": found.first, "last_step": found.end - 1, "changed_features": len(features),
            "rows_run": self.rows_run,
        }  # fmt: skip
        return question.item(self.row, (changed - self.x).double().cpu().numpy(), prediction, None, measured=measured, notes=(note,))

    def _found(self) -> Change | None:
        references = self.question.references(self.row)
        answers = self._answers(references)
        fitting = torch.from_numpy((answers != self.now) if self.wanted is None else (answers == self.wanted)).to(references.device)
        if not fitting.any():
            return None
        right = references[fitting]
        order = (right - self.x).abs().mean((1, 2)).argsort()[: self.donors]
        best: Change | None = None
        for donor in right[order]:
            found = self._shortest(donor, len(self.x) if best is None else best.end - best.first)
            if found is not None and (best is None or (found.end - found.first, found.size) < (best.end - best.first, best.size)):
                best = found
        return None if best is None else self._fewer_features(best)

    def _shortest(self, donor: Tensor, most: int) -> Change | None:
        """The shortest stretch of at most so many steps; its length is looked for in steps of a fifth, then one by one."""
        failed, length = 0, 1
        found = self._of_length(donor, 1)
        while found is None and length < most:
            failed, length = length, min(most, max(length + 1, length * 6 // 5))
            found = self._of_length(donor, length)
        for shorter in range(failed + 1, length) if found is not None else ():
            again = self._of_length(donor, shorter)
            if again is not None:
                return again
        return found

    def _of_length(self, donor: Tensor, length: int) -> Change | None:
        """The smallest change of all stretches of this length that change the answer."""
        starts = torch.arange(0, len(self.x) - length + 1, device=self.x.device)
        ages = torch.arange(len(self.x), device=self.x.device)[:, None]
        answers = self._answers_of(len(starts), lambda piece: (ages >= starts[piece]) & (ages < starts[piece] + length), donor)
        hits = np.flatnonzero((answers != self.now) if self.wanted is None else (answers == self.wanted))
        if not len(hits):
            return None
        sizes = (donor - self.x).abs().mean(1).cumsum(0)
        sizes = torch.cat([sizes.new_zeros(1), sizes])
        hit = min(hits.tolist(), key=lambda first: float(sizes[first + length] - sizes[first]))
        return Change(hit, hit + length, donor, torch.ones(self.x.shape[1], dtype=torch.bool, device=self.x.device), float(sizes[hit + length] - sizes[hit]))

    def _fewer_features(self, found: Change) -> Change:
        """The same change without the features that it does not need; those that change least are put back first."""
        if not self.question.inputs and self.question.posed.words is not None:
            return found  # the numbers of a word's vector are no features
        order = (found.donor - self.x)[found.first : found.end].abs().mean(0).argsort().tolist()
        for feature in order:
            features = found.features.clone()
            features[feature] = False
            if not features.any():
                break
            fewer = found._replace(features=features)
            answer = int(self._answers(self._changed(fewer)[None])[0])
            if (answer != self.now) if self.wanted is None else (answer == self.wanted):
                found = fewer
        return found

    def _changed(self, change: Change) -> Tensor:
        ages = torch.arange(len(self.x), device=self.x.device)[:, None]
        return torch.where((ages >= change.first) & (ages < change.end) & change.features, change.donor, self.x)

    def _answers(self, x: Tensor) -> np.ndarray:
        """The output with the largest score for each of x [n, T, F]."""
        return self._run(len(x), lambda piece: x[piece].transpose(0, 1))

    def _answers_of(self, count: int, replaced: Callable[[slice], Tensor], donor: Tensor) -> np.ndarray:
        return self._run(count, lambda piece: torch.where(replaced(piece)[..., None], donor[:, None], self.x[:, None]))

    def _run(self, count: int, made: Callable[[slice], Tensor]) -> np.ndarray:
        question, found = self.question, []
        with torch.no_grad():
            for piece in question.pieces(count, len(question.posed.x)):
                x = question.padded(made(piece))
                scores = question.posed.scores(question.posed.run(x, question.repeated(self.row, x.shape[1])))
                if scores.shape[-1] < 2:
                    raise ArgumentError("the model has one output, so no answer can change into another.", expected="two outputs or more", fix='another method, such as "shapley"')
                found.append((scores if scores.dim() == 2 else scores[self.goal.step or 0]).argmax(-1).cpu().numpy())
                self.rows_run += x.shape[1]
        return np.concatenate(found)
