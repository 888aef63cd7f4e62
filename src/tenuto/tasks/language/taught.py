"""`LanguageTaught`: what distillation asks of a language model: windows of a text, one choice for each token, and the state that goes on from window to window; and its options with fewer units."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from tenuto.data.text.streams import IGNORED, Streams, Window
from tenuto.data.text.text import Text
from tenuto.data.text.vocabulary import Vocabulary
from tenuto.errors import ArgumentError
from tenuto.networks.anatomy import Network
from tenuto.tasks.language.learning import rows_of
from tenuto.tasks.language.memory import FEWEST_STRETCHES, MOST_STRETCHES, t_quantile
from tenuto.tasks.language.network import Read
from tenuto.tasks.language.scores import carried_nats
from tenuto.tasks.taught import Choices, Taught

WINDOW = 100  # tokens that are compared at once: each has a probability for every symbol


class LanguageTaught(Taught):
    """The half of `LanguageModel` that distillation asks."""

    by_place = True
    answer_unit = choice_unit = "token"

    device: str
    hidden_size: int
    embedding_size: int | None
    tied: bool
    residual: bool
    network_: Network
    vocabulary_: Vocabulary

    def narrower(self, hidden_size: int) -> dict[str, Any]:
        """The options of a network with fewer units. A symbol's vector stays as wide as it is, unless its channels are the units: by a tied matrix, or by what a layer adds."""
        width = self.hidden_size if self.embedding_size is None else self.embedding_size
        if width == self.hidden_size and (self.tied or self.residual):
            return {"hidden_size": hidden_size, "embedding_size": None if self.embedding_size is None else hidden_size}
        return {"hidden_size": hidden_size, "embedding_size": width}

    @abstractmethod
    def forward(self, batch: Window) -> torch.Tensor:
        """The log-probabilities [B, V] of what comes after a window."""

    @abstractmethod
    def answer(self, tensors: torch.Tensor) -> np.ndarray:
        """The likeliest symbols [B]."""

    @abstractmethod
    def _tokens(self, text: Text) -> tuple[np.ndarray, np.ndarray | None]:
        """The text's tokens, and where documents begin."""

    def lessons(self, data: Text) -> Iterator[tuple[Any, ...]]:
        """Windows of the whole text, in rows that go on from window to window."""
        tokens, starts = self._tokens(data)
        return ((window.to(self.device),) for window in Streams(tokens, rows_of(len(tokens)), WINDOW, starts=starts))

    def result(self, data: Text, part: str, *, kept: bool = False) -> dict[str, Any]:
        """The loss with the state carried, nats a token, and its 95 % interval: Student's t times the standard error of the mean over stretches of the text, since neighbouring tokens are alike.

        What `evaluate` keeps is measured in other ways too, and with `kept` beside this.
        """
        if kept:
            self._test(data)
        tokens, starts = self._tokens(data)
        nats = carried_nats(self.network_, tokens, starts, rows=rows_of(len(tokens)), device=self.device)
        loss, stretches = float(nats.mean()), min(MOST_STRETCHES, len(nats) // WINDOW)
        if stretches < FEWEST_STRETCHES:
            return {"loss": loss}
        means = np.array([part.mean() for part in np.array_split(nats, stretches)])
        half = t_quantile(stretches - 1) * float(means.std(ddof=1)) / math.sqrt(stretches)
        return {"loss": loss, "loss_interval": [loss - half, loss + half]}

    def heard(self, network: nn.Module, given: tuple[Any, ...], state: Any = None) -> tuple[Read, Any]:
        """The log-probabilities of all symbols after each token of the window; and the state after it."""
        read = network(given[0], state, scored=True)
        return read, read.state

    def choices(self, given: tuple[Any, ...], output: Read) -> Choices:
        """One choice for each token that counts."""
        assert output.scores is not None  # they were asked for
        return Choices(output.scores, given[0].targets != IGNORED)

    def answers_to(self, words: Sequence[Sequence[str | None]]) -> list[str]:
        """The likeliest symbol after each sequence of symbols, which begins as texts do: at the beginning of a document, or of a line."""
        vocabulary = self.vocabulary_
        numbers = {vocabulary.shown(token): token for token in range(vocabulary.size)}
        start = self._beginning()
        coded = [[*start, *(self._number(symbol, numbers) for symbol in row)] for row in words]
        found = [""] * len(coded)
        for length in sorted({len(row) for row in coded}):
            places = [place for place, row in enumerate(coded) if len(row) == length]
            tokens = torch.tensor([coded[place] for place in places], device=self.device).T
            with torch.no_grad():
                answers = self.answer(self.forward(Window(tokens, torch.full_like(tokens, IGNORED), None)))
            for place, answer in zip(places, answers.tolist()):
                found[place] = answer
        return found

    def letters(self, x: Any) -> list[list[str]]:
        """The symbols of each document, or of the lines of one whole text."""
        text = Text.of(x)
        documents = text.documents[0].splitlines(keepends=True) if text.whole else text.documents
        return [[self.vocabulary_.shown(token) for token in self.vocabulary_.encode(document).tolist()] for document in documents]

    def _beginning(self) -> list[int]:
        """What stands before a text."""
        vocabulary = self.vocabulary_
        if vocabulary.boundary is not None:
            return [vocabulary.boundary]
        return vocabulary.encode("\n").tolist()[:1] if vocabulary.units != "characters" or b"\n" in vocabulary.symbols else [0]

    def _number(self, symbol: str | None, numbers: dict[str, int]) -> int:
        if symbol is None and self.vocabulary_.unknown is None:
            raise ArgumentError("the model knows no symbol for what it does not know.", expected="a model with unknown symbols, or letters that it knows", fix="drop other symbols")
        if symbol is not None and symbol not in numbers:
            raise ArgumentError(f"the model does not know the symbol {symbol!r}.", expected=", ".join(list(numbers)[:20]))
        return self.vocabulary_.unknown if symbol is None else numbers[symbol]  # type: ignore[return-value]  # checked above

    def chosen(self, data: Text) -> list[Any]:
        """The likeliest symbol at each place, one list for each row of each window."""
        found, state = [], None
        for given in self.lessons(data):
            with torch.no_grad():
                read, state = self.heard(self.network_, given, state)
            choices = self.choices(given, read)
            assert choices.live is not None
            best = choices.logits.argmax(-1)
            found += [best[:, row][choices.live[:, row]].tolist() for row in range(best.shape[1])]
        return [row for row in found if row]
