"""A language model as a run folder (`run_folder.py`), and back. Tied weights are written once, under the embedding's name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from tenuto.cell import Cell, cell_from_data, cell_to_data
from tenuto.data.vocabulary import Vocabulary
from tenuto.errors import RunError, TenutoError
from tenuto.tasks.language_training import build_network
from tenuto.tasks.run_folder import read_run, write_run
from tenuto.tasks.surroundings import now, versions

if TYPE_CHECKING:
    from tenuto.tasks.language_model import LanguageModel


def options_as_data(model: LanguageModel) -> dict[str, Any]:
    """The constructor's arguments as plain data, with the cell and the seed that were used."""
    return {**model.get_params(), "cell": cell_to_data(model.cell_), "cutoffs": list(model.cutoffs), "random_state": model.seed_}


def write_model(model: LanguageModel, folder: str | Path, *, overwrite: bool) -> Path:
    """The run folder of a fitted model."""
    config = {
        "tenuto": versions()["tenuto"],
        "created": now(),
        "task": "language",
        "options": options_as_data(model),
        "model": {"cell": cell_to_data(model.cell_), "hidden_size": model.hidden_size, "num_layers": model.num_layers},
        "preprocessing": {"vocabulary": model.vocabulary_.to_data()},
        "data": model.evaluation_["data"],
    }
    tensors = {name: tensor for name, tensor in model.network_.state_dict().items() if not (model.tied and name == "decoder.weight")}
    return write_run(folder, config=config, tensors=tensors, metrics=model.metrics_, evaluation=model.evaluation_, overwrite=overwrite)


def read_model(kind: type[LanguageModel], folder: str | Path, cell: type[Cell] | None, device: str) -> LanguageModel:
    """The fitted model of a run folder.

    Raises:
        RunError: missing, damaged or foreign files. CellError: the cell's class is not known here.
    """
    run = read_run(folder)
    config = run.config
    if config.get("task") != "language":
        raise RunError(f"the run {folder} is no language model.", expected='"task": "language"', received=f'"task": "{config.get("task")}"')
    try:
        data = dict(config["model"]["cell"])
        if cell is not None:
            data["class"] = f"{cell.__module__}:{cell.__qualname__}"
        options = {**config["options"], "cell": cell_from_data(data), "cutoffs": tuple(config["options"]["cutoffs"]), "device": device}
        model = kind(**options)
        model.cell_, model.seed_ = options["cell"], options["random_state"]
        model.vocabulary_ = Vocabulary.from_data(config["preprocessing"]["vocabulary"])
        with torch.random.fork_rng():
            model.network_ = build_network(model, None)
        tensors = run.tensors()
        if model.tied:
            tensors["decoder.weight"] = tensors["embedding.weight"]
        model.network_.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, TenutoError):
            raise
        raise RunError(
            f"the run {folder} does not describe a language model of this version: {error}.",
            expected="the files as LanguageModel.save writes them",
            received=f"written by tenuto {config.get('tenuto')}",
            fix="install that version, or train the model again",
        ) from error
    model.network_.eval()
    model.metrics_, model.evaluation_ = run.metrics, run.evaluation
    return model
