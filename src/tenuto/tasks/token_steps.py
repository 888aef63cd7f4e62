"""What the tasks over tokens answer where a model of steps is asked for: a token is a number, and its vector a row of one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from tenuto.data.sentences.batches import TokenBatch
from tenuto.data.sentences.words import LETTERS
from tenuto.layers.stored import Matrix
from tenuto.networks.embedding import TokenEmbedding
from tenuto.tasks.stepped import Head, StepModel, Symbols, array, no_steps
from tenuto.tasks.token_exported import ExportedTokens
from tenuto.tongues import argument


def steps_over_tokens(model: ExportedTokens, head: Head, answers: Callable[[TokenBatch], torch.Tensor], about: dict[str, Any]) -> StepModel:
    """A model that reads the number of a token each step.

    Args:
        model: the fitted estimator.
        answers: a batch of one row to what the model answers at each step, or after the last, [.., K].
    Raises:
        ArgumentError: a token is read from more than its number.
    """
    coder, network = model.coder_, model.network_
    front: Any = network.front
    _require_plain(front)
    vectors = Matrix.of(front.word)
    names = ("⟨padding⟩", "⟨unknown⟩", *coder.words.entries)
    device = front.word.weight.device

    @torch.no_grad()
    def answer(tokens: np.ndarray) -> np.ndarray:
        network.eval()
        words = torch.from_numpy(tokens)[:, None].to(device)
        batches = (model.batch_of({"words": words[:length], "lengths": torch.tensor([length])}) for length in range(1, len(tokens) + 1))
        return np.stack([array(answers(batch))[-1] for batch in batches])

    def draw(generator: np.random.Generator, steps: int) -> np.ndarray:
        return generator.integers(1, vectors.shape[0], steps)

    return StepModel(Symbols(names, vectors), ((network.encoder, None),), head, draw, answer, {"lowercase": coder.lowercase, "letters": coder.rule == LETTERS, **about})  # type: ignore[arg-type]


def _require_plain(front: TokenEmbedding) -> None:
    fix = f"train with {argument('character_encoder', 'none')}, {argument('case_size', 0)} and {argument('ngrams', 1)}, so that a token is its number alone"
    if front.character is not None:
        raise no_steps("the characters of each token are read from both ends", fix)
    if front.case is not None:
        raise no_steps("beside the number of a token it reads how the token is written (case_size)", fix)
    if len(front.ngrams):
        raise no_steps("tokens in a row have vectors of their own (ngrams)", fix)
