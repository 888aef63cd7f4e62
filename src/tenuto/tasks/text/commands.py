"""What the commands do for a classifier of texts: data read, answers as rows, results in words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenuto.data.parts import choose_part
from tenuto.data.sentences.labelled_text import labelled_text_parts, read_labelled_text, read_labelled_text_splits
from tenuto.data.sentences.sentences import Sentences
from tenuto.tasks.answers import class_rows, said_of_classes, score_of_classes
from tenuto.tasks.columns import formed
from tenuto.tasks.task import ClassTable


def splits(data: Path, validation: Path | None, test: Path | None, choices: Mapping[str, Any]) -> Any:
    """The training set, and the validation and test sets that the folder contains or the call names."""
    return read_labelled_text_splits(data, validation=validation, test=test, **formed(choices))


def read(data: Path, split: str | None, choices: Mapping[str, Any]) -> Sentences:
    """The texts of a file, or of one part of a folder."""
    return read_labelled_text(choose_part(data, labelled_text_parts(data), split), **formed(choices))


def asked(data: Path, split: str | None, choices: Mapping[str, Any]) -> Sentences:
    """The same without labels, and without empty texts."""
    return read_labelled_text(choose_part(data, labelled_text_parts(data), split), labels=False, empty="skip", **formed(choices))


def predict(model: Any, data: Sentences, choices: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One dictionary for each text: its id, the class, its probability; if asked for, a column `p(CLASS)` for each class."""
    return class_rows(data.ids, model.predict_proba(data), model.classes_.tolist(), every=choices["probabilities"])


def said(result: Mapping[str, Any]) -> str:
    """How many texts got the right class."""
    return said_of_classes(result, "texts")


def score(result: Mapping[str, Any]) -> list[str | ClassTable]:
    """Accuracy, loss, each class."""
    return score_of_classes(result, "texts")
