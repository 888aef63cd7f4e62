"""Snips: the slots of a spoken command and its intent, learnt together by `Tagger` (words, characters, case, linear-chain CRF).

The split of Goo et al. 2018: 13,084 commands for training, 700 for validation, 700 for testing; 72 tags in IOB, 7 intents. Slot F1 counts a
slot as right when its first word, its last word and its kind are, as the CoNLL script does; whole sentence: every tag and the intent
right. No pretrained vectors. Everything was chosen by the validation part, by which training also keeps its best epoch; the test part is
answered once, at the end.
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

NAME = "snips"
TITLE = "Snips: slots and intent"
METRICS = {"slot_f1": "slot F1", "intent_accuracy": "intent accuracy", "sentence_accuracy": "whole sentence"}
BASELINE = {"what": "each word's most frequent tag", "slot_f1": 0.4977, "verified": "m"}
PUBLISHED = [
    {"what": "RNN-LSTM", "slot_f1": 0.873, "intent_accuracy": 0.969, "sentence_accuracy": 0.732, "verified": "2"},
    {"what": "attention BiRNN", "slot_f1": 0.878, "intent_accuracy": 0.967, "sentence_accuracy": 0.741, "verified": "2"},
    {"what": "slot-gated BiLSTM", "slot_f1": 0.888, "intent_accuracy": 0.970, "sentence_accuracy": 0.755, "verified": "2"},
]
RECIPE: dict[str, Any] = {"cell": "lstm", "hidden_size": 128, "crf": True, "epochs": 7, "learning_rate": 3e-3, "batch_size": 32}


def run(data_folder: Path | str, seed: int, smoke: bool = False, observers: Iterable[Observer] = (), **changed: Any) -> dict[str, Any]:
    """Train with this seed and answer the test part once.

    Args:
        smoke: a few hundred commands and a tiny network, to see that it runs.
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
        "slot_f1": result["spans"]["f1"],
        "intent_accuracy": result["labels"]["accuracy"],
        "sentence_accuracy": result["sentence_accuracy"],
        "validation_slot_f1": held_out["spans"]["f1"],
        "validation_intent_accuracy": held_out["labels"]["accuracy"],
        "validation_sentence_accuracy": held_out["sentence_accuracy"],
        "slot_precision": result["spans"]["precision"],
        "slot_recall": result["spans"]["recall"],
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
