"""What is exported: a model as graphs, and what stands outside of them, in words and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tenuto.errors import ArgumentError
from tenuto.export.graph import Graph


@dataclass(frozen=True)
class Subject:
    """A model, ready for any target.

    Attributes:
        kind: the task, or "module".
        model: the fitted estimator, or the module. A target may look at its parts (`model.network_.front`, `.encoder`, `.head`).
        graphs: "sequence" first, then "step" where the model looks only backwards; a task may have others.
        no_step: why there is no graph of one step; None where there is one.
        outside: what whoever runs the graphs must do himself, before or after them: sentences by name.
        tables: what that takes (words by number, names of classes, means of channels), as plain data.
        name: what the export is to be called in a language that asks for a name; as the user gave it, or from the folder.
    """

    kind: str
    model: Any
    graphs: tuple[Graph, ...]
    no_step: str | None = None
    outside: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Any] = field(default_factory=dict)
    name: str = "model"

    def graph(self, name: str) -> Graph:
        """The graph of this name.

        Raises:
            ArgumentError: there is none; says why.
        """
        for graph in self.graphs:
            if graph.name == name:
                return graph
        raise ArgumentError(f"there is no graph {name!r} of this model" + (f": {self.no_step}." if name == "step" and self.no_step else "."))

    def to_data(self) -> dict[str, Any]:
        """As plain data, for export.json."""
        return {
            "model": self.kind, "graphs": {graph.name: graph.to_data() for graph in self.graphs}, "no_step": self.no_step,
            "outside": dict(self.outside), "tables": dict(self.tables),
        }  # fmt: skip
