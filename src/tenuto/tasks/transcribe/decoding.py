"""Steps of symbol probabilities as text: greedy, or by a beam over prefixes; both go step by step, so that a stream writes what the whole recording has.

Long silence, and length, end a piece of the text (an end-point); which steps these are follows from the probabilities alone, never from the chunks they came in.

Shapes: T steps, V symbols of which 0 is the blank, N texts of a beam.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tenuto.data.plain import array_of, plain_array
from tenuto.tasks.transcribe.alphabet import BLANK
from tenuto.tasks.transcribe.prior import Knowledge, Known
from tenuto.tasks.transcribe.texts import KeptTexts, new_texts, plain_texts, restore_texts, signs_of


class Sign(NamedTuple):
    """A symbol that was written.

    Attributes:
        symbol: its number. start, end: steps; `end` is the one after its last. probability: the highest that it has in these steps.
    """

    symbol: int
    start: int
    end: int
    probability: float


class Piece(NamedTuple):
    """A part of the text, between two end-points. score: logarithm of its probability, of the steps since the piece before."""

    signs: tuple[Sign, ...]
    score: float


@dataclass(frozen=True)
class EndRule:
    """When a piece ends: something was written and so many steps of blanks followed; or it has so many steps, and what is likeliest is a blank or changes."""

    silence: int = 40
    longest: int = 667


class Decoder(ABC):
    """What reads steps one after the other and gives pieces of text.

    Attributes:
        steps: how many were read.
    """

    def __init__(self, rule: EndRule) -> None:
        self.rule, self.steps = rule, 0
        self._likeliest = BLANK  # of the last step
        self._blanks = 0  # steps running in which that is the blank
        self._begun = 0  # the step at which the piece begins

    def accept(self, rows: np.ndarray) -> Iterator[Piece]:
        """Read steps: log-probabilities [T, V] float64, or what a transducer heard, [T, J]; the pieces that end within them."""
        for row in rows:
            likeliest = self._likeliest_of(row)
            if self.steps - self._begun >= self.rule.longest and (likeliest == BLANK or likeliest != self._likeliest) and self._has_text():
                yield self._end()
            self._likeliest, self._blanks = likeliest, self._blanks + 1 if likeliest == BLANK else 0
            self._read(row)
            self.steps += 1
            if self._blanks >= self.rule.silence:
                if self._has_text():
                    yield self._end()
                else:
                    self._forget()

    def finish(self) -> Piece | None:
        """What is left; None where that is no text."""
        return self._end() if self._has_text() else None

    def kept(self) -> dict[str, Any]:
        """All that it keeps, as plain data."""
        return {"kind": type(self).__name__, "steps": self.steps, "likeliest": self._likeliest, "blanks": self._blanks, "begun": self._begun, **self._kept()}

    def resume(self, kept: Mapping[str, Any]) -> None:
        """Go on from what `kept` of a decoder of the same kind gave."""
        self.steps, self._likeliest, self._blanks, self._begun = (kept[name] for name in ("steps", "likeliest", "blanks", "begun"))
        self._resume(kept)

    def _end(self) -> Piece:
        piece = self.partial()
        self._forget()
        return piece

    def _forget(self) -> None:
        self._begun = self.steps
        self._restart()

    @abstractmethod
    def partial(self) -> Piece:
        """The piece so far."""

    def symbols(self) -> tuple[int, ...]:
        """Those of the piece so far; where they stand is not asked for, which takes a beam as long as the piece is."""
        return tuple(sign.symbol for sign in self.partial().signs)

    def _likeliest_of(self, row: np.ndarray) -> int:
        """The symbol that a step begins with, by itself; asked once, before it is read."""
        return int(row.argmax())

    @abstractmethod
    def _read(self, row: np.ndarray) -> None:
        """Read one step."""

    @abstractmethod
    def _kept(self) -> dict[str, Any]:
        """What it keeps of the piece so far, as plain data."""

    @abstractmethod
    def _resume(self, kept: Mapping[str, Any]) -> None:
        """Set what `_kept` gave."""

    @abstractmethod
    def _has_text(self) -> bool:
        """Whether the piece so far has symbols."""

    @abstractmethod
    def _restart(self) -> None:
        """Begin a new piece, with no symbol before it: one that equals the last of the piece before is a new one (S3)."""


class Greedy(Decoder):
    """The likeliest symbol of each step; runs of one are one symbol, and blanks are none. Its score is that of these steps, symbol by symbol.

    Example:
        >>> rows = np.log(np.array([[0.1, 0.9], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6]]))
        >>> reader = Greedy(EndRule())
        >>> list(reader.accept(rows)), [(one.symbol, one.start, one.end) for one in reader.finish().signs]
        ([], [(1, 0, 2), (1, 3, 4)])
    """

    def __init__(self, rule: EndRule) -> None:
        super().__init__(rule)
        self._restart()

    def _restart(self) -> None:
        self._signs: list[Sign] = []
        self._last, self._score = BLANK, 0.0

    def _read(self, row: np.ndarray) -> None:
        symbol = int(row.argmax())
        self._score += float(row[symbol])
        if symbol != BLANK:
            probability = float(np.exp(row[symbol]))
            if symbol == self._last:
                before = self._signs.pop()
                self._signs.append(Sign(symbol, before.start, self.steps + 1, max(before.probability, probability)))
            else:
                self._signs.append(Sign(symbol, self.steps, self.steps + 1, probability))
        self._last = symbol

    def _kept(self) -> dict[str, Any]:
        return {"signs": [list(sign) for sign in self._signs], "last": self._last, "score": self._score}

    def _resume(self, kept: Mapping[str, Any]) -> None:
        self._signs, self._last, self._score = [Sign(*one) for one in kept["signs"]], kept["last"], kept["score"]

    def _has_text(self) -> bool:
        return bool(self._signs)

    def partial(self) -> Piece:
        """As `Decoder.partial`."""
        return Piece(tuple(self._signs), self._score)


class PrefixBeam(Decoder):
    """The likeliest texts, each with the probabilities of all ways to write it, as far as the beam keeps their beginnings. With a beam that keeps all, this is exact.

    Each text has two probabilities: that of ways whose last step is the blank, and of ways whose last step is its last symbol; only the first can write that symbol once more.
    Times are those of the likeliest single way to write the text, of those that the beam kept. With a prior, texts are ranked by what is heard and what is known together; scores are of what is heard alone.

    Source:     Graves, Mohamed & Hinton 2013; Hannun et al. 2014, algorithm 1.
    """

    def __init__(self, rule: EndRule, beam_size: int, knowledge: Knowledge | None = None) -> None:
        super().__init__(rule)
        self.beam_size, self._knowledge = beam_size, knowledge
        self._texts, self._known = new_texts(beam_size), list[Known]()
        self._restart()
        self._known = [] if knowledge is None else [knowledge.begin()]

    def _restart(self) -> None:
        self._known = [self._known[self._best()]] if self._known else []
        self._texts.begin()
        self._gained = np.zeros(1)  # [N], by the prior since the piece began

    def _read(self, row: np.ndarray) -> None:
        if self._knowledge is None:
            self._texts.read(row, self.steps)
            return
        scores, known, more = self._texts.extended(row), len(self._texts), len(row) - 1
        self._read_what_matters(scores, known)
        gained = np.concatenate([self._gained, (self._gained[:, None] + np.stack([one.gains for one in self._known])[:, 1:]).ravel()])
        best = np.argsort(-(scores + gained), kind="stable")[: self.beam_size]
        best = best[scores[best] > -np.inf]
        self._texts.keep(best, row, self.steps)
        self._gained, places = gained[best], [divmod(one - known, more) for one in best.tolist()]
        self._known = [self._known[one] if one < known else self._knowledge.after(self._known[before], number + 1) for one, (before, number) in zip(best.tolist(), places)]

    def _read_what_matters(self, scores: np.ndarray, known: int) -> None:
        """Has the language model read those texts of which a longer one might be kept: it only takes away, so what is too unlikely without it stays out with it. scores: of the texts, and of the longer ones."""
        assert self._knowledge is not None
        waiting = np.array([bool(one.unread) for one in self._known])
        if not waiting.any():
            return
        gains = np.stack([one.gains for one in self._known])[:, 1:]
        most = scores[known:].reshape(known, -1) + self._gained[:, None] + gains  # [N, V - 1]
        sure = np.concatenate([scores[:known] + self._gained, most[~waiting].ravel()])
        bar = np.sort(sure)[-self.beam_size] if len(sure) >= self.beam_size else -np.inf
        chosen = [int(one) for one in np.flatnonzero(waiting & (most.max(1) >= bar))]
        for one, found in zip(chosen, self._knowledge.read([self._known[one] for one in chosen])):
            self._known[one] = found

    def symbols(self) -> tuple[int, ...]:
        """As `Decoder.symbols`."""
        return self._texts.text(self._best())

    def _best(self) -> int:
        """Which text is the likeliest, if it ends here."""
        if not self._known:
            return 0
        return int(np.argmax(self._texts.totals() + self._gained + np.array([one.ending for one in self._known])))

    def _kept(self) -> dict[str, Any]:
        return {**plain_texts(self._texts), "gained": plain_array(self._gained), "known": [one.kept() for one in self._known]}

    def _resume(self, kept: Mapping[str, Any]) -> None:
        restore_texts(self._texts, kept)
        self._gained, self._known = array_of(kept["gained"]), [Known.of(one) for one in kept["known"]]

    def _has_text(self) -> bool:
        return bool(self.symbols())

    def partial(self) -> Piece:
        """As `Decoder.partial`."""
        return piece_of(self._texts, self._best())

    def n_best(self) -> list[tuple[tuple[int, ...], float]]:
        """The texts of the piece so far that the beam keeps, as symbols, each with the logarithm of its probability; the likeliest first."""
        return [(self._texts.text(place), total) for place, total in enumerate(self._texts.totals().tolist())]


def piece_of(texts: KeptTexts, place: int) -> Piece:
    """A text of a beam."""
    return Piece(tuple(Sign(symbol, start, end, float(np.exp(peak))) for symbol, start, end, peak in signs_of(texts, place)), float(texts.totals()[place]))


def decoder(beam_size: int, rule: EndRule, knowledge: Knowledge | None = None) -> Decoder:
    """The decoder for a beam of this size; 1 is greedy, which takes no prior."""
    return Greedy(rule) if beam_size == 1 else PrefixBeam(rule, beam_size, knowledge)
