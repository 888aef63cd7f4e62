"""Writing with a language model: how the next token is drawn, one step of a live stream for each token, and text given out as soon as it is certain."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tenuto.data.text.streams import IGNORED, Window
from tenuto.data.text.vocabulary import Vocabulary
from tenuto.errors import ArgumentError
from tenuto.scalars import number, whole
from tenuto.tasks.language.network import LanguageNetwork
from tenuto.tongues import argument, either


@dataclass(frozen=True)
class Sampler:
    """How the next token is drawn.

    Attributes:
        temperature: log-probabilities are divided by it; 0 takes the likeliest token each time.
        top_k: only this many of the likeliest tokens; None for all.
        top_p: only the likeliest tokens that together have this probability, one at least; None for all (Holtzman et al. 2020).
            It is measured after the temperature and after top_k.
    Raises:
        ArgumentError: a value out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        none = either("None", "0")
        for name, kind, fits, expected in (
            ("temperature", number, lambda value: value >= 0, "zero or a positive number"),
            ("top_k", whole, lambda value: value >= 1, f"a whole number, 1 or more, or {none} for all"),
            ("top_p", number, lambda value: 0 < value <= 1, f"a number above 0 and up to 1, or {none} for all"),
        ):
            given = getattr(self, name)
            if given is None and name != "temperature":
                continue
            value = kind(given)
            if value is None or not fits(value):
                raise ArgumentError(f"{argument(name, given)} is out of range.", expected=expected)
            object.__setattr__(self, name, value)

    def probabilities(self, log_probabilities: Tensor) -> Tensor:
        """[V] log-probabilities to the [V] probabilities that are drawn from, float64.

        Example:
            >>> Sampler(top_k=2).probabilities(torch.tensor([0.2, 0.3, 0.5]).log())
            tensor([0.0000, 0.3750, 0.6250], dtype=torch.float64)
        """
        scores = log_probabilities.double()
        if self.temperature == 0:
            return torch.nn.functional.one_hot(scores.argmax(), len(scores)).double()
        order = torch.sort(scores / self.temperature, descending=True, stable=True)
        sorted_scores = order.values.clone()
        if self.top_k is not None:
            sorted_scores[self.top_k :] = -math.inf
        shares = torch.softmax(sorted_scores, 0)
        if self.top_p is not None:
            shares[shares.cumsum(0) - shares >= self.top_p] = 0
        return torch.zeros_like(shares).scatter(0, order.indices, shares / shares.sum())

    def draw(self, log_probabilities: Tensor, generator: torch.Generator) -> int:
        """A token, from log-probabilities [V]."""
        shares = self.probabilities(log_probabilities)
        return int(shares.argmax() if self.temperature == 0 else torch.multinomial(shares, 1, generator=generator))


@torch.no_grad()
def generate_tokens(
    network: LanguageNetwork, vocabulary: Vocabulary, prompt: Sequence[int], sampler: Sampler, *, seed: int, device: str = "cpu"
) -> Iterator[int]:
    """Tokens after the prompt, which end only where a document ends; the symbol for unknown characters is never drawn.

    The prompt is read at once; after it, each token is one step of the layer's live stream.
    """
    network.eval()
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.tensor(prompt, device=device)[:, None]
    output, state = network.encode(Window(tokens, torch.full_like(tokens, IGNORED), None))
    features, step = network.head.project(output[-1]), network.live(state)
    while True:
        scores = network.head.log_probabilities(features)[0].cpu()
        if vocabulary.unknown is not None:
            scores[vocabulary.unknown] = -math.inf
        token = sampler.draw(scores, generator)
        if token == vocabulary.boundary:
            return
        yield token
        features = step(torch.tensor([token], device=device))


def text_of_tokens(vocabulary: Vocabulary, tokens: Iterable[int]) -> Iterator[str]:
    """The text of tokens as they come, whole characters only; bytes that never become a character end as U+FFFD."""
    decoder = vocabulary.decoder()
    for token in tokens:
        if piece := decoder.decode(vocabulary.bytes_of(token)):
            yield piece
    if piece := decoder.decode(b"", True):
        yield piece


def until_stop(pieces: Iterable[str], stop: Sequence[str]) -> Iterator[str]:
    """Pieces of text up to the first of the stop strings, which is left out. Text that may be the beginning of one is held back until it cannot be.

    Example:
        >>> list(until_stop(["ab", "c E", "N", "D de"], ["END"]))
        ['ab', 'c ']
    """
    held = ""
    for piece in pieces:
        held += piece
        found = [place for place in (held.find(word) for word in stop) if place >= 0]
        if found:
            if min(found):
                yield held[: min(found)]
            return
        keep = max((size for word in stop for size in range(min(len(word) - 1, len(held)), 0, -1) if held.endswith(word[:size])), default=0)
        if len(held) > keep:
            yield held[: len(held) - keep]
            held = held[len(held) - keep :]
    if held:
        yield held
