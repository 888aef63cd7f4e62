"""What an export asks of a translator: sources and the symbols of answers go in, logits of the symbol after each come out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tenuto.data.pairs.batches import PairBatch
from tenuto.data.pairs.symbols import END, UNKNOWN, Symbols
from tenuto.networks.attention import Memory
from tenuto.networks.port import Port
from tenuto.tasks.exported import Exported, Heard
from tenuto.tasks.stepped import Ahead
from tenuto.tasks.translate.decoder import DecoderHead, DecoderState, Encoded


class ExportedTranslator(Exported):
    """See `Exported`."""

    source_symbols_: Symbols
    target_symbols_: Symbols

    def ports(self) -> tuple[Port, ...]:
        """Sources, their lengths, and the symbols that the decoder reads."""
        return (
            Port("source", ("time", "batch"), "int64", below=len(self.source_symbols_), says="the number of each symbol of the source"),
            Port("lengths", ("batch",), "int64", counts="time", says="symbols of each source"),
            Port("read", ("target", "batch"), "int64", below=len(self.target_symbols_), says="the beginning mark, then the symbols of the answer so far"),
        )

    def batch_of(self, values: Mapping[str, Tensor]) -> PairBatch:
        """A batch of sources, with the symbols that are read."""
        return PairBatch(values["source"], values["lengths"], values["read"], values["read"], 0)

    def looks_ahead(self) -> Ahead | None:
        """A source is read whole."""
        reason = "a source is read whole before the first symbol of its answer; `begin` reads it, and `next` writes the answer symbol by symbol"
        return Ahead(reason, "a classifier of sequences, a language model, or a tagger without a CRF; or an export to onnx, which has these two graphs")

    def functions(self) -> dict[str, tuple[Heard, tuple[Port, ...]]]:
        """Teacher forcing, where a step of the decoder does not read the step before; and the two that write an answer."""
        source, lengths, _ = self.ports()
        found: dict[str, tuple[Heard, tuple[Port, ...]]] = {"sequence": (self.heard_at, self.ports())} if self._decoding.fused else {}
        return {**found, "begin": (self._begun, (source, lengths)), "next": (self._further, self._next_ports())}

    def heard_at(self, values: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """Logits [target, B, V] of the symbol after each that is read."""
        return {"logits": self.network_(self.batch_of(values))}, None

    @property
    def _decoding(self) -> DecoderHead:
        assert isinstance(self.network_.head, DecoderHead)
        return self.network_.head

    def _begun(self, values: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """What the decoder reads of the sources, and its first state, by the names that `next` has for them."""
        head = self._decoding
        encoded, first = head.begin(*self._encoded(values))
        found = {} if encoded.memory is None else {"values": encoded.memory.values, "keys": encoded.memory.keys}
        if head.decoder_input != "symbol":
            found["summary"] = encoded.summary
        found |= {f"state_out_states_{place}": value for place, value in enumerate(first.states)}
        return found if first.feed is None else {**found, "state_out_feed": first.feed}, None

    def _encoded(self, values: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Any]:
        output, state = self.network_.encode(self.batch_of({**values, "read": values["source"]}))
        return output, values["lengths"], state

    def _next_ports(self) -> tuple[Port, ...]:
        one = torch.ones(1, 1, dtype=torch.int64)
        with torch.no_grad():
            given, _ = self._begun({"source": one, "lengths": one[0]})
        symbol = Port("symbol", ("batch",), "int64", below=len(self.target_symbols_), says="the symbol before: the beginning mark, then what was written")
        more = [Port(name, ("batch", "time", given[name].shape[2]), says="as `begin` gives it") for name in ("values", "keys") if name in given]
        if more:
            more.insert(0, Port("lengths", ("batch",), "int64", counts="time", says="symbols of each source"))
        if "summary" in given:
            more.append(Port("summary", ("batch", given["summary"].shape[1]), says="as `begin` gives it"))
        return (symbol, *more)

    def _further(self, values: Mapping[str, Tensor], state: DecoderState | None = None) -> tuple[dict[str, Tensor], Any]:
        """Logits [B, V] of the next symbol, minus infinity for those that are never written, as in the search; and the next state."""
        head, symbol = self._decoding, values["symbol"]
        memory = None
        if "values" in values:
            valid = torch.arange(values["values"].shape[1], device=symbol.device) < values["lengths"][:, None]
            memory = Memory(values["values"], values["keys"], valid)
        if state is None:
            like, rows = head.output.weight, symbol.shape[0]
            states = tuple(like.new_zeros(head.decoder.num_layers, rows, width) for width in head.bridge.widths)
            state = DecoderState(states, like.new_zeros(rows, head.feed_size) if head.feed_size else None)
        decoded = head.decode(symbol[None], Encoded(memory, values.get("summary", symbol)), state)
        numbers = torch.arange(len(self.target_symbols_), device=symbol.device)
        never = (numbers < END) | (numbers == UNKNOWN)  # padding, the beginning, what is not known
        return {"logits": decoded.logits[0].masked_fill(never, float("-inf"))}, decoded.state

    def outside(self) -> dict[str, str]:
        """Texts to symbols, and the search."""
        steps = "`begin` reads sources once; then `next` is run for each symbol of the answers, with what `begin` gave under the same names, until it gives the end; state_out_X goes in as state_in_X"
        return {"answer": steps, "symbols": "`source_symbols` and `target_symbols` of the tables have numbers from 4 on, in order; 0 is padding, 1 the beginning, 2 the end, 3 what is not known"}
