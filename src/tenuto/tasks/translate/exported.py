"""What an export asks of a translator: sources and the symbols of answers go in, logits of the symbol after each come out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from tenuto.data.pairs.batches import PairBatch
from tenuto.data.pairs.symbols import Symbols
from tenuto.networks.port import Port
from tenuto.tasks.exported import Exported


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

    def looks_ahead(self) -> str | None:
        """A source is read whole."""
        return "a source is read whole before the first symbol of its answer"

    def heard_at(self, values: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """Logits [target, B, V] of the symbol after each that is read."""
        return {"logits": self.network_(self.batch_of(values))}, None

    def outside(self) -> dict[str, str]:
        """Texts to symbols, and the search."""
        return {"symbols": "`source` and `target` of the tables have numbers from 4 on, in order; 0 is padding, 1 the beginning, 2 the end, 3 what is not known"}
