"""Targets: which number of the model's answer is explained, for each row of a batch.

A target is a class, a (step, output) pair, a list with one of these for each item, or a function of the model's raw answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tenuto.choices import unknown_name
from tenuto.errors import ArgumentError, ShapeError, describe
from tenuto.explain.subject import Posed, Subject
from tenuto.tongues import either


@dataclass(frozen=True)
class Goal:
    """One output, at one step where the answer has steps. said: in words."""

    step: int | None
    output: int
    said: str


class Goals:
    """The targets of a batch: from raw answers of N rows to one number each.

    Attributes:
        said: what is explained of each row, in words. named: a function of an output's position: its name.
    """

    def __init__(self, posed: Posed, goals: Sequence[Goal] | Callable[[Any], Tensor], said: list[str], names: Callable[[int], str] = str) -> None:
        self._posed, self._goals, self.said, self.named = posed, goals, said, names

    def kept(self) -> Callable[[Posed], Goals]:
        """A function from the same rows, read by a copy of the model, to the same targets; it does not keep the batch."""
        goals, said, named = self._goals, self.said, self.named
        return lambda posed: Goals(posed, goals, said, named)

    def goal(self, row: int) -> Goal:
        """The output that is explained of a row.

        Raises:
            ArgumentError: the target is a function.
        """
        if callable(self._goals):
            raise ArgumentError("this method needs an output as its target, not a function.", expected="a class, or (step, output)", fix="target=None for what is predicted")
        return self._goals[row]

    def __call__(self, raw: Any, rows: Tensor) -> Tensor:
        """[N], the number that is explained of each row; `rows` says which row of the batch each is."""
        if callable(self._goals):
            found = self._goals(raw)
            if not isinstance(found, Tensor) or found.shape != rows.shape or not found.is_floating_point():
                received = describe(found) if isinstance(found, Tensor) else type(found).__name__
                raise ShapeError(
                    "the target function does not give one number for each row.", expected=f"a tensor [{len(rows)}] for a batch of {len(rows)} rows", received=received,
                    fix="pick one output and step of every row, and do not average over the batch",
                )  # fmt: skip
            return found
        scores = self._posed.scores(raw)
        outputs = torch.tensor([self._goals[row].output for row in rows.tolist()], device=scores.device)
        places = torch.arange(len(rows), device=scores.device)
        if scores.dim() == 2:
            return scores[places, outputs]
        steps = torch.tensor([self._goals[row].step or 0 for row in rows.tolist()], device=scores.device)
        return scores[steps, places, outputs]


def goals_of(target: Any, posed: Posed, subject: Subject, first: int) -> Goals:
    """The targets of a batch.

    Args:
        target: as `explain` takes it. first: how many items came before this batch.
    Raises:
        ArgumentError: a target that the answer does not have; it says which there are.
    """
    rows = len(posed.names)
    if callable(target):
        name = getattr(target, "__name__", type(target).__name__)
        return Goals(posed, target, ["a function of the answer" if name == "<lambda>" else name] * rows)
    with torch.no_grad():
        scores = posed.scores(posed.run(posed.x, torch.arange(rows, device=posed.x.device)))
    if scores.shape[-2] != rows:
        raise ShapeError(
            f"the model answers a batch of {rows} rows with {describe(scores)}.", expected=f"[{rows}, K] or [T, {rows}, K]", received=describe(scores),
            fix="batch_first=True or False, as the model takes its input; or target=, a function of the model's answer",
        )  # fmt: skip
    if isinstance(target, list):
        if len(target) < first + rows:
            raise ArgumentError(f"there are {len(target)} targets.", expected="one for each item", fix="a list as long as the data, or one target for all items")
        wanted = target[first : first + rows]
    else:
        wanted = [target] * rows
    goals = [_goal(one, row, scores, posed, subject) for row, one in enumerate(wanted)]
    return Goals(posed, goals, [goal.said for goal in goals], lambda output: _said(output, subject))


def _goal(target: Any, row: int, scores: Tensor, posed: Posed, subject: Subject) -> Goal:
    if scores.dim() == 2:
        if isinstance(target, tuple):
            raise ArgumentError("the target is a step and an output, but the model has one answer for a whole sequence.", received=repr(target), fix=f"target={target[-1]!r}")
        output = int(scores[row].argmax()) if target is None else _output(target, scores.shape[-1], subject)
        return Goal(None, output, _said(output, subject))
    steps = len(scores) if posed.answer_lengths is None else posed.answer_lengths[row]
    if not isinstance(target, tuple) or len(target) != 2 or isinstance(target[0], bool) or not isinstance(target[0], int):
        raise ArgumentError(
            "the model answers at every step, so a target needs a step too.", expected=either("target=(step, output); output None is what the model answers there", "--target STEP:OUTPUT; STEP: alone for what the model answers there"),
            received=repr(target), fix=either("target=(-1, None) for the last step", "--target -1: for the last step"),
        )  # fmt: skip
    step, wanted = target
    if not -steps <= step < steps:
        raise ArgumentError(f"item {posed.names[row]} has no step {step}.", expected=f"{-steps} to {steps - 1}", received=repr(target), fix="a step within the answer")
    step %= steps
    given = scores[step, row].argmax() if posed.answers is None else posed.answers[step, row]
    output = int(given) if wanted is None else _output(wanted, scores.shape[-1], subject)
    return Goal(step, output, f"{_said(output, subject)} at step {step}")


def _output(wanted: Any, count: int, subject: Subject) -> int:
    """The position of an output: its name, where outputs have names, else its number."""
    names = subject.outputs
    plain = wanted.item() if hasattr(wanted, "item") else wanted
    if subject.labels and names:
        if plain in names and not (isinstance(plain, bool) and not isinstance(names[names.index(plain)], bool)):
            return names.index(plain)
        texts = [str(name) for name in names]
        if isinstance(plain, str) and texts.count(plain) == 1:  # typed on a command line
            return texts.index(plain)
        raise unknown_name(f"the model has no output {plain!r}.", plain, names, fix="give an output as predict does, or None for the predicted one")
    if isinstance(plain, int) and not isinstance(plain, bool) and 0 <= plain < count:
        return plain
    raise ArgumentError(f"the model has no output {plain!r}.", expected=f"0 to {count - 1}", received=repr(plain), fix="the number of an output, or None for the largest")


def _said(output: int, subject: Subject) -> str:
    return str(subject.outputs[output]) if output < len(subject.outputs) else f"output {output}"
