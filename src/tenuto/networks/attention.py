"""Attention over a source: which of its places matter to a query, and their weighted mean.

Shapes: B batch, T queries, S source places, Q and M widths of query and memory.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from tenuto.choices import require
from tenuto.errors import ArgumentError
from tenuto.tongues import argument

SCORES = ("dot", "general", "additive")


class Memory(NamedTuple):
    """A source, ready to be attended to.

    Attributes:
        values: [B, S, M]. What the weighted mean is taken of.
        keys: [B, S, K]. What queries are compared with.
        valid: [B, S] bool. False on padding, which gets the weight zero.
    """

    values: Tensor
    keys: Tensor
    valid: Tensor

    def select(self, rows: Tensor) -> Memory:
        """The memory of these rows of the batch, [R] int, which may repeat."""
        return Memory(*(part.index_select(0, rows) for part in self))


class Attention(nn.Module):
    """Scores each place of the source for each query; a softmax over the scores weighs the mean of the source.

    Equations:  "dot"       e_ts = q_t . m_s                          (Q = M)
                "general"   e_ts = q_t . W m_s
                "additive"  e_ts = v . tanh(W q_t + U m_s)
                a_t = softmax_s(e_ts);  c_t = sum_s a_ts m_s
    Args:
        score: "dot", "general" or "additive".
        query_size, memory_size: Q and M.
        size: width of the additive score's tanh. Default: Q.
    Raises:
        ArgumentError: no such score, or "dot" with Q other than M.
    Source:     Luong et al. 2015, eq. 7 and 8 (dot, general); Bahdanau et al. 2015, appendix A.1.2 (additive).
    Example:
        >>> attention = Attention("dot", 2, 2)
        >>> memory = attention.remember(torch.eye(2)[None], torch.tensor([[True, False]]))
        >>> attention(torch.ones(1, 1, 2), memory)[1].tolist()
        [[[1.0, 0.0]]]
    """

    def __init__(self, score: str, query_size: int, memory_size: int, *, size: int | None = None) -> None:
        super().__init__()
        require("attention", score, SCORES)
        if score == "dot" and query_size != memory_size:
            raise ArgumentError(
                "the dot score compares vectors of the same width.",
                expected=f"a decoder output as wide as the encoder's output, {memory_size}",
                received=f"a decoder output of width {query_size}",
                fix=f"{argument('attention', 'general')}, or {argument('encoder_size')} so that it fits (both directions together)",
            )
        self.score = score
        if score == "general":
            self.key = nn.Linear(memory_size, query_size, bias=False)
        if score == "additive":
            size = size or query_size
            self.key, self.query = nn.Linear(memory_size, size), nn.Linear(query_size, size, bias=False)
            self.energy = nn.Linear(size, 1, bias=False)

    def remember(self, values: Tensor, valid: Tensor) -> Memory:
        """Make values [B, S, M] ready to be attended to. valid: [B, S] bool, False on padding; each row has at least one True."""
        return Memory(values, values if self.score == "dot" else self.key(values), valid)

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Contexts [B, T, M] and weights [B, T, S] for query [B, T, Q]; every row of the weights sums to one."""
        if self.score == "additive":
            scores = self.energy(torch.tanh(self.query(query)[:, :, None] + memory.keys[:, None]))[..., 0]  # [B, T, S]
        else:
            scores = query @ memory.keys.transpose(1, 2)
        weights = torch.softmax(scores.masked_fill(~memory.valid[:, None], float("-inf")), dim=-1)
        return weights @ memory.values, weights
