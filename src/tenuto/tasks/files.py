"""A fitted estimator as a run folder (`runs/folder.py`), and back: what is the same for every task."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

from tenuto.cell import Cell, cell_from_data
from tenuto.errors import RunError, TenutoError
from tenuto.runs.folder import Run, read_run, write_run
from tenuto.runs.surroundings import now, versions
from tenuto.tasks.estimator import Estimator

E = TypeVar("E", bound=Estimator)


def write_estimator(
    model: Any, folder: str | Path, *, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor] | None = None, overwrite: bool
) -> Path:
    """Write a fitted estimator's run.

    Args:
        config: task, options, model, preprocessing, as config.json has them.
        tensors: the weights, where they are not simply those of `network_`.
    Raises:
        RunError: the folder is not free.
    """
    whole = {"tenuto": versions()["tenuto"], "created": now(), **config, "data": model.evaluation_["data"]}
    weights = model.network_.state_dict() if tensors is None else tensors
    return write_run(folder, config=whole, tensors=weights, metrics=model.metrics_, evaluation=model.evaluation_, overwrite=overwrite)


@contextlib.contextmanager
def reading(kind: type[Estimator], folder: str | Path, task: str) -> Iterator[Run]:
    """The run of an estimator, for the block that makes the estimator from it; whatever the block lacks is told as a fault of the run.

    Raises:
        RunError: missing, damaged or foreign files, another task's run, or one that the block cannot read.
    """
    run = read_run(folder)
    if run.config.get("task") != task:
        raise RunError(f"the run {folder} is not a {kind.__name__}'s.", expected=f'"task": "{task}"', received=f'"task": "{run.config.get("task")}"')
    try:
        yield run
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, TenutoError):
            raise
        raise RunError(
            f"the run {folder} does not describe a {kind.__name__} of this version: {error}.",
            expected=f"the files as {kind.__name__}.save writes them",
            received=f"written by tenuto {run.config.get('tenuto')}",
            fix="install that version, or train the model again",
        ) from error


def kept_cell(data: Mapping[str, Any], cell: type[Cell] | None) -> Cell:
    """The cell that a run names.

    Args:
        cell: the class of a cell of one's own, where it is not imported already. No code is ever loaded from a run.
    Raises:
        CellError: the cell's class is not known here.
    """
    own = {} if cell is None else {"class": f"{cell.__module__}:{cell.__qualname__}"}
    return cell_from_data({**data, **own})


def with_weights(model: E, run: Run, tensors: Mapping[str, torch.Tensor] | None = None) -> E:
    """The estimator, whose `network_` is new, with the run's weights and measurements.

    Args:
        tensors: the weights, where they are not simply those of the run.
    """
    fitted: Any = model
    fitted.network_.load_state_dict(run.tensors() if tensors is None else tensors)
    fitted.network_.eval()
    fitted.metrics_, fitted.evaluation_ = run.metrics, run.evaluation
    return model
