"""Several layers and both directions, made of functional.py's one layer; and packed sequences in and out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from tenuto.layers.functional import layer_tensors, run_layer


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

    def tensors(self, x: Tensor, lengths: Tensor | None, resets: Tensor | None) -> dict[str, Tensor]:
        """All of its tensors except the states, by the engines' names."""
        return layer_tensors(self.weights, x, lengths, resets)


def run_stack(
    layers: Sequence[Sequence[Direction]],
    x: Tensor,
    initial: Sequence[Tensor] | None,
    *,
    lengths: Tensor | None,
    resets: Tensor | None,
    before: Callable[[int, Tensor], Tensor],
    after: Callable[[int, Tensor, Tensor], Tensor],
    engine: str,
) -> tuple[Tensor, list[Tensor]]:
    """Runs x [T, B, I] through the layers.

    Args:
        initial: for each state [L * D, B, W], layer by layer, forward before reverse; or None.
        before: (layer number, its input) to what it reads.
        after: (layer number, its input, its output) to what the next one is given.
    Returns:
        output [T, B, D * W]; the final states, as `initial`.
    """
    finals: list[list[Tensor]] = []
    for number, directions in enumerate(layers):
        read, outputs = before(number, x), []
        for direction in directions:
            start = [] if initial is None else [state[len(finals)] for state in initial]
            tensors = direction.tensors(read, lengths, resets)
            output, *final = run_layer(
                direction.handle, tensors, start, list(direction.reset_state), direction.reverse, engine
            )
            outputs.append(output)
            finals.append(final)
        x = after(number, x, outputs[0] if len(outputs) == 1 else torch.cat(outputs, -1))
    return x, [torch.stack(values) for values in zip(*finals, strict=True)]


@dataclass(frozen=True)
class Unpacked:
    """A packed sequence laid out as a padded batch in its own sorted order, and the way back."""

    padded: Tensor
    lengths: Tensor
    packed: PackedSequence

    @staticmethod
    def of(packed: PackedSequence) -> Unpacked:
        """x [T, B, I] padded with zeros, in the packed sequence's sorted order of the batch."""
        if torch.compiler.is_compiling():
            data, (step, row), batch_size = packed.data, _places(packed), _batch_size(packed)
            padded = data.new_zeros(packed.batch_sizes.shape[0], batch_size, *data.shape[1:]).index_put((step, row), data)
            lengths = (packed.batch_sizes[:, None] > torch.arange(batch_size, device=packed.batch_sizes.device)).sum(0)
            return Unpacked(padded, lengths.to(data.device), packed)
        padded, lengths = torch._VF._pad_packed_sequence(  # type: ignore[attr-defined]
            packed.data, packed.batch_sizes, False, 0.0, packed.batch_sizes.shape[0]
        )
        return Unpacked(padded, lengths.to(packed.data.device), packed)

    def sort(self, value: Tensor) -> Tensor:
        """A state [L, B, W], resets [T, B] or a stream [T, B, W] from the user's order of the batch to the sorted one."""
        order = self.packed.sorted_indices
        return value if order is None else value.index_select(1, order)

    def unsort(self, state: Tensor) -> Tensor:
        """A state [L, B, W] from the sorted order to the user's."""
        order = self.packed.unsorted_indices
        return state if order is None else state.index_select(1, order)

    def pack(self, output: Tensor) -> PackedSequence:
        """output [T, B, W] packed as the input was."""
        packed = self.packed
        if torch.compiler.is_compiling():
            data = output[_places(packed)]
        else:
            data, _ = torch._VF._pack_padded_sequence(output, self.lengths.cpu(), False)  # type: ignore[attr-defined]
        return PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)


# torch's own operations for packed sequences have no shapes without values, so a graph gets these in their place.


def _places(packed: PackedSequence) -> tuple[Tensor, Tensor]:
    """Where each packed row stands in a padded array: its step [N] and its row in the sorted batch [N]."""
    data, counts = packed.data, packed.batch_sizes
    count, steps = data.shape[0], torch.arange(counts.shape[0], device=counts.device)
    step = steps.repeat_interleave(counts, output_size=count)
    row = torch.arange(count, device=counts.device) - (counts.cumsum(0) - counts)[step]
    return step.to(data.device), row.to(data.device)


def _batch_size(packed: PackedSequence) -> int:
    """B: known without looking at values only where the batch was sorted by torch."""
    order = packed.sorted_indices
    return int(packed.batch_sizes[0]) if order is None else order.shape[0]


def steps_of(x: Any, batch_first: bool) -> tuple[int, ...]:
    """The shape of what is given for each step (resets), in the user's order of axes: [T, B], [B, T] if batch_first, [T] for one sequence."""
    if isinstance(x, PackedSequence):
        shape = x.batch_sizes.shape[0], _batch_size(x)
        return shape[::-1] if batch_first else shape
    return tuple(x.shape[:-1])


def laid_out(x: Any, batch_first: bool) -> Tensor:
    """x as [T, B, I], from whatever form a layer is given: packed, one sequence [T, I], or a batch."""
    if isinstance(x, PackedSequence):
        return Unpacked.of(x).padded
    return x[:, None] if x.dim() == 2 else as_time_first(x, batch_first)  # type: ignore[no-any-return]


def same(number: int, x: Tensor) -> Tensor:
    """A `before` that changes nothing."""
    return x


def as_time_first(x: Any, batch_first: bool) -> Any:
    """[B, T, ...] to [T, B, ...] and back, if the batch comes first."""
    return x.transpose(0, 1) if batch_first else x
