"""`NTM`: a Neural Turing Machine as an encoder. Its heads read and write a memory, found by content and by steps from where they were.

Letters: T time, B batch, I input, H hidden size of the controller, N rows of the memory, M their width, R read heads, A all heads (read heads first), S how far a head shifts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.engines.cpp.access import Heads
from tenuto.layers.addressing import Interface, by_content, oneplus, sharpened, shifted
from tenuto.layers.masks import check_size
from tenuto.layers.memory import ControlledMemory, detached

CONSTANT = 1e-6  # the memory at the beginning (Collier & Beel 2018, section 3.1)
# A head keeps its place and its focus until it has learnt something else. With biases near zero its weight is spread over nine rows, half of it by content. Where a task does not need a head
# for some steps, as the head that writes is not needed while another reads, nothing teaches it better: an NTM that copies 20 vectors writes a little to all rows in each step of reading, which
# after 20 steps cannot be noticed, and after 80 can.
GATE = -2.0  # bias of the gates at first: 12 % by content
POWER = 2.0  # bias of the powers at first: 3.1


class NTMState(NamedTuple):
    """All that an NTM keeps from step to step.

    Attributes:
        memory: [B, N, M]. reads: [B, R, M], the vectors read. weights: [B, A, N], where each head was, read heads first. controller: the state of its layer, a named tuple of [L, B, W].
    """

    memory: Tensor
    reads: Tensor
    weights: Tensor
    controller: Any

    @property
    def rows_first(self) -> tuple[str, ...]:
        """The tensors whose first axis is B (`rows.py`): all."""
        return self._fields

    def detach(self) -> NTMState:
        """The same values without their history."""
        return detached(self)  # type: ignore[no-any-return]


class NTM(ControlledMemory):
    """A Neural Turing Machine as an encoder: T steps at once, in chunks, and as a stream are the same.

    Equations (numbers of Graves et al. 2014; the controller reads [x_t, r_{t-1}], and all else of a step follows from its output h_t):
        (6) K(k, v) = k . v / sqrt((|k|^2 + e) (|v|^2 + e))           e = 1e-6 inside the root
        (5) w_c(i) = softmax_i(b K(k_t, M_{t-1}(i)))                  k = tanh, b = softplus
        (7) w_g = g w_c + (1 - g) w_{t-1}                             g = sigmoid
        (8) w_s(i) = sum_j w_g(j) s(i - j)                            s = softmax over -S, ..., S
        (9) w_t(i) = w_s(i)^y / sum_j w_s(j)^y                        y = 1 + softplus
        (2) r_t = sum_i w_t(i) M_{t-1}(i)                             for each read head
        (3) M'(i) = M_{t-1}(i) (1 - w_t(i) e_t)                       e = sigmoid; all write heads erase
        (4) M_t(i) = M'(i) + w_t(i) a_t                               a = tanh; then all add
        output_t = [h_t, r_t]
    Args:
        cell: of the controller, any without streams. input_size: I. hidden_size: H.
        rows: N. width: M. read_heads, write_heads: how many. reach: S.
        num_layers: of the controller.
        learned_memory: the memory at the beginning is a parameter; else it is 1e-6 everywhere.
        batch_first, engine, device, dtype: as in `Recurrent`; the engine is the controller's.
    Attributes:
        output_width: the controller's plus R * M.
    Raises:
        ArgumentError, CellError, TraceError: at construction, where an option or the cell is wrong.
    Source:     Graves, Wayne, Danihelka 2014, "Neural Turing machines". As in Collier & Beel 2018, "Implementing Neural Turing machines": heads read before they write, the memory
        begins constant, and first weights and reads are learnt. At first each head has three quarters of its weight at the first row, and the rest everywhere: where
        all rows begin alike, a network has to find out first that a head can be at one of them. And at first a head mostly stays focused where it was: biases of -2 for g and 2 for y.
    Example:
        >>> from tenuto.cells import LSTM
        >>> found = NTM(LSTM(), 3, 8, rows=16, width=4)(torch.zeros(5, 2, 3))
        >>> found.output.shape, found.state.memory.shape
        (torch.Size([5, 2, 12]), torch.Size([2, 16, 4]))
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        *,
        rows: int = 128,
        width: int = 20,
        read_heads: int = 1,
        write_heads: int = 1,
        reach: int = 1,
        num_layers: int = 1,
        learned_memory: bool = False,
        batch_first: bool = False,
        engine: str = "auto",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.num_layers = check_size("input_size", input_size), check_size("hidden_size", hidden_size), check_size("num_layers", num_layers)
        self.rows, self.width, self.reach = check_size("rows", rows), check_size("width", width), check_size("reach", reach)
        self.read_heads, self.write_heads = check_size("read_heads", read_heads), check_size("write_heads", write_heads)
        self.learned_memory, self.batch_first = learned_memory, batch_first
        options, heads = {"device": device, "dtype": dtype}, self.read_heads + self.write_heads
        self._control(cell, self.read_heads * self.width, self.hidden_size, self.num_layers, engine=engine, **options)
        wide = self.controller.output_width
        self.interface = Interface(
            wide,
            {
                "keys": (heads, self.width), "strengths": (heads,), "gates": (heads,), "shifts": (heads, 2 * self.reach + 1), "powers": (heads,),
                "erased": (self.write_heads, self.width), "added": (self.write_heads, self.width),
            },
            **options,
        )  # fmt: skip
        memory = torch.full((self.rows, self.width), CONSTANT, **options)
        self.initial_memory = nn.Parameter(memory + self.width**-0.5 * torch.randn_like(memory)) if learned_memory else nn.Buffer(memory)
        self.initial_reads = nn.Parameter(torch.zeros(self.read_heads, self.width, **options))
        self.initial_weights = nn.Parameter(torch.zeros(heads, self.rows, **options))
        with torch.no_grad():
            self.initial_weights[:, 0] = math.log(3 * max(1, self.rows - 1))
            biases = self.interface.named(self.interface.project.bias)
            biases["gates"] += GATE
            biases["powers"] += POWER
        self.output_width = wide + self.read_heads * self.width

    def begin(self, batch_size: int) -> NTMState:
        """The state before the first step."""
        memory, reads, weights = (part.expand(batch_size, -1, -1) for part in (self.initial_memory, self.initial_reads.tanh(), self.initial_weights.softmax(-1)))
        return NTMState(memory, reads, weights, self._begun(batch_size))

    def heads(self) -> Heads:
        return Heads("ntm", self.interface.size, self.rows, self.width, self.read_heads, self.write_heads, self.reach)

    def access(self, said: Mapping[str, Tensor], state: NTMState) -> tuple[Tensor, ...]:
        memory = state.memory
        found = by_content(said["keys"].tanh(), nn.functional.softplus(said["strengths"]), memory)
        gates = said["gates"].sigmoid()[..., None]
        moved = shifted(gates * found + (1 - gates) * state.weights, said["shifts"].softmax(-1))
        weights = sharpened(moved, oneplus(said["powers"]))
        reads, writes = weights[:, : self.read_heads] @ memory, weights[:, self.read_heads :]
        for place, erased in zip(writes.unbind(1), said["erased"].sigmoid().unbind(1)):
            memory = memory * (1 - place[..., None] * erased[:, None])
        memory = memory + writes.mT @ said["added"].tanh()
        return memory, reads, weights

    def extra_repr(self) -> str:
        words = f"{self.input_size}, {self.hidden_size}, rows={self.rows}, width={self.width}, read_heads={self.read_heads}, write_heads={self.write_heads}, reach={self.reach}"
        return words + ", learned_memory=True" * self.learned_memory + ", batch_first=True" * self.batch_first
