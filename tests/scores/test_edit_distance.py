"""The edit distance against its definition, and the properties of a distance."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tenuto.scores.edit_distance import edit_distance, nearest

words = some.text("abc", max_size=7)


def by_definition(first, second):
    @cache
    def distance(i, j):
        if not i or not j:
            return i + j
        return min(distance(i - 1, j) + 1, distance(i, j - 1) + 1, distance(i - 1, j - 1) + (first[i - 1] != second[j - 1]))

    return distance(len(first), len(second))


@given(words, words)
def test_it_is_the_definition_and_symmetric(first, second):
    assert edit_distance(first, second) == by_definition(first, second) == edit_distance(tuple(second), tuple(first))


@given(words, words, words)
def test_it_is_a_distance(first, second, third):
    assert (edit_distance(first, second) == 0) == (first == second)
    assert edit_distance(first, third) <= edit_distance(first, second) + edit_distance(second, third)


@pytest.mark.parametrize(("answer", "references", "expected"), [("ab", ["ab", "b"], (0, 0)), ("a", ["b", "ab"], (1, 1)), ("", ["a"], (1, 0))])
def test_the_nearest_reference_counts(answer, references, expected):
    assert nearest(answer, references) == expected
