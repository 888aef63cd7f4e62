"""Token lists with tags, labels, both or neither: read, coded, batched."""

from tenuto.data.sentences.sentences import Sentences, tokenise

__all__ = ["Sentences", "tokenise"]
