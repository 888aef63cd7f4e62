"""Pairs of cells (program/pair.py) on the compiled loop: the same multipliers as the reference engine's, in every form of call."""

from __future__ import annotations

import pytest
import torch

from tenuto.engines import Form
from tenuto.engines.cpp import library
from tenuto.explain.loop import PairedLoop
from tenuto.program import trace
from tenuto.program.pair import paired
from tests.engines.cpp.drawn import FORMS, SIZES, together
from tests.engines.cpp.posing import cotangents, floats, pose
from tests.random_cells import random_cell
from tests.zoo import CELLS

pytestmark = pytest.mark.cpp
BOUNDS = {torch.float64: 1e-10, torch.float32: 1e-4}


def compare(cell, number, dtype):
    """A call's multipliers on both engines, those of the reference in float64."""
    form, sizes = Form(cell, **FORMS[number % len(FORMS)]), SIZES[number // len(FORMS) % len(SIZES)]
    if cell.heads > 1:
        sizes = (*sizes[:3], 8)
    inputs = pose(form, sizes, dtype, seed=number)
    names = [name for name in floats(inputs) if name.split(".")[0] in ("x", "s", "r") or (name.startswith("stream.") and number % 2)]
    other, (d_output, d_final) = {name: 0.5 * torch.randn_like(inputs[name]) for name in names}, cotangents(form, inputs)
    found = PairedLoop(form, "cpp", inputs, other).multipliers(d_output, d_final)
    wide = lambda tensors: {name: value.double() if value.is_floating_point() else value for name, value in tensors.items()}  # noqa: E731
    expected = PairedLoop(form, "reference", wide(inputs), wide(other)).multipliers(d_output.double(), [d.double() for d in d_final])
    for name, value in expected.items():
        scale = max(value.norm().item(), 1.0)
        torch.testing.assert_close(
            found[name].double() / scale, value / scale, rtol=0, atol=BOUNDS[dtype],
            msg=lambda text, name=name: f"{type(cell).__name__}, {form}, {sizes}: {name}: {text}\n{type(cell).__doc__}",
        )  # fmt: skip


FEW = ("lstm_heads", "lstm_low_rank", "projection", "layer_norm", "reset_before", "zoneout")


def check(cells, dtype):
    """In every form of call; their passes are compiled in one go."""
    with together(cells, library.bits_of(dtype), lambda cell: paired(trace(cell))):
        for number, cell in enumerate(cells):
            for form in range(len(FORMS)):
                compare(cell, len(FORMS) * number + form, dtype)


def test_some_of_the_zoo():
    check([CELLS[name] for name in FEW], torch.float64)


def test_float32():
    check([CELLS["lstm"], CELLS["gru"]], torch.float32)


def test_drawn_cells():
    check([random_cell(seed) for seed in range(12)], torch.float64)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("dtype", BOUNDS)
def test_many_cells(dtype):
    check([*CELLS.values(), *(random_cell(seed, smooth=dtype == torch.float32) for seed in range(100, 180))], dtype)
