"""The options of `Seq2Seq`."""

from __future__ import annotations

from typing import Any, ClassVar

from tenuto.tasks.estimator_options import EstimatorOptions
from tenuto.tasks.option import NETWORK, REGULARISERS, TRAINING, option, options
from tenuto.tasks.pace import Pace

SYMBOLS, SEARCH = "Symbols", "Search for an answer"


@options(learning_rate=2e-3)
class TranslateOptions(EstimatorOptions):
    """The options of every estimator, and those of `Seq2Seq`."""

    pace: ClassVar[Pace] = Pace(steps=4000, epochs=15, rows=(16, 64))

    decoder_cell: Any = option(None, "The decoder's cell, if it is not the encoder's.", NETWORK, cell=True)
    attention: str = option("general", "How the decoder attends to the source: general, dot, additive, bahdanau or none.", NETWORK)
    input_feeding: bool = option(False, "Each decoder step also reads what the step before attended to.", NETWORK, flag="--input-feeding")
    decoder_input: str = option("symbol", "What a decoder step reads: symbol (the one before it), summary (of the source), or both.", NETWORK)
    tied_embeddings: bool = option(False, "Use the target embedding as the matrix of the last linear map.", NETWORK, flag="--tied-embeddings")
    embedding_size: int = option(64, "Width of a symbol's vector.", NETWORK, least=1, search=[32, 64, 128])
    hidden_size: int = option(256, "Units in each decoder layer.", NETWORK, least=1, search=[32, 64, 128, 256])
    num_layers: int = option(1, "Number of layers, each on top of the one before.", NETWORK, least=1, search={"low": 1, "high": 2})
    encoder_size: int | None = option(
        None, "Units in each encoder layer, in each direction.", NETWORK, least=1, none=0, without="both together as wide as the decoder"
    )
    encoder_layers: int | None = option(None, "Number of layers of the encoder.", NETWORK, least=1, none=0, without="as many as the decoder has")
    bidirectional: bool = option(True, "Read each source from both ends, or forward only.", NETWORK, flag="--bidirectional/--forward-only")
    source_unit: str = option("auto", "What a symbol of a source is: characters, words, tokens (lists, in JSON lines), or auto: words if they are few and come again and again.", SYMBOLS)
    target_unit: str = option("auto", "What a symbol of a target is, in the same words.", SYMBOLS)
    minimum_count: int = option(1, "Symbols seen less often in training are unknown.", SYMBOLS, least=1)
    unknown: str = option("error", "What becomes of a source symbol that training has not seen: error, or symbol (one for all of them).", SYMBOLS, answering=True)
    beam_size: int = option(5, "Answers that the search keeps at each step; 1 is greedy search.", SEARCH, least=1, answering=True)
    length_penalty: float = option(1.0, "0 ranks answers by log-probability, 1 by its mean over the symbols.", SEARCH, least=0, answering=True)
    max_length: int | None = option(None, "Symbols of an answer, at most.", SEARCH, least=1, none=0, without="the longest target of training and 10 more")
    dropout: float = option(
        0.3, "Dropout rate on embeddings, between layers and before the head.", REGULARISERS, least=0, below=1, search={"low": 0.0, "high": 0.6, "step": 0.05}
    )
    label_smoothing: float = option(0.1, "Share of the target that is spread over all symbols.", REGULARISERS, least=0, below=1)
    symbol_dropout: float = option(0.0, "Rate at which source symbols are read as unknown in training.", REGULARISERS, least=0, below=1)
    validation_fraction: float = option(0.1, "Share of the distinct sources that is held out to choose the best weights, if there is no validation part.", TRAINING, above=0, below=1)
