"""Which of two engines is faster on a problem of this size: measured on this machine, and remembered on disk.

This is asked only where torch has a hand-written kernel that can win. Both run the same made-up problem in turns. The second engine
must win clearly, since the first gives the same bits in any batch, and in several processes, since on a machine that is busy with other
things the slower one may win once. A process measures for half a second at most: a program that meets many sizes takes for the others
what was measured of their like. TENUTO_ENGINE or `engine=` makes the choice deterministic.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from collections.abc import Hashable
from pathlib import Path

import torch
from torch import Tensor

from tenuto import process
from tenuto.engines import trust
from tenuto.engines.problem import Buffers, Engine, Form, Problem
from tenuto.program.recording import apart

MARGIN = 0.9  # the second engine's time must be below this share of the first's
SMALL = 1 << 22  # multiply-adds: below, a call is over sooner than a measurement is worth
MOST_STEPS, LEAST_STEPS = 64, 8
LARGE = 1 << 31  # multiply-adds: what is measured has fewer steps, so that no first call waits for seconds
CERTAIN = 3  # wins in a row until the second engine is believed without another measurement
BUDGET = 0.5  # seconds: once a process has measured for this long, it measures nothing more
LONG_ENOUGH = 0.1  # seconds that a measurement takes, if six turns are over by then
_MOST = 4096  # classes of problems that are remembered

Class = tuple[Hashable, ...]
_known: dict[Class, str] = {}  # the faster engine, by class
_alike: dict[Class, str] = {}  # what was measured last, whatever the steps and the batch size
_spent = 0.0  # seconds


def _class_of(problem: Problem) -> Class:
    """What problems that share a choice have in common. Steps and batch size count by powers of two, so that texts of all lengths are few classes."""
    steps = min(1 << (problem.time_steps - 1).bit_length(), MOST_STEPS) if problem.time_steps else 0
    rows = 1 << (problem.batch_size - 1).bit_length() if problem.batch_size else 0
    form, sizes = problem.form, (problem.input_size, problem.hidden_size)
    return steps, rows, form.number, *sizes, problem.narrow or problem.dtype, problem.gradients, process.threads()


def remembered(problem: Problem) -> str | None:
    """The name of the faster engine, where `winner` was asked before by this process."""
    return _known.get(_class_of(problem))


def winner(problem: Problem, first: Engine, second: Engine, file: Path | None) -> Engine:
    """The faster engine for this problem; `file` is where measurements are kept, if anywhere, one for each edition of the engines."""
    asked = _class_of(problem)
    found = _known.get(asked)
    if found is None:
        found = _find(problem, asked, first, second, file)
        if len(_known) >= _MOST:
            _known.clear()
            _alike.clear()
        _known[asked] = found
    return second if found == second.name else first


def _find(problem: Problem, asked: Class, first: Engine, second: Engine, file: Path | None) -> str:
    global _spent
    form, (steps, rows, *rest) = problem.form, asked
    small = steps * _work(problem, rows) < SMALL  # type: ignore[operator, arg-type]
    if small or form.lengths or form.resets or form.cell.widths("streams"):
        return first.name
    key = _key(problem, asked)
    wins = _read(file).get(key) if file else None
    if wins is None or 0 < wins < CERTAIN:
        if _spent >= BUDGET:
            return _alike.get(tuple(rest), first.name) if wins is None else second.name
        seconds, took = _measure(problem, (first, second))
        _spent += took
        wins = (wins or 0) + 1 if seconds[1] < MARGIN * seconds[0] else 0
        if file:
            _write(file, {**_read(file), key: wins})
    found = _alike[tuple(rest)] = second.name if wins else first.name
    return found


def _key(problem: Problem, asked: Class) -> str:
    """A class as text, for the file."""
    steps, rows, _, *rest = asked
    return " ".join(map(str, (repr(problem.form.cell), problem.form.reverse, steps, rows, *rest, torch.__version__)))


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


def _measure(problem: Problem, engines: tuple[Engine, Engine]) -> tuple[list[float], float]:
    """The best time of each engine in seconds, forward and where asked for backward; and how long it took to find out.

    The best, because the first engine learns from its first calls how to share the work. The first turn, in which kernels are
    compiled, does not count.
    """
    with apart(), torch.no_grad():
        inputs = _pose(problem)
        times: list[list[float]] = [[], []]
        for turn in range(12):
            for engine, taken in zip(engines, times):
                start = time.perf_counter()
                try:
                    _run(problem.form, engine, inputs, problem.gradients)
                except RuntimeError:  # oneDNN has no 16-bit LSTM on some processors, and says so only when called
                    if engine is engines[0]:
                        raise
                    return [0.0, math.inf], 0.0
                taken.append(time.perf_counter() - start)
            took = sum(sum(taken[1:]) for taken in times)
            if turn >= 5 and took > LONG_ENOUGH:
                break
    return [min(taken[1:]) for taken in times], took


def _pose(problem: Problem) -> Buffers:
    shapes = problem._replace(time_steps=_steps(problem)).shapes()
    # A generator of its own: torch's then gives a first run, which measures, the same numbers as a second one, which remembers.
    generator = torch.Generator("cpu").manual_seed(0)
    return {name: torch.randn(shape, dtype=problem.dtype, device="cpu", generator=generator) * 0.1 for name, shape in shapes.items()}


def _work(problem: Problem, rows: int) -> int:
    """Multiply-adds of a step over so many rows, forward."""
    return rows * len(problem.form.cell.widths("gates")) * problem.hidden_size * (problem.hidden_size + problem.input_size)


def _steps(problem: Problem) -> int:
    """How many steps are measured of a problem like this."""
    each = _work(problem, problem.batch_size) * (3 if problem.gradients else 1)
    return min(problem.time_steps, MOST_STEPS, max(LEAST_STEPS, LARGE // max(each, 1)))


def _run(form: Form, engine: Engine, inputs: Buffers, gradients: bool) -> None:
    result = engine.forward(form, inputs, gradients)
    if gradients:
        zeros: list[Tensor] = [torch.zeros_like(value) for value in result.final]
        engine.backward(form, inputs, result, torch.ones_like(result.output), zeros, frozenset(inputs))
