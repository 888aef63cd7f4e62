"""What a step reads beside its arguments: its code, and the values of names outside of it.

A step is an ordinary function. It may use a constant or a function of its file, or what a factory closed over, and a notebook gives these another
value whenever its cell is run again; tools that load edited files anew put other code into the same class. So a trace is remembered together with
what was read, and made again when that is not what it was.
"""

from __future__ import annotations

import dis
import functools
import operator
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from tenuto.activations import ACTIVATIONS, Activation
from tenuto.cell import Cell

# Whoever changes these while a program runs is on their own.
_FIXED = {"tenuto", "torch", "numpy", "scipy", "keras", "typing_extensions", *sys.stdlib_module_names}
_NO_MATHS = ("_place", "_serial", "_abc_impl")
_DEEPEST, _MOST = 12, 1000  # steps from one value to the next, and items of a container, that are looked at


class Reading:
    """What the steps of a cell, and of the cells in its fields, read: of tenuto's own cells only the activations.

    Kept as places and what stands in them, the same objects: looking again is a matter of microseconds, and is done at every call of
    `tenuto.layers.functional.recurrent`.
    """

    def __init__(self, cell: Cell) -> None:
        self._items: list[tuple[Any, Any, Any]] = []  # (mapping, key, value)
        self._attributes: list[tuple[Any, str, Any]] = []
        self._sizes: list[tuple[Any, int]] = []
        self._lists: list[tuple[Any, tuple[Any, ...]]] = []
        self._seen: dict[int, Any] = {}  # by id, and alive for as long as that is remembered
        self._cell(cell)
        self._seen.clear()

    def holds(self) -> bool:
        """Whether everything is as it was."""
        return (
            all(mapping.get(key) is value for mapping, key, value in self._items)
            and all(getattr(owner, name, None) is value for owner, name, value in self._attributes)
            and all(len(container) == size for container, size in self._sizes)
            and all(len(values) == len(before) and all(map(operator.is_, values, before)) for values, before in self._lists)
        )

    def _cell(self, cell: Cell) -> None:
        self._class(type(cell), _DEEPEST)
        for value in vars(cell).values():
            if type(value) is Activation:
                self._item(ACTIVATIONS, str(value), _DEEPEST)
            elif isinstance(value, Cell):
                self._cell(value)

    def _item(self, mapping: Any, key: Any, depth: int) -> None:
        value = mapping.get(key)
        self._items.append((mapping, key, value))
        self._value(value, depth)

    def _attribute(self, owner: Any, name: str, depth: int) -> None:
        try:
            value = getattr(owner, name)
        except (AttributeError, ValueError):  # of a closure whose name has no value yet
            return
        self._attributes.append((owner, name, value))
        self._value(value, depth)

    def _value(self, value: Any, depth: int) -> None:
        if value is None or isinstance(value, (bool, int, float, complex, str, bytes, types.CodeType)) or id(value) in self._seen or depth == 0:
            return
        self._seen[id(value)] = value
        depth -= 1
        if isinstance(value, torch.Tensor):
            self._attributes.append((value, "_version", value._version))
        elif isinstance(value, (Mapping, tuple, list, set, frozenset)) and len(value) > _MOST:
            self._sizes.append((value, len(value)))  # data, and not what a step is made of
        elif isinstance(value, Mapping):
            self._mapping(value, list(value), depth)
        elif isinstance(value, (tuple, list, set, frozenset)):
            self._lists.append((value, tuple(value)))
            for each in value:
                self._value(each, depth)
        elif isinstance(value, functools.partial):
            for part in (value.func, value.args, value.keywords):
                self._value(part, depth)
        elif isinstance(value, types.MethodType):
            self._value(value.__func__, depth)
            self._value(value.__self__, depth)
        elif isinstance(value, (staticmethod, classmethod)):
            self._value(value.__func__, depth)
        elif isinstance(value, property):
            self._value(value.fget, depth)
        elif isinstance(value, types.FunctionType):
            self._function(value, depth)
        elif isinstance(value, type):
            self._class(value, depth)
        elif hasattr(value, "__dict__") and not isinstance(value, (types.ModuleType, torch.nn.Module)):
            self._class(type(value), depth)
            self._mapping(vars(value), list(vars(value)), depth)

    def _mapping(self, mapping: Mapping[Any, Any], keys: list[Any], depth: int) -> None:
        self._sizes.append((mapping, len(mapping)))
        for key in keys:
            self._item(mapping, key, depth)

    def _class(self, kind: type, depth: int) -> None:
        for each in kind.__mro__:
            if not _fixed(each):
                own = [name for name in vars(each) if name == "__call__" or not name.startswith("__") and name not in _NO_MATHS]
                self._mapping(vars(each), own, depth)

    def _function(self, function: types.FunctionType, depth: int) -> None:
        if _fixed(function):
            return
        for name in ("__code__", "__defaults__", "__kwdefaults__", "__wrapped__"):
            self._attribute(function, name, depth)
        for cell in function.__closure__ or ():
            self._attribute(cell, "cell_contents", depth)
        used = list(_names(function.__code__))
        for name in (name for name, loaded in dict.fromkeys(used) if loaded and name in function.__globals__):
            self._item(function.__globals__, name, depth)
            value = function.__globals__[name]
            if isinstance(value, types.ModuleType) and value.__name__.partition(".")[0] not in _FIXED:
                for each in dict.fromkeys(each for each, loaded in used if not loaded and each in vars(value)):
                    self._item(vars(value), each, depth)



def _fixed(value: Any) -> bool:
    module = getattr(value, "__module__", None)
    return isinstance(module, str) and module.partition(".")[0] in _FIXED and module not in ("__main__", "__mp_main__")


def _names(code: types.CodeType) -> Iterator[tuple[str, bool]]:
    """The names that are used, and whether each is one of the file or an attribute of something."""
    for step in dis.get_instructions(code):
        if step.opcode in dis.hasname and isinstance(step.argval, str):
            yield step.argval, step.opname.startswith(("LOAD_GLOBAL", "LOAD_NAME"))
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
