"""Long short-term memory and its relatives with the same weights."""

from __future__ import annotations

from torch import sigmoid

from tenuto.activations import Activation, layer_norm
from tenuto.cell import Cell, State


class LSTM(Cell):
    """Long short-term memory with a forget gate.

    Equations:  i = g(W_i x_t + U_i h_{t-1} + b_i),  f = g(W_f x_t + U_f h_{t-1} + b_f),  o = g(W_o x_t + U_o h_{t-1} + b_o)
                c_t = f c_{t-1} + i a(W_g x_t + U_g h_{t-1} + b_g),  h_t = o a(c_t)
    Args:
        activation: a, of the candidate and of the memory in the output.
        recurrent_activation: g, of the gates.
    Source:     Hochreiter & Schmidhuber 1997; forget gate: Gers, Schmidhuber, Cummins 2000.
    """

    gates = "i f g o"
    state = "h c"
    activation: Activation = "tanh"
    recurrent_activation: Activation = "sigmoid"

    def step(self, x, U, s):
        i = self.recurrent_activation(x.i + U.i @ s.h)
        f = self.recurrent_activation(x.f + U.f @ s.h)
        g = self.activation(x.g + U.g @ s.h)
        o = self.recurrent_activation(x.o + U.o @ s.h)
        c = f * s.c + i * g
        return State(h=o * self.activation(c), c=c)


class PeepholeLSTM(Cell):
    """LSTM whose gates also see the memory, through one weight per channel.

    Equations:  as LSTM, with p_i c_{t-1} added in gate i, p_f c_{t-1} in gate f and p_o c_t in gate o
    Args:
        activation: a, of the candidate and of the memory in the output.
    Source:     Gers, Schraudolph, Schmidhuber 2002, eqs. 5-9.
    """

    gates = "i f g o"
    state = "h c"
    parameters = "p_i p_f p_o"
    activation: Activation = "tanh"

    def step(self, x, U, s):
        i = sigmoid(x.i + U.i @ s.h + self.p.p_i * s.c)
        f = sigmoid(x.f + U.f @ s.h + self.p.p_f * s.c)
        c = f * s.c + i * self.activation(x.g + U.g @ s.h)
        o = sigmoid(x.o + U.o @ s.h + self.p.p_o * c)
        return State(h=o * self.activation(c), c=c)


class CoupledLSTM(Cell):
    """LSTM that forgets exactly as much as it writes: one gate for both.

    Equations:  c_t = f c_{t-1} + (1 - f) a(W_g x_t + U_g h_{t-1} + b_g),  h_t = o a(c_t)
    Args:
        activation: a, of the candidate and of the memory in the output.
    Source:     Greff et al. 2017, "LSTM: a search space odyssey", variant CIFG.
    """

    gates = "f g o"
    state = "h c"
    activation: Activation = "tanh"

    def step(self, x, U, s):
        f = sigmoid(x.f + U.f @ s.h)
        g = self.activation(x.g + U.g @ s.h)
        o = sigmoid(x.o + U.o @ s.h)
        c = g + f * (s.c - g)
        return State(h=o * self.activation(c), c=c)


class ProjectionLSTM(Cell):
    """LSTM whose output is a projection of its memory cells to fewer channels.

    Equations:  as LSTM, with h_t = R (o a(c_t)), R [projection, H]
    Args:
        projection: the width of h; c stays hidden_size wide.
        activation: a, of the candidate and of the memory in the output.
    Source:     Sak, Senior, Beaufays 2014, eqs. 1-7, without peepholes (torch.nn.LSTM's `proj_size`).
    """

    gates = "i f g o"
    state = "h:projection c"
    products = "r:projection"
    projection: int
    activation: Activation = "tanh"

    def step(self, x, U, s):
        i = sigmoid(x.i + U.i @ s.h)
        f = sigmoid(x.f + U.f @ s.h)
        g = self.activation(x.g + U.g @ s.h)
        o = sigmoid(x.o + U.o @ s.h)
        c = f * s.c + i * g
        return State(h=U.r @ (o * self.activation(c)), c=c)


class LayerNormLSTM(Cell):
    """LSTM with layer normalisation of each gate's pre-activation and of the memory in the output.

    Equations:  as LSTM, with n(W x_t + U h_{t-1}) s + b in place of each W x_t + U h_{t-1} + b, and h_t = o a(n(c_t) s_c + b_c);
                n: zero mean, unit variance over the channels
    Args:
        activation: a, of the candidate and of the memory in the output.
    Source:     Ba, Kiros, Hinton 2016, eqs. 20-22. Differs: W x + U h is normalised as one sum, gate by gate, as in TensorFlow 1's
                LayerNormBasicLSTMCell; the paper and haste normalise W x and U h separately.
    """

    gates = "i f g o"
    state = "h c"
    parameters = "s_i s_f s_g s_o s_c b_i b_f b_g b_o b_c"
    activation: Activation = "tanh"

    def initial_parameter(self, name, values):
        return values.fill_(1.0 if name.startswith("s_") else 0.0)

    def step(self, x, U, s):
        i = sigmoid(layer_norm(x.i + U.i @ s.h) * self.p.s_i + self.p.b_i)
        f = sigmoid(layer_norm(x.f + U.f @ s.h) * self.p.s_f + self.p.b_f)
        g = self.activation(layer_norm(x.g + U.g @ s.h) * self.p.s_g + self.p.b_g)
        o = sigmoid(layer_norm(x.o + U.o @ s.h) * self.p.s_o + self.p.b_o)
        c = f * s.c + i * g
        return State(h=o * self.activation(layer_norm(c) * self.p.s_c + self.p.b_c), c=c)
