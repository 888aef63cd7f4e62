"""A recurrent cell, written as maths. Read this file first.

A `Cell` declares the names of its gates and states and says in `step` how one time step turns the old state into the new.
Everything else (the derivative, the fused time loops, masks) is derived from that `step`.

Letters: B batch, H hidden size, W the width of a state. In `step` every tensor is `[B, H]` unless its name was declared with a width.
"""

from __future__ import annotations

import copy
import copyreg
import dataclasses
import importlib
import itertools
import os
import secrets
import sys
from abc import ABCMeta
from collections import namedtuple
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakValueDictionary

import torch
from torch import Tensor
from typing_extensions import dataclass_transform

from tenuto.activations import Activation
from tenuto.choices import unknown_name
from tenuto.declaration import as_dataclass, check_cell, check_class, place_of, place_of_class
from tenuto.errors import CellError
from tenuto.place import Place
from tenuto.scalars import plain

HIDDEN = "H"  # the symbolic width of whatever is hidden_size wide
USER_FILE = "tenuto_user_file_"  # then a digest of its path, "_" and its name: how a module is called that a command made from a user's file
Width = int | str


_CLASSES: dict[str, type[Cell]] = {}  # by module and name; where a name was given to several classes, the last
_BY_SERIAL: WeakValueDictionary[str, type[Cell]] = WeakValueDictionary()
_PROCESS, _count = secrets.token_hex(8), itertools.count()


class CellType(ABCMeta):
    """The class of cells' classes: a pickle holds such a class by name, so that whoever reads it is told in words what is missing.

    (One of ABCMeta's, so that a cell may have an abstract base beside `Cell`. cloudpickle keeps classes of scripts and notebooks whole, as ever.)
    """


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
@dataclasses.dataclass(frozen=True, repr=False)
class Cell(metaclass=CellType):
    """One time step of a recurrent network, as maths.

    Subclasses declare names, separated by spaces (a plain string, or a property where it depends on a field), and define `step`:

    - `gates`: input projections, in the order in which weights are stacked. `x.i` is row-block i of `W x_t + b`.
    - `state`: what is kept from step to step. The first is the output, unless the cell defines `output(self, s)`.
    - `products`: recurrent products besides those of the gates: `U.name @ v`.
    - `parameters`: per-channel parameters, `self.p.name`; in a step `[B, H]` like every other value.
    - `streams`: per-step inputs that are not projected, handed to `step` by name after `s`.

    A name is as wide as the hidden size; `name:3` is 3 wide and `name:field` as wide as the cell's field says.
    `heads` makes every U block-diagonal with that many blocks; `rank` factorises it as `U = L R` with R `[rank, W]`.
    Annotated class attributes are hyper-parameters: a cell is a frozen dataclass.

    Example:
        >>> class Leaky(Cell):
        ...     gates = "h"
        ...     state = "h"
        ...     rate: float = 0.1
        ...     def step(self, x, U, s):
        ...         return State(h=(1 - self.rate) * s.h + self.rate * torch.tanh(x.h + U.h @ s.h))
        >>> Leaky(rate=0.5)
        Leaky(rate=0.5)
    """

    gates: ClassVar[Any] = ""
    state: ClassVar[Any] = ""
    products: ClassVar[Any] = ""
    parameters: ClassVar[Any] = ""
    streams: ClassVar[Any] = ""
    heads: int = dataclasses.field(default=1, kw_only=True)
    rank: int | None = dataclasses.field(default=None, kw_only=True)
    _place: ClassVar[Place]
    _serial: ClassVar[str]  # of this class alone, among all of the same name, in this process

    def __init_subclass__(cls) -> None:
        cls._place = place_of_class(sys._getframe(1))
        cls._serial = f"{_PROCESS}-{os.getpid()}-{next(_count)}"
        check_class(cls)
        as_dataclass(cls)
        _CLASSES[name_of_class(cls)] = _BY_SERIAL[cls._serial] = cls

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            if field.type in ("Activation", Activation):
                object.__setattr__(self, field.name, Activation(getattr(self, field.name)))
            given = getattr(self, field.name)
            settled = plain(given)
            if settled is not given:
                object.__setattr__(self, field.name, settled)
        for field_name in ("heads", "rank"):
            value = getattr(self, field_name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise CellError(f"{type(self).__name__}.{field_name} is {value!r}.", expected="a positive integer")
        check_cell(self)

    if TYPE_CHECKING:  # a step names its own streams after the state, and may have types; `self.p` has what `parameters` declares
        step: ClassVar[Callable[..., Any]]
        p: ClassVar[Any]
    else:

        def step(self, x: Any, U: Any, s: Any, **streams: Tensor) -> Any:
            """The state after one time step: `State(...)` with the names that `state` declares.

            Args:
                x: the gate inputs `x.NAME`, `[B, H]` each.
                U: the recurrent weights; `U.NAME @ v` is the product with a value `[B, W]`.
                s: the state before the step.
                streams: one tensor for each declared stream.
            """
            raise CellError(f"{type(self).__name__} defines no step.", fix="def step(self, x, U, s): ... return State(...)")

    def output(self, s: Any) -> Tensor:
        """What the layer puts out for the state s; the first state unless the cell says otherwise."""
        return s[0]

    def initial_parameter(self, name: str, values: Tensor) -> Tensor:
        """How a per-channel parameter starts: fills `values` `[H]` in place and returns it. Zeros unless the cell says otherwise."""
        return values.zero_()

    def width(self, declared: str) -> Width:
        """What the part after the colon of a declared name means: a number, a field of the cell, or nothing (`HIDDEN`)."""
        if not declared:
            return HIDDEN
        if declared.isdigit():
            return int(declared)
        value = getattr(self, declared, None)
        if not isinstance(value, int) or isinstance(value, bool):
            raise CellError(
                f"{type(self).__name__} declares a width {declared!r} that is neither a number nor an integer field of the cell.",
                received=repr(value),
            )
        return value

    def widths(self, declaration: str) -> Mapping[str, Width]:
        """The names declared under `declaration` ("gates", "state", "products", "parameters", "streams") with their widths."""
        known: dict[str, dict[str, Width]] = self.__dict__.setdefault("_widths", {})  # asked some twenty times in a call
        if declaration not in known:
            known[declaration] = {
                name.partition(":")[0]: self.width(name.partition(":")[2]) for name in getattr(self, declaration).split()
            }
        return known[declaration]

    def bind(self, parameters: Mapping[str, Tensor]) -> Cell:
        """This cell with values for its per-channel parameters, as `self.p`."""
        bound = copy.copy(self)
        object.__setattr__(bound, "p", SimpleNamespace(**parameters))
        return bound

    def __copy__(self) -> Cell:
        made: Cell = object.__new__(type(self))
        vars(made).update(vars(self))
        return made

    def __deepcopy__(self, memo: Any) -> Cell:
        return copy.copy(self)  # a cell's fields never change

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_cell, (type(self), {field.name: getattr(self, field.name) for field in dataclasses.fields(self)})  # type: ignore[arg-type]

    def __repr__(self) -> str:
        shown = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if field.name not in ("heads", "rank") or getattr(self, field.name) != field.default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


def start_parameter(cell: Cell, name: str, values: Tensor) -> None:
    """Starts a parameter as the cell's `initial_parameter` says, which may fill `values` or return others.

    Raises:
        CellError: what `initial_parameter` returns does not fit.
    """
    started = cell.initial_parameter(name, values)
    if started is values:
        return
    if not isinstance(started, (int, float)) and not (isinstance(started, Tensor) and started.shape in (values.shape, torch.Size())):
        place = place_of(type(cell), "initial_parameter")
        received = str(list(started.shape)) if isinstance(started, Tensor) else type(started).__name__
        error = CellError(
            f"{type(cell).__name__}.initial_parameter gives no values for {name!r}.", expected=f"a tensor {list(values.shape)}", received=received,
            fix="return values.fill_(1.0), for example",
        )  # fmt: skip
        raise error.at(place.told) if place else error
    values.copy_(torch.as_tensor(started, device=values.device))


# --- the state ---------------------------------------------------------------------------------------------------------


class StateMethods:
    """What every state can do; each state is a named tuple of tensors, in the order in which the cell declares them."""

    __slots__ = ()

    def detach(self) -> Any:
        """The same values without their history: where truncated backpropagation through time is cut."""
        return self.map(torch.Tensor.detach)

    def clone(self) -> Any:
        """A copy that later in-place writes do not reach."""
        return self.map(torch.Tensor.clone)

    def to(self, *args: Any, **options: Any) -> Any:
        """Each tensor moved or cast as by `Tensor.to`."""
        return self.map(lambda tensor: tensor.to(*args, **options))

    def map(self, function: Callable[[Tensor], Tensor]) -> Any:
        """`function` applied to each tensor."""
        return type(self)(*(function(tensor) for tensor in self))  # type: ignore[attr-defined]

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_state, (self._fields, tuple(self))  # type: ignore[attr-defined,arg-type]


@lru_cache(maxsize=None)
def state_type(names: tuple[str, ...]) -> Any:
    """The named tuple class of a cell with these states; the same class for the same names."""
    return type("State", (StateMethods, namedtuple("State", names)), {"__slots__": ()})  # type: ignore[misc]


def State(**values: Tensor) -> Any:  # noqa: N802 (reads as a class, and is one for each set of names)
    """A cell's state: a named tuple of tensors.

    Example:
        >>> State(h=torch.zeros(1, 2)).h.shape
        torch.Size([1, 2])
    """
    return state_type(tuple(values))(**values)


def _rebuild_state(names: tuple[str, ...], values: tuple[Tensor, ...]) -> Any:
    return state_type(tuple(names))(*values)


# --- cells as data -----------------------------------------------------------------------------------------------------


def cell_to_data(cell: Cell) -> dict[str, Any]:
    """A cell as plain data for JSON: its class by name, its fields by value.

    Example:
        >>> from tenuto.cells import Elman
        >>> cell_to_data(Elman(activation="relu"))
        {'class': 'tenuto.cells.elman:Elman', 'heads': 1, 'rank': None, 'activation': 'relu'}
    """
    data: dict[str, Any] = {"class": name_of_class(type(cell))}
    for field in dataclasses.fields(cell):  # type: ignore[arg-type]
        value = getattr(cell, field.name)
        data[field.name] = cell_to_data(value) if isinstance(value, Cell) else str(value) if isinstance(value, str) else value
    return data


def cell_from_data(data: Mapping[str, Any], kind: type[Cell] | None = None) -> Cell:
    """The cell that `cell_to_data` described. Runs no code from the data: the class must be tenuto's or imported already.

    Args:
        kind: the class to take for one of the user's own, whatever name the data have for it.
    Raises:
        CellError: the class is unknown here, or has no such field.
    """
    import tenuto.cells  # noqa: F401 (its classes must be known; importing it at the top would be a circle)

    fields = dict(data)
    name = str(fields.pop("class", ""))
    found = _CLASSES.get(name) if kind is None or name.startswith("tenuto.") else kind
    if found is None:
        raise _unknown(name)
    if not isinstance(found, type):
        raise CellError(f"the class of a cell is asked for, but this is an object: {found!r}.", fix=f"cell={type(found).__name__}, the class; its fields are in the data")
    return _rebuild_cell(found, {key: _from_data(value, kind) for key, value in fields.items()})


def _from_data(value: Any, kind: type[Cell] | None) -> Any:
    """A field's value: JSON has no tuples, and a cell no lists."""
    if isinstance(value, Mapping):
        return cell_from_data(value, kind)
    return tuple(_from_data(each, kind) for each in value) if isinstance(value, (list, tuple)) else value


def _rebuild_cell(kind: type[Cell], values: Mapping[str, Any]) -> Cell:
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if set(values) - known:
        wrong = sorted(set(values) - known)[0]
        raise unknown_name(f"{name_of_class(kind)} has no field {wrong!r}.", wrong, sorted(known), kind=CellError)
    return kind(**values)


# --- classes by name -----------------------------------------------------------------------------------------------------


def name_of_class(kind: type) -> str:
    """A class's module and name. A script is `__main__` in the process that was started with it, and `__mp_main__` in those that it starts.

    A file that a command was given has the name that an import would give it.
    """
    return f"{_module_of(kind)}:{kind.__qualname__}"


def _module_of(kind: type) -> str:
    if kind.__module__.startswith(USER_FILE):
        return kind.__module__.removeprefix(USER_FILE).partition("_")[2]
    return "__main__" if kind.__module__ == "__mp_main__" else kind.__module__


def _unknown(name: str) -> CellError:
    module, _, path = name.partition(":")
    if module == "__main__":
        fix = f"define {path} here first (a run is loaded with cell={path}), or put the class into a file of its own and import it wherever it is used: a notebook or a script hands no classes to other processes"
    elif module in sys.modules:
        fix = "check the name" + (": the class of a function is made when that is called" if "<locals>" in path else "")
    else:
        fix = f"import {module} (where the cell is defined) before loading"
    return CellError(f"the cell {name!r} is not known here.", fix=fix)


def _class_called(module: str, path: str, serial: str) -> type[Cell]:
    """The class that a pickle means: that very one where it was made in this process, or else the one of its name."""
    name, found = f"{module}:{path}", _BY_SERIAL.get(serial)
    if found is None and name not in _CLASSES and module != "__main__":
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise CellError(f"the cell {name!r} is not known here: {error}.", fix=f"make {module} importable here, as it was where this was pickled") from error
    found = found or _CLASSES.get(name)
    if found is None:
        raise _unknown(name)
    return found


def _reduce_class(kind: type[Cell]) -> str | tuple[object, ...]:
    if kind is Cell:
        return "Cell"
    return _class_called, (_module_of(kind), kind.__qualname__, kind._serial)


copyreg.pickle(CellType, _reduce_class)  # type: ignore[arg-type]
