"""Cells for measurements that are irregular in time or half missing: what was last seen fades, the longer ago the more."""

from __future__ import annotations

import math

from torch import Tensor, exp, log, relu, sigmoid, tanh

from tenuto.activations import Activation
from tenuto.cell import Cell, State


class GRUD(Cell):
    """Gated recurrent unit with decay: a value that is missing is the last one seen, which fades to the mean; the state fades, too.

    Equations:  gx = exp(-max(0, w d_t + b_w)),  v = m_t v_t + (1 - m_t) gx last_{t-1},  last_t = m_t v_t + (1 - m_t) last_{t-1}
                gh = exp(-max(0, F d_t + b_F)),  k = gh h_{t-1}
                r = sigmoid(W_r x_t + V_r v + U_r k + b_r),  z = sigmoid(W_z x_t + V_z v + U_z k + b_z)
                n = tanh(W_n x_t + V_n v + U_n (r k) + b_n),  h_t = (1 - z) k + z n
    Streams:    `value` v_t: standardised, so that the mean is 0; 0 where missing. `mask` m_t: 1 where v_t was measured, else 0.
                `gap` d_t: the time since each channel was last measured before this step (`tenuto.data.gaps`). x_t is the mask once more.
    Args:
        channels: how many values a step has; an estimator sets it from its data.
        decay: what w starts with, above 0: from there on it can be learnt (0 has no gradient).
    Source:     Che, Purushotham, Cho, Sontag, Liu 2018, eqs. 4-11. Differs: values are standardised, so the mean needs no term.
    """

    gates = "r z n"
    state = "h last:channels"
    products = "value_r value_z value_n fade"
    parameters = "decay_w:channels decay_b:channels fade_b"
    streams = "value:channels mask:channels gap:channels"
    channels: int = 1
    decay: float = 0.1

    def step(self, x, U, s, value, mask, gap):
        v = mask * value + (1 - mask) * exp(-relu(self.p.decay_w * gap + self.p.decay_b)) * s.last
        k = exp(-relu(U.fade @ gap + self.p.fade_b)) * s.h
        r = sigmoid(x.r + U.value_r @ v + U.r @ k)
        z = sigmoid(x.z + U.value_z @ v + U.z @ k)
        n = tanh(x.n + U.value_n @ v + U.n @ (r * k))
        return State(h=k + z * (n - k), last=mask * value + (1 - mask) * s.last)

    def initial_parameter(self, name: str, values: Tensor) -> Tensor:
        return values.fill_(self.decay if name == "decay_w" else 0.0)


class TimeAwareLSTM(Cell):
    """LSTM whose short-term memory fades with the time since the step before; its long-term memory does not.

    Equations:  q = tanh(D c_{t-1} + b_q),  k = c_{t-1} - q + q / log(e + d_t)
                i, f, o = g(W x_t + U h_{t-1} + b),  c_t = f k + i a(W_g x_t + U_g h_{t-1} + b_g),  h_t = o a(c_t)
    Streams:    `elapsed` d_t: the time since the step before, 0 at the first.
    Args:
        activation: a, of the candidate and of the memory in the output.
    Source:     Baytas, Xiao, Zhang, Wang, Jain, Zhou 2017, section 3.2; their code has a sigmoid for q, the paper tanh.
    """

    gates = "i f g o"
    state = "h c"
    products = "short"
    parameters = "short_b"
    streams = "elapsed:1"
    activation: Activation = "tanh"

    def step(self, x, U, s, elapsed):
        q = tanh(U.short @ s.c + self.p.short_b)
        k = s.c - q + q / log(math.e + elapsed)
        c = sigmoid(x.f + U.f @ s.h) * k + sigmoid(x.i + U.i @ s.h) * self.activation(x.g + U.g @ s.h)
        return State(h=sigmoid(x.o + U.o @ s.h) * self.activation(c), c=c)


class CfC(Cell):
    """Closed-form continuous-time unit: between two targets, nearer to the second the more time has passed, as a gate learns.

    Equations:  u = 1.7159 tanh(0.666 (W x_t + U h_{t-1} + b)),  t = sigmoid((A u + b_a) d_t + B u + b_b)
                h_t = (1 - t) tanh(G u + b_g) + t tanh(K u + b_k)
    Streams:    `elapsed` d_t: the time since the step before, 0 at the first.
    Source:     Hasani, Lechner, Amini, Liebenwein, Ray, Tschaikowski, Teschl, Rus 2022, eq. 10 and their code: a backbone u of one layer, as wide as the state.
    """

    gates = "u"
    state = "h"
    products = "a b g k"
    parameters = "b_a b_b b_g b_k"
    streams = "elapsed:1"

    def step(self, x, U, s, elapsed):
        u = 1.7159 * tanh(0.666 * (x.u + U.u @ s.h))
        t = sigmoid((U.a @ u + self.p.b_a) * elapsed + U.b @ u + self.p.b_b)
        first = tanh(U.g @ u + self.p.b_g)
        return State(h=first + t * (tanh(U.k @ u + self.p.b_k) - first))
