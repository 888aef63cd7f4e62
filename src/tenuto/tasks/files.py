"""A fitted estimator as a run folder (`runs/folder.py`), and back: what is the same for every task."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from tenuto.cell import Cell, cell_from_data
from tenuto.errors import RunError, TenutoError
from tenuto.files import DAMAGE
from tenuto.layers.stored import in_files
from tenuto.program import trace
from tenuto.program.identity import require
from tenuto.runs.folder import Run, read_run, write_run
from tenuto.runs.names import CONFIG
from tenuto.runs.schema import Own, breaches, files_of
from tenuto.runs.surroundings import now, versions
from tenuto.tasks.option import options_of
from tenuto.tongues import argument, either

_ACCEPTED: dict[type, tuple[type, ...]] = {float: (int, float), bool: (bool, int)}  # Python takes a whole number for either


def write_estimator(
    folder: str | Path,
    *,
    config: Mapping[str, Any],
    network: nn.Module,
    metrics: Sequence[Mapping[str, Any]],
    evaluation: Mapping[str, Any],
    overwrite: bool,
) -> Path:
    """Write a fitted estimator's run; a weight that two places of the network share is written once, under its first name.

    Args:
        config: task, options, preprocessing, data, as config.json has them.
    Raises:
        RunError: the folder is not free.
    """
    whole = {"tenuto": versions()["tenuto"], "created": now(), **config}
    again = shared_names(network)
    tensors = in_files(network, {name: tensor for name, tensor in network.state_dict().items() if name not in again})
    return write_run(folder, config=whole, tensors=tensors, metrics=metrics, evaluation=evaluation, overwrite=overwrite)


@contextlib.contextmanager
def reading(kind: type, folder: str | Path, task: str) -> Iterator[Run]:
    """The run of an estimator, for the block that makes the estimator from it; what goes wrong in the block is an error of the run.

    Args:
        kind: the estimator's class.
    Raises:
        RunError: missing, damaged or foreign files, another task's run, or one that the block cannot read.
    """
    run, name = read_run(folder), kind.__name__
    if run.config.get("task") != task:
        raise RunError(f"the run {folder} is not a {name}'s.", expected=f'"task": "{task}"', received=f'"task": "{run.config.get("task")}"')
    try:
        _check_form(kind, run)
        yield run
    except TenutoError:
        raise
    except DAMAGE as error:
        raise RunError(
            f"the run {folder} does not describe {either(f'a {name}', 'a model')} of this version: {error}.",
            expected=f"the files as {either(f'{name}.save', 'tenuto fit')} writes them",
            received=f"written by tenuto {run.config.get('tenuto')}",
            fix="install that version, or train the model again",
        ) from error


def _check_form(kind: type, run: Run) -> None:
    """Raise ValueError where config.json differs from what the task's schema says of it; keys of later versions may be there too."""
    own = own_keys(kind)
    if own is None:
        return
    keys = files_of(own)[CONFIG]
    wrong = next((breach for breach in breaches(keys, run.config) if not breach.endswith("is not known")), None)
    if wrong:
        raise ValueError(f"in {CONFIG} {wrong}")


def own_keys(kind: type) -> Own | None:
    """The keys that only this task's files have, from the file `schema.py` in its folder; None for an estimator that has no such file.

    Args:
        kind: the estimator's class.
    """
    home = next(known for known in kind.__mro__ if "task" in vars(known)).__module__.rpartition(".")[0]
    if not home or find_spec(f"{home}.schema") is None:
        return None
    own: Own = import_module(f"{home}.schema").OWN
    return own


def check_kinds(kind: type, options: Mapping[str, Any]) -> None:
    """Raise ValueError unless each option that a run keeps is of the kind that the estimator's option has.

    Args:
        kind: the estimator's class.
    """
    for known in options_of(kind):
        value = options.get(known.name, known.usual)
        if known.cell or (value is None and (known.usual is None or known.none is not None)):
            continue
        wanted = known.kind if known.items is None else known.items
        if known.pairs and isinstance(value, dict):
            if not all(isinstance(one, (int, float)) for one in value.values()):
                raise ValueError(f"its option {known.name} is {value!r:.60}")
            continue
        values = [value] if known.items is None else value
        fits = isinstance(values, (list, tuple)) and all(isinstance(one, _ACCEPTED.get(wanted, wanted)) for one in values)
        if not fits or (wanted is not bool and any(isinstance(one, bool) for one in values)):
            raise ValueError(f"its option {known.name} is {value!r:.60}")


def kept_cell(data: Mapping[str, Any], maths: Mapping[str, Any] | None, cell: type[Cell] | None) -> Cell:
    """The cell that a run names.

    Args:
        maths: its step and derivative at that time; None in runs from before these were kept.
        cell: the class of a cell of your own, if it is not imported already; ignored for cells of tenuto. No code is ever loaded from a run.
    Raises:
        CellError: the cell's class is not known here, or is not that with which the run was trained.
    """
    made = cell_from_data(data, cell)
    name = type(made).__name__
    require(maths, trace(made).maths, name, "the run was trained", f"load it with {name} as it was then ({argument('cell')}), or train the model again")
    return made


def kept_weights(run: Run, former: Mapping[str, str]) -> dict[str, torch.Tensor]:
    """The run's weights, by today's names.

    Args:
        former: how the names of weights began in format_version 1, up to the first dot, and what stands there today.
    """
    tensors = run.tensors()
    return renamed(tensors, former) if run.config["format_version"] == 1 else tensors


class _Undrawn(TorchFunctionMode):
    """Draws no numbers. Weights without memory need none, and torch would load its whole compiler to draw them, which takes as long as everything else of opening a run."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if function in (torch.Tensor.normal_, torch.Tensor.uniform_) or getattr(function, "__module__", None) == nn.init.__name__:
            return args[0] if args else named["tensor"]
        return function(*args, **named)


def check_sizes(make: Callable[[], nn.Module], layers: int, tensors: Mapping[str, torch.Tensor]) -> None:
    """Raise unless the network that a run describes is of the size of its weights; no memory is taken for it before that is known.

    Raises:
        ValueError: says in words what differs.
    """
    if layers > len(tensors):
        raise ValueError(f"it is said to have {layers} layers, but there are only {len(tensors)} weights")
    with torch.device("meta"), _Undrawn():
        network = make()
    again = shared_names(network)
    for name, wanted in network.state_dict().items():
        if name not in again and (name not in tensors or tensors[name].shape != wanted.shape):
            there = list(tensors[name].shape) if name in tensors else "missing"
            raise ValueError(f"the weight {name} should be {list(wanted.shape)}, but is {there}")


def load_weights(network: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Give a new network the run's weights, as `kept_weights` gave them; those that are stored in another form are so in the network already."""
    for name, first in shared_names(network).items():
        tensors[name] = tensors[first]
    network.load_state_dict(tensors)
    network.eval()


def renamed(tensors: Mapping[str, torch.Tensor], former: Mapping[str, str]) -> dict[str, torch.Tensor]:
    """Weights of format_version 1, by today's names.

    Example:
        >>> list(renamed({"recurrent.bias_l0": torch.ones(1)}, {"recurrent": "encoder"}))
        ['encoder.bias_l0']
    """
    found = {}
    for name, tensor in tensors.items():
        first, dot, rest = name.partition(".")
        found[f"{former[first]}{dot}{rest}"] = tensor
    return found


def shared_names(network: nn.Module) -> dict[str, str]:
    """For each weight that a network uses in several places: its further names, each with the first one."""
    first: dict[int, str] = {}
    again = {}
    for name, tensor in network.state_dict(keep_vars=True).items():
        if first.setdefault(id(tensor), name) != name:
            again[name] = first[id(tensor)]
    return again
