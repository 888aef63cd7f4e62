"""Options as a TOML file: read for `--config` and `--from`, written into every run folder as config.toml.

    task = "classify"
    data = "walks.csv"

    [network]
    cell = "gru"
    hidden_size = 64

    [training]
    epochs = 50

The keys are the names of options, with underscores. Tables only group them: any option may stand in any table or in none. Two tables are different
and belong to `tenuto tune`: `[tune]` says how to search, `[search]` what (`tenuto.train.search_space`). An option on the command line overrides the
file. Relative paths start from the current folder, as on a command line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tenuto.runs.names import CONFIGURATION, TAUGHT, UNFINISHED

# Options that say where and how a command runs this time, not what is trained.
NOT_KEPT = frozenset({"out", "overwrite", "quiet", "config", "source", "resume", "checkpoint_every_s"})
TUNE, SEARCH = "tune", "search"


def read_toml(path: str | Path) -> dict[str, Any]:
    """A TOML file as nested dictionaries.

    Raises:
        ArgumentError: no such file, not UTF-8, or not TOML; the message has what the parser says, with the line.
    """
    from tenuto.choices import missing_file
    from tenuto.data.decode import decode_utf8
    from tenuto.errors import ArgumentError, TenutoError
    from tenuto.files import parse_toml

    copy = f"copy the {CONFIGURATION} that `tenuto fit` writes into each run folder, and change it"
    try:
        return parse_toml(decode_utf8(Path(path).read_bytes(), f"the configuration {path}"))
    except TenutoError:
        raise
    except (OSError, ValueError, RecursionError, MemoryError) as error:  # a number of thousands of digits, tables in tables without end
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else getattr(error, "strerror", None) or str(error)
        raise ArgumentError(
            f"the configuration {path} cannot be read: {reason}.",
            expected='a TOML file: task = "classify", data = "walks.csv", then options by name',
            fix=missing_file(path, fix=copy) if isinstance(error, FileNotFoundError) else copy,
        ) from error


def configuration_of(run: Path) -> Path:
    """The path of the config.toml in a run folder, of a complete or an interrupted run.

    Raises:
        RunError: the folder has none.
    """
    from tenuto.errors import RunError
    from tenuto.runs.folder import killed_early

    for path in (run / UNFINISHED / CONFIGURATION, run / CONFIGURATION):
        if path.is_file():
            return path
    if killed_early(run):
        raise RunError(f"{run} has nothing to go on from: it was killed before its first checkpoint.", expected="a run with a checkpoint", fix="train again")
    raise RunError(
        f"{run} has no {CONFIGURATION}.",
        expected="a run folder written by `tenuto fit`",
        received="no such folder" if not run.is_dir() else ", ".join(sorted(entry.name for entry in run.iterdir())[:8]) or "an empty folder",
        fix="check the path; a run saved from Python has no command line to repeat",
    )


def options_in(data: Mapping[str, Any], path: str | Path, known: Iterable[str], *, without: Iterable[str] = (TUNE, SEARCH, TAUGHT)) -> dict[str, Any]:
    """The options of a configuration, from all its tables; `task` is left out.

    Args:
        known: the names of the options that the task's command has.
        without: tables that are not for this command.
    Raises:
        ArgumentError: an option that the command does not have, or one that is set twice.
    """
    from tenuto.choices import did_you_mean, listed
    from tenuto.errors import ArgumentError

    known = set(known) - NOT_KEPT
    options: dict[str, Any] = {}
    for name, value in flattened({name: value for name, value in data.items() if name not in without}):
        key = name.replace("-", "_")
        if key in options:
            raise ArgumentError(f"{path} sets {name} twice.", fix="leave one of them out")
        if key not in known:
            raise ArgumentError(
                f"{path} sets {name}, which is not an option of this task.",
                expected=listed(key, sorted(known), ", "),
                received=f"{name} = {json.dumps(value, default=str)}",
                fix=did_you_mean(key, sorted(known), "correct the name; `tenuto fit TASK --help` lists them"),
            )
        options[key] = value
    return options


def toml_text(task: str, tables: Mapping[str, Mapping[str, Any]], version: str, *, use: str = f"`tenuto fit --config {CONFIGURATION}` trains it again") -> str:
    """A configuration as text: first the options of the table "", which are in no table, then each table. Options that are None are left out."""
    lines = [f"# Options of a run of tenuto {version}. {use}.", f"task = {_toml(task)}"]
    for title, options in tables.items():
        rows = [f"{name} = {_toml(value)}" for name, value in options.items() if value is not None]
        if rows:
            lines += (["", f"[{_key(title)}]"] if title else []) + rows
    return "\n".join(lines) + "\n"


def flattened(data: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """The options of a configuration, whichever table they are in."""
    for name, value in data.items():
        if name == "task":
            continue
        if isinstance(value, Mapping):
            yield from flattened(value)
        else:
            yield name, value


def _key(title: str) -> str:
    """A table's title as a TOML key: "The network" is network."""
    words = [word for word in title.lower().split() if word not in ("the", "a", "of")]
    return "_".join("".join(letter for letter in word if letter.isalnum()) for word in words) or "options"


def _toml(value: Any) -> str:
    """A value as TOML writes it. A JSON string is a TOML basic string, except that DEL must be escaped."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} = {_toml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
