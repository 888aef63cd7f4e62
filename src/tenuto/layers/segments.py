"""Recomputed time: a layer that keeps only its states at the borders of segments, and runs a segment again on the way back.

A layer without it keeps what each step computed, T times as much as one step. With segments of n steps it keeps T / n states, and on the way back n steps of one segment at a time:
least where n is near the root of T. The steps run twice forward and once back.

Source: Chen, Xu, Zhang, Guestrin 2016, "Training deep nets with sublinear memory cost"; it is torch.utils.checkpoint, segment by segment.
Letters: T time, B batch, N packed rows, W a state's width.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from tenuto.engines import Form, autograd, members
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
        found = _segments(handle, tensors, state, back, reverse, engine, every, steps)
    return [value.to(result) for value in found]


def _segments(handle: str, tensors: dict[str, Tensor], state: list[Tensor], back: list[Tensor], reverse: bool, engine: str, every: int, steps: int) -> list[Tensor]:
    borders = [*range(0, steps, every), steps]
    parts, last, count = _Parts(tensors, borders), len(borders) - 2, len(state)
    outputs: list[Any] = [None] * (last + 1)
    for place in range(last, -1, -1) if reverse else range(last + 1):
        returns = parts.returns(borders[place + 1], len(state[0])) if reverse and back and place < last else None
        names, values = zip(*parts.of(place))

        def run(*given: Tensor, names: tuple[str, ...] = names, returns: Tensor | None = returns) -> list[Tensor]:
            own, before, to = given[: len(names)], list(given[len(names) : len(names) + count]), list(given[len(names) + count :])
            if returns is not None:
                before = [torch.where(returns, initial, value) for initial, value in zip(to, before, strict=True)]
            return run_layer(handle, dict(zip(names, own, strict=True)), before, to, reverse, engine)

        outputs[place], *state = checkpoint(run, *values, *state, *back, use_reentrant=False, preserve_rng_state=False)
    return [torch.cat(outputs), *state]


def _zeros(handle: str, tensors: dict[str, Tensor], rows: int) -> list[Tensor]:
    """The states [B, W] before the first step."""
    form = Form(traced_of(handle).cell, traced=traced_of(handle))
    return [tensors["x"].new_zeros(rows, size) for _, size in sizes_of_states(form, tensors["weight_ih"].shape[0] // form.gates)]


class _Parts:
    """A layer's tensors, cut at borders in time. Each is cut once, so that its gradient is put together once."""

    def __init__(self, tensors: dict[str, Tensor], borders: Sequence[int]) -> None:
        self._tensors, self._borders = tensors, borders
        self._counts = [after - before for before, after in zip(borders, borders[1:])]
        batch_sizes = tensors.get("batch_sizes")
        self._rows = self._counts
        if batch_sizes is not None:
            self._rows = [int(part.sum()) for part in batch_sizes.split(self._counts)]
            self._offsets = [0, *accumulate(batch_sizes.tolist())]
        self._cut = {name: tensor.split(self._rows) for name, tensor in tensors.items() if self._each_step(name, tensor)}

    def _each_step(self, name: str, tensor: Tensor) -> bool:
        if name.startswith("stream."):
            return tensor.dim() == 2 if "batch_sizes" in self._tensors else len(tensor) == self._borders[-1] > 1
        return name in ("x", "resets")

    def of(self, place: int) -> list[tuple[str, Tensor]]:
        """The tensors of one segment by name."""
        found = []
        for name, tensor in self._tensors.items():
            if name in self._cut:
                tensor = self._cut[name][place]
            elif name == "batch_sizes":
                tensor = tensor[self._borders[place] : self._borders[place + 1]]
            elif name == "lengths":
                tensor = (tensor - self._borders[place]).clamp(0, self._counts[place])
            found.append((name, tensor))
        return found

    def returns(self, step: int, rows: int) -> Tensor:
        """[B, 1] bool: whose state returns to its initial value on the way back from this step into the one before it, which is in another segment."""
        resets, batch_sizes = self._tensors["resets"], self._tensors.get("batch_sizes")
        if batch_sizes is not None:
            flags = resets[self._offsets[step] : self._offsets[step + 1]]
            return torch.nn.functional.pad(flags, (0, rows - len(flags)))[:, None]
        lengths = self._tensors.get("lengths")
        return (resets[step] if lengths is None else resets[step] & (lengths > step))[:, None]
