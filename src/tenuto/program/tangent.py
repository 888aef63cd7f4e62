"""The tangent of a step: how small changes of its inputs change its results, derived node by node from the traced step.

For y = f(a, b) a change is df/da da + df/db db. The rules are written with the words of the grammar, like those of `multipliers.py`, so that they hold for every cell.
The program takes the step's own inputs and a change of each ("t_state", "t_product", ...), and gives the changes of its results. `push` runs it for one step, with the recurrent
products in between: U times the change of what U multiplies.
Letters: N rows, H hidden size, W a value's width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from tenuto.process import in_child
from tenuto.program.graph import Builder, Key, Program, Stack
from tenuto.program.multipliers import Terms
from tenuto.program.trace import Traced, alone

# (f, args, y) to the derivative by each argument; None: nothing changes with it
SLOPES: dict[str, Callable[..., tuple[Any, ...]]] = {
    "add": lambda f, a, y: (1.0, 1.0),
    "sub": lambda f, a, y: (1.0, -1.0),
    "mul": lambda f, a, y: (a[1], a[0]),
    "div": lambda f, a, y: (1.0 / a[1], -(y / a[1])),
    "pow": lambda f, a, y: (a[1] * f("pow", a[0], a[1] - 1.0), y * f("log", a[0])),  # the second is nowhere asked of an exponent that stays the same
    "maximum": lambda f, a, y: _larger(f, a[0], a[1]),
    "minimum": lambda f, a, y: _larger(f, a[1], a[0]),
    "neg": lambda f, a, y: (-1.0,),
    "abs": lambda f, a, y: (f("sign", a[0]),),
    "sign": lambda f, a, y: (None,),
    "floor": lambda f, a, y: (None,),
    "reciprocal": lambda f, a, y: (-(y * y),),
    "sqrt": lambda f, a, y: (0.5 / y,),
    "rsqrt": lambda f, a, y: (-0.5 * y * y * y,),
    "exp": lambda f, a, y: (y,),
    "expm1": lambda f, a, y: (y + 1.0,),
    "log": lambda f, a, y: (1.0 / a[0],),
    "log1p": lambda f, a, y: (1.0 / (a[0] + 1.0),),
    "sin": lambda f, a, y: (f("cos", a[0]),),
    "cos": lambda f, a, y: (-f("sin", a[0]),),
    "atan": lambda f, a, y: (1.0 / (a[0] * a[0] + 1.0),),
    "erf": lambda f, a, y: ((2 / math.sqrt(math.pi)) * f("exp", -(a[0] * a[0])),),
    "sigmoid": lambda f, a, y: (y * (1.0 - y),),
    "tanh": lambda f, a, y: (1.0 - y * y,),
    "relu": lambda f, a, y: (f.real(f("gt", a[0], 0.0)),),
    **dict.fromkeys(("lt", "le", "gt", "ge", "eq", "ne", "and", "or"), lambda f, a, y: (None, None)),
    "not": lambda f, a, y: (None,),
}
LINEAR = ("sum", "mean", "spread", "expand")
CHOSEN = ("where", "amax")  # what changes is what was chosen


def _larger(f: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """Which of two is the larger, as one or zero; one half where they are equal, as in torch."""
    first = 0.5 * (f.real(f("gt", a, b)) + f.real(f("ge", a, b)))
    return first, 1.0 - first


_tangents: dict[Traced, Program] = {}


@in_child
def _forget() -> None:
    _tangents.clear()


def tangent_of(traced: Traced) -> Program:
    """The program that gives the changes of a step's results: keys ("t_state", NAME), ("t_output", "output"), ("t_operand", NAME of a stack)."""
    with alone():
        known = _tangents.get(traced)
        if known is None:
            known = _tangents[traced] = _derived(traced)
    return known


def _derived(traced: Traced) -> Program:
    program, builder = traced.forward, Builder()
    for node in program.nodes:
        builder.put(node)
    f = Terms(builder)
    values = {number: f.term(builder.put(node)) for number, node in enumerate(program.nodes)}
    changes: dict[int, Any] = {}
    for (role, name), number in program.inputs.items():
        changes[number] = f.term(builder.input((f"t_{role}", name), program.nodes[number].width))
    for number, node in enumerate(program.nodes):
        if node.name is not None or not any(arg in changes for arg in node.args):
            continue
        found = _change(f, node.kind, [values[arg] for arg in node.args], values[number], [changes.get(arg) for arg in node.args], node.width)
        if found is not None:
            narrow = builder.nodes[found.number].width == 1 != node.width  # one change for all channels
            changes[number] = f.term(builder.apply("expand", (found.number,), node.width)) if narrow else found
    outputs = [((f"t_{role}", name), changes[number].number if number in changes else builder.constant(0.0, program.nodes[number].width)) for (role, name), number in program.outputs]
    return builder.program(f"{traced.cell!r}: how small changes go through one step", outputs)


def _change(f: Terms, kind: str, args: list[Any], y: Any, changes: list[Any], width: Any) -> Any:
    if kind in LINEAR:
        return f.term(f.builder.apply(kind, (changes[0].number,), width))
    if kind == "where":
        parts = [0.0 if part is None else part for part in changes[1:]]
        return None if changes[1] is changes[2] is None else f("where", args[0], *parts)
    if kind == "amax":
        chosen = f.real(f("eq", args[0], y))
        return f("sum", chosen * changes[0]) / f("sum", chosen)
    total = None
    for slope, change in zip(SLOPES[kind](f, args, y), changes, strict=True):
        if slope is None or change is None:
            continue
        part = change if isinstance(slope, float) and slope == 1.0 else change * slope
        total = part if total is None else total + part
    return total


def push(traced: Traced, values: Mapping[Key, Tensor], changes: Mapping[Key, Tensor], multiply: Callable[[Stack, Tensor], list[Tensor]], hidden_size: int) -> dict[Key, Tensor]:
    """The changes of a step's results.

    Args:
        values: of the step's inputs by key, products included, [N, W] each. changes: of its inputs by key ("t_state", NAME), ...; those that are left out do not change.
        multiply: a stack's products with a value, one for each product. hidden_size: H.
    Returns:
        by key ("t_state", NAME), ("t_output", "output"): [N, W].
    """
    program = tangent_of(traced)
    given = dict(values)
    for role, name in program.inputs:
        if role.startswith("t_"):
            known = changes.get((role, name))
            given[role, name] = torch.zeros_like(values[role.removeprefix("t_"), name]) if known is None else known
    for stack in traced.stacks:  # by phase: what one multiplies may have another's products in it
        operand = given["t_state", stack.state] if stack.state is not None else program(given, hidden_size)["t_operand", stack.name]
        given |= {("t_product", name): part for name, part in zip(stack.products, multiply(stack, operand), strict=True)}
    return program(given, hidden_size)
