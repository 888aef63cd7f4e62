"""Keras's recurrent layers in tenuto's terms: gate order, activations, step masks and dropout masks. Plain torch, no Keras.

Letters: B batch, T time, I input, H hidden, G gates. Keras lays sequences out as [B, T, I], weights as [in, G*H].
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from tenuto.activations import register_activation, softmax
from tenuto.cell import Cell
from tenuto.cells import GRU, LSTM, Elman, Modifier, ResetBeforeGRU
from tenuto.errors import ShapeError, describe

# The column blocks of Keras's kernels, in Keras's order, by the names of our gates (Keras says c where we say g, and h where we say n).
KERAS_GATES: dict[type[Cell], tuple[str, ...]] = {
    Elman: ("h",),
    LSTM: ("i", "f", "g", "o"),
    GRU: ("z", "r", "n"),
    ResetBeforeGRU: ("z", "r", "n"),
}

# --- activations --------------------------------------------------------------------------------------------------------

register_activation("leaky_relu_0.2", lambda v: torch.where(v >= 0, v, 0.2 * v))
register_activation("hard_shrink", lambda v: torch.where(torch.abs(v) > 0.5, v, torch.zeros_like(v)))
register_activation("soft_shrink", lambda v: v - torch.clamp(v, -0.5, 0.5))
register_activation("tanh_shrink", lambda v: v - torch.tanh(v))
register_activation("sparse_sigmoid", lambda v: torch.clamp(0.5 * v + 0.5, 0, 1))
register_activation(
    "sparse_plus", lambda v: torch.where(v >= 1, v, torch.where(v <= -1, torch.zeros_like(v), 0.25 * (v + 1) * (v + 1)))
)
register_activation("softmax", softmax)

# Keras's name for an activation with its default arguments: ours. What is missing here runs in Keras's own loop: log_softmax, sparsemax
# (it sorts), glu (it halves its input's width) and threshold (it needs arguments).
ACTIVATION_NAMES: dict[str, str] = {
    "linear": "identity",
    "leaky_relu": "leaky_relu_0.2",
    **{
        name: name
        for name in (
            "celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_tanh log_sigmoid mish relu relu6 selu sigmoid silu "
            "soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid squareplus tanh tanh_shrink"
        ).split()
    },
}

# --- weights ------------------------------------------------------------------------------------------------------------


def weights_from_keras(cell: Cell, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None) -> dict[str, Any]:
    """The weights of a Keras SimpleRNN, LSTM or GRU as `recurrent` takes them for `cell`: differentiable, views where the order agrees.

    Args:
        cell: an `Elman`, `LSTM`, `GRU` (reset after) or `ResetBeforeGRU`.
        kernel: [I, G*H].
        recurrent_kernel: [H, G*H].
        bias: [G*H]; for `GRU` [2, G*H], the input's and the recurrent product's; or None.
    Returns:
        {"weight_ih": [G*H, I], "bias": [G*H] or None, "U": {gate: [H, H]}, "parameters": {name: [H]}}.
    Raises:
        ShapeError: the tensors do not fit the cell.
    Example:
        >>> weights = weights_from_keras(GRU(), torch.zeros(3, 12), torch.zeros(4, 12), torch.arange(24.0).view(2, 12))
        >>> weights["bias"][:4], weights["parameters"]["recurrent_bias"]  # gate r, then the recurrent bias of gate n
        (tensor([20., 22., 24., 26.]), tensor([20., 21., 22., 23.]))
    """
    order = KERAS_GATES[type(cell)]
    hidden = recurrent_kernel.shape[0]
    bias_shape = (2, len(order) * hidden) if isinstance(cell, GRU) else (len(order) * hidden,)
    for name, tensor, expected in (
        ("kernel", kernel, (kernel.shape[0], len(order) * hidden)),
        ("recurrent_kernel", recurrent_kernel, (hidden, len(order) * hidden)),
        ("bias", bias, bias_shape),
    ):
        if tensor is not None and tuple(tensor.shape) != expected:
            raise ShapeError(
                f"{name} does not fit {type(cell).__name__} with {hidden} units.",
                expected=f"{name} {list(expected)}",
                received=f"{name} {describe(tensor)}",
                fix="GRU() for a Keras GRU with reset_after=True, its default (bias [2, 3*units]); ResetBeforeGRU() for reset_after=False"
                if isinstance(cell, GRU | ResetBeforeGRU)
                else None,
            )
    U = dict(zip(order, recurrent_kernel.t().split(hidden)))  # {gate: [H, H]}
    parameters: dict[str, Tensor] = {}
    if isinstance(cell, GRU):
        if bias is None:
            parameters["recurrent_bias"] = kernel.new_zeros(hidden)
        else:
            parameters["recurrent_bias"] = bias[1, 2 * hidden :]
            bias = torch.cat((bias[0, : 2 * hidden] + bias[1, : 2 * hidden], bias[0, 2 * hidden :]))
    return {
        "weight_ih": _in_order(kernel.t(), order, cell),
        "bias": None if bias is None else _in_order(bias, order, cell),
        "U": {gate: U[gate] for gate in cell.widths("gates")},
        "parameters": parameters,
    }


def weights_to_keras(cell: Cell, weights: dict[str, Any]) -> list[Tensor]:
    """The reverse of `weights_from_keras`: what `set_weights` of the Keras layer takes.

    Args:
        cell: an `Elman`, `LSTM`, `GRU` or `ResetBeforeGRU`.
        weights: as `recurrent` takes them.
    Returns:
        kernel [I, G*H], recurrent_kernel [H, G*H] and, if there is a bias, bias [G*H] (for `GRU` [2, G*H], with all but gate n's
        recurrent bias in the first row).
    """
    order, gates = KERAS_GATES[type(cell)], list(cell.widths("gates"))
    blocks = dict(zip(gates, weights["weight_ih"].chunk(len(gates))))
    tensors = [torch.cat([blocks[gate] for gate in order]).t(), torch.cat([weights["U"][gate] for gate in order]).t()]
    if weights["bias"] is not None:
        biases = dict(zip(gates, weights["bias"].chunk(len(gates))))
        bias = torch.cat([biases[gate] for gate in order])
        if isinstance(cell, GRU):
            recurrent_bias = weights["parameters"]["recurrent_bias"]
            bias = torch.stack((bias, torch.cat((bias.new_zeros(2 * len(recurrent_bias)), recurrent_bias))))
        tensors.append(bias)
    return tensors


def _in_order(stacked: Tensor, order: tuple[str, ...], cell: Cell) -> Tensor:
    """Row blocks from Keras's order into the cell's; the tensor itself where the two are the same."""
    gates = tuple(cell.widths("gates"))
    if gates == order:
        return stacked
    blocks = dict(zip(order, stacked.chunk(len(order))))
    return torch.cat([blocks[gate] for gate in gates])


# --- dropout ------------------------------------------------------------------------------------------------------------


class GateDropout(Modifier):
    """Drops channels on their way into the recurrent products, with a mask for each gate: Keras's recurrent dropout of LSTM and GRU.

    The stream `mask_GATE` (an extra input of each step) multiplies what `U.GATE` is applied to. `RecurrentDropout` is the tied case,
    one mask for all gates.

    Source: Gal & Ghahramani 2016, section 4 (the untied case).
    """

    @property
    def streams(self):  # type: ignore[override]
        return " ".join([self.cell.streams, *(f"mask_{name}" for name in self.widths("gates"))])

    def step(self, x, U, s, **streams):  # type: ignore[override]
        masks = {name: streams.pop(f"mask_{name}") for name in self.widths("gates")}
        return super().step(x, _MaskedWeights(U, masks), s, **streams)


class _MaskedWeights(NamedTuple):
    """The recurrent weights U, each with the mask of what it multiplies."""

    weights: Any
    masks: dict[str, Tensor]

    def __getattr__(self, name: str) -> _MaskedWeight:
        return _MaskedWeight(getattr(self.weights, name), self.masks[name])


class _MaskedWeight(NamedTuple):
    weight: Any
    mask: Tensor

    def __matmul__(self, value: Tensor) -> Tensor:
        return self.weight @ (value * self.mask)


def drop_inputs(x: Tensor, weight_ih: Tensor, masks: Tensor | list[Tensor]) -> tuple[Tensor, Tensor]:
    """Apply dropout to the input, with masks that are the same at every step.

    Args:
        x: [B, T, I].
        weight_ih: [G*H, I].
        masks: [B, I], or one such mask for each gate in the order of the cell's gates.
    Returns:
        x [B, T, I] and weight_ih as it was; with a mask for each gate x [B, T, G*I] and a block-diagonal weight_ih [G*H, G*I], so
        that each gate sees its own masked copy.
    """
    if isinstance(masks, Tensor):
        return x * masks.unsqueeze(1), weight_ih
    copies = torch.cat([x * mask.unsqueeze(1) for mask in masks], -1)
    return copies, torch.block_diag(*weight_ih.chunk(len(masks)))


# --- step masks ---------------------------------------------------------------------------------------------------------


class Steps(NamedTuple):
    """Which steps of a batch count, as lengths; and where each kept step stood, if they had to be moved together.

    lengths: [B] int, how many steps are kept. kept: [B, T] bool, True where a step counts.
    order: [B, T] int, the positions of the kept steps in their order, then the others; None where the kept steps come first already
    (padding at the end).
    """

    lengths: Tensor
    kept: Tensor
    order: Tensor | None

    def gather(self, x: Tensor) -> Tensor:
        """The kept steps moved to the front, [B, T, I]."""
        if self.order is None:
            return x
        return x.gather(1, self.order.unsqueeze(-1).expand(-1, -1, x.shape[-1]))

    def scatter(self, output: Tensor, zero_masked: bool) -> Tensor:
        """Outputs of the gathered steps (zero after the lengths) moved back to where the steps stood, [B, T, H].

        A masked step repeats the output of the last kept one, zero before the first; with `zero_masked` it is zero.
        """
        if self.order is None and zero_masked:
            return output
        last_kept = self.kept.cumsum(1) - 1  # [B, T], -1 before the first kept step
        places = last_kept.clamp(min=0).unsqueeze(-1).expand(-1, -1, output.shape[-1])
        shown = self.kept if zero_masked else last_kept >= 0
        return torch.where(shown.unsqueeze(-1), output.gather(1, places), 0)


def steps_from_mask(mask: Tensor, look: bool = True) -> Steps | None:
    """A step mask as lengths, or None where every step counts.

    Args:
        mask: [B, T] bool, True where a step counts.
        look: whether its values may be looked at. Without, it is taken as any mask: its steps are moved together.
    Example:
        >>> steps = steps_from_mask(torch.tensor([[False, True, True], [True, False, True]]))
        >>> steps.lengths, steps.gather(torch.arange(6.0).view(2, 3, 1))[..., 0]
        (tensor([2, 2]), tensor([[1., 2., 0.],
                [3., 5., 4.]]))
    """
    if look and bool(mask.all()):
        return None
    lengths = mask.sum(1)
    padded_at_end = torch.arange(mask.shape[1], device=mask.device) < lengths.unsqueeze(1)
    if look and bool((mask == padded_at_end).all()):
        return Steps(lengths, mask, None)
    return Steps(lengths, mask, torch.argsort(~mask, dim=1, stable=True))
