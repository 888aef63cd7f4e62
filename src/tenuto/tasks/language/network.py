"""The module behind `LanguageModel`: an embedding, a recurrent stack, and a head over the vocabulary (`head.py`), with AWD-LSTM's regularisers.

Shapes: B rows, T time, V vocabulary, E embedding, W width of the encoder's output, D what the decoder reads (E if tied, else W).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.data.text.streams import IGNORED, Window
from tenuto.layers import Init, Recurrent
from tenuto.layers.masks import check_rate, dropped
from tenuto.layers.recurrent import Output
from tenuto.networks.anatomy import Network
from tenuto.networks.encoders import encoder_kind, encoder_of
from tenuto.tasks.language.head import LanguageHead


class Read(NamedTuple):
    """The network's output for some tokens.

    Attributes:
        nats: [T, B] of each target, zero where it is to be ignored.
        features: [T, B, D], what the decoder reads.
        output, dropped: [T, B, W], what the encoder gave, before and after output dropout.
        state: after the last token.
        scores: [T, B, V], log-probabilities of what comes after each token, where they were asked for.
    """

    nats: Tensor
    features: Tensor
    output: Tensor
    dropped: Tensor
    state: Any
    scores: Tensor | None = None


class Tokens(nn.Module):
    """The vector [E] of each token of a window.

    Args:
        size: V.
        embedding_dropout: rate at which whole tokens are dropped, wherever they stand (Gal & Ghahramani 2016).
        dropout, dropout_kind: on the vectors.
    """

    def __init__(self, size: int, width: int, *, embedding_dropout: float = 0.0, dropout: float = 0.0, dropout_kind: str = "variational") -> None:
        super().__init__()
        self.embedding = nn.Embedding(size, width)
        self.embedding_dropout, self.dropout, self.dropout_kind = embedding_dropout, dropout, dropout_kind

    def forward(self, batch: Window) -> Tensor:
        """[T, B, E]."""
        weight = self.embedding.weight
        if not self.training:
            return self.embedding(batch.inputs)  # type: ignore[no-any-return]
        if self.embedding_dropout:
            weight = weight * nn.functional.dropout(weight.new_ones(len(weight), 1), self.embedding_dropout)
        return dropped(nn.functional.embedding(batch.inputs, weight), self.dropout, self.dropout_kind)


class LanguageEncoder(nn.Module):
    """A recurrent stack whose last layer may have another width than the others; or another encoder that looks only backwards.

    Args:
        first: the stack, or the encoder. last: a layer of another width on top of it, or None.
        norm: whether what the last layer reads is normalised. dropout, dropout_kind: on what it reads.
    """

    def __init__(self, first: Any, last: Recurrent | None, *, norm: bool, dropout: float, dropout_kind: str) -> None:
        super().__init__()
        self.recurrent, self.last = first, last
        self.last_norm = nn.LayerNorm(first.output_width) if last is not None and norm else None
        self.dropout, self.dropout_kind = dropout, dropout_kind
        self.output_width = first.output_width if last is None else last.output_width

    def forward(self, x: Tensor, state: Any = None, *, lengths: Tensor | None = None, resets: Tensor | None = None) -> Output:
        """As `tenuto.Recurrent`; with a last layer, the state is a pair."""
        if self.last is None:
            return self.recurrent(x, state, lengths=lengths, resets=resets)  # type: ignore[no-any-return]
        first, last = (None, None) if state is None else state
        output, first = self.recurrent(x, first, lengths=lengths, resets=resets)
        if self.training:
            output = dropped(output, self.dropout, self.dropout_kind)
        output, last = self.last(self._before_last(output), last, lengths=lengths, resets=resets)
        return Output(output, (first, last))

    def live(self, state: Any) -> Callable[[Tensor], Tensor]:
        """A function that reads one more step x [B, E] each time, from this state on, and gives its output [B, W], for one row, B = 1."""
        first, last = state if self.last is not None else (state, None)
        stream = self.recurrent.stream(1, first)
        stream_last: Any = None if self.last is None else self.last.stream(1, last)

        def step(x: Tensor) -> Tensor:
            output = self.recurrent.step(x, stream)
            return output if self.last is None else self.last.step(self._before_last(output), stream_last)

        return step

    def _before_last(self, output: Tensor) -> Tensor:
        return output if self.last_norm is None else self.last_norm(output)


class LanguageNetwork(Network):
    """From tokens to the next token.

    Args:
        cell: of the recurrent stack. size: V. encoder: its name, see `networks/encoders.py`; window: the steps that a Transformer sees. hidden_size, num_layers, residual, layer_norm, weight_dropout, zoneout: see `tenuto.Recurrent`.
        embedding_size: E; None for hidden_size.
        tied: the decoder's matrix is the embedding's. Where hidden_size is not E, the last of several layers is as wide as E, as in AWD-LSTM:
            a linear projection in its place is not bounded as a state is, and diverges at that recipe's learning rate. The output of a
            single layer is projected.
        counts: [V] how often each token occurs, for the order that an adaptive softmax needs.
        cutoffs: of the adaptive softmax (Grave et al. 2017): the numbers of most frequent tokens where one cluster ends; none for a full softmax.
        embedding_dropout: rate at which whole tokens are dropped from the embedding (Gal & Ghahramani 2016).
        input_dropout, dropout, output_dropout: rates on the embedded input, between layers, and on the output.
        dropout_kind: of these three: one mask for each sequence ("variational") or for each step ("step").
        forget_bias: of `tenuto.Init`.
    Raises:
        ArgumentError: an option out of range, or tied weights together with an adaptive softmax.
    """

    front: Tokens
    encoder: LanguageEncoder
    head: LanguageHead

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
        encoder: str = "recurrent",
        window: int | None = None,
        engine: str = "auto",
    ) -> None:
        super().__init__()
        rates = {"embedding_dropout": embedding_dropout, "input_dropout": input_dropout, "output_dropout": output_dropout}
        for name, rate in rates.items():
            check_rate(name, rate)
        width = hidden_size if embedding_size is None else embedding_size
        self.front = Tokens(size, width, embedding_dropout=embedding_dropout, dropout=input_dropout, dropout_kind=dropout_kind)
        plain = encoder_kind(encoder) == "recurrent"
        narrow = plain and tied and num_layers > 1 and width != hidden_size
        layers = num_layers - narrow
        shared: dict[str, Any] = {"weight_dropout": weight_dropout, "zoneout": zoneout, "init": Init(forget_bias=forget_bias), "engine": engine}
        first: Any
        if plain:
            first = Recurrent(
                cell, width, hidden_size, layers, residual=residual, layer_norm=layer_norm,
                dropout=dropout if layers > 1 else 0.0, dropout_kind=dropout_kind, **shared,
            )  # fmt: skip
        else:
            first = encoder_of(encoder, cell, width, hidden_size, num_layers, bidirectional=False, dropout=dropout, window=window, engine=engine)
        last = Recurrent(cell, first.output_width, width, **shared) if narrow else None
        self.encoder = LanguageEncoder(first, last, norm=layer_norm, dropout=dropout, dropout_kind=dropout_kind)
        self.head = LanguageHead(
            self.encoder.output_width, size, tied=self.front.embedding if tied else None, cutoffs=cutoffs, counts=counts,
            dropout=output_dropout, dropout_kind=dropout_kind,
        )  # fmt: skip

    def encode(self, batch: Window, state: Any = None) -> Output:
        """Read a window, starting from `state`; where the window's `resets` [T, B] are True, the state is reset before the token."""
        return self.encoder(self.front(batch), state, resets=batch.resets)  # type: ignore[no-any-return]

    def forward(self, batch: Window, state: Any = None, *, scored: bool = False) -> Read:
        """Read a window, starting from `state`, with the nats of its targets; with `scored`, the log-probabilities of all symbols too."""
        output, state = self.encode(batch, state)
        after = self.head.dropped(output)
        features = self.head.project(after)
        if not scored:
            return Read(self.head.nats(features, batch.targets), features, output, after, state)
        scores = self.head.log_probabilities(features)
        counted = batch.targets != IGNORED
        nats = -scores.gather(-1, batch.targets.clamp(min=0)[..., None])[..., 0]
        return Read(torch.where(counted, nats, 0), features, output, after, state, scores)

    def live(self, state: Any) -> Callable[[Tensor], Tensor]:
        """A function that reads one more token [B] each time, from this state on, and gives its features [B, D], for one row, B = 1; they hold until the next call."""
        step = self.encoder.live(state)
        return lambda token: self.head.project(step(self.front.embedding(token)))
