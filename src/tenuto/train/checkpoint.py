"""Checkpoints: everything that a run needs to go on as if it had never been stopped, in one file that is never half written.

checkpoint.safetensors holds the tensors (weights, optimiser, averages, best weights, carried states, generators), and in its header, as
JSON, everything else (position, measurements, schedule) with a SHA-256 of all of it. Nothing is pickled. The file is written beside its place
and then moved there (`files.replacing`), so if a run is killed at any moment or the disk is full, the previous checkpoint is still there.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from tenuto.errors import ArgumentError, RunError, TenutoError
from tenuto.files import DAMAGE, NotWritten, digest_of, is_partial, parse_json, plain, system_says, write_tensors
from tenuto.train.differences import differences, short
from tenuto.train.nested import put_together, take_apart

FILE = "checkpoint.safetensors"
FORMAT, FORMAT_VERSION = "tenuto checkpoint", 1
_FIX = "train with what the checkpoint was made with, choose another folder, or delete the file to start from the beginning"


@dataclass(frozen=True)
class Checkpoint:
    """Where and how often checkpoints of a run are written; `train` goes on from the one that it finds there.

    One is also written when training stops without an error, so a finished run is not trained again: it is read from there.

    Attributes:
        folder: holds checkpoint.safetensors, and may hold anything else.
        every_s: seconds from the end of writing one to the next; None for no limit by time. every_steps: the same in optimiser steps.
        identity: plain data that must be the same when training is resumed, for example the digest of the data and the seed. The training
            options (except time_limit_s), the names and shapes of the weights, the number of processes and of batches in an epoch are always
            part of it.
    Raises:
        ArgumentError: an interval out of range. RunError: the folder cannot be made.
    Example:
        >>> import tempfile
        >>> checkpoint = Checkpoint(tempfile.mkdtemp(), every_steps=100, identity={"data": "sha256 of the file"})
        >>> checkpoint.exists()
        False
    """

    folder: str | Path
    every_s: float | None = 60.0
    every_steps: int | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("every_s", "every_steps"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ArgumentError(f"{name}={value!r} is out of range.", expected="a number above zero, or None")
        try:
            Path(self.folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"the folder {self.folder} cannot be made: {error.strerror}.", fix="choose another folder") from error

    @classmethod
    def of(cls, given: str | Path | Checkpoint | None, identity: Mapping[str, Any]) -> Checkpoint | None:
        """A Checkpoint from what a task's argument `checkpoint` may be, a folder or a Checkpoint, with the task's own `identity` added."""
        if given is None:
            return None
        checkpoint = given if isinstance(given, Checkpoint) else cls(given)
        return replace(checkpoint, identity={**checkpoint.identity, **identity})

    @property
    def path(self) -> Path:
        """The checkpoint file."""
        return Path(self.folder) / FILE

    def exists(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return self.path.is_file()

    def delete(self) -> None:
        """Remove the file, so that the next run starts from the beginning."""
        self.path.unlink(missing_ok=True)
        self.sweep()

    def sweep(self) -> None:
        """Remove partial files that a killed run left beside the checkpoint. `train` does this when it starts: a folder belongs to one run at a time."""
        for entry in Path(self.folder).iterdir():
            if is_partial(entry.name, FILE):
                entry.unlink(missing_ok=True)

    def write(self, state: Any, identity: Mapping[str, Any]) -> None:
        """Replace the checkpoint with this state, a nest of tensors and plain data.

        Raises:
            NotWritten: the disk is full, or there is no right to write; the old checkpoint is kept. RunError: something in the state cannot be put in a file.
        """
        try:
            data, tensors = take_apart(state)
        except TypeError as error:
            raise RunError(
                f"the state of the run cannot be kept in a checkpoint: {error}.",
                expected="tensors, numbers, text or None, in tuples, named tuples, lists and dictionaries",
                fix="carry only such values from batch to batch",
            ) from error
        kept = {"format": FORMAT, "format_version": FORMAT_VERSION, "identity": plain(identity), "state": data}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        header = {"checkpoint": json.dumps(kept, allow_nan=False), "sha256": digest_of(kept, tensors)}
        try:
            write_tensors(self.path, tensors, header)
        except (OSError, NotWritten) as error:
            raise NotWritten(
                f"the checkpoint {self.path} could not be written: {system_says(error)}.",
                expected="room on the disk and the right to write there",
                received="an earlier checkpoint, which is kept" if self.exists() else "no checkpoint yet",
                fix="make room; training goes on, and tries again when the next checkpoint is due",
            ) from (error.__cause__ or error)

    def read(self, identity: Mapping[str, Any]) -> Any:
        """The state that was written last. Its tensors have memory of their own, so the file can be replaced.

        Raises:
            RunError: the file is damaged, comes from a version of tenuto with another format, or belongs to another run; the message says
                what differs.
        """
        try:
            with safe_open(self.path, framework="pt") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
            kept = parse_json(header.get("checkpoint", "{}"))
        except (OSError, SafetensorError, *DAMAGE) as error:
            raise self._refused(f"cannot be read: {error}", "a whole file", "an unreadable one") from error
        if not isinstance(kept, dict):
            kept = {}
        if kept.get("format") != FORMAT or kept.get("format_version") != FORMAT_VERSION:
            version = f"{kept.get('format', 'not a checkpoint of tenuto')}, format_version {kept.get('format_version')}"
            raise self._refused("has a format that this version of tenuto does not know", f"{FORMAT}, format_version {FORMAT_VERSION}", version)
        if digest_of(kept, tensors) != header.get("sha256"):
            raise self._refused("was changed after it was written: its digest differs", f"sha256 {header.get('sha256')}", "another digest")
        found = list(differences(plain(identity), kept.get("identity")))
        if found:
            shown = found[:4]
            more = f" and {len(found) - 4} more" if len(found) > 4 else ""
            raise self._refused(
                f"belongs to another run: {', '.join(each.place for each in shown)}{more} differ{'s' * (len(found) == 1)}",
                "; ".join(f"{each.place} {short(each.here)}" for each in shown),
                "; ".join(f"{each.place} {short(each.there)}" for each in shown),
            )
        with self.judging():
            return put_together(kept["state"], tensors)

    @contextlib.contextmanager
    def judging(self) -> Iterator[None]:
        """For a block that uses the state: a digest says that a file is whole, not that it makes sense, so what goes wrong in it is the file's fault.

        Raises:
            RunError: the state is not one that `write` was given.
        """
        try:
            yield
        except TenutoError:
            raise
        except DAMAGE as error:
            raise self._refused(f"holds a state that no run has: {type(error).__name__}: {error}", "the state as training wrote it", "another one") from error

    def _refused(self, what: str, expected: str, received: str) -> RunError:
        return RunError(f"the checkpoint {self.path} {what}.", expected=expected, received=received, fix=_FIX)


def describe_weights(model: torch.nn.Module) -> dict[str, str]:
    """Each weight's shape and dtype by name, for a run's identity."""
    return {name: f"{list(value.shape)} {str(value.dtype).removeprefix('torch.')}" for name, value in model.state_dict().items()}
