"""Several layers and both directions, made of functional.py's one layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from tenuto import engines
from tenuto.engines.cpp.memory import in_main_memory
from tenuto.layers import again
from tenuto.layers.arrays import check_lengths
from tenuto.layers.functional import layer_tensors, released, run_layer
from tenuto.layers.packed import LARGE, Packed
from tenuto.layers.segments import run_in_segments


def weight_of(layer: nn.Module, name: str) -> Tensor:
    """A weight by name: from where torch keeps parameters, which is quick, or, where it is parametrized, as an attribute."""
    kept = layer._parameters.get(name)
    return getattr(layer, name) if kept is None else kept


class Direction(NamedTuple):
    """One layer in one direction, ready to run: its cell's handle; its weights, and the streams and masks drawn for this call, by the engines' names."""

    handle: str
    weights: dict[str, Tensor]
    reverse: bool
    reset_state: Sequence[Tensor] = ()

    def tensors(
        self, x: Tensor, lengths: Tensor | None = None, resets: Tensor | None = None, batch_sizes: Tensor | None = None
    ) -> dict[str, Tensor]:
        """All of its tensors except the states, by the engines' names."""
        return layer_tensors(self.weights, x, lengths, resets, batch_sizes)


def run_stack(
    layers: Sequence[Sequence[Direction]],
    x: Tensor,
    initial: Sequence[Tensor] | None,
    *,
    lengths: Tensor | None,
    resets: Tensor | None,
    batch_sizes: Tensor | None,
    before: Callable[[int, Tensor], Tensor],
    after: Callable[[int, Tensor, Tensor], Tensor],
    engine: str,
    every: int | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Runs x [T, B, I], or with batch sizes the packed rows x [N, I], through the layers.

    Args:
        initial: for each state [L * D, B, W], layer by layer, forward before reverse; or None, but not with packed rows.
        before: (layer number, its input) to what it reads.
        after: (layer number, its input, its output) to what the next one is given.
        every: of how many steps the segments are that are recomputed on the way back; None for none.
    Returns:
        output [T, B, D * W] (packed [N, D * W]); the final states, as `initial`.
    """
    finals: list[list[Tensor]] = []
    if again.ordinary() and in_main_memory(x):
        x = x.contiguous()  # which the engines would do later: so it is like other calls, and remembered
    for number, directions in enumerate(layers):
        read, outputs = before(number, x), []
        for direction in directions:
            start = [] if initial is None else [state[len(finals)] for state in initial]
            tensors = direction.tensors(read, lengths, resets, batch_sizes)
            call = direction.handle, tensors, start, list(direction.reset_state), direction.reverse, engine
            output, *final = run_layer(*call) if every is None else run_in_segments(*call, every)
            outputs.append(output)
            finals.append(final)
        x = after(number, x, outputs[0] if len(outputs) == 1 else torch.cat(outputs, -1))
    return x, [torch.stack(values) for values in zip(*finals, strict=True)]


def run_stack_again(
    layers: Callable[[Tensor], Sequence[Sequence[Direction]]], x: Tensor, state: Any, lengths: Any, batch_first: bool, engine: str
) -> tuple[Tensor, list[Tensor]] | None:
    """As `run_stack`, with nothing between the layers and what a layer does around it, where checks were passed and each loop is like one that was made before (see again.py); else None.

    Args:
        layers: from x [T, B, I] to the layers. x, state, lengths: as the user gave them; x [B, T, I] if batch_first.
    """
    x = as_time_first(x, batch_first).contiguous()
    if lengths is not None:
        if x.numel() >= LARGE:
            return None  # it may have to be packed
        lengths = check_lengths(lengths, x.shape[1], x.shape[0], x.device)
    initial = (state,) if isinstance(state, Tensor) else state
    finals: list[list[Tensor]] = []
    engine = engines.settled(engine)
    for directions in layers(x):
        outputs = []
        for direction in directions:
            start = [] if initial is None else [state[len(finals)] for state in initial]
            tensors = direction.tensors(x, lengths)
            key = again.key_of(direction.handle, tensors, start, direction.reverse, engine)
            results = None if key is None else again.run(key, tensors, start)
            if results is None:
                return None
            outputs.append(results[0])
            finals.append(results[1:])
        x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, -1)
    return released(as_time_first(x, batch_first)), [torch.stack(values) for values in zip(*finals, strict=True)]  # not a view, so that `state.detach_()` works


def steps_of(x: Any, batch_first: bool) -> tuple[int, ...]:
    """The shape of what is given for each step (resets), in the user's order of axes: [T, B], [B, T] if batch_first, [T] for one sequence."""
    if isinstance(x, PackedSequence):
        shape = x.batch_sizes.shape[0], Packed.of(x).batch_size
        return shape[::-1] if batch_first else shape
    return tuple(x.shape[:-1])


def pose(
    x: Any, packed: Packed | None, batch_first: bool, lengths: bool, resets: bool
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """What `Direction.tensors` takes for an input like x (packed, one sequence [T, I], or a batch): zeros as lengths and resets, where there are any."""
    if packed is not None:
        x = packed.data
    else:
        x = x[:, None] if x.dim() == 2 else as_time_first(x, batch_first)
    given = torch.zeros(x.shape[1], dtype=torch.int64, device=x.device) if lengths else None
    flags = torch.zeros(x.shape[:-1], dtype=torch.bool, device=x.device) if resets else None
    return x, given, flags, None if packed is None else packed.batch_sizes


def same(number: int, x: Tensor) -> Tensor:
    """A `before` that changes nothing."""
    return x


def as_time_first(x: Any, batch_first: bool) -> Any:
    """[B, T, ...] to [T, B, ...] and back, if the batch comes first."""
    return x.transpose(0, 1) if batch_first else x
