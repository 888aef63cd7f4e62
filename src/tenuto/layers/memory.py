"""What encoders with an external memory share: the loop over time, lengths, resets, the state as data.

Letters: T time, B batch, I input, W width of the output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.engines import EngineReport, autograd
from tenuto.engines.cpp.access import Heads
from tenuto.engines.problem import size_of
from tenuto.errors import ArgumentError, ShapeError, TenutoError, describe
from tenuto.layers import accessed
from tenuto.layers.addressing import Interface
from tenuto.layers.arrays import check_lengths, check_resets
from tenuto.layers.carried import Carrying, as_state
from tenuto.layers.recurrent import Output, Recurrent
from tenuto.layers.stack import as_time_first
from tenuto.layers.time_steps import in_steps


class MemoryEncoder(Carrying, nn.Module):
    """An encoder that runs step by step, batched over the rows. A memory says what its state is (`begin`) and what one step does in torch (`_advance`).

    Attributes:
        output_width: W.
    """

    directions = 1
    bidirectional = False
    input_size: int
    output_width: int

    def _advance(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step: x [B, I] and the state before it to the output [B, W] and the state after it."""
        raise NotImplementedError

    def forward(self, x: Tensor, state: Any = None, *, lengths: Any = None, resets: Any = None) -> Output:
        """Runs over whole sequences, or the next part of them.

        Args:
            x: [T, B, I] float ([B, T, I] if batch_first).
            state: as an earlier call returned it; None for the beginning.
            lengths: [B] int, in steps. Steps beyond are never read; there the output is zero and the state stays.
            resets: [T, B] bool ([B, T] if batch_first): memory and all else return to the beginning before that step.
        Returns:
            Output(output [T, B, W], state).
        Raises:
            ShapeError: a tensor does not fit. ArgumentError: the state is that of another encoder.
        """
        try:
            return self._run(x, state, lengths, resets)
        except TenutoError as error:
            raise error.within(type(self).__name__) from None

    def _run(self, x: Tensor, state: Any, lengths: Any, resets: Any) -> Output:
        if not isinstance(x, Tensor) or x.dim() != 3 or x.shape[-1] != self.input_size:
            axes = "B, T" if self.batch_first else "T, B"
            raise ShapeError("x does not fit.", expected=f"x [{axes}, {self.input_size}], padded, with lengths=", received=f"x {describe(x)}" if isinstance(x, Tensor) else type(x).__name__)
        resets = None if resets is None else as_time_first(check_resets(resets, tuple(x.shape[:2]), x.device), self.batch_first)
        x = as_time_first(x, self.batch_first)
        steps, rows = x.shape[:2]
        first = self.begin(rows)
        state = first if state is None else self._checked(state, first)
        live, longest, shortest = None, steps, steps
        if lengths is not None:
            lengths = check_lengths(lengths, rows, steps, x.device)
            live = torch.arange(steps, device=x.device)[:, None] < lengths
            x = torch.where(live[..., None], x, 0)  # padding may hold anything
            longest, shortest = (int(lengths.max()), int(lengths.min())) if rows else (0, 0)
        x, resets, known = x[:longest], None if resets is None else resets[:longest], None if live is None else live[:longest]
        whole, state = self._all_steps(x, state, first, known, shortest, resets) if rows and longest else (self._no_steps(x), state)
        whole = nn.functional.pad(whole, (0, 0, 0, 0, 0, steps - longest))
        return Output(as_time_first(whole if live is None else torch.where(live[..., None], whole, 0), self.batch_first), state)

    def _no_steps(self, x: Tensor) -> Tensor:
        """Zeros [T, B, W] where no sequence has a step. They depend on x and all weights, with derivatives of zero, so that a loss of them can be differentiated."""
        nothing = sum((tensor.flatten()[:0].sum() for tensor in (x, *self.parameters())), x.new_zeros(()))
        return x.new_zeros(*x.shape[:2], self.output_width) + nothing

    def _all_steps(self, x: Tensor, state: Any, first: Any, live: Tensor | None, even: int, resets: Tensor | None) -> tuple[Tensor, Any]:
        """Output [T, B, W] and the state after the last step; see `in_steps`."""
        outputs, state = in_steps(self._advance, x, state, first, live, even, resets)
        return torch.stack(outputs), state

    def _checked(self, state: Any, first: Any) -> Any:
        state = as_state(state, type(first))
        named, given = tensors_of(first), tensors_of(state)
        if {name: part.shape for name, part in named.items()} != {name: part.shape for name, part in given.items()}:
            said = [", ".join(f"{name} {list(part.shape)}" for name, part in parts.items()) for parts in (named, given)]
            raise ShapeError("the state does not fit.", expected=said[0], received=said[1])
        wrong = [name for name, part in given.items() if part.dtype != named[name].dtype and not autograd.autocast(part.device)]
        if wrong:
            raise ShapeError(f"{wrong[0]} of the state does not fit.", expected=str(named[wrong[0]].dtype), received=describe(given[wrong[0]]))
        return state


class ControlledMemory(MemoryEncoder):
    """An encoder whose memory is read and written by a recurrent layer, its controller. The controller reads the input and what was read of the memory a step before.

    Its steps are compiled (`accessed.py`) where they can be. The parts of its state are tensors [B, ...], the second of them the vectors read, and last the controller's state.
    """

    controller: Recurrent
    interface: Interface

    def access(self, said: Mapping[str, Tensor], state: Any) -> tuple[Tensor, ...]:
        """What the heads do in one step, in torch: what the controller says by name, and the state before, to the parts of the state after it."""
        raise NotImplementedError

    def heads(self) -> Heads:
        """The memory and its heads, as a kernel is told."""
        raise NotImplementedError

    def _advance(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        hidden, controller = self._controlled(x, state.reads, state.controller)
        after = self.access(self.interface(hidden), state)
        return torch.cat([hidden, after[accessed.READS].flatten(1)], -1), type(state)(*after, controller)

    def _all_steps(self, x: Tensor, state: Any, first: Any, live: Tensor | None, even: int, resets: Tensor | None) -> tuple[Tensor, Any]:
        found = accessed.run(self, x, state, first, live, even, resets)
        return super()._all_steps(x, state, first, live, even, resets) if found is None else found

    def _control(self, cell: Any, reads: int, hidden_size: int, num_layers: int, **options: Any) -> None:
        """Makes the controller. reads: how many numbers of the memory it is given."""
        if isinstance(cell, Cell) and cell.widths("streams"):
            raise ArgumentError(f"{type(self).__name__}: the cell takes the stream {next(iter(cell.widths('streams')))!r}, which a controller is not given.", fix="a cell without streams")
        self.controller = Recurrent(cell, self.input_size + reads, hidden_size, num_layers, **options)

    def _controlled(self, x: Tensor, reads: Tensor, before: Any) -> tuple[Tensor, Any]:
        """What the controller says after x [B, I] and the vectors read before, [B, R, M]; and its state."""
        output, after = self.controller(torch.cat([x, reads.flatten(1)], -1)[None], before)
        return output[0], after

    def _begun(self, batch_size: int) -> Any:
        """The controller's state before the first step: zeros."""
        layer = self.controller
        sizes = [size_of(width, layer.hidden_size) for width in layer.cell.widths("state").values()]
        return layer.state_class(*(layer.weight_ih_l0.new_zeros(layer.num_layers, batch_size, size) for size in sizes))

    def engine_report(self, x: Tensor, *, lengths: Any = None) -> MemoryReport:
        """Which engine runs the controller, one step at a time, on an input like x, and what runs the heads."""
        x = as_time_first(x, self.batch_first)
        about = self.controller.engine_report(x.new_zeros(1, x.shape[1], self.controller.input_size))
        reason = accessed.obstacle(self, accessed.given_by(self, x, self.begin(x.shape[1]))[0])
        return MemoryReport(about.problem, about.chosen, about.answers, reason)


@dataclass(frozen=True)
class MemoryReport(EngineReport):
    """As `EngineReport`, for the controller; torch_heads: why torch's own operations do what the heads do, "" where it is compiled."""

    torch_heads: str

    def __str__(self) -> str:
        return f"{super().__str__()}\n  the heads of the memory: {f'torch, since {self.torch_heads}' if self.torch_heads else 'compiled, all steps in one operation'}"


def tensors_of(state: Any) -> dict[str, Tensor]:
    """The tensors of a state by name: `memory`, `controller.h`."""
    found = {}
    for name, part in zip(state._fields, state):
        found.update({name: part} if isinstance(part, Tensor) else {f"{name}.{inner}": value for inner, value in zip(getattr(part, "_fields", range(len(part))), part)})
    return found


def detached(state: Any) -> Any:
    """The same values without their history."""
    return type(state)(*(part.detach() if isinstance(part, Tensor) else type(part)(*(value.detach() for value in part)) for part in state))
