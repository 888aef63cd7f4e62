"""The options of `LanguageModel`."""

from __future__ import annotations

from typing import ClassVar

from tenuto.tasks.estimator_options import EstimatorOptions
from tenuto.tasks.option import NETWORK, REGULARISERS, TRAINING, option, options
from tenuto.tasks.pace import Pace

SYMBOLS = "What is a symbol"


@options(warmup_steps=100, average=None)
class LanguageOptions(EstimatorOptions):
    """The options of every estimator, and those of `LanguageModel`."""

    pace: ClassVar[Pace] = Pace(steps=2000, epochs=10, rows=(8, 32))

    hidden_size: int = option(256, "Units in each layer.", NETWORK, least=1, search=[128, 256, 512])
    num_layers: int = option(2, "Number of layers, each on top of the one before.", NETWORK, least=1, search={"low": 1, "high": 2})
    embedding_size: int | None = option(None, "Width of a symbol's vector.", NETWORK, least=1, none=0, without="as many as a layer has units")
    tied: bool = option(False, "Predict the next symbol with the embedding's matrix, or with a separate one.", NETWORK, flag="--tied/--untied")
    cutoffs: tuple[int, ...] = option((), "Adaptive softmax for large vocabularies: where its clusters end, for example 2000,10000.", NETWORK, least=1)
    residual: bool = option(False, "Add each layer's input to its output.", NETWORK, flag="--residual/--no-residual")
    layer_norm: bool = option(False, "Normalise what each layer but the first reads.", NETWORK, flag="--layer-norm/--no-layer-norm")
    units: str = option("characters", "What a symbol is: characters, bytes or bpe (byte pairs, learnt from the text; needs tenuto[text]).", SYMBOLS)
    vocabulary_size: int = option(4096, "Number of byte pairs, at most.", SYMBOLS, least=1)
    unknown: str = option("symbol", "What a character that training has not seen becomes: one symbol for all such characters, or an error.", SYMBOLS, metavar="symbol|error")
    minimum_count: int = option(1, "Characters seen less often in training are unknown.", SYMBOLS, least=1)
    embedding_dropout: float = option(0.0, "Rate at which whole symbols of the vocabulary are dropped.", REGULARISERS, least=0, below=1)
    input_dropout: float = option(0.0, "Dropout rate on the embedded input.", REGULARISERS, least=0, below=1)
    dropout: float = option(0.2, "Dropout rate between layers.", REGULARISERS, least=0, below=1, search={"low": 0.0, "high": 0.6, "step": 0.05})
    output_dropout: float = option(0.2, "Dropout rate on the output.", REGULARISERS, least=0, below=1)
    dropout_kind: str = option("variational", "For dropout on the input, between layers and on the output: one mask for each window (variational), or for each step.", REGULARISERS, metavar="variational|step")
    weight_dropout: float = option(0.0, "Dropout rate on recurrent weights (DropConnect).", REGULARISERS, least=0, below=1)
    zoneout: float = option(0.0, "Rate at which states stay as they were (zoneout).", REGULARISERS, least=0, below=1)
    activation_decay: float = option(0.0, "Activation regularisation (AR): weight of the mean square of the output.", REGULARISERS, least=0)
    change_decay: float = option(0.0, "Temporal activation regularisation (TAR): weight of the mean square of the output's change from step to step.", REGULARISERS, least=0)
    sampling: str = option("stream", "stream: the state goes on from window to window; windows: each begins anywhere in the text, from a zero state.", TRAINING)
    window: int = option(64, "Time steps over which gradients go back.", TRAINING, least=1)
    batch_size: int | None = option(None, "Rows of the text read side by side.", TRAINING, least=1, none=-1, without="as many as suit the length of the text")
    jitter: bool = option(False, "Windows of random lengths.", TRAINING, flag="--jitter/--no-jitter")
    validation_fraction: float = option(0.05, "The end of the text, held out to choose the best weights, if there is no validation text.", TRAINING, above=0, below=1)
