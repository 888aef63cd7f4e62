"""The CPU engine: every cell as one fused time loop in C++, forward and backward."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from tenuto import process
from tenuto.engines.cpp import backward, cache, compiler, forward, library, memory, pool, tune
from tenuto.engines.cpp.arrange import arrange, blocks, dense
from tenuto.engines.cpp.calls import Calls, KnownCalls, kept_output_state
from tenuto.engines.cpp.held import HeldBackward, HeldForward
from tenuto.engines.cpp.launch import Launch
from tenuto.engines.cpp.launches import launches
from tenuto.engines.cpp.rows import Rows, gathered, whole
from tenuto.engines.cpp.stepper import CppStepper
from tenuto.engines.problem import Buffers, Form, No, Problem, Result, Yes, empty_result, hidden_size, size_of

QUICK_ROWS = 4096  # of a call with more, the checks take no share that counts, and what is remembered of it takes memory


class Cpp:
    """Prints, compiles and runs the time loop for the processor at hand.

    Args:
        invariant: every product is computed in one way, whatever the size of the batch: a sequence has the same bits whichever
            sequences share its batch. (Otherwise products of large batches run on matrix units where these are faster; see `units`.)
        bfloat16: for 16-bit layers and under autocast: what is multiplied is rounded to bfloat16, while sums, states and all maths of the cell
            stay float32. (torch's kernels keep the states in bfloat16 too.)
    """

    def __init__(self, invariant: bool = False, bfloat16: bool = False) -> None:
        self.name = ("invariant cpp" if invariant else "cpp") + (" in bfloat16" if bfloat16 else "")
        self._invariant, self._bfloat16, self._known = invariant, bfloat16, KnownCalls(invariant, bfloat16)

    def supports(self, problem: Problem) -> Yes | No:
        if problem.device.type != "cpu":
            return No(f"the tensors are on {problem.device}, not in main memory")
        if problem.dtype not in (torch.float32, torch.float64):
            return No(f"kernels are for float32 and float64, not {str(problem.dtype).removeprefix('torch.')}")
        if problem.form.integers and (problem.gradients or problem.dtype != torch.float32):
            return No("products of whole numbers are for float32, and have no derivative")
        # Kernels in the cache need no compiler, and a compiler that is there may fail: only loading them tells. So they are loaded here.
        obstacle = library.obstacle(problem.form, problem.dtype, problem.gradients)
        if obstacle:
            return No(obstacle, slower=True)
        if self._bfloat16 and (reason := _not_in_bfloat16(problem)):
            return No(reason)
        found = compiler.find()
        how = f"fused loop, compiled by {found.version}" if found else "fused loop, compiled before"
        if problem.form.sparse:
            return Yes(f"{how}; blocks of weights that are zero are skipped")
        if self._bfloat16:
            return Yes(f"{how}; products of bfloat16 by {'matrix units' if library.has_matrix_units(problem.dtype) else 'AVX512-BF16'}, sums and states float32")
        return Yes(f"{how}; products of whole numbers by {library.integers_by(problem.form.static)}" if problem.form.integers else how)

    def over_time(self, form: Form, inputs: Buffers, result: Result, state: str) -> Tensor | None:
        calls = self._known.of(form, inputs)
        kept = dict(zip(calls.kept, result.saved, strict=True)).get(f"new.{state}")
        return None if kept is None or gathered(form) else kept.view(*inputs["x"].shape[:-1], -1)  # gathered rows lie in the loop's own order

    def stepper(self, form: Form, inputs: Buffers) -> CppStepper:
        return CppStepper(form, inputs, self._invariant, self._bfloat16)

    def held_forward(self, form: Form, inputs: Buffers, keep: bool) -> HeldForward:
        """A step with these weights, as often as wanted; `inputs` as for one step: x [1, B, I]. keep: whether backward will follow."""
        return HeldForward(self._known.of(form, inputs), form, inputs, keep)

    def held_backward(self, form: Form, inputs: Buffers) -> HeldBackward:
        """The way back through such a step."""
        return HeldBackward(self._known.of(form, inputs), form, inputs)

    def rivals(self, problem: Problem) -> bool:
        return False

    def measurements(self) -> Path | None:
        return _measurements(cache.usable())

    def recorded(self, form: Form, inputs: Mapping[str, Tensor]) -> bool:
        return False

    def foretells(self, form: Form, inputs: Mapping[str, Tensor]) -> bool:
        return True

    def empty(self, form: Form, inputs: Buffers, keep: bool) -> Result:
        result = empty_result(form, inputs)
        if keep:
            x, hidden, output_state = inputs["x"], hidden_size(form, inputs), kept_output_state(form)
            rows = math.prod(x.shape[:-1])  # symbols, where one graph is to serve many sizes
            states = {f"new.{name}": size_of(width, hidden) for name, width in form.cell.widths("state").items() if name != output_state}
            strides = forward.kept_strides(form, int(hidden), x.dtype) | states
            result.saved.extend(x.new_empty(rows, stride) for stride in strides.values())
        return result

    def forward(self, form: Form, inputs: Buffers, keep: bool, foretold: bool = False) -> Result:
        process.tell_torch()  # first of all: in a forked child this sets torch to one thread
        inputs = memory.readable(inputs, inputs["x"].dtype)
        calls = self._known.of(form, inputs)
        rows, given = arrange(form, inputs, calls.fixed)
        return _run_forward(calls, rows, given, inputs["x"], keep, foretold)

    def again(self, form: Form, inputs: Buffers) -> _Again | None:
        if form.packed or form.resets or form.with_heads or form.integers or form.sparse:
            return None
        x = inputs["x"]
        return _Again(self._known.of(form, inputs), x) if 0 < math.prod(x.shape[:-1]) <= QUICK_ROWS else None

    def backward(
        self, form: Form, inputs: Buffers, result: Result, d_output: Tensor, d_final: list[Tensor], needs: frozenset[str]
    ) -> Buffers:
        process.tell_torch()
        inputs = memory.readable(inputs, inputs["x"].dtype)
        calls = self._known.of(form, inputs)
        rows, given = arrange(form, inputs, calls.fixed)
        gradients = {name: _gradient_like(name, inputs[name], rows, name in calls.transposed) for name in needs}
        if rows.total:
            _run_backward(calls, rows, given, inputs, result, d_output, d_final, gradients)
        else:
            for (name, _), value in zip(calls.states, d_final):
                if f"s.{name}" in needs:
                    gradients[f"s.{name}"].copy_(value)
        return gradients


def _not_in_bfloat16(problem: Problem) -> str:
    """Why the products of this problem are not of bfloat16; "" if they are."""
    if problem.narrow is torch.float16:
        return "bfloat16 has three bits less than float16, so float16 is multiplied in float32"
    if problem.narrow is not torch.bfloat16 or problem.dtype != torch.float32:
        return "the layer's numbers are not bfloat16"
    if problem.form.integers or problem.form.sparse:
        return "weights that are whole numbers, or of which blocks are zero, have products of their own"
    return "" if library.multiplies_bfloat16() else "this processor does not multiply bfloat16 on vectors (AVX512-BF16), so float32 is multiplied"


class _Again:
    """See `engines.problem.Again`: what does not change from call to call. It does what `_run_forward` does, with nothing kept, and no step of it is worked out twice."""

    def __init__(self, calls: Calls, x: Tensor) -> None:
        form, (steps, batch_size) = calls.form, x.shape[:-1]
        self._calls, self._rows = calls, None if form.lengths else whole(steps, batch_size, form.reverse)
        self._dtype = x.dtype
        self.zeros = [x.new_zeros(calls.batch_size, width) for _, width in calls.states]
        self._output = (*x.shape[:-1], calls.output)
        self._small = steps * batch_size * calls.output * x.dtype.itemsize < pool.SMALLEST
        self._states = [
            (f"final.{name}", f"new.{name}", f"old.{name}", f"before.{name}", None if name == calls.output_state else (2 * calls.batch_size, width), (calls.batch_size, width))
            for name, width in calls.states
        ]  # fmt: skip

    def __call__(self, x: Tensor, given: Buffers) -> list[Tensor]:
        calls, rows = self._calls, self._rows
        assert x.dtype is self._dtype, "other numbers than the loop was compiled for"
        if rows is None:  # each call has lengths of its own
            rows, given = arrange(calls.form, given, calls.fixed)
            result = _run_forward(calls, rows, given, x, False, False)
            return [result.output, *result.final]
        record = calls.record(False, process.threads())
        way = record.choose(rows.total)
        key, launch = _forward_launch(calls, False, way)
        try:
            dtype, output = x.dtype, self._output
            given["output"] = made = memory.empty(*output, dtype=dtype) if self._small else pool.of_shape(output, dtype)
            results = [made]
            for final, new, old, before, turns, shape in self._states:
                given[new] = given[old] = given[before] = made if turns is None else memory.empty(*turns, dtype=dtype)
                given[final] = end = memory.empty(*shape, dtype=dtype)
                results.append(end)
            _run(launch, record, way, given, rows)
        finally:
            launches.give_back(key, launch)
        return results


def _run_forward(calls: Calls, rows: Rows, given: Buffers, x: Tensor, keep: bool, foretold: bool) -> Result:
    """The forward loop, from the inputs as it reads them; x as the caller gave it."""
    batch_size, record = calls.batch_size, calls.record(keep, process.threads())
    way = record.choose(rows.total)
    key, launch = _forward_launch(calls, keep, way)
    try:
        caller_rows, large = math.prod(x.shape[:-1]), pool.shared()
        kept_rows = caller_rows if foretold else rows.total  # the loop's own arrays have no padding
        output = large.empty(caller_rows, calls.output, x.dtype)
        given["caller.output" if gathered(calls.form) else "output"] = output
        final = []
        for name, width in calls.states:
            if name == calls.output_state:
                array = output
            elif keep:
                array = large.empty(kept_rows, width, x.dtype)
            else:
                array = x.new_empty(2 * batch_size, width)
            given[f"new.{name}"] = given[f"old.{name}"] = given[f"before.{name}"] = array
            end = given[f"final.{name}"] = x.new_empty(batch_size, width)
            final.append(end)
        if keep:
            for array_name in ("gates", "rows"):
                given[array_name] = large.empty(kept_rows, launch.layouts[array_name].stride, x.dtype)
        if rows.total:
            _run(launch, record, way, given, rows)
        else:
            output.zero_()
            for value, (name, _) in zip(final, calls.states):
                value.copy_(given[f"s.{name}"])
    finally:
        launches.give_back(key, launch)
    return Result(output.view(*x.shape[:-1], calls.output), final, [given[name] for name in calls.kept] if keep else [])


@lru_cache(maxsize=16)
def _measurements(folder: Path | None) -> Path | None:
    """Where this edition of the kernels keeps what was measured; None where the cache is not used."""
    return None if folder is None else folder / f"contests-{library.edition()}.json"


def _run_backward(
    calls: Calls, rows: Rows, arrays: Buffers, inputs: Buffers, result: Result, d_output: Tensor, d_final: list[Tensor], gradients: Buffers
) -> None:
    """The backward loop: from `arrays`, which are the inputs as it reads them, into the gradients."""
    form, x, caller = calls.form, inputs["x"], "caller." if gathered(calls.form) else ""
    arrays.update(_let_in(calls, rows, x, result, d_output, d_final))
    arrays[f"{caller}d_output"] = arrays["d_output"]
    for name, width in calls.states:
        arrays[f"old.{name}"] = arrays[f"before.{name}"] = arrays[f"new.{name}"]
        if form.resets:
            arrays[f"d_start.{name}"] = x.new_zeros(calls.batch_size, width)
    for name, gradient in gradients.items():
        arrays[f"d_{name}"] = dense(form, name, gradient, zero=True) if name in form.with_heads else gradient
    arrays[f"{caller}d_x"] = gradients.get("x", x)
    needs = frozenset(gradients)
    for name, width in calls.streams if any(name.startswith("stream.") for name in needs) else ():
        if name in calls.fixed and form.lengths:
            arrays[f"d_stream.{name}"] = x.new_empty(rows.total, width)
        else:
            arrays[f"{caller}d_stream.{name}"] = x.new_empty(*x.shape[:-1], width)
    record = calls.record(needs, process.threads())
    way = record.choose(rows.total)
    key = (calls, needs, way)
    launch = launches.take(key, lambda: backward.build(form, calls.sizes(way), needs, calls.fixed))
    try:
        _run(launch, record, way, arrays, rows)
    finally:
        launches.give_back(key, launch)
    for name in form.with_heads & gradients.keys():
        gradients[name].copy_(blocks(form, name, arrays[f"d_{name}"]))
    for name, _ in calls.streams:
        if f"stream.{name}" in needs:
            gradient = gradients[f"stream.{name}"]
            if name in calls.fixed and form.lengths:
                gradient.zero_()[0].index_add_(0, rows.sequences(), arrays[f"d_stream.{name}"])
            else:
                found = arrays[f"{caller}d_stream.{name}"]
                gradient.copy_(found.sum(0, keepdim=True) if name in calls.fixed else found)


def _let_in(calls: Calls, rows: Rows, x: Tensor, result: Result, d_output: Tensor, d_final: list[Tensor]) -> Buffers:
    """What forward kept, and the cotangents, by the loop's names: users' hooks on saved tensors have had them in their hands."""
    foretold = math.prod(x.shape[:-1])
    kept_rows = foretold if result.saved[0].shape[:1] == (foretold,) else rows.total
    strides = forward.kept_strides(calls.form, calls.hidden, x.dtype) | {f"new.{name}": width for name, width in calls.states}
    given = {**dict(zip(calls.kept, result.saved, strict=True)), "d_output": d_output}
    shapes = {**{name: (kept_rows, strides[name]) for name in calls.kept}, "d_output": (*x.shape[:-1], calls.output)}
    if calls.output_state is not None:
        given[f"new.{calls.output_state}"] = result.output
        shapes[f"new.{calls.output_state}"] = shapes["d_output"]
    for (name, width), d in zip(calls.states, d_final, strict=True):
        given[f"d_final.{name}"], shapes[f"d_final.{name}"] = d, (calls.batch_size, width)
    return {name: tensor.contiguous() for name, tensor in memory.readable(given, x.dtype, shapes).items()}


def _run(launch: Launch, record: tune.Record, way: tune.Way, given: Buffers, rows: Rows) -> None:
    """Runs a launch and remembers how long it took."""
    begin = time.perf_counter()
    launch.run(given, rows)
    record.learn(way, (time.perf_counter() - begin) / rows.total)


def _forward_launch(calls: Calls, keep: bool, way: tune.Way) -> tuple[object, Launch]:
    key = (calls, keep, way)
    return key, launches.take(key, lambda: forward.build(calls.form, calls.sizes(way), keep, calls.fixed))


def _gradient_like(name: str, tensor: Tensor, rows: Rows, by_columns: bool) -> Tensor:
    """Memory for a gradient: all of it will be written, unless there is no step at all. `by_columns`: it lies as the weight does."""
    if not rows.total:
        return torch.zeros_like(tensor, memory_format=torch.contiguous_format)
    if name == "x" or name.startswith("stream."):
        return pool.of_shape(tensor.shape, tensor.dtype)
    return torch.empty_like(tensor, memory_format=torch.preserve_format if by_columns else torch.contiguous_format)
