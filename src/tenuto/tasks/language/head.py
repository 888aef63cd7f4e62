"""The head of `LanguageNetwork`: what comes next, as a full softmax or an adaptive one.

Shapes: B rows, T time, V vocabulary, E embedding, W width of the encoder's output, D what the decoder reads (E if tied, else W).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import torch
from torch import Tensor, nn

from tenuto.data.text.streams import IGNORED
from tenuto.errors import ArgumentError
from tenuto.layers.masks import dropped
from tenuto.tongues import argument

_NARROWER = 4  # how many times narrower each cluster is read than the one before: Grave et al. 2017, section 4.3


def refuse_tied_cutoffs() -> NoReturn:
    """Raise ArgumentError: an adaptive softmax has matrices of its own."""
    raise ArgumentError(
        "tied weights and an adaptive softmax exclude each other.", fix=f"{argument('tied', False)}, or no {argument('cutoffs')}"
    )


class LanguageHead(nn.Module):
    """From outputs [T, B, W] to log-probabilities of the next token.

    Args:
        width: W. size: V.
        tied: the embedding whose matrix the decoder shares; None for a matrix of its own.
        cutoffs, counts: of an adaptive softmax, see `LanguageNetwork`.
        dropout, dropout_kind: on the outputs.
    Raises:
        ArgumentError: tied weights together with an adaptive softmax; and as `AdaptiveDecoder`.
    """

    def __init__(
        self,
        width: int,
        size: int,
        *,
        tied: nn.Embedding | None = None,
        cutoffs: Sequence[int] = (),
        counts: Sequence[int] | None = None,
        dropout: float = 0.0,
        dropout_kind: str = "variational",
    ) -> None:
        super().__init__()
        if tied is not None and cutoffs:
            refuse_tied_cutoffs()
        self.dropout, self.dropout_kind = dropout, dropout_kind
        read = width if tied is None else tied.embedding_dim
        self.projection = nn.Linear(width, read) if read != width else None
        self.decoder: nn.Module
        if cutoffs:
            self.decoder = AdaptiveDecoder(width, size, cutoffs, counts)
        else:
            self.decoder = nn.Linear(read, size)
            nn.init.zeros_(self.decoder.bias)
        if tied is not None:  # rows of unit length on average, so that the first logits are small
            nn.init.normal_(tied.weight, std=read**-0.5)
            self.decoder.weight = tied.weight

    def forward(self, output: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Log-probabilities [T, B, V] of what comes after each step; lengths have no influence."""
        return self.log_probabilities(self.project(self.dropped(output)))

    def dropped(self, output: Tensor) -> Tensor:
        """The outputs after dropout, in training."""
        return dropped(output, self.dropout, self.dropout_kind) if self.training else output

    def project(self, output: Tensor) -> Tensor:
        """Outputs [..., W] as the decoder reads them: features [..., D]."""
        return output if self.projection is None else self.projection(output)

    def log_probabilities(self, features: Tensor) -> Tensor:
        """Features [..., D] to log-probabilities [..., V] of the next token."""
        if isinstance(self.decoder, AdaptiveDecoder):
            return self.decoder.log_probabilities(features)
        return nn.functional.log_softmax(self.decoder(features), -1)

    def scores(self, output: Tensor) -> Tensor:
        """Logits [T, B, V] of what comes after each step; of an adaptive softmax, which has none over the whole vocabulary, log-probabilities."""
        features = self.project(self.dropped(output))
        return self.log_probabilities(features) if isinstance(self.decoder, AdaptiveDecoder) else self.decoder(features)

    def nats(self, features: Tensor, targets: Tensor) -> Tensor:
        """The nats [T, B] of targets [T, B] given their features [T, B, D]; zero for IGNORED ones."""
        flat = targets.flatten()
        if not isinstance(self.decoder, AdaptiveDecoder):
            logits = self.decoder(features.flatten(0, 1))
            return nn.functional.cross_entropy(logits, flat, reduction="none", ignore_index=IGNORED).view_as(targets)
        counted = flat != IGNORED
        found = features.new_zeros(len(flat))
        return found.masked_scatter(counted, self.decoder(features.flatten(0, 1)[counted], flat[counted])).view_as(targets)


class AdaptiveDecoder(nn.Module):
    """torch's adaptive softmax, which needs the tokens in order of their counts; their numbers may be in any order.

    Args:
        counts: [V]. cutoffs: rising, from 1 to V - 1.
    Raises:
        ArgumentError: the cutoffs do not rise, or do not fit the vocabulary or the width.
    """

    ranks: Tensor

    def __init__(self, width: int, size: int, cutoffs: Sequence[int], counts: Sequence[int] | None = None) -> None:
        super().__init__()
        cuts = [int(cut) for cut in cutoffs]
        if sorted(set(cuts)) != cuts or not 0 < cuts[0] <= cuts[-1] < size:
            raise ArgumentError(f"{argument('cutoffs', tuple(cuts))} do not fit.", expected=f"rising numbers between 1 and {size - 1}: the vocabulary has {size} tokens")
        if width < _NARROWER ** len(cuts):
            raise ArgumentError(
                f"an output of width {width} is too narrow for {len(cuts)} cutoffs.",
                expected=f"{_NARROWER ** len(cuts)} or more: each cluster is read {_NARROWER} times narrower than the one before",
                fix=f"a larger {argument('hidden_size')}, or fewer {argument('cutoffs')}",
            )
        amounts = torch.zeros(size) if counts is None else torch.as_tensor(counts)
        order = torch.argsort(amounts, descending=True, stable=True)
        self.register_buffer("ranks", torch.argsort(order))  # [V] the rank of each token, the most frequent first
        self.softmax = nn.AdaptiveLogSoftmaxWithLoss(width, size, cuts, div_value=_NARROWER)

    def forward(self, features: Tensor, targets: Tensor) -> Tensor:
        """Nats of each target [N] given its features [N, D]."""
        return -self.softmax(features, self.ranks[targets]).output

    def log_probabilities(self, features: Tensor) -> Tensor:
        """[..., D] to [..., V], in the order of the tokens' own numbers."""
        flat = self.softmax.log_prob(features.reshape(-1, features.shape[-1]))
        return flat[:, self.ranks].reshape(*features.shape[:-1], -1)
