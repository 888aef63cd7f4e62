"""What a transducer heard as text, step by step: greedy with several symbols in a step, or by a beam with one at most.

An end-point changes nothing of what comes after: what was written is remembered. Shapes: J width of the joint network, V symbols of which 0 is the blank, N texts of a beam.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tenuto.tasks.transcribe.alphabet import BLANK
from tenuto.tasks.transcribe.decoding import Decoder, EndRule, Piece, Sign, piece_of
from tenuto.tasks.transcribe.predictor import state_of
from tenuto.tasks.transcribe.texts import new_texts, plain_texts, restore_texts
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
        self._score, self._going = 0.0, BLANK

    def _likeliest_of(self, row: np.ndarray) -> int:
        self._first = self._joint(row, [self._memory])[0]
        return int(self._first.argmax())

    def _read(self, row: np.ndarray) -> None:
        frame = self._joint.greedy(row, self._memory, self._going, self._first)
        before = self._signs.pop() if frame.again else None
        self._signs += [Sign(symbol, before.start if before else self.steps, self.steps + 1, max(probability, before.probability if before else 0.0)) for symbol, probability in frame.symbols]
        self._score, self._memory, self._going, self.cut = self._score + frame.score, frame.memory, frame.going, self.cut + frame.cut
        if self.firsts is not None:
            self.firsts.append(self._first)

    def _kept(self) -> dict[str, Any]:
        return {"signs": [list(sign) for sign in self._signs], "score": self._score, "cut": self.cut, "going": self._going, "memory": self._memory.kept()}

    def _resume(self, kept: Mapping[str, Any]) -> None:
        self._signs, self._score, self.cut, self._going = [Sign(*one) for one in kept["signs"]], kept["score"], kept["cut"], kept["going"]
        self._memory = self._joint.resumed(state_of(kept["memory"]))

    def _has_text(self) -> bool:
        return bool(self._signs)

    def partial(self) -> Piece:
        """As `Decoder.partial`."""
        return Piece(tuple(self._signs), self._score)


class TransducerBeam(Decoder):
    """The likeliest texts, with the probabilities of all ways to write each that have one symbol at most in a step, as far as the beam keeps their beginnings.

    Attributes:
        cut, firsts: as in `TransducerGreedy`; a beam cuts nothing.
    Source:     Kim et al. 2020 (modified beam search: one expansion a step); texts that are equal are one, as in Graves 2012.
    """

    def __init__(self, rule: EndRule, joint: Joint, beam_size: int) -> None:
        super().__init__(rule)
        self.beam_size, self._joint = beam_size, joint
        self._texts, self._memories = new_texts(beam_size, again=joint.goes_on), [joint.begin()]
        self._rows = np.empty((0, 0))
        self.cut = 0
        self.firsts: list[np.ndarray] | None = None

    def _restart(self) -> None:
        self._texts.begin()
        self._memories = self._memories[:1]

    def _likeliest_of(self, row: np.ndarray) -> int:
        self._rows = self._joint(row, self._memories)  # [N, V]
        return int(self._rows[0].argmax())

    def _read(self, row: np.ndarray) -> None:
        scores, known = self._texts.extended(self._rows), len(self._texts)
        best = np.argsort(-scores, kind="stable")[: self.beam_size]
        best = best[scores[best] > -np.inf]
        self._texts.keep(best, self._rows, self.steps)
        places = [divmod(one - known, self._rows.shape[1] - 1) for one in best.tolist()]
        self._memories = [self._memories[one] if one < known else self._joint.after(self._memories[before], number + 1) for one, (before, number) in zip(best.tolist(), places)]
        if self.firsts is not None:
            self.firsts.append(self._rows[0])

    def _kept(self) -> dict[str, Any]:
        return {**plain_texts(self._texts), "memories": [memory.kept() for memory in self._memories]}

    def _resume(self, kept: Mapping[str, Any]) -> None:
        restore_texts(self._texts, kept)
        self._memories = [self._joint.resumed(state_of(one)) for one in kept["memories"]]

    def symbols(self) -> tuple[int, ...]:
        """As `Decoder.symbols`."""
        return self._texts.text(0)

    def _has_text(self) -> bool:
        return bool(self.symbols())

    def partial(self) -> Piece:
        """As `Decoder.partial`."""
        return piece_of(self._texts, 0)

    def n_best(self) -> list[tuple[tuple[int, ...], float]]:
        """The texts of the piece so far that the beam keeps, as symbols, each with the logarithm of its probability; the likeliest first."""
        return [(self._texts.text(place), total) for place, total in enumerate(self._texts.totals().tolist())]


def transducer_decoder(beam_size: int, rule: EndRule, joint: Joint) -> TransducerGreedy | TransducerBeam:
    """The decoder for a beam of this size; 1 is greedy."""
    return TransducerGreedy(rule, joint) if beam_size == 1 else TransducerBeam(rule, joint, beam_size)
