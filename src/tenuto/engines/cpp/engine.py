"""The CPU engine: every cell as one fused time loop in C++, forward and backward."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable, Mapping
from functools import lru_cache

import torch
from torch import Tensor

from tenuto.engines.cpp import backward, compiler, forward, pool, tune
from tenuto.engines.cpp.arrange import arrange, blocks, dense, fixed_streams, transposed
from tenuto.engines.cpp.launch import Launch, Sizes
from tenuto.engines.cpp.launches import launches
from tenuto.engines.cpp.rows import Rows
from tenuto.engines.cpp.stepper import CppStepper
from tenuto.engines.cpp.units import CALL_ROWS, units
from tenuto.engines.problem import Buffers, Form, No, Problem, Result, Yes, empty_result, hidden_size, output_width, size_of


class Cpp:
    """Prints, compiles and runs the time loop for the processor at hand.

    Args:
        invariant: every product is computed in one way, whatever the size of the batch: a sequence has the same bits in any company.
            (Otherwise products of large batches, where it is faster, run on matrix units, see `units`.)
    """

    def __init__(self, invariant: bool = False) -> None:
        self.name = "invariant cpp" if invariant else "cpp"
        self._invariant = invariant

    def supports(self, problem: Problem) -> Yes | No:
        if problem.device.type != "cpu":
            return No(f"the tensors are on {problem.device}, not in main memory")
        if problem.dtype not in (torch.float32, torch.float64):
            return No(f"kernels are for float32 and float64, not {str(problem.dtype).removeprefix('torch.')}")
        found = compiler.find()
        if found is None:
            return No(compiler.missing())
        return Yes(f"fused loop, compiled by {found.version}")

    def stepper(self, form: Form, inputs: Buffers) -> CppStepper:
        """A live stream's way, see `engines.stepping`."""
        return CppStepper(form, inputs, self._invariant)

    def recorded(self, form: Form, inputs: Mapping[str, Tensor]) -> bool:
        return False

    def empty(self, form: Form, inputs: Buffers, keep: bool) -> Result:
        result = empty_result(form, inputs)
        if keep:
            sizes, _ = self._sizes(form, inputs, "empty")
            fixed = fixed_streams(inputs)
            with torch.utils._python_dispatch._disable_current_modes():  # asked under torch.compile, on fake tensors
                key, launch = _forward_launch(form, sizes, True, fixed)
                launches.give_back(key, launch)
            x = inputs["x"]
            rows = x.shape[0] * x.shape[1]
            result.saved.extend(x.new_empty(rows, launch.layouts[array].stride) for array in _kept_arrays(form))
        return result

    def forward(self, form: Form, inputs: Buffers, keep: bool) -> Result:
        x = inputs["x"]
        time_steps, batch_size, _ = x.shape
        rows, given = arrange(form, inputs)
        sizes, record = self._sizes(form, inputs, ("forward", keep))
        fixed = fixed_streams(inputs)
        width = size_of(output_width(form), sizes.hidden_size)
        padded_rows = time_steps * batch_size
        key, launch = _forward_launch(form, sizes, keep, fixed)
        try:
            memory = pool.shared()
            output = memory.empty(padded_rows, width, x.dtype)
            arrays = {"padded.output" if form.lengths else "output": output}
            for name, state_width in form.cell.widths("state").items():
                if name == form.traced.output_state and not form.lengths:
                    array = output
                elif keep:
                    array = memory.empty(padded_rows, sizes.width(state_width), x.dtype)
                else:
                    array = x.new_empty(2 * batch_size, sizes.width(state_width))
                for role in ("new", "old", "before"):
                    arrays[f"{role}.{name}"] = array
            final = [x.new_empty(batch_size, sizes.width(width)) for width in form.cell.widths("state").values()]
            arrays |= zip((f"final.{name}" for name in form.cell.widths("state")), final)
            if keep:
                arrays |= {a: memory.empty(padded_rows, launch.layouts[a].stride, x.dtype) for a in ("gates", "rows")}
            if rows.total:
                _run(launch, record, given | arrays, rows)
            else:
                output.zero_()
                for value, name in zip(final, form.cell.widths("state")):
                    value.copy_(inputs[f"s.{name}"])
            saved = [arrays[name] for name in _kept_arrays(form)] if keep else []
        finally:
            launches.give_back(key, launch)
        return Result(output.view(time_steps, batch_size, width), final, saved)

    def backward(
        self,
        form: Form,
        inputs: Buffers,
        result: Result,
        d_output: Tensor,
        d_final: list[Tensor],
        needs: frozenset[str],
    ) -> Buffers:
        rows, given = arrange(form, inputs)
        sizes, record = self._sizes(form, inputs, ("backward", needs))
        gradients = {name: _gradient_like(inputs[name], rows, name in sizes.transposed) for name in needs}
        if rows.total:
            self._run_backward(form, sizes, record, rows, given, inputs, result, d_output, d_final, gradients)
        else:
            for name, value in zip(form.cell.widths("state"), d_final):
                if f"s.{name}" in needs:
                    gradients[f"s.{name}"].copy_(value)
        return gradients

    def _run_backward(
        self, form: Form, sizes: Sizes, record: tune.Record, rows: Rows, given: Buffers, inputs: Buffers,
        result: Result, d_output: Tensor, d_final: list[Tensor], gradients: Buffers,
    ) -> None:  # fmt: skip
        needs, fixed, x, batch_size = frozenset(gradients), fixed_streams(inputs), inputs["x"], sizes.batch_size
        arrays = dict(zip(_kept_arrays(form), result.saved))
        if form.traced.output_state is not None and not form.lengths:
            arrays[f"new.{form.traced.output_state}"] = result.output
        for name in form.cell.widths("state"):
            arrays[f"old.{name}"] = arrays[f"before.{name}"] = arrays[f"new.{name}"]
        padded = "padded." if form.lengths else ""
        arrays[f"{padded}d_output"] = d_output.contiguous()
        arrays[f"{padded}d_x"] = gradients.get("x", x)
        reset_widths = form.cell.widths("state") if form.resets else {}
        d_resets = {f"d_start.{n}": x.new_zeros(batch_size, sizes.width(w)) for n, w in reset_widths.items()}
        d_streams = {
            f"{padded}d_stream.{n}": x.new_empty(x.shape[0], batch_size, sizes.width(w)) for n, w in form.cell.widths("streams").items()
        }
        d_dense = {name: dense(form, name, gradients[name], zero=True) for name in needs if name.startswith("U.")}
        arrays |= {f"d_{name}": value for name, value in gradients.items() if name not in ("x",)} | {f"d_{n}": b for n, b in d_dense.items()}
        arrays |= d_resets | d_streams | {f"d_final.{n}": d.contiguous() for n, d in zip(form.cell.widths("state"), d_final)}
        key = ("backward", form, sizes, needs, fixed)
        launch = launches.take(key, lambda: backward.build(form, sizes, needs, fixed))
        try:
            _run(launch, record, given | arrays, rows)
        finally:
            launches.give_back(key, launch)
        for name, block in d_dense.items():
            if block is not gradients[name]:
                gradients[name].copy_(blocks(form, name, block))
        for name in form.cell.widths("streams"):
            if f"stream.{name}" in needs:
                whole_time, target = d_streams[f"{padded}d_stream.{name}"], gradients[f"stream.{name}"]
                target.copy_(whole_time.sum(0, keepdim=True) if name in fixed else whole_time)

    def _sizes(self, form: Form, inputs: Buffers, kind: Hashable) -> tuple[Sizes, tune.Record]:
        """The sizes of a call, with the way to share its work that has been fastest for this kind of call; and what is known of that kind."""
        steps, batch_size, input_size = inputs["x"].shape
        hidden, dtype = hidden_size(form, inputs), inputs["x"].dtype
        threads = 1 if _forked else torch.get_num_threads()
        numbers_travel = 1 in form.cell.widths("state").values()  # one thread's step would need another's
        ways = tune.ways(batch_size, threads, not numbers_travel)
        chosen = units(form, batch_size, input_size, hidden, steps * batch_size >= CALL_ROWS, dtype, self._invariant)
        record = tune.record((kind, form, batch_size, input_size, hidden, dtype, chosen), ways)
        way = record.choose(steps * batch_size)
        return Sizes(batch_size, input_size, hidden, dtype, way.threads, way.by_units, chosen, transposed(form, inputs)), record


def _run(launch: Launch, record: tune.Record, given: Buffers, rows: Rows) -> None:
    """Runs a launch and remembers how long it took."""
    begin = time.perf_counter()
    launch.run(given, rows)
    seconds = (time.perf_counter() - begin) / rows.total
    record.learn(tune.Way(launch.sizes.threads, launch.sizes.by_units), seconds)


_forked = False


def _after_fork() -> None:
    """A child has the parent's memory but not its threads, and libgomp would wait for them: one thread from here on."""
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _gradient_like(tensor: Tensor, rows: Rows, by_columns: bool) -> Tensor:
    """Memory for a gradient: all of it will be written, unless there is no step at all. `by_columns`: it lies as the weight does."""
    if not rows.total:
        return torch.zeros_like(tensor, memory_format=torch.contiguous_format)
    if tensor.dim() == 3:
        return pool.shared().empty(tensor.shape[0] * tensor.shape[1], tensor.shape[2], tensor.dtype).view(tensor.shape)
    return torch.empty_like(tensor, memory_format=torch.preserve_format if by_columns else torch.contiguous_format)


@lru_cache(maxsize=None)
def _kept_arrays(form: Form) -> list[str]:
    """What forward leaves for backward: gates, one number a row, and the states that are not the output (with lengths, all: packed)."""
    states = [f"new.{name}" for name in form.cell.widths("state") if form.lengths or name != form.traced.output_state]
    return ["gates", "rows", *states]


def _forward_launch(form: Form, sizes: Sizes, keep: bool, fixed: frozenset[str]) -> tuple[object, Launch]:
    key = ("forward", form, sizes, keep, fixed)
    return key, launches.take(key, lambda: forward.build(form, sizes, keep, fixed))
