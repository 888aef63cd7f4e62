"""Cells that are linear in their states, in ONNX: no loop where the recurrence cannot grow, a short one elsewhere."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tenuto import cells
from tenuto.activations import rms_norm
from tenuto.cell import Cell, State
from tenuto.export.comparison import compared
from tenuto.export.onnx import at_once
from tenuto.export.onnx.printed import printed
from tenuto.export.onnx.runtimes import reference
from tenuto.program import trace
from tenuto.program.bounds import bounds
from tenuto.program.linear import linear
from tests.export.test_onnx import in_runtime, layer, onnx, operators, sequence_of
from tests.zoo import CELLS


class MinGRU(Cell):
    """h = (1 - z) h + z n, where z and n read the input alone."""

    gates = "z n"
    state = "h"

    def step(self, x: Any, U: Any, s: Any) -> Any:
        z = torch.sigmoid(x.z)
        return State(h=(1 - z) * s.h + z * x.n)


class MinLSTM(Cell):
    """The two gates sum to 1: each is a part of a whole."""

    gates = "f i n"
    state = "h"

    def step(self, x: Any, U: Any, s: Any) -> Any:
        f, i = torch.sigmoid(x.f), torch.sigmoid(x.i)
        return State(h=f / (f + i) * s.h + i / (f + i) * torch.tanh(x.n))


class Pooling(Cell):
    """As QRNN: what comes out is gated, and is a state too; the memory goes on beside it."""

    gates = "f o n"
    state = "h c"

    def step(self, x: Any, U: Any, s: Any) -> Any:
        f = torch.sigmoid(x.f)
        c = s.c + (1 - f) * (torch.tanh(x.n) - s.c)
        return State(h=torch.sigmoid(x.o) * torch.tanh(c), c=c)


class Selective(Cell):
    """The scale is the exponential of minus a rate, as in models of state spaces; one of the states is narrow, the output normalised."""

    gates = "rate n"
    state = "h k:1"
    parameters = "a"

    def step(self, x: Any, U: Any, s: Any) -> Any:
        rate = torch.nn.functional.softplus(x.rate)
        h = torch.exp(-rate * torch.exp(self.p.a)) * s.h + rate * x.n
        return State(h=h, k=0.5 * s.k - (x.n * s.h).mean(-1, keepdim=True))

    def output(self, s: Any) -> Any:
        return rms_norm(s.h) + s.k


class Staged(Cell):
    """The second state's gate reads the first by a product, old and new; and where it is small, something else happens."""

    gates = "a b"
    state = "h k"
    products = "late early"

    def step(self, x: Any, U: Any, s: Any) -> Any:
        h = torch.tanh(x.a) * s.h + x.a
        open_ = torch.sigmoid(x.b + U.late @ torch.sin(h) + U.early @ s.h)
        return State(h=h, k=-(torch.where(open_ > 0.5, open_ * s.k, 0.25 * s.k + 1.0) - h))


class Growing(Cell):
    """Nobody knows how large the scale gets."""

    gates = "a b"
    state = "h"

    def step(self, x: Any, U: Any, s: Any) -> Any:
        return State(h=(0.5 + 0.2 * x.a) * s.h + x.b)


LINEAR = [MinGRU(), MinLSTM(), Pooling(), Selective(), Staged()]


@pytest.mark.parametrize("cell", LINEAR, ids=repr)
def test_a_recurrence_that_cannot_grow_has_no_loop(cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With short blocks, so that a few steps are blocks of blocks; both directions; lengths, states and padding as everywhere."""
    monkeypatch.setattr(at_once, "BLOCK", 2)
    for options in ({}, {"reverse": True}) if isinstance(cell, Pooling) else ({},):
        graph = sequence_of(layer(cell, **options))
        assert compared(graph, in_runtime(graph, tmp_path), "onnxruntime").worst < 2e-6
        assert not {"Scan", "Loop", "If"} & {node.op_type for node in onnx.load(tmp_path / "one.onnx").graph.node}


def test_blocks_of_any_number_of_steps(tmp_path: Path) -> None:
    """Also where gates close wholly, where lengths end within a block, and where padding is no number."""
    model = layer(MinGRU())
    graph = sequence_of(model)
    run = in_runtime(graph, tmp_path)
    for steps in (1, 15, 16, 17, 300):
        x = torch.randn(steps, 3, 3) * torch.tensor([1.0, 300.0, 0.01])[:, None]
        lengths = torch.tensor([steps, 0, (steps + 1) // 2])
        for row, length in enumerate(lengths.tolist()):
            x[length:, row] = torch.nan
        state = torch.randn(1, 3, 4)
        with torch.no_grad():
            expected = model(x, state, lengths=lengths)
        found = run({"x": x, "lengths": lengths, "state_in_h": state})
        torch.testing.assert_close(found["output"], expected.output, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found["state_out_h"], expected.state.h, rtol=1e-5, atol=1e-5)


def test_a_recurrence_that_may_grow_is_a_scan_of_one_product_and_one_sum(tmp_path: Path) -> None:
    graph = sequence_of(layer(Growing(), bidirectional=True, num_layers=2))
    assert compared(graph, in_runtime(graph, tmp_path), "onnxruntime").worst < 1e-6
    for node in operators(tmp_path / "one.onnx"):
        assert node.op_type == "Scan" and sorted(one.op_type for one in node.attribute[0].g.node) == ["Add", "Identity", "Mul"]


def test_the_reference_runs_it_too() -> None:
    graph = sequence_of(layer(Pooling()))
    assert compared(graph, reference(printed(graph, 18)), "onnx.reference").worst < 1e-6


def test_what_is_linear_in_its_states() -> None:
    assert [stage.state for stage in linear(trace(Pooling())).stages] == ["c", "h"]  # type: ignore[union-attr]
    for cell in (cells.GRU(), cells.LSTM(), cells.IndRNN(), cells.MGU()):
        assert linear(trace(cell)) is None


@pytest.mark.parametrize("name", CELLS)
def test_values_lie_within_their_bounds(name: str) -> None:
    """Of every node of every cell, for drawn inputs, and for large ones."""
    program = trace(CELLS[name]).forward
    sized = lambda node: 5 if node.width == "H" else int(node.width)  # noqa: E731
    numbers = [number for number, node in enumerate(program.nodes) if node.gives == "real"]
    limits = bounds(program.nodes, {}, numbers)
    whole = type(program)(program.title, program.nodes, tuple((("node", str(number)), number) for number in numbers))
    for seed, size in enumerate((1.0, 30.0)):
        draw = np.random.default_rng(seed)
        values = {key: torch.from_numpy(draw.normal(size=(4, sized(program.nodes[number])))) * size for key, number in program.inputs.items()}
        for (least, most), value in zip(limits, whole(values, 5).values(), strict=True):
            value = value[~value.isnan()]
            assert bool((value >= least - 1e-6).all() and (value <= most + 1e-6).all())
