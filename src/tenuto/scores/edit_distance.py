"""The edit distance: how many symbols must be put in, taken out or changed to turn one sequence into another."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def edit_distance(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """The least number of insertions, deletions and substitutions between two sequences. Symmetric.

    Source:     Levenshtein 1966; computed row by row (Wagner & Fischer 1974), time len(first) * len(second), memory of one row.
    Example:
        >>> edit_distance("kitten", "sitting"), edit_distance(["T", "AY"], ["T", "AY", "M"])
        (3, 1)
    """
    if len(first) < len(second):
        first, second = second, first
    row = list(range(len(second) + 1))
    for number, symbol in enumerate(first, 1):
        diagonal, row[0] = row[0], number
        for place, other in enumerate(second, 1):
            kept = diagonal if symbol == other else 1 + min(diagonal, row[place], row[place - 1])
            diagonal, row[place] = row[place], kept
    return row[-1]


def nearest(answer: Sequence[Hashable], references: Sequence[Sequence[Hashable]]) -> tuple[int, int]:
    """(edits, position) of the reference that is fewest edits from the answer; of several such, the longest, then the first.

    Example:
        >>> nearest("cot", ["dog", "cat", "coat"])
        (1, 2)
    """
    distances = [(edit_distance(answer, reference), -len(reference), place) for place, reference in enumerate(references)]
    edits, _, place = min(distances)
    return edits, place
