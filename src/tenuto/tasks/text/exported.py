"""What an export asks of a classifier of texts: logits come out."""

from __future__ import annotations

from tenuto.tasks.token_exported import ExportedTokens


class ExportedText(ExportedTokens):
    """See `Exported`."""

    def outside(self) -> dict[str, str]:
        """Classes from logits."""
        return {**super().outside(), "answer": "the class of a row is the one of the largest logit: `classes` of the tables, in order"}
