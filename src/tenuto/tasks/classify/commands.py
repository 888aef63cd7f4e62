"""What the commands do for a classifier of sequences: data read, answers as rows, results in words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenuto.data import Columns, Parts, Sequences, read_sequences, read_splits
from tenuto.tasks.answers import class_rows, layers_said, said_of_classes, score_of_classes, ways_said
from tenuto.tasks.columns import formed
from tenuto.tasks.task import ClassTable


def splits(data: Path, validation: Path | None, test: Path | None, choices: Mapping[str, Any]) -> Parts[Sequences]:
    """The training set, and the validation and test sets that the data contains or the call names."""
    return read_splits(data, validation=validation, test=test, **_written(choices))


def read(data: Path, split: str | None, choices: Mapping[str, Any]) -> Sequences:
    """The sequences of a file, or of its part `split`."""
    return read_sequences(data, split=split, **_written(choices))


def asked(data: Path, split: str | None, choices: Mapping[str, Any]) -> Sequences:
    """The same without labels."""
    return read_sequences(data, split=split, **_written(choices), labels=False)


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


def _written(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Which column is what, and how the files are written."""
    names = {name.removesuffix("_column"): choices[name] for name in ("id_column", "time_column", "label_column", "split_column", "table")}
    columns = Columns(**names, channels=tuple(choices["channels"]) if choices["channels"] else None)
    return {"columns": columns, "form": formed(choices)["form"]}
