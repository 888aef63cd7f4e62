"""`Estimator`: what every task shares: fit, evaluate, save, load, and the doors `inputs`, `forward` and `answer`.

A task answers what only it can know, in this order: how its data is read and divided, what is learnt from it before training, its network, how
that is trained, how batches are made for prediction, what an answer is, how good a set of answers is, and what config.json must keep of it
(`saved.py` has the half that goes to a run folder and comes back).
"""

from __future__ import annotations

import contextlib
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from tenuto import engines
from tenuto.cell import Cell
from tenuto.cells.names import cell_from_name
from tenuto.data.sequences.batches import pieces, sorted_batches
from tenuto.errors import ArgumentError, TenutoError
from tenuto.layers import Init
from tenuto.layers.initialise import begun
from tenuto.measures import measures, require_measure
from tenuto.networks.encoders import check_encoder
from tenuto.tasks.batches import Batches
from tenuto.tasks.evaluation import Measured, UsualCall, engine, evaluation_of, merged, with_test
from tenuto.tasks.explained import Explained
from tenuto.tasks.exported import Exported
from tenuto.tasks.files import own_keys
from tenuto.tasks.option import usual_of
from tenuto.tasks.saved import Saved
from tenuto.tasks.taught import Taught
from tenuto.tasks.weighing import counting
from tenuto.train import Checkpoint, Launch, Observer, Outcome, TrainingOptions, seed_of, train
from tenuto.train.course import Course, Teaching
from tenuto.train.device import require_device
from tenuto.train.turns import seeded

E = TypeVar("E", bound="Estimator")

# Numbers that the encoder puts out for one batch of a prediction, at most: 64 MiB. With what the other parts keep beside them a batch takes some 300 MB.
MOST_OUTPUTS = 2**24
# The options that go on to `tenuto.train.TrainingOptions`.
TRAINING = tuple(field.name for field in dataclasses.fields(TrainingOptions))


class Estimator(Explained, Taught, Exported, Saved, ABC):
    """What is fitted, evaluated, saved, loaded, and asked.

    In addition to `fit` and `predict` there are three doors. Other code that works on a fitted estimator uses these and the parts of its network
    (`front`, `encoder`, `head`): `inputs(data)` gives batches in the order of the data, `forward(batch)` the network's raw output for one,
    `answer(tensors)` what `predict` gives for it. So `predict(x)` is `answer(forward(batch))` of each batch of `inputs(x)`, one after another.

    Attributes (after fit):
        network_: the torch module. cell_, seed_: those that were used. options_: the options at that time, as plain data. maths_: what `maths` gave then. metrics_: one dictionary for each validation. evaluation_: what a report shows.
    """

    takes_streams: bool = False  # whether its data can give a cell its streams
    leaves_weights_unused: bool = False  # whether a batch may leave weights without a gradient

    # --- what a task answers ---------------------------------------------------------------------------------------------

    @abstractmethod
    def _read(self, x: Any, y: Any = None) -> Any:
        """The data as this task's kind of set, such as `Sequences`."""

    @abstractmethod
    def _divide(self, data: Any) -> tuple[Any, Any]:
        """Divide the data into what is trained on and what is held out for validation; `seed_` is set already."""

    def _divide_by_chance(self, data: Any) -> tuple[Any, Any]:
        """The same, for answers that are no right ones: of some there may be a single one."""
        return self._divide(data)

    @abstractmethod
    def _prepare(self, training: Any, held_out: Any) -> None:
        """Set what is learnt before training, from the training set alone; `_kept` gives all of it."""

    @abstractmethod
    def _batches(self, data: Any) -> Batches:
        """How this set is cut into batches for prediction."""

    @abstractmethod
    def answer(self, tensors: Any) -> Any:
        """What `predict` gives for one batch, from what `forward` made of it."""

    @abstractmethod
    def _measure(self, data: Any, name: str) -> Measured:
        """How good the answers for this set are; `name` is "validation" or "test"."""

    @abstractmethod
    def _describe(self, data: Any) -> dict[str, Any]:
        """The SET object of evaluation.json."""

    @abstractmethod
    def _about(self, training: Any, outcome: Outcome) -> dict[str, Any]:
        """What this task adds to the common keys of evaluation.json, or within them; a title at least."""

    def _trained(self, training: Any, held_out: Any) -> None:
        """Set what is learnt from what was held out, once the network is trained."""

    def _calibrate(self, held_out: Any) -> None:
        """Set the weights right on what was held out, once the network is trained; not where another model's answers were learnt."""

    def _require_scorable(self, data: Any) -> None:
        """Raise what `_measure` would raise for this set, whatever the weights are. The network is made, but not trained; a task adds its answers."""
        self._describe(data)

    def _settled(self, training: Any) -> dict[str, Any]:
        """The options that were left open, as this data suggests; from here on `options_` has them."""
        return {"average": self.training_options(epochs=1).average} | self.pace.settle(self._items(training), self.get_params())

    def _given_cell(self) -> Any:
        """The option `cell`; None where it is the usual one."""
        return None if self.cell == usual_of(type(self), "cell") else self.cell

    def _encoder_size(self) -> tuple[int, str]:
        """Units of the encoder's layers, and the option that says so."""
        return self.hidden_size, "hidden_size"

    def _items(self, training: Any) -> int:
        """How many items a pass over the training data reads; a batch has `batch_size` of them."""
        return len(training)

    def _usual_call(self, training: Any) -> UsualCall:
        """A call of the layer whose engine the run reports, on a batch of the usual shape."""
        steps, rows = int(np.median(training.lengths)), min(self.options_["batch_size"], len(training))
        return UsualCall(self.network_.encoder, steps, rows, lengths=True)

    # --- fitting ---------------------------------------------------------------------------------------------------------

    def fit(
        self: E,
        x: Any,
        y: Any = None,
        *,
        validation: Any = None,
        test: Any = None,
        observers: Iterable[Observer] = (),
        checkpoint: str | Path | Checkpoint | None = None,
        launch: Launch | None = None,
    ) -> E:
        """Train. Ctrl-C ends training early and keeps the best weights so far. A fit that fails leaves the estimator as it was.

        Args:
            x, y: see the class.
            validation: a set of the same kind, or (x, y), to choose the best weights by. Default: a part of the data, see `validation_fraction`.
            test: a set, or (x, y), on which the model will be evaluated later. It is not used here, but refused before training where `evaluate` would refuse it.
            observers: told of every step and validation, for progress bars and log files.
            checkpoint: a folder where the state of training is kept; a fit that was stopped goes on from there (`tenuto.train.Checkpoint`).
            launch: where to run. Default: in the processes that this program was started in (`tenuto.train.current_launch`).
        Raises:
            ShapeError, DataError: the data cannot be used as it is; the message names the place.
            ArgumentError: an option out of range.
            TrainingError: the loss or a gradient became NaN or infinite. RunError: the checkpoint is of another run; the message says what differs.
        """
        with self._as_before(), self._calling("fit"):
            self.check()
            data = self._read(x, y)
            held_out, later = (None if given is None else self._given(given) for given in (validation, test))
            self._fit(data, held_out, later, self._course(observers, checkpoint, launch))
        return self

    def learn_from(
        self: E,
        teaching: Teaching,
        data: Any,
        *,
        validation: Any = None,
        test: Any = None,
        observers: Iterable[Observer] = (),
        checkpoint: str | Path | Checkpoint | None = None,
        launch: Launch | None = None,
    ) -> E:
        """As `fit`, with somebody who takes part in it from outside. Each of the sets is one, or a tuple (x, y); answers may be missing."""
        with self._as_before(), self._calling("fit"):
            self.check()
            self._restore(teaching.kept)
            given = {"train": data, "validation": validation, "test": test}
            sets = {part: None if one is None else teaching.answered(self._given(one), part) for part, one in given.items()}
            self._fit(sets["train"], sets["validation"], sets["test"], self._course(observers, checkpoint, launch, teaching))
        return self

    def _course(
        self, observers: Iterable[Observer], checkpoint: str | Path | Checkpoint | None, launch: Launch | None, teaching: Teaching | None = None
    ) -> Course:
        return Course.of(observers, checkpoint, launch, device=self.device, unused_weights=self.leaves_weights_unused, teaching=teaching)

    @contextlib.contextmanager
    def _as_before(self) -> Iterator[None]:
        """If the block fails, the estimator is as it was before it."""
        before = dict(self.__dict__)
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def check(self) -> None:
        """Check all that can be checked before there are data; `fit` does so first.

        Raises:
            ArgumentError: an option is out of range or not known, options exclude each other, or the device cannot be used here. CellError: see `Cell`.
        """
        self.check_options()
        check_encoder(self.encoder, *self._encoder_size(), cell=self._given_cell(), options=self.get_params())
        require_measure(self.select_by, self.measures())
        self.training_options(epochs=self.epochs or 1)
        self.starts()
        engines.wanted(self.engine)
        require_device(self.device)
        for given in self._cells().values():
            self._fitting(cell_from_name(given))

    @classmethod
    def measures(cls) -> list[str]:
        """What a validation of this task can measure, by the names in metrics.jsonl; which of it, may depend on the data."""
        own = own_keys(cls)
        return [one.key for one in measures()] if own is None else ["validation_loss", *(key.name for key in own.measures)]

    def _measured_here(self) -> list[str]:
        """What is measured of the data at hand; known after `_prepare`."""
        return self.measures()

    def _fit(self, data: Any, validation: Any, test: Any, course: Course) -> None:
        self.seed_ = seed_of(course.launch, self.random_state)
        data = counting(data)
        teaching = course.teaching
        divide = self._divide_by_chance if teaching is not None and teaching.guessed("train") else self._divide
        training, held_out = divide(data) if validation is None else (data, validation)
        for name, given in self._cells().items():
            setattr(self, f"{name}_", self._suited(self._fitting(cell_from_name(given)), training))
        self.maths_ = self.maths({name: getattr(self, f"{name}_") for name in self._cells()})
        self.options_ = self._options_as_data() | self._settled(training)
        if teaching is None:
            self._prepare(training, held_out)
        self._ready(training, held_out)
        require_measure(self.select_by, self._measured_here())
        identity = self.run_identity(training, held_out)
        kept = Checkpoint.of(course.checkpoint, identity if teaching is None else {**identity, **teaching.identity})
        with seeded(self.seed_):
            self.network_ = begun(self._network().to(self.device), self.starts())
            if test is not None:
                self._check_test(test)
            learning = self._learning(training, held_out, course.launch)
            if teaching is not None:
                teaching.begin(self.network_)
                learning = teaching.lead(learning, training)
            outcome = train(
                self.network_,
                self.training_options(epochs=self.options_["epochs"]),
                **learning._asdict(),
                observers=course.observers,
                checkpoint=kept,
                launch=course.launch,
            )
        self.metrics_ = outcome.metrics
        if teaching is None:
            self._calibrate(held_out)
        self._trained(training, held_out)
        common = evaluation_of(
            self.task,
            self.network_,
            self.options_,
            sets={"train": self._describe(training), "validation": self._describe(held_out)},
            outcome=outcome,
            measured=self._measure(held_out, "validation"),
            engine=engine(self._usual_call(training), self.device),
        )
        self.evaluation_ = merged(common, self._about(training, outcome))
        if teaching is not None:
            self.evaluation_ = merged(self.evaluation_, teaching.measured(held_out))

    def training_options(self, *, epochs: int) -> TrainingOptions:
        """The options of the training loop.

        Raises:
            ArgumentError: one is out of range.
        """
        return TrainingOptions(**{**{name: getattr(self, name) for name in TRAINING}, "epochs": epochs})

    def starts(self) -> Init:
        """How recurrent weights start."""
        return Init(weight_hh=self.recurrent_start, forget_bias=self.forget_bias, longest=self.longest)

    def _check_test(self, data: Any) -> None:
        try:
            self._require_scorable(data)
        except TenutoError as error:
            raise error.also("or train without a test part").within("the test part") from error.__cause__

    def _fitting(self, cell: Cell) -> Cell:
        """The cell, if this task can give it all that it takes."""
        streams = list(cell.widths("streams"))
        if streams and not self.takes_streams:
            raise ArgumentError(
                f"the cell {type(cell).__name__} takes the stream {streams[0]!r}, but {type(self).__name__} has nothing to give it.",
                expected="a cell without streams", fix="tasks whose data has named channels give a stream the channel of its name",
            )
        return cell

    def _asked(self, x: Any) -> Any:
        """The data to predict for, as `_batches` takes it."""
        return self._read(x)

    def _given(self, data: Any) -> Any:
        """A set that was given as one, or as a tuple (x, y)."""
        return self._read(*data) if isinstance(data, tuple) else self._read(data)

    # --- the doors ---------------------------------------------------------------------------------------------------------

    def inputs(self, x: Any) -> Iterator[Any]:
        """The batches of the data as the network reads them, in the order of the data.

        Args:
            x: as for `predict`.
        Raises:
            NotFittedError; and as `predict`.
        """
        self.require_fit("inputs")
        with self._calling("inputs"):
            batches = self._batches(self._asked(x))
        return (batches.make(indices).to(torch.device(self.device)) for indices in pieces(np.arange(len(batches.order)), batches.order, batches.rows, batches.padded))

    def forward(self, batch: Any) -> Any:
        """The network's raw output for a batch of `inputs`, with gradients where torch keeps them."""
        return self.network_(batch)

    def _most_steps(self) -> int:
        """Steps of a batch for prediction, padding included, at most."""
        encoder: Any = self.network_.encoder
        return max(1, MOST_OUTPUTS // int(encoder.output_width * encoder.directions))

    def _read_through(self, data: Any) -> Iterator[tuple[np.ndarray, Any]]:
        """Every item once, in batches of similar lengths: positions in the data, and the batch."""
        batches, device = self._batches(data), torch.device(self.device)
        for indices in sorted_batches(batches.order, batches.rows, batches.padded):
            yield indices, batches.make(indices).to(device)

    def _answers(self, data: Any) -> list[Any]:
        """`answer` of `forward` for every item, in the order of the data."""
        found: list[Any] = [None] * len(data)
        for indices, batch in self._read_through(data):
            with torch.no_grad():
                answers = self.answer(self.forward(batch))
            for index, one in zip(indices.tolist(), answers, strict=True):
                found[index] = one
        return found

    def hidden_states(self, x: Any) -> list[np.ndarray]:
        """The encoder's outputs, one array `[T_i, W]` for each item; W is hidden units times directions.

        Args:
            x: as for `predict`.
        """
        self.require_fit("hidden_states")
        with self._calling("hidden_states"):
            data = self._asked(x)
            states: list[np.ndarray] = [np.empty(0)] * len(data)
            for indices, batch in self._read_through(data):
                with torch.no_grad():
                    output = self.network_.encode(batch).output.cpu().numpy()
                lengths = [len(output)] * len(indices) if batch.lengths is None else batch.lengths.tolist()
                for row, (index, length) in enumerate(zip(indices.tolist(), lengths)):
                    states[index] = output[:length, row]
        return states

    # --- how good the answers are --------------------------------------------------------------------------------------------

    def evaluate(self, x: Any, y: Any = None) -> dict[str, Any]:
        """Everything that is measured of the answers for a set: the RESULT of `tenuto.runs.schema`. `save` writes it, as the model's test set.

        Args:
            x, y: as for `fit`.
        Raises:
            NotFittedError; and as `predict`, and DataError: there is nothing to compare with.
        """
        self.require_fit("evaluate")
        with self._calling("evaluate"):
            return self._test(self._read(x, y))

    def _test(self, data: Any, measured: Measured | None = None) -> dict[str, Any]:
        found = self._measure(data, "test") if measured is None else measured
        self.evaluation_ = with_test(self.evaluation_, self._describe(data), found)
        return found.result

def batch_in_words(ids: Sequence[str], indices: np.ndarray, noun: str) -> str:
    """A batch as error messages name it.

    Example:
        >>> batch_in_words(["a", "b", "c"], np.array([2, 0]), "sequences")
        "2 sequences: 'c', 'a'"
    """
    names = ", ".join(repr(ids[index]) for index in indices[:6])
    return f"{len(indices)} {noun}: {names}{', ...' if len(indices) > 6 else ''}"
