"""Fine-tuning in rounds: in each something is taken away and what is left is trained; a call that was stopped goes on after the rounds that are done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tenuto.compress.learning_on import LearningOn
from tenuto.distill.student import student_of
from tenuto.distill.teacher import digest_of
from tenuto.errors import ArgumentError, RunError
from tenuto.files import read_json, write_json
from tenuto.scalars import whole
from tenuto.tasks.estimator import Estimator
from tenuto.tongues import argument
from tenuto.train import Launch, Observer

E = TypeVar("E", bound=Estimator)

DONE = "round.json"  # in the folder of a round that is finished


def still_to_go(rounds: int) -> list[float]:
    """Of all that is to go, the share that is still there after each round: much goes at first, little at the end.

    Source:     Zhu & Gupta 2017, "To prune, or not to prune", eq. 1, from nothing gone.
    Example:
        >>> still_to_go(2)
        [0.125, 0.0]
    """
    return [(1 - step / rounds) ** 3 for step in range(1, rounds + 1)]


@dataclass(frozen=True)
class Rounds:
    """How a model learns on.

    Args:
        count: how many rounds. folder: where finished ones and the state of training are kept; None for nowhere.
        validation, test, observers, launch: as `fit` of the estimator.
        changes: other options of training; epochs are those of each round. Default: all rounds together as many as the model's own training.
    """

    count: int = 3
    folder: str | Path | None = None
    validation: Any = None
    test: Any = None
    observers: tuple[Observer, ...] = ()
    launch: Launch | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)

    def checked(self) -> int:
        """How many rounds there are.

        Raises:
            ArgumentError: it is no number of rounds.
        """
        found = whole(self.count)
        if found is None or found < 1:
            raise ArgumentError(f"{argument('rounds', self.count)} is out of range.", expected="a whole number, 1 or more")
        return found

    def run(self, model: E, data: Any, targets: Sequence[float], make: Callable[[E, float], tuple[Mapping[str, Any], LearningOn]], told: Mapping[str, Any]) -> E:
        """The model after the last round.

        Args:
            data: a labelled set as for `fit`, or (x, y). targets: what each round is to reach.
            make: for a model and a target, the options of the next model, and what takes part in its fit. told: what besides must agree with the rounds that are done.
        Raises:
            RunError: the folder holds the rounds of something else. As `fit`.
        """
        given = {name: value for name, value in self.changes.items() if value is not None}
        given.setdefault("epochs", max(1, round(model.options_["epochs"] / max(1, len(targets)))))
        about = {**told, "start": digest_of(model.network_), "targets": list(targets), "options": {name: str(value) for name, value in given.items()}}
        found = model
        for number, target in enumerate(targets, 1):
            home = None if self.folder is None else Path(self.folder) / f"round-{number}"
            done = None if home is None else _finished(home, about, model)
            if done is not None:
                found = done
                continue
            options, teaching = make(found, target)
            last = number == len(targets)
            student = student_of(found, None, {**options, **given})
            student.check()
            parts = {"validation": self.validation, "test": self.test if last else None}
            student.learn_from(teaching, data, **parts, observers=self.observers, checkpoint=None if home is None else home / "training", launch=self.launch)
            teaching.finish(student)
            found = student
            if home is not None and not last:
                found.save(home / "run", overwrite=True)
                write_json(home / DONE, about)
        return found


def _finished(home: Path, about: Mapping[str, Any], model: E) -> E | None:
    """The model of a round that is done; None where it is not."""
    if not (home / DONE).is_file():
        return None
    if read_json(home / DONE) != about:
        raise RunError(f"{home} holds a round of something else.", expected="the same model, amounts and options", fix="name another folder, or delete this one")
    return type(model).load(home / "run", cell=type(model.cell_), device=model.device)
