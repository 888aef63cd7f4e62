"""The pair of a cell: its backward program hands the whole difference through a step, for every cell; where the runs meet it is the derivative."""

import pytest
import torch

from tenuto.cell import Cell, State
from tenuto.program import trace
from tenuto.program.pair import _reference_names, paired
from tests.random_cells import random_cell
from tests.zoo import CELLS, Leaking


class Awkward(Cell):
    """Names that the reference run would have, a product of a parameter, one value multiplied twice, and a state that nothing reads."""

    gates = "h reference_h"
    state = "h reference_c:2"
    products = "m reference_m:2 w"
    parameters = "p"
    streams = "reference_0_t:1"

    def step(self, x, U, s, *, reference_0_t):
        new = torch.tanh(x.h + U.m @ s.h + U.w @ self.p.p) * torch.sigmoid(x.reference_h) * reference_0_t
        return State(h=new, reference_c=U.reference_m @ s.h)


def run(cell, meet=False, rows=6, hidden=8):
    """(difference of the results, sum of the parts) of one step, and both backward programs' results."""
    traced, both = trace(cell), paired(trace(cell))
    generator = torch.Generator().manual_seed(3)
    size = lambda program, number: hidden if program.nodes[number].width == "H" else int(program.nodes[number].width)  # noqa: E731
    draw = lambda program, number: torch.randn(rows, size(program, number), generator=generator, dtype=torch.float64)  # noqa: E731
    values = {key: draw(both.forward, number) for key, number in both.forward.inputs.items()}
    other = _reference_names(traced, both)
    if meet:
        values |= {other[key]: values[key] for key in traced.forward.inputs}
    own = {name: stack.name for stack in both.stacks for name in stack.products}
    names = {("operand", stack.name): ("d_operand", own[stack.products[0]]) for stack in traced.stacks}
    names |= {("state", name): ("d_state", name) for name in cell.widths("state")}
    names |= {("output", "output"): ("d_output", "output")} if both.output_state is None else {}
    arriving = {key: torch.zeros(rows, size(both.backward, n), dtype=torch.float64) for key, n in both.backward.inputs.items() if key not in values}
    arriving |= {key: draw(both.backward, both.backward.inputs[key]) for key in names.values()}
    result = both.backward({**values, **arriving}, hidden)
    first = {key: values[key] for key in traced.forward.inputs}
    now, before = traced.forward(first, hidden), traced.forward({key: values[other[key]] for key in first}, hidden)
    difference = sum((arriving[name] * (now[key] - before[key])).sum(-1) for key, name in names.items())
    parts = sum((result[f"d_{key[0]}", key[1]] * (values[key] - values[other[key]])).sum(-1) for key in first)
    single = {("d_operand", stack.name): arriving["d_operand", own[stack.products[0]]] for stack in traced.stacks}
    derivative = traced.backward({**first, **{name: arriving[name] for name in names.values() if name[0] != "d_operand"}, **single}, hidden)
    return difference, parts, derivative, result


@pytest.mark.parametrize("name", [*CELLS, "leaking", "awkward"])
def test_the_parts_of_a_step_add_up(name):
    difference, parts, _, _ = run({**CELLS, "leaking": Leaking(), "awkward": Awkward()}[name])
    torch.testing.assert_close(parts, difference, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_the_parts_of_drawn_steps_add_up(first):
    for seed in range(first, first + 20):
        cell = random_cell(seed)
        difference, parts, _, _ = run(cell)
        torch.testing.assert_close(parts, difference, rtol=1e-10, atol=1e-10, msg=lambda text, cell=cell: f"{text}\n{type(cell).__doc__}")


@pytest.mark.parametrize("name", CELLS)
def test_where_the_runs_meet_it_is_the_derivative(name):
    _, _, derivative, result = run(CELLS[name], meet=True)
    for key, expected in derivative.items():
        if key[0] != "d_parameter":
            torch.testing.assert_close(result[key], expected, rtol=1e-11, atol=1e-11, msg=lambda text, key=key: f"{key}: {text}")


def test_what_it_is_can_be_read():
    assert "how the difference to a reference run goes through one step" in str(paired(trace(CELLS["gru"])).backward)
    assert paired(trace(CELLS["gru"])) is paired(trace(CELLS["gru"]))
    assert paired(trace(CELLS["gru"])) != trace(paired(trace(CELLS["gru"])).cell)
