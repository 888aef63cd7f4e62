"""`ChannelEstimator`: what tasks with one answer for a sequence of channels share: how sequences are read, standardised, batched and run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from tenuto.cell import Cell
from tenuto.choices import require
from tenuto.data import Sequences, Standardiser, bucketed_batches, collate
from tenuto.data.sequences.sequences import LAYOUTS
from tenuto.data.sequences.standardise import check_missing
from tenuto.errors import ArgumentError
from tenuto.networks.encoders import check_encoder
from tenuto.networks.observing import Observing
from tenuto.networks.pooled import PooledNetwork
from tenuto.networks.pooling import check_pooling, usual_pooling
from tenuto.networks.reduction import ReducedRecurrent, usual_halvings
from tenuto.tasks.batches import Batches
from tenuto.tasks.channel_exported import ExportedChannels
from tenuto.tasks.channel_noise import usual_noise
from tenuto.tasks.channel_options import ChannelOptions
from tenuto.tasks.channel_streams import Layout, check_observed, layout_of, made_beside, stream_channels, suited
from tenuto.tasks.estimator import Estimator
from tenuto.tasks.evaluation import UsualCall
from tenuto.tongues import argument
from tenuto.train import Checkpoint, Launch, Observer

E = TypeVar("E", bound="ChannelEstimator")

AUTO = ("auto",)  # the pooling that suits the length of the sequences


class ChannelEstimator(ChannelOptions, ExportedChannels, Estimator):
    """What is fitted on sequences of channels and gives each sequence one answer.

    Attributes (after fit):
        standardiser_: of the input.
    """

    takes = {"three_d_array": True}
    takes_streams = True

    standardiser_: Standardiser

    # --- what a task answers ---------------------------------------------------------------------------------------------

    @abstractmethod
    def _read(self, x: Any, y: Any = None, lengths: Any = None, sample_weight: Any = None) -> Sequences:
        """The data as `Sequences`, with the answers that this task learns."""

    @abstractmethod
    def _outputs(self) -> int:
        """How many numbers the network gives for each sequence."""

    # --- fitting -------------------------------------------------------------------------------------------------------

    def fit(  # type: ignore[override]
        self: E,
        x: Any,
        y: Any = None,
        *,
        lengths: Any = None,
        sample_weight: Any = None,
        validation: Any = None,
        test: Any = None,
        observers: Iterable[Observer] = (),
        checkpoint: str | Path | Checkpoint | None = None,
        launch: Launch | None = None,
    ) -> E:
        """Train. Ctrl-C ends training early and keeps the best weights so far. A fit that fails leaves the estimator as it was.

        Args:
            x: a list of `[T_i, C]` arrays or data frames (pandas, polars), a padded `[N, T, C]` array or tensor with `lengths`, or Sequences. Columns of data frames have names:
                when the model predicts, columns with these names are used, in whatever order they stand.
            y: the answers, see the class. Not needed with Sequences that have them.
            lengths: [N] int, in steps, for a padded array. Default: all T.
            sample_weight: [N] numbers, 0 or more: how much each sequence counts, in the loss, in the means of the channels, and in the validation part. 2 is as if it
                was there twice, 0 as if it was not there; only proportions matter. Default: all alike.
            validation: Sequences, or (x, y), or (x, y, lengths, sample_weight), to choose the best weights by. Default: `validation_fraction` of the data.
            test, observers, checkpoint, launch: see `tenuto.tasks.estimator.Estimator.fit`.
        Raises:
            ShapeError, DataError: the data cannot be used as it is; the message names the sequence, step and channel.
            ArgumentError: an option out of range.
            TrainingError: the loss or a gradient became NaN or infinite. RunError: the checkpoint is of another run.
        """
        with self._as_before(), self._calling("fit"):
            self.check()
            data = self._read(x, y, lengths, sample_weight)
        return super().fit(data, validation=validation, test=test, observers=observers, checkpoint=checkpoint, launch=launch)

    def check_options(self) -> None:
        super().check_options()
        if tuple(self.pooling) != AUTO:
            check_pooling(self.pooling)
        check_missing(self.missing)
        require("layout", self.layout, LAYOUTS)
        check_observed(self.observed)

    def _settled(self, training: Sequences) -> dict[str, Any]:
        found, steps = super()._settled(training), float(np.median(training.lengths))
        streams = self.cell_.widths("streams")
        check_encoder(self.encoder, self.hidden_size, cell=self._given_cell(), streams=tuple(streams))
        if streams and self.halvings:
            raise ArgumentError(
                f"{argument('halvings', self.halvings)} makes several steps one, and the cell {type(self.cell_).__name__} takes the stream {next(iter(streams))!r}, which has a value for each step.",
                fix=f"{argument('halvings', 0)}, or a cell without streams",
            )
        if self.halvings is None:
            found["halvings"] = 0 if streams else usual_halvings(steps)
        if "mask" in streams and self.missing == "error":
            found["missing"] = "mean"
        if tuple(self.pooling) == AUTO:
            found["pooling"] = usual_pooling(steps)
        if self.input_noise is None:
            found["input_noise"] = usual_noise(training)
        return found

    def _prepare(self, training: Sequences, held_out: Sequences) -> None:
        as_given = stream_channels(self.cell_, training)
        beside = made_beside(self.cell_, as_given, self.observed, bidirectional=self.bidirectional)
        self.standardiser_ = Standardiser.learn(training, missing=self.options_["missing"], as_given=as_given, beside=beside)

    def _suited(self, cell: Cell, training: Sequences) -> Cell:
        return suited(cell, len(training.channels) - len(stream_channels(cell, training)))

    def _layout(self) -> Layout:
        return layout_of(self.standardiser_, self.cell_, self.observed)

    def _passes(self, training: Sequences, rows: np.ndarray) -> Callable[[int], list[np.ndarray]]:
        """The batches of each epoch, of these rows of the training part."""
        lengths, size, seed = training.lengths[rows], self.options_["batch_size"], self.seed_
        return lambda epoch: [rows[batch] for batch in bucketed_batches(lengths, size, seed=seed, epoch=epoch)]

    def _network(self) -> PooledNetwork:
        channels, streams, layout = self.standardiser_.channels, self.standardiser_.as_given, self._layout()
        return PooledNetwork(
            self.cell_,
            len(channels) - len(streams),
            self.hidden_size,
            self._outputs(),
            num_layers=self.num_layers,
            bidirectional=self.bidirectional,
            pooling=tuple(self.options_["pooling"]),
            dropout=self.dropout,
            halvings=self.options_["halvings"],
            shortcut=self.shortcut,
            input_noise=self.options_["input_noise"],
            level_noise=self.level_noise,
            streams={name: channels.index(name) for name in streams},
            beside=layout.beside,
            reads=layout.reads,
            made=layout.streams,
            engine=self.engine,
            encoder=self.encoder,
        )

    # --- predicting ----------------------------------------------------------------------------------------------------

    def hidden_states(self, x: Any, *, lengths: Any = None) -> list[np.ndarray]:
        """The outputs of the last layer, one array `[T_i, W]` for each sequence; W is hidden units times directions."""
        self.require_fit("hidden_states")
        with self._calling("hidden_states"):
            data = self._read(x, lengths=lengths)
        return super().hidden_states(data)

    def inputs(self, x: Any, *, lengths: Any = None) -> Any:
        """As `tenuto.tasks.estimator.Estimator.inputs`; lengths as for `fit`."""
        self.require_fit("inputs")
        with self._calling("inputs"):
            data = self._read(x, lengths=lengths)
        return super().inputs(data)

    def input_names(self) -> list[str]:
        """The channels, without those that the cell takes as its streams; and what stands beside them."""
        return list(self._layout().names)

    @property
    def n_features_in_(self) -> int:
        """The number of channels, as scikit-learn calls it."""
        return len(self.standardiser_.channels)

    @property
    def feature_names_in_(self) -> np.ndarray:
        """The names of the channels, as scikit-learn calls them; there is no such attribute where the data had no names."""
        if not self.standardiser_.named:
            raise AttributeError("the training data gave its channels no names")
        return np.array(self.standardiser_.channels, dtype=object)

    def _batches(self, data: Sequences) -> Batches:
        data = self.standardiser_.arranged(data)
        return Batches(data.lengths, max(self.options_["batch_size"], 64), partial(collate, data, prepare=self.standardiser_.apply), self._most_steps())

    def _usual_call(self, training: Sequences) -> UsualCall:
        call, encoder = super()._usual_call(training), self.network_.encoder
        if isinstance(encoder, Observing):
            return call._replace(layer=encoder.recurrent)
        return call._replace(layer=encoder.recurrent, steps=-(-call.steps // encoder.together)) if isinstance(encoder, ReducedRecurrent) else call

    def _raw(self, data: Sequences) -> np.ndarray:
        """[N, K] float32: what the network gives for each sequence, in the order of the data."""
        raw = np.empty((len(data), self._outputs()), dtype=np.float32)
        for indices, batch in self._read_through(data):
            with torch.no_grad():
                raw[indices] = self.forward(batch).cpu().numpy()
        return raw

    # --- what a run keeps ----------------------------------------------------------------------------------------------

    def _kept(self) -> dict[str, Any]:
        return self.standardiser_.to_data()

    def _restore(self, kept: Mapping[str, Any]) -> None:
        self.standardiser_ = Standardiser.from_data(dict(kept))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing != "error"
        return tags
