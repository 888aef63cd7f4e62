"""For torchrun: fits each task's estimator on data made here, with nothing random in training.

    torchrun --nproc-per-node 2 launched.py FOLDER TASK ...

Writes FOLDER/TASK-PROCESSES.json: losses of each validation, and the score on the training data. Where the task takes weights of rows, also after a fit with some.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tenuto.data import Wave
from tenuto.data.series.panel import Panel
from tenuto.files import write_json
from tenuto.tasks import (
    AnomalyDetector,
    AudioClassifier,
    Forecaster,
    LanguageModel,
    Seq2Seq,
    SequenceClassifier,
    SequenceRegressor,
    Spotter,
    Tagger,
    TextClassifier,
    Transcriber,
)
from tenuto.train import current_launch

SAME = {"hidden_size": 8, "num_layers": 1, "batch_size": 6, "epochs": 3, "learning_rate": 0.02}  # of 20 examples: the last batch has 2
READER = {**SAME, "word_size": 6, "character_size": 4, "character_hidden_size": 4, "dropout": 0.0, "word_dropout": 0.0}
SENTENCES = [["play", "jazz"], ["play", "some", "old", "rock"], ["stop"], ["please", "stop", "it"]] * 6
TAGS = [["O", "B-genre"], ["O", "O", "O", "B-genre"], ["O"], ["O", "O", "O"]] * 6


def classify() -> tuple[Any, ...]:
    x = [np.full((3 + i % 4, 1), i % 2 + 0.1 * (i % 3)) for i in range(25)]
    return SequenceClassifier("gru", dropout=0.0, input_noise=0.0, **SAME), x, ["low", "high"] * 12 + ["low"]


def regress() -> tuple[Any, ...]:
    x = [np.full((3 + i % 4, 1), i % 2 + 0.1 * (i % 3)) for i in range(25)]
    return SequenceRegressor("gru", dropout=0.0, input_noise=0.0, **SAME), x, [10.0 * (i % 2) + i % 3 for i in range(25)]


def tag() -> tuple[Any, ...]:
    return Tagger("gru", **READER), SENTENCES, TAGS


def text() -> tuple[Any, ...]:
    return TextClassifier("gru", **READER), SENTENCES, ["play", "play", "stop", "stop"] * 6


def translate() -> tuple[Any, ...]:
    words = [f"{a}{b}" for a in "abcde" for b in "fghij"]
    return Seq2Seq("gru", embedding_size=6, dropout=0.0, **SAME), words, [word[::-1] for word in words]


def language() -> tuple[Any, ...]:
    return LanguageModel("gru", window=5, dropout=0.0, output_dropout=0.0, validation_fraction=0.2, **SAME), "do re mi fa sol la si " * 20, None


def softmax() -> tuple[Any, ...]:
    model = LanguageModel("gru", window=5, dropout=0.0, output_dropout=0.0, cutoffs=(3,), validation_fraction=0.2, **SAME)
    return model, "do re mi fa sol la si " * 20, None


def forecast() -> tuple[Any, ...]:
    rows = [(name, step, step % 3 + 0.1 * ((step * name) % 7)) for name in range(1, 21) for step in range(24)]
    return Forecaster("gru", h=2, season=3, dropout=0.0, **SAME), Panel.from_frame(dict(zip(("unique_id", "ds", "y"), map(list, zip(*rows))))), None


def anomalies() -> tuple[Any, ...]:
    return AnomalyDetector("gru", season=3, dropout=0.0, **SAME), forecast()[1], None


UNCHANGED = {"speed": 0.0, "gain_db": 0.0, "tract": 0.0, "band_masks": 0, "time_masks": 0}


def tones(count: int = 25) -> list[Wave]:
    """Short tones, low and high in turn, of several lengths."""
    return [Wave(np.sin(np.arange(500 + 90 * (i % 4)) * (0.2 + 0.6 * (i % 2) + 0.02 * (i % 5))).astype(np.float32), 8000) for i in range(count)]


def sounds() -> tuple[Any, ...]:
    return AudioClassifier("gru", feature_size=10, halvings=0, dropout=0.0, **UNCHANGED, **SAME), tones(), ["low", "high"] * 12 + ["low"]


def transcribe() -> tuple[Any, ...]:
    longer = [Wave(np.tile(wave.samples, 3), wave.rate) for wave in tones(20)]
    return Transcriber("gru", feature_size=10, dropout=0.0, **UNCHANGED, **SAME), longer, ["lo", "hi"] * 10


def spot() -> tuple[Any, ...]:
    return Spotter("gru", feature_size=10, dropout=0.0, context_s=0.0, noise_db=None, late_s=0.1, consecutive=2, **UNCHANGED, **SAME), tones(), ["beep", "other"] * 12 + ["beep"]


TASKS = {"classify": classify, "regress": regress, "tag": tag, "text": text, "translate": translate, "language": language, "forecast": forecast, "anomalies": anomalies, "sounds": sounds, "transcribe": transcribe, "spot": spot, "softmax": softmax}


def main(folder: Path, names: list[str]) -> None:
    """See the top of the file."""
    for name in names:
        model, x, y = TASKS[name]()
        launch = current_launch()
        model.fit(x, y, checkpoint=folder / f"{name}-{launch.num_processes}")
        found = [*losses(model), [model.score(x, y)]]
        if "sample_weight" in inspect.signature(model.fit).parameters:
            weights = [index % 4 for index in range(len(x))]  # 0 to 3, very different in the two processes
            model.fit(x, y, sample_weight=weights)
            found += [*losses(model), [model.score(x, y, sample_weight=weights)]]
        if launch.is_main_process:
            write_json(folder / f"{name}-{launch.num_processes}.json", found)


def losses(model: Any) -> list[list[float]]:
    """Of each validation."""
    return [[line["train_loss"], line["validation_loss"], line["count"]] for line in model.metrics_]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), sys.argv[2:] or list(TASKS))
