"""One step of a cell on named values: what the tracer records and the reference engine runs.

`U.name @ v` is a question to whoever runs the step: what is the product called `name` of v?
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from torch import Tensor

from tenuto.cell import Cell, state_type
from tenuto.errors import TraceError
from tenuto.program.graph import Key


def run_step(cell: Cell, values: Mapping[Key, Tensor], multiply: Callable[[str, Tensor], Tensor]) -> tuple[Any, Tensor]:
    """One step of the cell on named values: its new state and its output. The reference engine runs this, too."""
    bound, new = new_state(cell, values, multiply)
    return new, bound.output(new)


def new_state(cell: Cell, values: Mapping[Key, Tensor], multiply: Callable[[str, Tensor], Tensor]) -> tuple[Cell, Any]:
    """The cell with its parameters, and its new state."""
    by_role: dict[str, dict[str, Tensor]] = {"gate": {}, "state": {}, "parameter": {}, "stream": {}}
    for (role, name), value in values.items():
        if role in by_role:
            by_role[role][name] = value
    bound = cell.bind(by_role["parameter"])
    state = state_type(tuple(by_role["state"]))(**by_role["state"])
    return bound, bound.step(SimpleNamespace(**by_role["gate"]), Weights(cell, multiply), state, **by_role["stream"])


class Weights:
    """U while a step runs: `U.name @ v` asks `multiply(name, v)`, which also sees the low-rank form as two products."""

    def __init__(self, cell: Cell, multiply: Callable[[str, Tensor], Tensor]) -> None:
        self._declared = {**cell.widths("gates"), **cell.widths("products")}
        self._cell, self._multiply, self._low = cell, multiply, []

    def __getattr__(self, name: str) -> _Weight:
        if name.startswith("_") or name not in self._declared:
            raise TraceError(
                f"U.{name} is used, but {type(self._cell).__name__} declares no gate or product {name!r}",
                expected="one of " + ", ".join(self._declared),
                fix=f"add {name!r} to gates (with an input projection) or to products (without)",
            )
        return _Weight(self, name)

    def product(self, name: str, value: Tensor) -> Tensor:
        """The product of the weights called `name` with a value."""
        if not isinstance(value, Tensor) or value.dim() != 2:
            shape = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise TraceError(f"U.{name} @ v needs a value v of shape [B, W]", received=f"{shape}")
        if self._cell.rank is None:
            return self._multiply(name, value)
        for number, (known, low) in enumerate(self._low):  # noqa: B007
            if known is value:
                return self._multiply(name, low)
        low = self._multiply(f"low_rank{len(self._low)}", value)
        self._low.append((value, low))
        return self._multiply(name, low)


class _Weight:
    def __init__(self, owner: Weights, name: str) -> None:
        self.owner, self.name = owner, name

    def __matmul__(self, value: Tensor) -> Tensor:
        return self.owner.product(self.name, value)
