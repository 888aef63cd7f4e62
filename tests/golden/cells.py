"""One small cell for each thing that printed passes can do. `NAME.cpp` beside this file is what is printed from `CELLS[NAME]`.

The printed text names lines of this file, so it changes when a line here moves.
"""

from torch import relu, sigmoid, tanh

from tenuto.activations import rms_norm
from tenuto.cell import Cell, State


class Gate(Cell):
    """One pass. Training keeps the gate for the derivative, which computes tanh(c) again; inference keeps nothing."""

    gates = "f"
    state = "h c"

    def step(self, x, U, s):
        c = s.c * sigmoid(x.f + U.f @ s.h)
        return State(h=tanh(c), c=c)


class TwoPhases(Cell):
    """A product of a value that the step computes: one pass before the product and one after it."""

    gates = "n"
    state = "h"

    def step(self, x, U, s):
        return State(h=tanh(x.n + U.n @ relu(s.h)))


class RowNorm(Cell):
    """A mean over the channels: it ends a pass, and the next pass reads one number for each row and computes with it outside the loop."""

    gates = "h"
    state = "h"

    def step(self, x, U, s):
        return State(h=rms_norm(x.h + U.h @ s.h))


CELLS = {"gate": Gate(), "two_phases": TwoPhases(), "row_norm": RowNorm()}
# What is printed of each. Where inference differs from forward only in what is kept, it is left out.
PARTS = {"gate": ("inference", "forward", "backward"), "two_phases": ("forward", "backward"), "row_norm": ("forward", "backward")}
