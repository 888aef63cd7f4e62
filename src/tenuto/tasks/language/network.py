"""The module behind `LanguageModel`: an embedding, a recurrent stack, and a decoder to the vocabulary, with AWD-LSTM's regularisers.

Shapes: B rows, T time, V vocabulary, E embedding, W width of the recurrent output, D what the decoder reads (E if tied, else W).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.data.text.streams import IGNORED
from tenuto.errors import ArgumentError
from tenuto.layers import Init, Recurrent
from tenuto.layers.masks import check_rate, dropped

_NARROWER = 4  # Grave et al. 2017, section 4.3


class Read(NamedTuple):
    """What the network made of some tokens.

    Attributes:
        nats: [T, B] of each target, zero where it is to be ignored; None without targets.
        features: [T, B, D], what the decoder reads.
        output, dropped: [T, B, W], what the recurrent stack gave, before and after output dropout.
        state: behind the last token.
    """

    nats: Tensor | None
    features: Tensor
    output: Tensor
    dropped: Tensor
    state: Any


class LanguageNetwork(nn.Module):
    """From tokens to the next token.

    Args:
        cell: of the recurrent stack. size: V. hidden_size, num_layers, residual, layer_norm, weight_dropout, zoneout: see `tenuto.Recurrent`.
        embedding_size: E; None for hidden_size.
        tied: the decoder's matrix is the embedding's. Where W is not E the last of several layers is as wide as E, as in AWD-LSTM (a linear
            projection in its place is not bounded as a state is, and diverges at that recipe's learning rate); one layer is projected.
        counts: [V] how often each token occurs, for the order that an adaptive softmax needs.
        cutoffs: of the adaptive softmax (Grave et al. 2017): the numbers of most frequent tokens where one cluster ends; none for a full softmax.
        embedding_dropout: rate at which whole tokens are dropped from the embedding (Gal & Ghahramani 2016).
        input_dropout, dropout, output_dropout: rates on the embedded input, between layers, and on the output.
        forget_bias: of `tenuto.Init`.
        dropout_kind: of these three: one mask a sequence ("variational") or a "step".
    Raises:
        ArgumentError: an option out of range, or tied weights beside an adaptive softmax.
    """

    def __init__(
        self,
        cell: Cell,
        size: int,
        hidden_size: int,
        *,
        embedding_size: int | None = None,
        num_layers: int = 1,
        residual: bool = False,
        layer_norm: bool = False,
        tied: bool = False,
        counts: Sequence[int] | None = None,
        cutoffs: Sequence[int] = (),
        embedding_dropout: float = 0.0,
        input_dropout: float = 0.0,
        dropout: float = 0.0,
        output_dropout: float = 0.0,
        dropout_kind: str = "variational",
        weight_dropout: float = 0.0,
        zoneout: float = 0.0,
        forget_bias: float = 1.0,
        engine: str = "auto",
    ) -> None:
        super().__init__()
        rates = {"embedding_dropout": embedding_dropout, "input_dropout": input_dropout, "output_dropout": output_dropout}
        for name, rate in rates.items():
            check_rate(name, rate)
        if tied and cutoffs:
            raise ArgumentError("tied weights and an adaptive softmax exclude each other.", fix="tied=False, or cutoffs=()")
        width = hidden_size if embedding_size is None else embedding_size
        self.embedding = nn.Embedding(size, width)
        narrow = tied and num_layers > 1 and width != hidden_size
        layers = num_layers - narrow
        shared: dict[str, Any] = {"weight_dropout": weight_dropout, "zoneout": zoneout, "init": Init(forget_bias=forget_bias), "engine": engine}
        self.recurrent = Recurrent(
            cell, width, hidden_size, layers, residual=residual, layer_norm=layer_norm,
            dropout=dropout if layers > 1 else 0.0, dropout_kind=dropout_kind, **shared,
        )  # fmt: skip
        inner = self.recurrent.output_width
        self.last = Recurrent(cell, inner, width, **shared) if narrow else None
        self.last_norm = nn.LayerNorm(inner) if narrow and layer_norm else None
        self.embedding_dropout, self.input_dropout, self.output_dropout = embedding_dropout, input_dropout, output_dropout
        self.dropout, self.dropout_kind, self.size = dropout, dropout_kind, size
        output = inner if self.last is None else self.last.output_width
        self.projection = nn.Linear(output, width) if tied and output != width else None
        self.decoder: nn.Module
        if cutoffs:
            self.decoder = AdaptiveDecoder(output, size, cutoffs, counts)
        else:
            self.decoder = nn.Linear(width if tied else output, size)
            nn.init.zeros_(self.decoder.bias)
        if tied:  # rows of unit length on average, so that the first logits are small
            nn.init.normal_(self.embedding.weight, std=width**-0.5)
            self.decoder.weight = self.embedding.weight  # type: ignore[assignment]

    def forward(self, tokens: Tensor, state: Any = None, resets: Tensor | None = None, targets: Tensor | None = None) -> Read:
        """Read tokens [T, B] on from a state; `resets` [T, B] bool begins anew before the marked ones. Targets [T, B] are tokens or IGNORED."""
        x = self._embedded(tokens)
        if self.training:
            x = dropped(x, self.input_dropout, self.dropout_kind)
        first, last = state if self.last is not None and state is not None else (state, None)
        output, state = self.recurrent(x, first, resets=resets)
        if self.last is not None:
            if self.training:
                output = dropped(output, self.dropout, self.dropout_kind)
            output, last = self.last(self._before_last(output), last, resets=resets)
            state = (state, last)
        after = dropped(output, self.output_dropout, self.dropout_kind) if self.training else output
        features = self.project(after)
        return Read(None if targets is None else self.nats(features, targets), features, output, after, state)

    def project(self, output: Tensor) -> Tensor:
        """Outputs [..., W] as the decoder reads them, [..., D]."""
        return output if self.projection is None else self.projection(output)

    def live(self, state: Any) -> Callable[[Tensor], Tensor]:
        """A function that reads one more token [B] each time, from this state on, and gives its features [B, D], for one row, B = 1; they hold until the next call."""
        first, last = state if self.last is not None else (state, None)
        stream = self.recurrent.stream(1, first)
        stream_last: Any = None if self.last is None else self.last.stream(1, last)

        def step(token: Tensor) -> Tensor:
            output = self.recurrent.step(self.embedding(token), stream)
            if self.last is not None:
                output = self.last.step(self._before_last(output), stream_last)
            return self.project(output)

        return step

    def log_probabilities(self, features: Tensor) -> Tensor:
        """Features [..., D] to log-probabilities [..., V] of the next token."""
        if isinstance(self.decoder, AdaptiveDecoder):
            return self.decoder.log_probabilities(features)
        return nn.functional.log_softmax(self.decoder(features), -1)

    def nats(self, features: Tensor, targets: Tensor) -> Tensor:
        """The nats [T, B] of targets [T, B] given their features [T, B, D]; zero for IGNORED ones."""
        flat = targets.flatten()
        if not isinstance(self.decoder, AdaptiveDecoder):
            logits = self.decoder(features.flatten(0, 1))
            return nn.functional.cross_entropy(logits, flat, reduction="none", ignore_index=IGNORED).view_as(targets)
        counted = flat != IGNORED
        found = features.new_zeros(len(flat))
        return found.masked_scatter(counted, self.decoder(features.flatten(0, 1)[counted], flat[counted])).view_as(targets)

    def _before_last(self, output: Tensor) -> Tensor:
        return output if self.last_norm is None else self.last_norm(output)

    def _embedded(self, tokens: Tensor) -> Tensor:
        """Tokens [T, B] to [T, B, E]; in training, some tokens of the vocabulary are zero wherever they stand."""
        if not self.training or not self.embedding_dropout:
            return self.embedding(tokens)
        kept = nn.functional.dropout(self.embedding.weight.new_ones(self.size, 1), self.embedding_dropout)
        return nn.functional.embedding(tokens, self.embedding.weight * kept)


class AdaptiveDecoder(nn.Module):
    """torch's adaptive softmax with the tokens in order of their counts, whatever numbers they have.

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
            raise ArgumentError(f"cutoffs={tuple(cuts)} do not fit.", expected=f"rising numbers between 1 and {size - 1}, the vocabulary has {size} tokens")
        if width < _NARROWER ** len(cuts):
            raise ArgumentError(
                f"an output of width {width} is too narrow for {len(cuts)} cutoffs.",
                expected=f"{_NARROWER ** len(cuts)} or more: each cluster is read {_NARROWER} times narrower than the one before",
                fix="a larger hidden_size, or fewer cutoffs",
            )
        amounts = torch.zeros(size) if counts is None else torch.as_tensor(counts)
        order = torch.argsort(amounts, descending=True, stable=True)
        self.register_buffer("ranks", torch.argsort(order))  # [V] the place of each token among the most frequent
        self.softmax = nn.AdaptiveLogSoftmaxWithLoss(width, size, cuts, div_value=_NARROWER)

    def forward(self, features: Tensor, targets: Tensor) -> Tensor:
        """Nats of each target [N] given its features [N, D]."""
        return -self.softmax(features, self.ranks[targets]).output

    def log_probabilities(self, features: Tensor) -> Tensor:
        """[..., D] to [..., V], in the order of the tokens' own numbers."""
        flat = self.softmax.log_prob(features.reshape(-1, features.shape[-1]))
        return flat[:, self.ranks].reshape(*features.shape[:-1], -1)
