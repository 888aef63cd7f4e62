"""The page of an extracted automaton: the picture, the table of moves, and how often it answers as the model does. One file, no script."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from tenuto.distill.picture import picture_of
from tenuto.pages.page import render
from tenuto.pages.wording import count, number, percent

OTHERS = {"drop": "Other tokens are dropped.", "unknown": "Other tokens are read as one that the model does not know."}
ENOUGH = 30  # words of the data, for the number at the top of the page to be of these
MOST_ROWS = 200  # of the table of moves


def page_of(extraction: Any, title: str = "") -> str:
    """The whole page as text."""
    automaton = extraction.automaton
    agreements = [(name, percent(found.share), f"{percent(found.interval[0])} to {percent(found.interval[1])}", number(found.words)) for name, found in extraction.agreements()]
    main = 1 if extraction.data is not None and extraction.data.words >= ENOUGH else 0
    name, share, interval, words = agreements[main]
    states = [(state, str(answer), row) for state, (answer, row) in enumerate(zip(automaton.answers, automaton.moves))]
    ended = f"ended by its bound of {extraction.bound}" if extraction.bound else "no word was left on which it was found wrong"
    return str(
        render(
            "automaton.html",
            title=title or "An automaton in the network's place",
            version=version("tenuto"),
            kind=automaton.kind,
            score=share,
            score_says=f"of {words} {name} answered as the model does",
            score_interval=f"95 % interval {interval}",
            facts=[
                ("States", number(len(automaton)), automaton.kind),
                ("Letters", number(len(automaton.alphabet)), "" if extraction.covered is None else f"{percent(extraction.covered)} of the tokens"),
                ("Words asked", number(extraction.asked), f"in {count(extraction.rounds, 'round')}; {ended}"),
            ],
            picture=picture_of(automaton),
            letters=automaton.alphabet,
            states=states[:MOST_ROWS],
            left_out=max(0, len(states) - MOST_ROWS),
            agreements=agreements,
            others="" if extraction.covered is None else OTHERS[extraction.others],
            dot=automaton.to_dot(),
        )
    )
