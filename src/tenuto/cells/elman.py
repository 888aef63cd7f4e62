"""The simple recurrent network."""

from __future__ import annotations

from tenuto.activations import Activation
from tenuto.cell import Cell, State


class Elman(Cell):
    """The simple recurrent network, with any activation.

    Equations:  h_t = f(W x_t + U h_{t-1} + b)
    Args:
        activation: f.
    Source:     Elman 1990, "Finding structure in time". Differs: f is free, tanh by default.
    """

    gates = "h"
    state = "h"
    activation: Activation = "tanh"

    def step(self, x, U, s):
        return State(h=self.activation(x.h + U.h @ s.h))
