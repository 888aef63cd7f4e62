"""`FastWeights`: the simplest memory, a matrix for each head that stores values under keys and is corrected by the delta rule.

Letters: T time, B batch, I input, W hidden size, H heads, D = W / H the width of keys and values.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tenuto.errors import ArgumentError
from tenuto.layers.carried import TorchReport
from tenuto.layers.masks import check_size
from tenuto.layers.memory import MemoryEncoder, detached


class FastWeightState(NamedTuple):
    """What fast weights keep. memory: [B, H, D, D], values by keys."""

    memory: Tensor

    @property
    def rows_first(self) -> tuple[str, ...]:
        """The tensors whose first axis is B (`rows.py`): all."""
        return self._fields

    def detach(self) -> FastWeightState:
        """The same values without their history."""
        return detached(self)  # type: ignore[no-any-return]


class FastWeights(MemoryEncoder):
    """A key-value memory as an encoder: T steps at once, in chunks, and as a stream are the same.

    Equations (for each head):
        k, v, q, b = W x_t + c                                   a key, a value, a question, and how much is corrected
        f(z) = (elu(z) + 1) / sum(elu(z) + 1)                    so that keys are positive and sum to 1
        M_t = M_{t-1} + sigmoid(b) (v - M_{t-1} f(k)) f(k)^T     the value that is found under the key moves toward v
        output_t = M_t f(q)
    Args:
        input_size: I. hidden_size: W. heads: H, which divide W.
        batch_first, device, dtype: as in `Recurrent`.
    Attributes:
        output_width: W.
    Raises:
        ArgumentError: an option is out of range, or heads do not divide W.
    Source:     Schlag, Irie, Schmidhuber 2021, "Linear transformers are secretly fast weight programmers", section 4.2; f is that of Katharopoulos et al. 2020, normalised by its sum.
    Example:
        >>> found = FastWeights(3, 8, heads=2)(torch.zeros(5, 2, 3))
        >>> found.output.shape, found.state.memory.shape
        (torch.Size([5, 2, 8]), torch.Size([2, 2, 4, 4]))
    """

    def __init__(self, input_size: int, hidden_size: int, *, heads: int = 4, batch_first: bool = False, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.heads, self.batch_first = check_size("input_size", input_size), check_size("hidden_size", hidden_size), check_size("heads", heads), batch_first
        if self.hidden_size % self.heads:
            near = self.heads * max(1, round(self.hidden_size / self.heads))
            raise ArgumentError(f"FastWeights: {self.heads} heads do not divide a width of {self.hidden_size}.", expected="a multiple of the heads", fix=f"a width of {near}")
        self.each = self.hidden_size // self.heads
        self.project = nn.Linear(self.input_size, self.heads * (3 * self.each + 1), device=device, dtype=dtype)
        self.output_width = self.hidden_size

    def begin(self, batch_size: int) -> FastWeightState:
        """The state before the first step."""
        return FastWeightState(self.project.weight.new_zeros(batch_size, self.heads, self.each, self.each))

    def _advance(self, x: Tensor, state: FastWeightState) -> tuple[Tensor, FastWeightState]:
        said = self.project(x).unflatten(-1, (self.heads, -1))
        key, value, question, pace = said.split([self.each, self.each, self.each, 1], -1)
        key, question = _positive(key), _positive(question)
        found = (state.memory @ key[..., None])[..., 0]
        memory = state.memory + (pace.sigmoid() * (value - found))[..., None] * key[..., None, :]
        return (memory @ question[..., None]).flatten(1), FastWeightState(memory)

    def engine_report(self, x: Tensor, *, lengths: Any = None) -> TorchReport:
        """Which engine runs an input like x: torch, step by step."""
        return TorchReport("fast weights, step by step", "batched products")

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, heads={self.heads}" + ", batch_first=True" * self.batch_first


def _positive(x: Tensor) -> Tensor:
    raised = nn.functional.elu(x) + 1
    return raised / raised.sum(-1, keepdim=True).clamp(min=torch.finfo(raised.dtype).tiny)
