"""`Seq2Seq`: one sequence of symbols into another with an encoder, a decoder and attention, in the manner of scikit-learn.

Its constructor has more than seven arguments, against the house's habit: scikit-learn's `clone`, grid search and pipelines ask for a flat
list, stored as given and checked in `fit`. Longer than 400 lines with its documentation: one story, the estimator from
fit to file.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from tenuto.cell import Cell, cell_to_data
from tenuto.cells.names import cell_from_name
from tenuto.data import bucketed_batches
from tenuto.data.pairs.batches import collate_pairs
from tenuto.data.pairs.pairs import Pairs, Side
from tenuto.data.pairs.symbols import FIRST, PADDING, UNKNOWN, UNKNOWN_RULES, Symbols, check_kind, split_side
from tenuto.errors import ArgumentError, TenutoError
from tenuto.runs.folder import claim
from tenuto.tasks.estimator import Estimator
from tenuto.tasks.files import kept_cell, reading, with_weights, write_estimator
from tenuto.tasks.translate.evaluation import describe_test, describe_training
from tenuto.tasks.translate.network import Seq2SeqNetwork
from tenuto.tasks.translate.translator import Translator, cross_entropy
from tenuto.train import Checkpoint, Launch, Loss, Observer, Outcome, TrainingOptions, current_launch, seed_of, share_of, train

VALIDATED = 1000  # sources that are answered in each validation, about


class Translation(NamedTuple):
    """One answer. target: as targets were given; score: log_probability (nats) by length, by which answers are ranked."""

    target: Side
    log_probability: float
    score: float


class Seq2Seq(Estimator):
    """Turns sequences of symbols into others: spelling into sounds, dates into ISO dates, sums into results.

    Trains with teacher forcing on batches of like lengths, keeps the weights with the lowest validation loss, and saves itself as a folder
    of plain files. With the usual attention the whole decoder is one fused time loop, and attention is computed for all its steps at once.
    A source that occurs in several pairs has several right answers. Fitting leaves torch's own random generator as it was.
    `clone`, `cross_val_score`, grid search and pipelines of scikit-learn work; a step before it in a pipeline takes and gives a list of
    sources, for example `FunctionTransformer` around a function that writes them in lower case. Folds keep no pairs of one source together:
    with several answers a source, split with `Pairs.split` or `GroupKFold`.

    Args:
        cell, decoder_cell: of encoder and decoder: a name ("lstm", "gru", ...) or any `Cell`; decoder_cell None is the encoder's.
        source_unit, target_unit: what a symbol is: "characters" or "words" of a text, or "tokens" (sides are lists of symbols).
        attention: "general", "dot", "additive" (after the step), "bahdanau" (before it, step by step) or "none".
        input_feeding: each step also reads what the one before attended to; step by step. decoder_input: "symbol", "summary" (of the
            source, repeated; nothing is fed back) or "both". See `tenuto.tasks.translate.network.Seq2SeqNetwork`.
        tied_embeddings: the head's matrix is the target embedding.
        embedding_size, hidden_size, num_layers: the last two of the decoder.
        encoder_size: of each direction; None so that both together are as wide as the decoder. encoder_layers: None for num_layers.
        dropout: on embeddings, between layers, before the head. label_smoothing: share of a target symbol spread over all.
        symbol_dropout: rate at which source symbols are read as unknown in training.
        minimum_count: symbols that are rarer in training are unknown. unknown: what an unknown source symbol does at prediction: "error",
            or "symbol", read as one symbol of its own (the mean of all embeddings, where training had none). Answers never hold one.
        beam_size: 1 for greedy search. length_penalty: scores are log probability / (symbols + 1) ** length_penalty.
        max_length: of answers, in symbols; None for the longest target of training and 10 more.
        epochs, max_steps, validate_every, learning_rate, weight_decay, clip_norm, schedule, average, patience, time_limit_s: see
            `tenuto.train.TrainingOptions`.
        batch_size: pairs a step. validation_fraction: of the distinct sources, held out when `fit` is given no validation set.
        engine: who runs the time loops, see `tenuto.Recurrent`. device: where, for example "cpu" or "cuda".
        random_state: seed of the split, the weights, the batches and the dropout; None draws one (kept as `seed_`).
    Attributes (after fit):
        source_symbols_, target_symbols_: the tables of symbols. max_length_. seed_. network_: the torch module.
        metrics_: one dictionary a validation. evaluation_: what a report shows (`tenuto.runs.folder`).
    Example:
        >>> words = [a + b + c for a in "abcd" for b in "abcd" for c in "abcd"]
        >>> model = Seq2Seq("gru", hidden_size=32, embedding_size=16, epochs=25, batch_size=4, learning_rate=1e-2, dropout=0.0)
        >>> model.fit(words, [word[::-1].upper() for word in words]).predict(["abd"])
        ['DBA']
    """

    def __init__(
        self,
        cell: str | Cell = "lstm",
        *,
        decoder_cell: str | Cell | None = None,
        source_unit: str = "characters",
        target_unit: str = "characters",
        attention: str = "general",
        input_feeding: bool = False,
        decoder_input: str = "symbol",
        tied_embeddings: bool = False,
        embedding_size: int = 64,
        hidden_size: int = 128,
        num_layers: int = 1,
        encoder_size: int | None = None,
        encoder_layers: int | None = None,
        bidirectional: bool = True,
        dropout: float = 0.1,
        label_smoothing: float = 0.0,
        symbol_dropout: float = 0.0,
        minimum_count: int = 1,
        unknown: str = "error",
        beam_size: int = 1,
        length_penalty: float = 1.0,
        max_length: int | None = None,
        epochs: int = 30,
        max_steps: int | None = None,
        validate_every: int | None = None,
        batch_size: int = 64,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.01,
        clip_norm: float | None = 1.0,
        schedule: str = "cosine",
        average: str | None = None,
        patience: int | None = None,
        time_limit_s: float | None = None,
        validation_fraction: float = 0.1,
        engine: str = "auto",
        device: str = "cpu",
        random_state: int | None = 0,
    ) -> None:
        self.cell, self.decoder_cell = cell, decoder_cell
        self.source_unit, self.target_unit = source_unit, target_unit
        self.attention, self.input_feeding, self.decoder_input, self.tied_embeddings = attention, input_feeding, decoder_input, tied_embeddings
        self.embedding_size, self.hidden_size, self.num_layers = embedding_size, hidden_size, num_layers
        self.encoder_size, self.encoder_layers, self.bidirectional = encoder_size, encoder_layers, bidirectional
        self.dropout, self.label_smoothing, self.symbol_dropout = dropout, label_smoothing, symbol_dropout
        self.minimum_count, self.unknown = minimum_count, unknown
        self.beam_size, self.length_penalty, self.max_length = beam_size, length_penalty, max_length
        self.epochs, self.max_steps, self.validate_every, self.batch_size = epochs, max_steps, validate_every, batch_size
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.clip_norm, self.schedule, self.average, self.patience = clip_norm, schedule, average, patience
        self.time_limit_s, self.validation_fraction = time_limit_s, validation_fraction
        self.engine, self.device, self.random_state = engine, device, random_state

    # --- fitting -------------------------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        validation: Pairs | tuple[Any, Any] | None = None,
        observers: Iterable[Observer] = (),
        checkpoint: str | Path | Checkpoint | None = None,
        launch: Launch | None = None,
    ) -> Seq2Seq:
        """Train. Ctrl-C ends training early and keeps the best weights so far.

        Args:
            x: N sources, texts or lists of symbols; or `Pairs`. y: N targets; not needed with Pairs.
            validation: Pairs, or (x, y), to stop by. Default: `validation_fraction` of the distinct sources.
            observers: told of every step and epoch, for progress bars and log files.
            checkpoint: a folder from which a run that was stopped goes on, and where it is kept while it trains.
            launch: where to run. Default: in the processes that this program was started in (`tenuto.train.current_launch`).
        Raises:
            DataError: the data cannot be used as it is; the message names the pair. ArgumentError: an option out of range.
            TrainingError: the loss or a gradient became NaN or infinite. RunError: the checkpoint is of another run.
        """
        try:
            data = Pairs.of(x, y)
            others = None if validation is None else Pairs.of(*validation) if isinstance(validation, tuple) else Pairs.of(validation)
            return self._fit(data, others, tuple(observers), checkpoint, launch or current_launch(self.device))
        except TenutoError as error:
            raise error.within("Seq2Seq.fit") from error.__cause__

    def _fit(
        self, data: Pairs, validation: Pairs | None, observers: tuple[Observer, ...], checkpoint: str | Path | Checkpoint | None, launch: Launch
    ) -> Seq2Seq:
        options = self._training_options()
        self.seed_ = seed_of(launch, self.random_state)
        data.require_targets()
        training, held_out = data.split(self.validation_fraction, seed=self.seed_) if validation is None else (data, validation)
        held_out.require_targets()
        self.cell_ = cell_from_name(self.cell)
        self.decoder_cell_ = self.cell_ if self.decoder_cell is None else cell_from_name(self.decoder_cell)
        targets = [split_side(side, self.target_unit) for side in training.require_targets()]
        self.source_symbols_ = Symbols.learn(
            (split_side(side, self.source_unit) for side in training.source), minimum_count=self.minimum_count
        )
        self.target_symbols_ = Symbols.learn(targets, minimum_count=self.minimum_count)
        self.max_length_ = self.max_length or max(map(len, targets)) + 10
        kept = Checkpoint.of(checkpoint, self.run_identity(training, held_out))
        with torch.random.fork_rng():
            torch.manual_seed(self.seed_)
            self.network_ = self._network()
            outcome = self._train(training, held_out, options, observers, kept, launch)
        self.metrics_ = outcome.metrics
        self.evaluation_ = describe_training(self, training, held_out, outcome)
        return self

    def _train(
        self,
        training: Pairs,
        held_out: Pairs,
        options: TrainingOptions,
        observers: tuple[Observer, ...],
        checkpoint: Checkpoint | None,
        launch: Launch,
    ) -> Outcome:
        translator = self.translator()
        pairs, others = translator.numbered(training, unknown="symbol"), translator.numbered(held_out, unknown="symbol")
        order, device = pairs.order, torch.device(self.device)
        knows_unknown = self.symbol_dropout > 0 or any(bool((side == UNKNOWN).any()) for side in pairs.source)
        every = -(-len(held_out.groups) // VALIDATED)
        watched = held_out.select([index for places in list(held_out.groups.values())[::every] for index in places])
        right = {source: {split_side(one, self.target_unit) for one in known} for source, known in watched.answers().items()}

        def batches(epoch: int) -> list[np.ndarray]:
            return bucketed_batches(order, self.batch_size, seed=self.seed_, epoch=epoch, bucket=32)

        def loss(network: nn.Module, indices: np.ndarray, carried: None) -> Loss:
            mine, count = share_of(launch, indices)
            batch = collate_pairs(pairs, mine).to(device)
            source = batch.source
            if self.symbol_dropout:
                drawn = torch.rand(source.shape, device=device) < self.symbol_dropout
                source = source.masked_fill(drawn & (source != PADDING), UNKNOWN)
            logits = network(source, batch.lengths, batch.read)
            return Loss(cross_entropy(logits, batch, label_smoothing=self.label_smoothing), batch.symbols if count else 0)

        def validate(network: nn.Module) -> dict[str, float]:
            if not knows_unknown:
                weight = self.network_.source_embedding.weight
                weight[UNKNOWN] = weight[FIRST:].mean(0)
            measured = translator.forced(others)
            answers = translator.search(watched, beam_size=1, unknown="symbol")
            hits = [self.target_symbols_.texts(found[0].numbers) in right[source] for source, found in answers.items()]
            return {
                "validation_loss": measured["loss"],
                "validation_token_accuracy": measured["token_accuracy"],
                "validation_exact": sum(hits) / len(hits),
            }

        def describe_batch(indices: np.ndarray) -> str:
            names = ", ".join(repr(training.ids[index]) for index in indices[:6])
            return f"{len(indices)} pairs: {names}{', ...' if len(indices) > 6 else ''}"

        return train(
            self.network_, options, batches=batches, loss=loss, validate=validate, describe_batch=describe_batch,
            observers=observers, checkpoint=checkpoint, launch=launch,
        )  # fmt: skip

    # --- predicting ----------------------------------------------------------------------------------------------------

    def predict(self, x: Any, *, beam_size: int | None = None) -> list[Side]:
        """The best answer for each source, as targets were given: texts, or for "tokens" tuples of symbols.

        Args:
            x: N sources, or Pairs (whose targets are not looked at). beam_size: in place of the constructor's.
        Raises:
            NotFittedError; DataError: an empty source, or a symbol that training never saw where unknown is "error".
        """
        return [found[0].target for found in self.translate(x, beam_size=beam_size)]

    def translate(self, x: Any, *, beam_size: int | None = None, n_best: int = 1) -> list[list[Translation]]:
        """The `n_best` answers for each source, best first. Arguments and errors as `predict`; n_best is at most beam_size."""
        self.require_fit("translate")
        try:
            pairs, translator = Pairs.of(x), self.translator()
            found = translator.search(pairs, beam_size=beam_size, n_best=n_best)
        except TenutoError as error:
            raise error.within("Seq2Seq.translate") from error.__cause__
        answers = {
            source: [Translation(translator.text(one), one.log_probability, one.score) for one in hypotheses]
            for source, hypotheses in found.items()
        }
        return [answers[source] for source in pairs.source]

    def score(self, x: Any, y: Any = None) -> float:
        """The share of distinct sources whose answer equals one of their targets, 0..1. Errors as `predict`."""
        self.require_fit("score")
        try:
            pairs = Pairs.of(x, y)
            right = pairs.answers()
            answers = self.translator().search(pairs)
        except TenutoError as error:
            raise error.within("Seq2Seq.score") from error.__cause__
        symbols = {source: {split_side(one, self.target_unit) for one in known} for source, known in right.items()}
        return sum(self.target_symbols_.texts(answers[source][0].numbers) in symbols[source] for source in right) / len(right)

    def evaluate(self, x: Any, y: Any = None) -> dict[str, Any]:
        """Exact answers, symbol error rate, loss, coverage of the attention, mistakes: the RESULT of `tenuto.runs.folder`, as test
        set of this model, so that `save` writes it into evaluation.json. Errors as `predict`."""
        self.require_fit("evaluate")
        try:
            pairs = Pairs.of(x, y)
            pairs.require_targets()
            self.evaluation_ = describe_test(self, pairs)
        except TenutoError as error:
            raise error.within("Seq2Seq.evaluate") from error.__cause__
        return self.evaluation_["results"]["test"]  # type: ignore[no-any-return]

    # --- as files ------------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path, *, test: Pairs | tuple[Any, Any] | None = None, overwrite: bool = False) -> Path:
        """Write the run folder (`tenuto.runs.folder`): weights, config, metrics, evaluation; whole or not at all.

        Args:
            folder: new or empty. test: evaluated first, and kept in evaluation.json. overwrite: replace a run that is there.
        Raises:
            NotFittedError; RunError: the folder is not free.
        """
        self.require_fit("save")
        claim(folder, overwrite=overwrite)
        if test is not None:
            self.evaluate(*(test if isinstance(test, tuple) else (test,)))
        options = self._options_as_data()
        cells = {name: options[name] for name in ("cell", "decoder_cell")}
        config = {
            "task": "translate",
            "options": options,
            "model": {**cells, "hidden_size": self.hidden_size, "num_layers": self.num_layers, "bidirectional": self.bidirectional},
            "preprocessing": {
                "source_symbols": list(self.source_symbols_.names),
                "target_symbols": list(self.target_symbols_.names),
                "max_length": self.max_length_,
            },
        }
        tensors = {name: tensor for name, tensor in self.network_.state_dict().items() if not (self.tied_embeddings and name == "head.weight")}
        return write_estimator(self, folder, config=config, tensors=tensors, overwrite=overwrite)

    @classmethod
    def load(cls, folder: str | Path, *, cell: type[Cell] | None = None, device: str = "cpu") -> Seq2Seq:
        """A model from the folder that `save` wrote; it gives the same answers.

        Args:
            cell: the class of a cell of your own, of encoder and decoder, where it is not imported already.
        Raises:
            RunError: missing, damaged or foreign files. CellError: the cell's class is not known here.
        """
        with reading(cls, folder, "translate") as run:
            options = {**run.config["options"], "device": device}
            for name in ("cell", "decoder_cell"):
                ours = str(options[name]["class"]).startswith("tenuto.")
                options[name] = kept_cell(options[name], None if ours else cell)
            model = cls(**options)
            model.cell_, model.decoder_cell_, model.seed_ = options["cell"], options["decoder_cell"], options["random_state"]
            known = run.config["preprocessing"]
            model.source_symbols_, model.target_symbols_ = Symbols(known["source_symbols"]), Symbols(known["target_symbols"])
            model.max_length_ = known["max_length"]
            with torch.random.fork_rng():
                model.network_ = model._network()
            tensors = run.tensors()
            if model.tied_embeddings:
                tensors["head.weight"] = tensors["target_embedding.weight"]
            return with_weights(model, run, tensors)

    # --- inside --------------------------------------------------------------------------------------------------------

    def translator(self) -> Translator:
        """The network with what its numbers mean."""
        return Translator(
            network=self.network_,
            source=self.source_symbols_,
            target=self.target_symbols_,
            source_unit=self.source_unit,
            target_unit=self.target_unit,
            unknown=self.unknown,
            beam_size=self.beam_size,
            length_penalty=self.length_penalty,
            max_length=self.max_length_,
            device=self.device,
        )

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type=None, target_tags=TargetTags(required=True), input_tags=InputTags(one_d_array=True, two_d_array=False, string=True)
        )

    def _options_as_data(self) -> dict[str, Any]:
        cells = {"cell": cell_to_data(self.cell_), "decoder_cell": cell_to_data(self.decoder_cell_)}
        return {**self.get_params(), **cells, "random_state": self.seed_}

    def _training_options(self) -> TrainingOptions:
        for name in ("source_unit", "target_unit"):
            check_kind(name, getattr(self, name))
        if self.unknown not in UNKNOWN_RULES:
            raise ArgumentError(f"unknown={self.unknown!r} is not known.", expected=" | ".join(UNKNOWN_RULES))
        for name in ("dropout", "label_smoothing", "symbol_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ArgumentError(f"{name}={getattr(self, name)!r} is out of range.", expected=f"0 <= {name} < 1")
        if not 0 <= self.length_penalty < float("inf"):
            raise ArgumentError(f"length_penalty={self.length_penalty!r} is out of range.", expected="zero or a positive number")
        sizes = ("embedding_size", "hidden_size", "num_layers", "minimum_count", "beam_size", "batch_size")
        for name in (*sizes, "encoder_size", "encoder_layers", "max_length"):
            value = getattr(self, name)
            if value is None and name not in sizes:
                continue
            if not isinstance(value, (int, np.integer)) or value < 1:
                raise ArgumentError(f"{name}={value!r} is out of range.", expected="1 or more")
        names = "epochs max_steps validate_every learning_rate weight_decay clip_norm schedule average patience time_limit_s".split()
        return TrainingOptions(**{name: getattr(self, name) for name in names})

    def _network(self) -> Seq2SeqNetwork:
        return Seq2SeqNetwork(
            self.cell_,
            self.decoder_cell_,
            len(self.source_symbols_),
            len(self.target_symbols_),
            embedding_size=self.embedding_size,
            hidden_size=self.hidden_size,
            encoder_size=self.encoder_size or max(1, self.hidden_size // (2 if self.bidirectional else 1)),
            num_layers=self.num_layers,
            encoder_layers=self.encoder_layers or self.num_layers,
            bidirectional=self.bidirectional,
            attention=self.attention,
            input_feeding=self.input_feeding,
            decoder_input=self.decoder_input,
            tied_embeddings=self.tied_embeddings,
            dropout=self.dropout,
            engine=self.engine,
        ).to(self.device)
