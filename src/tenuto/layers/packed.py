"""torch's packed sequences at a layer: their rows go to the engines as they lie, and what else a call is given follows their order.

Letters: B batch, T time, N rows, L layers times directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from tenuto.engines.packed import steps_and_sequences
from tenuto.errors import ShapeError, describe


@dataclass(frozen=True)
class Packed:
    """A packed sequence.

    Attributes:
        given: what the user gave.
        batch_size: B.
    """

    given: PackedSequence
    batch_size: int

    @staticmethod
    def of(given: PackedSequence) -> Packed:
        """The batch size is known without looking at values only where torch sorted the batch."""
        order = given.sorted_indices
        return Packed(given, int(given.batch_sizes[0]) if order is None else order.shape[0])

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
        steps = self.batch_sizes.shape[0]
        if value.dim() == 3 and value.shape[:2] == (1, self.batch_size):
            return self.sort(value)
        if value.shape[:2] != (steps, self.batch_size):
            raise ShapeError(f"{name} does not fit the packed sequence.", expected=f"{steps} steps of {self.batch_size} sequences", received=describe(value))
        step, row = self._places()
        order = self.given.sorted_indices
        return value[step, row if order is None else order[row]]

    def sequences(self) -> Tensor:
        """[N]: of which sequence, in the sorted order, a row is a step."""
        return self._places()[1]

    def _places(self) -> tuple[Tensor, Tensor]:
        steps, rows = steps_and_sequences(self.batch_sizes, self.data.shape[0])
        return steps.to(self.data.device), rows.to(self.data.device)

    def pack(self, output: Tensor) -> PackedSequence:
        """The output's rows [N, W], packed as the input's were."""
        return PackedSequence(output, self.batch_sizes, self.given.sorted_indices, self.given.unsorted_indices)
