"""torch's packed sequences at a layer: their rows go to the engines as they lie, and what else a call is given follows their order.

Padded sequences of which half or more is padding are packed first, where they are large: then nothing that a layer makes but its last
output has rows for padding, also between the layers of a stack.

Letters: B batch, T time, N rows, L layers times directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from tenuto.engines.autograd import ordinary
from tenuto.engines.packed import steps_and_sequences
from tenuto.errors import ShapeError, describe
from tenuto.layers.functional import released

LARGE = 1 << 18  # numbers in x, from where padded sequences are packed; below, the operations that do it take longer than they save


@dataclass(frozen=True)
class Packed:
    """A packed sequence.

    Attributes:
        given: what the user gave, or what was made of it.
        batch_size: B.
        padded_steps: T of the padded sequences that it was made of; None where the user packed them.
    """

    given: PackedSequence
    batch_size: int
    padded_steps: int | None = None

    @staticmethod
    def of(given: PackedSequence) -> Packed:
        """The batch size is known without looking at values only where torch sorted the batch."""
        order = given.sorted_indices
        return Packed(given, int(given.batch_sizes[0]) if order is None else order.shape[0])

    @staticmethod
    def of_padded(x: Tensor, lengths: Tensor, single: bool) -> Packed | None:
        """x [T, B, I] and lengths [B] packed; None where that saves little, or where lengths may not be looked at (in graphs and transforms).

        `single`: one layer in one direction reads it, which without gradients keeps nothing.
        """
        if torch.compiler.is_compiling() or x.device.type != "cpu" or not ordinary((x, lengths)):
            return None
        steps, batch_size, _ = x.shape
        if x.numel() < LARGE or (single and not torch.is_grad_enabled()) or not 0 < 2 * int(lengths.sum()) <= steps * batch_size:
            return None
        descending, order = lengths.sort(descending=True, stable=True)
        times = torch.arange(int(descending[0]), device="cpu")
        batch_sizes = batch_size - torch.searchsorted(descending.flip(0), times, right=True)
        step, row = steps_and_sequences(batch_sizes, int(descending.sum()))
        if x.transpose(0, 1).is_contiguous():  # batch first
            data = x.transpose(0, 1).flatten(0, 1).index_select(0, order[row] * steps + step)
        else:
            data = x.flatten(0, 1).index_select(0, step * batch_size + order[row])
        return Packed(PackedSequence(data, batch_sizes, order, order.argsort()), batch_size, steps)

    @property
    def data(self) -> Tensor:
        """The rows [N, I]."""
        return self.given.data

    @property
    def batch_sizes(self) -> Tensor:
        """[T] int64 on the CPU: how many rows each step has."""
        return self.given.batch_sizes

    def sort(self, state: Tensor) -> Tensor:
        """A state [L, B, W] from the user's order of the batch to the sorted one."""
        order = self.given.sorted_indices
        return state if order is None else state.index_select(1, order)

    def unsort(self, state: Tensor) -> Tensor:
        """A state [L, B, W] from the sorted order to the user's."""
        order = self.given.unsorted_indices
        return state if order is None else state.index_select(1, order)

    def zeros(self, layers: int, sizes: Sequence[int]) -> list[Tensor]:
        """The states [L, B, W] of these widths before the first step, where none are given."""
        return [self.data.new_zeros(1, self.batch_size, size).expand(layers, -1, -1) for size in sizes]

    def rows(self, name: str, value: Tensor) -> Tensor:
        """Resets [T, B] or a stream [T, B, W] in the user's order of the batch, as rows [N] or [N, W]. A stream [1, B, W] stays one, sorted.

        Raises:
            ShapeError: it has another number of steps or sequences.
        """
        steps = self.padded_steps or self.batch_sizes.shape[0]
        if value.dim() == 3 and value.shape[:2] == (1, self.batch_size):
            return self.sort(value)
        if value.shape[:2] != (steps, self.batch_size):
            raise ShapeError(f"{name} does not fit the packed sequence.", expected=f"{steps} steps of {self.batch_size} sequences", received=describe(value))
        return value[self._places()]

    def sequences(self) -> Tensor:
        """[N]: of which sequence, in the sorted order, a row is a step."""
        return steps_and_sequences(self.batch_sizes, self.data.shape[0])[1].to(self.data.device)

    def _places(self) -> tuple[Tensor, Tensor]:
        """[N] each: which step of which of the user's sequences a row is."""
        step, row = steps_and_sequences(self.batch_sizes, self.data.shape[0])
        step, row, order = step.to(self.data.device), row.to(self.data.device), self.given.sorted_indices
        return step, row if order is None else order[row]

    def like_the_input(self, output: Tensor, batch_first: bool) -> Any:
        """The output's rows [N, W] as the user gave the input's: packed, or padded with zeros. The user may write into them."""
        if self.padded_steps is None:
            return PackedSequence(released(output), self.batch_sizes, self.given.sorted_indices, self.given.unsorted_indices)
        steps, sequences = self._places()
        if batch_first:
            return output.new_zeros(self.batch_size, self.padded_steps, output.shape[-1]).index_put_((sequences, steps), output)
        return output.new_zeros(self.padded_steps, self.batch_size, output.shape[-1]).index_put_((steps, sequences), output)
