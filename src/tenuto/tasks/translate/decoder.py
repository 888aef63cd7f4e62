"""The head of `Seq2SeqNetwork`: a recurrent decoder, attention from it to the source, one linear map over the target's symbols.

Shapes: S source and T target steps, B batch, V target symbols, H the decoder's output width, M the encoder's (both directions together).

Where a step of the decoder does not read what the step before attended to ("none", and "dot", "general", "additive" without input feeding),
all T steps of teacher forcing are one call of the recurrent layer, and attention is computed for all of them at once. "bahdanau" and input
feeding go step by step, since each step's input depends on the step before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.choices import require
from tenuto.engines.problem import size_of
from tenuto.errors import ArgumentError
from tenuto.layers import Recurrent
from tenuto.networks.attention import SCORES, Attention, Memory
from tenuto.tongues import argument

ATTENTIONS = ("none", *SCORES, "bahdanau")
DECODER_INPUTS = ("symbol", "summary", "both")


class Encoded(NamedTuple):
    """A batch of sources. memory: None without attention. summary [B, M]: the encoder's last outputs, forward and backward."""

    memory: Memory | None
    summary: Tensor


class DecoderState(NamedTuple):
    """What the next step of a decoder starts from. states: the layer's, each [L, B, W]. feed [B, F]: what the next step reads of this one, or None."""

    states: tuple[Tensor, ...]
    feed: Tensor | None

    def select(self, rows: Tensor) -> DecoderState:
        """The state of these rows of the batch, [R] int, which may repeat."""
        feed = None if self.feed is None else self.feed.index_select(0, rows)
        return DecoderState(tuple(state.index_select(1, rows) for state in self.states), feed)


class Decoded(NamedTuple):
    """logits [T, B, V]; weights [B, T, S] of the attention or None; the state after the last step."""

    logits: Tensor
    weights: Tensor | None
    state: DecoderState


class DecoderHead(nn.Module):
    """From the outputs of an encoder, and the numbers of targets [T, B], to logits [T, B, V].

    Equations:  "none"                        logits = W h_t
                "dot", "general", "additive"  a = tanh(W_c [h_t; attend(h_t)]);  logits = W a    (feeding: h_t also reads a of step t - 1)
                "bahdanau"                    c_t = attend(h_{t-1}) is read by step t;  a = tanh(W_c [h_t; c_t]);  logits = W a
    Args:
        encoder: needed for its widths; of recurrent layers also for their cell, whose state the decoder may take over. From others it takes the summary of a source.
        symbols: V; number 0 is padding. embedding_size: of them.
        hidden_size, num_layers: of the decoder.
        attention: one of `ATTENTIONS`. input_feeding: see above.
        decoder_input: what a step reads: the "symbol" before it, the "summary" of the source (then nothing is fed back), or "both".
        tied_embeddings: the last map's matrix is the target embedding; h_t or a is then as wide as it.
        dropout: on embeddings, between layers, and before the last map.
    Raises:
        ArgumentError: an option that is not known, or options that exclude each other.
    Source:     Sutskever et al. 2014; Bahdanau et al. 2015; Luong et al. 2015, eq. 5 and section 3.3.
                Differs: the last map of "bahdanau" is Luong's, not a maxout.
    """

    def __init__(
        self,
        encoder: Any,
        cell: Cell,
        symbols: int,
        *,
        embedding_size: int,
        hidden_size: int,
        num_layers: int = 1,
        attention: str = "general",
        input_feeding: bool = False,
        decoder_input: str = "symbol",
        tied_embeddings: bool = False,
        dropout: float = 0.0,
        engine: str = "auto",
    ) -> None:
        super().__init__()
        check_decoder(attention, input_feeding, decoder_input)
        self.attention_kind, self.decoder_input, self.dropout = attention, decoder_input, dropout
        self.both_ways = encoder.directions == 2
        memory_size = encoder.output_width * encoder.directions
        attended = attention != "none"
        between_size = embedding_size if tied_embeddings else hidden_size  # the width of what the last map reads, where that is not the decoder's output
        self.feed_size = memory_size if attention == "bahdanau" else between_size if input_feeding else 0
        widths = {"symbol": embedding_size, "summary": memory_size, "both": embedding_size + memory_size}
        self.decoder = Recurrent(
            cell,
            widths[decoder_input] + self.feed_size,
            hidden_size,
            num_layers,
            dropout=dropout if num_layers > 1 else 0.0,
            engine=engine,
        )
        output_width = self.decoder.output_width
        self.bridge = Bridge(encoder, self.decoder)
        self.target_embedding = nn.Embedding(symbols, embedding_size, padding_idx=0)
        if attended:
            self.attention = Attention("additive" if attention == "bahdanau" else attention, output_width, memory_size)
        if attention == "bahdanau":
            self.first_query = nn.Linear(memory_size, output_width)
        projected = attended or (tied_embeddings and output_width != embedding_size)
        self.join = nn.Linear(output_width + memory_size * attended, between_size) if projected else None
        self.output = nn.Linear(between_size if projected else output_width, symbols)
        if tied_embeddings:
            self.output.weight = self.target_embedding.weight

    @property
    def fused(self) -> bool:
        """Whether the decoder runs over all steps of a target in one call."""
        return self.feed_size == 0

    def forward(self, output: Tensor, lengths: Tensor, state: Any, read: Tensor) -> Tensor:
        """Logits [T, B, V] for the symbols after each of those read: teacher forcing.

        Args:
            output, lengths, state: as `begin`. read: [T, B] int64, beginning first.
        """
        return self.decode(read, *self.begin(output, lengths, state)).logits

    def begin(self, output: Tensor, lengths: Tensor, state: Any) -> tuple[Encoded, DecoderState]:
        """The sources as the decoder reads them, and where it starts.

        Args:
            output: [S, B, M], of the encoder. lengths: [B] int64, 1..S. state: of the encoder, after the last step of each source.
        """
        lengths = lengths.to(output.device)
        rows = torch.arange(output.shape[1], device=output.device)
        if self.both_ways:
            forward, backward = output.chunk(2, dim=-1)
            summary = torch.cat([forward[lengths - 1, rows], backward[0]], dim=-1)
        else:
            summary = output[lengths - 1, rows]
        memory, feed = None, None
        if self.attention_kind != "none":
            valid = torch.arange(output.shape[0], device=output.device) < lengths[:, None]  # [B, S]
            memory = self.attention.remember(output.transpose(0, 1), valid)
        if self.attention_kind == "bahdanau":
            feed = torch.tanh(self.first_query(summary))
        elif self.feed_size:
            feed = summary.new_zeros(summary.shape[0], self.feed_size)
        return Encoded(memory, summary), DecoderState(self.bridge(tuple(state) if self.bridge.of_states else (summary[None],)), feed)

    def decode(self, symbols: Tensor, encoded: Encoded, state: DecoderState) -> Decoded:
        """Steps of the decoder that read symbols [T, B] int64, from `state` on."""
        parts = []
        if self.decoder_input != "summary":
            parts.append(self._dropped(self.target_embedding(symbols)))
        if self.decoder_input != "symbol":
            parts.append(encoded.summary.expand(symbols.shape[0], -1, -1))
        x = parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)  # [T, B, I]
        if self.fused:
            output, final = self.decoder(x, state.states)
            joined, weights = self._join(output, encoded)
            return Decoded(self._logits(joined), weights, DecoderState(tuple(final), None))
        steps, all_weights = [], []
        for x_t in x:
            joined_t, weights_t, state = self._step(x_t, encoded, state)
            steps.append(joined_t)
            all_weights.append(weights_t)
        return Decoded(self._logits(torch.cat(steps)), torch.cat(all_weights, dim=1), state)

    def _step(self, x_t: Tensor, encoded: Encoded, state: DecoderState) -> tuple[Tensor, Tensor, DecoderState]:
        """One step of a decoder that reads the step before: what the last map reads [1, B, F], weights [B, 1, S], the next state."""
        assert encoded.memory is not None and state.feed is not None and self.join is not None  # check_decoder: only with attention
        if self.attention_kind == "bahdanau":
            context, weights = self.attention(state.feed[:, None], encoded.memory)  # [B, 1, M]
            output, final = self.decoder(torch.cat([x_t, context[:, 0]], dim=-1)[None], state.states)
            joined = torch.tanh(self.join(torch.cat([output, context.transpose(0, 1)], dim=-1)))
            return joined, weights, DecoderState(tuple(final), output[0])
        output, final = self.decoder(torch.cat([x_t, state.feed], dim=-1)[None], state.states)
        joined, attended = self._join(output, encoded)
        assert attended is not None
        return joined, attended, DecoderState(tuple(final), joined[0])

    def _join(self, output: Tensor, encoded: Encoded) -> tuple[Tensor, Tensor | None]:
        """The decoder's outputs [T, B, H] with what each attends to: [T, B, F], and the weights [B, T, S]."""
        weights = None
        if encoded.memory is not None:
            context, weights = self.attention(output.transpose(0, 1), encoded.memory)
            output = torch.cat([output, context.transpose(0, 1)], dim=-1)
        return output if self.join is None else torch.tanh(self.join(output)), weights

    def _logits(self, joined: Tensor) -> Tensor:
        return self.output(self._dropped(joined))  # type: ignore[no-any-return]

    def _dropped(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, self.dropout, self.training)


class Bridge(nn.Module):
    """From the encoder's final state to the decoder's first.

    Where both have the same cell, sizes and number of layers, and one direction, the state is passed on unchanged. Otherwise each layer of
    the decoder starts from a linear map of all final states (both directions) of the encoder's layer at the same height, or of its top layer.
    From an encoder of another kind it is a linear map of its summary.

    Attributes:
        of_states: whether it is given states, or a summary [1, B, M].
    """

    def __init__(self, encoder: Any, decoder: Recurrent) -> None:
        super().__init__()
        self.of_states = isinstance(encoder, Recurrent)
        self.widths = _state_widths(decoder)
        given = _state_widths(encoder) if self.of_states else [encoder.output_width * encoder.directions]
        self.directions, self.encoder_layers = (encoder.directions, encoder.num_layers) if self.of_states else (1, 1)
        same = self.of_states and encoder.cell == decoder.cell and given == self.widths
        self.maps: nn.ModuleList | None = None
        if not same or self.directions > 1 or self.encoder_layers != decoder.num_layers:
            width = sum(given) * self.directions
            self.maps = nn.ModuleList(nn.Linear(width, sum(self.widths)) for _ in range(decoder.num_layers))

    def forward(self, final: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """States [L, B, W] of the decoder from those [L * D, B, W] of the encoder."""
        if self.maps is None:
            return tuple(final)
        layers = []
        for number, linear in enumerate(self.maps):
            first = min(number, self.encoder_layers - 1) * self.directions
            read = torch.cat([state[first + way] for state in final for way in range(self.directions)], dim=-1)
            layers.append(linear(read).split(self.widths, dim=-1))
        return tuple(torch.stack(states) for states in zip(*layers, strict=True))


def _state_widths(layer: Recurrent) -> list[int]:
    return [size_of(width, layer.hidden_size) for width in layer.cell.widths("state").values()]


def check_decoder(attention: str, input_feeding: bool, decoder_input: str) -> None:
    """Check the options of a decoder.

    Raises:
        ArgumentError: an option that is not known, or options that exclude each other.
    """
    require("attention", attention, ATTENTIONS)
    require("decoder_input", decoder_input, DECODER_INPUTS)
    if input_feeding and attention not in SCORES:
        raise ArgumentError(
            f"there is nothing to feed back with {argument('attention', attention)}.",
            expected=f"{argument('input_feeding')} with " + ", ".join(SCORES),
            fix=f"bahdanau reads its context anyway; leave {argument('input_feeding')} out",
        )
