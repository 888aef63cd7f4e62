"""The export to C: printed, built, compared with the model, and only then written."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.errors import ArgumentError
from tenuto.export.c import compare
from tenuto.export.c.exactness import compiled, tolerance
from tenuto.export.c.example import print_main
from tenuto.export.c.metadata import metadata
from tenuto.export.c.model import computes_integers, of_layer
from tenuto.export.c.source import SelfTest, Sources, print_c
from tenuto.export.comparison import Compared
from tenuto.export.subject import Subject
from tenuto.files import write_json, write_text
from tenuto.layers import Recurrent
from tenuto.tasks.estimator import Estimator
from tenuto.tasks.stepped import StepModel


def write(subject: Subject, folder: Path) -> Mapping[str, Any]:
    """Write the export of a subject, as a target of `tenuto.export`."""
    printed = print_checked(steps_of(subject), subject.name)
    write_files(printed, subject.name, folder)
    name = subject.name
    return {"step": {"file": f"{name}.c", "header": f"{name}.h", "example": f"{name}_main.c", "metadata": f"{name}.json", "compared": [one.to_data() for one in printed.compared]}}


def steps_of(subject: Subject) -> StepModel:
    """The subject as a model of steps.

    Raises:
        ArgumentError: it cannot answer step by step, or is a module of another kind.
    """
    model = subject.model
    if isinstance(model, Estimator):
        return model.steps()
    if isinstance(model, Recurrent):
        return of_layer(model)
    raise ArgumentError(
        "this module cannot be printed as C.", expected="a fitted estimator of tenuto.tasks, or a tenuto.Recurrent by itself", received=type(model).__name__,
        fix="export its recurrent layer, or export to onnx",
    )  # fmt: skip


@dataclass(frozen=True)
class Printed:
    """An export to C before it is written: its files by name, and what was measured of it.

    Attributes:
        compared: the whole, and then each layer by itself that multiplies whole numbers.
    """

    files: dict[str, str]
    about: dict[str, Any]
    sources: Sources
    compared: tuple[Compared, ...]


def print_checked(model: StepModel, name: str) -> Printed:
    """The files of an export, after they were built by this machine's compiler and compared with the model.

    Raises:
        ArgumentError: the model cannot answer step by step. EngineError: no compiler. Differs: other answers than the model's.
    """
    with compiled(model):
        files, sources, compared = _checked(model, name, tolerance(model), "C")
        alone = [] if tolerance(model) == 0 else [recurrent for recurrent, _ in model.layers if computes_integers(recurrent)]
        layers = [of_layer(recurrent) for recurrent in alone if not recurrent.layer_norm and not recurrent.cell.widths("streams")]
        exact = [_checked(layer, name, 0.0, f"C (layer {number})")[2] for number, layer in enumerate(layers)]
    return Printed(files, metadata(model, name, sources, [compared, *exact]), sources, (compared, *exact))


def _checked(model: StepModel, name: str, allowed: float, what: str) -> tuple[dict[str, str], Sources, Compared]:
    given = model.draw(np.random.default_rng(1), compare.SELF_TEST_STEPS)
    sources = print_c(model, name, SelfTest(given, model.answers(given)))
    files = {f"{name}.h": sources.header, f"{name}.c": sources.source, f"{name}_main.c": print_main(model, name)}
    with tempfile.TemporaryDirectory(prefix="tenuto") as folder:
        for file, text in files.items():
            (Path(folder) / file).write_text(text, encoding="ascii")
        program = compare.build(Path(folder), name)
        compare.self_test(program)
        return files, sources, compare.compare(program, compare.drawn(model), what, allowed)


def write_files(printed: Printed, name: str, folder: Path) -> list[Path]:
    """Writes the files into a folder."""
    for file, text in printed.files.items():
        write_text(folder / file, text)
    write_json(folder / f"{name}.json", printed.about)
    return [folder / file for file in [*printed.files, f"{name}.json"]]
