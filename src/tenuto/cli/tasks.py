"""What the commands know about a task: one entry for each, made by the task's own `fit_TASK.py`. No command asks which task it has.

A task's file defines the function that typer reads (`tenuto fit TASK`) and calls `register(Task(...))` once, at its end. `predict`, `score`,
`report`, `generate` and `tune` take the entry that a run's config.json names. The functions of an entry import what is heavy when they run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from tenuto.cell import Cell
    from tenuto.train import Observer

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Reading:
    """Which data `predict` and `score` were given, as typed: a path or the name of a shipped set, the split, the columns of a table."""

    data: str
    split: str | None = None
    id_column: str = "id"
    time_column: str = "time"
    label_column: str = "label"
    split_column: str = "split"
    text_column: str = "text"
    target_column: str = "target"
    token_column: int = 0
    tag_column: int = -1
    channels: Sequence[str] | None = None


@dataclass(frozen=True)
class Asking:
    """What `tenuto predict` was asked for: the probability of every class too, or the width of a beam (0 leaves the task's own)."""

    probabilities: bool = False
    beam_size: int = 0


@dataclass(frozen=True)
class Writing:
    """What `tenuto generate` was asked for; see `LanguageModel.generate`."""

    prompt: str
    length: int
    temperature: float
    top_k: int | None
    top_p: float | None
    stop: Sequence[str]
    seed: int


@dataclass(frozen=True)
class Job:
    """A training run, prepared and not begun: data read and checked, options checked as far as they can be without training.

    Attributes:
        model: the estimator, unfitted; its `evaluation_` is read after fitting.
        fit: called once as `fit(observers=[...], checkpoint=folder or None)`.
        save: called once as `save(folder, overwrite=bool)`; evaluates the test part, if there is one, first.
        name: of the data and the cell, from which a new run folder's name is made, for example ("walks.csv", "lstm").
        described: lines "data ...", "model ..." to print before training starts.
        say: prints the result of an evaluation, one line a split, to the console of results.
        next_words: what can be typed next, with {run} for the folder.
    """

    model: Any
    fit: Callable[..., Any]
    save: Callable[..., Any]
    name: tuple[str, ...]
    described: str
    say: Callable[[Console, Mapping[str, Any]], None]
    next_words: str = "tenuto predict {run} DATA   |   tenuto score {run} DATA"


@dataclass(frozen=True)
class Task:
    """One task, as the commands see it.

    Attributes:
        name: as `task` in config.json.
        command: its word after `tenuto fit`.
        function: the command, as typer reads it; it hands its parameters to `fitting.fit_from_options`.
        prepare: the options of its command, by parameter name, to a `Job`. `tenuto tune` calls it with other values.
        load: (run folder, class of a cell of one's own or None, device) to the fitted estimator.
        read: a `Reading` to what the estimator's `predict` and `evaluate` take.
        predict: (estimator, data, `Asking`) to one dictionary a row of the answer, in the order of the data; None where there is no such thing.
        say_score: prints what `evaluate` gave, for people.
        evaluate: (estimator, data) to the RESULT of evaluation.json.
        write: (estimator, `Writing`) to pieces of new text, for `tenuto generate`; None where there is no such thing.
        writers: suffix to function of the rows, for file formats beyond .csv and .jsonl (".conll", ".txt").
    """

    name: str
    command: str
    function: Callable[..., None]
    prepare: Callable[[Mapping[str, Any]], Job]
    load: Callable[[Path, type[Cell] | None, str], Any]
    read: Callable[[Reading], Any]
    predict: Callable[[Any, Any, Asking], Iterable[Mapping[str, Any]]] | None
    say_score: Callable[[Console, Mapping[str, Any]], None]
    evaluate: Callable[[Any, Any], Mapping[str, Any]] = lambda model, data: model.evaluate(data)
    write: Callable[[Any, Writing], Iterable[str]] | None = None
    writers: Mapping[str, Callable[[Rows], str]] = field(default_factory=dict)


_TASKS: dict[str, Task] = {}


def register(task: Task) -> Task:
    """Enter a task; returns it."""
    assert task.name not in _TASKS, f"two entries for {task.name}"
    _TASKS[task.name] = task
    return task


def tasks() -> list[Task]:
    """Every task, in the order in which they were entered."""
    return list(_TASKS.values())


def task_of_command(command: str) -> Task:
    """The task of `tenuto fit COMMAND`.

    Raises:
        ArgumentError: there is none.
    """
    from tenuto.errors import ArgumentError

    for task in _TASKS.values():
        if command in (task.command, task.name):
            return task
    raise ArgumentError(f"there is no task {command!r}.", expected=" | ".join(task.command for task in _TASKS.values()), received=command)


def task_of_run(run: Path) -> Task:
    """The task of a run folder, from its config.json.

    Raises:
        RunError: not a whole run, or of a task that this tenuto does not know.
    """
    from tenuto.errors import RunError
    from tenuto.runs.folder import read_config

    name = read_config(run).get("task")
    if name not in _TASKS:
        raise RunError(
            f"the run {run} is of a task that this tenuto does not know.",
            expected=" | ".join(_TASKS),
            received=f'"task": "{name}"',
            fix="install a newer tenuto",
        )
    return _TASKS[name]


def reading_of(run: Path, data: str, split: str | None, columns: Mapping[str, Any]) -> Reading:
    """The data as it is to be read: by the columns that were typed, else by those in the run's config.toml, else by the usual ones.

    Args:
        columns: by the names in `Reading`; None where nothing was typed.
    """
    from tenuto.cli.configuration import CONFIGURATION, flattened, read_toml

    path = run / CONFIGURATION
    kept = dict(flattened(read_toml(path))) if path.is_file() else {}
    chosen = {name: kept.get(name) if typed in (None, []) else typed for name, typed in columns.items()}
    return Reading(data, split, **{name: value for name, value in chosen.items() if value is not None})


def open_run(run: Path, cell: str | None = None, device: str = "cpu") -> tuple[Task, Any]:
    """The task of a run folder and its fitted estimator; `cell` names the class of a cell that does not come with tenuto.

    Raises:
        RunError: the folder is not a whole run. CellError: the cell is not known and was not named.
    """
    from tenuto.cli.arguments import cell_class
    from tenuto.errors import CellError

    task = task_of_run(run)
    try:
        return task, task.load(run, cell_class(cell) if cell else None, device)
    except CellError as error:
        if cell is None:
            error.fix = "name the file and class that it was trained with: --cell path/to/file.py:ClassName"
        raise


def fit_alone(job: Job, observers: Iterable[Observer] = ()) -> Any:
    """Fit a job without a run folder, as a trial of `tenuto tune` does; returns the estimator."""
    job.fit(observers=list(observers), checkpoint=None)
    return job.model
