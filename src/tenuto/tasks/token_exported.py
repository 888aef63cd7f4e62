"""What an export asks of a model that reads tokens: numbers of words, characters and cases go in."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tenuto.data.sentences.batches import CASES, TokenBatch, TokenCoder
from tenuto.networks.embedding import TokenEmbedding
from tenuto.networks.port import Port
from tenuto.tasks.exported import Exported


class ExportedTokens(Exported):
    """See `Exported`."""

    coder_: TokenCoder

    @property
    def _front(self) -> TokenEmbedding:
        assert isinstance(self.network_.front, TokenEmbedding)
        return self.network_.front

    def ports(self) -> tuple[Port, ...]:
        """What the front looks at of each token, and lengths."""
        front, over, found = self._front, ("time", "batch"), list[Port]()
        if front.word is not None:
            found.append(Port("words", over, "int64", below=len(self.coder_.words), says="the number of each word"))
        if len(front.ngrams):
            fewest = min(len(known) for known in self.coder_.ngrams)
            found.append(Port("ngrams", (len(front.ngrams), *over), "int64", below=fewest, says="the numbers of the two, three, ... tokens at each place"))
        if front.case is not None:
            found.append(Port("cases", over, "int64", below=len(CASES), says="how each token is written"))
        if front.character is not None:
            found += [
                Port("types", over, "int64", below="types", says="which column of characters each token has"),
                Port("characters", ("characters", "types"), "int64", below=len(self.coder_.characters), says="the numbers of the characters of each distinct token"),
                Port("character_lengths", ("types",), "int64", counts="characters", says="how many characters each distinct token has"),
            ]
        return (*found, Port("lengths", ("batch",), "int64", counts="time", says="tokens of each row"))

    def batch_of(self, values: Mapping[str, Tensor]) -> TokenBatch:
        """The batch; what the front does not look at is zeros."""
        like = next(value for name, value in values.items() if name in ("words", "cases", "types"))
        none = torch.zeros_like(like)
        one = torch.ones(1, dtype=torch.int64, device=like.device)
        usual = {"words": none, "cases": none, "types": none, "characters": one[None], "character_lengths": one, "ngrams": none[None]}
        return TokenBatch(**{**usual, **values}, indices=None)  # type: ignore[arg-type]

    def outside(self) -> dict[str, str]:
        """Tokens to numbers."""
        reads = "`words`, `characters` and `ngrams` of the tables have numbers from 2 on, in order; 0 is padding, 1 is what is not known"
        lower = "; words are looked up in lower case" if self.coder_.lowercase else ""
        cases = "how a token is written is a place in: " + ", ".join(CASES)
        cut = f"of a word with more than {self.coder_.character_limit} characters, the first and the last half of that many are read"
        return {"tokens": "texts are cut into tokens as tenuto.data.tokenise does", "numbers": reads + lower, "cases": cases, "characters": cut}
