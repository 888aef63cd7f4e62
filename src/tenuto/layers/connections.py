"""How a block of a deep stack goes round its recurrent layer: what the layer reads, and what becomes of what it puts out.

A gradient reaches the lowest of many layers only if it can pass by the others. Each connection here lets it, in another way.
Letters: W_in the width of what comes in, W_out of what goes on, R of what the recurrent layer puts out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from tenuto.layers.normalisation import LayerNorm


class Connection(nn.Module, ABC):
    """What stands around one recurrent layer. Everything is done at each step alone.

    Attributes:
        width: W_out.
    """

    width: int

    def read(self, x: Tensor) -> Tensor:
        """What the recurrent layer reads of x [..., W_in], as wide."""
        return x

    @abstractmethod
    def join(self, x: Tensor, output: Tensor) -> Tensor:
        """[..., W_out], from x [..., W_in] and what the layer put out, [..., R]."""


class Residual(Connection):
    """y = x + P r: He, Zhang, Ren, Sun 2016. P is there where r has another width than x."""

    def __init__(self, width_in: int, width: int, depth: int, **options: Any) -> None:
        super().__init__()
        self.width = width_in
        self.project = nn.Linear(width, width_in, **options) if width != width_in else nn.Identity()

    def join(self, x: Tensor, output: Tensor) -> Tensor:
        return x + self.project(output)  # type: ignore[no-any-return]


class Highway(Connection):
    """y = t * P r + (1 - t) * x, t = sigmoid(T x + b), b = -2 at the start: Srivastava, Greff, Schmidhuber 2015, eq. 3."""

    def __init__(self, width_in: int, width: int, depth: int, **options: Any) -> None:
        super().__init__()
        self.width = width_in
        self.project = nn.Linear(width, width_in, **options) if width != width_in else nn.Identity()
        self.gate = nn.Linear(width_in, width_in, **options)
        nn.init.constant_(self.gate.bias, -2.0)

    def join(self, x: Tensor, output: Tensor) -> Tensor:
        gate = torch.sigmoid(self.gate(x))
        return gate * self.project(output) + (1 - gate) * x  # type: ignore[no-any-return]


class Dense(Connection):
    """y = [x, r], so that a layer reads all before it: Huang, Liu, van der Maaten, Weinberger 2017."""

    def __init__(self, width_in: int, width: int, depth: int, **options: Any) -> None:
        super().__init__()
        self.width = width_in + width

    def join(self, x: Tensor, output: Tensor) -> Tensor:
        return torch.cat([x, output], -1)


class PreNorm(Connection):
    """z = x + P r, where the layer reads norm(x); y = z + C gelu(E norm(z)): a block of a Transformer with a recurrent layer for its attention.

    The norms stand before the layers and not behind the sums, so that x itself goes all the way up (Xiong et al. 2020, "On layer normalization in the transformer architecture").
    P and C start 1 / sqrt(2 L) as large as usual, for L blocks, so that the sum of all parts starts no larger than one of them (Radford et al. 2019, section 2.3).

    Args:
        depth: L. expansion: how many times as wide the feed-forward layer is; 0 for none.
    """

    def __init__(self, width_in: int, width: int, depth: int, expansion: int = 4, **options: Any) -> None:
        super().__init__()
        self.width = width_in
        self.norm, self.project = LayerNorm(width_in, **options), nn.Linear(width, width_in, **options)
        ends = [self.project]
        if expansion:
            self.wide_norm, self.expand = LayerNorm(width_in, **options), nn.Linear(width_in, expansion * width_in, **options)
            self.contract = nn.Linear(expansion * width_in, width_in, **options)
            ends.append(self.contract)
        self.expansion = expansion
        with torch.no_grad():
            for end in ends:
                end.weight.mul_((2 * depth) ** -0.5)

    def read(self, x: Tensor) -> Tensor:
        return self.norm(x)  # type: ignore[no-any-return]

    def join(self, x: Tensor, output: Tensor) -> Tensor:
        x = x + self.project(output)
        return x + self.contract(nn.functional.gelu(self.expand(self.wide_norm(x)))) if self.expansion else x


CONNECTIONS: dict[str, type[Connection]] = {"pre-norm": PreNorm, "residual": Residual, "highway": Highway, "dense": Dense}
