"""What an export asks of a tagger: a score for each tag of each token comes out, and the links between tags where there is a CRF."""

from __future__ import annotations

from torch import Tensor

from tenuto.tasks.stepped import Ahead
from tenuto.tasks.tag.network import TaggerHead
from tenuto.tasks.token_exported import ExportedTokens


class ExportedTagger(ExportedTokens):
    """See `Exported`."""

    @property
    def _tagging(self) -> TaggerHead:
        assert isinstance(self.network_.head, TaggerHead)
        return self.network_.head

    def looks_ahead(self) -> Ahead | None:
        """A label belongs to a whole sentence."""
        whole = Ahead("the label of a sentence beside its tags is pooled over all of it", "train without labels") if self._tagging.label is not None else None
        return super().looks_ahead() or whole

    def made_of(self, output: Tensor, lengths: Tensor | None) -> dict[str, Tensor]:
        """Scores of tags, of labels where sentences have them, and of the tags' order where they are chosen together."""
        assert lengths is not None
        head = self._tagging
        scores = head(output, lengths)
        found = {"tags": scores.tags}
        if scores.labels is not None:
            found["labels"] = scores.labels
        if head.crf is not None:
            found |= {"first_tag": head.crf.start.clone(), "next_tag": head.crf.transitions.clone(), "last_tag": head.crf.end.clone()}
        return found

    def outside(self) -> dict[str, str]:
        """Tags from scores."""
        together = (
            "the tags of a row are those with the highest sum of `tags` (one a step), `first_tag`, `next_tag` (from row to column) and `last_tag` (Viterbi); the runner does it"
            if self._tagging.crf is not None else "the tag of a token is the one of the highest score: `tags` of the tables, in order"
        )  # fmt: skip
        return {**super().outside(), "answer": together}
