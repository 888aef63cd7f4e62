"""`Check`: how an explanation is checked. It measures batch by batch while the items are explained, and explains copies with random weights after that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import nn

from tenuto.errors import ArgumentError, TenutoError
from tenuto.explain.background import Background
from tenuto.explain.explanation import Item
from tenuto.explain.methods import Method, is_count, require
from tenuto.explain.question import Question
from tenuto.explain.subject import Posed, Subject
from tenuto.explain.target import Goals
from tenuto.explain.trust.halves import halves_of
from tenuto.explain.trust.measures import Halves, Likeness, Removal, Trust
from tenuto.explain.trust.networks import has_weights, likeness_of, redrawn, stages_of
from tenuto.explain.trust.parts import Parts
from tenuto.explain.trust.removal import removal_of


@dataclass(frozen=True)
class Check:
    """How an explanation is checked: `tenuto.explain(..., check=Check(networks=20))`; `check=True` has these settings.

    Args:
        orders: random orders in which parts are taken away; 20 are the fewest of which a better one can be told from chance (1 in 21 is below 5 %).
        networks: with random weights. Each is explained once for each stage, so the check takes about `4 * networks` times as long as the explanation.
        references: items of a background that stand in the place of what is taken away, at most; they are spread evenly over it.
        seed: of the orders and the weights.
    """

    orders: int = 20
    networks: int = 6
    references: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("orders", 20), ("networks", 2), ("references", 1), ("seed", 0)):
            require(name, getattr(self, name), is_count(getattr(self, name), least), f"{least} or more")


def check_of(given: Any, method: Method) -> Check | None:
    """The check that was asked for.

    Raises:
        ArgumentError: it is neither a bool nor a `Check`, or the method's values say nothing that could be checked.
    """
    if given is False or given is None:
        return None
    if given is not True and not isinstance(given, Check):
        raise ArgumentError("check= cannot be used.", expected="True, False or a tenuto.explain.Check", received=repr(given))
    if method.ranked_by is None:
        raise ArgumentError(
            f"there is nothing to check in the values of {method.name}: they are a change of the item, and do not say what its parts are worth.",
            expected="a method whose values can be put in order", fix=f'leave the check out; {method.name} has run its change already, and says what the answer is with it',
        )  # fmt: skip
    return Check() if given is True else given


class Checking:
    """A check under way.

    Args:
        check: its settings. method: that is checked. background: of the explanation.
    """

    def __init__(self, check: Check, method: Method, background: Background) -> None:
        self._check, self._method, self._background = check, method, background
        self._removals: list[Removal | None] = []
        self._halves: list[Halves | None] = []
        self._parts: list[Parts] = []
        self._goals: list[Callable[[Posed], Goals]] = []

    def require_background(self, posed: Posed) -> None:
        """Raise ArgumentError where nothing can stand in the place of what is taken away."""
        if not self._background.known(posed):
            raise ArgumentError(
                "the check takes parts of an item away, and a torch module does not say what stands in their place.", expected="background=",
                fix='background= other inputs of the model, "mean", or "zero" where zero means that nothing is there',
            )  # fmt: skip

    def take(self, question: Question, items: list[Item]) -> None:
        """Measure the items of a batch."""
        check = self._check
        for row, item in zip(question.rows, items, strict=True):
            parts = Parts.of(item, steps_whole=question.posed.tokens)
            self._parts.append(parts)
            self._halves.append(halves_of(question, row, item.values, check.references))
            self._removals.append(
                removal_of(question, row, parts, signed=self._signed, orders=check.orders, references=check.references, seed=check.seed)
            )
        self._goals.append(question.goals.kept())

    @property
    def _signed(self) -> bool:
        return self._method.ranked_by == "value"

    def trust(self, subject: Subject, background: Any) -> Trust:
        """What was found, with what random weights give.

        Args:
            background: as the call was given it: copies of the model read it again.
        """
        return Trust(asdict(self._check), self._background.said, self._signed, tuple(self._removals), tuple(self._halves), self._likeness(subject, background))

    def _likeness(self, subject: Subject, background: Any) -> Likeness | None:
        if not has_weights(subject.module):
            return None
        stages, check = stages_of(subject.module), self._check
        found: list[list[list[tuple[float, float] | None]]] = []  # [networks][stages][items]
        for draw in range(check.networks):
            one = [self._compared(subject, background, redrawn(stage.paths, check.seed, draw)) for stage in stages]
            if all(compared is not None for compared in one):
                found.append([compared for compared in one if compared is not None])
        known = [number for number in range(len(self._parts)) if found and found[0][-1][number] is not None]
        if not known:
            return None
        table = np.array([[[stage[number] for number in known] for stage in network] for network in found], dtype=float)  # [W, S, items, 2]
        values, sizes = table.mean(2).transpose(2, 1, 0)  # [S, W] each
        whole = dict(zip(known, table[:, -1].mean(0).tolist()))
        each = [whole.get(number, (None, None)) for number in range(len(self._parts))]
        return Likeness(
            tuple(stage.name for stage in stages), tuple(map(tuple, values.tolist())), tuple(map(tuple, sizes.tolist())),
            tuple(one[0] for one in each), tuple(one[1] for one in each), check.networks - len(found),
        )  # fmt: skip

    def _compared(self, subject: Subject, background: Any, copied: Callable[[nn.Module], nn.Module]) -> list[tuple[float, float] | None] | None:
        """For each item how like its values are to those of a copy of the model; None where the copy has no finite answers or cannot be explained."""
        twin, found = subject.copied(copied), list[tuple[float, float] | None]()
        stands, method = Background(background, twin), self._method.for_order()
        try:
            for posed, goals in zip(twin.batches(), self._goals, strict=True):
                question = Question(posed, goals(posed), stands, twin.inputs, twin.widest)
                if not np.isfinite(question.predictions()).all():
                    return None
                for item in method.explain(question):
                    parts = self._parts[len(found)]
                    values = parts.sums(item.values)
                    if not np.isfinite(values).all():
                        return None
                    found.append(likeness_of(parts.values, values))
        except TenutoError:
            return None
        return found
