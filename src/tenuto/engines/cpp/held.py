"""One step of a layer, forward or back, again and again with the same weights: these are packed at the first call alone.

For loops over time that are not the layer's own, since what it reads at a step depends on more than the layer (`layers.accessed`). The form has no lengths and no resets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence

from torch import Tensor

from tenuto import process
from tenuto.engines.cpp import backward, forward, pool
from tenuto.engines.cpp.arrange import arrange
from tenuto.engines.cpp.calls import Calls
from tenuto.engines.cpp.launch import Launch
from tenuto.engines.cpp.launches import launches
from tenuto.engines.cpp.memory import readable
from tenuto.engines.cpp.tune import Way
from tenuto.engines.problem import Buffers, Form, Result


class _Held:
    """What both have in common: a launch, which is others' again once this is closed.

    Args:
        calls: those of the step. what: by which they are told apart (`Calls.record`). inputs: of one step: x [1, B, I], states, and the weights, which count from now on.
        build: makes the launch, for a way to share its work.
    """

    def __init__(self, calls: Calls, what: Hashable, form: Form, inputs: Buffers, build: Callable[[Way], Launch]) -> None:
        process.tell_torch()
        self._calls = calls
        self._rows, self._given = arrange(form, readable(inputs, inputs["x"].dtype), calls.fixed)
        self._record = calls.record(what, process.threads())
        self._way = self._record.choose(self._rows.total)
        self._key = (calls, what, self._way)
        self._launch = launches.take(self._key, lambda: build(self._way))
        self._begun = False

    def _run(self, arrays: Buffers) -> None:
        begin = time.perf_counter()
        self._launch.run(arrays, self._rows)
        self._record.learn(self._way, (time.perf_counter() - begin) / self._rows.total)
        if not self._begun:
            self._launch.hold(True)
            self._begun = True

    def close(self) -> None:
        """Gives the launch back; no call may follow."""
        self._launch.hold(False)
        launches.give_back(self._key, self._launch)


class HeldForward(_Held):
    """The step itself; with `keep`, it leaves what backward needs beside the output."""

    def __init__(self, calls: Calls, form: Form, inputs: Buffers, keep: bool) -> None:
        super().__init__(calls, keep, form, inputs, lambda way: forward.build(form, calls.sizes(way), keep, calls.fixed))
        self._strides = [*forward.kept_strides(form, calls.hidden, inputs["x"].dtype).values(), *(width for name, width in calls.states if name != calls.output_state)]

    def kept(self, rows: int) -> list[Tensor]:
        """Memory for what so many rows of steps leave, [rows, ...] each, in the order of a `Result`."""
        return [pool.shared().empty(rows, stride, self._given["x"].dtype) for stride in self._strides]

    def __call__(self, x: Tensor, states: Sequence[Tensor], kept: Sequence[Tensor] = ()) -> tuple[Tensor, list[Tensor]]:
        """x [B, I] and states [B, W], contiguous, to the output [B, W] and the states after the step. kept: this step's part [B, ...] of what `kept` gave."""
        calls, given, final = self._calls, self._given, []
        given["x"] = x
        output = given["output"] = x.new_empty(calls.batch_size, calls.output)
        given.update(zip(calls.kept, kept))
        for (name, width), before in zip(calls.states, states):
            given[f"s.{name}"] = before
            array = output if name == calls.output_state else given[f"new.{name}"] if kept else x.new_empty(2 * calls.batch_size, width)
            given[f"new.{name}"] = given[f"old.{name}"] = given[f"before.{name}"] = array
            final.append(x.new_empty(calls.batch_size, width))
            given[f"final.{name}"] = final[-1]
        self._run(given)
        return output, final


class HeldBackward(_Held):
    """The gradients of what a step reads: x and the states."""

    def __init__(self, calls: Calls, form: Form, inputs: Buffers) -> None:
        needs = frozenset(("x", *(f"s.{name}" for name, _ in calls.states)))
        super().__init__(calls, needs, form, inputs, lambda way: backward.build(form, calls.sizes(way), needs, calls.fixed))

    def __call__(self, x: Tensor, states: Sequence[Tensor], kept: Result, d_output: Tensor, d_final: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """x, states and cotangents [B, ...], contiguous, and what forward kept of this step, to the gradients of x and of the states."""
        calls, given, found = self._calls, self._given, []
        given |= {"x": x, "d_output": d_output, **dict(zip(calls.kept, kept.saved))}
        if calls.output_state is not None:
            given[f"new.{calls.output_state}"] = kept.output
        for (name, width), before, d in zip(calls.states, states, d_final):
            given[f"old.{name}"] = given[f"before.{name}"] = given[f"new.{name}"]
            given[f"s.{name}"], given[f"d_final.{name}"] = before, d
            found.append(x.new_empty(calls.batch_size, width))
            given[f"d_s.{name}"] = found[-1]
        d_x = given["d_x"] = x.new_empty(x.shape)
        self._run(given)
        return d_x, found
