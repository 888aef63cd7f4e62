"""What is asked of a validation or a test panel: values that training did not have."""

from __future__ import annotations

import numpy as np

from tenuto.data.series.panel import Panel, called
from tenuto.errors import DataError


def only_later(training: Panel, given: Panel, part: str) -> Panel:
    """The panel, of which values that training has too are there to be read only: what comes after them is asked for. Series with nothing after them are left out.

    A series is that of training if it has its id and, where both have a value, the same one. Others stay as they are.

    Args:
        part: what the panel is, for messages: "validation" or "test".
    Raises:
        DataError: nothing is left to be asked for.
    """
    known = {identity: place for place, identity in enumerate(training.ids)}
    begin = given.begin.copy()
    for row, identity in enumerate(given.ids):
        if identity in known:
            begin[row] = max(begin[row], _shared(training, known[identity], given, row))
    if (begin == given.begin).all():
        return given
    left = np.flatnonzero(begin < given.lengths)
    if not any(np.isfinite(given.values[row][begin[row] :]).any() for row in left):
        row = int(given.lengths.argmax())
        raise DataError(
            f"the {part} part has only values that training has too: {called(given.ids[row])} ends at {given.stamps(row)[-1]} in it.", expected="values after those of training", received=f"the same {given.lengths[row]} values",
            fix="give later values, with or without those before them",
        )  # fmt: skip
    return given.asking_from(begin).select(left)


def _shared(training: Panel, place: int, given: Panel, row: int) -> int:
    """How many values of a series, from its first on, lie in the time of training and are those of training; 0 where one is another."""
    begins, ends = training.stamps(place)[[0, -1]], given.stamps(row)[[0, -1]]
    if given.frequency != training.frequency or given.frequency.whole is False and (begins.tz is None) != (ends.tz is None) or ends[0] > begins[1] or ends[1] < begins[0]:
        return 0
    offset = int(np.searchsorted(training.stamps(place), ends[0])) if ends[0] >= begins[0] else -int(np.searchsorted(given.stamps(row), begins[0]))
    old, new = training.values[place], given.values[row]
    first, last = max(0, -offset), min(len(new), len(old) - offset)
    mine, theirs = new[first:last], old[first + offset : last + offset]
    both = ~(np.isnan(mine) | np.isnan(theirs))
    return last if both.sum() > 1 and (mine[both] == theirs[both]).all() else 0
