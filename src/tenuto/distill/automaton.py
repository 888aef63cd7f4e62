"""`Automaton`: a finite automaton in the place of a network that reads tokens: in each state it gives an answer, and each letter leads to a state.

With two answers it is a deterministic finite automaton (DFA), which accepts a word or does not; with more it is a Moore machine.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenuto.errors import ArgumentError, RunError
from tenuto.files import DAMAGE, read_json, write_json

FORMAT = "tenuto automaton"


@dataclass(frozen=True)
class Automaton:
    """States 0, 1, ..., of which 0 is the first.

    Attributes:
        alphabet: the letters: tokens, words, symbols. answers: what is answered in each state. moves: for each state, where each letter leads to.
    Example:
        >>> parity = Automaton(("0", "1"), ("even", "odd"), ((0, 1), (1, 0)))
        >>> parity.answer(["1", "0", "1", "1"]), len(parity)
        ('odd', 2)
    """

    alphabet: tuple[str, ...]
    answers: tuple[Any, ...]
    moves: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        states = len(self.answers)
        fits = states > 0 and len(self.moves) == states and len(set(self.alphabet)) == len(self.alphabet)
        if not fits or any(len(row) != len(self.alphabet) or not all(0 <= state < states for state in row) for row in self.moves):
            raise ArgumentError("these are no states of an automaton.", expected="an answer and a row of moves for each state, one move for each letter", received=f"{states} answers, {len(self.moves)} rows")

    def __len__(self) -> int:
        """How many states there are."""
        return len(self.answers)

    @property
    def kind(self) -> str:
        """DFA or Moore machine."""
        return "DFA" if len(set(self.answers)) <= 2 else "Moore machine"

    def states(self, word: Sequence[str]) -> list[int]:
        """The state after each letter of a word, with the first one before them.

        Raises:
            ArgumentError: a letter that is not in the alphabet.
        """
        places, found = {letter: place for place, letter in enumerate(self.alphabet)}, [0]
        for letter in word:
            if letter not in places:
                raise ArgumentError(f"the automaton does not read {letter!r}.", expected=", ".join(self.alphabet[:20]))
            found.append(self.moves[found[-1]][places[letter]])
        return found

    def answer(self, word: Sequence[str]) -> Any:
        """The answer after a word."""
        return self.answers[self.states(word)[-1]]

    def difference(self, other: Automaton) -> tuple[str, ...] | None:
        """A shortest word to which the two give other answers; None where they answer every word alike.

        Raises:
            ArgumentError: they have other letters.
        """
        if set(self.alphabet) != set(other.alphabet):
            raise ArgumentError("the two automata have other letters.", expected=", ".join(self.alphabet), received=", ".join(other.alphabet))
        theirs = [other.alphabet.index(letter) for letter in self.alphabet]
        seen = {(0, 0)}
        queue: deque[tuple[tuple[int, int], tuple[str, ...]]] = deque([((0, 0), ())])
        while queue:
            (own, second), word = queue.popleft()
            if self.answers[own] != other.answers[second]:
                return word
            for place, letter in enumerate(self.alphabet):
                after = (self.moves[own][place], other.moves[second][theirs[place]])
                if after not in seen:
                    seen.add(after)
                    queue.append((after, (*word, letter)))
        return None

    def edges(self) -> dict[tuple[int, int], list[str]]:
        """The letters that lead from a state to another, by the two states."""
        found: dict[tuple[int, int], list[str]] = {}
        for state, row in enumerate(self.moves):
            for letter, after in zip(self.alphabet, row):
                found.setdefault((state, after), []).append(letter)
        return found

    def to_dot(self) -> str:
        """The automaton in the language of graphviz."""
        lines = ["digraph automaton {", "  rankdir=LR;", '  begin [shape=point, label=""];']
        lines += [f"  {state} [shape=circle, label={_quoted(f'{state}: {answer}')}];" for state, answer in enumerate(self.answers)]
        lines += ["  begin -> 0;"]
        lines += [f"  {one} -> {other} [label={_quoted(', '.join(letters))}];" for (one, other), letters in self.edges().items()]
        return "\n".join([*lines, "}"]) + "\n"

    def __str__(self) -> str:
        rows = [["state", "answer", *self.alphabet], *([str(state), str(answer), *map(str, row)] for state, (answer, row) in enumerate(zip(self.answers, self.moves)))]
        widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)

    def to_data(self) -> dict[str, Any]:
        """Plain data."""
        return {"alphabet": list(self.alphabet), "answers": list(self.answers), "moves": [list(row) for row in self.moves]}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Automaton:
        """The automaton that `to_data` gave.

        Raises:
            ArgumentError: it is none.
        """
        return cls(tuple(data["alphabet"]), tuple(data["answers"]), tuple(tuple(row) for row in data["moves"]))

    def save(self, path: str | Path) -> Path:
        """Write it as a JSON file."""
        write_json(Path(path), {"format": FORMAT, **self.to_data()})
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Automaton:
        """The automaton of a file that `save` wrote.

        Raises:
            RunError: it is no such file.
        """
        data = read_json(Path(path))
        try:
            if data["format"] != FORMAT:
                raise ValueError(f"its format is {data['format']!r}")
            return cls.from_data(data)
        except DAMAGE as error:
            raise RunError(f"{path} is no automaton: {type(error).__name__}: {error}.", expected="a file that Automaton.save wrote", fix="restore it from a copy") from error


def _quoted(text: str) -> str:
    """A text as graphviz reads it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
