"""What the estimators that read text share: options, the reading of tokens, the course of fitting, and files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import nn

from tenuto.cell import Cell, cell_to_data
from tenuto.cells.names import cell_from_name
from tenuto.data import bucketed_batches
from tenuto.data.sentences.batches import CodedSentences, TokenBatch, TokenCoder
from tenuto.data.sentences.sentences import Sentences
from tenuto.data.sentences.vectors import read_vectors
from tenuto.data.sequences.batches import sorted_batches
from tenuto.networks.embedding import TokenEmbedding
from tenuto.runs.folder import claim
from tenuto.tasks.estimator import Estimator
from tenuto.tasks.files import kept_cell, reading, with_weights, write_estimator
from tenuto.train import Checkpoint, Launch, Loss, Observer, Outcome, TrainingOptions, share_of, train

T = TypeVar("T", bound="TextEstimator")

# Options of a constructor that are a `TrainingOptions`' own, and those with a range to be checked: (name, first too high).
TRAINING = ("epochs", "learning_rate", "weight_decay", "clip_norm", "schedule", "select_by", "patience", "time_limit_s")
RATES = (("dropout", 1), ("recurrent_dropout", 1), ("word_dropout", float("inf")))
COUNTS = ("hidden_size", "num_layers", "batch_size", "min_count", "character_limit", "character_size", "character_hidden_size")


class Course(NamedTuple):
    """How one fit is watched, kept and run: the arguments of `fit` that are not data."""

    observers: tuple[Observer, ...]
    checkpoint: str | Path | Checkpoint | None
    launch: Launch


class TextEstimator(Estimator):
    """Reads token lists, and fits a network on them. Subclasses say what is learnt: targets, network, loss, results.

    Attributes (after fit):
        coder_: what words and characters are known. network_: the torch module. cell_, seed_: as used.
        metrics_: one dictionary an epoch. evaluation_: what a report shows.
    """

    task: str  # in config.json
    cell: str | Cell
    hidden_size: int
    num_layers: int
    bidirectional: bool
    word_size: int
    character_encoder: str
    character_size: int
    character_hidden_size: int
    character_limit: int
    case_size: int
    lowercase: bool
    min_count: int
    word_dropout: float
    vectors: str | None
    dropout: float
    recurrent_dropout: float
    batch_size: int
    engine: str
    device: str
    random_state: int | None

    cell_: Cell
    seed_: int
    coder_: TokenCoder
    network_: nn.Module
    metrics_: list[dict[str, Any]]
    evaluation_: dict[str, Any]

    # --- what a task says ------------------------------------------------------------------------------------------------

    @abstractmethod
    def _learn_targets(self, training: Sentences) -> None:
        """Set what can be answered, from the training set."""

    @abstractmethod
    def _network(self) -> nn.Module:
        """A new network, with an attribute `embedding` that is a `TokenEmbedding` and a `recurrent` that is a layer."""

    @abstractmethod
    def _targets(self, data: Sentences, coded: CodedSentences) -> Any:
        """What `_losses` needs beside the batch, for the whole set."""

    @abstractmethod
    def _losses(self, network: nn.Module, batch: TokenBatch, coded: CodedSentences, targets: Any) -> torch.Tensor:
        """The loss of each sentence of the batch, [B], in nats."""

    @abstractmethod
    def _result(self, data: Sentences, network: nn.Module) -> dict[str, Any]:
        """The RESULT of this set for evaluation.json."""

    @abstractmethod
    def _describe(self, training: Sentences, held_out: Sentences, result: Mapping[str, Any], outcome: Outcome, seconds: float) -> dict[str, Any]:
        """evaluation.json after training."""

    @abstractmethod
    def _model_data(self) -> dict[str, Any]:
        """The part of config.json's `model` that is the task's own."""

    @abstractmethod
    def _target_data(self) -> dict[str, Any]:
        """What can be answered, as plain data; `_restore_targets` reads it."""

    @abstractmethod
    def _restore_targets(self, data: Mapping[str, Any]) -> None:
        """Set what `_target_data` gave."""

    @abstractmethod
    def _validation_numbers(self, result: Mapping[str, Any]) -> dict[str, float]:
        """The line of metrics.jsonl: "validation_loss" and others, from a RESULT."""

    # --- fitting -----------------------------------------------------------------------------------------------------------

    def _fit_on(self, training: Sentences, held_out: Sentences, seed: int, course: Course) -> None:
        options = self._training_options()
        self.cell_, self.seed_ = cell_from_name(self.cell), seed
        words, vectors = ([], np.empty((0, 0))) if self.vectors is None else read_vectors(self.vectors, wanted=self._words_of(training))
        self._learn_targets(training)
        self.coder_ = TokenCoder.learn(
            training, min_count=self.min_count, lowercase=self.lowercase, character_limit=self.character_limit, more=words
        )
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.network_ = self._network().to(self.device)
            if words:
                self._embedding_of(self.network_).start_words(self.coder_.words.encode(words), vectors)
            outcome = self._train(training, held_out, options, course)
        self.metrics_ = outcome.metrics
        result, seconds = self._timed_result(held_out)
        self.evaluation_ = self._describe(training, held_out, result, outcome, seconds)

    def _train(self, training: Sentences, held_out: Sentences, options: TrainingOptions, course: Course) -> Outcome:
        coded = self.coder_.code(training)
        targets = self._targets(training, coded)
        device = torch.device(self.device)

        def batches(epoch: int) -> list[np.ndarray]:
            return bucketed_batches(coded.lengths, self.batch_size, seed=self.seed_, epoch=epoch)

        def loss(network: nn.Module, indices: np.ndarray, carried: Any) -> Loss:
            mine, count = share_of(course.launch, indices)
            return Loss(self._losses(network, coded.batch(mine).to(device), coded, targets).mean(), count)

        def validate(network: nn.Module) -> dict[str, float]:
            return self._validation_numbers(self._result(held_out, network))

        def describe_batch(indices: np.ndarray) -> str:
            names = ", ".join(repr(training.ids[index]) for index in indices[:6])
            return f"{len(indices)} sentences: {names}{', ...' if len(indices) > 6 else ''}"

        return train(
            self.network_,
            options,
            batches=batches,
            loss=loss,
            validate=validate,
            describe_batch=describe_batch,
            observers=course.observers,
            launch=course.launch,
            checkpoint=Checkpoint.of(course.checkpoint, self.run_identity(training, held_out)),
        )

    def _training_options(self) -> TrainingOptions:
        for name, high in RATES:
            self.check_range(name, 0, high)
        for name in COUNTS:
            self.check_count(name)
        for name in ("word_size", "case_size"):
            self.check_count(name, least=0)
        return TrainingOptions(**{name: getattr(self, name) for name in TRAINING})

    def _words_of(self, data: Sentences) -> set[str]:
        return {token.lower() if self.lowercase else token for row in data.tokens for token in row}

    def _embedding(self) -> TokenEmbedding:
        return TokenEmbedding(
            self.coder_.words,
            self.coder_.characters,
            word_size=self.word_size,
            character_encoder=self.character_encoder,
            character_size=self.character_size,
            character_hidden_size=self.character_hidden_size,
            case_size=self.case_size,
            word_dropout=self.word_dropout,
            cell=self.cell_,
            engine=self.engine,
        )

    @staticmethod
    def _embedding_of(network: nn.Module) -> TokenEmbedding:
        embedding = network.embedding
        assert isinstance(embedding, TokenEmbedding)  # see `_network`
        return embedding

    # --- predicting --------------------------------------------------------------------------------------------------------

    def _batches(self, data: Sentences) -> Iterable[tuple[TokenBatch, CodedSentences]]:
        """Every sentence once, in batches of like lengths, for prediction."""
        coded, device = self.coder_.code(data), torch.device(self.device)
        for indices in sorted_batches(coded.lengths, max(self.batch_size, 64)):
            yield coded.batch(indices).to(device), coded

    def _timed_result(self, data: Sentences) -> tuple[dict[str, Any], float]:
        import time

        started = time.perf_counter()
        result = self._result(data, self.network_)
        return result, time.perf_counter() - started

    # --- as files ------------------------------------------------------------------------------------------------------------

    def _save(self, folder: str | Path, *, overwrite: bool) -> Path:
        config = {
            "task": self.task,
            "options": {**self.get_params(), "cell": cell_to_data(self.cell_), "random_state": self.seed_},
            "model": {"cell": cell_to_data(self.cell_), "hidden_size": self.hidden_size, "num_layers": self.num_layers, **self._model_data()},
            "preprocessing": {**self.coder_.to_data(), **self._target_data()},
        }
        return write_estimator(self, folder, config=config, overwrite=overwrite)

    @classmethod
    def load(cls: type[T], folder: str | Path, *, cell: type[Cell] | None = None, device: str = "cpu") -> T:
        """The estimator of the folder that `save` wrote; it predicts the same.

        Args:
            cell: the class of a cell of your own, where it is not imported already. No code is ever loaded from the folder.
        Raises:
            RunError: missing, damaged or foreign files. CellError: the cell's class is not known here.
        """
        with reading(cls, folder, cls.task) as run:
            kept, preprocessing = run.config["options"], run.config["preprocessing"]
            cell_ = kept_cell(run.config["model"]["cell"], cell)
            model = cls(**{**cls._options_from(kept), "cell": cell_, "device": device})
            model.cell_, model.seed_ = cell_, kept["random_state"]
            model.coder_ = TokenCoder.from_data(preprocessing)
            model._restore_targets(preprocessing)
            with torch.random.fork_rng():
                model.network_ = model._network().to(device)
            return with_weights(model, run)

    @classmethod
    def _options_from(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Constructor arguments from config.json."""
        return dict(options)

    def _claim(self, folder: str | Path, *, overwrite: bool) -> None:
        claim(folder, overwrite=overwrite)
