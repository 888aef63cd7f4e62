"""The CPU engine: every cell as one fused time loop in C++, forward and backward."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from tenuto.engines.cpp import backward, compiler, forward
from tenuto.engines.cpp.launch import Launch, Sizes
from tenuto.engines.cpp.rows import Rows, packed, whole
from tenuto.engines.problem import Buffers, Form, No, Problem, Result, Yes, empty_result, hidden_size, output_width, size_of


class Cpp:
    """Prints, compiles and runs the time loop for the processor at hand."""

    name = "cpp"

    def supports(self, problem: Problem) -> Yes | No:
        if problem.device.type != "cpu":
            return No(f"the tensors are on {problem.device}, not in main memory")
        if problem.dtype not in (torch.float32, torch.float64):
            return No(f"kernels are for float32 and float64, not {str(problem.dtype).removeprefix('torch.')}")
        found = compiler.find()
        if found is None:
            return No(compiler.missing())
        return Yes(f"fused loop, compiled by {found.version}")

    def recorded(self, form: Form, inputs: Mapping[str, Tensor]) -> bool:
        return False

    def empty(self, form: Form, inputs: Buffers, keep: bool) -> Result:
        result = empty_result(form, inputs)
        if keep:
            sizes = _sizes(form, inputs)
            strides = _forward_launch(form, sizes, True, _fixed_streams(inputs)).layouts
            x = inputs["x"]
            rows = x.shape[0] * x.shape[1]
            result.saved.extend(x.new_empty(rows, strides[array].stride) for array in _kept_arrays(form))
        return result

    def forward(self, form: Form, inputs: Buffers, keep: bool) -> Result:
        x = inputs["x"]
        time_steps, batch_size, _ = x.shape
        sizes, fixed = _sizes(form, inputs), _fixed_streams(inputs)
        rows, given = _arrange(form, inputs)
        width = size_of(output_width(form), sizes.hidden_size)
        padded_rows = time_steps * batch_size
        launch = _launches.take(("forward", form, sizes, keep, fixed), lambda: forward.build(form, sizes, keep, fixed))
        try:
            output = x.new_empty(padded_rows, width)
            arrays = {"output": output}
            for name, state_width in form.cell.widths("state").items():
                if name == form.traced.output_state:
                    array = output
                elif keep:
                    array = x.new_empty(padded_rows, sizes.width(state_width))
                else:
                    array = x.new_empty(2 * batch_size, sizes.width(state_width))
                for role in ("new", "old", "before"):
                    arrays[f"{role}.{name}"] = array
            if keep:
                arrays |= {a: x.new_empty(padded_rows, launch.layouts[a].stride) for a in ("gates", "rows")}
            if rows.total:
                if form.bias:
                    launch.scratch["bias"].index_copy_(0, launch.bias_places, inputs["bias"].contiguous())
                flags = given["resets"].data_ptr() if form.resets else 0
                launch.run(forward.addresses({**given, **arrays}), _firsts(form, given), rows, flags)
                final = forward.last_states(launch, form, rows, arrays, given)
            else:
                final = [inputs[f"s.{name}"].clone() for name in form.cell.widths("state")]
            saved = [arrays[name] for name in _kept_arrays(form)] if keep else []
        finally:
            _launches.give_back(launch)
        return Result(_to_padded(rows, output).view(time_steps, batch_size, width), final, saved)

    def backward(
        self,
        form: Form,
        inputs: Buffers,
        result: Result,
        d_output: Tensor,
        d_final: list[Tensor],
        needs: frozenset[str],
    ) -> Buffers:
        sizes, fixed = _sizes(form, inputs), _fixed_streams(inputs)
        rows, given = _arrange(form, inputs)
        gradients = {name: torch.zeros_like(inputs[name], memory_format=torch.contiguous_format) for name in needs}
        ordered = d_final if rows.order is None else [value[rows.order] for value in d_final]
        if rows.total:
            self._run_backward(form, sizes, fixed, rows, given, inputs, result, d_output, ordered, gradients)
        else:
            for name, value in zip(form.cell.widths("state"), d_final):
                if f"s.{name}" in needs:
                    gradients[f"s.{name}"].copy_(value)
        return gradients

    def _run_backward(
        self, form: Form, sizes: Sizes, fixed: frozenset[str], rows: Rows, given: Buffers, inputs: Buffers,
        result: Result, d_output: Tensor, d_final: list[Tensor], gradients: Buffers,
    ) -> None:  # fmt: skip
        needs, x, batch_size = frozenset(gradients), inputs["x"], sizes.batch_size
        arrays = dict(zip(_kept_arrays(form), result.saved))
        if form.traced.output_state is not None:
            arrays[f"new.{form.traced.output_state}"] = _to_rows(rows, result.output)
        for name in form.cell.widths("state"):
            arrays[f"old.{name}"] = arrays[f"before.{name}"] = arrays[f"new.{name}"]
        arrays["d_output"] = _to_rows(rows, d_output)
        arrays["d_x"] = torch.empty_like(given["x"]) if rows.order is not None else gradients.get("x", given["x"])
        d_resets = {f"d_r.{n}": x.new_zeros(batch_size, sizes.width(w)) for n, w in form.cell.widths("state").items()}
        d_streams = {
            f"d_stream.{n}": x.new_empty(rows.total, sizes.width(w)) for n, w in form.cell.widths("streams").items()
        }
        blocks = {name: _dense(form, name, gradients[name], zero=True) for name in needs if name.startswith("U.")}
        arrays |= {f"d_{name}": value for name, value in gradients.items() if name not in ("x",)} | {f"d_{n}": b for n, b in blocks.items()}
        arrays |= d_resets | d_streams
        key = ("backward", form, sizes, needs, fixed)
        launch = _launches.take(key, lambda: backward.build(form, sizes, needs, fixed))
        try:
            backward.start_carry(launch, form, d_final)
            flags = given["resets"].data_ptr() if form.resets else 0
            launch.run(forward.addresses({**given, **arrays}), _firsts(form, given), rows, flags)
            unsorted: Callable[[Tensor], Tensor] = (
                lambda v: v if rows.order is None else torch.empty_like(v).index_copy_(0, rows.order, v)
            )
            for name, width in form.cell.widths("state").items():
                if f"s.{name}" in needs:
                    ring = launch.scratch[f"d_next.{name}"]
                    gradients[f"s.{name}"].copy_(unsorted(ring[:batch_size, : sizes.width(width)]))
                if f"r.{name}" in needs:
                    gradients[f"r.{name}"].copy_(unsorted(d_resets[f"d_r.{name}"]))
        finally:
            _launches.give_back(launch)
        for name, block in blocks.items():
            if block is not gradients[name]:
                gradients[name].copy_(_blocks(form, name, block))
        if rows.order is not None and "x" in needs:
            gradients["x"].view(-1, sizes.input_size).index_copy_(0, rows.index, arrays["d_x"])
        for name in form.cell.widths("streams"):
            if f"stream.{name}" in needs:
                whole_time = _to_padded(rows, d_streams[f"d_stream.{name}"], x.shape[0] * batch_size).view(x.shape[0], batch_size, -1)
                target = gradients[f"stream.{name}"]
                target.copy_(whole_time.sum(0, keepdim=True) if name in fixed else whole_time)


# --- arranging a call's tensors ----------------------------------------------------------------------------------------


def _sizes(form: Form, inputs: Buffers) -> Sizes:
    _, batch_size, input_size = inputs["x"].shape
    threads = torch.get_num_threads()
    hidden = hidden_size(form, inputs)
    return Sizes(batch_size, input_size, hidden, inputs["x"].dtype, threads, _by_units(form, batch_size, hidden, threads))


def _by_units(form: Form, batch_size: int, hidden: int, threads: int) -> bool:
    """Whether threads share a step's units and not its rows: when rows are too few to fill a tile on each."""
    forced = os.environ.get("TENUTO_CPP_SPLIT")
    scalars = any(width == 1 for width in form.cell.widths("state").values())
    if threads == 1 or scalars:
        return False
    if forced:
        return forced == "units"
    return batch_size < 6 * threads


def _kept_arrays(form: Form) -> list[str]:
    """What forward leaves for backward: gates, one number a row, and the states that are not the output."""
    states = [f"new.{name}" for name in form.cell.widths("state") if name != form.traced.output_state]
    return ["gates", "rows", *states]


def _fixed_streams(inputs: Buffers) -> frozenset[str]:
    """The streams that are the same at every step."""
    return frozenset(
        name.removeprefix("stream.") for name, t in inputs.items() if name.startswith("stream.") and t.shape[0] == 1
    )


def _arrange(form: Form, inputs: Buffers) -> tuple[Rows, Buffers]:
    """The rows of each step, and the inputs as the loop reads them: contiguous, and with lengths packed."""
    x = inputs["x"]
    time_steps, batch_size, _ = x.shape
    fixed = _fixed_streams(inputs)
    rows = packed(inputs["lengths"], time_steps, batch_size, form.reverse) if form.lengths else whole(time_steps, batch_size, form.reverse)
    given = {}
    for name, tensor in inputs.items():
        if name == "x" or (name.startswith("stream.") and name.removeprefix("stream.") not in fixed):
            given[name] = _to_rows(rows, tensor)
        elif name == "resets":
            flags = tensor
            if form.reverse:
                flags = torch.zeros_like(tensor)
                flags[:-1] = tensor[1:]
                if form.lengths:  # a sequence's own last step is where it starts
                    flags &= torch.arange(1, time_steps + 1)[:, None] < inputs["lengths"][None]
            given[name] = _to_rows(rows, flags[..., None].contiguous())
        elif rows.order is not None and name.startswith(("s.", "r.", "stream.")):
            given[name] = tensor.flatten(0, -2)[rows.order].contiguous()
        elif name.startswith("U."):
            given[name] = _dense(form, name, tensor)
        else:
            given[name] = tensor.contiguous()
    return rows, given


def _to_rows(rows: Rows, tensor: Tensor) -> Tensor:
    """[T, B, W] as the rows that the loop runs over, [rows, W]."""
    flat = tensor.contiguous().flatten(0, 1)
    return flat if rows.index is None else flat[rows.index]


def _to_padded(rows: Rows, array: Tensor, padded_rows: int | None = None) -> Tensor:
    """The inverse: [T * B, W], zero where no row is."""
    if rows.index is None:
        return array
    count = array.shape[0] if padded_rows is None else padded_rows
    return array.new_zeros(count, array.shape[1]).index_copy_(0, rows.index, array[: rows.total])


def _firsts(form: Form, given: Buffers) -> dict[str, int]:
    """Where the rows before the first step are."""
    states = form.cell.widths("state")
    return {f"{role}.{name}": given[f"s.{name}"].data_ptr() for name in states for role in ("old", "before")}


def _heads(form: Form, name: str) -> int:
    return next(stack.heads for stack in form.traced.stacks if f"U.{stack.name}" == name)


def _dense(form: Form, name: str, weight: Tensor, zero: bool = False) -> Tensor:
    """Block-diagonal weights [rows, width_in / heads] with their zeros, [rows, width_in]; others as they are."""
    heads = _heads(form, name)
    if heads == 1:
        return weight.contiguous()
    dense = weight.new_zeros(weight.shape[0], weight.shape[1] * heads)
    if not zero:
        for row, column, block in _block_places(form, name, weight):
            dense[row : row + block.shape[0], column : column + block.shape[1]] = block
    return dense


def _blocks(form: Form, name: str, dense: Tensor) -> Tensor:
    """The diagonal blocks of dense weights, as they are stored."""
    stored = dense.new_empty(dense.shape[0], dense.shape[1] // _heads(form, name))
    for row, column, block in _block_places(form, name, stored):
        block.copy_(dense[row : row + block.shape[0], column : column + block.shape[1]])
    return stored


def _block_places(form: Form, name: str, stored: Tensor) -> Any:
    stack = next(stack for stack in form.traced.stacks if f"U.{stack.name}" == name)
    row, total = 0, stored.shape[0]
    hidden = total // len(stack.products)  # with heads, all products of a stack are equally wide
    for _ in stack.products:
        for head in range(stack.heads):
            height = hidden // stack.heads
            yield row, head * stored.shape[1], stored[row : row + height]
            row += height


# --- launches are kept: their tables and scratch memory are a call's fixed cost ------------------------------------------


class Launches:
    """Launches that are not running, by what they were built for; each runs one call at a time."""

    def __init__(self, most: int) -> None:
        self.most, self._free, self._lock = most, dict[Any, list[Launch]](), threading.Lock()
        self._keys: dict[int, Any] = {}

    def take(self, key: Any, build: Callable[[], Launch]) -> Launch:
        """One that is free, or a new one."""
        with self._lock:
            free = self._free.get(key)
            if free:
                return free.pop()
        launch = build()
        launch.key = key
        return launch

    def give_back(self, launch: Launch) -> None:
        """Keeps a launch for the next call; the one that was not used for longest goes when there are too many."""
        with self._lock:
            entries = self._free.pop(launch.key, [])
            entries.append(launch)
            self._free[launch.key] = entries
            while len(self._free) > self.most:
                self._free.pop(next(iter(self._free)))


_launches = Launches(64)


def _forward_launch(form: Form, sizes: Sizes, keep: bool, fixed: frozenset[str]) -> Launch:
    launch = _launches.take(("forward", form, sizes, keep, fixed), lambda: forward.build(form, sizes, keep, fixed))
    _launches.give_back(launch)
    return launch
