"""`LanguageTaught`: what distillation asks of a language model: windows of a text, one choice for each token, and the state that goes on from window to window."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from tenuto.data.text.streams import IGNORED, Streams
from tenuto.data.text.text import Text
from tenuto.networks.anatomy import Network
from tenuto.tasks.language.learning import rows_of
from tenuto.tasks.language.network import Read
from tenuto.tasks.taught import Choices, Taught

WINDOW = 100  # tokens that are compared at once: each has a probability for every symbol


class LanguageTaught(Taught):
    """The half of `LanguageModel` that distillation asks."""

    by_place = True
    answer_unit = choice_unit = "token"

    device: str
    network_: Network

    @abstractmethod
    def _tokens(self, text: Text) -> tuple[np.ndarray, np.ndarray | None]:
        """The text's tokens, and where documents begin."""

    def lessons(self, data: Text) -> Iterator[tuple[Any, ...]]:
        """Windows of the whole text, in rows that go on from window to window."""
        tokens, starts = self._tokens(data)
        return ((window.to(self.device),) for window in Streams(tokens, rows_of(len(tokens)), WINDOW, starts=starts))

    def heard(self, network: nn.Module, given: tuple[Any, ...], state: Any = None) -> tuple[Read, Any]:
        """The log-probabilities of all symbols after each token of the window; and the state after it."""
        read = network(given[0], state, scored=True)
        return read, read.state

    def choices(self, given: tuple[Any, ...], output: Read) -> Choices:
        """One choice for each token that counts."""
        assert output.scores is not None  # they were asked for
        return Choices(output.scores, given[0].targets != IGNORED)

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
