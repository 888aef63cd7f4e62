"""Cells made of cells: regularisers that work for every cell because they are cells themselves."""

from __future__ import annotations

from typing import Any

import torch

from tenuto.cell import Cell, state_type


class Modifier(Cell):
    """A cell that changes what another cell does; it has that cell's gates, states, products, parameters and streams."""

    cell: Cell

    @property
    def gates(self):  # type: ignore[override]
        return self.cell.gates

    @property
    def state(self):  # type: ignore[override]
        return self.cell.state

    @property
    def products(self):  # type: ignore[override]
        return self.cell.products

    @property
    def parameters(self):  # type: ignore[override]
        return self.cell.parameters

    @property
    def streams(self):  # type: ignore[override]
        return self.cell.streams

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "heads", self.cell.heads)
        object.__setattr__(self, "rank", self.cell.rank)

    def width(self, declared):
        return self.cell.width(declared)

    def initial_parameter(self, name, values):
        return self.cell.initial_parameter(name, values)

    def output(self, s):
        return self.cell.output(s)

    def step(self, x, U, s, **streams):
        return self.cell.bind(vars(self.p)).step(x, U, s, **streams)


class RecurrentDropout(Modifier):
    """Drops channels of the first state on its way into the recurrent products.

    The stream `dropout_mask` (as wide as that state) multiplies it in every product; the state itself stays whole.
    A mask that is the same at every step is the variational kind.

    Source: Gal & Ghahramani 2016, section 4 (one mask for all gates: their tied case).
    """

    @property
    def streams(self):  # type: ignore[override]
        width = self.state.split()[0].partition(":")[2]
        return f"{self.cell.streams} dropout_mask" + (f":{width}" if width else "")

    def step(self, x, U, s, **streams):
        dropout_mask = streams.pop("dropout_mask")
        return super().step(x, _MaskedOperand(U, s[0], s[0] * dropout_mask), s, **streams)


class Zoneout(Modifier):
    """Channels of the states keep their old value at random.

    The stream `zoneout_STATE` is the share of the old value: 0 or 1 in training, the rate itself in evaluation.

    Source: Krueger et al. 2017, eqs. 4-5.
    """

    zoned: str = ""  # the states that are zoned out, separated by spaces; all of them by default

    @property
    def _zoned(self) -> list[str]:
        return self.zoned.split() or [name.partition(":")[0] for name in self.state.split()]

    @property
    def streams(self):  # type: ignore[override]
        declared = [name for name in self.state.split() if name.partition(":")[0] in self._zoned]
        return " ".join([self.cell.streams, *(f"zoneout_{name}" for name in declared)])

    def step(self, x, U, s, **streams):
        kept = {name: streams.pop(f"zoneout_{name}") for name in self._zoned}
        new = super().step(x, U, s, **streams)
        mixed = {
            name: value + kept[name] * (getattr(s, name) - value) if name in kept else value
            for name, value in zip(new._fields, new, strict=True)
        }
        return state_type(tuple(mixed))(**mixed)


class _MaskedOperand:
    """The recurrent weights U, with one value replaced by its masked form wherever it is multiplied."""

    def __init__(self, weights: Any, value: torch.Tensor, masked: torch.Tensor) -> None:
        self.weights, self.value, self.masked = weights, value, masked

    def __getattr__(self, name: str) -> _MaskedProduct:
        return _MaskedProduct(getattr(self.weights, name), self)


class _MaskedProduct:
    def __init__(self, weight: Any, owner: _MaskedOperand) -> None:
        self.weight, self.owner = weight, owner

    def __matmul__(self, value: torch.Tensor) -> torch.Tensor:
        return self.weight @ (self.owner.masked if value is self.owner.value else value)
