"""A language model as a run folder (`runs/folder.py`), and back. Tied weights are written once, under the embedding's name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from tenuto.cell import Cell, cell_to_data
from tenuto.data.text.vocabulary import Vocabulary
from tenuto.tasks.files import kept_cell, reading, with_weights, write_estimator
from tenuto.tasks.language.learning import build_network

if TYPE_CHECKING:
    from tenuto.tasks.language.estimator import LanguageModel


def options_as_data(model: LanguageModel) -> dict[str, Any]:
    """The constructor's arguments as plain data, with the cell and the seed that were used."""
    return {**model.get_params(), "cell": cell_to_data(model.cell_), "cutoffs": list(model.cutoffs), "random_state": model.seed_}


def write_model(model: LanguageModel, folder: str | Path, *, overwrite: bool) -> Path:
    """The run folder of a fitted model."""
    config = {
        "task": "language",
        "options": options_as_data(model),
        "model": {"cell": cell_to_data(model.cell_), "hidden_size": model.hidden_size, "num_layers": model.num_layers},
        "preprocessing": {"vocabulary": model.vocabulary_.to_data()},
    }
    tensors = {name: tensor for name, tensor in model.network_.state_dict().items() if not (model.tied and name == "decoder.weight")}
    return write_estimator(model, folder, config=config, tensors=tensors, overwrite=overwrite)


def read_model(kind: type[LanguageModel], folder: str | Path, cell: type[Cell] | None, device: str) -> LanguageModel:
    """The fitted model of a run folder.

    Raises:
        RunError: missing, damaged or foreign files. CellError: the cell's class is not known here.
    """
    with reading(kind, folder, "language") as run:
        kept, cell_ = run.config["options"], kept_cell(run.config["model"]["cell"], cell)
        model = kind(**{**kept, "cell": cell_, "cutoffs": tuple(kept["cutoffs"]), "device": device})
        model.cell_, model.seed_ = cell_, kept["random_state"]
        model.vocabulary_ = Vocabulary.from_data(run.config["preprocessing"]["vocabulary"])
        with torch.random.fork_rng():
            model.network_ = build_network(model, None)
        tensors = run.tensors()
        if model.tied:
            tensors["decoder.weight"] = tensors["embedding.weight"]
        return with_weights(model, run, tensors)
