"""A model of steps as plain data: what each layer's maths is, its sizes and its numbers, ready to be printed."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.cell import Width
from tenuto.engines.problem import size_of
from tenuto.errors import ArgumentError
from tenuto.layers import Recurrent
from tenuto.layers.stored import Int4, Int8, LoopHolder, Matrix, is_matrix, stored_in
from tenuto.layers.stored.static import LEAST
from tenuto.program import Traced, traced_of
from tenuto.program.cell_schedule import CellSchedule, schedule_cell
from tenuto.tasks.stepped import Channels, Numbers, Outputs, PooledClasses, StepModel, Symbols, array, no_steps


@dataclass(frozen=True)
class Norm:
    """The normalisation of what a layer reads."""

    weight: np.ndarray
    bias: np.ndarray
    epsilon: float


@dataclass(frozen=True)
class Layer:
    """One recurrent layer.

    Attributes:
        traced: the cell that runs, modifiers included. matrices: its matrices by the engines' names ("weight_ih", "U.stack"), as they are stored.
        tensors: its other weights ("bias", "p.name"), and the streams that are the same at each step ("stream.name"), float32.
        integers: whether what it multiplies is rounded too, and products are of whole numbers.
        static: to how many bits, where that is done with scales that are known before; else 0. most: by the matrices' names, the largest number that each then multiplies.
        initial: for each state, its value before the first step, or None for zeros. streams: for each other stream, the place of its channel.
        residual: whether what it reads is added to its output.
    """

    number: int
    traced: Traced
    input_width: int
    hidden: int
    output_width: int
    matrices: dict[str, Matrix]
    tensors: dict[str, np.ndarray]
    integers: bool
    static: int
    most: dict[str, float]
    initial: dict[str, np.ndarray | None]
    streams: dict[str, int]
    norm: Norm | None
    residual: bool

    @property
    def schedule(self) -> CellSchedule:
        """What a step does, in order."""
        return schedule_cell(self.traced, False)

    def size(self, width: Width) -> int:
        """A width as a number."""
        return size_of(width, self.hidden)

    @property
    def states(self) -> dict[str, int]:
        """The width of each state."""
        return {name: self.size(width) for name, width in self.traced.cell.widths("state").items()}


def layers_of(model: StepModel) -> list[Layer]:
    """The layers of a model, one after the other.

    Raises:
        ArgumentError: one of them looks ahead, or takes a stream that nothing gives.
    """
    found: list[Layer] = []
    streams = model.front.streams if isinstance(model.front, Channels) else {}
    for recurrent, norm in model.layers:
        found += _layers(recurrent, len(found), norm, streams)
    return found


def _layers(recurrent: Recurrent, first: int, norm: nn.LayerNorm | None, streams: dict[str, int]) -> list[Layer]:
    if recurrent.bidirectional:
        raise no_steps("a bidirectional layer, which reads each sequence from its end too", "train it forward only")
    if recurrent.reverse:
        raise no_steps("a layer that reads each sequence from its end (reverse=True)", "train it forward only")
    missing = [name for name in recurrent.cell.widths("streams") if name not in streams]
    if missing:
        raise ArgumentError(f"the cell {type(recurrent.cell).__name__} takes the stream {missing[0]!r}, and nothing here gives it.", fix="a classifier of sequences gives a stream the channel of its name")
    wide = [name for name, width in recurrent.cell.widths("streams").items() if width != 1]
    if wide:
        raise ArgumentError(f"the stream {wide[0]!r} is wider than a channel, which is one number a step.", fix=f'streams = "{wide[0]}:1" in the cell')
    still = copy.deepcopy(recurrent).cpu().float().eval()
    return [_layer(still, number, first + number, norm if number == 0 else _norm_of(still, number), streams) for number in range(still.num_layers)]


def _norm_of(recurrent: Recurrent, number: int) -> Any:
    return getattr(recurrent, f"norm_l{number}") if recurrent.layer_norm and number > 0 else None


@torch.no_grad()
def _layer(recurrent: Recurrent, place: int, number: int, norm: Any, streams: dict[str, int]) -> Layer:
    input_width = recurrent.input_size if place == 0 else recurrent.output_width
    x = torch.zeros(1, 1, input_width)
    given = {name: x.new_zeros(1, 1, size_of(width, recurrent.hidden_size)) for name, width in recurrent.cell.widths("streams").items()}
    asked = place, f"_l{place}", x, 1, given
    direction = recurrent._direction(*asked)
    traced, named = traced_of(direction.handle), dict[str, Tensor](direction.weights)
    columns = {f"U.{stack.name}": size_of(stack.width_in, recurrent.hidden_size) // stack.heads for stack in traced.stacks} | {"weight_ih": input_width}
    matrices = _matrices(recurrent, asked, columns)
    states = recurrent.cell.widths("state")
    ranges = {name.partition(".")[2]: value for name, value in named.items() if name.startswith("most")}
    initial = dict(zip(states, direction.reset_state)) if direction.reset_state else dict.fromkeys(states)
    return Layer(
        number,
        traced,
        input_width,
        recurrent.hidden_size,
        recurrent.output_width,
        matrices,
        {name: array(value) for name, value in named.items() if name not in matrices and not name.startswith(("scale.", "most", "blocks")) and (name.removeprefix("stream.") not in given or not name.startswith("stream."))},
        computes_integers(recurrent),
        recurrent.static if isinstance(recurrent, LoopHolder) else 0,
        {name: _checked(name, float(value)) for name, value in ranges.items()},
        {name: None if value is None else array(value).reshape(-1) for name, value in initial.items()},
        {name: streams[name] for name in given},
        None if norm is None else Norm(array(norm.weight), array(norm.bias), float(norm.eps)),
        recurrent.residual and input_width == recurrent.output_width,
    )


def _matrices(recurrent: Recurrent, asked: tuple[Any, ...], columns: dict[str, int]) -> dict[str, Matrix]:
    """The matrices of a layer by the engines' names: whole numbers where they are stored so."""
    if not isinstance(recurrent, LoopHolder) or not all(isinstance(one, (Int8, Int4)) for one in stored_in(recurrent).values()):
        return {name: Matrix.floats(array(value)) for name, value in recurrent._direction(*asked).weights.items() if is_matrix(name)}
    numbers, scales, *_ = (one.weights for one in recurrent.in_parts(*asked))
    found = {}
    for name, value in numbers.items():
        if is_matrix(name):
            whole = value.is_floating_point()  # too narrow to become smaller
            found[name] = Matrix.floats(array(value)) if whole else Matrix.stored(value, scales[name], columns[name])
    return found


def _checked(name: str, most: float) -> float:
    if not LEAST <= most < math.inf:
        raise ArgumentError(f"the largest number that {name} multiplies is no such number.", expected=f"at least {LEAST:g}, and finite", received=f"{most:g}", fix="compress the model that it was made from again")
    return most


def computes_integers(recurrent: Recurrent) -> bool:
    """Whether this layer's products are of whole numbers."""
    return isinstance(recurrent, LoopHolder) and recurrent.integers


def of_layer(recurrent: Recurrent) -> StepModel:
    """A recurrent layer by itself: it reads x and answers with its output."""
    still = copy.deepcopy(recurrent).cpu().float().eval()

    @torch.no_grad()
    def answers(x: np.ndarray) -> np.ndarray:
        given = torch.from_numpy(x)[:, None]
        return array(still(given.transpose(0, 1) if still.batch_first else given).output).reshape(len(x), -1)

    def draw(generator: np.random.Generator, steps: int) -> np.ndarray:
        return generator.standard_normal((steps, recurrent.input_size), dtype=np.float32)

    return StepModel(Numbers(recurrent.input_size), ((still, None),), Outputs(recurrent.output_width), draw, answers)


def inputs_of(model: StepModel) -> int:
    """Numbers that are read at a step."""
    front = model.front
    return 1 if isinstance(front, Symbols) else len(front.names) if isinstance(front, Channels) else front.width


def outputs_of(model: StepModel) -> int:
    """Numbers that are answered after a step."""
    head = model.head
    return head.width if isinstance(head, Outputs) else len(head.names)


def pooling_of(model: StepModel) -> tuple[str, ...]:
    """What is kept of the outputs so far, where they are pooled over time."""
    return model.head.pooling if isinstance(model.head, PooledClasses) else ()
