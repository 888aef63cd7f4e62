"""How the commands read recordings, for every task over them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenuto.data.audio.manifests import AudioColumns
from tenuto.data.audio.read import read_recording_splits, read_recordings
from tenuto.data.audio.recordings import Recordings
from tenuto.data.parts import Parts
from tenuto.tasks.columns import formed


def splits(data: Path, validation: Path | None, test: Path | None, choices: Mapping[str, Any]) -> Parts[Recordings]:
    """The training set, and the validation and test sets that the data contains or the call names."""
    return read_recording_splits(data, validation=validation, test=test, **_written(choices))


def read(data: Path, split: str | None, choices: Mapping[str, Any]) -> Recordings:
    """The recordings of a list or folder, or of its part `split`."""
    return read_recordings(data, split=split, **_written(choices))


def asked(data: Path, split: str | None, choices: Mapping[str, Any]) -> Recordings:
    """The same without labels and texts."""
    return read_recordings(data, split=split, **_written(choices), answers=False)


def rejected(evaluation: Mapping[str, Any]) -> list[str]:
    """After a fit: which recordings were left out, and why."""
    lines = []
    for name in ("train", "validation", "test"):
        part = evaluation["data"][name]
        if part and part["rejected"]:
            lines += [f"left out    {one['identity']}: {one['reason']}" for one in part["rejects"][:10]]
            lines += [f"left out    and {part['rejected'] - 10} more"] if part["rejected"] > 10 else []
    return lines


def with_rejected(rows: list[dict[str, Any]], data: Recordings) -> list[dict[str, Any]]:
    """Answers, and after them a row for each recording that could not be read, with the reason."""
    if not data.rejects:
        return rows
    return [*({**row, "left_out": ""} for row in rows), *({"id": one.identity, "left_out": one.reason} for one in data.rejects)]


def _written(choices: Mapping[str, Any]) -> dict[str, Any]:
    names = ("audio_column", "text_column", "label_column", "speaker_column", "start_column", "end_column", "split_column")
    return {"columns": AudioColumns(**{name.removesuffix("_column"): choices[name] for name in names if name in choices}), "form": formed(choices)["form"]}
