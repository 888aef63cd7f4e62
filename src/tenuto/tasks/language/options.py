"""The options of `LanguageModel`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tenuto.tasks.option import NETWORK, TRAINING, WHERE, option

SYMBOLS, REGULARISERS = "What is a symbol", "Regularisers"


@dataclass(kw_only=True, eq=False, repr=False)
class LanguageOptions:
    """What `tenuto fit language` and the constructor take."""

    units: str = option("characters", "characters, bytes or bpe (byte pairs, learnt from the text; needs tenuto\\[text]).", SYMBOLS)
    vocabulary_size: int = option(4096, "Byte pairs, at most.", SYMBOLS)
    unknown: str = option("error", "What a character that training has not seen is: an error, or a symbol of its own.", SYMBOLS, metavar="error|symbol")
    minimum_count: int = option(1, "Rarer characters are unknown.", SYMBOLS)
    cell: Any = option("lstm", "lstm, gru, rnn, ... (`tenuto show` lists them), or your own: FILE.py:CLASS.", NETWORK, cell=True, first=True)
    hidden_size: int = option(256, "Units of a layer.", NETWORK, search=[128, 256, 512])
    num_layers: int = option(2, "Layers on top of one another.", NETWORK, search={"low": 1, "high": 2})
    embedding_size: int | None = option(None, "Width of a symbol's vector; 0 for --hidden-size.", NETWORK, none=0)
    tied: bool = option(False, "Read the next symbol off with the embedding's matrix, or with one of its own.", NETWORK, flag="--tied/--untied")
    cutoffs: tuple[int, ...] = option((), "Adaptive softmax for large vocabularies: where its clusters end, for example 2000,10000.", NETWORK)
    residual: bool = option(False, "Add each layer's input to its output.", NETWORK, flag="--residual/--no-residual")
    layer_norm: bool = option(False, "Normalise what each layer but the first reads.", NETWORK, flag="--layer-norm/--no-layer-norm")
    embedding_dropout: float = option(0.0, "Whole symbols of the vocabulary.", REGULARISERS)
    input_dropout: float = option(0.0, "On the embedded input.", REGULARISERS)
    dropout: float = option(0.2, "Between layers.", REGULARISERS, search={"low": 0.0, "high": 0.6, "step": 0.05})
    output_dropout: float = option(0.2, "On the output.", REGULARISERS)
    dropout_kind: str = option("variational", "Of these three: one mask a window (variational), or a step.", REGULARISERS, metavar="variational|step")
    weight_dropout: float = option(0.0, "On recurrent weights (DropConnect).", REGULARISERS)
    forget_bias: float = option(1.0, "What the bias of a forget gate starts at: 1 remembers long from the beginning, 0 learns faster in a short run.", NETWORK)
    zoneout: float = option(0.0, "States that stay as they were.", REGULARISERS)
    activation_decay: float = option(0.0, "AR: weight of the mean square of the output.", REGULARISERS)
    change_decay: float = option(0.0, "TAR: weight of the mean square of its change from step to step.", REGULARISERS)
    sampling: str = option("stream", "stream: the state goes on from window to window; windows: each from anywhere and a zero state.", TRAINING)
    window: int = option(64, "Steps that gradients go back.", TRAINING)
    batch_size: int = option(32, "Rows of the text read side by side.", TRAINING)
    jitter: bool = option(False, "Windows of random lengths.", TRAINING, flag="--jitter/--no-jitter")
    epochs: int = option(10, "At most.", TRAINING)
    max_steps: int | None = option(None, "At most; 0 for as many as the epochs have.", TRAINING, none=0)
    validate_every: int | None = option(None, "So many steps; 0 for at the end of each epoch.", TRAINING, none=0)
    optimizer: str = option("adamw", "adamw, adam or sgd.", TRAINING)
    learning_rate: float = option(3e-3, "The highest of the schedule.", TRAINING, search={"low": 5e-4, "high": 2e-2, "log": True})
    weight_decay: float | None = option(None, "On matrices; by default 0.01 with adamw, none with the others.", TRAINING)
    clip_norm: float | None = option(1.0, "Gradients are scaled down to this norm; 0 for never.", TRAINING, none=0)
    schedule: str = option("cosine", "cosine, constant, plateau or nt-asgd.", TRAINING)
    warmup_steps: int = option(100, "Over which the learning rate rises.", TRAINING)
    trigger_patience: int = option(5, "Of nt-asgd: validations without a lower loss before weights are averaged.", TRAINING)
    average: str | None = option(None, "none, or ema: keep an exponential average of the weights.", TRAINING, none="none")
    ema_decay: float = option(0.999, "Of that average.", TRAINING)
    accumulate: int = option(1, "Windows whose gradients make one step.", TRAINING)
    precision: str = option("float32", "float32, bfloat16 or float16.", TRAINING)
    patience: int | None = option(None, "Stop after so many validations without a lower loss; 0 for never.", TRAINING, none=0)
    time_limit_s: float | None = option(None, "Stop after the validation by which so many seconds have passed.", TRAINING)
    validation_fraction: float = option(0.05, "The end of the text, held out to choose what is kept, if there is no validation text.", TRAINING)
    random_state: int | None = option(0, "Of the weights, the masks and the windows.", TRAINING, typed="seed")
    engine: str = option("auto", "Who runs the time loop; auto takes the fastest that can.", WHERE)
    device: str = option("cpu", "cpu, cuda, ...", WHERE, search=False)
