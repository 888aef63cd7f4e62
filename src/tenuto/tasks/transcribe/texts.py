"""`Texts`: those that a beam keeps, of CTC or a transducer, in numpy: what runs where there is no compiler, and what the compiled ones (`engines/cpp/texts.py`) are tested against, bit by bit.

Shapes: V symbols, 0 the blank, N texts, S signs of their ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from tenuto import engines
from tenuto.data.plain import array_of, plain_array
from tenuto.engines.cpp import texts as compiled
from tenuto.tasks.transcribe.alphabet import BLANK

NOWHERE = -1


class KeptTexts(Protocol):
    """What a beam asks of its texts; `Texts` says what each does."""

    def __len__(self) -> int: ...
    def begin(self) -> None: ...
    def read(self, rows: np.ndarray, step: int) -> None: ...
    def extended(self, rows: np.ndarray) -> np.ndarray: ...
    def keep(self, best: np.ndarray, rows: np.ndarray, step: int) -> None: ...
    def totals(self) -> np.ndarray: ...
    def text(self, place: int) -> tuple[int, ...]: ...
    def arrays(self) -> dict[str, np.ndarray]: ...
    def restore(self, arrays: Mapping[str, np.ndarray]) -> None: ...


class Chain(NamedTuple):
    """A sign and those before it. Ways that begin alike share their chains, so what is kept grows with the text, and not with the steps."""

    before: Chain | None
    symbol: int
    start: int
    end: int
    peak: float


class Way(NamedTuple):
    """The likeliest way to write a text: the logarithm of its probability; its last sign, which may still grow longer; the signs before it. peak: the highest log-probability of that sign."""

    score: float
    before: Chain | None = None
    start: int = 0
    end: int = 0
    peak: float = 0.0


class Text(NamedTuple):
    """A text of the beam. blank, symbol: logarithms of the probabilities of all ways whose last step is the blank, and its last symbol; and the likeliest of each."""

    symbols: tuple[int, ...]
    blank: float
    symbol: float
    by_blank: Way
    by_symbol: Way

    @property
    def last(self) -> int:
        """Its last symbol; the blank, if it has none."""
        return self.symbols[-1] if self.symbols else BLANK


NEVER = Way(-np.inf)


class Texts:
    """The likeliest texts of a beam, at most so many.

    Args:
        most: how many. again: a symbol in the step after its own is the same one, going on, as with CTC; else it is written once more.
    """

    def __init__(self, most: int, *, again: bool = True) -> None:
        self._most, self._again = most, again
        self.begin()

    def __len__(self) -> int:
        return len(self._texts)

    def begin(self) -> None:
        """One text, without a symbol."""
        self._texts = [Text((), 0.0, -np.inf, Way(0.0), NEVER)]

    def read(self, rows: np.ndarray, step: int) -> None:
        """A step, by what is heard alone: log-probabilities [V], or after each of the texts [N, V]."""
        scores = self.extended(rows)
        best = np.argsort(-scores, kind="stable")[: self._most]
        self.keep(best[scores[best] > -np.inf], rows, step)

    def extended(self, rows: np.ndarray) -> np.ndarray:
        """[N + N (V - 1)] logarithms of the probabilities after a step: of these texts, and of each with one more symbol, -inf where that is one of these."""
        blanks, symbols = (np.array([text[place] for text in self._texts]) for place in (1, 2))
        total, last = np.logaddexp(blanks, symbols), np.array([text.last for text in self._texts])
        rows, every = _each(rows, len(self._texts)), np.arange(len(self._texts))
        longer = total[:, None] + rows[:, 1:]  # [N, V - 1]
        self._blank, self._symbol = total + rows[:, BLANK], np.full(len(total), -np.inf)
        if self._again:
            written = np.flatnonzero(last != BLANK)
            longer[written, last[written] - 1] = blanks[written] + rows[written, last[written]]
            self._symbol = np.where(last == BLANK, -np.inf, symbols + rows[every, last])
        place = {text.symbols: number for number, text in enumerate(self._texts)}
        self._merged = [place.get(text.symbols[:-1], NOWHERE) if text.symbols else NOWHERE for text in self._texts]
        for number, before in enumerate(self._merged):  # a text that is another one and a symbol is there already
            if before != NOWHERE:
                self._symbol[number] = np.logaddexp(self._symbol[number], longer[before, last[number] - 1])
                longer[before, last[number] - 1] = -np.inf
        self._scores = np.concatenate([np.logaddexp(self._blank, self._symbol), longer.ravel()])
        return self._scores

    def keep(self, best: np.ndarray, rows: np.ndarray, step: int) -> None:
        """After `extended` of the same step: those that stay, by their places in it."""
        self._chains: dict[tuple[int, bool], Chain | None] = {}
        found, rows = list[Text](), _each(rows, len(self._texts))
        for one in best.tolist():
            if one < len(self._texts):
                found.append(self._stayed(one, rows, step))
            else:
                before, number = divmod(one - len(self._texts), rows.shape[1] - 1)
                found.append(Text((*self._texts[before].symbols, number + 1), -np.inf, float(self._scores[one]), NEVER, self._written(before, number + 1, rows, step)))
        self._texts = found

    def _stayed(self, place: int, rows: np.ndarray, step: int) -> Text:
        text, row = self._texts[place], rows[place]
        better, way, last = _better(text), text.by_symbol, text.last
        if last != BLANK:
            way = Way(way.score + float(row[last] if self._again else -np.inf), way.before, way.start, step + 1, max(way.peak, float(row[last])))
            if self._merged[place] != NOWHERE:
                other = self._written(self._merged[place], last, rows, step)
                way = other if other.score > way.score else way
        return Text(text.symbols, float(self._blank[place]), float(self._symbol[place]), better._replace(score=better.score + float(row[BLANK])), way)

    def _written(self, before: int, symbol: int, rows: np.ndarray, step: int) -> Way:
        """The likeliest way of a text and one more symbol: after a blank, if it would else go on."""
        text, row = self._texts[before], rows[before]
        way = text.by_blank if self._again and text.last == symbol else _better(text)
        key = before, way is text.by_symbol
        if key not in self._chains:
            self._chains[key] = Chain(way.before, text.last, way.start, way.end, way.peak) if text.symbols else None
        return Way(way.score + float(row[symbol]), self._chains[key], step, step + 1, float(row[symbol]))

    def totals(self) -> np.ndarray:
        """[N] logarithms of the probabilities of the texts."""
        return np.array([np.logaddexp(text.blank, text.symbol) for text in self._texts])

    def text(self, place: int) -> tuple[int, ...]:
        """The symbols of a text."""
        return self._texts[place].symbols

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything as numbers: signs [S, 4] (the place of the one before, symbol, start, end) and their peaks [S]; for each text its last symbol and (the sign before, start, end) of both ways [N, 7]; blank, symbol, (score, peak) of both ways [N, 6]."""
        places, signs = dict[int, int](), list[Chain]()

        def place_of(chain: Chain | None) -> int:
            new = list[Chain]()
            while chain is not None and id(chain) not in places:
                new.append(chain)
                chain = chain.before
            for one in reversed(new):
                places[id(one)] = len(signs)
                signs.append(one)
            return NOWHERE if not new and chain is None else places[id(new[0] if new else chain)]

        texts = [[text.last, *(number for way in text[3:] for number in (place_of(way.before), way.start, way.end))] for text in self._texts]
        return {
            "signs": np.array([(NOWHERE if one.before is None else places[id(one.before)], one.symbol, one.start, one.end) for one in signs], dtype=np.int64).reshape(-1, 4),
            "peaks": np.array([one.peak for one in signs], dtype=np.float64),
            "texts": np.array(texts, dtype=np.int64),
            "scores": np.array([(text.blank, text.symbol, *(part for way in text[3:] for part in (way.score, way.peak))) for text in self._texts], dtype=np.float64),
        }  # fmt: skip

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Set what `arrays` of these, or of compiled ones, gave."""
        signs, peaks, texts, scores = (arrays[name].tolist() for name in ("signs", "peaks", "texts", "scores"))
        chains = list[Chain]()
        for (before, *sign), peak in zip(signs, peaks):
            symbol, start, end = sign
            chains.append(Chain(chains[before] if before != NOWHERE else None, symbol, start, end, peak))
        self._texts = []
        for (last, *places), (all_by_blank, all_by_symbol, *parts) in zip(texts, scores):
            by_blank, by_symbol = (Way(parts[at], chains[one] if one != NOWHERE else None, start, end, parts[at + 1]) for at, (one, start, end) in ((0, places[:3]), (2, places[3:])))
            before = (by_blank if by_blank.score > -np.inf else by_symbol).before
            symbols = [last] if last != BLANK else []
            while before is not None:
                symbols.append(before.symbol)
                before = before.before
            self._texts.append(Text(tuple(reversed(symbols)), all_by_blank, all_by_symbol, by_blank, by_symbol))


def _each(rows: np.ndarray, count: int) -> np.ndarray:
    """[N, V] of what each text's row is, or all texts' row [V]."""
    return np.broadcast_to(rows, (count, rows.shape[-1]))


def _better(text: Text) -> Way:
    """The likelier of a text's ways."""
    return text.by_symbol if text.by_symbol.score > text.by_blank.score else text.by_blank


def plain_texts(texts: KeptTexts) -> dict[str, Any]:
    """All that they are, as plain data; of compiled ones and of those in numpy alike."""
    return {name: plain_array(each) for name, each in texts.arrays().items()}


def restore_texts(texts: KeptTexts, kept: Mapping[str, Any]) -> None:
    """Set what `plain_texts` gave."""
    texts.restore({name: array_of(kept[name]) for name in ("signs", "peaks", "texts", "scores")})


def signs_of(texts: KeptTexts, place: int) -> list[tuple[int, int, int, float]]:
    """(symbol, start, end, highest log-probability) of each sign in the likeliest way to write a text."""
    found = texts.arrays()
    signs, peaks = found["signs"].tolist(), found["peaks"].tolist()
    last, *places = found["texts"][place].tolist()
    _, _, blank, blank_peak, symbol, symbol_peak = found["scores"][place].tolist()
    if last == BLANK:
        return []
    (before, start, end), peak = (places[3:], symbol_peak) if symbol > blank else (places[:3], blank_peak)
    line = [(last, start, end, peak)]
    while before != NOWHERE:
        before_that, *sign = signs[before]
        line.append((*sign, peaks[before]))
        before = before_that
    return line[::-1]


def new_texts(most: int, *, again: bool = True) -> KeptTexts:
    """Compiled ones; where there is no compiler, or another engine is asked for, those in numpy."""
    return compiled.CompiledTexts(most, again=again) if engines.wanted("auto") in ("auto", "cpp") and compiled.available() else Texts(most, again=again)
