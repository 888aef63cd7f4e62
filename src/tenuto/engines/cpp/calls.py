"""What calls of one form and size have in common: worked out at the first of them, so that later calls of a short loop are quick.

The number of steps may differ from call to call, and each sequence may have its own.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from functools import lru_cache

from tenuto.engines.cpp import tune
from tenuto.engines.cpp.arrange import by_columns, without_gaps
from tenuto.engines.cpp.launch import Sizes
from tenuto.engines.cpp.rows import gathered
from tenuto.engines.cpp.units import CALL_ROWS, units
from tenuto.engines.problem import Buffers, Form, extent, output_width, size_of

_MOST = 4096  # forms and sizes that are remembered
_NONE: frozenset[str] = frozenset()


def kept_output_state(form: Form) -> str | None:
    """The state whose array is the output too; None where that is an array of its own."""
    return None if gathered(form) else form.traced.output_state


class Calls:
    """Names and sizes of calls that are alike, the ways to share their work among threads, and how fast each was.

    Attributes:
        states, streams: (name, width in channels) of each. output: the output's width.
        output_state: the state whose array is the output too; None where that is an array of its own.
        kept: the arrays that forward leaves for backward: gates, one number a row, and the states that are not the output.
        fixed: the streams that are the same at every step.
    """

    def __init__(self, form: Form, sizes: Sizes, fixed: frozenset[str]) -> None:
        cell = form.cell
        self.form, self.fixed, self.hidden, self.batch_size = form, fixed, sizes.hidden_size, sizes.batch_size
        self.states = tuple((name, sizes.width(width)) for name, width in cell.widths("state").items())
        self.streams = tuple((name, sizes.width(width)) for name, width in cell.widths("streams").items())
        self.output = size_of(output_width(form), sizes.hidden_size)
        self.output_state = kept_output_state(form)
        self.kept = ("gates", "rows", *(f"new.{name}" for name, _ in self.states if name != self.output_state))
        self.transposed = sizes.transposed
        # What has one number per row is computed by one thread and read by all, and in its place another value may come.
        made = (width for declaration in ("state", "gates", "products") for width in cell.widths(declaration).values())
        self._units_can_split = all(width != 1 for width in made)
        self._weights = sum(sizes.width(stack.width_in) * sum(map(sizes.width, stack.widths)) for stack in form.traced.stacks)
        self._sizes = {tune.Way(sizes.threads, sizes.by_units): sizes}
        self._records: dict[Hashable, tune.Record] = {}

    def sizes(self, way: tune.Way) -> Sizes:
        """The sizes of a launch that shares its work in this way."""
        found = self._sizes.get(way)
        if found is None:
            found = self._sizes[way] = replace(next(iter(self._sizes.values())), threads=way.threads, by_units=way.by_units)
        return found

    def record(self, what: Hashable, threads: int) -> tune.Record:
        """What has been learnt of the forward loop or one of the backward loops; the ways belong to it."""
        asked = what, threads, tune.forced()
        found = self._records.get(asked)
        return found or self._records.setdefault(asked, tune.Record(tune.ways(self.batch_size, threads, self._units_can_split, self._weights)))


class KnownCalls:
    """The forms and sizes that an engine has been called with."""

    def __init__(self, invariant: bool, bfloat16: bool) -> None:
        self._invariant, self._bfloat16 = invariant, bfloat16
        self._known: dict[Hashable, Calls] = {}

    def of(self, form: Form, inputs: Buffers) -> Calls:
        """What this call has in common with others like it."""
        x, rows = inputs["x"], inputs["weight_ih"].shape[0]
        input_size, (steps, batch_size) = x.shape[-1], extent(form, inputs)
        turned, fixed = transposed(form, inputs), fixed_streams(form, inputs)
        many_rows = (x.shape[0] if form.packed else steps * batch_size) >= CALL_ROWS
        key = (form.number, batch_size, input_size, rows, x.dtype, many_rows, turned, fixed)
        calls = self._known.get(key)
        if calls is None:
            hidden = rows // form.gates
            chosen = units(form, batch_size, input_size, hidden, many_rows, x.dtype, self._invariant or self._bfloat16)
            calls = Calls(form, Sizes(batch_size, input_size, hidden, x.dtype, 1, False, chosen, form.integers, form.static, form.sparse, self._bfloat16, turned), fixed)
            if len(self._known) == _MOST:
                self._known.clear()
            self._known[key] = calls
        return calls


def fixed_streams(form: Form, inputs: Buffers) -> frozenset[str]:
    """The streams that are the same at every step: [1, B, W]. (Packed, one row for each step of each sequence is [N, W].)"""
    names = form.cell.widths("streams")
    return frozenset(name for name in names if inputs[f"stream.{name}"].dim() == 3 and inputs[f"stream.{name}"].shape[0] == 1) if names else _NONE


@lru_cache(maxsize=None)
def _read_as_they_lie(form: Form) -> tuple[str, ...]:
    return tuple(name for name in form.names if (name == "weight_ih" or name.startswith("U.")) and name not in form.with_heads)


def transposed(form: Form, inputs: Buffers) -> frozenset[str]:
    """The weights that lie column by column, where the loop reads them as they lie."""
    if without_gaps(inputs):
        return _NONE
    return frozenset(name for name in _read_as_they_lie(form) if by_columns(inputs[name]))
