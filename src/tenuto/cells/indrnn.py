"""The independently recurrent network."""

from __future__ import annotations

from tenuto.activations import Activation
from tenuto.cell import Cell, State


class IndRNN(Cell):
    """Each channel sees only its own past, through one weight; the state is not multiplied with any matrix.

    Equations:  h_t = f(W x_t + u h_{t-1} + b), u per channel
    Args:
        activation: f.
    Source:     Li et al. 2018, eq. 2.
    """

    gates = "h"
    state = "h"
    parameters = "u"
    activation: Activation = "relu"

    def initial_parameter(self, name, values):
        return values.uniform_(0, 1)

    def step(self, x, U, s):
        return State(h=self.activation(x.h + self.p.u * s.h))
