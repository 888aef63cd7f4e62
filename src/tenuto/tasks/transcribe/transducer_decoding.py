"""What a transducer heard as text, step by step: greedy with several symbols in a step, or by a beam with one at most.

An end-point changes nothing of what comes after: what was written is remembered. Shapes: J width of the joint network, V symbols of which 0 is the blank, N texts of a beam.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tenuto.tasks.transcribe.alphabet import BLANK
from tenuto.tasks.transcribe.decoding import Decoder, EndRule, Piece, Sign
from tenuto.tasks.transcribe.predictor import Memory, state_of
from tenuto.tasks.transcribe.transducer import Joint


class TransducerGreedy(Decoder):
    """The likeliest symbol, and again, until that is the blank; a step has a bound. Its score is that of this one way to write the text.

    Attributes:
        cut: in how many steps more symbols were likely than may be written. firsts: if it is a list, [V] log-probabilities of what came first in each step are added to it.
    """

    def __init__(self, rule: EndRule, joint: Joint) -> None:
        super().__init__(rule)
        self._joint, self._memory = joint, joint.begin()
        self._first = np.empty(0)
        self.cut = 0
        self.firsts: list[np.ndarray] | None = None
        self._restart()

    def _restart(self) -> None:
        self._signs: list[Sign] = []
        self._score = 0.0

    def _likeliest_of(self, row: np.ndarray) -> int:
        self._first = self._joint(row, [self._memory])[0]
        return int(self._first.argmax())

    def _read(self, row: np.ndarray) -> None:
        frame = self._joint.greedy(row, self._memory, self._first)
        self._signs += [Sign(symbol, self.steps, self.steps + 1, probability) for symbol, probability in frame.symbols]
        self._score, self._memory, self.cut = self._score + frame.score, frame.memory, self.cut + frame.cut
        if self.firsts is not None:
            self.firsts.append(self._first)

    def _kept(self) -> dict[str, Any]:
        return {"signs": [list(sign) for sign in self._signs], "score": self._score, "cut": self.cut, "memory": self._memory.kept()}

    def _resume(self, kept: Mapping[str, Any]) -> None:
        self._signs, self._score, self.cut = [Sign(*one) for one in kept["signs"]], kept["score"], kept["cut"]
        self._memory = self._joint.resumed(state_of(kept["memory"]))

    def _has_text(self) -> bool:
        return bool(self._signs)

    def partial(self) -> Piece:
        """As `Decoder.partial`."""
        return Piece(tuple(self._signs), self._score)


class Text(NamedTuple):
    """A text of a beam: its symbols; where they stand in the likeliest way to write it, and the logarithm of that way's probability; of all ways that were kept; and what is remembered."""

    symbols: tuple[int, ...]
    signs: tuple[Sign, ...]
    way: float
    score: float
    memory: Memory


class TransducerBeam(Decoder):
    """The likeliest texts, with the probabilities of all ways to write each that have one symbol at most in a step, as far as the beam keeps their beginnings.

    Attributes:
        cut, firsts: as in `TransducerGreedy`; a beam cuts nothing.
    Source:     Kim et al. 2020 (modified beam search: one expansion a step); texts that are equal are one, as in Graves 2012.
    """

    def __init__(self, rule: EndRule, joint: Joint, beam_size: int) -> None:
        super().__init__(rule)
        self._joint, self.beam_size = joint, beam_size
        self._texts = [Text((), (), 0.0, 0.0, joint.begin())]
        self._rows = np.empty((0, 0))
        self.cut = 0
        self.firsts: list[np.ndarray] | None = None

    def _restart(self) -> None:
        self._texts = [Text((), (), 0.0, 0.0, self._texts[0].memory)]

    def _likeliest_of(self, row: np.ndarray) -> int:
        self._rows = self._joint(row, [text.memory for text in self._texts])  # [N, V]
        return int(self._rows[0].argmax())

    def _read(self, row: np.ndarray) -> None:
        rows, place = self._rows, {text.symbols: number for number, text in enumerate(self._texts)}
        longer = np.array([text.score for text in self._texts])[:, None] + rows[:, 1:]  # [N, V - 1]
        kept = [text._replace(way=text.way + float(one[BLANK]), score=text.score + float(one[BLANK])) for text, one in zip(self._texts, rows)]
        for number, text in enumerate(kept):  # a text that is another one and a symbol is there already
            before = place.get(text.symbols[:-1]) if text.symbols else None
            if before is not None:
                symbol = text.symbols[-1]
                kept[number] = _joined(text, self._longer(before, symbol, rows), float(longer[before, symbol - 1]))
                longer[before, symbol - 1] = -np.inf
        scores = np.concatenate([np.array([text.score for text in kept]), longer.ravel()])
        chosen = [int(one) for one in np.argsort(-scores, kind="stable")[: self.beam_size] if scores[one] > -np.inf]
        texts = list[Text]()
        for one in chosen:
            if one < len(kept):
                texts.append(kept[one])
                continue
            before, symbol = divmod(one - len(kept), longer.shape[1])
            new = self._longer(before, symbol + 1, rows)
            texts.append(new._replace(score=float(scores[one]), memory=self._joint.after(new.memory, symbol + 1)))
        self._texts = texts
        if self.firsts is not None:
            self.firsts.append(rows[0])

    def _kept(self) -> dict[str, Any]:
        return {"texts": [{**text._asdict(), "symbols": list(text.symbols), "signs": [list(sign) for sign in text.signs], "memory": text.memory.kept()} for text in self._texts]}

    def _resume(self, kept: Mapping[str, Any]) -> None:
        self._texts = [
            Text(tuple(one["symbols"]), tuple(Sign(*sign) for sign in one["signs"]), one["way"], one["score"], self._joint.resumed(state_of(one["memory"]))) for one in kept["texts"]
        ]

    def _longer(self, before: int, symbol: int, rows: np.ndarray) -> Text:
        """A text and one more symbol, with what is remembered before it."""
        text, score = self._texts[before], float(rows[before, symbol])
        return Text((*text.symbols, symbol), (*text.signs, Sign(symbol, self.steps, self.steps + 1, float(np.exp(score)))), text.way + score, text.score + score, text.memory)

    def _has_text(self) -> bool:
        return bool(self._texts[0].symbols)

    def partial(self) -> Piece:
        """As `Decoder.partial`."""
        return Piece(self._texts[0].signs, self._texts[0].score)

    def n_best(self) -> list[tuple[tuple[int, ...], float]]:
        """The texts of the piece so far that the beam keeps, as symbols, each with the logarithm of its probability; the likeliest first."""
        return [(text.symbols, text.score) for text in self._texts]


def _joined(text: Text, other: Text, score: float) -> Text:
    """One text, written in two ways: both count, and the likelier says where its symbols stand."""
    best = text if text.way >= other.way else text._replace(signs=other.signs, way=other.way)
    return best._replace(score=float(np.logaddexp(text.score, score)))


def transducer_decoder(beam_size: int, rule: EndRule, joint: Joint) -> TransducerGreedy | TransducerBeam:
    """The decoder for a beam of this size; 1 is greedy."""
    return TransducerGreedy(rule, joint) if beam_size == 1 else TransducerBeam(rule, joint, beam_size)
