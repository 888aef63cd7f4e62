"""UD English EWT: the part of speech of each word (17 tags) by `Tagger`: words, characters and case, both directions.

The official split: 12,544 sentences for training, 2,001 for validation (dev), 2,077 for testing; gold tokens, no pretrained vectors. Accuracy
is the share of tokens with the right tag. Everything was chosen by the validation part, by which training also keeps its best epoch; the
test part is answered once, at the end. The published tagger reads words alone and was measured on an older version of the data.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tenuto.data import read_tagged_splits
from tenuto.runs.folder import digest_of
from tenuto.tasks import Tagger
from tenuto.train import Observer

NAME = "ud_english_ewt"
TITLE = "UD English EWT: part of speech"
METRICS = {"accuracy": "accuracy of tags", "unknown_accuracy": "of unknown words", "sentence_accuracy": "whole sentence"}
BASELINE = {"what": "each word's most frequent tag", "accuracy": 0.8620, "verified": "m"}
PUBLISHED = [{"what": "biLSTM over words alone (older version)", "accuracy": 0.921, "verified": "2"}]
RECIPE: dict[str, Any] = {"cell": "lstm", "hidden_size": 128, "crf": False, "min_count": 2, "epochs": 6, "learning_rate": 4e-3, "batch_size": 32}


def run(data_folder: Path | str, seed: int, smoke: bool = False, observers: Iterable[Observer] = (), **changed: Any) -> dict[str, Any]:
    """Train with this seed and answer the test part once.

    Args:
        smoke: a few hundred sentences and a tiny network, to see that it runs.
        changed: options of `Tagger` other than the recipe's, for whoever looks for a better one (in validation).
    """
    splits = read_tagged_splits(Path(data_folder) / NAME)
    assert splits.validation is not None and splits.test is not None  # the data set has all three
    digest = digest_of([splits.train.sha256, splits.validation.sha256, splits.test.sha256])
    train, validation, test = splits.train, splits.validation, splits.test
    options = {**RECIPE, **changed}
    if smoke:
        train, validation, test = (part.select(range(200)) for part in (train, validation, test))
        options |= {"hidden_size": 16, "word_size": 16, "epochs": 1}
    started, used = time.perf_counter(), time.process_time()
    model = Tagger(random_state=seed, **options).fit(train, validation=validation, observers=observers)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - used
    held_out, result, evaluation = model.evaluation_["results"]["validation"], model.evaluate(test), model.evaluation_
    return {
        "accuracy": result["accuracy"],
        "unknown_accuracy": result["unknown"]["accuracy"],
        "sentence_accuracy": result["sentence_accuracy"],
        "validation_accuracy": held_out["accuracy"],
        "validation_unknown_accuracy": held_out["unknown"]["accuracy"],
        "unknown_words": evaluation["data"]["test"]["unknown_words"],
        "sentences": {"train": len(train), "validation": len(validation), "test": len(test)},
        "parameters": evaluation["model"]["parameters"],
        "epochs": evaluation["training"]["epochs_run"],
        "best_epoch": evaluation["training"]["best_epoch"],
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "engine": evaluation["engine"]["chosen"],
        "options": options,
        "sha256": digest,
    }
