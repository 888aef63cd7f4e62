"""What the commands do for a classifier of recordings: answers as rows, results in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenuto.data.audio.recordings import Recordings
from tenuto.tasks.answers import class_rows, layers_said, said_of_classes, score_of_classes, ways_said
from tenuto.tasks.audio_commands import with_rejected
from tenuto.tasks.task import ClassTable


def predict(model: Any, data: Recordings, choices: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One dictionary for each recording: its id, the class, its probability; if asked for, a column `p(CLASS)` for each class."""
    return with_rejected(class_rows(data.ids, model.predict_proba(data), model.classes_.tolist(), every=choices["probabilities"]), data)


def described(model: Any) -> str:
    """The network in a few words."""
    return f"{layers_said(model)}, {ways_said(model)}, {model.feature_size} {model.features}, seed {model.random_state}"


def said(result: Mapping[str, Any]) -> str:
    """How many recordings got the right class."""
    return said_of_classes(result, "recordings")


def score(result: Mapping[str, Any]) -> list[str | ClassTable]:
    """Accuracy, loss, each class."""
    return score_of_classes(result, "recordings")
