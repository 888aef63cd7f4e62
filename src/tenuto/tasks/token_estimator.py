"""What the estimators that read tokens share: how tokens are read, batches of them, and training on the loss of each sentence."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tenuto.choices import missing_file
from tenuto.data import bucketed_batches
from tenuto.data.sentences.batches import CodedSentences, TokenBatch, TokenCoder, case_of
from tenuto.data.sentences.lexicon import UNKNOWN
from tenuto.data.sentences.sentences import Sentences
from tenuto.data.sentences.vectors import read_vectors
from tenuto.data.sentences.words import LETTERS, RULE, same_form
from tenuto.data.weights import even
from tenuto.errors import DataError
from tenuto.networks.embedding import TokenEmbedding, check_reading
from tenuto.networks.encoders import encoder_of
from tenuto.tasks.batches import Batches
from tenuto.tasks.estimator import Estimator, batch_in_words
from tenuto.tasks.evaluation import describe_set
from tenuto.tasks.token_options import TokenOptions
from tenuto.tasks.weighing import Weighed
from tenuto.train import Launch, Loss, Outcome, share_of
from tenuto.train.course import Course, Learning


class TokenEstimator(TokenOptions, Estimator):
    """Reads token lists, and fits a network on them. Subclasses say what is learnt: targets, loss, results.

    Attributes (after fit):
        coder_: the words and characters that are known, and how tokens are read. The others are those of `Estimator`.
    """

    coder_: TokenCoder

    # --- what a task answers ---------------------------------------------------------------------------------------------

    @abstractmethod
    def _targets(self, data: Sentences) -> Any:
        """What `_losses` needs in addition to the batch, for the whole set."""

    @abstractmethod
    def _losses(self, network: nn.Module, batch: TokenBatch, coded: CodedSentences, targets: Any) -> torch.Tensor:
        """The loss of each sentence of the batch, [B], in nats."""

    @abstractmethod
    def _numbers(self, data: Sentences) -> dict[str, float]:
        """The numbers of this set for a line of metrics.jsonl: "validation_loss" and others."""

    def check_options(self) -> None:
        super().check_options()
        check_reading(self.word_size, self.character_encoder)

    # --- fitting -----------------------------------------------------------------------------------------------------------

    def _fit(self, data: Sentences, validation: Sentences | None, test: Sentences | None, course: Course) -> None:
        rule = self._rule(data) if course.teaching is None else self.coder_.rule
        held_out, later = (None if given is None else self._shortened(given.cut_by(rule)) for given in (validation, test))
        super()._fit(self._shortened(data.cut_by(rule)), held_out, later, course)

    def _shortened(self, data: Sentences) -> Sentences:
        """What is read of the sentences."""
        return data

    def _rule(self, data: Sentences) -> int:
        """How the raw texts of training are cut into tokens."""
        return RULE

    def _prepare(self, training: Sentences, held_out: Sentences) -> None:
        words, vectors = ([], np.empty((0, 0))) if self.vectors is None else read_vectors(self.vectors, wanted=self._words_of(training))
        self._pretrained = (words, vectors)  # until the network is made
        self.coder_ = TokenCoder.learn(
            training,
            min_count=self.min_count,
            lowercase=self.lowercase,
            character_limit=self.character_limit,
            more=words,
            longest=self._longest_ngram(),
            around=self.bidirectional,  # a model that reads forward only knows nothing of what comes
        )

    def _longest_ngram(self) -> int:
        """How many tokens in a row have vectors of their own, at most."""
        return 1

    def _words_of(self, data: Sentences) -> set[str]:
        forms = {same_form(token) for row in data.tokens for token in row}
        return {token.lower() for token in forms} if self.lowercase else forms

    def _front_and_encoder(self) -> tuple[TokenEmbedding, Any]:
        """The first two parts of the network; a task adds its head."""
        front = TokenEmbedding(
            self.coder_.words,
            self.coder_.characters,
            word_size=self.word_size,
            character_encoder="none" if self.coder_.rule == LETTERS else self.character_encoder,  # a letter has one character
            character_size=self.character_size,
            character_hidden_size=self.character_hidden_size,
            case_size=self.case_size,
            word_dropout=self.word_dropout,
            dropout=self.dropout,
            ngrams=self.coder_.ngrams,
            cell=self.cell_,
            engine=self.engine,
        )
        encoder = encoder_of(
            self.encoder,
            self.cell_,
            front.width,
            self.hidden_size,
            self.num_layers,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
            recurrent_dropout=self.recurrent_dropout,
            engine=self.engine,
        )
        return front, encoder

    def _learning(self, training: Sentences, held_out: Sentences, launch: Launch) -> Learning:
        words, vectors = self.__dict__.pop("_pretrained", ([], np.empty((0, 0))))
        if words:
            front = self.network_.front
            assert isinstance(front, TokenEmbedding)  # see `_front_and_encoder`
            front.start_words(self.coder_.words.encode(words), vectors)
        coded, targets, device = self.coder_.code(training), self._targets(training), torch.device(self.device)

        weighed = Weighed(len(training), self._row_weights(training, targets))

        def batches(epoch: int) -> list[np.ndarray]:
            return [weighed.rows[batch] for batch in bucketed_batches(coded.lengths[weighed.rows], self.options_["batch_size"], seed=self.seed_, epoch=epoch)]

        def loss(network: nn.Module, indices: np.ndarray, carried: None) -> Loss:
            mine, count = share_of(launch, indices)
            return Loss(weighed.mean(self._losses(network, coded.batch(mine).to(device), coded, targets), mine), count)

        return Learning(batches, loss, lambda network: self._numbers(held_out), lambda indices: batch_in_words(training.ids, indices, "sentences"))

    def _row_weights(self, data: Sentences, targets: Any) -> np.ndarray | None:
        """How much each sentence counts in the loss, as `tenuto.tasks.weighing.row_weights` gives it."""
        return even(data.weights)

    # --- predicting --------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        super().check()
        if self.vectors is not None and not Path(self.vectors).is_file():
            raise DataError(f"there is no file {self.vectors}.", expected="a file of word vectors", fix=missing_file(self.vectors))

    def _read(self, x: Any, y: Any = None) -> Sentences:
        return self._cut(Sentences.of(x, y))

    def _cut(self, data: Sentences) -> Sentences:
        """The data with raw texts split as they were for the training of this model."""
        return data.cut_by(self.coder_.rule if hasattr(self, "coder_") else RULE)

    def nothing(self, batch: TokenBatch) -> torch.Tensor:
        """What is read of words that are not known, [T, B, E]: unknown in word and letters, in lower case."""
        one = torch.ones_like(batch.words)
        characters, lengths = torch.ones_like(batch.characters[:1, :1]), torch.ones_like(batch.character_lengths[:1])
        words, ngrams = one * UNKNOWN, torch.full_like(batch.ngrams, UNKNOWN)
        unknown = batch._replace(words=words, cases=one * case_of("x"), types=one * 0, characters=characters * UNKNOWN, character_lengths=lengths, ngrams=ngrams)
        return self.network_.front(unknown)  # type: ignore[no-any-return]

    def step_names(self, x: Any) -> list[list[str]]:
        """The tokens of each sentence."""
        return [list(tokens) for tokens in self._read(x).tokens]

    def _batches(self, data: Sentences) -> Batches:
        return Batches(data.lengths, max(self.options_["batch_size"], 64), self.coder_.code(data).batch, self._most_steps())

    # --- what a run keeps --------------------------------------------------------------------------------------------------

    def _describe(self, data: Sentences) -> dict[str, Any]:
        counts = {str(label): count for label, count in data.class_counts.items()}
        return describe_set(data, data.lengths, class_counts=counts, **({} if data.cut is None else {"cut": int(data.cut.sum())}))

    def _about(self, training: Sentences, outcome: Outcome) -> dict[str, Any]:
        return {"vocabulary": {"kind": "letters" if self.coder_.rule == LETTERS else "words", "size": len(self.coder_.words.entries)}}

    def _kept(self) -> dict[str, Any]:
        return self.coder_.to_data()

    def _restore(self, kept: Mapping[str, Any]) -> None:
        self.coder_ = TokenCoder.from_data(kept)
