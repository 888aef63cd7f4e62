"""evaluation.json of a translation: everything that a report shows, as plain data (the layout stands in `runs/folder.py`)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tenuto.cell import cell_to_data
from tenuto.data.pairs.pairs import Pairs
from tenuto.data.pairs.symbols import split_side
from tenuto.runs.folder import EVALUATION_FORMAT, FORMAT_VERSION
from tenuto.runs.surroundings import machine, now, versions
from tenuto.tasks.translate.scores import coverage, translation_result
from tenuto.train import Outcome

if TYPE_CHECKING:
    from tenuto.tasks.translate.estimator import Seq2Seq

EXAMPLES_SHOWN, COVERED = 8, 2000


def describe_training(model: Seq2Seq, training: Pairs, validation: Pairs, outcome: Outcome) -> dict[str, Any]:
    """The whole evaluation after training, without a test set."""
    result, examples, speed = _answered(model, validation, "validation", unknown="symbol")
    network = model.network_
    cells = repr(model.cell_) if model.cell_ == model.decoder_cell_ else f"{model.cell_!r}, decoder {model.decoder_cell_!r}"
    trained = sum(line["count"] for line in outcome.metrics)  # symbols of targets
    epochs = outcome.metrics[-1]["epoch"]  # with a fraction where a validation stands within one
    return {
        "format": EVALUATION_FORMAT,
        "format_version": FORMAT_VERSION,
        "task": "translate",
        "title": f"{type(model.cell_).__name__} encoder-decoder, attention {model.attention}, "
        f"{len(model.source_symbols_.names)} to {len(model.target_symbols_.names)} symbols",
        "vocabulary": {
            "source": {"kind": model.source_unit, "size": len(model.source_symbols_.names)},
            "target": {"kind": model.target_unit, "size": len(model.target_symbols_.names)},
        },
        "data": {"train": describe_pairs(training, model), "validation": describe_pairs(validation, model), "test": None},
        "model": {
            "cell": cells,
            "cell_data": cell_to_data(model.cell_),
            "decoder_cell_data": cell_to_data(model.decoder_cell_),
            "hidden_size": model.hidden_size,
            "num_layers": model.num_layers,
            "encoder_size": network.encoder.hidden_size,
            "encoder_layers": network.encoder.num_layers,
            "bidirectional": model.bidirectional,
            "attention": model.attention,
            "input_feeding": model.input_feeding,
            "decoder_input": model.decoder_input,
            "dropout": model.dropout,
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "weights": [
                {"name": name, "shape": list(parameter.shape), "parameters": parameter.numel()}
                for name, parameter in network.named_parameters()
            ],
            "summary": str(network),
        },
        "training": {
            "epochs_run": epochs,
            "best_epoch": outcome.best_epoch,
            "stopped": outcome.stopped,
            "seconds": outcome.seconds,
            "seed": model.seed_,
            "steps": outcome.steps,
            "skipped_steps": outcome.skipped_steps,
            "options": model._options_as_data(),
        },
        "results": {"validation": result, "test": None},
        "examples": examples,
        "engine": _engine(model, training),
        "speed": {
            "training": {
                "sequences_per_s": len(training) * epochs / outcome.seconds,
                "steps_per_s": trained / outcome.seconds,
                "tokens_per_s": trained / outcome.seconds,
                "optimiser_steps_per_s": outcome.steps / outcome.seconds,
            },
            "prediction": speed,
        },
        "machine": machine(model.device),
        "versions": versions(),
        "created": now(),
    }


def describe_test(model: Seq2Seq, data: Pairs) -> dict[str, Any]:
    """The evaluation with `data` as its test set."""
    result, examples, speed = _answered(model, data, "test", unknown=model.unknown)
    old = model.evaluation_
    return {
        **old,
        "data": {**old["data"], "test": describe_pairs(data, model)},
        "results": {**old["results"], "test": result},
        "examples": examples,
        "speed": {**old["speed"], "prediction": speed},
    }


def describe_pairs(data: Pairs, model: Seq2Seq) -> dict[str, Any]:
    """The SET object: where it came from and how large it is. Steps and lengths are those of the sources, in symbols."""
    lengths = np.array([len(split_side(side, model.source_unit)) for side in data.source])
    targets = np.array([len(split_side(side, model.target_unit)) for side in data.require_targets()])
    return {
        "path": data.path,
        "sha256": data.sha256,
        "name": data.name,
        "origin": data.origin,
        "sequences": len(data),
        "sources": len(data.groups),
        "skipped": data.skipped,
        "steps": int(lengths.sum()),
        "length_min": int(lengths.min()),
        "length_mean": float(lengths.mean()),
        "length_max": int(lengths.max()),
        "target_steps": int(targets.sum()),
        "target_length_mean": float(targets.mean()),
        "target_length_max": int(targets.max()),
    }


def _answered(model: Seq2Seq, data: Pairs, name: str, *, unknown: str) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """RESULT, examples, and the speed of prediction."""
    translator = model.translator()
    numbers = translator.numbered(data, unknown=unknown)
    started = time.perf_counter()
    found = translator.search(data, unknown=unknown)
    seconds = time.perf_counter() - started
    known = data.answers()
    ids = [data.ids[places[0]] for places in data.groups.values()]
    sources = [split_side(source, model.source_unit) for source in known]
    references = [[split_side(one, model.target_unit) for one in targets] for targets in known.values()]
    best = [found[source][0].numbers for source in known]
    answers = [model.target_symbols_.texts(one) for one in best]
    result = {
        "pairs": len(data),
        **translator.forced(numbers),
        **translation_result(sources, answers, references, ids),
        "beam_size": model.beam_size,
        "length_penalty": model.length_penalty,
        "coverage": None,
    }
    if model.attention != "none":
        every = -(-len(known) // COVERED)
        weights = translator.attention(list(known)[::every], best[::every])
        result["coverage"] = {**coverage(sources[::every], weights), "sources": len(weights)}
    chosen = _shown([answer in right for answer, right in zip(answers, references)], [len(source) for source in sources])
    matrices = translator.attention([list(known)[row] for row in chosen], [best[row] for row in chosen]) if result["coverage"] else []
    examples: list[dict[str, Any]] = [
        {
            "id": ids[row],
            "set": name,
            "source": list(sources[row]),
            "target": list(references[row][0]),
            "targets": [list(one) for one in references[row]],
            "predicted": list(answers[row]),
            "correct": answers[row] in references[row],
            "attention": [[float(f"{value:.4g}") for value in step] for step in matrices[place].tolist()] if matrices else None,
        }
        for place, row in enumerate(chosen)
    ]
    for example in examples:  # rows are the symbols predicted; the last of the matrix is the end's
        if example["attention"] is not None:
            example["attention_of_the_end"] = example["attention"].pop()
    speed = {
        "sequences_per_s": len(found) / seconds,
        "steps_per_s": sum(len(one) + 1 for one in best) / seconds,
        "batch_size": max(1, 512 // model.beam_size),
    }
    return result, examples, speed


def _shown(right: list[bool], lengths: list[int]) -> list[int]:
    """Which sources to show: mistakes and right ones by turns, spread over the lengths."""
    order = sorted(range(len(right)), key=lambda row: (lengths[row], row))
    chosen = []
    for wanted in (False, True):
        rows = [row for row in order if right[row] is wanted]
        count = min(len(rows), EXAMPLES_SHOWN // 2)
        chosen += [rows[(2 * number + 1) * len(rows) // (2 * count)] for number in range(count)]
    return sorted(chosen, key=lambda row: (right[row], lengths[row]))


def _engine(model: Seq2Seq, training: Pairs) -> dict[str, Any]:
    """Who runs the decoder's time loop on a batch of the usual shape, and why the others do not."""
    network, batch = model.network_, min(model.batch_size, len(training))
    targets = [len(split_side(side, model.target_unit)) for side in training.require_targets()]
    steps = int(np.mean(targets)) + 1 if network.fused else 1
    x = torch.zeros(steps, batch, network.decoder.input_size, device=model.device)
    report = network.decoder.engine_report(x)
    return {
        "chosen": report.chosen,
        "table": str(report),
        "reasons": [
            {"engine": name, "runs": name == report.chosen, "reason": answer.reason} for name, answer in report.answers.items()
        ],
        "shape": f"T {steps}, B {batch}, I {network.decoder.input_size}, H {model.hidden_size}",
        "fused": network.fused,
    }
