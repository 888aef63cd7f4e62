"""A fitted estimator as a subject, by its doors and the parts of its network."""

from __future__ import annotations

from tenuto.export.graph import Hear, sequence_graph, step_graph
from tenuto.export.subject import Subject
from tenuto.tasks.estimator import Estimator


def fitted(model: Estimator) -> Subject:
    """The subject of a fitted estimator.

    Raises:
        NotFittedError.
    """
    model.require_fit("export")
    model.network_.eval()
    ahead = model.looks_ahead()
    hear: Hear = model.heard_at
    whole = sequence_graph(model.network_, hear, model.ports())
    graphs = (whole,) if ahead is not None else (whole, step_graph(whole))
    return Subject(model.task, model, graphs, ahead, model.outside(), model.prepared)
