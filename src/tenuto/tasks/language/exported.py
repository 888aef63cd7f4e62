"""What an export asks of a language model: symbols go in, log-probabilities of the next symbol come out after each."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from tenuto.data.text.streams import Window
from tenuto.data.text.vocabulary import Vocabulary
from tenuto.networks.port import Port
from tenuto.tasks.exported import Exported
from tenuto.tasks.language.steps import LanguageSteps


class ExportedLanguage(LanguageSteps, Exported):
    """See `Exported`."""

    vocabulary_: Vocabulary

    def ports(self) -> tuple[Port, ...]:
        """Symbols and lengths."""
        return (
            Port("symbols", ("time", "batch"), "int64", below=self.vocabulary_.size, says="the number of each symbol"),
            Port("lengths", ("batch",), "int64", counts="time", says="symbols of each row"),
        )

    def batch_of(self, values: Mapping[str, Tensor]) -> Window:
        """A window without targets."""
        return Window(values["symbols"], values["symbols"], None)

    def made_of(self, output: Tensor, lengths: Tensor | None) -> dict[str, Tensor]:
        """Log-probabilities [T, B, V] of the symbol after each."""
        return {"log_probabilities": self.network_.head(output)}

    def outside(self) -> dict[str, str]:
        """Texts to symbols and back."""
        return {"symbols": "a text is cut into symbols, and symbols are put together again, by `vocabulary` of the tables (tenuto.data.text.vocabulary)"}
