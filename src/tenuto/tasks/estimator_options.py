"""The options that every estimator has: the cell, the size of its layers, the training loop, and where it runs."""

from __future__ import annotations

from typing import Any, ClassVar

from tenuto.tasks.option import NETWORK, TRAINING, TRAINING_IN_DETAIL, WHERE, option, options
from tenuto.tasks.pace import Pace


@options()
class EstimatorOptions:
    """What every task's constructor takes, all of `tenuto.train.TrainingOptions` included."""

    pace: ClassVar[Pace] = Pace(steps=1000, epochs=20, rows=(8, 32))  # where `epochs` and `batch_size` are left open

    cell: Any = option(
        "lstm",
        "lstm, gru, rnn, layer-norm-lstm, ... (`tenuto show` lists them), or your own: FILE.py:CLASS.",
        NETWORK,
        cell=True,
        kw_only=False,
    )
    encoder: str = option(
        "recurrent",
        "What reads the sequence: recurrent; a cell's name, which is recurrent layers of it; recurrent layers with a way past each (pre-norm, residual, highway, dense), for many layers; "
        "transformer; hybrid (recurrent layers with local attention between them); a memory outside the state: ntm, dnc, fast-weights.",
        NETWORK,
    )
    hidden_size: int = option(128, "Units in each layer, in each direction.", NETWORK, least=1, search=[32, 64, 128, 256])
    num_layers: int = option(1, "Number of layers, each on top of the one before.", NETWORK, least=1)

    recurrent_start: str = option("orthogonal", "How recurrent weights start: orthogonal, identity (for relu), glorot, uniform or normal.", NETWORK)
    forget_bias: float = option(1.0, "The bias of a forget gate before training: 1 remembers long from the beginning, 0 learns faster in a short run.", NETWORK)
    longest: int | None = option(
        None, "Chrono start: the biases of gates that forget and write, drawn so that the memory reaches up to so many steps.", NETWORK, least=3, none=0, without="the forget bias alone"
    )

    epochs: int | None = option(None, "Passes over the training data, at most.", TRAINING, least=1, none=-1, without="as many as the amount of data needs")
    batch_size: int | None = option(None, "Sequences in each step.", TRAINING, least=1, none=-1, without="as many as suit the amount of data")
    learning_rate: float = option(3e-3, "The learning rate; the highest value that the schedule reaches.", TRAINING, search={"low": 5e-4, "high": 2e-2, "log": True})
    schedule: str = option("cosine", "How the learning rate changes: cosine, constant, plateau or nt-asgd.", TRAINING)
    clip_norm: float | None = option(1.0, "Scale gradients down to this norm.", TRAINING, none=0, without="never")
    select_by: str = option(
        "validation_loss", "The measure by which the best weights are chosen, as in metrics.jsonl: validation_accuracy, ...", TRAINING
    )
    patience: int | None = option(None, "Stop after this many validations without a better one.", TRAINING, none=0, without="never")
    time_limit_s: float | None = option(None, "Stop at the first validation after this many seconds.", TRAINING)
    validation_fraction: float = option(
        0.1, "Share of the data that is held out to choose the best weights, if there is no validation part.", TRAINING, above=0, below=1
    )
    random_state: int | Any | None = option(  # or a random generator of numpy's
        0, "Seed of the split, the weights, the batches and the noise.", TRAINING, typed="seed", least=0, drawn=True
    )

    max_steps: int | None = option(None, "Steps, at most.", TRAINING_IN_DETAIL, none=0, without="as many as the epochs have")
    validate_every: int | None = option(
        None, "Steps between two validations.", TRAINING_IN_DETAIL, none=0, without="one at the end of each epoch"
    )
    warmup_steps: int = option(20, "Steps over which the learning rate rises from zero.", TRAINING_IN_DETAIL)
    final_factor: float = option(0.0, "Cosine: the share of the learning rate that is left at the end.", TRAINING_IN_DETAIL)
    plateau_factor: float = option(0.5, "Plateau: what the learning rate is multiplied by when the loss stops falling.", TRAINING_IN_DETAIL)
    plateau_patience: int = option(5, "Plateau: validations without a lower loss before that happens.", TRAINING_IN_DETAIL)
    trigger_patience: int = option(5, "nt-asgd: validations without a lower loss before weights are averaged.", TRAINING_IN_DETAIL)
    optimizer: str = option("adamw", "The optimiser: adamw, adam or sgd.", TRAINING_IN_DETAIL)
    betas: tuple[float, ...] = option(
        (0.9, 0.999), "adam and adamw: decay rates of the averages of the gradient and of its square.", TRAINING_IN_DETAIL, search=False
    )
    momentum: float = option(0.0, "sgd: its momentum.", TRAINING_IN_DETAIL)
    weight_decay: float | None = option(None, "Weight decay on matrices; by default 0.01 with adamw, none with the others.", TRAINING_IN_DETAIL)
    clip_value: float | None = option(
        None, "Cut each component of a gradient to this size, before the norm is clipped.", TRAINING_IN_DETAIL, none=0, without="never"
    )
    clip_each: float | None = option(None, "Scale the gradient of each weight alone down to this norm, before all of them.", TRAINING_IN_DETAIL, none=0, without="never")
    clip_ratio: float | None = option(
        None, "Scale each row of a gradient down to this share of the norm of its weights (adaptive clipping: 0.01).", TRAINING_IN_DETAIL, none=0, without="never"
    )
    spectral_bound: float | None = option(
        None, "After each step, scale recurrent matrices down to this largest singular value.", TRAINING_IN_DETAIL, none=0, without="never"
    )
    accumulate: int = option(1, "Batches whose gradients make one step.", TRAINING_IN_DETAIL)
    average: str | None = option(
        "auto",
        "ema: validate and keep an exponential average of the weights. auto: so, except with nt-asgd, which averages by itself.",
        TRAINING_IN_DETAIL,
        none="none",
        without="the weights themselves",
    )
    ema_decay: float = option(0.99, "Decay rate of that average.", TRAINING_IN_DETAIL)
    precision: str = option("float32", "The type of numbers in matrix products: float32, bfloat16 or float16.", TRAINING_IN_DETAIL)
    non_finite: str = option(
        "stop",
        "What happens when a loss or gradient is NaN or infinite: stop, or skip (the step is left out and counted).",
        TRAINING_IN_DETAIL,
    )

    engine: str = option("auto", "The engine that runs the time loop; auto takes the fastest that can.", WHERE)
    device: str = option("cpu", "Where to train: cpu, cuda, ...", WHERE, search=False)
