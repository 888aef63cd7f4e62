"""The symbols of one side of the pairs: how a text is split into them, and their numbers.

Four numbers are reserved: padding, the beginning, the end, and "unknown", which stands for every symbol that has no number of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from tenuto.choices import require
from tenuto.data.pairs.pairs import Side
from tenuto.errors import DataError
from tenuto.tongues import either

PADDING, BEGINNING, END, UNKNOWN, FIRST = 0, 1, 2, 3, 4
KINDS = ("characters", "words", "tokens")
AUTO = "auto"  # `kind_of` decides
# Words are symbols where so few are seen only once that about one new word in a hundred, at most, is unknown (Good 1953), and a table of them is small.
UNSEEN_WORDS, MOST_WORDS = 0.01, 2000
UNKNOWN_RULES = ("error", "symbol")


def check_kind(name: str, kind: str) -> None:
    """Raise ArgumentError unless `kind` is one of KINDS or "auto"; `name` is the option that the message names."""
    require(name, kind, (AUTO, *KINDS))


def kind_of(sides: Sequence[Side]) -> str:
    """What a symbol of these sides is: "tokens" if all are lists; "words" if they are texts of several words, of which there are few that come again
    and again, as the sounds of a spelling are; else "characters".

    Example:
        >>> kind_of(["K AE T", "T AE K"] * 20), kind_of(["the cat sat", "a dog ran"]), kind_of(["cat", "dog"]), kind_of([("K", "AE")])
        ('words', 'characters', 'characters', 'tokens')
    """
    if all(not isinstance(side, str) for side in sides):
        return "tokens"
    words = [split_side(side, "words") for side in sides]
    counts = Counter(word for side in words for word in side)
    amount = sum(counts.values())
    few = len(counts) <= MOST_WORDS and sum(count == 1 for count in counts.values()) <= UNSEEN_WORDS * amount
    return "words" if few and amount >= 2 * len(sides) else "characters"


def split_side(side: Side, kind: str) -> tuple[str, ...]:
    """The symbols of a text: its characters (code points, with the blanks), or its words (split at white space). A tuple stays as it is.

    Raises:
        DataError: a text, where kind is "tokens".
    Example:
        >>> split_side("in time", "characters")[:4], split_side("in time", "words"), split_side(("T", "AY"), "words")
        (('i', 'n', ' ', 't'), ('in', 'time'), ('T', 'AY'))
    """
    if not isinstance(side, str):
        return tuple(side)
    if kind == "characters":
        return tuple(side)
    if kind == "words":
        return tuple(side.split())
    raise DataError(
        "a text was given where symbols are expected.",
        expected='a list of symbols, for example ["K", "AE", "T"]',
        received=repr(side[:40]),
        fix='choose "characters" or "words" for this side, or give lists of symbols (in files: JSON lines)',
    )


def join_side(symbols: Sequence[str], kind: str) -> Side:
    """The inverse of `split_side`: a text, or a tuple for "tokens". Words are joined with one blank."""
    if kind == "tokens":
        return tuple(symbols)
    return ("" if kind == "characters" else " ").join(symbols)


class Symbols:
    """A list of symbols, numbered from `FIRST` on.

    Args:
        names: the symbols, each once.
    Example:
        >>> table = Symbols.learn([("a", "b"), ("a",)], minimum_count=2)
        >>> table.numbers(("a", "b"), where="pair '0'", unknown="symbol").tolist(), len(table)
        ([4, 3], 5)
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self._number = {name: number for number, name in enumerate(self.names, FIRST)}
        if len(self._number) < len(self.names):
            raise DataError("a symbol occurs twice in the list of symbols.", fix="name each once")

    @classmethod
    def learn(cls, sides: Iterable[Sequence[str]], *, minimum_count: int = 1) -> Symbols:
        """Every symbol that occurs `minimum_count` times or more, sorted."""
        counts = Counter(symbol for side in sides for symbol in side)
        return cls(sorted(symbol for symbol, count in counts.items() if count >= minimum_count))

    def __len__(self) -> int:
        """How many numbers there are, the four special ones included."""
        return FIRST + len(self.names)

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._number

    def numbers(self, side: Sequence[str], *, where: str, unknown: str = "error") -> np.ndarray:
        """The numbers of the symbols of a side, [n] int64.

        Args:
            where: what a message calls the side.
            unknown: what a symbol without a number becomes: "error", an error; "symbol", the number UNKNOWN.
        Raises:
            DataError: a symbol has no number and `unknown` is "error".
        """
        found = np.fromiter((self._number.get(symbol, UNKNOWN) for symbol in side), dtype=np.int64, count=len(side))
        if unknown == "error" and (found == UNKNOWN).any():
            place = int(np.argmax(found == UNKNOWN))
            raise DataError(
                f"{where} has a symbol that training never saw: {side[place]!r} at position {place}.",
                expected=" ".join(self.names[:60]) + (" ..." if len(self.names) > 60 else ""),
                received=f"{side[place]!r} (U+{ord(side[place]):04X})" if len(side[place]) == 1 else repr(side[place]),
                fix="correct the text, or read all unknown symbols as one special symbol: " + either("set_params(unknown='symbol')", "fit with --unknown symbol"),
            )
        return found

    def texts(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """The symbols of these numbers; special numbers are left out."""
        return tuple(self.names[number - FIRST] for number in numbers if number >= FIRST)
