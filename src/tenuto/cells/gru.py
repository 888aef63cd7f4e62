"""Gated recurrent units: the two that differ in where the reset gate acts, and the minimal one."""

from __future__ import annotations

from torch import sigmoid

from tenuto.activations import Activation
from tenuto.cell import Cell, State


class GRU(Cell):
    """Gated recurrent unit, reset after the product: the variant of torch.nn, cuDNN and ONNX (linear_before_reset).

    Equations:  r = g(W_r x_t + U_r h_{t-1} + b_r),  z = g(W_z x_t + U_z h_{t-1} + b_z)
                n = a(W_n x_t + b_n + r (U_n h_{t-1} + q)),  h_t = (1 - z) n + z h_{t-1};  q: the parameter `recurrent_bias`
    Args:
        activation: a, of the candidate.
        recurrent_activation: g, of the gates.
    Source:     Cho et al. 2014, section 2.3, in the form of Appleyard, Kocisky, Blunsom 2016.
    """

    gates = "r z n"
    state = "h"
    parameters = "recurrent_bias"
    activation: Activation = "tanh"
    recurrent_activation: Activation = "sigmoid"

    def step(self, x, U, s):
        r = self.recurrent_activation(x.r + U.r @ s.h)
        z = self.recurrent_activation(x.z + U.z @ s.h)
        n = self.activation(x.n + r * (U.n @ s.h + self.p.recurrent_bias))
        return State(h=n + z * (s.h - n))


class ResetBeforeGRU(Cell):
    """Gated recurrent unit as first published: the reset gate acts on the state before the product, so one product waits for two others.

    Equations:  r = g(W_r x_t + U_r h_{t-1} + b_r),  z = g(W_z x_t + U_z h_{t-1} + b_z)
                n = a(W_n x_t + U_n (r h_{t-1}) + b_n),  h_t = (1 - z) n + z h_{t-1}
    Args:
        activation: a, of the candidate.
        recurrent_activation: g, of the gates.
    Source:     Cho et al. 2014, eqs. 5-8.
    """

    gates = "r z n"
    state = "h"
    activation: Activation = "tanh"
    recurrent_activation: Activation = "sigmoid"

    def step(self, x, U, s):
        r = self.recurrent_activation(x.r + U.r @ s.h)
        z = self.recurrent_activation(x.z + U.z @ s.h)
        n = self.activation(x.n + U.n @ (r * s.h))
        return State(h=n + z * (s.h - n))


class MGU(Cell):
    """Minimal gated unit: one gate both resets and updates.

    Equations:  f = sigmoid(W_f x_t + U_f h_{t-1} + b_f),  n = a(W_n x_t + U_n (f h_{t-1}) + b_n),  h_t = (1 - f) h_{t-1} + f n
    Args:
        activation: a, of the candidate.
    Source:     Zhou, Wu, Zhang, Zhou 2016, eqs. 8a-8c.
    """

    gates = "f n"
    state = "h"
    activation: Activation = "tanh"

    def step(self, x, U, s):
        f = sigmoid(x.f + U.f @ s.h)
        n = self.activation(x.n + U.n @ (f * s.h))
        return State(h=s.h + f * (n - s.h))
