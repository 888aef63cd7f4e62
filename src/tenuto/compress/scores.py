"""How much each unit counts: by the size of its weights, or by what the loss would change without it. Summed over all gates and all that reads it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from tenuto.compress.following import Following


def by_norm(network: nn.Module, following: Following) -> Tensor:
    """For each class of channels, the norm of the weights that make it times the norm of those that read it; a unit that nothing reads counts zero."""
    sizes = {name: parameter.detach().double() ** 2 for name, parameter in network.named_parameters()}
    made, read, readers = _summed(sizes, following)
    return made.sqrt() * torch.where(readers > 0, read.sqrt(), 1.0)


def by_taylor(network: nn.Module, following: Following, losses: Iterable[Tensor]) -> Tensor:
    """For each class of channels, how much the loss would change if nothing read it, to first order: the root of the mean square over these losses.

    Equations:  I = sqrt(mean over batches of (sum over weights w that read the unit of w dL/dw)²)
    Source:     Molchanov et al. 2019, "Importance estimation for neural network pruning", eq. 8, for a gate at each unit.
    """
    named = dict(network.named_parameters())
    total, count = torch.zeros(1, dtype=torch.float64), 0
    for loss in losses:
        gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
        parts = {name: (weight.detach() * gradient).double() for (name, weight), gradient in zip(named.items(), gradients) if gradient is not None}
        made, read, readers = _summed(parts, following)
        total, count = total + torch.where(readers > 0, read, made) ** 2, count + 1
    return (total / max(count, 1)).sqrt()


def _summed(parts: dict[str, Tensor], following: Following) -> tuple[Tensor, Tensor, Tensor]:
    """What stands in the weights, summed for each class over the rows that make it and the columns that read it; and how many columns there are."""
    size = int(max(int(axis.max()) for axes in following.axes.values() for axis in axes if axis.numel())) + 1
    size = max(size, *(int(layer.units.max()) + 1 for layer in following.layers.values()))
    made, read, readers = (torch.zeros(size, dtype=torch.float64) for _ in range(3))
    for name, part in parts.items():
        part = part.cpu()
        for axis, numbers in enumerate(following.axes[name]):
            along = part.sum([other for other in range(part.dim()) if other != axis]) if part.dim() > 1 else part
            roots = following.channels.roots(numbers)
            (made if axis == 0 else read).index_add_(0, roots, along)
            if axis > 0:
                readers.index_add_(0, roots, torch.ones(len(roots), dtype=torch.float64))
    for prefix, layer in following.layers.items():
        for own, blocks in layer.shared.items():
            name = f"{prefix}.{own}" if prefix else own
            if name in parts:
                roots = following.channels.roots(layer.units[blocks.row])
                read.index_add_(0, roots, blocks.split(parts[name].cpu()).sum((0, 2)).reshape(-1))
                readers.index_add_(0, roots, torch.ones(len(roots), dtype=torch.float64))
    return made, read, readers
