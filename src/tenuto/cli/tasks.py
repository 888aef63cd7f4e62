"""The task that a command line or a run means, by its card (`tenuto.tasks.task`). No command asks which task it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from tenuto.runs.names import CONFIGURATION
from tenuto.tasks import card_of, cards
from tenuto.tasks.task import Choice, Task, load


def task_of_command(command: str) -> Task:
    """The task of `tenuto fit COMMAND`.

    Raises:
        ArgumentError: there is none.
    """
    from tenuto.errors import ArgumentError

    for task in cards():
        if command in (task.command, task.name):
            return task
    raise ArgumentError(f"there is no task {command!r}.", expected=" | ".join(task.command for task in cards()), received=command)


def task_of_run(run: Path) -> Task:
    """The task of a run folder, from its config.json.

    Raises:
        RunError: not a whole run, or of a task that this tenuto does not know.
    """
    from tenuto.errors import RunError
    from tenuto.runs.folder import read_config

    name = read_config(run).get("task")
    task = card_of(name)
    if task is None:
        raise RunError(
            f"the run {run} is of a task that this tenuto does not know.",
            expected=" | ".join(task.name for task in cards()),
            received=f'"task": "{name}"',
            fix="install a newer tenuto",
        )
    return task


def open_run(task: Task, run: Path, cell: str | None = None, device: str = "cpu") -> Any:
    """The fitted estimator of a run folder; `cell` names the class of a cell that does not come with tenuto.

    Raises:
        RunError: the folder is not a whole run. CellError: the cell is not known and was not named.
    """
    from tenuto.cli.arguments import cell_class
    from tenuto.errors import CellError

    try:
        return load(task.estimator).load(run, cell=cell_class(cell) if cell else None, device=device)
    except CellError as error:
        if cell is None:
            error.fix = "name the file and class that it was trained with: --cell path/to/file.py:ClassName"
        raise


def read_data(context: typer.Context, task: Task, run: Path, data: str, split: str | None) -> Any:
    """The data of `predict` and `score`, by the columns that were typed, else by those in the run's config.toml, else by the usual ones."""
    from tenuto.cli.arguments import data_path
    from tenuto.cli.configuration import flattened, read_toml

    path = run / CONFIGURATION
    kept = dict(flattened(read_toml(path))) if path.is_file() else {}
    typed = typed_choices(context)
    columns = {choice.name: context.params[choice.name] if choice.name in typed else kept.get(choice.name, choice.default) for choice in task.columns}
    return load(task.read)(data_path(data), split, columns)


def refuse_others(context: typer.Context, task: Task, *taken: Choice) -> None:
    """An error where something was typed that this task does not take.

    Args:
        taken: what it takes.
    Raises:
        ArgumentError: with what is taken.
    """
    from tenuto.errors import ArgumentError

    names = [choice.name for choice in taken]
    wrong = [name for name in typed_choices(context) if name not in names]
    if wrong:
        takes = ", ".join(_flag(choice) for choice in taken)
        raise ArgumentError(
            f"the task {task.name} takes no {_flag(typed_choices(context)[wrong[0]])}.", expected=takes or "none of these options", fix="leave it out"
        )


def typed_choices(context: typer.Context) -> dict[str, Choice]:
    """The choices of any task that stand on the command line."""
    every = {choice.name: choice for task in cards() for choice in (*task.columns, *task.asking)}
    return {name: choice for name, choice in every.items() if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"}


def _flag(choice: Choice) -> str:
    return choice.flag or "--" + choice.name.replace("_", "-")
