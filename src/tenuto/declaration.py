"""Checks of what a cell declares: names, values of fields, the step's arguments. Every message has the user's line."""

from __future__ import annotations

import dataclasses
import inspect
import keyword
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch

from tenuto.errors import CellError
from tenuto.place import Place

KINDS = ("gates", "state", "products", "parameters", "streams")
_MEANT = {
    "gate": "gates", "states": "state", "product": "products", "param": "parameters", "params": "parameters", "parameter": "parameters",
    "stream": "streams", "forward": "step", "call": "step", "__call__": "step",
}  # fmt: skip
_MATRIX = 'declare a matrix by name in products, products = "m", and write U.m @ v; one weight per channel is a name in parameters, self.p.NAME'


def place_of_class(frame: Any) -> Place:
    """The line of the class statement that is running: the nearest frame outside of this package's own `cell.py`, and of what makes classes."""
    while frame.f_back is not None and frame.f_globals.get("__name__") in ("tenuto.cell", "abc"):
        frame = frame.f_back
    return Place(frame.f_code.co_filename, frame.f_lineno)


def place_of(kind: type, name: str = "") -> Place | None:
    """The line in the body of the class, or of a parent class, that says what `name` is; the line of the class if there is no such line."""
    for owner in kind.__mro__:
        place = vars(owner).get("_place")
        if isinstance(place, Place) and (not name or name in vars(owner) or name in vars(owner).get("__annotations__", {})):
            return (place.inside(name) if name else None) or place
    return place_of(kind) if name else None


def place_of_step(kind: type) -> Place | None:
    """The line in which a step returns, or in which it begins."""
    step = getattr(kind, "step", None)
    code = getattr(inspect.unwrap(step), "__code__", None) if step is not None else None
    if code is None:
        return place_of(kind)
    begins = Place(code.co_filename, code.co_firstlineno)
    return begins.inside("return") or begins


def _wrong(kind: type, name: str, what: str, **more: Any) -> CellError:
    place = place_of(kind, name)
    error = CellError(f"{kind.__name__}{what}.", **more)
    return error.at(place.told) if place else error


# --- at the class statement ------------------------------------------------------------------------------------------------


def check_class(kind: type) -> None:
    """Checks a class, before there is any cell of it.

    Raises:
        CellError: its name is no identifier, it has an `__init__` of its own, or it gives a name that something else has.
    """
    if not kind.__name__.isidentifier():
        raise _wrong(kind, "", " is no name for a cell", expected="letters, digits and underscores", fix="class MyCell(Cell): ...")
    if "__init__" in vars(kind):
        parameters = list(inspect.signature(vars(kind)["__init__"]).parameters.values())[1:]
        fields = [f"{p.name}: {_typed(p.default)}" for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        raise _wrong(
            kind, "__init__", " has an __init__, but a cell has none: its hyper-parameters are annotated names of the class",
            fix="leave __init__ out and write in the class: " + ("; ".join(fields) or "rate: float = 0.1"),
        )  # fmt: skip


    for name in ("p", "bind", "widths", "_widths"):
        if name in _body(kind):
            whose = "is where a step finds the parameters, self.p.NAME" if name == "p" else "belongs to every cell"
            raise _wrong(kind, name, f".{name} cannot be a name of the class: it {whose}", fix=f"call it {'rate' if name == 'p' else name.strip('_') + '_1'}, for example")
    for name in ("width", "output", "initial_parameter", "step"):
        if name in vars(kind).get("__annotations__", {}) or name in _body(kind) and isinstance(vars(kind)[name], (int, float, str, tuple, type(None))):
            raise _wrong(kind, name, f".{name} is no function, but every cell has one of this name", fix=f"call it {name}_1, for example")
    plain = {declared: getattr(kind, declared) for declared in KINDS}
    _check_clashes(kind, {declared: _names(text) if isinstance(text, str) else [] for declared, text in plain.items()}, kind.__module__.partition(".")[0] != "tenuto")


def _body(kind: type) -> set[str]:
    """The names that stand in the class's own body: with a value, or with a type."""
    return {*vars(kind), *vars(kind).get("__annotations__", {})}


def _names(declaration: str) -> list[str]:
    return [name.partition(":")[0] for name in declaration.split()]


def _typed(default: Any) -> str:
    if default is inspect.Parameter.empty:
        return "float"
    return f"{type(default).__name__} = {default!r}"


def as_dataclass(kind: type) -> None:
    """Makes the class a frozen dataclass whose errors are told in words.

    Raises:
        CellError: the fields have an order or values that a dataclass cannot have.
    """
    try:
        dataclasses.dataclass(frozen=True, repr=False)(kind)
    except (TypeError, ValueError) as error:
        fix = "write a tuple, (1, 2), in place of a list" if "mutable default" in str(error) else "give each field a value, or move those without one to the top"
        raise _wrong(kind, "", f" has fields that do not work: {error}", fix=fix) from None
    made: Callable[..., None] = kind.__init__  # type: ignore[misc]

    @wraps(made)
    def init(self: Any, *args: Any, **fields: Any) -> None:
        try:
            made(self, *args, **fields)
        except TypeError as error:
            if isinstance(error, CellError):
                raise
            try:
                inspect.signature(made).bind(self, *args, **fields)
            except TypeError as unfit:
                raise _unfit(type(self), str(unfit), fields) from None
            raise

    kind.__init__ = init  # type: ignore[misc]
    kind.__setattr__ = _refuse_change  # type: ignore[method-assign,assignment]
    kind.__delattr__ = _refuse_change  # type: ignore[method-assign,assignment]


def _unfit(kind: type, text: str, given: dict[str, Any]) -> CellError:
    known = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None and hasattr(kind, unknown) and unknown not in KINDS:
        value = getattr(kind, unknown)
        return _wrong(
            kind, unknown, f".{unknown} has no annotation, so it is a constant of the class and not a hyper-parameter",
            fix=f"{unknown}: {type(value).__name__} = {value!r}" if isinstance(value, (int, float, str)) else f"{unknown}: TYPE = ...",
        )  # fmt: skip
    needed = next((name for name, f in known.items() if name in text and f.default is dataclasses.MISSING), None)
    fix = f"{kind.__name__}({needed}=...)" if needed and unknown is None else "an annotated name of the class is a field: rate: float = 0.1"
    return _wrong(kind, "", f": {text}", expected="fields " + ", ".join(known), fix=fix)


class FrozenError(CellError, AttributeError):
    """A cell was changed after it was made."""


def _refuse_change(cell: Any, name: str, *value: Any) -> None:
    raise FrozenError(
        f"{type(cell).__name__} cannot be changed once it is made ({name}).",
        fix=f"make another one: dataclasses.replace(cell, {name}=...). What a step keeps for the next one is a name in state, returned in State(...)",
    )


# --- of a cell ----------------------------------------------------------------------------------------------------------------


def check_cell(cell: Any) -> None:
    """Checks a cell's declarations.

    Raises:
        CellError: says what is wrong, in which line, and what to write instead.
    """
    kind = type(cell)
    for declared in KINDS:
        _check_names(cell, kind, declared)
    if not cell.state.split():
        meant = next((name for name, right in _MEANT.items() if right == "state" and hasattr(kind, name)), "")
        said = f" declares no state ({meant!r} is not read)" if meant else " declares no state"
        raise _wrong(kind, meant, said, fix='give it one, for example state = "h"')
    for name, meant in _MEANT.items():
        if any(name in vars(owner) for owner in kind.__mro__ if "_place" in vars(owner)) and name not in {f.name for f in dataclasses.fields(cell)}:
            raise _wrong(kind, name, f".{name} is not read", fix=f"call it {meant}")
    _check_values(cell, kind)
    if not cell.gates.split():
        raise _wrong(
            kind, "gates", " declares no gates, so the input would not reach it",
            fix='name the input projections: gates = "h", and use x.h in the step',
        )  # fmt: skip
    _check_clashes(kind, {declared: _names(getattr(cell, declared)) for declared in KINDS}, False)
    _check_step(cell, kind)


def _check_names(cell: Any, kind: type, declared: str) -> None:
    value = getattr(cell, declared)
    if not isinstance(value, str):
        names = " ".join(str(name) for name in value) if isinstance(value, (list, tuple, set, dict)) else "..."
        wide = f"; a name is as wide as the hidden size, NAME:3 is 3 wide. {_MATRIX}" if declared == "parameters" and isinstance(value, dict) else ""
        raise _wrong(
            kind, declared, f".{declared} is a {type(value).__name__}", expected="names in one string, separated by spaces",
            received=repr(value) if not callable(value) else None, fix=f'{declared} = "{names}"{wide}',
        )  # fmt: skip
    listed = _names(value)
    for name in listed:
        if not name.isidentifier() or listed.count(name) > 1:
            raise _wrong(
                kind, declared, f".{declared} has the name {name!r}, which is no identifier or is there twice",
                expected='distinct names separated by spaces, like "i f g o"', received=repr(value),
                fix=f'{declared} = "{value.replace(",", " ").replace(";", " ")}"' if set(value) & set(",;") else None,
            )  # fmt: skip
        if keyword.iskeyword(name) or name.startswith("_"):
            said = "is a keyword of Python" if keyword.iskeyword(name) else "begins with an underscore"
            raise _wrong(kind, declared, f".{declared} has the name {name!r}, which {said}", fix=f"call it {name.strip('_') or 'v'}_1, for example")
    if declared == "gates" and ":" in value:
        raise _wrong(
            kind, declared, f".gates gives a gate a width, {value!r}: every gate is as wide as the hidden size",
            fix="leave the width out; a product of another width is declared in products",
        )  # fmt: skip
    for name, width in cell.widths(declared).items():
        if isinstance(width, int) and width < 1:
            raise _wrong(kind, declared, f".{declared} gives {name!r} the width {width}", expected="a positive integer")


def _check_clashes(kind: type, names: dict[str, list[str]], of_users: bool) -> None:
    """Refuses names that two things in a layer would share. `of_users`: the class is no modifier of tenuto's, which adds streams of its own."""
    own = {"bias": "layer's bias", "weight_ih": "layer's input weights", "weight_hh": "layer's recurrent weights", "norm": "layer's normalisation (layer_norm)"}
    own |= {f"weight_{name}": f"weights of the product {name!r}" for name in names["products"]}
    own |= {f"initial_{name}": f"initial value of the state {name!r}" for name in names["state"]}
    masks = {"dropout_mask": "mask of recurrent_dropout", **{f"zoneout_{name}": "mask of zoneout" for name in names["state"]}}
    taken: dict[str, dict[str, str]] = {
        "parameters": own,
        "products": {
            "ih": "layer's input weights (weight_ih)", "hh": "recurrent weights of the gates (weight_hh)",
            **{name: f"gate {name!r}, which has a product U.{name} already" for name in names["gates"]},
        },
        "gates": {},
        "streams": {name: f"argument {name!r} of step" for name in ("self", "x", "U", "s")} | (masks if of_users else {}),
        "state": {name: f"method {name}() of every state" for name in ("detach", "clone", "to", "map", "count", "index")},
    }  # fmt: skip
    for declared, reserved in taken.items():
        for name in names[declared]:
            if name in reserved or (declared in ("gates", "products") and name.startswith("low_rank")):
                whose = reserved.get(name, "first factor of a product of low rank")
                raise _wrong(kind, declared, f".{declared} has the name {name!r}, which is taken by the {whose}", fix=f"call it {name}_1, for example")


def _check_values(cell: Any, kind: type) -> None:
    """Refuses tensors, modules and other things that a cell cannot hold: it is maths and plain values, so that it compares, prints and saves as data."""
    fields: dict[str, Any] = {field.name: getattr(cell, field.name) for field in dataclasses.fields(cell)}
    constants = {name: value for owner in kind.__mro__ if "_place" in vars(owner) for name, value in vars(owner).items() if not name.startswith("__")}
    for name, value in {**constants, **fields}.items():
        if isinstance(value, torch.Tensor) or (type(value).__module__ == "numpy" and getattr(value, "ndim", False)):
            raise _wrong(
                kind, name, f".{name} is a {'Parameter' if isinstance(value, torch.nn.Parameter) else 'tensor' if isinstance(value, torch.Tensor) else 'numpy array'}, which a cell does not hold: it is maths, and the layer has the weights",
                fix=f'parameters = "{name}" makes one trained weight per channel, self.p.{name} (initial_parameter says how it starts); a lone number is a field, {name}: float = 1.0',
            )  # fmt: skip
        if isinstance(value, torch.nn.Module) and (name in fields or any(True for _ in value.parameters()) or any(True for _ in value.buffers())):
            fix = _MATRIX if any(True for _ in value.parameters()) else f'name the function: {name}: Activation = "relu", or call torch\'s function in the step'
            raise _wrong(kind, name, f".{name} is a torch module ({type(value).__name__}), which a cell does not hold", fix=fix)
        if name in fields and not _plain(value):
            fix = "write a tuple in place of the list" if isinstance(value, list) else 'plain values; a function is named, activation: Activation = "tanh" (register_activation adds one)'
            raise _wrong(kind, name, f".{name} is a {type(value).__name__}, and a field holds what can be saved as data", expected="a number, a text, True or False, None, a cell, or a tuple of these", fix=fix)


def _plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_plain, value))
    return value is None or isinstance(value, (bool, int, float, str)) or hasattr(type(value), "_place")


def _check_step(cell: Any, kind: type) -> None:
    step = inspect.getattr_static(kind, "step", None)
    streams = list(cell.widths("streams"))
    wanted = "".join(f", {name}" for name in streams)
    written = f"def step(self, x, U, s{wanted}):"
    if (getattr(step, "__module__", ""), getattr(step, "__qualname__", "")) == ("tenuto.cell", "Cell.step"):
        raise _wrong(kind, "", " defines no step", fix=f"{written} ... return State(...)")
    try:
        signature = inspect.signature(cell.step)
    except (TypeError, ValueError):
        raise _wrong(kind, "step", ".step is no function", fix=written) from None
    names = list(signature.parameters)
    try:
        signature.bind(None, None, None, **dict.fromkeys(streams))
    except TypeError:
        raise _wrong(
            kind, "step", f".step takes {_listed(names)}, but is given x, U, s" + (f" and the streams {', '.join(streams)}" if streams else ""),
            fix=written + ("" if streams or len(names) <= 3 else f' or declare what it takes besides: streams = "{" ".join(names[3:])}"'),
        ) from None  # fmt: skip
    if "U" in names[:3] and names[1] != "U" or names[0] in ("U", "s"):
        raise _wrong(kind, "step", f".step takes {_listed(names)}: the inputs come first, then the weights, then the state", fix=written)


def _listed(names: list[str]) -> str:
    return "(" + ", ".join(names) + ")" if names else "nothing"


