"""`distill`: the public call."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from tenuto.cell import Cell
from tenuto.distill.student import student_of
from tenuto.distill.teacher import Teacher
from tenuto.errors import ArgumentError, TenutoError
from tenuto.tasks.estimator import Estimator
from tenuto.tasks.evaluation import merged
from tenuto.tasks.taught import Taught
from tenuto.train import Checkpoint, Launch, Observer

E = TypeVar("E", bound=Estimator)


def distill(
    teacher: E,
    data: Any,
    *,
    cell: str | Cell | None = None,
    validation: Any = None,
    test: Any = None,
    temperature: float = 2.0,
    truth: float | None = None,
    states: float = 0.0,
    start: str = "front",
    observers: Iterable[Observer] = (),
    checkpoint: str | Path | Checkpoint | None = None,
    launch: Launch | None = None,
    **changes: Any,
) -> E:
    """A simpler model that answers as the teacher does: a fitted estimator of the same task, trained on the teacher's probabilities.

    The student reads data as the teacher does (the same means of channels, the same words and symbols) and can give the same answers. What is lost is measured
    on the test set, or else on the held-out part, and kept in `evaluation_`: `tenuto.distill.Fidelity.of(student)`. The teacher stays as it is.

    Args:
        teacher: a fitted estimator whose answers are choices: classes, tags, symbols.
        data: a set as for `fit`, or a tuple (x, y); without right answers, only the teacher's answers teach.
        cell: the student's. Default: the teacher's.
        validation: a set to choose the best weights by. Default: a part of the data. test: a set on which the two are compared afterwards, in the place of the held-out part.
        temperature: by which the logits of both are divided, so that what is improbable tells more.
        truth: the share of right answers in the loss. Default: 0.5 where the data have right answers, else 0.
        states: what the encoder's hidden states count in the loss: that the same steps are alike to the student as to the teacher, whatever their sizes.
        start: which of the teacher's weights the student begins with, where name and shape fit: "front" (what reads the data), "all", or "nothing".
        observers, checkpoint, launch: see `tenuto.tasks.estimator.Estimator.fit`.
        changes: other options of the estimator, such as hidden_size or num_layers; all others are the teacher's, except epochs and batch_size, which the data suggest.
    Raises:
        ArgumentError: the teacher has no probabilities, or an option is out of range or not known. As `fit` of the estimator.
    Source:     Hinton, Vinyals, Dean 2015; Tung & Mori 2019 (states).
    Example:
        >>> import numpy as np, tenuto
        >>> from tenuto.tasks import SequenceClassifier
        >>> x, y = [np.full((3 + i % 4, 1), float(i % 2)) for i in range(20)], ["low", "high"] * 10
        >>> teacher = SequenceClassifier("lstm", hidden_size=8, epochs=30).fit(x, y)
        >>> student = tenuto.distill(teacher, (x, y), cell="gru", hidden_size=4, epochs=30)
        >>> tenuto.distill.Fidelity.of(student).agreement
        1.0
    """
    try:
        student, teaching = lesson(teacher, cell, changes, temperature=temperature, truth=truth, states=states, start=start)
        student.learn_from(teaching, data, validation=validation, test=test, observers=observers, checkpoint=checkpoint, launch=launch)
        if test is not None:
            tested(teaching, test)
    except TenutoError as error:
        raise error.within("distill") from error.__cause__
    return student


def lesson(teacher: E, cell: str | Cell | None, changes: dict[str, Any], *, temperature: float, truth: float | None, states: float, start: str) -> tuple[E, Teacher]:
    """The student before it learns, and who will teach it.

    Raises:
        ArgumentError: as `distill`.
    """
    if not isinstance(teacher, Estimator):
        raise ArgumentError(
            "there is nobody to learn from.", expected="a fitted estimator of tenuto.tasks", received=type(teacher).__name__, fix="an estimator's `load` reads a run folder"
        )
    teacher.require_fit("distill")
    if type(teacher).choices is Taught.choices:
        teacher.choices((), None)  # says why not
    student = student_of(teacher, cell, changes)
    student.check()
    return student, Teacher(teacher, student, temperature=temperature, truth=truth, states=states, start=start)


def tested(teaching: Teacher, test: Any) -> None:
    """Measure what is lost on a test set, in the place of the held-out part."""
    data = teaching.model.as_set(test)
    answered = teaching.model.answered(data)
    teaching.student.evaluation_ = merged(teaching.student.evaluation_, teaching.compared(answered, "test", answered is data))
