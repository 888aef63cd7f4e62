"""An export is compared with the model before it is written: the example program around it reads what was drawn, and its answers are held beside the model's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from tenuto.export.c.compiler import STRICT, compile_c, host
from tenuto.export.c.exactness import TOLERANCE
from tenuto.export.comparison import Compared, Differs
from tenuto.tasks.stepped import StepModel

LENGTHS = (1, 2, 7, 40)  # steps of the sequences that are drawn
SELF_TEST_STEPS = 6


def drawn(model: StepModel, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Sequences to compare with: what is read, and what the model answers after each step."""
    generator = np.random.default_rng(seed)
    given = [model.draw(generator, steps) for steps in LENGTHS]
    return [(one, model.answers(one)) for one in given]


def build(folder: Path, name: str, *options: str) -> Path:
    """Builds the example program in a folder that has the three sources."""
    sources = [folder / f"{name}.c", folder / f"{name}_main.c"]
    return compile_c(host(), sources, folder / f"{name}.out", *STRICT, "-O2", *options, f"-I{folder}", "-lm")


def run(program: Path, sequences: list[np.ndarray]) -> list[np.ndarray]:
    """What a program answers to some sequences, after each step.

    Raises:
        Differs: it ended with an error, or answered something else than numbers.
    """
    words = " reset ".join(" ".join(f"{number:.9g}" for number in one.reshape(-1).tolist()) for one in sequences)
    done = subprocess.run([str(program)], input=words.encode(), capture_output=True, timeout=600, check=False)
    if done.returncode:
        raise Differs("the exported program ended with an error.", received=f"exit code {done.returncode}: {done.stderr.decode('utf-8', 'replace')[:300]}")
    rows = [list(map(float, line.split())) for line in done.stdout.decode().splitlines()]
    if len(rows) != sum(map(len, sequences)):
        raise Differs("the exported program did not answer every step.", expected=f"{sum(map(len, sequences))} answers", received=str(len(rows)))
    ends = np.cumsum([len(one) for one in sequences])[:-1]
    return np.split(np.array(rows, dtype=np.float32), ends)  # nine digits are a float's own


def compare(program: Path, sequences: list[tuple[np.ndarray, np.ndarray]], what: str, tolerance: float = TOLERANCE) -> Compared:
    """Holds a program's answers beside the model's. tolerance: of the largest number that the model answers, or of 1.

    Raises:
        Differs: they differ by more than rounding, or the self-test finds a difference; says where and by how much.
    """
    found = run(program, [given for given, _ in sequences])
    return held(found, sequences, what, tolerance)


def held(found: list[np.ndarray], sequences: list[tuple[np.ndarray, np.ndarray]], what: str, tolerance: float = TOLERANCE) -> Compared:
    """As `compare`, for answers that are there already."""
    scale = max(1.0, max(float(np.abs(answers).max()) for _, answers in sequences))
    worst, place = 0.0, ""
    for number, (one, (_, answers)) in enumerate(zip(found, sequences, strict=True)):
        apart = np.where(np.isfinite(one), np.abs(one - answers), np.inf).max(axis=1)
        if float(apart.max()) >= worst:
            worst, place = float(apart.max()), f"sequence {number + 1}, step {int(apart.argmax()) + 1} of {len(answers)}"
    allowed = tolerance * scale
    if not worst <= allowed:
        raise Differs(
            f"the export to {what} does not answer as the model does, so it is not written.",
            expected=f"a difference of {allowed:.1g} at most, {tolerance:.0e} of the largest answer" if tolerance else "the same numbers to the last bit",
            received=f"{worst:.2g}, in {place}",
            fix="a model that makes rounding so large answers differently on any two machines; otherwise this is a fault of tenuto: please report it with the cell",
        )
    return Compared(what, len(sequences), worst / scale, tolerance)


def self_test(program: Path) -> None:
    """Runs the test that the export holds.

    Raises:
        Differs: it finds a difference.
    """
    done = subprocess.run([str(program), "--self-test"], capture_output=True, timeout=600, check=False)
    if done.returncode:
        raise Differs("the export's own test finds a difference, so it is not written.", received=done.stdout.decode("utf-8", "replace").strip()[:300])
