"""Which of two engines is faster on a problem of this size: measured on this machine, and remembered on disk.

This is asked only where torch has a hand-written kernel that can win. Both run the same made-up problem in turns. The second engine
must win clearly, since the first gives the same bits in any batch, and in several processes, since on a machine that is busy with other
things the slower one may win once. TENUTO_ENGINE or `engine=` makes the choice deterministic.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor

from tenuto import process
from tenuto.engines import trust
from tenuto.engines.problem import Buffers, Engine, Form, Problem

MARGIN = 0.9  # the second engine's time must be below this share of the first's
SMALL = 1 << 22  # multiply-adds: below this, a call is too short to be worth a measurement
MOST_STEPS = 64
CERTAIN = 3  # after so many wins in a row the second engine is taken without another measurement
_known: dict[tuple[Problem, int], str] = {}
_MOST = 4096  # problems that are remembered: each batch of texts may have another length


def remembered(problem: Problem) -> str | None:
    """The name of the faster engine, where `winner` was asked before by this process."""
    return _known.get((problem, process.threads()))


def winner(problem: Problem, first: Engine, second: Engine, file: Path | None) -> Engine:
    """The faster engine for this problem; `file` is where measurements are kept, if anywhere, one for each edition of the engines."""
    asked = problem, process.threads()
    found = _known.get(asked)
    if found is None:
        found = _find(problem, first, second, file)
        if len(_known) >= _MOST:
            _known.clear()
        _known[asked] = found
    return second if found == second.name else first


def _find(problem: Problem, first: Engine, second: Engine, file: Path | None) -> str:
    form = problem.form
    rows, gates = problem.time_steps * problem.batch_size, len(form.cell.widths("gates"))
    small = rows * gates * problem.hidden_size * (problem.hidden_size + problem.input_size) < SMALL
    if small or form.lengths or form.resets or form.cell.widths("streams"):
        return first.name
    key = _key(problem)
    wins = _read(file).get(key) if file else None
    if wins is None or 0 < wins < CERTAIN:
        seconds = _measure(problem, (first, second))
        wins = (wins or 0) + 1 if seconds[1] < MARGIN * seconds[0] else 0
        if file:
            _write(file, {**_read(file), key: wins})
    return second.name if wins else first.name


def _key(problem: Problem) -> str:
    """The class of problems that share a choice: their steps are rounded up to a power of two."""
    steps = 1 << (problem.time_steps - 1).bit_length()
    form = problem.form
    parts = [
        repr(form.cell), form.reverse, min(steps, MOST_STEPS), problem.batch_size, problem.input_size, problem.hidden_size,
        str(problem.dtype), problem.gradients, process.threads(), torch.__version__,
    ]  # fmt: skip
    return " ".join(map(str, parts))


def _read(file: Path) -> dict[str, int]:
    """How often in a row the second engine has won, by key; 0 where the first did."""
    try:
        data = json.loads(trust.read(file))
    except (OSError, ValueError, RecursionError):
        return {}
    return {key: value for key, value in data.items() if isinstance(value, int)} if isinstance(data, dict) else {}


def _write(file: Path, data: dict[str, int]) -> None:
    if trust.folder_fault(Path(os.path.realpath(file.parent))):  # others could replace it with a link to any file of the user's
        return
    part = None
    try:
        trust.make_folder(file.parent)
        handle, part = tempfile.mkstemp(prefix=f".{file.stem}-", dir=file.parent)
        with open(handle, "w", encoding="utf-8") as text:
            json.dump(data, text, indent=1, sort_keys=True)
        os.replace(part, file)
    except OSError:  # the folder cannot be written: the next process measures again
        if part is not None and os.path.exists(part):
            os.unlink(part)


def _measure(problem: Problem, engines: tuple[Engine, Engine]) -> list[float]:
    """The best time of each engine in seconds, forward and, where asked for, backward; about half a second in all.

    The best, because the first engine learns from its first calls how to share the work.
    """
    with torch.utils._python_dispatch._disable_current_modes(), torch.no_grad():
        inputs = _pose(problem)
        times: list[list[float]] = [[], []]
        begin = time.perf_counter()
        for turn in range(12):
            for engine, taken in zip(engines, times):
                start = time.perf_counter()
                _run(problem.form, engine, inputs, problem.gradients)
                taken.append(time.perf_counter() - start)
            if turn >= 5 and time.perf_counter() - begin > 0.5:
                break
    return [min(taken[1:]) for taken in times]


def _pose(problem: Problem) -> Buffers:
    shapes = problem._replace(time_steps=min(problem.time_steps, MOST_STEPS)).shapes()
    # A generator of its own: torch's then gives a first run, which measures, the same numbers as a second one, which remembers.
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, dtype=problem.dtype, generator=generator) * 0.1 for name, shape in shapes.items()}


def _run(form: Form, engine: Engine, inputs: Buffers, gradients: bool) -> None:
    result = engine.forward(form, inputs, gradients)
    if gradients:
        zeros: list[Tensor] = [torch.zeros_like(value) for value in result.final]
        engine.backward(form, inputs, result, torch.ones_like(result.output), zeros, frozenset(inputs))
