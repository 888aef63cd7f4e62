"""Numbers for the ports of a graph, drawn from a seed: what an exported file and the model are compared on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from tenuto.networks.port import Axis, Port


def drawn(ports: Sequence[Port], sizes: Mapping[str, int], seed: int) -> dict[str, Tensor]:
    """A tensor for each port.

    Args:
        sizes: of the free axes; one that is not among them has three places.
    """
    generator = torch.Generator().manual_seed(seed)

    def size(axis: Axis) -> int:
        return axis if isinstance(axis, int) else sizes.get(axis, 3)

    found = {}
    for port in ports:
        shape, dtype = [size(axis) for axis in port.axes], getattr(torch, port.dtype)
        if dtype.is_floating_point:
            numbers = torch.randn(shape, generator=generator, dtype=torch.float64)
            found[port.name] = (numbers.abs() if port.positive else numbers).to(dtype)
        elif port.counts is not None:
            value = torch.randint(port.least, size(port.counts) + 1, shape, generator=generator)
            value.view(-1)[: 1 if value.numel() else 0] = size(port.counts)  # one row has all steps
            found[port.name] = value
        else:
            found[port.name] = torch.randint(0, size(2 if port.below is None else port.below), shape, generator=generator).to(dtype)
    return found
