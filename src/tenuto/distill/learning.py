"""How an automaton is learnt from a system that answers words: aalpy's learners ask for words, and an examiner looks for one on which the automaton is wrong.

Both are bounded: by how many words are asked, and by how many states the automaton may have. A network need not be finite, so learning need not end by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from tenuto.distill.automaton import Automaton
from tenuto.errors import ArgumentError
from tenuto.tongues import argument

Word = tuple[str, ...]
Ask = Callable[[list[Word]], Sequence[Any]]

ROWS = 256  # words that are asked at once
RANDOM_WORDS = 300  # that are drawn for each examination
ENDS = 2  # random ends that are put after the word that leads to each state


class Enough(Exception):
    """As many words have been asked as are allowed."""


class Asked:
    """A system that answers words, with what it has answered.

    Args:
        ask: the answer to each of some words. most: how many different words may be asked.
    """

    def __init__(self, ask: Ask, most: int) -> None:
        self.ask, self.most = ask, most
        self.known: dict[Word, Any] = {}

    def answers(self, words: Iterable[Word]) -> list[Any]:
        """The answer to each word.

        Raises:
            Enough: the bound is reached.
        """
        wanted = list(words)
        new = list(dict.fromkeys(word for word in wanted if word not in self.known))
        if len(self.known) + len(new) > self.most:
            raise Enough
        for first in range(0, len(new), ROWS):
            part = new[first : first + ROWS]
            self.known.update(zip(part, self.ask(part), strict=True))
        return [self.known[word] for word in wanted]

    def along(self, word: Word) -> list[Any]:
        """The answers to the beginnings of a word: none of its letters, one, ..., all of them."""
        return self.answers(word[:length] for length in range(len(word) + 1))


class Learnt(NamedTuple):
    """An automaton that was learnt. rounds: how many were examined. bound: which bound ended it, in words; None where no word was found on which it is wrong."""

    automaton: Automaton
    rounds: int
    bound: str | None


def learn(asked: Asked, alphabet: Sequence[str], *, method: str, states: int, words: Sequence[Word], draw: Callable[[], Word]) -> Learnt:
    """Learn an automaton by L* or KV.

    Args:
        method: "lstar" or "kv". states: how many the automaton may have.
        words: on which each automaton is examined, besides random ones, which `draw` gives, and random ends after the word that leads to each state.
    Raises:
        ArgumentError: aalpy is not installed, or so few words may be asked that there is no automaton at all.
    """
    try:
        from aalpy.base import SUL, Oracle
        from aalpy.learning_algs import run_KV, run_Lstar
    except ImportError as error:
        raise ArgumentError("aalpy is not installed.", expected="it, to learn an automaton", fix="pip install 'tenuto[automata]'") from error

    class System(SUL):  # type: ignore[misc]  # aalpy has no types
        """The answers to a word's beginnings, as aalpy asks for them."""

        def query(self, word: Word) -> list[Any]:
            answers = asked.along(tuple(word))
            return answers[1:] or answers

        def pre(self) -> None:
            """Nothing is kept between two words."""

        def post(self) -> None:
            """See `pre`."""

        def step(self, letter: Any) -> Any:
            raise NotImplementedError("only whole words are asked")

    class Examiner(Oracle):  # type: ignore[misc]
        """Looks for a word on which a hypothesis is wrong; keeps the last hypothesis that has no more states than are allowed, or else the first."""

        def __init__(self) -> None:
            super().__init__(list(alphabet), None)
            self.best: Automaton | None = None
            self.rounds = 0
            self.bound: str | None = None

        def find_cex(self, hypothesis: Any) -> Word | None:
            found, reached = _of_hypothesis(hypothesis, alphabet)
            if len(found) > states and self.best is not None:
                self.bound = f"{states} states"
                return None
            self.best, self.rounds = found, self.rounds + 1
            if len(found) >= states:
                self.bound = f"{states} states"
                return None
            ends = [(*word, *draw()) for word in reached for _ in range(ENDS)]
            return _wrong(found, asked, [*words, *(draw() for _ in range(RANDOM_WORDS)), *ends])

    examiner = Examiner()
    run, options = (run_KV, {}) if method == "kv" else (run_Lstar, {"closing_strategy": "shortest_first"})
    try:
        run(list(alphabet), System(), examiner, automaton_type="moore", cex_processing="rs", cache_and_non_det_check=False, print_level=0, **options)
    except Enough:
        if examiner.best is None:
            raise ArgumentError(f"after {asked.most} words there is no automaton yet.", expected="more words, or fewer letters", received=f"{len(alphabet)} letters", fix=f"more {argument('queries')}, or a smaller {argument('alphabet')}") from None
        return Learnt(examiner.best, examiner.rounds, f"{asked.most} words")
    assert examiner.best is not None  # every run ends with an examination
    return Learnt(examiner.best, examiner.rounds, examiner.bound)


def _wrong(found: Automaton, asked: Asked, words: Sequence[Word]) -> Word | None:
    """A shortest beginning of these words that the automaton answers in another way than the system; None where there is none."""
    beginnings = sorted({word[:length] for word in words for length in range(len(word) + 1)}, key=lambda word: (len(word), word))
    for first in range(0, len(beginnings), ROWS):
        part = beginnings[first : first + ROWS]
        for word, answer in zip(part, asked.answers(part)):
            if found.answer(word) != answer:
                return word
    return None


def _of_hypothesis(hypothesis: Any, alphabet: Sequence[str]) -> tuple[Automaton, list[Word]]:
    """aalpy's automaton as ours, with states in the order in which they are reached, and a shortest word that leads to each."""
    words: list[Word] = [()]
    order, places = [hypothesis.initial_state], {hypothesis.initial_state.state_id: 0}
    for state, word in zip(order, words):
        for letter in alphabet:
            after = state.transitions[letter]
            if after.state_id not in places:
                places[after.state_id] = len(order)
                order.append(after)
                words.append((*word, letter))
    moves = tuple(tuple(places[state.transitions[letter].state_id] for letter in alphabet) for state in order)
    return Automaton(tuple(alphabet), tuple(state.output for state in order), moves), words
