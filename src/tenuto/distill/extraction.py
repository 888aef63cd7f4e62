"""`automaton`: a finite automaton that answers as a network does that reads tokens, found by asking the network, with how often the two agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.choices import require
from tenuto.distill.automaton import Automaton
from tenuto.distill.learning import Asked, Word, learn
from tenuto.errors import ArgumentError, TenutoError
from tenuto.files import write_text
from tenuto.scalars import whole
from tenuto.scores.classification import wilson_interval
from tenuto.tasks.estimator import Estimator
from tenuto.tongues import argument, either

METHODS, OTHERS = ("lstar", "kv"), ("drop", "unknown")
OTHER = "⟨other⟩"  # the letter that stands for all tokens that are none
USUAL_LENGTH, LEAST_LENGTH = 12, 2  # of random words, where there are no data
MEASURED = 1000  # random words on which the two are compared
Model = Estimator | Callable[[list[Word]], Sequence[Any]]


@dataclass(frozen=True)
class Agreement:
    """How often an automaton answers as the model. share: 0..1. interval: Wilson's, 95 %. words: of how many different ones."""

    share: float
    interval: Sequence[float]
    words: int

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.share:.2%} of {self.words} (95 % interval {low:.1%} to {high:.1%})"


@dataclass(frozen=True)
class Extraction:
    """An automaton, and how well it stands in the model's place.

    Attributes:
        automaton: what was found.
        random: the agreement on random words that were not used to find it; where all words of this length were, on these.
        data: the agreement on words of the data that were not used to find it: items, with the tokens that are letters, cut at the longest length. None without data.
        items: the agreement with the model's answers to these items as they are, with all their tokens. None without data.
        others: what became of tokens that are no letters: "drop" or "unknown". covered: the share of the data's tokens that are letters; None without data.
        asked: how many words the model was asked for. rounds: how many automata were examined.
        bound: which bound ended it, in words; None where no word was left on which the automaton was found wrong.
    """

    automaton: Automaton
    random: Agreement
    data: Agreement | None
    items: Agreement | None
    others: str
    covered: float | None
    asked: int
    rounds: int
    bound: str | None

    def __str__(self) -> str:
        ended = f"ended by its bound of {self.bound}" if self.bound else "no word found on which it is wrong"
        lines = [str(self.automaton), f"{self.automaton.kind}, {len(self.automaton)} states, {self.rounds} rounds, {self.asked} words asked; {ended}"]
        lines += [f"agreement on {name}: {found}" for name, found in self.agreements()]
        if self.covered is not None:
            lines.append(f"letters: {self.covered:.1%} of the tokens; the others are {'dropped' if self.others == 'drop' else 'read as unknown'}")
        return "\n".join(lines)

    def agreements(self) -> list[tuple[str, Agreement]]:
        """What was measured, each with its name."""
        named = (("random words", self.random), ("words of the data", self.data), ("whole items of the data", self.items))
        return [(name, found) for name, found in named if found is not None]

    def to_html(self, path: str | Path, *, title: str = "") -> Path:
        """Write a page: the picture where it can be read, the table of moves, and how often the two agree.

        Args:
            title: what was asked, for the heading.
        """
        from tenuto.distill.page import page_of

        write_text(Path(path), page_of(self, title))
        return Path(path)


def automaton(
    model: Model,
    data: Any = None,
    *,
    alphabet: int | Sequence[str] = 8,
    others: str = "drop",
    states: int = 30,
    queries: int = 20_000,
    length: int | None = None,
    method: str = "lstar",
    seed: int = 0,
) -> Extraction:
    """Find a finite automaton that answers as the model does, over a small alphabet.

    A classifier of texts answers a class, a language model the symbol that it finds likeliest to come next. The automaton answers at every length; what the model
    answers to nothing at all is what it answers to a word that it does not know. Half of the data's words help to find it, the other half measure it.

    Args:
        model: a fitted estimator, or a function that gives an answer for each of a list of words; a word is a tuple of letters, and may be empty.
        data: as `predict` takes it. A function needs none.
        alphabet: the letters, or how many of the data's most frequent tokens are letters.
        others: what becomes of the data's other tokens: "drop", or "unknown": they are one more letter, a token that the model does not know.
        states, queries: bounds: states of the automaton, and words that the model is asked for while it is learnt.
        length: of the longest words, in letters. Default: as the data's items, up to 30.
        method: "lstar" (Angluin's L*) or "kv" (Kearns and Vazirani), as aalpy has them.
        seed: of the random words.
    Raises:
        ArgumentError: aalpy is not installed, the model does not read tokens, or an option is out of range. As `predict` of the estimator.
    Source:     Angluin 1987; for recurrent networks, Weiss, Goldberg, Yahav 2018. Differs: counterexamples come from random words and the data, not from the network's states.
    Example:
        >>> found = automaton(lambda words: [sum(letter == "1" for letter in word) % 2 for word in words], alphabet=["0", "1"])
        >>> len(found.automaton), found.automaton.answer("10110"), found.random.share
        (2, 1, 1.0)
    """
    try:
        require("others", others, OTHERS)
        require("method", method, METHODS)
        counts = {"states": states, "queries": queries, **({} if length is None else {"length": length})}
        for name, value in counts.items():
            number = whole(value)
            if number is None or number < 1:
                raise ArgumentError(f"{argument(name, value)} is out of range.", expected="a whole number, 1 or more")
        return _found(model, data, alphabet, others, states, queries, length, method, np.random.default_rng(seed))
    except TenutoError as error:
        raise error.within("automaton") from error.__cause__


def _found(model: Model, data: Any, alphabet: Any, others: str, states: int, queries: int, length: int | None, method: str, generator: np.random.Generator) -> Extraction:
    texts = _texts(model, data)
    letters = _letters(alphabet, texts)
    extra = [OTHER] if others == "unknown" else []
    known = set(letters)
    rows = [tuple(token if token in known else OTHER for token in text if token in known or extra) for text in texts]
    letters += extra
    longest = length or (min(30, max((len(row) for row in rows), default=USUAL_LENGTH)) if rows else USUAL_LENGTH)
    longest = max(longest, LEAST_LENGTH)
    words = sorted({row[first : first + longest] for row in rows for first in range(0, len(row), longest)})
    order = generator.permutation(len(words))
    learnt_from, held_out = ([words[place] for place in part] for part in (order[::2], order[1::2]))

    def draw() -> Word:
        return tuple(letters[place] for place in generator.integers(0, len(letters), generator.integers(1, longest + 1)))

    ask = _asking(model)
    asked = Asked(ask, queries)
    learnt = learn(asked, letters, method=method, states=states, words=learnt_from, draw=draw)
    fresh = sorted({draw() for _ in range(MEASURED)} - asked.known.keys()) or sorted({draw() for _ in range(MEASURED)})
    items = None
    if texts and isinstance(model, Estimator):
        items = _agreement(learnt.automaton, rows, ask([tuple(text) for text in texts]))
    return Extraction(
        automaton=learnt.automaton,
        random=_agreement(learnt.automaton, fresh, ask(fresh)),
        data=_agreement(learnt.automaton, held_out, ask(held_out)) if held_out else None,
        items=items,
        others=others,
        covered=sum(token in known for text in texts for token in text) / max(1, sum(map(len, texts))) if texts else None,
        asked=len(asked.known),
        rounds=learnt.rounds,
        bound=learnt.bound,
    )


def _texts(model: Model, data: Any) -> list[list[str]]:
    """The tokens of each item of the data; none without data."""
    if data is None:
        return []
    if not isinstance(model, Estimator):
        return [list(word) for word in data]
    model.require_fit("automaton")
    found = model.letters(data)
    if found is None:
        model.answers_to([])  # says why not
    return found or []


def _letters(alphabet: Any, texts: list[list[str]]) -> list[str]:
    """The letters, the most frequent ones first where these are counted."""
    count = whole(alphabet)
    if count is not None:
        if count < 1:
            raise ArgumentError(f"{argument('alphabet', alphabet)} is out of range.", expected="a number of letters, 1 or more, or the letters")
        if not texts:
            raise ArgumentError("it is not known which tokens are frequent.", expected="data, or the letters", fix=either("alphabet=['0', '1'], for example", "--alphabet 0,1, for example"))
        counts = Counter(token for text in texts for token in text)
        return sorted(counts, key=lambda token: (-counts[token], token))[:count]
    letters = list(alphabet)
    if isinstance(alphabet, str) or not letters or len(set(letters)) < len(letters) or not all(isinstance(letter, str) for letter in letters):
        raise ArgumentError("the alphabet is no list of letters.", expected=either("one or more different texts, for example ['0', '1']", "one or more different texts with commas between"), received=repr(alphabet)[:80])
    return letters


def _asking(model: Model) -> Callable[[list[Word]], Sequence[Any]]:
    """The function that asks the model; the letter for all other tokens is one that it does not know."""
    if not isinstance(model, Estimator):
        if not callable(model):
            raise ArgumentError("there is nothing to ask.", expected="a fitted estimator of tenuto.tasks, or a function of words", received=type(model).__name__)
        return model
    model.require_fit("automaton")
    estimator = model
    return lambda words: estimator.answers_to([[None if token == OTHER else token for token in word] for word in words])


def _agreement(found: Automaton, words: Sequence[Word], answers: Sequence[Any]) -> Agreement:
    hits = sum(found.answer(word) == answer for word, answer in zip(words, answers, strict=True))
    return Agreement(hits / len(words), wilson_interval(hits, len(words)), len(words))
