"""ONNX's LSTM, GRU and RNN with everything that their operators may be told, as cells: for graphs that ask for more than the cells of the zoo have.

An activation is a text: the operator's name for it, then its alpha and beta where it has them, "HardSigmoid 0.2 0.5".
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from tenuto.cell import Cell, State
from tenuto.choices import require

# By name: the function of v, alpha, beta; and the usual alpha and beta, None where it takes none (onnx.ai, operators LSTM, GRU, RNN).
FUNCTIONS: dict[str, tuple[Callable[[Tensor, float, float], Tensor], float | None, float | None]] = {
    "Tanh": (lambda v, a, b: torch.tanh(v), None, None),
    "Sigmoid": (lambda v, a, b: torch.sigmoid(v), None, None),
    "Relu": (lambda v, a, b: torch.relu(v), None, None),
    "Affine": (lambda v, a, b: a * v + b, 1.0, 0.0),
    "LeakyRelu": (lambda v, a, b: torch.where(v >= 0, v, a * v), 0.01, None),
    "ThresholdedRelu": (lambda v, a, b: torch.where(v > a, v, 0.0), 1.0, None),
    "ScaledTanh": (lambda v, a, b: a * torch.tanh(b * v), 1.0, 1.0),
    "HardSigmoid": (lambda v, a, b: torch.clamp(a * v + b, 0.0, 1.0), 0.2, 0.5),
    "Elu": (lambda v, a, b: torch.where(v >= 0, v, a * torch.expm1(v)), 1.0, None),
    "Softsign": (lambda v, a, b: v / (1 + torch.abs(v)), None, None),
    "Softplus": (lambda v, a, b: functional.softplus(v), None, None),
}

# The activations f, g, h that an operator has where it is told none.
USUAL = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}


def parts_of(activation: str) -> tuple[str, float | None, float | None]:
    """An activation's name, alpha and beta; the usual ones where the text has none, None where it takes none.

    Raises:
        ArgumentError: there is no such activation.
    Example:
        >>> parts_of("HardSigmoid 0.25"), parts_of("Tanh")
        (('HardSigmoid', 0.25, 0.5), ('Tanh', None, None))
    """
    name, *numbers = activation.split()
    require("activation", name, FUNCTIONS)
    usual = FUNCTIONS[name][1:]
    alpha, beta = (given if one is not None else None for one, given in zip(usual, [*map(float, numbers), *usual[len(numbers) :]]))
    return name, alpha, beta


def activated(activation: str, v: Tensor, clip: float) -> Tensor:
    """The activation of a value, which is first clipped to -clip .. clip; 0 for no clip."""
    name, alpha, beta = parts_of(activation)
    return FUNCTIONS[name][0](torch.clamp(v, -clip, clip) if clip else v, alpha or 0.0, beta or 0.0)


class OnnxLSTM(Cell):
    """ONNX's LSTM operator.

    Equations:  i = f(W_i x + U_i h + b_i + p_i c),  f = f(W_f x + U_f h + b_f + p_f c), or 1 - i,  C = f c + i g(W_c x + U_c h + b_c)
                o = f(W_o x + U_o h + b_o + p_o C),  H = o h(C); what goes into an activation of a gate is clipped
    Args:
        f, g, h: activations. clip: 0 for none. input_forget: whether f is 1 - i.
    """

    gates = "i o f c"
    state = "h c"
    parameters = "p_i p_o p_f"
    f: str = "Sigmoid"
    g: str = "Tanh"
    h: str = "Tanh"
    clip: float = 0.0
    input_forget: bool = False

    def step(self, x, U, s):
        i = activated(self.f, x.i + U.i @ s.h + self.p.p_i * s.c, self.clip)
        f = 1 - i if self.input_forget else activated(self.f, x.f + U.f @ s.h + self.p.p_f * s.c, self.clip)
        c = f * s.c + i * activated(self.g, x.c + U.c @ s.h, self.clip)
        o = activated(self.f, x.o + U.o @ s.h + self.p.p_o * c, self.clip)
        return State(h=o * activated(self.h, c, 0.0), c=c)


class OnnxGRU(Cell):
    """ONNX's GRU operator.

    Equations:  z = f(W_z x + U_z h + b_z),  r = f(W_r x + U_r h + b_r),  H = (1 - z) n + z h
                n = g(W_h x + U_h (r h) + b_h + q), or with linear_before_reset g(W_h x + r (U_h h + q) + b_h)
    Args:
        f, g: activations. clip: 0 for none.
    """

    gates = "z r h"
    state = "h"
    parameters = "recurrent_bias"
    f: str = "Sigmoid"
    g: str = "Tanh"
    clip: float = 0.0
    linear_before_reset: bool = False

    def step(self, x, U, s):
        z = activated(self.f, x.z + U.z @ s.h, self.clip)
        r = activated(self.f, x.r + U.r @ s.h, self.clip)
        q = self.p.recurrent_bias
        n = activated(self.g, x.h + (r * (U.h @ s.h + q) if self.linear_before_reset else U.h @ (r * s.h) + q), self.clip)
        return State(h=n + z * (s.h - n))


class OnnxRNN(Cell):
    """ONNX's RNN operator.

    Equations:  H = f(W x + U h + b)
    Args:
        f: activation. clip: 0 for none.
    """

    gates = "h"
    state = "h"
    f: str = "Tanh"
    clip: float = 0.0

    def step(self, x, U, s):
        return State(h=activated(self.f, x.h + U.h @ s.h, self.clip))
