"""The units of a recurrent layer: which rows, columns, parameters and states belong to each, read off the cell's declarations and program.

A layer of `tenuto.Recurrent`, of `tenuto.LSTM`, `GRU`, `RNN`, or of torch's own three. Letters: L layers, D directions, H units, G gates, W width of a state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tenuto import cells
from tenuto.cell import HIDDEN, Cell, Width
from tenuto.compress.channels import Channels
from tenuto.engines.problem import Form, output_width, size_of
from tenuto.layers import Recurrent
from tenuto.program import Traced, trace
from tenuto.program.grammar import KINDS


@dataclass(frozen=True)
class Held:
    """Where the units of one layer and direction stand in a parameter.

    Attributes:
        name: of the parameter, in the layer. axis: of its axes. parts: what stands along this axis, one after the other: a width each, `HIDDEN` for the units.
        heads: the columns of a block-diagonal matrix are shared by as many heads; its rows say which units they mean.
    """

    name: str
    axis: int
    parts: tuple[Width, ...]
    heads: int = 1


@dataclass(frozen=True)
class Blocks:
    """A block-diagonal matrix [products * W, H / heads]: each head's rows of a product read the head's own units. row: of `LayerUnits.units`."""

    row: int
    products: int
    heads: int

    def split(self, matrix: Tensor) -> Tensor:
        """The matrix as [products, heads, rows of a head, columns]."""
        return matrix.reshape(self.products, self.heads, matrix.shape[0] // (self.products * self.heads), matrix.shape[1])


def is_layer(module: nn.Module) -> bool:
    """Whether a module is a recurrent layer whose units are known."""
    return isinstance(module, (Recurrent, nn.RNNBase))


def cell_of(layer: Any) -> Cell:
    """The cell of a layer; torch's own layers are told by their mode."""
    known = getattr(layer, "cell", None)
    if isinstance(known, Cell):
        return known
    if layer.mode == "LSTM":
        return cells.ProjectionLSTM(projection=layer.proj_size) if layer.proj_size else cells.LSTM()
    return cells.GRU() if layer.mode == "GRU" else cells.Elman(activation=layer.mode.rpartition("_")[2].lower())


def places_of(layer: Any) -> list[tuple[int, str]]:
    """Number of the layer and ending of the parameters' names, for each layer and direction, in the order of the states."""
    endings = ("", "_reverse") if layer.bidirectional else ("",)
    return [(number, f"_l{number}{ending}") for number in range(layer.num_layers) for ending in endings]


def mixing(traced: Traced) -> str | None:
    """What in a step runs over all units, so that no unit is for itself, with the user's line; None where there is nothing."""
    forward = traced.forward
    for node in forward.nodes:
        if node.kind in KINDS and KINDS[node.kind].reduces and forward.nodes[node.args[0]].width == HIDDEN:
            return f"{type(traced.cell).__name__} takes the {node.kind} over its units in each step" + (f" ({node.source})" if node.source else "")
    return None


def held_by(layer: Any, ending: str) -> Iterator[Held]:
    """Where the units of one layer and direction stand in its own parameters; the columns of `weight_ih` are not its own."""
    cell = cell_of(layer)
    gates, stacks = tuple(cell.widths("gates")), trace(cell).stacks
    shapes = {name: (width, stack.width_in, stack.heads) for stack in stacks for name, width in zip(stack.products, stack.widths, strict=True)}
    yield Held(f"weight_ih{ending}", 0, (HIDDEN,) * len(gates))
    stacked = [name for name in gates if name in shapes]
    groups = {f"weight_hh{ending}": stacked} if stacked else {}
    if isinstance(layer, Recurrent):
        names: list[tuple[str, tuple[Width, ...]]] = [("bias", (HIDDEN,) * len(gates))] if layer.bias else []
        names += [(name, (width,)) for name, width in cell.widths("parameters").items()]
        names += [(f"initial_{name}", (width,)) for name, width in cell.widths("state").items()] if layer.learned_state else []
        groups |= {f"weight_{name}{ending}": [name] for name in shapes if name not in gates}
    else:
        names = [("bias_ih", (HIDDEN,) * len(gates)), ("bias_hh", (HIDDEN,) * len(gates))] if layer.bias else []
        groups |= {f"weight_hr{ending}": [name for name in shapes if name not in gates]} if layer.proj_size else {}
    for name, parts in names:
        yield Held(name + ending, 0, parts)
    for parameter, products in groups.items():
        yield Held(parameter, 0, tuple(shapes[name][0] for name in products))
        _, width_in, heads = shapes[products[0]]
        if width_in == HIDDEN:
            yield Held(parameter, 1, (HIDDEN,), heads)


class LayerUnits:
    """The units of a layer in a network that is followed: their numbers, joined with what belongs to them inside the layer.

    Args:
        axes: for each parameter of the layer by name, the numbers of the channels on each of its axes.
    Attributes:
        units: [L * D, H], the numbers of the units. shared: for matrices whose columns are shared by heads: their name, the row of `units`, and how they are cut into blocks.
    """

    def __init__(self, layer: Any, axes: dict[str, list[Tensor]], channels: Channels) -> None:
        self.layer, self.channels, self.cell = layer, channels, cell_of(layer)
        self.hidden, self.places = layer.hidden_size, places_of(layer)
        self.heads = self.cell.heads if self.cell.rank is None else 1
        self.directions = 2 if layer.bidirectional else 1
        self.units = torch.stack([channels.new(self.hidden) for _ in self.places])
        self.shared: dict[str, Blocks] = {}
        self._widths = dict(self.cell.widths("state"))
        self._others = {name: torch.stack([channels.new(size_of(width, self.hidden)) for _ in self.places]) for name, width in self._widths.items() if width != HIDDEN}
        for numbers in self._others.values():
            channels.fix(numbers, "their number is a field of the cell")
        for row, (_, ending) in enumerate(self.places):
            self._inside(row, ending, axes)
        self._between(axes)
        why = mixing(trace(self.cell))
        if why:
            channels.fix(self.units, f"{why}, so without one of them all others would change")

    @property
    def given(self) -> Tensor:
        """[I], the numbers of the channels that the first layer reads."""
        return self._axes[f"weight_ih{self.places[0][1]}"][1]

    def output(self, number: int) -> Tensor:
        """[D * W], the numbers of the channels that layer `number` puts out."""
        rows = [row for row, (layer, _) in enumerate(self.places) if layer == number]
        name = next(iter(self._widths))
        if output_width(Form(self.cell)) == HIDDEN:
            return torch.cat([self.units[row] for row in rows])
        return torch.cat([self._others[name][row] for row in rows]) if name in self._others else torch.zeros(len(rows) * self._output_size, dtype=torch.int64)

    def state(self, place: int) -> Tensor:
        """[L * D, W], the numbers of the channels of a state, by its place among the states."""
        name = list(self._widths)[place]
        return self.units if self._widths[name] == HIDDEN else self._others[name]

    @property
    def _output_size(self) -> int:
        return size_of(output_width(Form(self.cell)), self.hidden)

    def _inside(self, row: int, ending: str, axes: dict[str, list[Tensor]]) -> None:
        self._axes = axes
        products: dict[str, tuple[Width, ...]] = {}
        for held in held_by(self.layer, ending):
            products.setdefault(held.name, held.parts)
            if held.heads > 1:
                self.shared[held.name] = Blocks(row, len(products[held.name]), held.heads)
                continue
            places = axes[held.name][held.axis].split([size_of(width, self.hidden) for width in held.parts])
            for width, numbers in zip(held.parts, places, strict=True):
                if width == HIDDEN:
                    self.channels.join(numbers, self.units[row])

    def _between(self, axes: dict[str, list[Tensor]]) -> None:
        """What one layer puts out is what the next one reads."""
        reads = self.given
        for number in range(self.layer.num_layers):
            for layer, ending in self.places:
                if layer == number:
                    self.channels.join(axes[f"weight_ih{ending}"][1], reads)
            output = self.output(number)
            if getattr(self.layer, "residual", False) and len(reads) == len(output):
                self.channels.join(output, reads)
            if getattr(self.layer, "layer_norm", False) and number + 1 < self.layer.num_layers:
                self.channels.fix(output, "a normalisation over them stands between the layers, so without one of them all others would change")
            reads = output
