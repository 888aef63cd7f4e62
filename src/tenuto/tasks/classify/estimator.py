"""`SequenceClassifier`: whole-sequence classification with a recurrent network, in the manner of scikit-learn.

Its constructor has more than seven arguments, against the house's habit: scikit-learn's `clone`, grid search and pipelines ask for a flat
list, stored as given and checked in `fit`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tenuto.cell import Cell, cell_to_data
from tenuto.cells.names import cell_from_name
from tenuto.data import Batch, Sequences, Standardiser, collate, stratified_split
from tenuto.data.sequences.batches import sorted_batches
from tenuto.errors import DataError, TenutoError
from tenuto.runs.folder import claim
from tenuto.scores.classification import softmax
from tenuto.tasks.classify.evaluation import describe_test, describe_training
from tenuto.tasks.classify.learning import train_classifier
from tenuto.tasks.classify.network import ClassifierNetwork
from tenuto.tasks.estimator import Estimator
from tenuto.tasks.files import kept_cell, reading, with_weights, write_estimator
from tenuto.train import Checkpoint, Launch, Observer, TrainingOptions, current_launch, seed_of


class SequenceClassifier(Estimator):
    """A recurrent classifier of whole sequences, of unequal lengths and many channels.

    Standardises the channels, trains with AdamW on length-bucketed batches, keeps the weights of the epoch with the lowest validation
    loss, and saves itself as a folder of plain files. Fitting leaves torch's own random generator as it was.

    Args:
        cell: a name ("lstm", "gru", "rnn", "mgu", "indrnn", ...), or any `Cell`, your own too.
        hidden_size, num_layers, bidirectional: of the recurrent layer.
        pooling: what the head sees of the outputs over time: any of "mean", "max", "last".
        dropout: on the pooled features, and between layers.
        input_noise: deviation of the Gaussian noise added to the standardised input in training.
        label_smoothing: share of the target spread over all classes in training.
        epochs, learning_rate, weight_decay, clip_norm, schedule, patience, time_limit_s: see `tenuto.train.TrainingOptions`.
        batch_size: sequences a step.
        validation_fraction: of each class, held out when `fit` is given no validation set.
        missing: what NaN becomes: "error", "forward" (the last value) or "mean"; see `tenuto.data.Standardiser`.
        engine: who runs the time loop, see `tenuto.Recurrent`.
        device: where, for example "cpu" or "cuda".
        random_state: seed of the split, the weights, the batches and the noise; None draws one (kept as `seed_`).
    Attributes (after fit):
        classes_: [K], sorted. seed_: the seed used. network_: the torch module. standardiser_: of the input.
        metrics_: one dictionary an epoch. evaluation_: what a report shows (`tenuto.runs.folder` has both layouts).
    Example:
        >>> x = [np.full((3 + i % 4, 1), float(i % 2)) for i in range(20)]
        >>> model = SequenceClassifier("gru", hidden_size=4, epochs=30).fit(x, ["low", "high"] * 10)
        >>> model.predict([np.zeros((5, 1)), np.ones((2, 1))]).tolist()
        ['low', 'high']
    """

    _estimator_type = "classifier"

    def __init__(
        self,
        cell: str | Cell = "lstm",
        *,
        hidden_size: int = 64,
        num_layers: int = 2,
        bidirectional: bool = True,
        pooling: tuple[str, ...] = ("mean", "max", "last"),
        dropout: float = 0.3,
        input_noise: float = 0.8,
        label_smoothing: float = 0.0,
        epochs: int = 100,
        batch_size: int = 32,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.01,
        clip_norm: float | None = 1.0,
        schedule: str = "cosine",
        patience: int | None = 40,
        time_limit_s: float | None = None,
        validation_fraction: float = 0.2,
        missing: str = "error",
        engine: str = "auto",
        device: str = "cpu",
        random_state: int | None = 0,
    ) -> None:
        self.cell = cell
        self.hidden_size, self.num_layers, self.bidirectional, self.pooling = hidden_size, num_layers, bidirectional, pooling
        self.dropout, self.input_noise, self.label_smoothing = dropout, input_noise, label_smoothing
        self.epochs, self.batch_size, self.learning_rate, self.weight_decay = epochs, batch_size, learning_rate, weight_decay
        self.clip_norm, self.schedule, self.patience, self.time_limit_s = clip_norm, schedule, patience, time_limit_s
        self.validation_fraction, self.missing = validation_fraction, missing
        self.engine, self.device, self.random_state = engine, device, random_state

    # --- fitting -------------------------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        lengths: Any = None,
        validation: Sequences | tuple[Any, Any] | None = None,
        observers: Iterable[Observer] = (),
        checkpoint: str | Path | Checkpoint | None = None,
        launch: Launch | None = None,
    ) -> SequenceClassifier:
        """Train. Ctrl-C ends training early and keeps the best weights so far.

        Args:
            x: a list of `[T_i, C]` arrays, or a padded array `[N, T, C]`, or `Sequences`.
            y: [N] labels: text, integers, floats or booleans. Not needed with Sequences that have labels.
            lengths: [N] int, in steps, for a padded array. Default: all T.
            validation: Sequences, or (x, y), to stop by. Default: `validation_fraction` of the data, by class.
            observers: told of every step and epoch, for progress bars and log files.
            checkpoint: a folder from which a run that was stopped goes on, and where it is kept while it trains.
            launch: where to run. Default: in the processes that this program was started in (`tenuto.train.current_launch`).
        Raises:
            ShapeError, DataError: the data cannot be used as it is; the message names the sequence, step and channel.
            ArgumentError: an option out of range.
            TrainingError: the loss or a gradient became NaN or infinite. RunError: the checkpoint is of another run.
        """
        try:
            where = launch or current_launch(self.device)
            return self._fit(Sequences.from_arrays(x, y, lengths=lengths), validation, tuple(observers), checkpoint, where)
        except TenutoError as error:
            raise error.within("SequenceClassifier.fit") from error.__cause__

    def _fit(
        self, data: Sequences, validation: Any, observers: tuple[Observer, ...], checkpoint: str | Path | Checkpoint | None, launch: Launch
    ) -> SequenceClassifier:
        options = self._training_options()
        seed = seed_of(launch, self.random_state)
        if data.labels is None:
            raise DataError("the data has no labels.", expected="y [N]", fix="give y, or Sequences with labels")
        if len(data.class_counts) < 2:
            raise DataError(
                "all sequences have the same label.", expected="two classes or more", received=repr(next(iter(data.class_counts)))
            )
        if validation is None:
            training, held_out = stratified_split(data, self.validation_fraction, seed=seed)
        else:
            training = data
            held_out = Sequences.from_arrays(*validation) if isinstance(validation, tuple) else Sequences.from_arrays(validation)
        self.classes_ = np.array(list(training.class_counts))
        self._targets(held_out)  # a label that training never saw is an error now
        standardiser = Standardiser.learn(training, missing=self.missing)
        standardiser.check(held_out)
        self.standardiser_, self.seed_, self.n_features_in_ = standardiser, seed, len(data.channels)
        self.cell_ = cell_from_name(self.cell)
        kept = Checkpoint.of(checkpoint, self.run_identity(training, held_out))
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.network_ = self._network()
            outcome = train_classifier(self, training, held_out, options, observers, kept, launch)
        self.metrics_ = outcome.metrics
        self.evaluation_ = describe_training(self, training, held_out, outcome)
        return self

    # --- predicting ----------------------------------------------------------------------------------------------------

    def predict_proba(self, x: Any, *, lengths: Any = None) -> np.ndarray:
        """The probability of each class, [N, K] float64, in the order of `classes_`.

        A sequence's numbers do not depend on the others in `x`, beyond rounding.

        Args:
            x, lengths: as for `fit`.
        Raises:
            NotFittedError; ShapeError: another number of channels than in training; DataError: as `fit`.
        """
        self.require_fit("predict")
        try:
            data = Sequences.from_arrays(x, lengths=lengths)
            self.standardiser_.check(data)
            return softmax(self._logits(data, self.network_))
        except TenutoError as error:
            raise error.within("SequenceClassifier.predict") from error.__cause__

    def predict(self, x: Any, *, lengths: Any = None) -> np.ndarray:
        """The most probable class of each sequence, [N]. Arguments and errors as `predict_proba`."""
        probabilities = self.predict_proba(x, lengths=lengths)
        return self.classes_[probabilities.argmax(1)]

    def score(self, x: Any, y: Any = None, *, lengths: Any = None) -> float:
        """The share of sequences whose class is predicted: accuracy, 0..1.

        Raises:
            DataError: a label that training never saw; and as `predict_proba`.
        """
        self.require_fit("score")
        try:
            data = Sequences.from_arrays(x, y, lengths=lengths)
            targets = self._targets(data)
        except TenutoError as error:
            raise error.within("SequenceClassifier.score") from error.__cause__
        return float((self.predict_proba(data).argmax(1) == targets).mean())

    def evaluate(self, x: Any, y: Any = None, *, lengths: Any = None) -> dict[str, Any]:
        """Accuracy with its interval, loss, confusion, per-class table and mistakes: the RESULT of `tenuto.runs.folder`, as test
        set of this model, so that `save` writes it into evaluation.json.

        Raises:
            as `score`.
        """
        self.require_fit("evaluate")
        try:
            data = Sequences.from_arrays(x, y, lengths=lengths)
            self.standardiser_.check(data)
            self.evaluation_ = describe_test(self, data, self._targets(data))
        except TenutoError as error:
            raise error.within("SequenceClassifier.evaluate") from error.__cause__
        return self.evaluation_["results"]["test"]

    def hidden_states(self, x: Any, *, lengths: Any = None) -> list[np.ndarray]:
        """The outputs of the last layer, one array `[T_i, W]` a sequence; W is hidden units times directions."""
        self.require_fit("hidden_states")
        data = Sequences.from_arrays(x, lengths=lengths)
        self.standardiser_.check(data)
        states: list[np.ndarray] = [np.empty(0)] * len(data)
        with torch.no_grad():
            for batch in self._prediction_batches(data):
                output = self.network_.states(batch.x, batch.lengths).cpu().numpy()
                for row, index in enumerate(batch.indices):
                    states[index] = output[: data.lengths[index], row]
        return states

    # --- as files ------------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path, *, test: Sequences | tuple[Any, Any] | None = None, overwrite: bool = False) -> Path:
        """Write the run folder (`tenuto.runs.folder`): weights, config, metrics, evaluation; whole or not at all.

        Args:
            folder: new or empty; a folder with anything else in it is refused.
            test: evaluated first, and kept in evaluation.json.
            overwrite: replace a run that is there.
        Raises:
            NotFittedError; RunError: the folder is not free.
        """
        self.require_fit("save")
        claim(folder, overwrite=overwrite)
        if test is not None:
            self.evaluate(*(test if isinstance(test, tuple) else (test,)))
        config = {
            "task": "classify",
            "options": {**self.get_params(), "cell": cell_to_data(self.cell_), "pooling": list(self.pooling), "random_state": self.seed_},
            "model": {
                "cell": cell_to_data(self.cell_),
                "input_size": self.n_features_in_,
                "hidden_size": self.hidden_size,
                "num_layers": self.num_layers,
                "bidirectional": self.bidirectional,
                "dropout": self.dropout,
                "pooling": list(self.pooling),
                "classes": len(self.classes_),
            },
            "preprocessing": {
                **self.standardiser_.to_data(),
                "classes": self.classes_.tolist(),
                "class_kind": type(self.classes_.tolist()[0]).__name__,
            },
        }
        return write_estimator(self, folder, config=config, overwrite=overwrite)

    @classmethod
    def load(cls, folder: str | Path, *, cell: type[Cell] | None = None, device: str = "cpu") -> SequenceClassifier:
        """A classifier from the folder that `save` wrote; it predicts the same numbers.

        Args:
            cell: the class of a cell of your own, where it is not imported already. No code is ever loaded from the folder.
        Raises:
            RunError: missing, damaged or foreign files. CellError: the cell's class is not known here.
        """
        with reading(cls, folder, "classify") as run:
            kept, preprocessing = run.config["options"], run.config["preprocessing"]
            cell_ = kept_cell(run.config["model"]["cell"], cell)
            model = cls(**{**kept, "cell": cell_, "pooling": tuple(kept["pooling"]), "device": device})
            model.cell_, model.seed_ = cell_, kept["random_state"]
            model.n_features_in_, model.classes_ = run.config["model"]["input_size"], np.array(preprocessing["classes"])
            model.standardiser_ = Standardiser.from_data(preprocessing)
            with torch.random.fork_rng():
                model.network_ = model._network()
            return with_weights(model, run)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(two_d_array=False, three_d_array=True, allow_nan=self.missing != "error"),
        )

    # --- inside --------------------------------------------------------------------------------------------------------

    def _training_options(self) -> TrainingOptions:
        names = ("epochs", "learning_rate", "weight_decay", "clip_norm", "schedule", "patience", "time_limit_s")
        for name, high in (("dropout", 1), ("label_smoothing", 1), ("input_noise", float("inf"))):
            self.check_range(name, 0, high)
        for name in ("hidden_size", "num_layers", "batch_size"):
            self.check_count(name)
        return TrainingOptions(**{name: getattr(self, name) for name in names})

    def _network(self) -> ClassifierNetwork:
        return ClassifierNetwork(
            self.cell_,
            self.n_features_in_,
            self.hidden_size,
            len(self.classes_),
            num_layers=self.num_layers,
            bidirectional=self.bidirectional,
            pooling=tuple(self.pooling),
            dropout=self.dropout,
            input_noise=self.input_noise,
            engine=self.engine,
        ).to(self.device)

    def _targets(self, data: Sequences) -> np.ndarray:
        """[N] int64 positions of the labels in `classes_`; a label that is not there is an error."""
        if data.labels is None:
            raise DataError("the data has no labels.", expected="y [N]", fix="give y, or Sequences with labels")
        positions = {label: index for index, label in enumerate(self.classes_.tolist())}
        for index, label in enumerate(data.labels.tolist()):
            if label not in positions:
                raise DataError(
                    f"sequence {data.ids[index]!r} has the label {label!r}, which training never saw.",
                    expected=", ".join(repr(known) for known in list(positions)[:12]) + (", ..." if len(positions) > 12 else ""),
                    received=f"{label!r} ({type(label).__name__})",
                    fix="leave those sequences out, mend the label, or train with sequences of that class",
                )
        return np.array([positions[label] for label in data.labels.tolist()], dtype=np.int64)

    def _prediction_batches(self, data: Sequences) -> Iterable[Batch]:
        prepare = partial(collate, data, prepare=self.standardiser_.apply)
        return (prepare(indices).to(torch.device(self.device)) for indices in sorted_batches(data.lengths, max(self.batch_size, 64)))

    def _logits(self, data: Sequences, network: nn.Module) -> np.ndarray:
        """[N, K] float32, in the order of the data."""
        logits = np.empty((len(data), len(self.classes_)), dtype=np.float32)
        with torch.no_grad():
            for batch in self._prediction_batches(data):
                logits[batch.indices] = network(batch.x, batch.lengths).cpu().numpy()
        return logits
