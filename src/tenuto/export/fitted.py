"""A fitted estimator as a subject, by its doors and the parts of its network."""

from __future__ import annotations

from tenuto.export.graph import sequence_graph, step_graph
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
    graphs = [sequence_graph(model.network_, hear, ports, name) for name, (hear, ports) in model.functions().items()]
    if ahead is None:
        graphs.insert(1, step_graph(graphs[0]))
    return Subject(model.task, model, tuple(graphs), None if ahead is None else ahead.reason, model.outside(), model.prepared)
