"""Pairs of cells (program/pair.py) on the compiled loop: the same multipliers as the reference engine's, in every form of call."""

from __future__ import annotations

import pytest
import torch

from tenuto.engines import Form
from tenuto.engines.cpp import library
from tenuto.explain.loop import loop_multipliers
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
    inputs, others = pose(form, sizes, dtype, seed=number), pose(form, sizes, dtype, seed=number + 1)
    names = [name for name in floats(inputs) if name.split(".")[0] in ("x", "s", "r") or (name.startswith("stream.") and number % 2)]
    other, (d_output, d_final) = {name: others[name] for name in names}, cotangents(form, inputs)
    found = loop_multipliers(form, "cpp", inputs, other, d_output, d_final)
    wide = lambda tensors: {name: value.double() if value.is_floating_point() else value for name, value in tensors.items()}  # noqa: E731
    expected = loop_multipliers(form, "reference", wide(inputs), wide(other), d_output.double(), [d.double() for d in d_final])
    for name, value in expected.items():
        scale = max(value.norm().item(), 1.0)
        torch.testing.assert_close(
            found[name].double() / scale, value / scale, rtol=0, atol=BOUNDS[dtype],
            msg=lambda text, name=name: f"{type(cell).__name__}, {form}, {sizes}: {name}: {text}\n{type(cell).__doc__}",
        )  # fmt: skip


@pytest.mark.parametrize("dtype", BOUNDS)
def test_the_zoo(dtype):
    with together(CELLS.values(), library.bits_of(dtype), lambda cell: paired(trace(cell))):
        for cell in CELLS.values():
            for number in (*range(len(FORMS)), 13):
                compare(cell, number, dtype)


@pytest.mark.parametrize(("smooth", "dtype"), [(False, torch.float64), (True, torch.float32)])
def test_drawn_cells(smooth, dtype):
    cells = [random_cell(seed, smooth) for seed in range(40)]
    with together(cells, library.bits_of(dtype), lambda cell: paired(trace(cell))):
        for number, cell in enumerate(cells):
            compare(cell, number, dtype)
