"""Token lists with tags, labels, both or neither: read, turned into numbers, and cut into batches."""

from tenuto.data.sentences.sentences import Sentences
from tenuto.data.sentences.words import tokenise

__all__ = ["Sentences", "tokenise"]
