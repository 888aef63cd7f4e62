"""One step of a cell on named values: what the tracer records and the reference engine runs.

`U.name @ v` is a question to whoever runs the step: what is the product called `name` of v?
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from torch import Tensor

from tenuto.cell import Cell, state_type
from tenuto.errors import TraceError
from tenuto.program.graph import Key


def run_step(cell: Cell, values: Mapping[Key, Tensor], multiply: Callable[[str, Tensor], Tensor]) -> tuple[Any, Tensor]:
    """One step of the cell on named values: its new state and its output."""
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
    return bound, bound.step(GateInputs(cell, by_role["gate"]), Weights(cell, multiply), state, **by_role["stream"])


class NotAValue:
    """What a step has besides values: x, U and U.name. Used as a value, it says what to write instead."""

    def _misused(self, *_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        for arg in (*args, *(kwargs or {}).values()):
            if isinstance(arg, NotAValue):
                arg._misused()
        raise TraceError(f"torch.{getattr(func, '__name__', func)} is given the weights U or the inputs x.", fix="write U.NAME @ v, x.NAME")


def _refused(self: Any, *args: Any, **options: Any) -> NoReturn:
    self._misused()
    raise AssertionError


for _sign in (
    "add radd sub rsub mul rmul truediv rtruediv matmul rmatmul pow rpow neg abs call getitem iter len lt le gt ge bool float int array".split()
):
    setattr(NotAValue, f"__{_sign}__", _refused)


class GateInputs(NotAValue):
    """x while a step runs: `x.name` is the input of a gate."""

    def __init__(self, cell: Cell, values: Mapping[str, Tensor]) -> None:
        self.__dict__.update(values)
        self._cell = cell

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        gates = list(self._cell.widths("gates"))
        if hasattr(Tensor, name):
            self._misused()
        raise TraceError(
            f"x.{name} is used, but {type(self._cell).__name__} declares no gate {name!r}.", expected="one of " + ", ".join(gates),
            fix=f'add the name {name!r} to gates: gates = "{" ".join([*gates, name])}"',
        )  # fmt: skip

    def _misused(self, *_: Any, **__: Any) -> NoReturn:
        gate = next(iter(self._cell.widths("gates")), "NAME")
        raise TraceError(
            "x is used whole; a step never sees the input itself, only its projection for each gate.", fix=f"x.{gate} is the input of gate {gate!r}, W x_t + b, [B, H]"
        )


class Weights(NotAValue):
    """U while a step runs: `U.name @ v` asks `multiply(name, v)`, which also sees the low-rank form as two products."""

    def __init__(self, cell: Cell, multiply: Callable[[str, Tensor], Tensor]) -> None:
        self._declared = {**cell.widths("gates"), **cell.widths("products")}
        self._cell, self._multiply, self._low = cell, multiply, []

    def __getattr__(self, name: str) -> _Weight:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._declared:
            raise TraceError(
                f"U.{name} is used, but {type(self._cell).__name__} declares no gate or product {name!r}.",
                expected="one of " + ", ".join(self._declared),
                fix=f"add {name!r} to gates (with an input projection) or to products (without)",
            )
        return _Weight(self, name)

    def _misused(self, *_: Any, **__: Any) -> NoReturn:
        name = next(iter(self._declared), "NAME")
        raise TraceError("U is used whole, but it holds one matrix for each gate and product.", fix=f"name the one that is meant: U.{name} @ s.{next(iter(self._cell.widths('state')))}")

    def _product(self, name: str, value: Tensor) -> Tensor:
        """The product of the weights called `name` with a value."""
        if not isinstance(value, Tensor) or value.dim() != 2:
            state = next(iter(self._cell.widths("state")))
            whole = {"State": "the whole state", "GateInputs": "x whole"}.get(type(value).__name__)
            if whole:
                raise TraceError(f"U.{name} @ v is given {whole}, not one value.", fix=f"U.{name} @ s.{state}")
            shape = str(list(value.shape)) if isinstance(value, Tensor) else type(value).__name__
            raise TraceError(f"U.{name} @ v needs a value v of shape [B, W].", received=shape, fix=f"U.{name} @ s.{state}, or a value computed in the step")
        if self._cell.rank is None:
            return self._multiply(name, value)
        for number, (known, low) in enumerate(self._low):  # noqa: B007
            if known is value:
                return self._multiply(name, low)
        low = self._multiply(f"low_rank{len(self._low)}", value)
        self._low.append((value, low))
        return self._multiply(name, low)


class _Weight(NotAValue):
    def __init__(self, owner: Weights, name: str) -> None:
        self.owner, self.name = owner, name

    def __matmul__(self, value: Tensor) -> Tensor:
        return self.owner._product(self.name, value)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        self._misused()

    def _misused(self, *_: Any, **__: Any) -> NoReturn:
        state = next(iter(self.owner._cell.widths("state")))
        raise TraceError(
            f"U.{self.name} is used in another way than U.{self.name} @ v.", expected="the weights on the left, @, one value on the right", fix=f"U.{self.name} @ s.{state}"
        )
