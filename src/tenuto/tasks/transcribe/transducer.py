"""The head of a transducer: what it writes in a step depends on what it wrote before, and in a step it may write several symbols.

Shapes: T time, B batch, W width of what it reads, J of the joint network, U symbols of a text, V symbols there are, 0 the blank, N texts of a search.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tenuto.networks.each_step import StepHead
from tenuto.networks.exact import exactly, log_probabilities
from tenuto.networks.transducer import transducer_loss
from tenuto.tasks.transcribe.alphabet import BLANK
from tenuto.tasks.transcribe.ctc import ctc_losses
from tenuto.tasks.transcribe.predictor import Memory, Remembering, Stateless

TILE = 1 << 22  # numbers of the joint network that are held at once, at most: 16 MiB


class Read(NamedTuple):
    """What the head makes of a batch: logits of what comes first in each step, [T, B, V], after what greedy search wrote before it; and what a decoder reads, [T, B, J]."""

    logits: Tensor
    heard: Tensor


class Frame(NamedTuple):
    """What greedy search wrote in one step.

    Attributes:
        first: [V] log-probabilities of what comes first in it. symbols: those written, each with its probability.
        score: logarithm of the probability of all of it, with the blank that ends it. cut: whether more symbols were likely than may be written in a step.
        memory: after it.
    """

    first: np.ndarray
    symbols: tuple[tuple[int, float], ...]
    score: float
    cut: bool
    memory: Memory


class TransducerHead(StepHead):
    """Linear(tanh(heard + written)) of what the encoder put out and the predictor's vector.

    Args:
        width: W. symbols: V. joint: J. most: symbols in a step of greedy search; then the next step comes, whatever is likely.
        predictor: of vectors of width J. ctc: how much the loss of a linear map with CTC counts beside the transducer's, in training; 0 for no such map.
    Source:     Graves 2012; a bound for greedy search: NVIDIA/NeMo#3686; with CTC beside it: Boyer et al. 2021.
    """

    def __init__(self, width: int, symbols: int, joint: int, predictor: Stateless | Remembering, *, dropout: float, most: int, ctc: float) -> None:
        super().__init__()
        self.heard, self.predictor = nn.Linear(width, joint), predictor
        self.linear, self.dropout = nn.Linear(joint, symbols), nn.Dropout(dropout)
        self.beside = nn.Linear(width, symbols) if ctc else None
        self.most, self.ctc = most, ctc

    def forward(self, output: Tensor, lengths: Tensor, texts: list[list[int]] | None = None) -> Read | Tensor:
        """The losses of texts, [B] in nats, in training with that of CTC; without texts, what comes first in each step."""
        return self._read_of(output, lengths) if texts is None else self._losses(self.dropout(output), lengths, texts)

    @torch.no_grad()
    def read(self, output: Tensor) -> Tensor:
        """What a decoder reads, [T, B, J]: the same bits whatever rows and steps come together."""
        return exactly(self.heard, output)

    def decodable(self, rows: Tensor) -> np.ndarray:
        """[T, J] float32."""
        return np.ascontiguousarray(rows.detach().cpu().numpy())

    def _read_of(self, output: Tensor, lengths: Tensor) -> Read:
        """Greedy search says what was written before each step; with gradients, given that."""
        heard, joint = self.read(output), Joint(self)
        texts, places = list[list[int]](), torch.zeros(output.shape[:2], dtype=torch.int64)
        for row, length in enumerate(lengths.tolist()):
            memory, text = joint.begin(), list[int]()
            for step, one in enumerate(heard[:length, row].cpu().numpy()):
                places[step, row] = len(text)
                frame = joint.greedy(one, memory)
                text += [symbol for symbol, _ in frame.symbols]
                memory = frame.memory
            texts.append(text)
        after = self.predictor(_side_by_side(texts, output.device))  # [B, U + 1, J]
        chosen = after[torch.arange(len(texts), device=output.device), places.to(output.device)]  # [T, B, J]
        return Read(self.linear(torch.tanh(self.heard(self.dropout(output)) + chosen)), heard)

    def _losses(self, output: Tensor, lengths: Tensor, texts: list[list[int]]) -> Tensor:
        known = _side_by_side(texts, output.device)
        after, heard = self.predictor(known), self.heard(output)
        tiles = heard.split(max(1, TILE // after.numel()))
        # Of more than one tile, each is computed once more on the way back: [T, B, U + 1, J] is never held.
        parts = [self._joint(tile, after) if len(tiles) == 1 else checkpoint(self._joint, tile, after, use_reentrant=False, preserve_rng_state=False) for tile in tiles]
        losses = transducer_loss(torch.cat(parts), known, lengths, torch.tensor([len(text) for text in texts], device=output.device))
        return losses if self.beside is None or not self.training else losses + self.ctc * ctc_losses(self.beside(output), lengths, texts)

    def _joint(self, heard: Tensor, after: Tensor) -> Tensor:
        """Logits [T, B, U + 1, V] of heard [T, B, J] and after [B, U + 1, J]."""
        return self.linear(torch.tanh(heard[:, :, None] + after))  # type: ignore[no-any-return]


def _side_by_side(texts: list[list[int]], device: torch.device) -> Tensor:
    """[B, U], padded with blanks."""
    known = torch.full((len(texts), max(map(len, texts))), BLANK)
    for place, text in enumerate(texts):
        known[place, : len(text)] = torch.tensor(text, dtype=torch.int64)
    return known.to(device)


class Joint:
    """The joint network of a search, one step at a time: its numbers follow from the step and from what was written, and from nothing else."""

    def __init__(self, head: TransducerHead) -> None:
        self._weight = np.ascontiguousarray(head.linear.weight.detach().cpu().numpy().T)  # [J, V]
        self._bias, self._predictor, self._most = head.linear.bias.detach().cpu().numpy(), head.predictor, head.most
        self.begin, self.after, self.resumed = head.predictor.begin, head.predictor.after, head.predictor.resumed

    def __call__(self, heard: np.ndarray, memories: Sequence[Memory]) -> np.ndarray:
        """[N, V] float64, log-probabilities of what comes next in a step [J], after each of the memories."""
        active = np.tanh(heard + np.stack([memory.vector for memory in memories]))  # [N, J]
        return log_probabilities(np.add.reduce(active[:, :, None] * self._weight, axis=1) + self._bias)

    def greedy(self, heard: np.ndarray, memory: Memory, first: np.ndarray | None = None) -> Frame:
        """The likeliest symbol, and again, until that is the blank. first: [V] of this step and memory, if it is known already."""
        first = row = self(heard, [memory])[0] if first is None else first
        symbols, score = list[tuple[int, float]](), 0.0
        while (symbol := int(row.argmax())) != BLANK and len(symbols) < self._most:
            symbols.append((symbol, float(np.exp(row[symbol]))))
            score += float(row[symbol])
            memory = self.after(memory, symbol)
            row = self(heard, [memory])[0]
        return Frame(first, tuple(symbols), score + float(row[BLANK]), symbol != BLANK, memory)

    def lattice(self, heard: np.ndarray, text: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Log-probabilities of the blank, [T, U + 1], and of the next symbol of a text, [T, U], in each step [T, J] after each of its beginnings."""
        memories = [self.begin()]
        for symbol in text:
            memories.append(self.after(memories[-1], symbol))
        rows = np.stack([self(step, memories) for step in heard])  # [T, U + 1, V]
        return rows[:, :, BLANK], rows[:, np.arange(len(text)), list(text)]
