"""From schedules to C++: one function for each pass, which reads as the cell's maths does."""

from __future__ import annotations

import math
import re

from tenuto.cell import HIDDEN
from tenuto.engines.cpp.expressions import EXPRESSIONS
from tenuto.program.grammar import KINDS
from tenuto.program.graph import Node, expression, label
from tenuto.program.schedule import Pass, Schedule, uniform

LONGEST = 60  # what a comment holds
_PASS = """\
// {title}
extern "C" void {name}(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
    long end_channel, [[maybe_unused]] long width) {{
  for (; row < end_row; row++) {{
{pointers}{uniform}{channels}  }}
}}
"""
_CHANNELS = """\
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {{
{body}    }};
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
"""
_HEAD = """\
// Printed by tenuto from {cell}: its step and its derivative, as passes over the channels. See loop.h for who calls them.
{first}#include "maths.h"
#include "pass.h"

"""


def print_passes(cell: str, schedules: dict[str, Schedule], divide: bool = False) -> str:
    """The C++ text of a cell's passes: functions NAME_0, NAME_1, ... for each schedule by name, in the order of its operations.

    Args:
        divide: sigmoid and tanh end in a true division (see maths.h).
    """
    texts = [_HEAD.format(cell=cell, first="#define DIVIDE\n" if divide else "")]
    for name, schedule in schedules.items():
        passes = [operation for operation in schedule.operations if isinstance(operation, Pass)]
        texts += [_print(f"{name}_{k}", part, schedule.nodes) for k, part in enumerate(passes)]
    return "\n".join(texts)


def pass_names(name: str, schedule: Schedule) -> list[str]:
    """The names of a schedule's functions, in order."""
    return [f"{name}_{k}" for k in range(sum(isinstance(operation, Pass) for operation in schedule.operations))]


def _print(name: str, part: Pass, nodes: list[Node]) -> str:
    names = {number: f"v{number}" for number in (*dict(part.loads), *part.nodes)}

    def value(number: int) -> str:
        return names[number] if number in names else _constant(nodes[number].value)

    def line(number: int) -> str:
        node = nodes[number]
        vector = "mask" if node.gives == "bool" else "vec"
        width = "width" if node.width == HIDDEN else node.width  # a pass's own width is the hidden size wherever a value's is
        return f"{vector} {names[number]} = {EXPRESSIONS[node.kind].format(*map(value, node.args), width=width)};{_place(node)}"

    pointers, rows, body = "", "", ""
    places = [slot for _, slot in (*part.loads, *part.stores)]
    for k in range(len(places)):
        pointers += f"    real* p{k} = at[buffer[{k}]] + row * stride[buffer[{k}]];\n"
    for k, (number, _) in enumerate(part.loads):
        if uniform(nodes[number]):
            rows += f"    vec v{number} = broadcast(p{k}[0]);{_comment(number, nodes)}\n"
        else:
            body += f"      vec v{number} = get(whole, p{k} + u, n);{_comment(number, nodes)}\n"
    steady = _steady(part, nodes)
    rows += "".join(f"    {line(number)}\n" for number in part.nodes if number in steady)
    body += "".join(f"      {line(number)}\n" for number in part.nodes if number not in steady)
    for k, (number, slot) in enumerate(part.stores, len(part.loads)):
        comment = f"  // {slot.array}" + (f"[{slot.column}]" if slot.column else "")
        if part.width == 1:
            rows += f"    p{k}[0] = ({value(number)})[0];{comment}\n"
        else:
            body += f"      put(whole, p{k} + u, {value(number)}, n);{comment}\n"
    channels = "" if part.width == 1 else _CHANNELS.format(body=body)
    title = f"to {', '.join(dict.fromkeys(slot.array for _, slot in part.stores))}"
    return _PASS.format(title=title, name=name, pointers=pointers, uniform=rows, channels=channels)


def _steady(part: Pass, nodes: list[Node]) -> set[int]:
    """The nodes of a pass that are the same in every channel of a row."""
    steady = {number for number, _ in part.loads if uniform(nodes[number])}
    for number in part.nodes:
        if all(arg in steady or nodes[arg].kind == "const" for arg in nodes[number].args):
            steady.add(number)
    return steady


def _constant(value: float) -> str:
    if math.isnan(value):
        return "broadcast(real(NAN))"
    if math.isinf(value):
        return f"broadcast(real({'-' if value < 0 else ''}INFINITY))"
    return f"broadcast(real({value!r}))"


def _comment(number: int, nodes: list[Node]) -> str:
    """What a loaded value is, where that is short: an input, the sum of a gate's input and product, an activation of it."""
    text = _meaning(number, nodes)
    return f"  // {text}" if len(text) <= LONGEST else _place(nodes[number])


def _meaning(number: int, nodes: list[Node], depth: int = 4) -> str:
    """A value in terms of the step's inputs; a text too long for a comment where more than `depth` nodes stand one inside another."""
    node = nodes[number]
    if node.name is not None:
        return f"d s.{node.name[1]}' of later steps" if node.name[0] == "d_carry" else label(node.name)
    if node.kind == "const":
        return f"{node.value:g}"
    args = {arg: _meaning(arg, nodes, depth - 1) for arg in node.args} if depth else {}
    if not depth or any(len(text) > LONGEST for text in args.values()):
        return "." * (LONGEST + 1)
    if KINDS[node.kind].sign:
        args = {arg: f"({text})" if nodes[arg].name is None and nodes[arg].kind in KINDS and KINDS[nodes[arg].kind].sign else text for arg, text in args.items()}
    return expression(node, args)


def _place(node: Node) -> str:
    """The line of the author's file that a value comes from, as a comment. A file may be called anything: odd characters become "?"."""
    return f"  // {re.sub(r'[^A-Za-z0-9_.:-]', '?', node.source)}" if node.source else ""
