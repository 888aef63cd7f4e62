"""How near an export comes to the model: to the last bit, where layers multiply whole numbers; else as near as other orders of the same sums allow.

Bits are those of the compiled engine, whose arithmetic `integers.py` prints.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tenuto.export.c.model import computes_integers, layers_of
from tenuto.tasks.stepped import Outputs, StepModel

TOLERANCE = 2e-5  # of the largest number that the model answers, or of 1
# Where a normalisation, which C adds up in another order, comes before a rounding: a number at the border between two may become either.
ROUGH = 2e-2
ELSEWHERE = 1e-4  # as TOLERANCE, on another machine, whose C library rounds otherwise
LIBRARY = frozenset({"pow", "expm1", "log", "log1p", "sin", "cos", "atan", "erf"})  # kinds of nodes that the engine, too, leaves to the C library


def tolerance(model: StepModel) -> float:
    """By how much answers may differ, as a share of the largest, or of 1. Zero: to the last bit."""
    whole = [computes_integers(recurrent) for recurrent, _ in model.layers]
    if not any(whole):
        return TOLERANCE
    if any(norm is not None or recurrent.layer_norm for recurrent, norm in model.layers):
        return ROUGH
    return 0.0 if isinstance(model.head, Outputs) and all(whole) else TOLERANCE


def tolerance_elsewhere(model: StepModel) -> float:
    """As `tolerance`, on any machine: what an export's own test allows."""
    here = tolerance(model)
    alone = all(node.kind not in LIBRARY for layer in layers_of(model) for node in layer.schedule.inference.nodes)
    return 0.0 if here == 0 and alone else max(here, ELSEWHERE)


@contextmanager
def compiled(model: StepModel) -> Iterator[None]:
    """Inside, layers that multiply whole numbers are run by the compiled engine; without it, their calls raise an EngineError that says why it is not there."""
    before = [(recurrent, recurrent.engine) for recurrent, _ in model.layers if computes_integers(recurrent)]
    try:
        for recurrent, _ in before:
            recurrent.engine = "cpp"
        yield
    finally:
        for recurrent, engine in before:
            recurrent.engine = engine
