"""The options of `Seq2Seq`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tenuto.tasks.option import NETWORK, TRAINING, WHERE, option

SYMBOLS, SEARCH = "Symbols", "Search for an answer"


@dataclass(kw_only=True, eq=False, repr=False)
class TranslateOptions:
    """What `tenuto fit translate` and the constructor take."""

    cell: Any = option("lstm", "lstm, gru, rnn, ... (`tenuto show` lists them), or your own: FILE.py:CLASS.", NETWORK, cell=True, first=True)
    decoder_cell: Any = option(None, "The decoder's cell, if it is another one.", NETWORK, cell=True)
    attention: str = option("general", "general, dot, additive, bahdanau or none.", NETWORK)
    input_feeding: bool = option(False, "Each step also reads what the one before attended to.", NETWORK, flag="--input-feeding")
    decoder_input: str = option("symbol", "What a step reads: the symbol before it, the source's summary, or both.", NETWORK)
    tied_embeddings: bool = option(False, "The head's matrix is the target embedding.", NETWORK, flag="--tied-embeddings")
    embedding_size: int = option(64, "Width of a symbol's vector.", NETWORK, search=[32, 64, 128])
    hidden_size: int = option(128, "Units of a decoder layer.", NETWORK, search=[32, 64, 128, 256])
    num_layers: int = option(1, "Layers on top of one another.", NETWORK, search={"low": 1, "high": 2})
    encoder_size: int | None = option(None, "Units of an encoder layer, in each direction; 0: both together as wide as the decoder.", NETWORK, none=0)
    encoder_layers: int | None = option(None, "0: as many as the decoder has.", NETWORK, none=0)
    bidirectional: bool = option(True, "Read each source from both ends, or forward only.", NETWORK, flag="--bidirectional/--forward-only")
    source_unit: str = option("characters", "What a symbol of a source is: characters, words or tokens (lists, in JSON lines).", SYMBOLS)
    target_unit: str = option("characters", "What a symbol of a target is.", SYMBOLS)
    minimum_count: int = option(1, "Symbols seen less often in training are unknown.", SYMBOLS)
    unknown: str = option("error", "An unknown source symbol at prediction: error, or symbol (one of its own).", SYMBOLS)
    symbol_dropout: float = option(0.0, "Rate at which source symbols are read as unknown in training.", SYMBOLS)
    beam_size: int = option(1, "1 for greedy search.", SEARCH)
    length_penalty: float = option(1.0, "0 ranks answers by probability, 1 by its mean over the symbols.", SEARCH)
    max_length: int | None = option(None, "Symbols of an answer; 0 for the longest target of training and 10 more.", SEARCH, none=0)
    dropout: float = option(0.1, "On embeddings, between layers, before the head.", TRAINING, search={"low": 0.0, "high": 0.6, "step": 0.05})
    label_smoothing: float = option(0.0, "Share of a target symbol spread over all.", TRAINING)
    epochs: int = option(30, "At most.", TRAINING)
    max_steps: int | None = option(None, "At most; 0 for as many as the epochs have.", TRAINING, none=0)
    validate_every: int | None = option(None, "So many steps; 0 for at the end of each epoch.", TRAINING, none=0)
    batch_size: int = option(64, "Pairs a step.", TRAINING)
    learning_rate: float = option(3e-3, "The highest of the schedule.", TRAINING, search={"low": 5e-4, "high": 2e-2, "log": True})
    weight_decay: float = option(0.01, "Of AdamW, on matrices.", TRAINING)
    clip_norm: float | None = option(1.0, "Gradients are scaled down to this norm; 0 for never.", TRAINING, none=0)
    schedule: str = option("cosine", "cosine, constant or plateau.", TRAINING)
    average: str | None = option(None, "none, or ema: the moving average of the weights is kept.", TRAINING, none="none")
    patience: int | None = option(None, "Stop after so many epochs without a better one; 0 for never.", TRAINING, none=0)
    time_limit_s: float | None = option(None, "Stop after the epoch in which so many seconds have passed.", TRAINING)
    validation_fraction: float = option(0.1, "Of the distinct sources, held out to stop by, if there is no validation part.", TRAINING)
    random_state: int | None = option(0, "Of the split, the weights, the batches and the dropout.", TRAINING, typed="seed")
    engine: str = option("auto", "Who runs the time loop; auto takes the fastest that can.", WHERE)
    device: str = option("cpu", "cpu, cuda, ...", WHERE, search=False)
