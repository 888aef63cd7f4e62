"""The task that a command line or a run names, as its card (`tenuto.tasks.task`). Commands ask the card and never compare the names of tasks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from tenuto.cli.console import messages
from tenuto.cli.flags import flags
from tenuto.runs.names import CONFIGURATION
from tenuto.tasks import card_of, cards
from tenuto.tasks.task import Choice, Task, load

SAID = 10  # of what is left out


def task_of_command(command: str) -> Task:
    """The task of `tenuto fit COMMAND`.

    Raises:
        ArgumentError: there is no such task.
    """
    from tenuto.choices import unknown_name

    for task in cards():
        if command in (task.command, task.name):
            return task
    raise unknown_name(f"there is no task {command!r}.", command, [task.command for task in cards()])


def task_of_run(run: Path) -> Task:
    """The task of a run folder, from its config.json.

    Raises:
        RunError: the folder is not a complete run, or this version of tenuto does not know its task.
    """
    from tenuto.errors import RunError
    from tenuto.runs.folder import read_config

    name = read_config(run).get("task")
    task = card_of(name)
    if task is None:
        raise RunError(
            f"the run {run} has a task that this version of tenuto does not know.",
            expected=" | ".join(task.name for task in cards()),
            received=f'"task": "{name}"',
            fix="install a newer tenuto",
        )
    return task


def open_run(task: Task, run: Path, cell: str | None = None, device: str = "cpu") -> Any:
    """The fitted estimator of a run folder; `cell` names the class of a cell that does not come with tenuto.

    Raises:
        RunError: the folder is not a complete run. CellError: the cell does not come with tenuto, and `cell` does not name it.
    """
    from tenuto.cli.arguments import cell_class
    from tenuto.errors import CellError

    try:
        return load(task.estimator).load(run, cell=cell_class(cell) if cell else None, device=device)
    except CellError as error:
        if cell is None:
            error.fix = "name the file and class that it was trained with: --cell path/to/file.py:ClassName"
        raise


def read_data(context: typer.Context, task: Task, run: Path, data: str, split: str | None, *, answered: bool) -> Any:
    """The data of `predict`, and of `score`, for which it must have the right answers. Its columns are those that were typed, else those in the run's config.toml, else the usual ones."""
    from tenuto.cli.arguments import data_path
    from tenuto.data.parts import check_part

    if split is not None:
        check_part(split)
    columns = columns_of(context, run, task.columns)
    given = data_path(data)
    found = load(task.read if answered else task.asked or task.read)(given, split, columns)
    if split is None:
        _say_part(given, found)
    if answered:
        _say_rejects(found)
    return found


def columns_of(context: typer.Context, run: Path, columns: Sequence[Choice]) -> dict[str, Any]:
    """How data are read that are like a run's: for each of these choices what was typed, else what is in the run's config.toml, else the usual.

    Raises:
        ArgumentError: the file has something that cannot be.
    """
    from tenuto.cli.configuration import flattened, read_toml
    from tenuto.errors import ArgumentError

    path = run / CONFIGURATION
    kept = dict(flattened(read_toml(path))) if path.is_file() else {}
    typed = typed_choices(context)
    for choice in columns:
        value = kept.get(choice.name, choice.default)
        if choice.name not in typed and not (isinstance(value, type(choice.default)) and isinstance(value, bool) == isinstance(choice.default, bool)):
            raise ArgumentError(f"{path} sets {choice.name} to something that it cannot be.", expected=f"{choice.default!r}, for example", received=repr(value)[:60])
    return {choice.name: context.params[choice.name] if choice.name in typed else kept.get(choice.name, choice.default) for choice in columns}


def _say_part(given: Path, found: Any) -> None:
    """Say which part of the data is taken, where it has several and the call names none."""
    named = re.fullmatch(r"split '(\w+)' of the file", found.origin)
    inside = found.path is not None and Path(found.path) != given
    if inside or named is not None:
        part = f"the part {named[1]}" if named is not None else f"{Path(found.path).name}"
        messages().print(f"note        of {given}, {part} is taken; --split train, validation or test takes another", markup=False)


def _say_rejects(found: Any) -> None:
    """Say what could not be read: results do not count it. The rows of `predict` have it."""
    rejects = getattr(found, "rejects", ())
    for one in rejects[:SAID]:
        messages().print(f"left out    {one.identity}: {one.reason}", markup=False)
    if len(rejects) > SAID:
        messages().print(f"left out    and {len(rejects) - SAID} more", markup=False)


def refuse_others(context: typer.Context, task: Task, *taken: Choice) -> None:
    """Raise an error if an option was typed that this task does not take.

    Args:
        taken: the options that it takes.
    Raises:
        ArgumentError: names the option, and those that the task takes.
    """
    from tenuto.errors import ArgumentError

    names = [choice.name for choice in taken]
    wrong = [name for name in typed_choices(context) if name not in names]
    if wrong:
        takes = ", ".join(flags(choice.name) for choice in taken)
        raise ArgumentError(
            f"the task {task.name} does not take {flags(wrong[0])}.", expected=takes or "none of these options", fix="leave it out"
        )


def typed_choices(context: typer.Context) -> dict[str, Choice]:
    """The choices, of any task, that were typed on the command line."""
    every = {choice.name: choice for task in cards() for choice in (*task.columns, *task.asking)}
    return {name: choice for name, choice in every.items() if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"}
