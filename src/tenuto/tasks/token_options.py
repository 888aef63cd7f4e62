"""The options that the tasks over tokens share: how tokens are read, and the network over them."""

from __future__ import annotations

from typing import ClassVar

from tenuto.tasks.estimator_options import EstimatorOptions
from tenuto.tasks.option import NETWORK, READING, REGULARISERS, option, options
from tenuto.tasks.pace import Pace


@options(clip_norm=5.0)
class TokenOptions(EstimatorOptions):
    """What `Tagger` and `TextClassifier` both take, in addition to what every estimator takes."""

    pace: ClassVar[Pace] = Pace(steps=2000, epochs=20, rows=(8, 32))

    bidirectional: bool = option(True, "Read each sentence from both ends, or forward only.", NETWORK, flag="--bidirectional/--forward-only")
    word_size: int = option(100, "Width of a word's vector.", READING, least=0, without="none")
    character_encoder: str = option("recurrent", "How the characters of a word are read: recurrent, convolution or none.", READING)
    character_size: int = option(25, "Width of a character's vector.", READING, least=1)
    character_hidden_size: int = option(32, "Units of the character encoder, in each direction.", READING, least=1)
    character_limit: int = option(24, "Characters of a word that are read, at most; of longer words, both ends.", READING, least=1)
    case_size: int = option(8, "Width of the vector of how a word is written (capitals, digits).", READING, least=0, without="none")
    lowercase: bool = option(True, "Look words up in lower case, or as they stand.", READING, flag="--lowercase/--as-written")
    min_count: int = option(2, "Words seen less often in training are unknown.", READING, least=1)
    vectors: str | None = option(None, "A text file of pretrained word vectors (word2vec, GloVe), as wide as a word's vector.", READING, path=True)
    dropout: float = option(
        0.5, "Dropout rate on the vectors of words, between layers and before the head.", REGULARISERS, least=0, below=1, search={"low": 0.0, "high": 0.6, "step": 0.05}
    )
    recurrent_dropout: float = option(0.0, "Dropout rate on the state, with one mask for each sentence.", REGULARISERS, least=0, below=1)
    word_dropout: float = option(
        0.25, "The number a: in training, a word seen n times is read as unknown with probability a / (n + a).", REGULARISERS, least=0, search={"low": 0.0, "high": 0.5, "step": 0.05}
    )
