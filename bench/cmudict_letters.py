"""What spelling alone gives on CMUdict: each letter spoken as it usually is between the same neighbours; the baseline of the recipe.

    python bench/cmudict_letters.py --data FOLDER [--smoke]

Data, split and scores are those of bench/recipes/cmudict.py. Every letter of a training word is given 0, 1 or 2 phonemes of its
pronunciation, in order: at first wherever they stand at about the same place in the word, then three times by the likeliest alignment
(Viterbi) under the counts of the round before; words with more than two phonemes a letter are left out. A letter of a new word is then
spoken as it most often was in training, in the widest context (up to four letters on either side) that was seen at least `least` times;
`least` is chosen in validation. No network, no probabilities of phoneme sequences. Takes about two minutes of one core; prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the recipes are bench.recipes, from whatever folder this is started

from bench.recipes.cmudict import split

from tenuto.data import Pairs
from tenuto.scores.edit_distance import nearest

LONGEST, WIDEST, ROUNDS = 2, 4, 3
Chunk = tuple[str, ...]
Table = dict[str, dict[Chunk, float]]  # letter to chunk to cost (minus log probability)
Rules = dict[str, Counter[Chunk]]  # context to what its letter was spoken as


def aligned(word: str, spoken: Sequence[str], costs: Table) -> list[Chunk] | None:
    """The chunk of phonemes of each letter in the cheapest alignment; None where there are too many phonemes."""
    best: list[dict[int, tuple[float, Chunk]]] = [{0: (0.0, ())}]  # phonemes spoken to (cost, last chunk), after each letter
    for number, letter in enumerate(word, 1):
        known, here = costs.get(letter, {}), {}
        left = LONGEST * (len(word) - number)
        for done, (cost, _) in best[-1].items():
            for size in range(min(LONGEST, len(spoken) - done) + 1):
                if len(spoken) - done - size > left:
                    continue
                chunk = tuple(spoken[done : done + size])
                total = cost + known.get(chunk, 20.0)
                if done + size not in here or total < here[done + size][0]:
                    here[done + size] = (total, chunk)
        best.append(here)
    if len(spoken) not in best[-1]:
        return None
    place, chunks = len(spoken), []
    for step in reversed(best[1:]):
        chunk = step[place][1]
        chunks.append(chunk)
        place -= len(chunk)
    return chunks[::-1]


def at_like_heights(word: str, spoken: Sequence[str]) -> Iterable[tuple[str, Chunk]]:
    """Letters with the chunks that stand about where they do: a first guess."""
    for number, letter in enumerate(word):
        middle = (number + 0.5) / len(word) * len(spoken)
        for size in range(LONGEST + 1):
            for first in range(max(0, math.floor(middle) - size), min(len(spoken) - size, math.floor(middle) + 1) + 1):
                yield letter, tuple(spoken[first : first + size])


def costs_of(counted: Iterable[tuple[str, Chunk]]) -> Table:
    """Minus the log of each chunk's share among its letter's."""
    counts: defaultdict[str, Counter[Chunk]] = defaultdict(Counter)
    for letter, chunk in counted:
        counts[letter][chunk] += 1
    return {letter: {chunk: math.log(of.total() / count) for chunk, count in of.items()} for letter, of in counts.items()}


def contexts(word: str, place: int) -> list[str]:
    """The letter at `place` between its neighbours, the widest context first; the two sides are widened in turn."""
    padded = "\0" * WIDEST + word + "\0" * WIDEST
    middle = place + WIDEST
    sides = [(width, width - less) for width in range(WIDEST, 0, -1) for less in (0, 1)]  # after, before
    return [f"{before} {padded[middle - before : middle + after + 1]}" for after, before in [*sides, (0, 0)]]


def learn(pairs: Pairs) -> Rules:
    """How each letter is spoken in each context, and how often."""
    known = [(str(word), str(spoken).split()) for word, spoken in zip(pairs.source, pairs.require_targets())]
    costs = costs_of(item for word, spoken in known for item in at_like_heights(word, spoken))
    ways: list[list[Chunk] | None] = []
    for _ in range(ROUNDS):
        ways = [aligned(word, spoken, costs) for word, spoken in known]
        costs = costs_of(item for (word, _), way in zip(known, ways) if way is not None for item in zip(word, way))
    rules: defaultdict[str, Counter[Chunk]] = defaultdict(Counter)
    for (word, _), way in zip(known, ways):
        for place, chunk in enumerate(way or []):
            for context in contexts(word, place):
                rules[context][chunk] += 1
    return dict(rules)


def speak(word: str, rules: Rules, least: int) -> tuple[str, ...]:
    """The phonemes of a word; letters that training never saw are silent."""
    spoken: list[str] = []
    for place in range(len(word)):
        seen = [context for context in contexts(word, place) if context in rules]
        often = next((context for context in seen if rules[context].total() >= least), seen[-1] if seen else None)
        spoken += rules[often].most_common(1)[0][0] if often is not None else ()
    return tuple(spoken)


def rates(pairs: Pairs, rules: Rules, least: int) -> tuple[float, float]:
    """(word error rate, phoneme error rate), each word against its nearest pronunciation."""
    wrong = edits = phonemes = 0
    answers = pairs.answers()
    for word, known in answers.items():
        references = [str(one).split() for one in known]
        distance, place = nearest(speak(str(word), rules, least), references)
        wrong, edits, phonemes = wrong + (distance > 0), edits + distance, phonemes + len(references[place])
    return wrong / len(answers), edits / phonemes


def main() -> None:
    """Learn, choose `least` in validation, answer the test part once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TENUTO_DATA", ".")), help="the folder of the data sets")
    parser.add_argument("--smoke", action="store_true", help="two words in place of the dictionary")
    arguments = parser.parse_args()
    if arguments.smoke:
        few = Pairs(["tap", "pat"], ["T AE P", "P AE T"])
        parts, digest = {"train": few, "validation": few, "test": few}, few.sha256
    else:
        parts, digest = split(arguments.data)
    started = time.perf_counter()
    rules = learn(parts["train"])
    tried = {least: rates(parts["validation"], rules, least)[0] for least in (1, 2, 3, 5)}
    least = min(tried, key=lambda one: tried[one])
    words, phonemes = rates(parts["test"], rules, least)
    seconds = time.perf_counter() - started
    print(json.dumps({"word_error_rate": words, "phoneme_error_rate": phonemes, "validation": tried, "least": least, "seconds": seconds, "sha256": digest}))


if __name__ == "__main__":
    main()
