"""`LanguageModel`: a recurrent model of text, in the manner of scikit-learn."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.choices import require
from tenuto.data.text.streams import IGNORED, Window
from tenuto.data.text.text import Text
from tenuto.data.text.vocabulary import Vocabulary, check_symbols
from tenuto.errors import ArgumentError, DataError
from tenuto.layers.masks import KINDS
from tenuto.scalars import drawn_from, whole
from tenuto.tasks.batches import Batches
from tenuto.tasks.estimator import Estimator
from tenuto.tasks.evaluation import Measured, UsualCall, Watch, describe_set, prediction_speed
from tenuto.tasks.language.evaluation import SAMPLE_LENGTH, SAMPLES, WINDOWS, passage, surprising
from tenuto.tasks.language.exported import ExportedLanguage
from tenuto.tasks.language.generation import Sampler, generate_tokens, text_of_tokens, until_stop
from tenuto.tasks.language.head import refuse_tied_cutoffs
from tenuto.tasks.language.learning import SAMPLING, training_windows, validation_numbers, window_loss
from tenuto.tasks.language.memory import loss_by_memory
from tenuto.tasks.language.network import LanguageNetwork
from tenuto.tasks.language.options import LanguageOptions
from tenuto.tasks.language.recipes import recipe
from tenuto.tasks.language.scores import carried_nats, language_result
from tenuto.tasks.language.taught import LanguageTaught
from tenuto.tongues import argument
from tenuto.train import Launch, Loss, Outcome
from tenuto.train.course import Learning

# The arguments of `LanguageNetwork` that are options of the class.
OF_NETWORK = (
    "embedding_size num_layers residual layer_norm tied cutoffs embedding_dropout input_dropout dropout output_dropout dropout_kind "
    "weight_dropout zoneout forget_bias encoder window engine"
).split()


class LanguageModel(LanguageOptions, LanguageTaught, ExportedLanguage, Estimator):
    """A recurrent language model: what comes next in a text, how likely a text is, and new text.

    It is trained by truncated backpropagation through time on rows of the text, whose state is carried from window to window. A `str`
    is one whole text; a list of `str` is documents: each is read from a fresh state, from a mark at its beginning to a mark at its end.

    `fit` takes a str, a list of str, or `tenuto.data.text.Text`. A validation text is of the same kind; by default it is the last
    `validation_fraction` of the text or, of a list, whole documents. With several processes, each reads its own rows of the text.

    Args:
        The options of `tenuto fit`; `help` of this class lists each with its default.
    Attributes (after fit):
        vocabulary_: the symbols. counts_: [V], how often each is in the training text. seed_: the seed used. network_: the torch module. metrics_: one dictionary for each validation.
        evaluation_: what a report shows (`tenuto.runs.schema`).
    Example:
        >>> model = LanguageModel("gru", hidden_size=32, window=16, batch_size=4, epochs=25, validation_fraction=0.1)
        >>> model.fit("do re mi fa sol la si " * 40).generate("do re ", length=12, temperature=0)
        'mi fa sol la'

    Source:     regularisers: Merity, Keskar, Socher 2018, sections 2 to 4. Differs: a window's length scales the
        loss, not the learning rate.
    """

    task = "language"
    counts_: np.ndarray | None
    former_names = {
        "embedding": "front.embedding",
        **{name: f"encoder.{name}" for name in ("recurrent", "last", "last_norm")},
        **{name: f"head.{name}" for name in ("projection", "decoder")},
    }
    needs_targets = False


    @classmethod
    def from_recipe(cls, name: str, **changes: Any) -> LanguageModel:
        """A model with the options of a published recipe, some of which you may change.

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

    @property
    def leaves_weights_unused(self) -> bool:  # type: ignore[override]  # here an option decides
        """Whether a batch may leave weights without a gradient: those of rare tokens in an adaptive softmax."""
        return bool(self.cutoffs)

    def _read(self, x: Any, y: Any = None) -> Text:
        return Text.of(x)

    def _given(self, data: Any) -> Text:
        return Text.of(data)

    def _divide(self, data: Text) -> tuple[Text, Text]:
        self._whole = data  # until the table of symbols is made
        return data.split(self.validation_fraction)

    def _prepare(self, training: Text, held_out: Text) -> None:
        # A character that occurs in the training text alone where that is held out has a number too. Byte pairs are merged by what is trained on.
        whole = self.__dict__.get("_whole", training)
        self.vocabulary_ = vocabulary = Vocabulary.learn(
            training if self.units == "bpe" else whole, self.units, size=self.vocabulary_size, unknown=self.unknown, minimum_count=self.minimum_count
        )
        self.counts_ = np.bincount(vocabulary.encode_text(training)[0], minlength=vocabulary.size)

    def _ready(self, training: Text, held_out: Text) -> None:
        coded = [self.vocabulary_.encode_text(text) for text in (training, held_out)]
        if min(len(tokens) for tokens, _ in coded) < 2:
            raise DataError("there are too few tokens.", expected="two or more to train on, and to validate on", fix="give more text")
        self.__dict__.pop("_whole", None)
        self._coded = coded  # until training begins

    def _require_scorable(self, data: Text) -> None:
        self._tokens(data)
        super()._require_scorable(data)

    def check_options(self) -> None:
        super().check_options()
        require("sampling", self.sampling, SAMPLING)
        require("dropout_kind", self.dropout_kind, KINDS)
        check_symbols(self.units, self.vocabulary_size, self.unknown, self.minimum_count)
        if self.jitter and self.sampling != "stream":
            needed = argument("sampling", "stream")
            raise ArgumentError(f"{argument('jitter')} needs {needed}.", fix=f"{needed}, or {argument('jitter', False)}")
        if self.tied and self.cutoffs:
            refuse_tied_cutoffs()
        if list(self.cutoffs) != sorted(set(self.cutoffs)):
            raise ArgumentError(f"{argument('cutoffs', self.cutoffs)} do not fit.", expected="rising numbers")

    def _network(self) -> LanguageNetwork:
        options = {name: getattr(self, name) for name in OF_NETWORK}  # a loaded network has the order for an adaptive softmax among its weights too
        counts = None if self.counts_ is None else self.counts_.tolist()
        return LanguageNetwork(self.cell_, self.vocabulary_.size, self.hidden_size, counts=counts, **options)

    @property
    def _net(self) -> LanguageNetwork:
        assert isinstance(self.network_, LanguageNetwork)
        return self.network_

    def _learning(self, training: Text, held_out: Text, launch: Launch) -> Learning:
        coded, held_out_coded = self.__dict__.pop("_coded")
        device, decays = torch.device(self.device), {"activation_decay": self.activation_decay, "change_decay": self.change_decay}
        windows = training_windows(
            coded, self.sampling, launch, batch_size=self.options_["batch_size"], window=self.window, jitter=self.jitter, seed=self.seed_
        )

        def loss(network: nn.Module, batch: Window, carried: Any) -> Loss:
            batch = batch.to(device)
            read, counted = network(batch, carried), batch.counted
            mean, plain = window_loss(read, counted, **decays)
            if self.jitter:
                mean = mean * (len(batch.inputs) / self.window)
            return Loss(mean, counted, read.state if self.sampling == "stream" else None, plain)

        def validate(network: nn.Module) -> dict[str, float]:
            return validation_numbers(self._net, held_out_coded, device=self.device)

        return Learning(windows.epoch, loss, validate, lambda batch: repr(self.vocabulary_.decode(batch.inputs[:20, 0].tolist())) + ", ...")

    # --- how likely a text is ------------------------------------------------------------------------------------------

    def token_nats(self, x: Any, *, window: int = 1000) -> tuple[list[str], np.ndarray]:
        """The text of each predicted token, and its nats [N]: all tokens but the first; with documents, all tokens and the end of each document.

        The state is carried over the text; `window` is how much is read at once, and does not change the numbers beyond rounding.

        Args:
            x: as for `fit`. A str given to a model of documents is one document.
        Raises:
            NotFittedError; DataError: a character that is not known, with its position; documents for a model of one whole text.
        """
        self.require_fit("token_nats")
        with self._calling("token_nats"):
            tokens, starts = self._tokens(Text.of(x))
        nats = carried_nats(self._net, tokens, starts, window=window, device=self.device)
        return [self.vocabulary_.shown(int(token)) for token in tokens[1:]], nats

    def score(self, x: Any, y: Any = None) -> float:
        """Minus the nats a character, with the state carried: greater is better, as scikit-learn wants it. Arguments and errors as `token_nats`."""
        self.require_fit("score")
        with self._calling("score"):
            text = self._read(x)
            self._tokens(text)
            return -float(language_result(self._net, self.vocabulary_, text, windows=(), device=self.device)[0]["nats_per_character"])

    def perplexity(self, x: Any, *, window: int = 1000) -> float:
        """exp of the mean nats a token, with the state carried over the whole text. Arguments and errors as `token_nats`."""
        return float(np.exp(self.token_nats(x, window=window)[1].mean()))

    def evaluate(self, x: Any, y: Any = None, *, windows: tuple[int, ...] = WINDOWS) -> dict[str, Any]:
        """Loss, perplexity and bits a character over the exact text with carried state, and in windows from a zero state: the RESULT of
        `tenuto.runs.schema`. `save` writes it into evaluation.json, as the model's test set.

        Args:
            windows: their lengths, in tokens.
        Raises:
            as `token_nats`.
        """
        self.require_fit("evaluate")
        with self._calling("evaluate"):
            text = self._read(x)
            return self._test(text, self._measure(text, "test", windows))

    def predict_proba(self, x: Any) -> np.ndarray:
        """The probability of each symbol of `vocabulary_` after each text, [N, V] float64.

        Args:
            x: a str or a list of N of them: what has been read; "" where the model knows how texts begin.
        Raises:
            as `token_nats`.
        """
        self.require_fit("predict_proba")
        with self._calling("predict_proba"):
            return np.exp(self._log_probabilities(x))

    def predict_log_proba(self, x: Any) -> np.ndarray:
        """The natural logarithm of `predict_proba`, [N, V] float64, finite also where a probability is too small for a number. Arguments and errors as there."""
        self.require_fit("predict_log_proba")
        with self._calling("predict_log_proba"):
            return self._log_probabilities(x)

    @torch.no_grad()
    def _log_probabilities(self, x: Any) -> np.ndarray:
        return np.concatenate([self.forward(batch).double().cpu().numpy() for _, batch in self._read_through(self._asked(x))])

    def predict(self, x: Any) -> np.ndarray:
        """The likeliest next symbol after each text, [N] str; "⟨document⟩" for its end. Arguments and errors as `predict_proba`."""
        self.require_fit("predict")
        with self._calling("predict"):
            return np.array(self._answers(self._asked(x)))

    def forward(self, batch: Window) -> Tensor:
        """The log-probabilities [B, V] of what comes after a window, with gradients where torch keeps them."""
        return self._net.head(self._net.encode(batch).output[-1:])[0]  # type: ignore[no-any-return]

    def answer(self, tensors: Tensor) -> np.ndarray:
        """The likeliest symbols [B], from log-probabilities [B, V]."""
        return np.array([self.vocabulary_.shown(int(token)) for token in tensors.argmax(1)])

    def raw(self, batch: Window) -> Tensor:
        """The logits [B, V] of what comes after a window; the log-probabilities, where an adaptive softmax has no logits."""
        return self._net.head.scores(self._net.encode(batch).output[-1:])[0]

    def nothing(self, batch: Window) -> Tensor:
        """The mean of the vectors of all symbols, [T, B, E]."""
        return self._net.front.embedding.weight.mean(0).expand(*batch.inputs.shape, -1)

    def output_names(self) -> list[str]:
        """The symbols."""
        return [self.vocabulary_.shown(token) for token in range(self.vocabulary_.size)]

    def step_names(self, x: Any) -> list[list[str]]:
        """The symbols that are read of each text."""
        return [[self.vocabulary_.shown(token) for token in self._prompt(text)] for text in self._asked(x)]

    def _asked(self, x: Any) -> list[str]:
        return [x] if isinstance(x, str) else list(x.documents if isinstance(x, Text) else x)

    def _batches(self, data: list[str]) -> Batches:
        """A batch is one text."""
        prompts = [torch.tensor(self._prompt(text))[:, None] for text in data]
        windows = [Window(tokens, torch.full_like(tokens, IGNORED), None) for tokens in prompts]
        return Batches(np.arange(len(data)), 1, lambda indices: windows[int(indices[0])])

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
            prompt: what has been read before. "": the beginning of a document or, for a model of one whole text, of a line.
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
        with self._calling("generate"):
            sampler = Sampler(temperature, top_k, top_p)
            words = (stop,) if isinstance(stop, str) else tuple(stop)
            steps, drawn = whole(length), secrets.randbits(31) if seed is None else drawn_from(seed)
            if steps is None or steps < 0:
                raise ArgumentError(f"{argument('length', length)} is out of range.", expected="a whole number, 0 or more")
            if "" in words:
                raise ArgumentError(f"{argument('stop', '')} would end every text.", expected="texts that are not empty")
            start = self._prompt(prompt)
        tokens = generate_tokens(self._net, self.vocabulary_, start, sampler, seed=drawn, device=self.device)
        limited = (token for _, token in zip(range(steps), tokens))
        return until_stop(text_of_tokens(self.vocabulary_, limited), words)

    # --- what a run keeps ----------------------------------------------------------------------------------------------

    def _measure(self, data: Text, name: str, windows: tuple[int, ...] = WINDOWS) -> Measured:
        starts, watch = self._tokens(data)[1], Watch()
        result, tokens, nats = language_result(self._net, self.vocabulary_, data, windows=windows, device=self.device)
        speed = prediction_speed(watch, sequences=None, steps=len(tokens) * (1 + len(windows)), rows=1)
        if windows:
            result["memory"] = loss_by_memory(self._net, tokens, nats, starts, longest=max(windows), counts=self.counts_, device=self.device)
        shown = {"passage": passage(self.vocabulary_, tokens, nats, name), "surprising": surprising(self.vocabulary_, tokens, nats)}
        return Measured(result, shown, {**speed, "tokens_per_s": speed["steps_per_s"]})

    def _describe(self, data: Text) -> dict[str, Any]:
        """A sequence is a document, a step a token."""
        tokens, starts = self.vocabulary_.encode_text(data)
        lengths = np.diff(np.append(starts, len(tokens) - 1)) if starts is not None else np.array([len(tokens)])
        return describe_set(data, lengths, steps=len(tokens), characters=data.characters)

    def _about(self, training: Text, outcome: Outcome) -> dict[str, Any]:
        vocabulary = self.vocabulary_
        read = sum(line["count"] for line in outcome.metrics) / max(outcome.seconds, 1e-9)
        kind = "byte pairs" if vocabulary.units == "bpe" else vocabulary.units
        return {
            "title": f"{type(self.cell_).__name__} language model, {vocabulary.size} {kind}",
            "vocabulary": {"kind": vocabulary.units, "size": vocabulary.size},
            "speed": {"training": {"sequences_per_s": None, "steps_per_s": read, "tokens_per_s": read}},
            "samples": [self._sample(number, options) for number, options in enumerate(SAMPLES)],
        }

    def _sample(self, seed: int, options: dict[str, Any]) -> dict[str, Any]:
        vocabulary = self.vocabulary_
        begins = vocabulary.boundary is not None or vocabulary.units != "characters" or b"\n" in vocabulary.symbols
        prompt = "" if begins else vocabulary.decode([0])  # a text without lines: any of its characters will do
        text = self.generate(prompt, length=SAMPLE_LENGTH, seed=seed, **options)
        return {"prompt": prompt, "text": text, "temperature": 1.0, "top_k": None, "top_p": None, "seed": seed, **options}

    def _items(self, training: Text) -> int:
        return max(1, training.characters // self.window)

    def _usual_call(self, training: Text) -> UsualCall:
        return UsualCall(self._net.encoder.recurrent, self.window, self.options_["batch_size"], lengths=False)

    def _kept(self) -> dict[str, Any]:
        counts = {} if self.counts_ is None else {"counts": self.counts_.tolist()}
        return {"vocabulary": self.vocabulary_.to_data(), **counts}

    def _restore(self, kept: Mapping[str, Any]) -> None:
        self.vocabulary_ = Vocabulary.from_data(kept["vocabulary"])
        self.counts_ = None if kept.get("counts") is None else np.array(kept["counts"])  # absent in runs of earlier versions
        if self.counts_ is not None and (len(self.counts_) != self.vocabulary_.size or not (self.counts_ >= 0).all()):
            raise ValueError(f"`counts` does not have a number for each of {self.vocabulary_.size} symbols")

    # --- inside --------------------------------------------------------------------------------------------------------

    def _tokens(self, text: Text) -> tuple[np.ndarray, np.ndarray | None]:
        tokens, starts = self.vocabulary_.encode_text(text)
        if len(tokens) < 2:
            raise DataError("the text has fewer than two tokens, and the first is not predicted.", expected="two tokens or more")
        return tokens, starts

    def _prompt(self, text: str) -> list[int]:
        """The tokens to be read before the first one is drawn; at least one."""
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
