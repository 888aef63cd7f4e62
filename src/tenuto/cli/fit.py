"""`tenuto fit TASK`: from a file to a run folder. The command of each task is made from its card."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from tenuto.cli.arguments import typed_cells
from tenuto.cli.fitting import fit_from_options
from tenuto.cli.parameters import fit_parameters, with_parameters
from tenuto.tasks.task import Task


def command_of(task: Task) -> Callable[..., Any]:
    """The function of `tenuto fit TASK`, as typer reads it."""

    def fit(context: typer.Context, **_: Any) -> None:
        fit_from_options(task, context.params, typed_cells(context, task))

    return with_parameters(fit, fit_parameters(task), task.help)
