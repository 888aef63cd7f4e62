"""Compares randomly drawn legal cells: the CPU engine against the reference in float64, forward and every gradient, in every form of call.

One compiler call builds the passes of many cells. Their text is what each cell has alone, with other names for the functions.
"""

from __future__ import annotations

import ctypes
from contextlib import contextmanager

import pytest
import torch

from tenuto.engines.cpp import library, tune
from tenuto.engines.problem import Form
from tests.engines.cpp.posing import engines, ours, pose, truth
from tests.random_cells import random_cell

BATCH = 50  # cells in one compiler call
FORMS = [{}, {"lengths": True}, {"resets": True, "reverse": True}, {"lengths": True, "reverse": True, "bias": False}]
FORMS += [{"lengths": True, "packed": True}, {"lengths": True, "packed": True, "resets": True, "reverse": True}]
SIZES = [(3, 2, 2, 5), (4, 3, 1, 8), (2, 1, 3, 1), (3, 5, 2, 17)]  # T, B, I, H


@contextmanager
def together(cells, bits, trace=library.trace):
    """Builds the passes of these cells in one compiler call; within the block the engine uses them. `trace` gives a cell's programs."""
    parts, names, known = {}, ("inference", "forward", "backward"), {}
    for k, cell in enumerate(cells):
        for d_streams in (False, True):
            schedules = library.schedule_cell(trace(cell), d_streams)
            parts |= {f"cell{k}_{name}_{d_streams}": getattr(schedules, name) for name in names if d_streams or name == "backward"}
    built = library.build("random", library.print_passes("random cells", parts), bits)
    address = lambda name: ctypes.cast(getattr(built, name), ctypes.c_void_p).value  # noqa: E731
    for k, cell in enumerate(cells):
        for d_streams in (False, True):
            found = {name: f"cell{k}_{name}_{d_streams or name != 'backward'}" for name in names}
            known[trace(cell).cell, d_streams] = {name: tuple(map(address, library.pass_names(part, parts[part]))) for name, part in found.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "passes", lambda traced, d_streams, bits, integers=False: known[traced.cell, d_streams])
        patch.setattr(library, "obstacle", lambda form, dtype, gradients: "")
        yield


@contextmanager
def shared(number):
    """One thread, or two that share the rows or the units, in turns."""
    before, split = torch.get_num_threads(), ("", "rows", "units")[number % 3]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tune, "forced", lambda: split)
        torch.set_num_threads(2 if split else 1)
        yield
    torch.set_num_threads(before)


def compare(cell, number, dtype, forward, gradient):
    form, sizes = Form(cell, **FORMS[number % len(FORMS)]), SIZES[number // len(FORMS) % len(SIZES)]
    inputs = pose(form, sizes, dtype, seed=number)
    if form.lengths and form.resets and not form.packed:
        inputs["resets"] &= torch.arange(sizes[0])[:, None] < inputs["lengths"]
    expected = _named(cell, *truth(form, inputs))
    plain: dict[str, torch.Tensor] = {}
    for engine in engines(dtype):
        with shared(number // len(FORMS)):
            result, found = ours(form, inputs, engine)
        actual = _named(cell, result.output, result.final, found)
        for name, exact in expected.items():
            scale, tolerance = max(exact.norm().item(), 1.0), gradient if name.startswith("d ") else forward
            if (actual[name].double() - exact).abs().max() > tolerance * scale:  # a cell may make rounding large, for torch too
                plain = plain or _named(cell, *truth(form, inputs, dtype))
                tolerance = max(tolerance, 4 * (plain[name].double() - exact).abs().max().item() / scale)
            torch.testing.assert_close(
                actual[name].double() / scale, exact / scale, rtol=0, atol=tolerance,
                msg=lambda text, name=name: f"{type(cell).__name__}, {form}, {sizes}: {name}: {text}\n{type(cell).__doc__}",
            )


def _named(cell, output, final, gradients):
    """All results by name."""
    return {"output": output, **{f"state {name}": value for name, value in zip(cell.widths("state"), final, strict=True)}, **{f"d {name}": value for name, value in gradients.items()}}


def check(first, count, smooth, dtype, forward, gradient):
    """Compares `count` cells from seed `first` on."""
    for start in range(first, first + count, BATCH):
        cells = [random_cell(seed, smooth) for seed in range(start, min(start + BATCH, first + count))]
        with together(cells, library.bits_of(dtype)):
            for number, cell in enumerate(cells, start):
                compare(cell, number, dtype, forward, gradient)
