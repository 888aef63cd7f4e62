"""What a step is made of besides plain torch: activations by name, and means and normalisations over the channels.

Letters: B batch, H hidden size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from tenuto.choices import unknown_name
from tenuto.errors import ArgumentError
from tenuto.tongues import either


def _hard_sigmoid(v: Tensor) -> Tensor:
    return torch.clamp(v / 6 + 0.5, 0, 1)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "identity": lambda v: v,
    "celu": functional.celu,
    "elu": functional.elu,
    "exponential": torch.exp,
    "gelu": functional.gelu,
    "gelu_tanh": lambda v: functional.gelu(v, approximate="tanh"),
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": lambda v: v * _hard_sigmoid(v),
    "hard_tanh": lambda v: torch.clamp(v, -1, 1),
    "leaky_relu": functional.leaky_relu,
    "log_sigmoid": functional.logsigmoid,
    "mish": functional.mish,
    "relu6": lambda v: torch.clamp(v, 0, 6),
    "selu": functional.selu,
    "silu": functional.silu,
    "sin": torch.sin,
    "softplus": functional.softplus,
    "softsign": functional.softsign,
    "squareplus": lambda v: (v + torch.sqrt(v * v + 4)) / 2,
}


class _Activation(str):
    """An elementwise function known by its name, so that a cell compares, hashes, prints and saves as data.

    Args:
        name: a key of `ACTIVATIONS`; `register_activation` adds to it.
    Raises:
        ArgumentError: no activation has that name.
    Example:
        >>> Activation("relu")(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    def __new__(cls, name: str) -> _Activation:
        if name not in ACTIVATIONS:
            own = either("register_activation(name, function) adds one", "in the file of a cell of your own, register_activation adds one")
            raise unknown_name(f"no activation is called {name!r}.", name, sorted(ACTIVATIONS), fix=own)
        return super().__new__(cls, name)

    def __call__(self, value: Tensor) -> Tensor:
        return ACTIVATIONS[str(self)](value)


# To a type checker a field may be given a name and called as a function: `activation: Activation = "relu"`, `self.activation(v)`.
if TYPE_CHECKING:
    Activation: TypeAlias = Any
else:
    Activation = _Activation
    Activation.__name__ = Activation.__qualname__ = "Activation"


def register_activation(name: str, function: Callable[[Tensor], Tensor]) -> None:
    """Makes `function` known to cells as `name`.

    Args:
        name: what cells are given, for example `LSTM(activation=name)`.
        function: elementwise, plain torch, `[B, H]` to `[B, H]`.
    Raises:
        ArgumentError: the name already stands for another function.
    Example:
        >>> register_activation("snake", lambda v: v + torch.sin(v) ** 2)
        >>> Activation("snake")(torch.zeros(1))
        tensor([0.])
    """
    if ACTIVATIONS.setdefault(name, function) is not function:
        raise ArgumentError(f"the activation {name!r} is already registered.", fix="choose another name")


# --- reductions over the channels --------------------------------------------------------------------------------------

def mean(v: Tensor) -> Tensor:
    """The mean over the channels: `[B, H]` to `[B, 1]`."""
    return v.mean(-1, keepdim=True)


def layer_norm(v: Tensor, eps: float = 1e-5) -> Tensor:
    """Zero mean and unit variance over the channels, `[B, H]`. Ba, Kiros, Hinton 2016, eq. 3; scale and shift are the cell's."""
    centred = v - mean(v)
    return centred * torch.rsqrt(mean(centred * centred) + eps)


def rms_norm(v: Tensor, eps: float = 1e-5) -> Tensor:
    """Unit root mean square over the channels, `[B, H]`. Zhang & Sennrich 2019, eq. 4; the scale is the cell's."""
    return v * torch.rsqrt(mean(v * v) + eps)


def softmax(v: Tensor) -> Tensor:
    """Positive values that add up to one over the channels, `[B, H]`."""
    powers = torch.exp(v - v.detach().amax(-1, keepdim=True))
    return powers / powers.sum(-1, keepdim=True)
