"""`Saved`: the half of an estimator that goes to a run folder and comes back: its options as they were fitted, `save`, `load`."""

from __future__ import annotations

import contextlib
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch

from tenuto.cell import Cell, cell_to_data
from tenuto.cells.names import cell_from_name
from tenuto.errors import NotFittedError, TenutoError
from tenuto.files import digest_of, plain
from tenuto.layers.stored import hold_as
from tenuto.networks.anatomy import Network
from tenuto.networks.encoders import ENCODERS, encoder_kind
from tenuto.program import trace
from tenuto.tasks.estimator_options import EstimatorOptions
from tenuto.tasks.files import check_kinds, check_sizes, kept_cell, kept_weights, load_weights, reading, write_estimator
from tenuto.tasks.option import WHERE, options_of
from tenuto.tasks.parameters import Parameters
from tenuto.train.device import require_device
from tenuto.train.turns import seeded

E = TypeVar("E", bound="Saved")


class Saved(EstimatorOptions, Parameters, ABC):
    """What is saved and loaded. The attributes are told of in `tenuto.tasks.estimator.Estimator`."""

    task: ClassVar[str]  # in config.json
    former_names: ClassVar[Mapping[str, str]]  # where the parts of a network stood in format_version 1, by the first part of a weight's name

    former_options: ClassVar[Mapping[str, Any]] = {}  # what runs from before an option existed were trained with

    network_: Network
    cell_: Cell
    maths_: dict[str, Any]
    seed_: int
    options_: dict[str, Any]
    metrics_: list[dict[str, Any]]
    evaluation_: dict[str, Any]

    @abstractmethod
    def _network(self) -> Network:
        """A new network for what `_prepare` or `_restore` has set."""

    def narrower(self, hidden_size: int) -> dict[str, Any]:
        """The options of this fitted model's network with fewer units in each layer, and else as it is."""
        return {"hidden_size": hidden_size}

    @abstractmethod
    def _kept(self) -> dict[str, Any]:
        """`preprocessing` of config.json: what was learnt before training, as plain data."""

    @abstractmethod
    def _restore(self, kept: Mapping[str, Any]) -> None:
        """Set what `_kept` gave."""

    @abstractmethod
    def _given(self, data: Any) -> Any:
        """A set that was given as one, or as a tuple (x, y)."""

    @abstractmethod
    def _test(self, data: Any) -> dict[str, Any]:
        """Evaluate a set, as the model's test set."""

    def _cells(self) -> dict[str, Any]:
        """The options that are cells, as they are used: None stands for the cell of `cell`, which `encoder` may name."""
        first = self.cell if self.encoder in ENCODERS else self.encoder
        return {name: first if name == "cell" or (cell := getattr(self, name)) is None else cell for name in self._cell_names()}

    def _suited(self, cell: Cell, training: Any) -> Cell:
        """The cell with the sizes that this data has, where it depends on them."""
        return cell

    def maths(self, cells: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The step and derivative of each option that is a cell, as plain data (`program.identity`); before `fit`, too. `cells`: others in their places."""
        return {name: trace(cell_from_name(given)).maths for name, given in (self._cells() if cells is None else cells).items()}

    def digest(self) -> str:
        """Of all that answers follow from, once it is fitted: how data are read, what can be answered, the maths of cells, weights. Of options of the search it says nothing."""
        self.require_fit("digest")
        kept = {"task": self.task, "encoder": encoder_kind(self.encoder), "cells": {name: maths["digest"] for name, maths in self.maths_.items()}, "preprocessing": self._kept()}
        return digest_of(plain(kept), self.network_.state_dict())

    @classmethod
    def _cell_names(cls) -> list[str]:
        """The options that are cells; a fitted estimator has the cell itself under the name with "_"."""
        return [known.name for known in options_of(cls) if known.cell]

    # --- as files ------------------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path, *, test: Any = None, overwrite: bool = False) -> Path:
        """Write the run folder (`tenuto.runs.folder`): weights, config, metrics, evaluation; whole or not at all.

        The options are those of `fit`; of what was changed since then, only what does not belong to the training is kept: how answers are searched, engine, device.

        Args:
            folder: new or empty; a folder with anything else in it is refused.
            test: a set, or (x, y), to be evaluated; evaluation.json keeps the result. The run is written before, so that nothing can happen to it.
            overwrite: replace a run that is there.
        Raises:
            NotFittedError; RunError: the folder is not free, or cannot be written. As `evaluate`: then the run is there, without a test part.
        """
        self.require_fit("save")
        written = self._write(folder, overwrite=overwrite)
        if test is None:
            return written
        try:
            with self._calling("evaluate"):
                self._test(self._given(test))
        except TenutoError as error:
            raise error.also(f"the run is saved in {folder}, without a test part: save again with other test data and overwrite=True") from error.__cause__
        return self._write(folder, overwrite=True)

    def _write(self, folder: str | Path, *, overwrite: bool) -> Path:
        now = {known.name: getattr(self, known.name) for known in options_of(type(self)) if known.answering or known.panel == WHERE}
        options = {**self.options_, **now}
        config = {"task": self.task, "options": options, "maths": self.maths_, "preprocessing": self._kept(), "data": self.evaluation_["data"]}
        return write_estimator(
            folder, config=config, network=self.network_, metrics=self.metrics_, evaluation=self.evaluation_, overwrite=overwrite
        )

    @classmethod
    def load(cls: type[E], folder: str | Path, *, cell: type[Cell] | None = None, device: str | torch.device = "cpu") -> E:
        """The estimator of the folder that `save` wrote; it gives the same answers.

        Args:
            cell: the class of a cell of your own, if it is not imported already. No code is ever loaded from the folder.
        Raises:
            ArgumentError: the device cannot be used here. RunError: missing, damaged or foreign files. CellError: the cell's class is not known here, or its step is
                not the one with which the run was trained.
        """
        require_device(device)
        with reading(cls, folder, cls.task) as run:
            options = {**cls.former_options, **run.config["options"], "device": str(device)}
            check_kinds(cls, options)
            maths = run.config.get("maths", {})
            cells = {name: kept_cell(options[name], maths.get(name), cell) for name in cls._cell_names()}
            tuples = {known.name: tuple(options[known.name]) for known in options_of(cls) if known.items is not None and known.name in options}
            model = cls(**{**options, **tuples, **cells})
            for name, value in cells.items():
                setattr(model, f"{name}_", value)
            model.seed_, model.maths_ = options["random_state"], model.maths()
            model.options_ = model._options_as_data()
            model._restore(run.config["preprocessing"])
            model.check_options()
            weights = kept_weights(run, cls.former_names)
            layers = max(value for name, value in options.items() if name.endswith("layers") and value is not None)
            with seeded(0):
                check_sizes(lambda: hold_as(model._network(), weights), layers, weights)
                model.network_ = model._network()
            hold_as(model.network_, weights)
            model.network_.to(device)
            load_weights(model.network_, weights)
            model.metrics_, model.evaluation_ = run.metrics, run.evaluation
        return model

    def _options_as_data(self) -> dict[str, Any]:
        """The constructor's arguments, with the cells and the seed that were used."""
        cells = {name: cell_to_data(getattr(self, f"{name}_")) for name in self._cells()}
        given = {known.name: value for known in options_of(type(self)) if known.pairs and isinstance(value := getattr(self, known.name), Mapping)}
        pairs = {name: {str(key): float(number) for key, number in value.items()} for name, value in given.items()}  # as JSON keeps them
        return {**self.get_params(), **cells, **pairs, "encoder": encoder_kind(self.encoder), "random_state": self.seed_}

    def run_identity(self, training: Any, validation: Any) -> dict[str, Any]:
        """What a checkpoint of this fit must agree with: the data's digests, the seed, and every option except the time limit, the path of the word vectors
        and those that training does not read.

        Args:
            training, validation: sets with a `sha256`. The cells and `seed_` are set already.
        """
        free = {"time_limit_s", "random_state", "vectors", *(known.name for known in options_of(type(self)) if known.answering)}
        options = {name: value for name, value in self._options_as_data().items() if name not in free}
        parts = (("train", training), ("validation", validation))
        weights = {f"weights of {name}": hashlib.sha256(part.weights.tobytes()).hexdigest() for name, part in parts if getattr(part, "weights", None) is not None}
        return {"estimator": type(self).__name__, "train": training.sha256, "validation": validation.sha256, "seed": self.seed_, "options": options, **weights}

    # --- calls ------------------------------------------------------------------------------------------------------------------

    def require_fit(self, call: str) -> None:
        """Raise NotFittedError unless `fit` or `load` has been called."""
        if not self.__sklearn_is_fitted__():
            kind = type(self).__name__
            raise NotFittedError(f"{kind}.{call}: it is not fitted.", fix=f"call fit(x, y), or {kind}.load(folder)")

    @contextlib.contextmanager
    def _calling(self, call: str) -> Iterator[None]:
        """Errors in the block name this call."""
        try:
            yield
        except TenutoError as error:
            raise error.called(f"{type(self).__name__}.{call}") from error.__cause__
