"""What a trace finds in a cell's step: the nodes, the products and their phases, the derivative."""

import subprocess
import sys

import pytest
import torch

from tenuto import cells
from tenuto.activations import ACTIVATIONS, layer_norm
from tenuto.cell import Cell, State
from tenuto.cells import (
    GRU,
    LSTM,
    Elman,
    IndRNN,
    ProjectionLSTM,
    RecurrentHighway,
    ResetBeforeGRU,
)
from tenuto.program import Program, Stack, Traced, handle_of, trace, traced_of
from tenuto.program.step import run_step
from tenuto.program.trace import Markers
from tests.zoo import CELLS


def phases(cell):
    return [(stack.phase, stack.products) for stack in trace(cell).stacks]


def test_the_list_of_cells_has_the_whole_zoo():
    assert {type(cell).__name__ for cell in CELLS.values()} == set(cells.__all__) - {"Modifier"}


def test_phases():
    assert phases(LSTM()) == [(0, ("i", "f", "g", "o"))]
    assert phases(GRU()) == [(0, ("r", "z", "n"))]
    assert phases(ResetBeforeGRU()) == [(0, ("r", "z")), (1, ("n",))]
    assert phases(ProjectionLSTM(5)) == [(0, ("i", "f", "g", "o")), (1, ("r",))]
    assert phases(RecurrentHighway(3)) == [(0, ("n", "t")), (1, ("n2", "t2")), (2, ("n3", "t3"))]
    assert phases(IndRNN()) == []
    assert phases(LSTM(rank=3)) == [(0, ("low_rank0",)), (1, ("i", "f", "g", "o"))]


def test_equal_cells_have_equal_traces():
    traced = trace(LSTM())
    assert isinstance(traced, Traced) and traced is trace(LSTM())
    assert all(isinstance(program, Program) for program in (traced.forward, traced.backward))
    assert hash(traced.forward) == hash(trace(LSTM("tanh")).forward)
    (stack,) = traced.stacks
    assert stack == Stack("h", ("i", "f", "g", "o"), ("H",) * 4, "H", 0, stack.operand, "h")


def marker_values(traced):
    markers = Markers(traced.cell, 13)
    products = {
        name: (stack.width_in, width)
        for stack in traced.stacks
        for name, width in zip(stack.products, stack.widths, strict=True)
    }
    keys = markers.input_keys(products)
    return markers, keys, dict(zip(keys, markers.values(keys, products), strict=True))


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_backward_program_is_the_derivative(cell):
    """The traced derivative against autograd through the step itself."""
    traced = trace(cell)
    markers, keys, values = marker_values(traced)
    leaves = {key: value.requires_grad_() for key, value in values.items()}
    operands = {}

    def multiply(name, value):
        operands.setdefault(name, value)
        return leaves["product", name]

    new, output = run_step(cell, leaves, multiply)
    ends = {("d_state", name): getattr(new, name) for name in new._fields}
    if traced.output_state is None:
        ends["d_output", "output"] = output
    ends |= {("d_operand", stack.name): operands[stack.products[0]] for stack in traced.stacks}
    cotangents = {key: torch.randn_like(value) for key, value in ends.items()}
    found = traced.backward({**{k: v.detach() for k, v in values.items()}, **cotangents}, markers.hidden)
    connected = [key for key in ends if ends[key].requires_grad]
    expected = torch.autograd.grad(
        [ends[key] for key in connected], [leaves[key] for key in keys], [cotangents[key] for key in connected], allow_unused=True
    )
    for (role, name), gradient in zip(keys, expected, strict=True):
        wanted = torch.zeros_like(leaves[role, name]) if gradient is None else gradient
        torch.testing.assert_close(found[f"d_{role}", name].expand_as(wanted), wanted, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation_can_be_traced(name):
    traced = trace(Elman(name))
    markers, keys, values = marker_values(traced)
    total = values["gate", "h"] + values["product", "h"]
    torch.testing.assert_close(traced.forward(values, markers.hidden)["state", "h"], ACTIVATIONS[name](total))


def test_equal_maths_is_an_equal_program():
    class SameAsElman(Cell):
        gates = "h"
        state = "h"

        def step(self, x, U, s):
            summed = x.h + U.h @ s.h
            return State(h=torch.tanh(summed))

    assert trace(SameAsElman()).forward.digest == trace(Elman()).forward.digest
    assert trace(Elman("relu")).forward.digest != trace(Elman()).forward.digest


def test_torch_reductions_become_primitives():
    class Normalised(Cell):
        gates = "h"
        state = "h"

        def step(self, x, U, s):
            v = torch.nn.functional.layer_norm(x.h + U.h @ s.h, x.h.shape[-1:])
            return State(h=torch.softmax(v, -1) + v.mean(-1, keepdim=True))

    kinds = {node.kind for node in trace(Normalised()).forward.nodes}
    assert {"mean", "sum", "amax"} <= kinds


def test_a_program_prints_itself():
    text = str(trace(ResetBeforeGRU()))
    assert "takes x.r, x.z, x.n, (U.r @), (U.z @), (U.n @), s.h" in text
    assert "v2 = sigmoid(v1)" in text
    assert "v5 = s.h * v2" in text and "phase 1: U.n @ v5" in text and "phase 0: U.r U.z @ s.h" in text
    assert "gru.py:" in text
    assert "d s.h = " in text


def test_handles_name_the_program_too():
    handle = handle_of(LSTM())
    assert traced_of(handle).cell == LSTM()
    assert handle_of(LSTM("relu")) != handle

    def make(scale):
        class Local(Cell):
            gates = "h"
            state = "h"

            def step(self, x, U, s):
                return State(h=scale * torch.tanh(x.h + U.h @ s.h))

        return Local()

    first, second = make(1.0), make(2.0)
    assert handle_of(first) != handle_of(second)
    assert traced_of(handle_of(first)).cell is first


def test_a_state_of_its_own_output():
    class Squared(Cell):
        gates = "h"
        state = "h"

        def step(self, x, U, s):
            return State(h=torch.tanh(x.h + U.h @ s.h))

        def output(self, s):
            return layer_norm(s.h) ** 2

    assert trace(Squared()).output_state is None
    assert trace(LSTM()).output_state == "h"


def test_a_step_is_traced_while_torch_looks_for_nan():
    class Fresh(Elman):
        """A cell that no other test has traced."""

    with torch.autograd.set_detect_anomaly(True):
        assert trace(Fresh()).stacks
        assert torch.is_anomaly_enabled()


def test_a_first_trace_loads_no_large_package():
    """Every command that opens a run traces its cell: sympy alone, which torch's own decompositions import, takes as long as all else that it does."""
    script = "import sys\nfrom tenuto import cells\nfrom tenuto.program.trace import trace\nfor one in (cells.LSTM(), cells.GRU(), cells.Elman(), cells.MGU()): trace(one)\nprint([name for name in ('sympy', 'torch._dynamo', 'torch._inductor') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
