"""AOTInductor: each graph compiled by torch for the processor that it is written on, `NAME.pt2`. In: a subject. Out: files.

A recurrent layer is a call of tenuto's own engine in it, all else is torch's compiled code. Whoever reads one has imported torch and tenuto.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tenuto.errors import EngineError, TenutoError
from tenuto.export.comparison import compared
from tenuto.export.program import program_of, quiet, run_program
from tenuto.export.subject import Subject
from tenuto.tongues import argument

__all__ = ["write"]


def write(subject: Subject, folder: Path) -> Mapping[str, Any]:
    """Compile the graphs; each file is read again and compared with the model.

    Raises:
        EngineError: torch cannot compile it here, for want of a C++ compiler for instance; says what torch says.
    """
    found = {}
    for graph in subject.graphs:
        path = folder / f"{graph.name}.pt2"
        program = program_of(graph)
        try:
            with quiet():
                torch._inductor.aoti_compile_and_package(program, package_path=str(path))
                compiled = torch._inductor.aoti_load_package(str(path))
        except TenutoError:
            raise
        except Exception as error:  # torch raises many kinds
            said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise EngineError(
                f"AOTInductor does not compile the model's {graph.name} graph here ({said[:300]}).", expected="a C++ compiler that torch finds (g++, or the one that CXX names)",
                fix=f"{argument('to', 'torch')}, whose files are not compiled",
            ) from error  # fmt: skip
        found[graph.name] = {"file": path.name, "compared": [compared(graph, partial(run_program, compiled, graph), "AOTInductor").to_data()]}
    return found
