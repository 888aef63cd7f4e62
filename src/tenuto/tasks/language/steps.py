"""`LanguageSteps`: a language model as a model of steps: the number of a symbol in, the logarithms of the probabilities of the next one out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tenuto.data.text.vocabulary import Vocabulary
from tenuto.layers.stored import Matrix
from tenuto.networks.anatomy import Network
from tenuto.tasks.language.head import AdaptiveDecoder
from tenuto.tasks.stepped import EachStep, Linear, StepModel, Stepped, Symbols, array, no_steps
from tenuto.tongues import argument


class LanguageSteps(Stepped):
    """The half of `LanguageModel` that is asked for a model of steps."""

    network_: Network
    vocabulary_: Vocabulary

    def _steps(self) -> StepModel:
        """As `Stepped.steps`."""
        network, vocabulary = self.network_.eval(), self.vocabulary_
        front, encoder, head = (_any(part) for part in (network.front, network.encoder, network.head))
        if isinstance(head.decoder, AdaptiveDecoder):
            raise no_steps("an adaptive softmax", f"train without {argument('cutoffs')}")
        before = None if head.projection is None else Linear.of(head.projection)
        names = tuple(vocabulary.shown(symbol) for symbol in range(vocabulary.size))
        layers = [(encoder.recurrent, None), *([] if encoder.last is None else [(encoder.last, encoder.last_norm)])]

        def draw(generator: np.random.Generator, steps: int) -> np.ndarray:
            return generator.integers(0, vocabulary.size, steps)

        @torch.no_grad()
        def answers(symbols: np.ndarray) -> np.ndarray:
            network.eval()
            vectors = front.embedding(torch.from_numpy(symbols)[:, None].to(front.embedding.weight.device))
            return array(head(encoder(vectors).output)[:, 0])

        about: dict[str, Any] = {"vocabulary": vocabulary.to_data()}
        reads = Symbols(names, Matrix.of(front.embedding))
        return StepModel(reads, tuple(layers), EachStep(names, Linear.of(head.decoder), True, before), draw, answers, about)


def _any(part: Any) -> Any:
    return part
