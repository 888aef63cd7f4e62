"""In which order a program's nodes run: what engines print.

Between two stages stands a barrier: a stacked matrix product, or a reduction that crosses the channels. Within a stage all is
elementwise, so a kernel runs it channel by channel in registers. A value is needed by a later stage if a node there reads it.
"""

from __future__ import annotations

from dataclasses import dataclass

from tenuto.program.grammar import KINDS
from tenuto.program.graph import Program, Stack
from tenuto.program.trace import Traced


@dataclass(frozen=True)
class Stage:
    """Nodes that run together: first the products that have just become possible, then reductions, then elementwise nodes.

    `products` are stacks (forward: their products become known; backward: their operand's cotangent does).
    `reductions` and `nodes` are numbers of nodes in the program; reductions read values of earlier stages only.
    """

    products: tuple[Stack, ...]
    reductions: tuple[int, ...]
    nodes: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """A program in stages, and the numbers of the values that outlive their stage."""

    program: Program
    stages: tuple[Stage, ...]
    carried: frozenset[int]


def plan(traced: Traced, direction: str) -> Plan:
    """The stages of `traced.forward` ("forward") or `traced.backward` ("backward")."""
    program = traced.forward if direction == "forward" else traced.backward
    outputs = dict(program.outputs)
    by_product = {name: stack for stack in traced.stacks for name in stack.products}
    by_name = {stack.name: stack for stack in traced.stacks}
    level: dict[int, int] = {}
    product_level: dict[str, int] = {}

    def level_of(number: int) -> int:
        if number not in level:
            node = program.nodes[number]
            if node.name and node.name[0] == "product" and direction == "forward":
                stack = by_product[node.name[1]]
                level[number] = product_level[stack.name] = level_of(outputs["operand", stack.name]) + 1
            elif node.name and node.name[0] == "d_operand":
                stack = by_name[node.name[1]]
                level[number] = product_level[stack.name] = (
                    max(level_of(outputs["d_product", name]) for name in stack.products) + 1
                )
            else:
                below = max((level_of(arg) for arg in node.args), default=0)
                level[number] = below + (1 if node.kind in KINDS and KINDS[node.kind].reduces else 0)
        return level[number]

    for number in range(len(program.nodes)):
        level_of(number)
    for stack in traced.stacks:
        if direction == "forward":
            product_level.setdefault(stack.name, level_of(outputs["operand", stack.name]) + 1)
        else:
            product_level.setdefault(stack.name, max(level_of(outputs["d_product", n]) for n in stack.products) + 1)
    count = max([*level.values(), *product_level.values()]) + 1
    stages = []
    for depth in range(count):
        numbers = [n for n, node in enumerate(program.nodes) if level[n] == depth and node.kind in KINDS]
        reductions = tuple(n for n in numbers if KINDS[program.nodes[n].kind].reduces)
        stacks = tuple(stack for stack in traced.stacks if product_level[stack.name] == depth)
        stages.append(Stage(stacks, reductions, tuple(n for n in numbers if n not in reductions)))
    carried = frozenset(
        arg
        for number, node in enumerate(program.nodes)
        for arg in node.args
        if program.nodes[arg].kind in KINDS and (level[arg] < level[number])
    )
    return Plan(program, tuple(stages), carried)
