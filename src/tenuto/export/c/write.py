"""The export to C: printed, built, compared with the model, and only then written."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.export.c import compare
from tenuto.export.c.example import print_main
from tenuto.export.c.metadata import metadata
from tenuto.export.c.names import check_name
from tenuto.export.c.source import SelfTest, Sources, print_c
from tenuto.files import write_json, write_text
from tenuto.tasks.stepped import StepModel


@dataclass(frozen=True)
class Printed:
    """An export to C before it is written: its files by name, and what was measured of it."""

    files: dict[str, str]
    about: dict[str, Any]
    sources: Sources
    compared: compare.Compared


def print_checked(model: StepModel, name: str) -> Printed:
    """The files of an export, after they were built by this machine's compiler and compared with the model.

    Raises:
        ArgumentError: the name is none in C, or the model cannot answer step by step. EngineError: no compiler. RunError: other answers than the model's.
    """
    check_name(name)
    given = model.draw(np.random.default_rng(1), compare.SELF_TEST_STEPS)
    sources = print_c(model, name, SelfTest(given, model.answers(given)))
    files = {f"{name}.h": sources.header, f"{name}.c": sources.source, f"{name}_main.c": print_main(model, name)}
    with tempfile.TemporaryDirectory(prefix="tenuto") as folder:
        for file, text in files.items():
            (Path(folder) / file).write_text(text, encoding="ascii")
        program = compare.build(Path(folder), name)
        compare.self_test(program)
        compared = compare.compare(program, compare.drawn(model), "C")
    return Printed(files, metadata(model, name, sources, compared), sources, compared)


def write(printed: Printed, name: str, folder: Path) -> list[Path]:
    """Writes the files into a folder; each is there whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in printed.files.items():
        write_text(folder / file, text)
    write_json(folder / f"{name}.json", printed.about)
    return [folder / file for file in [*printed.files, f"{name}.json"]]
