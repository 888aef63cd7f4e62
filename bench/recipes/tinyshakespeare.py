"""tinyshakespeare with nanoGPT's small budget: 2,000 steps of 12 × 64 characters, at most 400,000 weights.

The model sees the first 90 % of the text; the last 10 % is read once, at the end: with the state carried over the whole of it, and in windows of
256 characters from a zero state, which is how models without a state are measured. nanoGPT's number is the mean over windows of 64.

A fiftieth of what the model may see is held out to choose what is kept. It lies in the middle, because the last tenth goes on in the play where
the first nine stop: held out from their end, it would take that play's names with it (measured: 0.09 nats of the test's loss).
"""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenuto.tasks import LanguageModel

NAME = "tinyshakespeare"
TITLE = "tinyshakespeare, 2,000 steps of 12 × 64 characters: last 10 %"
METRICS = {"carried": "nats a character, state carried", "windows": "nats a character, windows of 256 from zero", "windows_64": "the same, windows of 64"}
BASELINE = {"what": "bigram", "carried": 2.48, "verified": "m"}
PUBLISHED = [{"what": "nanoGPT, 4 layers of 128, context 64", "windows_64": 1.88, "verified": "r"}]
RECIPE: dict[str, Any] = {
    "cell": "lstm",
    "hidden_size": 256,
    "num_layers": 1,
    "embedding_size": 64,
    "output_dropout": 0.0,
    "forget_bias": 0.0,
    "window": 64,
    "batch_size": 12,
    "max_steps": 2000,
    "epochs": 10,
    "learning_rate": 1e-2,
    "weight_decay": 0.0,
    "warmup_steps": 100,
}


@dataclass(frozen=True)
class Parts:
    """The text in three parts, and the digest of all of it."""

    training: str
    validation: str
    test: str
    sha256: str


def parts(path: Path) -> Parts:
    """The last tenth to test, a fiftieth from the middle of the rest to validate, and what stands before and after that to train."""
    text = path.read_text(encoding="utf-8")
    cut = int(0.9 * len(text))
    begin, end = cut // 2 - cut // 100, cut // 2 + cut // 100
    return Parts(text[:begin] + text[end:cut], text[begin:end], text[cut:], hashlib.sha256(text.encode()).hexdigest())


def measured(model: LanguageModel, test: str, processor_seconds: float) -> dict[str, Any]:
    """The result of a fitted model."""
    result = model.evaluate(test, windows=(256, 64))
    wide, narrow = result["windows"]
    training_facts, evaluation = model.evaluation_["training"], model.evaluation_
    return {
        "carried": result["nats_per_character"],
        "windows": wide["nats_per_character"],
        "windows_64": narrow["nats_per_character"],
        "bits_per_character": result["nats_per_character"] / math.log(2),
        "validation": evaluation["results"]["validation"]["nats_per_character"],
        "train": [line["train_loss"] for line in model.metrics_],
        "parameters": evaluation["model"]["parameters"],
        "seconds": training_facts["seconds"],
        "processor_seconds": processor_seconds,
        "steps": training_facts["steps"],
        "best_epoch": training_facts["best_epoch"],
        "engine": evaluation["engine"]["chosen"],
        "options": training_facts["options"],
        "sample": model.generate("ROMEO:\n", length=300, temperature=0.8),
    }


def run(data: Path, seed: int, smoke: bool = False) -> dict[str, Any]:
    """One run."""
    text = parts(data / "tinyshakespeare" / "input.txt")
    changes = {"max_steps": 2} if smoke else {}
    model = LanguageModel(**{**RECIPE, **changes}, random_state=seed)
    started = time.process_time()
    model.fit(text.training, validation=text.validation)
    return {**measured(model, text.test[:2000] if smoke else text.test, time.process_time() - started), "sha256": text.sha256}
