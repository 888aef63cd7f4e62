"""The options of `LanguageModel`."""

from __future__ import annotations

from tenuto.tasks.estimator_options import EstimatorOptions
from tenuto.tasks.option import NETWORK, REGULARISERS, TRAINING, option, options

SYMBOLS = "What is a symbol"


@options(epochs=10, warmup_steps=100)
class LanguageOptions(EstimatorOptions):
    """Those of every estimator, and its own."""

    hidden_size: int = option(256, "Units of a layer.", NETWORK, least=1, search=[128, 256, 512])
    num_layers: int = option(2, "Layers on top of one another.", NETWORK, least=1, search={"low": 1, "high": 2})
    embedding_size: int | None = option(None, "Width of a symbol's vector.", NETWORK, least=1, none=0, without="as many as a layer has units")
    tied: bool = option(False, "Read the next symbol off with the embedding's matrix, or with one of its own.", NETWORK, flag="--tied/--untied")
    cutoffs: tuple[int, ...] = option((), "Adaptive softmax for large vocabularies: where its clusters end, for example 2000,10000.", NETWORK)
    residual: bool = option(False, "Add each layer's input to its output.", NETWORK, flag="--residual/--no-residual")
    layer_norm: bool = option(False, "Normalise what each layer but the first reads.", NETWORK, flag="--layer-norm/--no-layer-norm")
    forget_bias: float = option(1.0, "What the bias of a forget gate starts at: 1 remembers long from the beginning, 0 learns faster in a short run.", NETWORK)
    units: str = option("characters", "characters, bytes or bpe (byte pairs, learnt from the text; needs tenuto\\[text]).", SYMBOLS)
    vocabulary_size: int = option(4096, "Byte pairs, at most.", SYMBOLS)
    unknown: str = option("error", "What a character that training has not seen is: an error, or a symbol of its own.", SYMBOLS, metavar="error|symbol")
    minimum_count: int = option(1, "Rarer characters are unknown.", SYMBOLS)
    embedding_dropout: float = option(0.0, "Whole symbols of the vocabulary.", REGULARISERS)
    input_dropout: float = option(0.0, "On the embedded input.", REGULARISERS)
    dropout: float = option(0.2, "Between layers.", REGULARISERS, search={"low": 0.0, "high": 0.6, "step": 0.05})
    output_dropout: float = option(0.2, "On the output.", REGULARISERS)
    dropout_kind: str = option("variational", "Of these three: one mask a window (variational), or a step.", REGULARISERS, metavar="variational|step")
    weight_dropout: float = option(0.0, "On recurrent weights (DropConnect).", REGULARISERS)
    zoneout: float = option(0.0, "States that stay as they were.", REGULARISERS)
    activation_decay: float = option(0.0, "AR: weight of the mean square of the output.", REGULARISERS, least=0)
    change_decay: float = option(0.0, "TAR: weight of the mean square of its change from step to step.", REGULARISERS, least=0)
    sampling: str = option("stream", "stream: the state goes on from window to window; windows: each from anywhere and a zero state.", TRAINING)
    window: int = option(64, "Steps that gradients go back.", TRAINING, least=1)
    batch_size: int = option(32, "Rows of the text read side by side.", TRAINING, least=1)
    jitter: bool = option(False, "Windows of random lengths.", TRAINING, flag="--jitter/--no-jitter")
    validation_fraction: float = option(0.05, "The end of the text, held out to choose what is kept, if there is no validation text.", TRAINING)
