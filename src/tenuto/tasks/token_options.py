"""The options that the tasks over tokens share: how tokens are read, the network over them, and its training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tenuto.tasks.option import NETWORK, READING, TRAINING, WHERE, option


@dataclass(kw_only=True, eq=False, repr=False)
class TokenOptions:
    """What `Tagger` and `TextClassifier` both take."""

    cell: Any = option("lstm", "lstm, gru, rnn, ... (`tenuto show` lists them), or your own: FILE.py:CLASS.", NETWORK, cell=True, first=True)
    hidden_size: int = option(128, "Units of a layer, in each direction.", NETWORK, search=[32, 64, 128, 256])
    num_layers: int = option(1, "Layers on top of one another.", NETWORK)
    bidirectional: bool = option(True, "Read each sentence from both ends, or forward only.", NETWORK, flag="--bidirectional/--forward-only")
    word_size: int = option(100, "Width of a word's vector; 0 for none.", READING)
    character_encoder: str = option("recurrent", "recurrent, convolution or none.", READING)
    character_size: int = option(25, "Width of a character's vector.", READING)
    character_hidden_size: int = option(32, "Units of the character encoder, in each direction.", READING)
    character_limit: int = option(24, "Of longer words only both ends are read.", READING)
    case_size: int = option(8, "Width of the vector of how a word is written (capitals, digits); 0 for none.", READING)
    lowercase: bool = option(True, "Look words up in lower case, or as they stand.", READING, flag="--lowercase/--as-written")
    min_count: int = option(1, "Words seen less often in training are unknown.", READING)
    vectors: str | None = option(None, "A text file of pretrained word vectors (word2vec, GloVe), --word-size wide.", READING, path=True)
    dropout: float = option(0.5, "On vectors of words, between layers, before the heads.", TRAINING, search={"low": 0.0, "high": 0.6, "step": 0.05})
    recurrent_dropout: float = option(0.0, "On the state, one mask a sentence.", TRAINING)
    word_dropout: float = option(0.25, "A word seen n times is read as unknown with probability a / (n + a).", TRAINING, search={"low": 0.0, "high": 0.5, "step": 0.05})
    epochs: int = option(20, "At most.", TRAINING)
    batch_size: int = option(32, "Sentences a step.", TRAINING)
    learning_rate: float = option(3e-3, "The highest of the schedule.", TRAINING, search={"low": 5e-4, "high": 2e-2, "log": True})
    weight_decay: float = option(0.01, "Of AdamW, on matrices.", TRAINING)
    clip_norm: float | None = option(5.0, "Gradients are scaled down to this norm; 0 for never.", TRAINING, none=0)
    schedule: str = option("cosine", "cosine, constant or plateau.", TRAINING)
    select_by: str = option("validation_loss", "Which epoch's weights are kept: the best by this number of metrics.jsonl, for example validation_accuracy.", TRAINING)
    patience: int | None = option(None, "Stop after so many epochs without a better one; 0 for never.", TRAINING, none=0)
    time_limit_s: float | None = option(None, "Stop after the epoch in which so many seconds have passed.", TRAINING)
    validation_fraction: float = option(0.1, "Held out to stop by, if there is no validation part.", TRAINING)
    random_state: int | None = option(0, "Of the split, the weights, the batches and the dropout.", TRAINING, typed="seed")
    engine: str = option("auto", "Who runs the time loop; auto takes the fastest that can.", WHERE)
    device: str = option("cpu", "cpu, cuda, ...", WHERE, search=False)
