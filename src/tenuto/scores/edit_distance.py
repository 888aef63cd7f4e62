"""The edit distance: how many symbols must be inserted, deleted or changed to turn one sequence into another."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def edit_distance(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """The least number of insertions, deletions and substitutions that turn one sequence into the other; the order of the two does not matter.

    Source:     Levenshtein 1966. Computed row by row (Wagner & Fischer 1974): time len(first) * len(second), memory for one row.
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
    """(edits, position) of the reference with the fewest edits from the answer. If several have as few, it is the longest of them, then the first.

    Example:
        >>> nearest("cot", ["dog", "cat", "coat"])
        (1, 2)
    """
    distances = [(edit_distance(answer, reference), -len(reference), place) for place, reference in enumerate(references)]
    edits, _, place = min(distances)
    return edits, place
