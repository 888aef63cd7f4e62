"""What the commands do for a classifier of sequences: answers as rows, results in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenuto.data import Sequences
from tenuto.tasks.answers import class_rows, layers_said, said_of_classes, score_of_classes, ways_said
from tenuto.tasks.task import ClassTable


def predict(model: Any, data: Sequences, choices: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One dictionary for each sequence: its id, the class, its probability; if asked for, a column `p(CLASS)` for each class."""
    return class_rows(data.ids, model.predict_proba(data), model.classes_.tolist(), every=choices["probabilities"])


def described(model: Any) -> str:
    """The network in a few words."""
    return f"{layers_said(model)}, {ways_said(model)}, seed {model.random_state}"


def said(result: Mapping[str, Any]) -> str:
    """How many sequences got the right class."""
    return said_of_classes(result, "sequences")


def score(result: Mapping[str, Any]) -> list[str | ClassTable]:
    """Accuracy, loss, each class."""
    return score_of_classes(result, "sequences")
