"""A trained network together with its tables of symbols: from pairs to answers, losses and attention, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenuto.data.pairs.batches import NumberedPairs, PairBatch, collate_pairs
from tenuto.data.pairs.pairs import Pairs, Side
from tenuto.data.pairs.symbols import PADDING, Symbols, join_side, split_side
from tenuto.data.sequences.batches import sorted_batches
from tenuto.errors import ArgumentError
from tenuto.scalars import whole
from tenuto.tasks.translate.network import Seq2SeqNetwork
from tenuto.tasks.translate.search import Begun, Hypothesis, beam_search, greedy_search
from tenuto.tongues import argument

ROWS = 512  # of a batch; each beam counts as a row


@dataclass(frozen=True)
class Translator:
    """What turns sources into answers.

    Attributes:
        network: in eval mode while it is used here.
        source, target: the tables of symbols. source_unit, target_unit: see `split_side`.
        unknown: what an unknown source symbol does: "error" or "symbol".
        beam_size, length_penalty, max_length: of the search.
    """

    network: Seq2SeqNetwork
    source: Symbols
    target: Symbols
    source_unit: str
    target_unit: str
    unknown: str
    beam_size: int
    length_penalty: float
    max_length: int
    device: str

    def numbered(self, pairs: Pairs, *, unknown: str | None = None) -> NumberedPairs:
        """The pairs as numbers. Unknown target symbols are always read as unknown: answers are compared with them, and never contain them.

        Raises:
            DataError: a source symbol that training never saw, where unknown is "error".
        """
        sources = [
            self.source.numbers(split_side(side, self.source_unit), where=f"the source of pair {name!r}", unknown=unknown or self.unknown)
            for side, name in zip(pairs.source, pairs.ids)
        ]
        targets = [self.target.numbers(split_side(side, self.target_unit), where="", unknown="symbol") for side in pairs.target or []]
        return NumberedPairs(sources, targets)

    def distinct(self, pairs: Pairs) -> Pairs:
        """Each distinct source once, in order of appearance, without targets."""
        return Pairs(list(pairs.groups), ids=[pairs.ids[places[0]] for places in pairs.groups.values()])

    def search(self, pairs: Pairs, *, beam_size: int | None = None, n_best: int = 1, unknown: str | None = None) -> dict[Side, list[Hypothesis]]:
        """The best hypotheses of each distinct source, at least one each.

        Raises:
            ArgumentError: n_best is not 1..beam_size. DataError: as `numbered`.
        """
        width = self.width(beam_size, n_best)
        alone = self.distinct(pairs)
        numbers = self.numbered(alone, unknown=unknown)
        found: list[list[Hypothesis]] = [[] for _ in alone.source]
        for indices, batch in self._batches(numbers, max(1, ROWS // width)):
            with torch.no_grad():
                begun = self.network.begin(batch)
            for index, hypotheses in zip(indices.tolist(), self.hypotheses(begun, beam_size=width, n_best=n_best)):
                found[index] = hypotheses
        return dict(zip(alone.source, found))

    def width(self, beam_size: int | None = None, n_best: int = 1) -> int:
        """The beam size of a search: `beam_size`, or the usual one.

        Raises:
            ArgumentError: n_best is not 1..beam_size.
        """
        given = self.beam_size if beam_size is None else beam_size
        width, best = whole(given), whole(n_best)
        if width is None or width < 1:
            raise ArgumentError(f"{argument('beam_size', given)} is out of range.", expected="a whole number, 1 or more")
        if best is None or not 1 <= best <= width:
            raise ArgumentError(f"{argument('beam_size', width)} cannot give {argument('n_best', n_best)} answers.", expected="1 <= n_best <= beam_size")
        return width

    def hypotheses(self, begun: Begun, *, beam_size: int, n_best: int = 1) -> list[list[Hypothesis]]:
        """The best hypotheses for each source that was read."""
        options: dict[str, Any] = {"max_length": self.max_length, "length_penalty": self.length_penalty}
        if beam_size == 1:
            return [[one] for one in greedy_search(self.network.head, begun, **options)]
        return beam_search(self.network.head, begun, beam_size=beam_size, n_best=n_best, **options)

    @torch.no_grad()
    def forced(self, numbers: NumberedPairs) -> dict[str, float]:
        """With the right symbols before each (teacher forcing): tokens (ends included), loss (nats a token), token_accuracy."""
        total, right, count = 0.0, 0, 0
        for _, batch in self._batches(numbers, ROWS):
            logits = self.network(batch)
            total += cross_entropy(logits, batch).item() * batch.symbols
            right += int(((logits.argmax(-1) == batch.wanted) & (batch.wanted != PADDING)).sum())
            count += batch.symbols
        return {"tokens": count, "loss": total / count, "token_accuracy": right / count}

    @torch.no_grad()
    def attention(self, sources: Sequence[Side], answers: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        """What each step of an answer read of its source, one matrix [symbols + 1, source symbols] each, the last row for the end.

        The network must have attention.
        """
        alone = self.numbered(Pairs(sources), unknown="symbol")
        numbers = NumberedPairs(alone.source, [np.array(answer, dtype=np.int64) for answer in answers])
        found = [np.empty((0, 0))] * len(answers)
        for indices, batch in self._batches(numbers, ROWS):
            encoded, state = self.network.begin(batch)
            weights = self.network.head.decode(batch.read, encoded, state).weights
            assert weights is not None
            for row, index in enumerate(indices.tolist()):
                found[index] = weights[row, : len(answers[index]) + 1, : int(batch.lengths[row])].cpu().numpy()
        return found

    def text(self, numbers: Sequence[int]) -> Side:
        """The answer as targets are given."""
        return join_side(self.target.texts(tuple(numbers)), self.target_unit)

    def batches(self, pairs: Pairs) -> Iterator[tuple[np.ndarray, PairBatch]]:
        """Every pair once, with its target, in batches: positions, and the batch; symbols that are not known are read as unknown."""
        return self._batches(self.numbered(pairs, unknown="symbol"), ROWS)

    def _batches(self, numbers: NumberedPairs, rows: int) -> Iterator[tuple[np.ndarray, PairBatch]]:
        self.network.eval()
        for indices in sorted_batches(numbers.order, rows):
            yield indices, collate_pairs(numbers, indices).to(torch.device(self.device))


def cross_entropy(logits: Tensor, batch: PairBatch, *, label_smoothing: float = 0.0) -> Tensor:
    """The mean loss in nats over the wanted symbols [T, B]; padding does not count."""
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), batch.wanted.flatten(), ignore_index=PADDING, label_smoothing=label_smoothing
    )
