"""`export`: the public call."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from tenuto.errors import ArgumentError, TenutoError
from tenuto.export.fitted import fitted
from tenuto.export.folder import require_room, whole, write_data
from tenuto.export.module import module
from tenuto.export.names import check_name, usual_name
from tenuto.export.subject import Subject
from tenuto.export.targets import writer
from tenuto.tasks.estimator import Estimator


@dataclass(frozen=True)
class Export:
    """A model that was written for another world.

    Attributes:
        folder: where its files are; export.json says what each takes and gives.
        to: the target. subject: what was exported.
        files: what the target says of each graph: its file, and how it was compared with the model.
    """

    folder: Path
    to: str
    subject: Subject
    files: dict[str, Any]

    @property
    def worst(self) -> float:
        """The largest difference from the model, over all graphs and runtimes."""
        return max((one["worst"] for graph in self.files.values() for one in graph.get("compared", [])), default=0.0)


def export(model: Estimator | nn.Module, folder: str | os.PathLike[str], *, to: str = "onnx", example: Any = None, name: str | None = None, overwrite: bool = False) -> Export:
    """Write a model for another world: a graph of whole sequences, and one of a single step where the model looks only backwards, with the state in and out by name.

    Each file is compared with the model, over drawn batches, times, lengths and states, before the folder is there. What must be done outside of the graphs is in export.json.

    Args:
        model: a fitted estimator, or a torch module in evaluation mode that is called with one input (and `lengths`, and a state).
        folder: a new one; the files' names are in export.json.
        to: a name of `tenuto.export.TARGETS`.
        example: x [T, B, F] or tokens [T, B], for a module that is no recurrent layer itself. Its sizes of batch and time do not count.
        name: what files and functions are called, where a target's are called after the model (C). Default: made of the folder's name.
        overwrite: replace an export that stands there.
    Raises:
        ArgumentError: no such target; a package is missing; the model does something that no file of that kind can hold; the folder is not free.
        Differs: what would be written does not answer as the model does. NotFittedError.
    Example:
        >>> import tempfile, torch, tenuto
        >>> layer = tenuto.Recurrent(tenuto.cells.GRU(), 3, 4).eval()
        >>> found = tenuto.export(layer, tempfile.mkdtemp() + "/gru", to="torch")
        >>> sorted(found.files), found.worst < 1e-5
        (['sequence', 'step'], True)
    """
    folder = Path(folder)
    try:
        write = writer(to)
        require_room(folder, overwrite=overwrite)
        check_name(to, name)
        subject = replace(subject_of(model, example), name=usual_name(folder.name) if name is None else name)
        with whole(folder) as made:
            files = {name: dict(about) for name, about in write(subject, made).items()}
            write_data(made, {"to": to, **subject.to_data(), "files": files})
    except TenutoError as error:
        raise error.within("export") from error.__cause__
    return Export(folder, to, subject, files)


def subject_of(model: Any, example: Any) -> Subject:
    """A model as graphs.

    Raises:
        ArgumentError: it is none that can be exported.
    """
    if isinstance(model, Estimator):
        if example is not None:
            raise ArgumentError(f"{type(model).__name__} knows what it reads.", fix="leave example out")
        return fitted(model)
    if isinstance(model, nn.Module):
        return module(model, example)
    raise ArgumentError("there is nothing to export.", expected="a fitted estimator of tenuto.tasks, or a torch.nn.Module", received=type(model).__name__)
