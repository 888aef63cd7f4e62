"""The run folder: what a training run leaves behind, as plain files. This docstring and the schemas that it names are the contract.

    RUN/
      model.safetensors   the weights of the best validation: the lowest loss, or what the option `select_by` names
      config.json         all that is needed to predict, and the digests of the other files; put in its place last, so a run that has it is complete
      metrics.jsonl       one JSON object per line, one line for each validation
      evaluation.json     all that a report shows, as plain data
      report.html         made from the files above by `tenuto.report`; no digest covers it
      config.toml         the options of the `tenuto fit` that made the run, for `tenuto fit --from RUN`; no digest covers it
      unfinished/         only while a run trains, and after it was killed or interrupted: config.toml, metrics.jsonl so far, checkpoint/
      .new/               only after a kill while a run was being replaced: files of the new run, which count in place of those of the same names outside
      .lock               only while a run trains, and after it was killed: which process that is
      checkpoint.safetensors   only if `fit(checkpoint=RUN)` keeps its checkpoint in this folder (`tenuto.train.Checkpoint`)

Files of other names stay as they are. `runs/schema.py` says which keys the files have, of which kind, and what they mean; for the keys that only
one task has, `tasks/<task>/schema.py` does. `docs/RUN_FOLDER.md` is written from them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tenuto.choices import missing_file
from tenuto.errors import RunError
from tenuto.files import (
    PARTIAL,
    NotWritten,
    is_partial,
    parse_json,
    parse_toml,
    plain,
    read_json,
    read_tensors,
    sha256_of,
    system_says,
    write_json,
    write_tensors,
    write_text,
)
from tenuto.runs.names import CONFIG, CONFIGURATION, EVALUATION, METRICS, MODEL, NEW, REPORT, TAUGHT, UNFINISHED
from tenuto.tongues import either, typed_path
from tenuto.train.checkpoint import FILE as CHECKPOINT
from tenuto.train.lock import FILE as LOCK
from tenuto.train.lock import held, holder_of

FORMAT, FORMAT_VERSION = "tenuto run", 2
READABLE = (1, 2)  # the versions of the format that this version of tenuto reads
EVALUATION_FORMAT = "tenuto evaluation"
_A_RUN = either("a folder written by `tenuto fit` or SequenceClassifier.save", "a folder written by `tenuto fit`")
_OURS = {CONFIG, MODEL, METRICS, EVALUATION, REPORT, CONFIGURATION, UNFINISHED, CHECKPOINT, NEW, LOCK}


@dataclass(frozen=True)
class Run:
    """A run folder, read and checked.

    Attributes:
        folder: its path.
        config, metrics, evaluation: the three files as plain data.
    """

    folder: Path
    config: dict[str, Any]
    metrics: list[dict[str, Any]]
    evaluation: dict[str, Any]

    def tensors(self) -> dict[str, torch.Tensor]:
        """The weights, by name."""
        return read_tensors(_place(self.folder, MODEL))


def claim(folder: str | Path, *, overwrite: bool = False) -> Path:
    """Make sure that a run can be written to `folder`, before any time is spent on training; returns its path.

    A folder that is new or empty is accepted (and made), and so is what an interrupted run left behind: our files without a config.json.
    A complete run is accepted only with `overwrite=True`, a folder with anything else in it never. Nothing is removed here.

    Raises:
        RunError: the folder holds something else, or a complete run, or cannot be used.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise RunError(
            f"{folder} is a file, not a folder.", expected="a new or empty folder for the run", fix="choose another name"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = {entry.name for entry in folder.iterdir() if not _left_over(entry.name)}
    except OSError as error:
        raise RunError(f"{folder} cannot be used for a run: {error.strerror}.", fix="choose another folder") from error
    if is_complete(folder):
        read_config(folder)  # refuses a config.json that is not ours
        if not overwrite:
            raise RunError(
                f"{folder} already holds a complete run.",
                expected="a new or empty folder for the run",
                received=", ".join(sorted(names)),
                fix=f"choose another folder, or {either('pass overwrite=True', 'add --overwrite')} to replace that run",
            )
    elif names - _OURS:
        raise RunError(
            f"{folder} is not empty, and what it holds is not a run of tenuto.",
            expected="a new or empty folder for the run",
            received=", ".join(sorted(names)[:8]) + (", ..." if len(names) > 8 else ""),
            fix="choose another folder; nothing was written",
        )
    return folder


def write_run(
    folder: str | Path,
    *,
    config: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
    metrics: Sequence[Mapping[str, Any]],
    evaluation: Mapping[str, Any],
    overwrite: bool = False,
) -> Path:
    """Write a complete run: whole beside what stands in the folder, which it then replaces. Killed at any moment, or on a full disk, the folder holds
    the run that stood there or the new one, whole. Files of other names, and config.toml, stay as they are.

    Raises:
        RunError: as in `claim`; another process trains there; or the files cannot be written.
    """
    folder = claim(folder, overwrite=overwrite)
    with held(folder):
        before = is_complete(folder)
        try:
            _sweep(folder)
            _settle(folder)
            with _staged(folder) as staged:
                _write_files(staged, config, tensors, metrics, evaluation)
                os.rename(staged, folder / NEW)  # from here on it is the run
            _settle(folder)
        except (OSError, NotWritten) as error:
            stays = "the run that stood there is still whole" if before else "the folder does not count as a run"
            raise RunError(
                f"the run {folder} could not be written: {system_says(error)}.",
                expected="room on the disk and the right to write there",
                received=stays,
                fix="make room or choose another folder, and save again",
            ) from error
    return folder


def is_complete(folder: str | Path) -> bool:
    """Whether there is a run in this folder."""
    return _place(Path(folder), CONFIG).is_file()


def _place(folder: Path, name: str) -> Path:
    """Where a file of a run is: among those that have not taken their places yet, if the process was killed then; else in the folder itself."""
    new = folder / NEW / name
    return new if new.is_file() else folder / name


def _settle(folder: Path) -> None:
    """Move the files of `.new` to their places, config.json last."""
    new = folder / NEW
    if not new.is_dir():
        return
    if (new / CONFIG).is_file():
        (folder / REPORT).unlink(missing_ok=True)  # it is that of the run that stood there
    for name in (MODEL, METRICS, EVALUATION, CONFIG):
        if (new / name).is_file():
            os.replace(new / name, folder / name)
    new.rmdir()


@contextlib.contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """A new folder inside `folder` to write a run in; what is still in it at the end is removed."""
    staged = Path(tempfile.mkdtemp(dir=folder, prefix=f"{NEW}.", suffix=PARTIAL))
    try:
        yield staged
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _left_over(name: str) -> bool:
    """Whether this is what a killed writer of a run left: a temporary file of one of our names."""
    return any(is_partial(name, ours) for ours in _OURS) or (name.startswith(f"{NEW}.") and name.endswith(PARTIAL))


def _sweep(folder: Path) -> None:
    """Remove what killed writers left."""
    for entry in list(folder.iterdir()):
        if _left_over(entry.name):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _write_files(
    folder: Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
    metrics: Sequence[Mapping[str, Any]],
    evaluation: Mapping[str, Any],
) -> None:
    write_tensors(folder / MODEL, tensors)
    write_text(folder / METRICS, "".join(json.dumps(plain(line), allow_nan=False) + "\n" for line in metrics))
    write_json(folder / EVALUATION, evaluation)
    files = {
        name: {"sha256": sha256_of(folder / name), "size_bytes": (folder / name).stat().st_size}
        for name in (MODEL, METRICS, EVALUATION)
    }
    known = {"format": FORMAT, "format_version": FORMAT_VERSION}
    whole = plain({**known, **config, **known, "files": files})
    whole.pop("sha256", None)  # left from a config that was read from another run
    write_json(folder / CONFIG, {**whole, "sha256": digest_of(whole)})


def read_run(folder: str | Path) -> Run:
    """Read a run folder and check every file against its digest.

    Raises:
        RunError: the folder or a file is missing, was changed after it was written, or is not ours.
    """
    folder = Path(folder)
    config = read_config(folder)
    for name in (MODEL, METRICS, EVALUATION):  # only these are opened, whatever names config.json has
        known, path = config["files"][name], _place(folder, name)
        if not path.is_file():
            raise RunError(
                f"the run {folder} lacks {name}.",
                expected=f"{name}, {known['size_bytes']} bytes",
                received="no such file",
                fix=_mend(folder),
            )
        if sha256_of(path) != known["sha256"]:
            raise RunError(
                f"{name} in the run {folder} is not the file that was written: its digest differs.",
                expected=f"sha256 {known['sha256'][:16]}..., {known['size_bytes']} bytes",
                received=f"sha256 {sha256_of(path)[:16]}..., {path.stat().st_size} bytes",
                fix=_mend(folder),
            )
    evaluation = read_json(_place(folder, EVALUATION))
    if not isinstance(evaluation, dict):
        raise _damaged(folder, EVALUATION, "it is not a JSON object")
    return Run(folder, config, _metrics(folder), evaluation)


def _metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl."""
    try:
        lines = [parse_json(line) for line in _place(folder, METRICS).read_text(encoding="utf-8").split("\n") if line]
    except (OSError, ValueError, MemoryError) as error:
        raise _damaged(folder, METRICS, str(error)) from error
    if not all(isinstance(line, dict) for line in lines):
        raise _damaged(folder, METRICS, "a line is not a JSON object")
    return lines


def killed_early(folder: Path) -> bool:
    """Whether a run was killed before its first checkpoint, so that there is nothing to go on from."""
    unfinished = folder / UNFINISHED
    return unfinished.is_dir() and not any(path.is_file() and not path.name.endswith(".partial") for path in unfinished.rglob("*"))


def resuming(folder: Path) -> str:
    """The command that goes on with the run in a folder."""
    return f"tenuto {'distill' if had_a_teacher(folder) else 'fit'} --resume {typed_path(folder)}{own_cells_of(folder)}"


def had_a_teacher(folder: Path) -> bool:
    """Whether the run in a folder, complete or not, is one of `tenuto distill`."""
    return TAUGHT in next(_configurations(folder), {})


def own_cells_of(folder: Path) -> str:
    """For a command that goes on with a run: " --cell FILE.py:CLASS" where its configuration names cells in Python files. These are run only if they are typed."""
    tables = next(_configurations(folder), {})
    options = [pair for table in (tables, *tables.values()) if isinstance(table, dict) for pair in table.items()]
    named = {name: value for name, value in options if isinstance(value, str) and name.endswith("cell") and ".py:" in value}
    return "".join(f" --{name.replace('_', '-')} {shlex.quote(value)}" for name, value in named.items())


def _configurations(folder: Path) -> Iterator[dict[str, Any]]:
    """The configurations of a run that can be read, that of an unfinished one first."""
    for path in (folder / UNFINISHED / CONFIGURATION, folder / CONFIGURATION):
        with contextlib.suppress(OSError, ValueError, RecursionError, MemoryError):
            yield parse_toml(path.read_text(encoding="utf-8-sig"))


def _damaged(folder: Path, name: str, reason: str) -> RunError:
    return RunError(
        f"{name} in the run {folder} cannot be used: {reason}.", expected="the file as tenuto wrote it", fix=_mend(folder)
    )


def _mend(folder: Path) -> str:
    """What to do about a run that is damaged."""
    if (folder / UNFINISHED).is_dir():
        return f"go on with the run that was killed or interrupted there: {resuming(folder)}"
    return "restore the file from a copy, or train the model again"


def read_config(folder: str | Path) -> dict[str, Any]:
    """Read and check only config.json.

    Raises:
        RunError: as in `read_run`.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunError(
            f"there is no run folder {folder}.",
            expected=_A_RUN,
            received="a file" if folder.exists() else "no such folder",
            fix=missing_file(folder),
        )
    if not is_complete(folder):
        received = ", ".join(sorted(entry.name for entry in folder.iterdir())[:8]) or "an empty folder"
        trains = holder_of(folder)
        if trains is not None:
            what, fix = f"process {trains.process} is training it", "wait until it ends"
        elif killed_early(folder):
            what, fix = "it was killed before its first checkpoint, and holds nothing", "train again"
        elif (folder / UNFINISHED).is_dir():
            what, fix = "it was killed or interrupted, and nothing of it is lost", f"go on with it: {resuming(folder)}"
        else:
            what, fix = f"it has no {CONFIG}", "check the path"
        raise RunError(
            f"{folder} is not a complete run: {what}.", expected=_A_RUN, received=received, fix=fix
        )
    config = read_json(_place(folder, CONFIG))
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise RunError(
            f"{folder / CONFIG} was not written by tenuto.",
            expected=f'"format": "{FORMAT}"',
            received=f'"format": {json.dumps(config.get("format"))}' if isinstance(config, dict) else "not a JSON object",
            fix="check the path",
        )
    if config.get("format_version") not in READABLE:
        raise RunError(
            f"{folder / CONFIG} has a format that this version of tenuto does not know.",
            expected=f"format_version {READABLE[0]} to {READABLE[-1]}",
            received=f"format_version {config.get('format_version')}, written by tenuto {config.get('tenuto')}",
            fix="install the version of tenuto that wrote it, or a newer one",
        )
    files = config.get("files")
    known = [files.get(name) for name in (MODEL, METRICS, EVALUATION)] if isinstance(files, dict) else [None]
    if not all(isinstance(one, dict) and isinstance(one.get("sha256"), str) and isinstance(one.get("size_bytes"), int) for one in known):
        raise _damaged(folder, CONFIG, "it does not have the digest and the size of each file")
    content = {key: value for key, value in config.items() if key != "sha256"}
    if digest_of(content) != config.get("sha256"):
        raise RunError(
            f"{folder / CONFIG} was changed after it was written: its digest differs.",
            expected=f"sha256 {config.get('sha256')}",
            received=f"sha256 {digest_of(content)}",
            fix="restore the file from a copy; to change options, train a new run",
        )
    return config


def digest_of(data: Any) -> str:
    """The SHA-256 digest of plain data: JSON with sorted keys, no spaces, UTF-8."""
    text = json.dumps(plain(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
