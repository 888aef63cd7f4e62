"""The head of a transducer: what it writes in a step depends on what it wrote before, and in a step it may write several symbols.

Shapes: T time, B batch, W width of what it reads, J of the joint network, U symbols of a text, V symbols there are, 0 the blank, N texts of a search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tenuto.networks.each_step import StepHead
from tenuto.networks.exact import exactly, log_probabilities
from tenuto.networks.one_a_step import one_a_step_loss
from tenuto.networks.transducer import transducer_loss
from tenuto.tasks.transcribe.alphabet import BLANK
from tenuto.tasks.transcribe.ctc import ctc_losses
from tenuto.tasks.transcribe.predictor import Memory, Remembering, Stateless

LOWER = (0.5, 1.0, 1.5, 2.0, 3.0)  # nats
CELLS = 1 << 20  # of the lattices of rows that are padded to one size, at most: some 130 bytes of training's memory each
TILE = 1 << 22  # numbers of the joint network that are held at once, at most: 16 MiB


class Read(NamedTuple):
    """What the head makes of a batch: logits of what comes first in each step, [T, B, V], after what greedy search wrote before it; and what a decoder reads, [T, B, J]."""

    logits: Tensor
    heard: Tensor


class Frame(NamedTuple):
    """What greedy search wrote in one step.

    Attributes:
        first: [V] log-probabilities of what comes first in it. symbols: those written, each with its probability. again: whether that is the symbol of the step before, going on.
        score: logarithm of the probability of all of it, with the blank that ends it where it has one. cut: whether more symbols were likely than may be written in a step.
        memory: after it.
    """

    first: np.ndarray
    symbols: tuple[tuple[int, float], ...]
    score: float
    cut: bool
    memory: Memory
    again: bool = False

    @property
    def new(self) -> list[int]:
        """The symbols that were not there before."""
        return [] if self.again else [symbol for symbol, _ in self.symbols]

    @property
    def going(self) -> int:
        """The symbol that may go on in the next step; or the blank."""
        return self.symbols[-1][0] if self.symbols else BLANK


class TransducerHead(StepHead):
    """Linear(tanh(heard + written)) of what the encoder put out and the predictor's vector, to which logits of CTC may be added.

    With one symbol in a step at most, a step is over with a symbol or a blank, and a symbol in the step after its own is the same one, going on, as with CTC: where two steps are as likely, it is not written in both.
    With more, only a blank ends a step.

    Args:
        width: W. symbols: V. joint: J. most: symbols in a step; with more than one, of greedy search: then the next step comes, whatever is likely.
        predictor: of vectors of width J. ctc: how much the loss of a linear map with CTC counts beside the transducer's, in training. added: whether the logits of this map are added to those of the joint network.
    Source:     Graves 2012; with one symbol in a step: Sak et al. 2017; a bound for greedy search: NVIDIA/NeMo#3686; with CTC beside it: Boyer et al. 2021.
    """

    def __init__(self, width: int, symbols: int, joint: int, predictor: Stateless | Remembering, *, dropout: float, most: int, ctc: float, added: bool = False) -> None:
        super().__init__()
        self.heard, self.predictor = nn.Linear(width, joint), predictor
        self.linear, self.dropout = nn.Linear(joint, symbols), nn.Dropout(dropout)
        self.beside = nn.Linear(width, symbols) if ctc or added else None
        self.most, self.ctc, self.added = most, ctc, added

    def forward(self, output: Tensor, lengths: Tensor, texts: list[list[int]] | None = None, by_ctc: bool = False) -> Read | Tensor:
        """The losses of texts, [B] in nats, in training with that of CTC, or of that alone; without texts, what comes first in each step."""
        if texts is None:
            return self._read_of(output, lengths)
        return self._losses_by_ctc(self.dropout(output), lengths, texts) if by_ctc else self._losses(self.dropout(output), lengths, texts)

    @torch.no_grad()
    def read(self, output: Tensor) -> Tensor:
        """What a decoder reads, [T, B, J], or [T, B, J + V] with logits of CTC: the same bits whatever rows and steps come together."""
        return self._heard(output, exactly)

    def decodable(self, rows: Tensor) -> np.ndarray:
        """[T, J or J + V] float32."""
        return np.ascontiguousarray(rows.detach().cpu().numpy())

    @torch.no_grad()
    def lower_blank(self, errors: Callable[[], int]) -> None:
        """Lower the bias of the blank step by step through `LOWER`, until there are more errors than before, and leave it where they were fewest; of several as good at the first.

        Args:
            errors: how many are made with the bias as it is when this is called.
        """
        trained, best, fewest = self.linear.bias[BLANK].clone(), 0.0, errors()
        for nats in LOWER:
            self.linear.bias[BLANK] = trained - nats
            found = errors()
            if found > fewest:
                break
            best, fewest = (nats, found) if found < fewest else (best, fewest)
        self.linear.bias[BLANK] = trained - best

    def _read_of(self, output: Tensor, lengths: Tensor) -> Read:
        """Greedy search says what was written before each step; with gradients, given that."""
        heard, joint = self.read(output), Joint(self)
        texts, places = list[list[int]](), torch.zeros(output.shape[:2], dtype=torch.int64)
        for row, length in enumerate(lengths.tolist()):
            memory, text, going = joint.begin(), list[int](), BLANK
            for step, one in enumerate(heard[:length, row].cpu().numpy()):
                places[step, row] = len(text)
                frame = joint.greedy(one, memory, going)
                text += frame.new
                memory, going = frame.memory, frame.going
            texts.append(text)
        after = self.predictor(_side_by_side(texts, output.device))  # [B, U + 1, J]
        chosen = after[torch.arange(len(texts), device=output.device), places.to(output.device)]  # [T, B, J]
        return Read(self._logits(self._heard(self.dropout(output)), chosen), heard)

    def _losses(self, output: Tensor, lengths: Tensor, texts: list[list[int]]) -> Tensor:
        # A lattice has steps times symbols: one recording of a minute would make all those beside it thousands of times as large as they are.
        groups = _of_like_size(lengths.tolist(), texts)
        parts = [self._losses_side_by_side(output[: int(lengths[rows].max()), rows] if len(groups) > 1 else output, lengths[rows], [texts[row] for row in rows]) for rows in groups]
        losses = parts[0] if len(parts) == 1 else torch.cat(parts)[torch.tensor([row for rows in groups for row in rows], device=output.device).argsort()]
        return losses if self.beside is None or not self.ctc or not self.training else losses + self.ctc * ctc_losses(self.beside(output), lengths, texts)

    def _losses_side_by_side(self, output: Tensor, lengths: Tensor, texts: list[list[int]]) -> Tensor:
        known, labels = _side_by_side(texts, output.device), torch.tensor([len(text) for text in texts], device=output.device)
        after, heard = self.predictor(known), self._heard(output)
        lattice = self._arcs if self.most == 1 else self._joint
        tiles = heard.split(max(1, TILE // after.numel()))
        # Of more than one tile, each is computed once more on the way back: [T, B, U + 1, J] is never held.
        parts = [lattice(tile, after, known) if len(tiles) == 1 else checkpoint(lattice, tile, after, known, use_reentrant=False, preserve_rng_state=False) for tile in tiles]
        if self.most == 1:
            blanks, symbols, again = torch.cat(parts).split([known.shape[1] + 1, known.shape[1], known.shape[1]], dim=-1)
            return one_a_step_loss(blanks, symbols, again, _repeated(known), lengths.to(output.device), labels)
        return transducer_loss(torch.cat(parts), known, lengths, labels)

    def _losses_by_ctc(self, output: Tensor, lengths: Tensor, texts: list[list[int]]) -> Tensor:
        assert self.beside is not None
        others = [*self.heard.parameters(), *self.predictor.parameters(), *self.linear.parameters()]
        return ctc_losses(self.beside(output), lengths, texts) + 0 * sum(weight.sum() for weight in others)  # with several processes each weight must have a gradient

    def _heard(self, output: Tensor, by: Callable[[nn.Linear, Tensor], Tensor] = nn.Linear.__call__) -> Tensor:
        """As `read`, with gradients. by: how a layer is called."""
        heard = by(self.heard, output)
        return torch.cat([heard, by(self.beside, output)], dim=-1) if self.beside is not None and self.added else heard

    def _joint(self, heard: Tensor, after: Tensor, known: Tensor) -> Tensor:
        """Logits [T, B, U + 1, V] of heard [T, B, J or J + V] and after [B, U + 1, J] texts known [B, U]."""
        return self._logits(heard[:, :, None], after)

    def _arcs(self, heard: Tensor, after: Tensor, known: Tensor) -> Tensor:
        """Log-probabilities of the blank, of the next symbol and of the last one again, side by side: [T, B, U + 1 + U + U]. Arguments as of `_joint`."""
        logits = self._joint(heard, after, known)
        rows = (logits.float() if logits.dtype.itemsize < 4 else logits).log_softmax(-1)
        following = known[..., None].expand(len(rows), *known.shape, 1)
        return torch.cat([rows[..., BLANK], rows[:, :, :-1].gather(3, following)[..., 0], rows[:, :, 1:].gather(3, following)[..., 0]], dim=-1)

    def _logits(self, heard: Tensor, after: Tensor) -> Tensor:
        """[..., V] of heard [..., J or J + V] and after [..., J]."""
        width = self.linear.in_features
        found = self.linear(torch.tanh(heard[..., :width] + after))
        return found + heard[..., width:] if self.added else found  # type: ignore[no-any-return]


def _of_like_size(lengths: list[int], texts: list[list[int]]) -> list[list[int]]:
    """All rows, in groups whose lattices, padded to one size, have `CELLS` cells at most, or that are one row."""
    if len(texts) * max(lengths) * (max(map(len, texts)) + 1) <= CELLS:
        return [list(range(len(texts)))]
    groups, most, longest = list[list[int]](), 0, 0
    for row in sorted(range(len(texts)), key=lambda row: -lengths[row] * (len(texts[row]) + 1)):
        most, longest = (max(most, lengths[row]), max(longest, len(texts[row])))
        if not groups or (len(groups[-1]) + 1) * most * (longest + 1) > CELLS:
            groups.append([])
            most, longest = lengths[row], len(texts[row])
        groups[-1].append(row)
    return groups


def _side_by_side(texts: list[list[int]], device: torch.device) -> Tensor:
    """[B, U], padded with blanks."""
    known = torch.full((len(texts), max(map(len, texts))), BLANK)
    for place, text in enumerate(texts):
        known[place, : len(text)] = torch.tensor(text, dtype=torch.int64)
    return known.to(device)


def _repeated(known: Tensor) -> Tensor:
    """[B, U] whether a symbol is that before it."""
    return torch.cat([torch.zeros_like(known[:, :1], dtype=torch.bool), known[:, 1:] == known[:, :-1]], dim=1)


class Joint:
    """The joint network of a search, one step at a time: its numbers follow from the step and from what was written, and from nothing else."""

    def __init__(self, head: TransducerHead) -> None:
        self._weight = np.ascontiguousarray(head.linear.weight.detach().cpu().numpy().T)  # [J, V]
        self._bias, self._predictor, self._most, self._added = head.linear.bias.detach().cpu().numpy(), head.predictor, head.most, head.added
        self.goes_on = head.most == 1  # whether a symbol in the step after its own is the same one
        self.begin, self.after, self.resumed = head.predictor.begin, head.predictor.after, head.predictor.resumed

    def __call__(self, heard: np.ndarray, memories: Sequence[Memory]) -> np.ndarray:
        """[N, V] float64, log-probabilities of what comes next in a step [J or J + V], after each of the memories."""
        width = len(self._weight)
        active = np.tanh(heard[:width] + np.stack([memory.vector for memory in memories]))  # [N, J]
        logits = np.add.reduce(active[:, :, None] * self._weight, axis=1) + self._bias
        return log_probabilities(logits + heard[width:] if self._added else logits)

    def greedy(self, heard: np.ndarray, memory: Memory, going: int = BLANK, first: np.ndarray | None = None) -> Frame:
        """The likeliest symbol, and again, until that is the blank; or one symbol, or the blank, where a step has one at most. going: of the frame before. first: [V] of this step and memory, if it is known already."""
        first = row = self(heard, [memory])[0] if first is None else first
        if self._most == 1:
            symbol, score = int(row.argmax()), float(row.max())
            if symbol == BLANK:
                return Frame(first, (), score, False, memory)
            again = symbol == going
            return Frame(first, ((symbol, float(np.exp(score))),), score, False, memory if again else self.after(memory, symbol), again)
        symbols, score = list[tuple[int, float]](), 0.0
        while (symbol := int(row.argmax())) != BLANK and len(symbols) < self._most:
            symbols.append((symbol, float(np.exp(row[symbol]))))
            score += float(row[symbol])
            memory = self.after(memory, symbol)
            row = self(heard, [memory])[0]
        return Frame(first, tuple(symbols), score + float(row[BLANK]), symbol != BLANK, memory)

    def lattice(self, heard: np.ndarray, text: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log-probabilities of the blank, [T, U + 1], and of the next symbol of a text, [T, U], in each step [T, J or J + V] after each of its beginnings; and of the last symbol of each but the empty one, [T, U]."""
        memories = [self.begin()]
        for symbol in text:
            memories.append(self.after(memories[-1], symbol))
        rows = np.stack([self(step, memories) for step in heard])  # [T, U + 1, V]
        return rows[:, :, BLANK], rows[:, np.arange(len(text)), list(text)], rows[:, np.arange(1, len(text) + 1), list(text)]
