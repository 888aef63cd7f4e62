"""Which values of a traced step are its gates, and between which numbers they lie; read off the program, so it serves every cell.

A gate NAME begins as its input `x.NAME`. What is added to it before it is bent (its recurrent product, a bias, a peephole, what another gate lets through)
belongs to it, and so does what normalises it. The gate's value is the first one that leaves the maths of that sum alone: sigmoid(...), tanh(...), or several
operations (a hard sigmoid, a softmax). A candidate that is never bent is the sum itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch

from tenuto.cell import HIDDEN
from tenuto.program import Program, Traced

PROBED_ROWS, PROBED_UNITS = 2048, 4
FAR, NEAR = 1e3, 1e-3
_BENDS = frozenset("sigmoid tanh relu exp expm1 sin cos atan erf maximum minimum abs sign floor where log log1p pow".split())


@dataclass(frozen=True)
class Gate:
    """One gate of a traced step.

    Attributes:
        name: as the cell declares it. number: of its value in the forward program. low, high: between which its values lie, whatever the step is given.
    """

    name: str
    number: int
    low: float
    high: float

    @property
    def opens(self) -> bool:
        """Whether it lies between 0, shut, and 1, open."""
        return (self.low, self.high) == (0.0, 1.0)


@lru_cache(maxsize=256)
def gates_of(traced: Traced) -> tuple[Gate, ...]:
    """The gates of a cell, in its order, then products without an input that are bent (as in the inner layers of a highway)."""
    gates = traced.cell.widths("gates")
    found = {name: _value(traced.forward, "gate", name) for name in gates}
    products = {name: _value(traced.forward, "product", name) for name in traced.cell.widths("products")}
    found |= {name: value for name, value in products.items() if value.bent}
    ranges = _ranges(traced, [value.number for value in found.values()])
    return tuple(Gate(name, value.number, low, high) for (name, value), (low, high) in zip(found.items(), ranges))


def values_of(traced: Traced) -> Program:
    """The step's program, which gives its gates in the place of its results."""
    return Program("gates", traced.forward.nodes, tuple((("gate", gate.name), gate.number) for gate in gates_of(traced)))


class _Value(NamedTuple):
    number: int
    bent: bool


def _value(program: Program, role: str, name: str) -> _Value:
    """The value of the gate that begins with this input."""
    start, own = program.inputs[role, name], program.inputs.get(("product", name))
    users = _users(program)
    raw = _raw(program)
    summed, whole = start, start  # the sum so far, and the last one that had only the layer's own weights added to it
    while True:
        alone = _alone(program, summed)
        leaving = sorted(number for number in alone if users[number] - alone or _leaves(program, number))
        bent = _bent(program, alone)
        value = next((number for number in leaving if number in bent), None)
        if value is not None:
            return _Value(value, True)
        outside = set().union(*(users[number] for number in alone)) - alone
        if len(outside) != 1 or len(leaving) != 1:
            return _Value(whole, False)
        (after,) = outside
        node = program.nodes[after]
        others = [arg for arg in node.args if arg not in alone]
        added = all(number in raw or (own is not None and own in _before(program, number)) for number in others)
        if node.kind not in ("add", "sub") and not (node.kind in ("mul", "div") and added):
            return _Value(whole, False)
        summed, whole = after, after if added else whole
        if any(number == after and key[0] == "state" for key, number in program.outputs):
            return _Value(whole, False)


def _before(program: Program, number: int) -> set[int]:
    """The value and all that goes into it."""
    found = {number}
    for place in range(number, -1, -1):
        if place in found:
            found.update(program.nodes[place].args)
    return found


def _users(program: Program) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {number: set() for number in range(len(program.nodes))}
    for number, node in enumerate(program.nodes):
        for arg in node.args:
            found[arg].add(number)
    return found


def _leaves(program: Program, number: int) -> bool:
    return any(number == result for _, result in program.outputs)


def _fixed(program: Program, number: int) -> bool:
    node = program.nodes[number]
    return node.kind == "const" or (node.name is not None and node.name[0] == "parameter")


def _raw(program: Program) -> set[int]:
    """What no gate's input and no bend goes into: products, parameters, states, and sums of these."""
    found: set[int] = set()
    for number, node in enumerate(program.nodes):
        given = node.name is not None and node.name[0] != "gate"
        made = node.name is None and node.kind not in _BENDS and all(arg in found for arg in node.args)
        if given or made or node.kind == "const":
            found.add(number)
    return found


def _alone(program: Program, start: int) -> set[int]:
    """The value and all that is made of it alone, with constants and the cell's own parameters."""
    found, fixed = {start}, {number for number in range(len(program.nodes)) if _fixed(program, number)}
    for number, node in enumerate(program.nodes):
        if node.args and number > start:
            if all(arg in fixed for arg in node.args):
                fixed.add(number)
            elif all(arg in fixed or arg in found for arg in node.args):
                found.add(number)
    return found


def _bent(program: Program, alone: set[int]) -> set[int]:
    """Those of these values that a bend of full width lies before, or that are one."""
    found: set[int] = set()
    for number in sorted(alone):
        node = program.nodes[number]
        if (node.kind in _BENDS and node.width != 1 and node.args) or any(arg in found for arg in node.args if arg in alone):
            found.add(number)
    return found


def _ranges(traced: Traced, numbers: list[int]) -> list[tuple[float, float]]:
    """Between which numbers values lie, found by giving the step all kinds of numbers, tiny and huge; infinite where they grow with these."""
    program, hidden = traced.forward, PROBED_UNITS * traced.cell.heads
    chance = torch.Generator().manual_seed(0)
    given = {}
    for key, number in program.inputs.items():
        width = program.nodes[number].width
        shape = PROBED_ROWS, hidden if width == HIDDEN else int(width)
        sizes = 10 ** (9 * torch.rand(shape, generator=chance, dtype=torch.float64, device="cpu") - 3)
        given[key] = sizes * (2 * torch.randint(0, 2, shape, generator=chance, device="cpu") - 1)
    found = Program("probed", program.nodes, tuple((("value", str(number)), number) for number in numbers))(given, hidden)
    ranges = []
    for number in numbers:
        values = found["value", str(number)]
        values = values[torch.isfinite(values)]
        ranges.append((_end(float(values.min()), -1), _end(float(values.max()), 1)) if len(values) else (-math.inf, math.inf))
    return ranges


def _end(value: float, side: int) -> float:
    """An end of a range as it was found: far out it is none, and near a whole number it is that."""
    if abs(value) > FAR:
        return side * math.inf
    return float(round(value)) if abs(value - round(value)) < NEAR else value
