"""Recomputed time: a layer that keeps only its states at the borders of segments, and runs a segment again on the way back.

A layer without it keeps what each step computed, T times as much as one step. With segments of n steps it keeps T / n states, and on the way back n steps of one segment at a time:
least where n is near the root of T. The steps run twice forward and once back.

Source: Chen, Xu, Zhang, Guestrin 2016, "Training deep nets with sublinear memory cost".
Letters: T time, B batch, N packed rows, W a state's width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tenuto.engines import Form, autograd, members
from tenuto.engines.cpp import pool
from tenuto.engines.cpp.memory import in_main_memory
from tenuto.errors import ArgumentError
from tenuto.layers.checks import dtypes, sizes_of_states
from tenuto.layers.functional import run_layer
from tenuto.program import traced_of
from tenuto.scalars import whole


def check_every(value: Any) -> int | None:
    """The option `checkpoint_every`, checked.

    Raises:
        ArgumentError: it is no number of steps.
    """
    steps = whole(value)
    if value is not None and (steps is None or steps < 1):
        raise ArgumentError(f"checkpoint_every is {value!r}.", expected="a number of steps from 1, near the root of the usual number; or None")
    return steps


def run_in_segments(
    handle: str, tensors: dict[str, Tensor], initial: list[Tensor], reset: list[Tensor], reverse: bool, engine: str, every: int
) -> list[Tensor]:
    """As `run_layer`, with recomputed segments of `every` steps where gradients will be asked for.

    All at once where torch makes a graph, a function transform is at work, or somebody listens to what is run: they would see each segment twice.

    Raises:
        ArgumentError: a segment would be longer than the sequences.
    """
    x, batch_sizes, given = tensors["x"], tensors.get("batch_sizes"), (*tensors.values(), *initial, *reset)
    steps = len(x) if batch_sizes is None else len(batch_sizes)
    if every > steps > 0:
        raise ArgumentError(f"checkpoint_every is {every}, and the sequences have {steps} steps.", expected=f"1 to {steps}, best near {max(1, round(steps**0.5))}", fix="a smaller checkpoint_every, or None")
    if torch.compiler.is_compiling():  # before anything that would end the graph here
        return run_layer(handle, tensors, initial, reset, reverse, engine)
    needed = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given)
    if not needed or steps == 0 or members.transformed() or not autograd.ordinary(given):
        return run_layer(handle, tensors, initial, reset, reverse, engine)
    compute, result = dtypes(x, tensors.get("scale.weight_ih", tensors["weight_ih"]))

    def wide(tensor: Tensor) -> Tensor:  # states are not rounded at the borders
        return tensor.to(compute) if tensor.is_floating_point() else tensor

    with autograd.exact(x.device):
        tensors = {name: wide(tensor) for name, tensor in tensors.items()}
        rows = x.shape[1] if batch_sizes is None else len(initial[0])
        zeros = _zeros(handle, tensors, rows)
        state = [wide(value) for value in initial] or zeros
        back = [wide(value) for value in reset] or (zeros if "resets" in tensors else [])
        plan = _Plan(handle, tuple(tensors), len(state), "resets" in tensors, reverse, engine, (*range(0, steps, every), steps))
        found: Sequence[Tensor] = _Recomputed.apply(plan, *tensors.values(), *state, *back)
    return [value.to(result) for value in found]


class _Plan(NamedTuple):
    """One call: what `run_layer` takes beside tensors, the names of its tensors, how many states there are, and where segments begin and end."""

    handle: str
    names: tuple[str, ...]
    states: int
    resets: bool
    reverse: bool
    engine: str
    borders: tuple[int, ...]

    def split(self, flat: Sequence[Tensor]) -> tuple[dict[str, Tensor], list[Tensor], list[Tensor]]:
        """Tensors by name, the states before the first step, and what resets return to."""
        count = len(self.names)
        return dict(zip(self.names, flat)), list(flat[count : count + self.states]), list(flat[count + self.states :])

    def order(self) -> list[int]:
        """The segments as they are run."""
        places = list(range(len(self.borders) - 1))
        return places[::-1] if self.reverse else places

    def run(self, parts: _Parts, place: int, own: dict[str, Tensor], state: list[Tensor], back: list[Tensor]) -> list[Tensor]:
        """One segment: its output, and the states after it."""
        if self.reverse and self.resets and place < len(self.borders) - 2:
            returns = parts.returns(self.borders[place + 1], len(state[0]))
            state = [torch.where(returns, initial, value) for initial, value in zip(back, state, strict=True)]
        return run_layer(self.handle, own, state, back, self.reverse, self.engine)


class _Recomputed(torch.autograd.Function):
    """(plan, *tensors, *states, *what resets return to) to (output, *states after the last step)."""

    @staticmethod
    def forward(ctx: Any, plan: _Plan, *flat: Tensor) -> tuple[Tensor, ...]:
        tensors, state, back = plan.split(flat)
        parts, output = _Parts(tensors, plan.borders), None
        borders = []
        for place in plan.order():
            borders += [] if place == plan.order()[0] else state
            found, *state = plan.run(parts, place, parts.of(place), state, back)
            output = _room(parts.total, found) if output is None else output
            parts.at(output, place).copy_(found)
        assert output is not None  # there is a segment
        ctx.plan, ctx.count = plan, len(flat)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*flat, *borders)
        return output, *state

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        plan, saved, needed = ctx.plan, ctx.saved_tensors, ctx.needs_input_grad[1:]
        flat, borders = saved[: ctx.count], saved[ctx.count :]
        with autograd.exact(flat[0].device):
            if torch.is_grad_enabled():  # a further derivative may follow: all at once, with a history
                return None, *_with_history(plan, flat, needed, cotangents)
            return None, *_segment_by_segment(plan, flat, borders, needed, cotangents)


def _with_history(plan: _Plan, flat: Sequence[Tensor], needed: Sequence[bool], cotangents: Sequence[Tensor | None]) -> list[Tensor | None]:
    sources = [tensor.view_as(tensor) if need else tensor for tensor, need in zip(flat, needed)]
    tensors, state, back = plan.split(sources)
    ends = [(end, d) for end, d in zip(run_layer(plan.handle, tensors, state, back, plan.reverse, plan.engine), cotangents) if d is not None and end.requires_grad]
    found = iter(torch.autograd.grad([end for end, _ in ends], [source for source, need in zip(sources, needed) if need], [d for _, d in ends], create_graph=True, allow_unused=True))
    return [next(found) if need else None for need in needed]


def _segment_by_segment(plan: _Plan, flat: Sequence[Tensor], borders: Sequence[Tensor], needed: Sequence[bool], cotangents: Sequence[Tensor | None]) -> list[Tensor | None]:
    tensors, first, back = plan.split([tensor.detach() for tensor in flat])
    parts, order, count = _Parts(tensors, plan.borders), plan.order(), plan.states
    d_output, d_state = cotangents[0], list(cotangents[1:])
    wants = dict(zip(plan.names, needed))
    back_needed = needed[len(plan.names) + count :]
    sums: dict[str, Tensor] = {name: _room(len(tensors[name]), tensors[name]) for name, want in wants.items() if want and parts.cut(name)}
    d_back: list[Tensor | None] = [None] * len(back)
    for number in reversed(range(len(order))):
        place = order[number]
        before = first if number == 0 else borders[(number - 1) * count : number * count]
        with torch.enable_grad():
            own = {name: tensor.detach().requires_grad_(wants[name]) for name, tensor in parts.of(place).items()}
            state = [value.detach().requires_grad_() for value in before]
            to = [value.detach().requires_grad_(need) for value, need in zip(back, back_needed)]
            ends = plan.run(parts, place, own, state, to)
        given = [None if d_output is None else parts.at(d_output, place), *d_state]
        pairs = [(end, d) for end, d in zip(ends, given) if d is not None and end.requires_grad]
        asked = [tensor for tensor in (*own.values(), *to) if tensor.requires_grad]
        found = iter(torch.autograd.grad([end for end, _ in pairs], [*state, *asked], [d for _, d in pairs], allow_unused=True) if pairs else [None] * (count + len(asked)))
        d_state = [next(found) for _ in state]
        for name, tensor in own.items():
            if tensor.requires_grad:
                gradient = next(found)
                if parts.cut(name):
                    parts.at(sums[name], place).copy_(gradient) if gradient is not None else parts.at(sums[name], place).zero_()
                elif gradient is not None:
                    sums[name] = sums[name].add_(gradient) if name in sums else gradient.clone()
        for k, value in enumerate(to):
            gradient = next(found) if value.requires_grad else None
            if gradient is not None:
                known = d_back[k]
                d_back[k] = gradient.clone() if known is None else known.add_(gradient)
    return [*(sums.get(name) for name in plan.names), *d_state, *d_back]


def _room(rows: int, like: Tensor) -> Tensor:
    """Memory for so many rows like those; in main memory with pages that are there, since touching new ones would take a tenth of the time."""
    shape = rows, *like.shape[1:]
    return pool.of_shape(shape, like.dtype) if in_main_memory(like) else like.new_empty(shape)


def _zeros(handle: str, tensors: dict[str, Tensor], rows: int) -> list[Tensor]:
    """The states [B, W] before the first step."""
    form = Form(traced_of(handle).cell, traced=traced_of(handle))
    return [tensors["x"].new_zeros(rows, size) for _, size in sizes_of_states(form, tensors["weight_ih"].shape[0] // form.gates)]


class _Parts:
    """A layer's tensors, cut at borders in time; `total` rows in time of x."""

    def __init__(self, tensors: Mapping[str, Tensor], borders: Sequence[int]) -> None:
        self._tensors, self._borders = tensors, borders
        self._counts = [after - before for before, after in zip(borders, borders[1:])]
        batch_sizes = tensors.get("batch_sizes")
        self._rows = list(borders) if batch_sizes is None else [([0, *batch_sizes.cumsum(0).tolist()])[border] for border in borders]
        self.total = self._rows[-1]

    def cut(self, name: str) -> bool:
        """Whether a tensor has rows for each step."""
        tensor = self._tensors[name]
        if name.startswith("stream."):
            return tensor.dim() == 2 if "batch_sizes" in self._tensors else len(tensor) == self._borders[-1] > 1
        return name in ("x", "resets")

    def at(self, tensor: Tensor, place: int) -> Tensor:
        """The rows of one segment, as a view."""
        return tensor[self._rows[place] : self._rows[place + 1]]

    def of(self, place: int) -> dict[str, Tensor]:
        """The tensors of one segment by name."""
        found = {}
        for name, tensor in self._tensors.items():
            if self.cut(name):
                tensor = self.at(tensor, place)
            elif name == "batch_sizes":
                tensor = tensor[self._borders[place] : self._borders[place + 1]]
            elif name == "lengths":
                tensor = (tensor - self._borders[place]).clamp(0, self._counts[place])
            found[name] = tensor
        return found

    def returns(self, step: int, rows: int) -> Tensor:
        """[B, 1] bool: whose state returns to its initial value on the way back from this step, which begins a segment, into the one before it."""
        resets, batch_sizes = self._tensors["resets"], self._tensors.get("batch_sizes")
        if batch_sizes is not None:
            begun = self._rows[list(self._borders).index(step)]
            flags = resets[begun : begun + int(batch_sizes[step])]
            return nn.functional.pad(flags, (0, rows - len(flags)))[:, None]
        lengths = self._tensors.get("lengths")
        return (resets[step] if lengths is None else resets[step] & (lengths > step))[:, None]
