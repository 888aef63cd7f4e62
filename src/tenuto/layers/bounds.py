"""A bound on recurrent weights: no matrix makes a value longer than so many times itself.

Source: Gouk, Frank, Pfahringer, Cree 2021, "Regularisation of neural networks by enforcing Lipschitz continuity", algorithm 1: after a step of the optimiser, W / max(1, |W| / bound), with
the largest singular value |W|.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from tenuto.errors import ArgumentError
from tenuto.layers.recurrent import Recurrent
from tenuto.layers.stack import weight_of
from tenuto.scalars import number


def bound_spectrum(module: nn.Module, bound: float) -> int:
    """Scales each recurrent matrix of a module whose largest singular value is above the bound down to it, in place, gate by gate and block by block.

    Args:
        module: with layers of the library or of torch.nn in it, at any depth.
        bound: above zero. Below 1, the state of a cell without gates fades in any case; at 1, it cannot explode.
    Returns:
        how many matrices were scaled.
    Raises:
        ArgumentError: the bound is not above zero, or the weights are shared out among processes.
    Example:
        >>> layer = nn.RNN(2, 3)
        >>> bound_spectrum(layer, 0.1), round(float(torch.linalg.matrix_norm(layer.weight_hh_l0.detach(), 2)), 6)
        (1, 0.1)
    """
    limit = number(bound)
    if limit is None or limit <= 0:
        raise ArgumentError(f"bound_spectrum: bound is {bound!r}.", expected="a number above zero, for example 1")
    scaled = 0
    with torch.no_grad():
        for blocks in _matrices(module):
            if hasattr(blocks, "full_tensor"):
                raise ArgumentError("the recurrent weights are shared out among processes, and a matrix has to be whole to be measured.", fix="train without FSDP, or without spectral_bound")
            if bool((_above(blocks) <= limit).all()):
                continue
            sizes = torch.linalg.matrix_norm(blocks, 2)
            blocks.div_((sizes / limit).clamp(min=1)[:, None, None])
            scaled += int((sizes > limit).sum())
    return scaled


def _matrices(module: nn.Module) -> Iterator[Tensor]:
    """Views of the recurrent matrices [blocks, out, in]."""
    for part in module.modules():
        if isinstance(part, Recurrent):
            heads = 1 if part.cell.rank is not None else part.cell.heads
            for layer in range(part.num_layers):
                for suffix in part.suffixes(layer):
                    for weight in part.matrices(suffix).values():
                        yield weight.unflatten(0, (heads, -1))
        elif isinstance(part, (nn.RNNBase, nn.RNNCellBase)):
            gates = {"LSTM": 4, "GRU": 3}.get(part.mode if isinstance(part, nn.RNNBase) else type(part).__name__.removesuffix("Cell"), 1)
            for name, _ in part.named_parameters(recurse=False):
                if name.startswith("weight_hh"):
                    yield weight_of(part, name).unflatten(0, (gates, -1))


def _above(blocks: Tensor) -> Tensor:
    """[blocks]: what the largest singular value is not above, which takes less than the value itself: the root of the largest column sum times the largest row sum."""
    sizes = blocks.abs()
    return (sizes.sum(1).amax(1) * sizes.sum(2).amax(1)).sqrt()
