"""The recurrent highway network."""

from __future__ import annotations

from torch import sigmoid, tanh

from tenuto.cell import Cell, State


class RecurrentHighway(Cell):
    """Several highway layers inside each time step; each waits for the one before it.

    Equations:  s_0 = h_{t-1};  for l = 1..L:  n_l = tanh(W_n x_t [l = 1] + U_n^l s_{l-1} + b_n^l),
                t_l = sigmoid(W_t x_t [l = 1] + U_t^l s_{l-1} + b_t^l),  s_l = n_l t_l + s_{l-1} (1 - t_l);  h_t = s_L
    Args:
        depth: L, the layers within a step.
    Source:     Zilly et al. 2017, eqs. 6-9, with the coupled carry gate of their experiments.
    """

    gates = "n t"
    state = "h"
    depth: int = 2

    @property
    def products(self):  # type: ignore[override]
        return " ".join(f"n{layer} t{layer}" for layer in range(2, self.depth + 1))

    @property
    def parameters(self):  # type: ignore[override]
        return " ".join(f"b_n{layer} b_t{layer}" for layer in range(2, self.depth + 1))

    def initial_parameter(self, name, values):
        # a negative transform bias opens the carry path at the start (their section 5)
        return values.fill_(-2.0 if name.startswith("b_t") else 0.0)

    def step(self, x, U, s):
        h = s.h
        for layer in range(1, self.depth + 1):
            if layer == 1:
                n, t = x.n + U.n @ h, x.t + U.t @ h
            else:
                n = getattr(U, f"n{layer}") @ h + getattr(self.p, f"b_n{layer}")
                t = getattr(U, f"t{layer}") @ h + getattr(self.p, f"b_t{layer}")
            h = h + sigmoid(t) * (tanh(n) - h)
        return State(h=h)
