"""torch: each graph as a program of torch.export, `NAME.pt2`. In: a subject. Out: files. Whoever reads one has imported torch and tenuto."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tenuto.export.comparison import compared
from tenuto.export.program import program_of, run_program
from tenuto.export.subject import Subject

__all__ = ["write"]


def write(subject: Subject, folder: Path) -> Mapping[str, Any]:
    """Write the graphs' programs; each is read again and compared with the model."""
    found = {}
    for graph in subject.graphs:
        path = folder / f"{graph.name}.pt2"
        torch.export.save(program_of(graph), path)
        found[graph.name] = {"file": path.name, "compared": [compared(graph, partial(run_program, torch.export.load(path).module(), graph), "torch.export").to_data()]}
    return found
