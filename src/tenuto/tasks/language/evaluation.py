"""evaluation.json of a language model: everything that a report shows, as plain data (the layout stands in `runs/folder.py`)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tenuto.cell import cell_to_data
from tenuto.data.text.text import Text
from tenuto.runs.folder import EVALUATION_FORMAT, FORMAT_VERSION
from tenuto.runs.surroundings import machine, now, versions
from tenuto.tasks.language.files import options_as_data
from tenuto.tasks.language.scores import language_result
from tenuto.train import Outcome

if TYPE_CHECKING:
    from tenuto.tasks.language.estimator import LanguageModel

PASSAGE, SURPRISING, AROUND = 1500, 12, 40  # tokens shown, tokens listed, characters around each of them
WINDOWS = (256,)
SAMPLES = ({"temperature": 1.0}, {"temperature": 0.7}, {"temperature": 1.0, "top_p": 0.9})
SAMPLE_LENGTH = 400


def describe_training(model: LanguageModel, training: Text, validation: Text, outcome: Outcome) -> dict[str, Any]:
    """The whole evaluation after training, without a test set."""
    network, vocabulary, cell = model.network_, model.vocabulary_, type(model.cell_).__name__
    shown, speed = _read(model, validation, "validation", WINDOWS)
    trained = sum(line["count"] for line in outcome.metrics)
    seconds = max(outcome.seconds, 1e-9)
    return {
        "format": EVALUATION_FORMAT,
        "format_version": FORMAT_VERSION,
        "task": "language",
        "title": f"{cell} language model, {vocabulary.size} {'byte pairs' if vocabulary.units == 'bpe' else vocabulary.units}",
        "vocabulary": {"kind": vocabulary.units, "size": vocabulary.size},
        "data": {"train": describe_text(training, model), "validation": describe_text(validation, model), "test": None},
        "model": {
            "cell": repr(model.cell_),
            "cell_data": cell_to_data(model.cell_),
            "hidden_size": model.hidden_size,
            "num_layers": model.num_layers,
            "bidirectional": False,
            "dropout": model.dropout,
            "embedding_size": network.embedding.embedding_dim,
            "tied": model.tied,
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "weights": [
                {"name": name, "shape": list(parameter.shape), "parameters": parameter.numel()} for name, parameter in network.named_parameters()
            ],
            "summary": str(network),
        },
        "training": {
            "epochs_run": outcome.metrics[-1]["epoch"],
            "best_epoch": outcome.best_epoch,
            "stopped": outcome.stopped,
            "seconds": outcome.seconds,
            "seed": model.seed_,
            "steps": outcome.steps,
            "skipped_steps": outcome.skipped_steps,
            "options": options_as_data(model),
        },
        **shown,
        "results": {"validation": shown["results"]["validation"], "test": None},
        "samples": [_sample(model, number, options) for number, options in enumerate(SAMPLES)],
        "engine": _engine(model),
        "speed": {
            "training": {
                "sequences_per_s": None,
                "steps_per_s": trained / seconds,
                "tokens_per_s": trained / seconds,
                "optimiser_steps_per_s": outcome.steps / seconds,
            },
            "prediction": speed,
        },
        "machine": machine(model.device),
        "versions": versions(),
        "created": now(),
    }


def describe_test(model: LanguageModel, text: Text, windows: tuple[int, ...] = WINDOWS) -> dict[str, Any]:
    """The evaluation with `text` as its test set."""
    shown, speed = _read(model, text, "test", windows)
    old = model.evaluation_
    return {
        **old,
        **shown,
        "data": {**old["data"], "test": describe_text(text, model)},
        "results": {**old["results"], **shown["results"]},
        "speed": {**old["speed"], "prediction": speed},
    }


def describe_text(text: Text, model: LanguageModel) -> dict[str, Any]:
    """The SET object: where it came from and how large it is. A sequence is a document, a step a token."""
    tokens, starts = model.vocabulary_.encode_text(text)
    lengths = np.diff(np.append(starts, len(tokens) - 1)) if starts is not None else np.array([len(tokens)])
    return {
        "path": text.path,
        "sha256": text.sha256,
        "name": text.name,
        "origin": text.origin,
        "sequences": len(text.documents),
        "steps": len(tokens),
        "characters": text.characters,
        "length_min": int(lengths.min()),
        "length_mean": float(lengths.mean()),
        "length_max": int(lengths.max()),
    }


def _read(model: LanguageModel, text: Text, name: str, windows: tuple[int, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The result and what a page shows of this text, and how fast it was read."""
    started = time.perf_counter()
    result, tokens, nats = language_result(model.network_, model.vocabulary_, text, windows=windows, device=model.device)
    per_second = len(tokens) * (1 + len(windows)) / max(time.perf_counter() - started, 1e-9)
    words = [model.vocabulary_.shown(int(token)) for token in tokens[1 : PASSAGE + 1]]
    shown = {
        "results": {name: result},
        "passage": {"set": name, "tokens": words, "loss": [round(float(value), 4) for value in nats[:PASSAGE]]},
        "surprising": _surprising(model, tokens, nats),
    }
    return shown, {"sequences_per_s": None, "steps_per_s": per_second, "tokens_per_s": per_second, "batch_size": 1}


def _surprising(model: LanguageModel, tokens: np.ndarray, nats: np.ndarray) -> list[dict[str, Any]]:
    """The tokens with the highest loss, with the text around them."""
    vocabulary, found = model.vocabulary_, []
    for place in np.argsort(-nats, kind="stable")[:SURPRISING].tolist():
        before, after = tokens[max(0, place + 1 - AROUND) : place + 1], tokens[place + 2 : place + 2 + AROUND]
        found.append(
            {
                "before": vocabulary.decode(before)[-AROUND:],
                "text": vocabulary.shown(int(tokens[place + 1])),
                "after": vocabulary.decode(after)[:AROUND],
                "loss": float(nats[place]),
            }
        )
    return found


def _sample(model: LanguageModel, seed: int, options: dict[str, Any]) -> dict[str, Any]:
    vocabulary = model.vocabulary_
    begins = vocabulary.boundary is not None or vocabulary.units != "characters" or b"\n" in vocabulary.symbols
    prompt = "" if begins else vocabulary.decode([0])  # a text without lines: any of its characters will do
    text = model.generate(prompt, length=SAMPLE_LENGTH, seed=seed, **options)
    return {"prompt": prompt, "text": text, "temperature": 1.0, "top_k": None, "top_p": None, "seed": seed, **options}


def _engine(model: LanguageModel) -> dict[str, Any]:
    """Which engine trains the first layer, and why the others do not."""
    network = model.network_
    network.train()
    x = torch.zeros(model.window, model.batch_size, network.embedding.embedding_dim, device=model.device)
    report = network.recurrent.engine_report(x)
    network.eval()
    return {
        "chosen": report.chosen,
        "table": str(report),
        "reasons": [{"engine": name, "runs": name == report.chosen, "reason": answer.reason} for name, answer in report.answers.items()],
        "shape": f"T {model.window}, B {model.batch_size}, I {network.embedding.embedding_dim}, H {model.hidden_size}",
    }
