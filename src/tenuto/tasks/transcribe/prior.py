"""`Prior`: what is known of texts before anything is heard: a language model, and words that are expected (hot words). A beam adds it to what it hears.

Shapes: V symbols, 0 the blank.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from tenuto.data.plain import array_of, plain_array
from tenuto.data.text.streams import IGNORED, Window
from tenuto.errors import ArgumentError
from tenuto.files import digest_of, plain
from tenuto.layers.rows import chosen_rows, joined_rows
from tenuto.networks.exact import unchanging
from tenuto.scalars import number
from tenuto.tasks.transcribe.alphabet import NAMES, Alphabet
from tenuto.tongues import argument
from tenuto.train.nested import mapped, nested_of, plain_nested


@dataclass(frozen=True)
class Prior:
    """What is known of texts before anything is heard.

    Args:
        language_model: a fitted `LanguageModel` of characters, or None.
        weight: what its log-probabilities are multiplied by before they are added to those of what is heard (shallow fusion).
        bonus: nats for each character that is written; a language model makes long texts unlikely, which this makes up for.
        hot_words: words, or several with spaces between, each with its bonus in nats. A part of it counts as soon as the word is begun, and is taken back where something else comes of it.
    Raises:
        ArgumentError: there is nothing in it, or a number is out of range.
    Source:     Shallow fusion: Gulcehre et al. 2015. Hot words: Zhao et al. 2019, section 3.1.
    """

    language_model: Any = None
    weight: float = 0.3
    bonus: float = 0.0
    hot_words: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.language_model is None and not self.hot_words and not self.bonus:
            raise ArgumentError("the prior knows nothing.", expected="a language model, or hot words")
        for name, least in (("weight", 0.0), ("bonus", -np.inf)):
            if (found := number(getattr(self, name))) is None or not least <= found < np.inf:
                raise ArgumentError(f"{argument(name, getattr(self, name))} is out of range.", expected="a number, 0 or more" if least == 0 else "a number")
        for word, bonus in self.hot_words.items():
            if not word.strip() or (found := number(bonus)) is None or not np.isfinite(found):
                raise ArgumentError(f"the hot word {word!r} with {bonus!r} cannot be.", expected="a word, and its bonus in nats")

    def open(self, alphabet: Alphabet) -> Knowledge:
        """The same for a search that writes this alphabet, one of characters.

        Raises:
            ArgumentError: the language model does not know its characters, or is not one of characters; a hot word has others.
        """
        if alphabet.units != "characters":
            raise ArgumentError(f"a prior is of characters, and this transcriber writes {NAMES[alphabet.units]}.", expected=f"one trained with {argument('units', 'characters')}")
        return Knowledge(alphabet, Fusion(self.language_model, alphabet, self.weight) if self.language_model is not None else None, HotWords(self.hot_words, alphabet), self.bonus)


class Known(NamedTuple):
    """What is known after a text.

    Attributes:
        hot: places in hot words that were begun. state: of the language model, of one row; None without one.
        gains: [V] float64, what each symbol adds that comes next; if `unread` is a symbol, without the language model, so at least as much: the language model, whose state is that before it, has not read that symbol yet.
        ending: what is added if the text ends here: minus what was given for hot words that are not whole.
    """

    hot: Hot
    state: Any
    gains: np.ndarray
    ending: float
    unread: int = 0

    def kept(self) -> dict[str, Any]:
        """As plain data."""
        return {"hot": [[list(one) for one in self.hot.begun], self.hot.between], "state": plain_nested(self.state), "gains": plain_array(self.gains), "ending": self.ending, "unread": self.unread}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Known:
        """What `kept` made plain."""
        begun, between = kept["hot"]
        return cls(Hot(tuple((one, place) for one, place in begun), between), nested_of(kept["state"]), array_of(kept["gains"]), kept["ending"], kept["unread"])


class Knowledge:
    """A `Prior` in a search, text by text."""

    def __init__(self, alphabet: Alphabet, fusion: Fusion | None, hot: HotWords, bonus: float) -> None:
        self._size, self._fusion, self._hot, self._bonus = len(alphabet), fusion, hot, bonus

    def begin(self) -> Known:
        """Before the first symbol."""
        scores, state = (np.zeros(self._size), None) if self._fusion is None else self._fusion.begin()
        return self._known(Hot((), True), scores, state)

    def after(self, known: Known, symbol: int) -> Known:
        """After one more symbol, which the language model has not read; what comes before it, it must have."""
        assert not known.unread
        found = self._known(self._hot.after(known.hot, symbol), np.zeros(self._size), known.state)
        return found if self._fusion is None else found._replace(unread=symbol)

    def read(self, known: Sequence[Known]) -> list[Known]:
        """The same, after the language model has read what it had not."""
        if self._fusion is None:
            return list(known)
        found = self._fusion.after([one.state for one in known], [one.unread for one in known])
        return [self._known(one.hot, scores, state) for one, (scores, state) in zip(known, found)]

    def _known(self, hot: Hot, scores: np.ndarray, state: Any) -> Known:
        gains = scores + self._bonus + self._hot.gains(hot, self._size)
        gains[0] = 0.0
        return Known(hot, state, gains, self._hot.ending(hot))


class Hot(NamedTuple):
    """Where a text stands in hot words: begun: (the word's number, how many of its symbols); between: whether a word may begin here."""

    begun: tuple[tuple[int, int], ...]
    between: bool


class HotWords:
    """Hot words as a machine that reads symbols. A word that is whole counts when a space, or the end, comes after it."""

    def __init__(self, words: Mapping[str, float], alphabet: Alphabet) -> None:
        self._words = [tuple(self._numbers(word, alphabet)) for word in words]
        self._bonus = [float(bonus) for bonus in words.values()]
        self._space = next((place for place, character in enumerate(alphabet.characters, 1) if character == " "), None)

    @staticmethod
    def _numbers(word: str, alphabet: Alphabet) -> list[int]:
        if outside := alphabet.outside(word):
            raise ArgumentError(f"the hot word {word!r} has characters that the transcriber never writes.", expected="".join(alphabet.characters), received=" ".join(outside))
        return alphabet.numbers(word)

    def after(self, hot: Hot, symbol: int) -> Hot:
        """After one more symbol."""
        begun = [*hot.begun, *((word, 0) for word in range(len(self._words)) if hot.between)]
        going = tuple((word, place + 1) for word, place in begun if place < len(self._words[word]) and self._words[word][place] == symbol)
        return Hot(going, symbol == self._space)

    def gains(self, hot: Hot, size: int) -> np.ndarray:
        """[V] what each symbol adds: the parts of words that it goes on with, less what was given for those that it leaves."""
        if not self._words:
            return np.zeros(size)
        before = self._given(hot)
        found = np.full(size, -before)
        for word, place in hot.begun:
            if place == len(self._words[word]) and self._space is not None:
                found[self._space] += self._bonus[word]  # it is whole, and stays
        for symbol in {self._words[word][place] for word, place in self._open(hot)}:
            found[symbol] += self._given(self.after(hot, symbol))
        return found

    def ending(self, hot: Hot) -> float:
        """What is added where the text ends."""
        return sum(self._bonus[word] for word, place in hot.begun if place == len(self._words[word])) - self._given(hot)

    def _open(self, hot: Hot) -> Iterator[tuple[int, int]]:
        yield from ((word, place) for word, place in hot.begun if place < len(self._words[word]))
        if hot.between:
            yield from ((word, 0) for word in range(len(self._words)))

    def _given(self, hot: Hot) -> float:
        """What counts of words that are not closed: the most of any one."""
        parts = [self._bonus[word] * place / len(self._words[word]) for word, place in hot.begun]
        return max(parts, key=abs) if parts else 0.0


class Fusion:
    """A language model's log-probabilities of characters, times a weight.

    Args:
        model: a fitted `LanguageModel`.
    """

    def __init__(self, model: Any, alphabet: Alphabet, weight: float) -> None:
        vocabulary = getattr(model, "vocabulary_", None)
        if vocabulary is None or vocabulary.units != "characters":
            raise ArgumentError("the prior needs a fitted language model of characters.", expected=f"a language model fitted with {argument('units', 'characters')}", received=type(model).__name__)
        known = {symbol.decode("utf-8", errors="replace"): place for place, symbol in enumerate(vocabulary.symbols)}
        missing = [character for character in alphabet.characters if character not in known]
        if missing and vocabulary.unknown is None:
            raise ArgumentError(
                f"the language model does not know {len(missing)} of the characters that the transcriber writes.", received=" ".join(missing),
                fix=f"train it with {argument('unknown', 'symbol')}, or on text that has them",
            )  # fmt: skip
        self._tokens = [known.get(character, vocabulary.unknown) for character in alphabet.characters]
        self._first = vocabulary.boundary if vocabulary.boundary is not None else known.get("\n", known.get(" ", 0))
        self._network, self._device, self._weight = model.network_, model.device, weight

    def begin(self) -> tuple[np.ndarray, Any]:
        """[V] scores of what comes first, and the state."""
        return self._read([self._first], None)[0]

    def after(self, states: Sequence[Any], symbols: Sequence[int]) -> list[tuple[np.ndarray, Any]]:
        """The same after one more symbol each."""
        if not symbols:
            return []
        together = joined_rows([mapped(state, lambda part: part.to(self._device)) for state in states])
        return self._read([self._tokens[symbol - 1] for symbol in symbols], together)

    @torch.no_grad()
    def _read(self, tokens: list[int], state: Any) -> list[tuple[np.ndarray, Any]]:
        inputs = torch.tensor([tokens], device=self._device)
        output, after = unchanging(lambda: self._network.encode(Window(inputs, torch.full_like(inputs, IGNORED), None), state))
        head = self._network.head
        scores = head.log_probabilities(head.project(output))[0].double().cpu().numpy()[:, self._tokens] * self._weight  # [N, V - 1]
        return [(np.concatenate([[0.0], row]), chosen_rows(after, slice(place, place + 1))) for place, row in enumerate(scores)]


def hot_words_of(given: str) -> dict[str, float]:
    """WORD=NATS,WORD=NATS as a dictionary.

    Raises:
        ArgumentError: it is not that.
    Example:
        >>> hot_words_of("tea=2,new york=4.5")
        {'tea': 2.0, 'new york': 4.5}
    """
    found = dict[str, float]()
    for part in filter(None, (part.strip() for part in given.split(","))):
        word, _, bonus = part.rpartition("=")
        try:
            found[word.strip()] = float(bonus)
        except ValueError:
            raise ArgumentError(f"the hot word {part!r} has no bonus.", expected="WORD=NATS, with commas between several", received=given[:80]) from None
    return found


def digest(prior: Prior | None) -> str:
    """What tells one prior from another, in a snapshot."""
    if prior is None:
        return ""
    model = None if prior.language_model is None else prior.language_model.digest()
    return digest_of(plain({"language_model": model, "weight": prior.weight, "bonus": prior.bonus, "hot_words": prior.hot_words}), {})
