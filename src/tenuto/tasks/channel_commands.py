"""How the commands read sequences of channels, for every task over them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenuto.data import Columns, Parts, Sequences, read_sequences, read_splits
from tenuto.tasks.columns import formed


def splits(data: Path, validation: Path | None, test: Path | None, choices: Mapping[str, Any]) -> Parts[Sequences]:
    """The training set, and the validation and test sets that the data contains or the call names."""
    return read_splits(data, validation=validation, test=test, **_written(choices))


def read(data: Path, split: str | None, choices: Mapping[str, Any]) -> Sequences:
    """The sequences of a file, or of its part `split`."""
    return read_sequences(data, split=split, **_written(choices))


def asked(data: Path, split: str | None, choices: Mapping[str, Any]) -> Sequences:
    """The same without labels and targets."""
    return read_sequences(data, split=split, **_written(choices), labels=False)


def _written(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Which column is what, and how the files are written. Of a task's choices, `label_column` has classes, `target_column` has numbers, with commas between several names."""
    names = {name.removesuffix("_column"): choices[name] for name in ("id_column", "time_column", "label_column", "split_column", "variable_column", "value_column", "table") if name in choices}
    targets = tuple(name.strip() for name in choices["target_column"].split(",")) if "target_column" in choices else ()
    channels = tuple(choices["channels"]) if choices["channels"] else None
    return {"columns": Columns(**names, channels=channels, weight=choices["weight_column"] or None, targets=targets), "form": formed(choices)["form"]}
