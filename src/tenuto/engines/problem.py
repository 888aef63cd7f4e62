"""What an engine is asked: the problem, the buffers by name, and the questions of the `Engine` protocol.

Letters: B batch, T time, I input size, H hidden size, W a state's width, G gates, N rows of packed sequences.

Inputs of the time loop, by name:

- `x` [T, B, I], `weight_ih` [G*H, I], `bias` [G*H] (if the problem has one): gates stacked in the cell's order
- `U.NAME` [sum of widths, width_in / heads] for each stack of products (`Traced.stacks`), rows stacked in its order
- `scale.weight_ih` [G*H], `scale.U.NAME` [rows], where the form says `integers`: the two kinds of weights are int8 then, and each row has a scale
- `most8.weight_ih`, `most8.U.NAME` [1], or `most16.` in place of `most8.`, where the form says `static`: the largest number that is multiplied with them
- `blocks` [1], where the form says `sparse`: how many neighbouring rows of the weights are zero together, in a column
- `p.NAME` [W]: per-channel parameters
- `s.NAME` [B, W]: the states before the first step
- `r.NAME` [B, W], with resets: what the states return to
- `stream.NAME` [T, B, W], or [1, B, W] where it is the same at every step
- `lengths` [B] int64, with lengths; `resets` [T, B] bool, with resets

Packed, sequences lie as in torch's `PackedSequence`: the rows of one step after those of another, in each the sequences that are still
running, longest first. [N, ...] is then in place of [T, B, ...] (x, `resets`, a `stream.NAME` that differs from step to step, the output),
and in place of `lengths` there is `batch_sizes` [T] int64, always on the CPU: how many rows each step has.

Products of integers: a row v of what is multiplied is rounded to q = round(127 v / max|v|), so that v ~ q max|v| / 127; sums are exact.
`static` 8 or 16: `most`, which is known before, stands in place of max|v|, and numbers beyond it count as it; of 16 bits, 32767 stands in place of 127.

All floats have the problem's dtype (float32 or float64: 16-bit tensors are widened before they come here).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from tenuto.cell import HIDDEN, Cell, Width
from tenuto.process import kept_property
from tenuto.program import Traced, trace

Buffers = dict[str, Tensor]
NOT_DIFFERENTIABLE = ("lengths", "batch_sizes", "resets")
STATIC = (8, 16)  # bits, see `Form.static`


@dataclass(frozen=True)
class Form:
    """What is fixed when the time loop is compiled: the cell, what it is given, and its direction.

    `resets` under `reverse`: a document that begins at step t ends the one before it, so the state returns to its initial
    value between steps t and t - 1 on the way back. With `lengths`, steps t >= length leave the state as it is and give zeros;
    `packed`, such steps are not there at all.
    """

    cell: Cell
    bias: bool = True
    lengths: bool = False
    resets: bool = False
    reverse: bool = False
    packed: bool = False  # only together with `lengths`
    integers: bool = False  # the weights are int8, with a scale for each row, and products are of whole numbers
    static: int = 0  # of integers: to how many bits, 8 or 16, what is multiplied is rounded with a scale that is known before; 0: to 8, each row with its own
    sparse: bool = False  # blocks of the weights are zero, so many that an engine may skip them
    traced: Traced = field(default=None, repr=False, kw_only=True)  # type: ignore[assignment]  # the cell's programs; those it has now, if not given

    def __post_init__(self) -> None:
        if self.traced is None:
            object.__setattr__(self, "traced", trace(self.cell))
        assert self.lengths or not self.packed
        own = hash((self.traced, self.bias, self.lengths, self.resets, self.reverse, self.packed, self.integers, self.static, self.sparse))
        object.__setattr__(self, "_hash", own)  # every call looks it up in several caches

    def __hash__(self) -> int:
        return self._hash  # type: ignore[attr-defined, no-any-return]

    @kept_property
    def number(self) -> int:
        """This form's number in this process; equal forms have the same number. As a key it is quick to compare."""
        return _numbers.setdefault(self, next(_count))

    @kept_property
    def gates(self) -> int:
        """How many gates the input is projected to."""
        return len(self.cell.widths("gates"))

    @property
    def most(self) -> str:
        """With what the names begin of the largest numbers that are multiplied."""
        return f"most{self.static}."

    @kept_property
    def with_heads(self) -> frozenset[str]:
        """The recurrent weights, by name, that are stored as their diagonal blocks."""
        return frozenset(f"U.{stack.name}" for stack in self.traced.stacks if stack.heads > 1)

    @kept_property
    def results(self) -> int:
        """How many results a loop has that others may use: its output and final states."""
        return 1 + len(self.cell.widths("state"))

    @kept_property
    def names(self) -> tuple[str, ...]:
        """The inputs of the time loop, in order."""
        cell, states = self.cell, tuple(self.cell.widths("state"))
        names = ["x", "weight_ih", *(["bias"] if self.bias else [])]
        names += [f"U.{stack.name}" for stack in self.traced.stacks]
        matrices = [name for name in names if name not in ("x", "bias")]
        names += [f"scale.{name}" for name in matrices] if self.integers else []
        names += [f"{self.most}{name}" for name in matrices] if self.static else []
        names += ["blocks"] if self.sparse else []
        names += [f"p.{name}" for name in cell.widths("parameters")]
        names += [f"s.{name}" for name in states]
        names += [f"r.{name}" for name in states if self.resets]
        names += [f"stream.{name}" for name in cell.widths("streams")]
        names += [*(["batch_sizes"] if self.packed else ["lengths"] if self.lengths else []), *(["resets"] if self.resets else [])]
        return tuple(names)


_numbers: dict[Form, int] = {}
_count = itertools.count()  # never the same number twice, whichever threads ask


class Problem(NamedTuple):
    """A form with sizes, dtype and device: what `supports` is asked about.

    `narrow`: the 16-bit dtype of the tensors that were widened to `dtype` before, or of autocast; None where nothing was.
    """

    form: Form
    time_steps: int
    batch_size: int
    input_size: int
    hidden_size: int
    dtype: torch.dtype
    device: torch.device
    gradients: bool
    packed_rows: int | None = None  # N, of a packed form
    narrow: torch.dtype | None = None

    @property
    def symbolic(self) -> bool:
        """Whether some size is no number yet: a graph is being made that is to serve many sizes."""
        return not all(isinstance(size, int) for size in (*self[1:5], *self.over_time))

    @property
    def over_time(self) -> tuple[int, ...]:
        """The axes of what has a row for each step of each sequence: (T, B), or packed (N,)."""
        return (self.time_steps, self.batch_size) if self.packed_rows is None else (self.packed_rows,)

    @staticmethod
    def of(form: Form, inputs: Mapping[str, Tensor], gradients: bool, result: torch.dtype | None = None) -> Problem:
        """The problem that these inputs pose; `result`: the dtype that the output is to have, if not theirs."""
        x, rows = inputs["x"], None
        time_steps, batch_size = extent(form, inputs)
        if form.packed:
            rows = x.shape[0]
        sizes, narrow = (time_steps, batch_size, x.shape[-1], hidden_size(form, inputs)), None if result == x.dtype else result
        return Problem(form, *sizes, x.dtype, x.device, gradients, rows, narrow)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each input of the time loop, by name and in order; for streams, that of one that differs from step to step."""
        form, widths, hidden = self.form, self.form.cell.widths, self.hidden_size
        rows, over, features, gates = self.batch_size, self.over_time, self.input_size, self.form.gates * self.hidden_size
        found: dict[str, tuple[int, ...]] = {
            "x": (*over, features), "weight_ih": (gates, features), "bias": (gates,),
            "blocks": (1,), "lengths": (rows,), "batch_sizes": (self.time_steps,), "resets": over,
        }  # fmt: skip
        for stack in form.traced.stacks:
            found[f"U.{stack.name}"] = sum(size_of(width, hidden) for width in stack.widths), size_of(stack.width_in, hidden) // stack.heads
        found |= {f"scale.{name}": shape[:1] for name, shape in found.items() if self.form.integers and (name == "weight_ih" or name.startswith("U."))}
        found |= {name: (1,) for name in form.names if form.static and name.startswith(form.most)}
        axes = {"p": ("parameters", ()), "s": ("state", (rows,)), "r": ("state", (rows,)), "stream": ("streams", over)}
        for prefix, (declaration, before) in axes.items():
            found.update((f"{prefix}.{name}", (*before, size_of(width, hidden))) for name, width in widths(declaration).items())
        return {name: found[name] for name in form.names}


def extent(form: Form, inputs: Mapping[str, Tensor]) -> tuple[int, int]:
    """T and B. Packed, the states before the first step are what has a row for each sequence."""
    if form.packed:
        return inputs["batch_sizes"].shape[0], inputs[f"s.{next(iter(form.cell.widths('state')))}"].shape[0]
    return inputs["x"].shape[0], inputs["x"].shape[1]


def hidden_size(form: Form, inputs: Mapping[str, Tensor]) -> int:
    """H, read off the input projection."""
    return inputs["weight_ih"].shape[0] // form.gates


def size_of(width: Width, hidden: int) -> int:
    """A declared width as a number."""
    return hidden if width == HIDDEN else int(width)


@lru_cache(maxsize=None)
def output_width(form: Form) -> Width:
    """The width of what the layer puts out."""
    number = dict(form.traced.forward.outputs)["output", "output"]
    return form.traced.forward.nodes[number].width


class Yes(NamedTuple):
    """The engine runs this problem."""

    reason: str = ""

    def __bool__(self) -> bool:
        return True


class No(NamedTuple):
    """The engine does not run this problem, and why not. `slower`: it could on this machine, if what the reason names were mended."""

    reason: str
    slower: bool = False

    def __bool__(self) -> bool:
        return False


class Result(NamedTuple):
    """A time loop's results: output [T, B, W] (packed [N, W]), the final states [B, W] in the cell's order, and what `backward` needs."""

    output: Tensor
    final: list[Tensor]
    saved: list[Tensor]


class Stepper(Protocol):
    """A time loop that is run step by step, for live streams. It keeps the weights as they were when it was made, and its own state."""

    def __call__(self, x: Tensor, streams: Mapping[str, Tensor] = {}) -> Tensor:
        """The output [B, W] of the next step for x [B, I], contiguous, and the cell's streams by name, each [B, W].

        Valid until the step after the next one. A stream that is not given is as it was at the step before.
        """
        ...

    def state(self) -> list[Tensor]:
        """A copy of the states [B, W], in the cell's order."""
        ...

    def set_state(self, values: Sequence[Tensor]) -> None:
        """Goes on from these states [B, W]."""
        ...


class Again(Protocol):
    """Calls without gradients like one that was made: the same form, and contiguous tensors of the same shapes and dtype in main memory."""

    @property
    def zeros(self) -> list[Tensor]:
        """The states [B, W] of a call that is given none."""
        ...

    def __call__(self, x: Tensor, given: Buffers) -> list[Tensor]:
        """The output and the final states from the inputs by name, x among them; `given` may be added to."""
        ...


class Engine(Protocol):
    """Who runs the time loop.

    `recorded` says that `forward` is made of torch's own differentiable operations, so that outside of compiled code
    autograd records it as it is. Otherwise `forward` and `backward` are the bodies of two opaque operations.
    """

    name: str

    def supports(self, problem: Problem) -> Yes | No:
        """Whether this engine runs the problem; if not, why."""
        ...

    def rivals(self, problem: Problem) -> bool:
        """Whether it can be faster than an engine before it in the order, so that it is worth a measurement (contest.py)."""
        ...

    def measurements(self) -> Path | None:
        """The file that keeps how rivals compared with this version of the engine; None: that is kept in this process alone."""
        ...

    def recorded(self, form: Form, inputs: Mapping[str, Tensor]) -> bool:
        """Whether autograd may record `forward` itself."""
        ...

    def foretells(self, form: Form, inputs: Mapping[str, Tensor]) -> bool:
        """Whether `empty` can tell what `forward` keeps, also where sizes are symbols; if not, `backward` does without it."""
        ...

    def forward(self, form: Form, inputs: Buffers, keep: bool, foretold: bool = False) -> Result:
        """Runs the steps. Nothing returned shares memory with an input.

        `keep`: a backward pass will follow. `foretold`: a graph was made with what `empty` told, so what is kept is to have those
        shapes; otherwise an engine may need less memory, once it knows the lengths.
        """
        ...

    def again(self, form: Form, inputs: Buffers) -> Again | None:
        """How to make calls like this one, without gradients, in less time than `forward` takes; None where there is no quicker way."""
        ...

    def empty(self, form: Form, inputs: Buffers, keep: bool) -> Result:
        """Tensors shaped like `forward`'s results, for torch.compile; runs on fake tensors."""
        ...

    def backward(
        self,
        form: Form,
        inputs: Buffers,
        result: Result,
        d_output: Tensor,
        d_final: list[Tensor],
        needs: frozenset[str],
    ) -> Buffers:
        """The gradients of the inputs named in `needs`, shaped like the inputs, in any memory layout.

        `result`: as `forward` gave it, but without the final states.
        """
        ...

    def over_time(self, form: Form, inputs: Buffers, result: Result, state: str) -> Tensor | None:
        """A state [T, B, W] after each step, where `forward` with `keep` has left it so; None where it has not."""
        ...

    def stepper(self, form: Form, inputs: Buffers) -> Stepper:
        """The loop step by step; `inputs` as for one step: x [1, B, I]. `stepping.Repeated` works for any engine."""
        ...


def empty_result(form: Form, inputs: Buffers) -> Result:
    """Uninitialised output and final states; engines that keep nothing return it as it is."""
    x, hidden = inputs["x"], hidden_size(form, inputs)
    output = x.new_empty(*x.shape[:-1], size_of(output_width(form), hidden))
    final = [torch.empty_like(inputs[f"s.{name}"]).contiguous() for name in form.cell.widths("state")]
    return Result(output, final, [])
