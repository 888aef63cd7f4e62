"""`Fidelity`: what is lost where a student stands in the teacher's place: how often the two agree, how far their probabilities are apart, scores, size, speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tenuto.errors import ArgumentError, DataError, TenutoError
from tenuto.scores.classification import wilson_interval
from tenuto.tasks.estimator import Estimator
from tenuto.tasks.evaluation import Watch

LOSS = "loss"  # the one score that is no share
TIMES, ENOUGH_S = 5, 0.2  # how often answers are timed: at most so many times, or until so many seconds have passed


@dataclass(frozen=True)
class Side:
    """One of the two models.

    Attributes:
        cell, hidden_size, num_layers: of its recurrent layers. parameters: how many numbers its weights have.
        seconds: for one answer, as measured on this set, in batches.
        scores: of this set, by name; empty where the set has no right answers. intervals: of 95 %, of those scores that have one.
    """

    cell: str
    hidden_size: int
    num_layers: int
    parameters: int
    seconds: float
    scores: Mapping[str, float]
    intervals: Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Fidelity:
    """How well a student stands in the teacher's place, on one set.

    Attributes:
        part: what the set is called. unit: what one answer is for, such as a sequence or a token. items: how many sequences or rows there are. answers: how many answers.
        agreement: the share of answers in which the two agree. agreement_interval: of 95 %; where an item has several answers, these count as alike as they are.
        divergence: KL(teacher || student), nats a choice. divergence_error: its standard error; None for a single row. divergence_unit: what a choice is for: of a translation, each symbol.
        teacher, student: the two sides.
    Example:
        >>> import numpy as np, tenuto
        >>> from tenuto.tasks import SequenceClassifier
        >>> x, y = [np.full((3 + i % 4, 1), float(i % 2)) for i in range(20)], ["low", "high"] * 10
        >>> model = SequenceClassifier("gru", hidden_size=4, epochs=5).fit(x, y)
        >>> found = tenuto.distill.fidelity(model, model, (x, y))
        >>> found.agreement, found.divergence
        (1.0, 0.0)
    """

    part: str
    unit: str
    items: int
    answers: int
    agreement: float
    agreement_interval: Sequence[float]
    divergence: float
    divergence_error: float | None
    divergence_unit: str
    teacher: Side
    student: Side

    @classmethod
    def of(cls, student: Estimator) -> Fidelity:
        """What was measured when this student was fitted, also after `load`.

        Raises:
            ArgumentError: it has had no teacher.
        """
        student.require_fit("distill.Fidelity.of")
        kept = student.evaluation_.get("distillation")
        if kept is None:
            raise ArgumentError(f"this {type(student).__name__} was trained without a teacher.", expected="a model that tenuto.distill made")
        own = {name: value for name, value in kept.items() if name in cls.__dataclass_fields__}
        return cls(**{**own, "teacher": Side(**kept["teacher"]), "student": Side(**kept["student"])})

    def to_data(self) -> dict[str, Any]:
        """Plain data, as evaluation.json keeps it."""
        sides = {name: {**vars(side), "scores": dict(side.scores), "intervals": {key: list(ends) for key, ends in side.intervals.items()}} for name, side in (("teacher", self.teacher), ("student", self.student))}
        return {**vars(self), "agreement_interval": list(self.agreement_interval), **sides}

    def rows(self) -> list[tuple[str, str, str]]:
        """A table in words: what is measured, the teacher's, the student's."""
        sides = (self.teacher, self.student)
        network = [f"{side.cell}, {side.hidden_size} units, {side.num_layers} layer{'s' * (side.num_layers > 1)}" for side in sides]
        rows = [("network", *network)]
        rows += [(name.replace("_", " "), *(_score(side, name) for side in sides)) for name in self.teacher.scores]
        rows.append(("parameters", *(f"{side.parameters:,}" for side in sides)))
        rows.append((f"time a {self.unit}", *(_time(side.seconds) for side in sides)))
        return rows  # type: ignore[return-value]  # two sides

    def sentence(self) -> str:
        """How often the two agree, and how far their probabilities are apart."""
        low, high = self.agreement_interval
        error = "" if self.divergence_error is None else f" ± {self.divergence_error:.4f}"
        return (
            f"the same answer for {self.agreement:.2%} of {self.answers:,} {self.unit}{'s' * (self.answers != 1)} ({self.part}; 95 % interval {low:.1%} to {high:.1%}), "
            f"divergence {self.divergence:.4f}{error} nats a {self.divergence_unit}"
        )

    def __str__(self) -> str:
        rows = [("", "teacher", "student"), *self.rows()]
        widths = [max(len(row[place]) for row in rows) for place in range(3)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, self.sentence()])


def fidelity(teacher: Estimator, student: Estimator, data: Any) -> Fidelity:
    """What is lost where the student stands in the teacher's place, measured on any data.

    Args:
        teacher, student: fitted, of one task, with the same answers in the same order.
        data: as for `fit`: a set, or (x, y); without right answers there are no scores.
    Raises:
        ArgumentError: the two have other answers, or no probabilities. As `predict` of the estimator.
    """
    try:
        for model in (teacher, student):
            if not isinstance(model, Estimator):
                raise ArgumentError("there is nothing to compare.", expected="two fitted estimators of tenuto.tasks", received=type(model).__name__)
            model.require_fit("fidelity")
        if type(teacher) is not type(student) or teacher.output_names() != student.output_names():
            raise ArgumentError(
                "the two models do not have the same answers in the same order.",
                expected=f"{type(teacher).__name__}: {', '.join(map(str, teacher.output_names()[:6]))}",
                received=f"{type(student).__name__}: {', '.join(map(str, student.output_names()[:6]))}",
                fix="compare a model with one that was distilled from it",
            )
        given = teacher.as_set(data)
        answered = teacher.answered(given)
        return compared(teacher, student, answered, part="given", labelled=answered is given)
    except TenutoError as error:
        raise error.within("fidelity") from error.__cause__


def compared(teacher: Estimator, student: Estimator, data: Any, *, part: str, labelled: bool) -> Fidelity:
    """As `fidelity`, for a set of the task's kind.

    Args:
        part: what the set is called. labelled: whether its answers are right ones.
    """
    nats, counts = _apart(teacher, student, data)
    (theirs, their_seconds), (own, own_seconds) = (_chosen(model, data) for model in (teacher, student))
    equal = np.array([sum(one == other for one, other in zip(*rows)) for rows in zip(theirs, own, strict=True)], dtype=np.float64)
    places = np.array([max(len(row), len(other)) for row, other in zip(theirs, own)], dtype=np.float64)
    share, error = _share(equal, places)
    if places.max() == 1:
        count = float(len(places))
    elif error:  # of how many answers, independent of each other, the share would be as sure
        count = min(share * (1 - share) / error**2, places.sum())
    else:
        count = float(len(places))
    answers = int(places.sum())
    sides = [_side(model, data, part, seconds / answers, labelled) for model, seconds in ((teacher, their_seconds), (student, own_seconds))]
    apart, apart_error = _share(nats, counts)
    return Fidelity(
        part=part, unit=teacher.answer_unit, items=len(places), answers=answers, agreement=share, agreement_interval=wilson_interval(share * count, count),
        divergence=max(apart, 0.0), divergence_error=apart_error, divergence_unit=teacher.choice_unit, teacher=sides[0], student=sides[1],
    )  # fmt: skip


def _apart(teacher: Estimator, student: Estimator, data: Any) -> tuple[np.ndarray, np.ndarray]:
    """The divergence of each row, summed over its places, and how many these are."""
    nats, places = [], []
    theirs = own = None
    for given in student.lessons(data):
        with torch.no_grad():
            said, theirs = teacher.heard(teacher.network_, given, theirs)
            guessed, own = student.heard(student.network_, given, own)
            found = student.apart(given, said, guessed, 1.0)
        nats.append(found.nats.double().cpu().numpy())
        places.append(found.places.cpu().numpy())
    total, counts = np.concatenate(nats), np.concatenate(places).astype(np.float64)
    if not np.isfinite(total).all():
        raise DataError("the two models' probabilities cannot be compared: some are not finite.", expected="finite logits", fix="look at the data, or train the models again")
    return total[counts > 0], counts[counts > 0]


def _chosen(model: Estimator, data: Any) -> tuple[list[Any], float]:
    """The model's answers, and the seconds that they took: of several times, the fewest. Engines are chosen and kernels loaded when the divergence is measured, which is before."""
    whole, best, found = Watch(), float("inf"), []
    for _ in range(TIMES):
        watch = Watch()
        found = list(model.chosen(data))
        best = min(best, watch.seconds)
        if whole.seconds > ENOUGH_S:
            break
    return found, best


def _share(parts: np.ndarray, counts: np.ndarray) -> tuple[float, float | None]:
    """The sum of the parts over that of the counts, and its standard error, with rows as what is independent; None for one row.

    Source:     the ratio estimator, Cochran 1977, section 2.11.
    Example:
        >>> _share(np.array([1.0, 0.0, 1.0, 1.0]), np.ones(4))
        (0.75, 0.25)
    """
    share, rows = float(parts.sum() / counts.sum()), len(parts)
    if rows < 2:
        return share, None
    rest = parts - share * counts
    return share, float(np.sqrt((rest**2).sum() * rows / (rows - 1)) / counts.sum())


def _side(model: Estimator, data: Any, part: str, seconds: float, labelled: bool) -> Side:
    result = model.result(data, "validation" if part == "validation" else "test") if labelled else {}
    intervals = {name.removesuffix("_interval"): ends for name, ends in result.items() if name.endswith("_interval") and ends is not None}
    scores = {name: float(result[name]) for name in dict.fromkeys((*intervals, LOSS)) if isinstance(result.get(name), (int, float))}
    parameters = sum(weight.numel() for weight in model.network_.parameters())
    return Side(type(model.cell_).__name__, model.hidden_size, model.num_layers, parameters, seconds, scores, intervals)


def _score(side: Side, name: str) -> str:
    if name not in side.scores:
        return "not known"
    ends = side.intervals.get(name)
    if name == LOSS:
        return f"{side.scores[name]:.4f}" + ("" if ends is None else f" ({ends[0]:.4f} to {ends[1]:.4f})")
    return f"{side.scores[name]:.2%}" + ("" if ends is None else f" ({ends[0]:.1%} to {ends[1]:.1%})")


def _time(seconds: float) -> str:
    for size, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"
