"""`LanguageModel`: a recurrent model of text, in the manner of scikit-learn.

Its constructor has more than seven arguments, as every task's: scikit-learn's `clone`, grid search and pipelines ask for a flat list, stored as
given and checked in `fit`. What it is trained by stands in `learning.py`, its files in `files.py`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tenuto.cell import Cell
from tenuto.cells.names import cell_from_name
from tenuto.data.text.text import Text
from tenuto.data.text.vocabulary import Vocabulary
from tenuto.errors import ArgumentError, DataError, TenutoError
from tenuto.runs.folder import claim
from tenuto.tasks.estimator import Estimator
from tenuto.tasks.language.evaluation import describe_test, describe_training
from tenuto.tasks.language.files import read_model, write_model
from tenuto.tasks.language.generation import Sampler, generate_tokens, text_of_tokens, until_stop
from tenuto.tasks.language.learning import build_network, train_network, training_options
from tenuto.tasks.language.recipes import recipe
from tenuto.tasks.language.scores import carried_nats, language_result
from tenuto.train import Checkpoint, Launch, Observer, current_launch, seed_of


class LanguageModel(Estimator):
    """A recurrent language model: what comes next in a text, how likely a text is, and new text.

    It is trained by truncated backpropagation through time on rows of the text whose state is carried from window to window. A `str`
    is one whole text; a list of `str` is documents: each is read from a fresh state, from a mark at its beginning to a mark at its end.

    Args:
        cell: a name ("lstm", "gru", "rnn", ...), or any `Cell`, your own too.
        units: "characters", "bytes" or "bpe" (byte pairs; needs tenuto[text]). vocabulary_size: of BPE, at most.
        unknown, minimum_count: what an unknown character does: "error", or "symbol" (what is rarer than minimum_count too); see `Vocabulary.learn`.
        hidden_size, num_layers, residual, layer_norm, zoneout: of the recurrent stack, see `tenuto.Recurrent`.
        embedding_size: None for hidden_size. tied: the decoder shares the embedding's matrix; the last of several layers is then as wide.
        cutoffs: of an adaptive softmax, for large vocabularies; () for a full one.
        embedding_dropout: rate at which tokens of the vocabulary are dropped. input_dropout, dropout, output_dropout: on the embedded input,
            between layers, on the output. dropout_kind: of these three, one mask a window ("variational") or a "step".
        weight_dropout: rate on recurrent weights, one mask a window (DropConnect).
        forget_bias: what the bias of a forget gate starts at: 1 remembers long from the beginning, 0 learns faster in a short run.
        activation_decay, change_decay: AR and TAR, weights of the mean square of the dropped output and of its change from step to step.
        sampling: "stream" (rows go on, the state is carried) or "windows" (random places, zero state).
        window, batch_size: tokens of a row, and rows, in a step. jitter: random window lengths, as AWD-LSTM.
        epochs, max_steps, validate_every, optimizer, learning_rate, weight_decay, clip_norm, schedule, warmup_steps, trigger_patience,
            average, ema_decay, accumulate, precision, patience, time_limit_s: see `tenuto.train.TrainingOptions`.
        validation_fraction: the end of the text, held out when `fit` is given no validation text.
        engine: who runs the time loop. device: where, for example "cpu" or "cuda".
        random_state: seed of weights, masks and windows; None draws one (kept as `seed_`).
    Attributes (after fit):
        vocabulary_: the symbols. seed_. network_: the torch module. metrics_: one dictionary a validation.
        evaluation_: what a report shows (`tenuto.runs.folder`).
    Example:
        >>> model = LanguageModel("gru", hidden_size=32, window=16, batch_size=4, epochs=25, validation_fraction=0.1)
        >>> model.fit("do re mi fa sol la si " * 40).generate("do re ", length=12, temperature=0)
        'mi fa sol la'

    Source:     regularisers: Merity, Keskar, Socher 2018, sections 2 to 4. Differs: the learning rate is not scaled by the window's
        length, the loss is.
    """

    def __init__(
        self,
        cell: str | Cell = "lstm",
        *,
        units: str = "characters",
        vocabulary_size: int = 4096,
        unknown: str = "error",
        minimum_count: int = 1,
        hidden_size: int = 256,
        num_layers: int = 2,
        embedding_size: int | None = None,
        tied: bool = False,
        cutoffs: tuple[int, ...] = (),
        residual: bool = False,
        layer_norm: bool = False,
        embedding_dropout: float = 0.0,
        input_dropout: float = 0.0,
        dropout: float = 0.2,
        output_dropout: float = 0.2,
        dropout_kind: str = "variational",
        weight_dropout: float = 0.0,
        forget_bias: float = 1.0,
        zoneout: float = 0.0,
        activation_decay: float = 0.0,
        change_decay: float = 0.0,
        sampling: str = "stream",
        window: int = 64,
        batch_size: int = 32,
        jitter: bool = False,
        epochs: int = 10,
        max_steps: int | None = None,
        validate_every: int | None = None,
        optimizer: str = "adamw",
        learning_rate: float = 3e-3,
        weight_decay: float | None = None,
        clip_norm: float | None = 1.0,
        schedule: str = "cosine",
        warmup_steps: int = 100,
        trigger_patience: int = 5,
        average: str | None = None,
        ema_decay: float = 0.999,
        accumulate: int = 1,
        precision: str = "float32",
        patience: int | None = None,
        time_limit_s: float | None = None,
        validation_fraction: float = 0.05,
        engine: str = "auto",
        device: str = "cpu",
        random_state: int | None = 0,
    ) -> None:
        self.cell, self.units, self.vocabulary_size = cell, units, vocabulary_size
        self.unknown, self.minimum_count = unknown, minimum_count
        self.hidden_size, self.num_layers, self.embedding_size = hidden_size, num_layers, embedding_size
        self.tied, self.cutoffs, self.residual, self.layer_norm = tied, cutoffs, residual, layer_norm
        self.embedding_dropout, self.input_dropout, self.dropout = embedding_dropout, input_dropout, dropout
        self.output_dropout, self.dropout_kind, self.weight_dropout, self.zoneout = output_dropout, dropout_kind, weight_dropout, zoneout
        self.activation_decay, self.change_decay, self.forget_bias = activation_decay, change_decay, forget_bias
        self.sampling, self.window, self.batch_size, self.jitter = sampling, window, batch_size, jitter
        self.epochs, self.max_steps, self.validate_every = epochs, max_steps, validate_every
        self.optimizer, self.learning_rate, self.weight_decay, self.clip_norm = optimizer, learning_rate, weight_decay, clip_norm
        self.schedule, self.warmup_steps, self.trigger_patience = schedule, warmup_steps, trigger_patience
        self.average, self.ema_decay, self.accumulate, self.precision = average, ema_decay, accumulate, precision
        self.patience, self.time_limit_s, self.validation_fraction = patience, time_limit_s, validation_fraction
        self.engine, self.device, self.random_state = engine, device, random_state

    @classmethod
    def from_recipe(cls, name: str, **changes: Any) -> LanguageModel:
        """A model with the options of a published recipe, and yours in place of some of them.

        Args:
            name: "awd-lstm" (`tenuto.tasks.language.recipes` has them all, with their sources). changes: arguments of the constructor.
        Raises:
            ArgumentError: no such recipe.
        Example:
            >>> model = LanguageModel.from_recipe("awd-lstm", units="characters", hidden_size=256)
            >>> model.num_layers, model.schedule, model.hidden_size
            (3, 'nt-asgd', 256)
        """
        return cls(**{**recipe(name), **changes})

    # --- fitting -------------------------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        validation: Any = None,
        observers: Iterable[Observer] = (),
        checkpoint: str | Path | Checkpoint | None = None,
        launch: Launch | None = None,
    ) -> LanguageModel:
        """Train. Ctrl-C ends training early and keeps the best weights so far.

        Args:
            x: a whole text (str), documents (list of str), or `Text`. y: not looked at; scikit-learn's.
            validation: text of the same kind, to stop by. Default: the last `validation_fraction` of x; whole documents of a list.
            observers: told of every step and validation, for progress bars and log files.
            checkpoint: a folder from which a run that was stopped goes on, and where it is kept while it trains.
            launch: where to run. Default: in the processes that this program was started in; each reads its own rows of the text (`tenuto.train.current_launch`).
        Raises:
            DataError: no text, too little of it, or a character in the validation text that the training text has not: symbols are learnt
                from what is trained on alone.
            ArgumentError: an option out of range. TrainingError: the loss or a gradient became NaN or infinite.
            RunError: the checkpoint is of another run, for example because the text has changed; the message says what differs.
        """
        try:
            where = launch or current_launch(self.device, unused_weights=bool(self.cutoffs))
            return self._fit(Text.of(x), None if validation is None else Text.of(validation), tuple(observers), checkpoint, where)
        except TenutoError as error:
            raise error.within("LanguageModel.fit") from error.__cause__

    def _fit(
        self, data: Text, validation: Text | None, observers: tuple[Observer, ...], checkpoint: str | Path | Checkpoint | None, launch: Launch
    ) -> LanguageModel:
        options = training_options(self)
        self.seed_ = seed_of(launch, self.random_state)
        training, held_out = data.split(self.validation_fraction) if validation is None else (data, validation)
        self.vocabulary_ = Vocabulary.learn(
            training, self.units, size=self.vocabulary_size, unknown=self.unknown, minimum_count=self.minimum_count
        )
        self.cell_ = cell_from_name(self.cell)
        coded, held_out_coded = self.vocabulary_.encode_text(training), self.vocabulary_.encode_text(held_out)
        if len(held_out_coded[0]) < 2 or len(coded[0]) < 2:
            raise DataError("there are too few tokens.", expected="two or more to train on, and to validate on", fix="give more text")
        kept = Checkpoint.of(checkpoint, self.run_identity(training, held_out))
        with torch.random.fork_rng():
            torch.manual_seed(self.seed_)
            self.network_ = build_network(self, np.bincount(coded[0], minlength=self.vocabulary_.size))
            outcome = train_network(self, coded, held_out_coded, options, observers, kept, launch)
        self.metrics_ = outcome.metrics
        self.evaluation_ = describe_training(self, training, held_out, outcome)
        return self

    # --- how likely a text is ------------------------------------------------------------------------------------------

    def token_nats(self, x: Any, *, window: int = 1000) -> tuple[list[str], np.ndarray]:
        """The text of each predicted token, and its nats [N]: all of the text but the first token, or with documents all of it and its ends.

        The state is carried over the text; `window` is how much is read at once, and does not change the numbers beyond rounding.

        Args:
            x: as for `fit`. A str given to a model of documents is one document.
        Raises:
            NotFittedError; DataError: a character that is not known, with its position; documents for a model of one whole text.
        """
        self.require_fit("token_nats")
        try:
            tokens, starts = self._coded(Text.of(x))
        except TenutoError as error:
            raise error.within("LanguageModel.token_nats") from error.__cause__
        nats = carried_nats(self.network_, tokens, starts, window=window, device=self.device)
        return [self.vocabulary_.shown(int(token)) for token in tokens[1:]], nats

    def score(self, x: Any, y: Any = None) -> float:
        """Minus the nats a character, with the state carried: greater is better, as scikit-learn wants it. Arguments and errors as `token_nats`."""
        return -self._result("score", Text.of(x), ())["nats_per_character"]

    def perplexity(self, x: Any, *, window: int = 1000) -> float:
        """exp of the mean nats a token, with the state carried over the whole text. Arguments and errors as `token_nats`."""
        return float(np.exp(self.token_nats(x, window=window)[1].mean()))

    def evaluate(self, x: Any, y: Any = None, *, windows: tuple[int, ...] = (256,)) -> dict[str, Any]:
        """Loss, perplexity and bits a character over the exact text with carried state and, beside it, in windows from a zero state: the
        RESULT of `tenuto.runs.folder`, as test set of this model, so that `save` writes it into evaluation.json.

        Args:
            windows: their lengths, in tokens.
        Raises:
            as `token_nats`.
        """
        self.require_fit("evaluate")
        try:
            self.evaluation_ = describe_test(self, Text.of(x), windows)
        except TenutoError as error:
            raise error.within("LanguageModel.evaluate") from error.__cause__
        return self.evaluation_["results"]["test"]  # type: ignore[no-any-return]

    def predict_proba(self, x: Any) -> np.ndarray:
        """The probability of each symbol of `vocabulary_` after each text, [N, V] float64.

        Args:
            x: a str or a list of N of them: what has been read; "" where the model knows how texts begin.
        Raises:
            as `token_nats`.
        """
        self.require_fit("predict_proba")
        rows = []
        with torch.no_grad():
            for text in [x] if isinstance(x, str) else x:
                read = self.network_(torch.tensor(self._prompt(text), device=self.device)[:, None])
                rows.append(self.network_.log_probabilities(read.features[-1, 0]).double().exp().cpu().numpy())
        return np.stack(rows)

    def predict(self, x: Any) -> np.ndarray:
        """The likeliest next symbol after each text, [N] str; "⟨document⟩" for its end. Arguments and errors as `predict_proba`."""
        return np.array([self.vocabulary_.shown(int(token)) for token in self.predict_proba(x).argmax(1)])

    # --- writing -------------------------------------------------------------------------------------------------------

    def generate(
        self,
        prompt: str = "",
        *,
        length: int = 500,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        stop: Sequence[str] = (),
        seed: int | None = 0,
    ) -> str:
        """New text that goes on after the prompt, without the prompt.

        Args:
            prompt: what has been read before. "": the beginning of a document, or for a model of one whole text that of a line.
            length: in tokens, at most; a document's end, or a stop string, ends it earlier.
            temperature, top_k, top_p: how tokens are drawn, see `tenuto.tasks.language.generation.Sampler`; temperature 0 takes the likeliest.
            stop: texts at which writing ends; they are left out.
            seed: the same seed, prompt and options give the same text on the same machine; None draws one.
        Raises:
            NotFittedError; ArgumentError: an option out of range; DataError: a character of the prompt is not known.
        """
        return "".join(self.generate_pieces(prompt, length=length, temperature=temperature, top_k=top_k, top_p=top_p, stop=stop, seed=seed))

    def generate_pieces(
        self,
        prompt: str = "",
        *,
        length: int = 500,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        stop: Sequence[str] = (),
        seed: int | None = 0,
    ) -> Iterator[str]:
        """What `generate` gives, piece by piece as it is written. Arguments and errors as there."""
        self.require_fit("generate")
        try:
            sampler = Sampler(temperature, top_k, top_p)
            words = (stop,) if isinstance(stop, str) else tuple(stop)
            if length < 0 or "" in words:
                raise ArgumentError(f"length={length!r}, stop={words!r} do not fit.", expected="a length of 0 or more, stop strings that are not empty")
            start = self._prompt(prompt)
        except TenutoError as error:
            raise error.within("LanguageModel.generate") from error.__cause__
        drawn = secrets.randbits(31) if seed is None else seed
        tokens = generate_tokens(self.network_, self.vocabulary_, start, sampler, seed=drawn, device=self.device)
        limited = (token for _, token in zip(range(length), tokens))
        return until_stop(text_of_tokens(self.vocabulary_, limited), words)

    # --- as files ------------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path, *, test: Any = None, overwrite: bool = False) -> Path:
        """Write the run folder (`tenuto.runs.folder`): weights, config, metrics, evaluation; whole or not at all.

        Args:
            folder: new or empty. test: text, evaluated first, and kept in evaluation.json. overwrite: replace a run that is there.
        Raises:
            NotFittedError; RunError: the folder is not free.
        """
        self.require_fit("save")
        claim(folder, overwrite=overwrite)
        if test is not None:
            self.evaluate(test)
        return write_model(self, folder, overwrite=overwrite)

    @classmethod
    def load(cls, folder: str | Path, *, cell: type[Cell] | None = None, device: str = "cpu") -> LanguageModel:
        """A model from the folder that `save` wrote; it gives the same numbers.

        Args:
            cell: the class of a cell of your own, where it is not imported already. No code is ever loaded from the folder.
        Raises:
            RunError: missing, damaged or foreign files. CellError: the cell's class is not known here.
        """
        return read_model(cls, folder, cell, device)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(estimator_type=None, target_tags=TargetTags(required=False), input_tags=InputTags(two_d_array=False, string=True))

    # --- inside --------------------------------------------------------------------------------------------------------

    def _coded(self, text: Text) -> tuple[np.ndarray, np.ndarray | None]:
        tokens, starts = self.vocabulary_.encode_text(text)
        if len(tokens) < 2:
            raise DataError("the text has a single token, and the first is not predicted.", expected="two tokens or more")
        return tokens, starts

    def _result(self, call: str, text: Text, windows: tuple[int, ...]) -> dict[str, Any]:
        self.require_fit(call)
        try:
            self._coded(text)
            return language_result(self.network_, self.vocabulary_, text, windows=windows, device=self.device)[0]
        except TenutoError as error:
            raise error.within(f"LanguageModel.{call}") from error.__cause__

    def _prompt(self, text: str) -> list[int]:
        """The tokens to be read before the first is drawn: one at least."""
        vocabulary = self.vocabulary_
        tokens = vocabulary.encode(text, name="the prompt").tolist() if text else []
        if vocabulary.boundary is not None:
            return [vocabulary.boundary, *tokens]
        if tokens:
            return tokens
        try:
            return vocabulary.encode("\n").tolist()[:1]
        except DataError as error:
            raise ArgumentError("this model was trained on one whole text without lines, and needs a prompt.", fix="give a prompt") from error
