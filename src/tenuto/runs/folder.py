"""The run folder: what a training run leaves behind, as plain files. This page is the contract; readers need nothing else.

    RUN/
      model.safetensors   the weights of the best validation: the lowest loss, or what the option `select_by` names
      config.json         all that is needed to predict, and the digests of the other files; written last: with it a run is complete
      metrics.jsonl       one JSON object a line, one line an epoch
      evaluation.json     all that a report shows, as plain data
      report.html         made from the files above by `tenuto.report`; not covered by a digest
      config.toml         the options of the `tenuto fit` that made the run, for `tenuto fit --from RUN`; not covered either
      unfinished/         only while a run trains, and after it was killed: config.toml, metrics.jsonl so far, checkpoint/
      checkpoint.safetensors   where `fit(checkpoint=RUN)` was told to keep the run here (`tenuto.train.Checkpoint`)

Other names in the folder are left alone. Numbers are JSON numbers; a value that is not finite, or not known, is null.
Every object may gain keys in a later version; a key named here keeps its meaning while `format_version` stays.

config.json
    format            "tenuto run"                 format_version   1
    tenuto            version that wrote it        created          "2026-01-31T12:00:00Z"
    task              "classify"
    options           the estimator's constructor arguments; `cell` as {"cell": name, ...fields}
    model             {cell: {"cell": name, ...}, input_size, hidden_size, num_layers, bidirectional, dropout, pooling: [str], classes: int}
    preprocessing     {channels: [str], mean: [number], deviation: [number], missing: "error" | "forward" | "mean",
                       classes: [label], class_kind: "str" | "int" | "float" | "bool"}      x' = (x - mean) / deviation, by channel
    data              {train: SET, validation: SET, test: SET | null}, as in evaluation.json
    files             {name: {sha256, size_bytes}} for model.safetensors, metrics.jsonl, evaluation.json
    sha256            digest of this object without this key (JSON with sorted keys, no spaces, UTF-8)

metrics.jsonl, each line
    epoch                        1, 2, ...
    train_loss                   mean over the epoch's sequences, nats, as trained (dropout on, label smoothing included)
    validation_loss              nats, no smoothing           validation_accuracy   0..1
    learning_rate                at the epoch's end
    gradient_norm_mean, gradient_norm_max     before clipping          clipped_steps   how many of the epoch's steps were clipped
    steps                        optimiser steps so far       count                 sequences or tokens trained on in this epoch
    averaging                    true when the weights validated were an average (EMA, NT-ASGD)
    skipped_steps                steps left out because a loss or gradient was not finite
    seconds                      since training began         epoch_seconds         of this epoch, validation included
    best                         true when this epoch is the best so far

evaluation.json
    format            "tenuto evaluation"          format_version   1
    task              "classify"
    title             one line, for example "LSTM classifier, 9 classes, 12 channels"
    classes           [label as text], in the order of every matrix and table below
    data              {train: SET, validation: SET, test: SET | null}
        SET = {path: str | null, sha256: str, name: str, origin: str, sequences: int, steps: int,
               length_min, length_mean, length_max: numbers, class_counts: {label: int}, missing_values: int}
        origin says in words where the set came from: "given", "20 % of the training sequences, by class, seed 0", "split 'test' of the file"
        lengths: {edges: [int], counts: [int]} histogram; counts has one fewer than edges, last bin closed
    channels          [{name, mean, deviation, minimum, maximum}] of the training set, before standardisation
    model             {cell: str, cell_data: {...}, hidden_size, num_layers, bidirectional: bool, dropout, pooling: [str],
                       parameters: int, weights: [{name, shape: [int], parameters: int}], summary: str}
    training          {epochs_run, best_epoch, stopped: "early stopping" | "all epochs" | "interrupted" | "time limit", seconds, seed,
                       steps, skipped_steps, options: {...}}; best_epoch, and epochs_run of a language model or a
                       translation, have a fraction where it was validated within an epoch
    results           {validation: RESULT, test: RESULT | null}
        RESULT = {sequences, loss, accuracy, accuracy_interval: [low, high] (Wilson, 95 %), majority_accuracy,
                  macro_f1, confusion: [[int]] rows are the true class and columns the predicted one,
                  classes: [{name, precision, recall, f1, support}]   precision is null where nothing was predicted as that class,
                  mistakes: [{id, label, predicted, probability}] at most 50, most confident first}
    examples          at most 4 sequences of the test set (else of the validation set), one a class, a mistake among them if there is one:
                      [{id, set: "test" | "validation", label, predicted, correct: bool, probabilities: [number], steps: int,
                        steps_shown: int, channels: [str], input: [[number]] (steps_shown x channels, before standardisation),
                        hidden: [[number]] (steps_shown x hidden units: output of the last layer), hidden_units_shown: int,
                        directions: [{name: "forward" | "backward", first: int, last: int}] columns of `hidden`, last excluded}]
                      long sequences show their first 400 steps, wide layers their first 128 units of each direction
    engine            {chosen: str, table: str (printed as it is), reasons: [{engine: str, runs: bool, reason: str}],
                       shape: "T 29, B 32, I 12, H 64"}
    speed             {training: {sequences_per_s, steps_per_s, optimiser_steps_per_s},
                       prediction: {sequences_per_s, steps_per_s, batch_size}}        steps are time steps, padding not counted
    machine           {processor: str, cores: int, threads: int, platform: str, memory_bytes: int | null, device: str}
    versions          {tenuto, python, torch, numpy}
    created           "2026-01-31T12:00:00Z"

The other tasks keep config.json's and evaluation.json's common keys: format, format_version, task, title, data, model (cell, cell_data,
hidden_size, num_layers, bidirectional, dropout, parameters, weights, summary), training, results, engine, speed (sequences_per_s may be null;
"tokens_per_s" may stand beside it), machine, versions, created. A SET has at least {path, sha256, name, origin} and counts of what it holds:
sequences, steps, length_min, length_mean, length_max are shown where they are there. Instead of classes, channels and examples, they have:

"language"
    vocabulary        {kind: "characters" | "bytes" | "bpe" | "words", size: int}
    RESULT            {tokens, characters, loss (nats a token, state carried over the exact text), perplexity, bits_per_character,
                       windows: [{length, loss, perplexity, bits_per_character}] each window from a zero state,
                       by_position: {position: [int], loss: [nats]} or null: mean loss of the tokens since a zero state, up to
                       each position from the one before it}
    passage           {set, tokens: [text], loss: [nats]} of each token, in the order of the text; at most 1,500 tokens
    surprising        at most 12 [{before, text, after, loss}] tokens with the highest loss, with the text around them
    samples           [{prompt, text, temperature, top_k, top_p, seed}] generated when the run was saved
"tag"
    tags              [str], in the order of `confusion`        classes   [str] of the sentences (intents), or null
    RESULT            {sentences, tokens, loss, accuracy (tokens), accuracy_interval, sentence_accuracy (all of a sentence right),
                       spans: {precision, recall, f1, kinds: [{name, precision, recall, f1, support}]} or null where tags are no spans,
                       tags: [{name, precision, recall, f1, support}], confusion: [[int]],
                       unknown: {tokens, accuracy} of words that training never saw,
                       labels: RESULT of "classify" for the sentences' classes, or null}
    examples          at most 12, mistakes first: [{id, set, tokens: [str], tags: [str], predicted: [str], label, predicted_label (or null)}]
"classify-text"       RESULT as of "classify"; classes, vocabulary as above
    examples          [{id, set, label, predicted, correct, probabilities: [number], tokens: [str], weights: [number] of each token, or null}]
"translate"
    vocabulary        {source: {kind, size}, target: {kind, size}}
    RESULT            {pairs, tokens (of the targets), loss (nats a token), token_accuracy (given the right ones before),
                       sources (distinct), references, exact (share of sources whose answer is one of their targets), exact_interval,
                       error_rate (edits to the nearest target over its tokens), beam_size, length_penalty,
                       coverage: {mean, uncovered, sources, least_read: [{token, weight, count}]} or null without attention,
                       by_length: [{length_min, length_max, pairs, exact, error_rate}],
                       mistakes: at most 50, worst first: [{id, source: [str], target: [str], predicted: [str], edits: int}]}
    examples          at most 8: [{id, set, source: [str], target: [str], predicted: [str], correct: bool,
                       attention: [[number]] (predicted x source) or null}]
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tenuto.errors import RunError
from tenuto.files import plain, read_json, read_tensors, sha256_of, write_json, write_tensors, write_text
from tenuto.train.checkpoint import FILE as CHECKPOINT

FORMAT, FORMAT_VERSION = "tenuto run", 2
READABLE = (1, 2)  # versions of the format that this tenuto reads
EVALUATION_FORMAT = "tenuto evaluation"
CONFIG, MODEL, METRICS, EVALUATION, REPORT = (
    "config.json",
    "model.safetensors",
    "metrics.jsonl",
    "evaluation.json",
    "report.html",
)
# What the command line adds: its options, and a folder with what an interrupted run needs to go on.
CONFIGURATION, UNFINISHED = "config.toml", "unfinished"
_OURS = {CONFIG, MODEL, METRICS, EVALUATION, REPORT, CONFIGURATION, UNFINISHED, CHECKPOINT}


@dataclass(frozen=True)
class Run:
    """A run folder, read and checked.

    Attributes:
        folder: where it lies.
        config, metrics, evaluation: the three files as plain data.
    """

    folder: Path
    config: dict[str, Any]
    metrics: list[dict[str, Any]]
    evaluation: dict[str, Any]

    def tensors(self) -> dict[str, torch.Tensor]:
        """The weights, by name."""
        return read_tensors(self.folder / MODEL)


def claim(folder: str | Path, *, overwrite: bool = False) -> Path:
    """Make sure that a run can be written to `folder`, before any time is spent on training.

    An absent or empty folder is taken (and made). So is what an interrupted run left behind: our files without a config.json.
    A complete run is replaced only with `overwrite=True`; a folder with anything else in it never.

    Raises:
        RunError: the folder holds something else, or a complete run, or cannot be written to.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise RunError(
            f"{folder} is a file, not a folder.", expected="a new or empty folder for the run", fix="choose another name"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = {entry.name for entry in folder.iterdir() if not entry.name.endswith(".partial")}
    except OSError as error:
        raise RunError(f"{folder} cannot be used for a run: {error.strerror}.", fix="choose another folder") from error
    if CONFIG in names:
        read_config(folder)  # refuses a config.json that is not ours
        if not overwrite:
            raise RunError(
                f"{folder} already holds a complete run.",
                expected="a new or empty folder for the run",
                received=", ".join(sorted(names)),
                fix="choose another folder, or pass overwrite=True (--overwrite) to replace that run",
            )
    elif names - _OURS:
        raise RunError(
            f"{folder} is not empty, and what it holds is not a run of tenuto.",
            expected="a new or empty folder for the run",
            received=", ".join(sorted(names)[:8]) + (", ..." if len(names) > 8 else ""),
            fix="choose another folder; nothing was written",
        )
    return folder


def write_run(
    folder: str | Path,
    *,
    config: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
    metrics: Sequence[Mapping[str, Any]],
    evaluation: Mapping[str, Any],
    overwrite: bool = False,
) -> Path:
    """Write a complete run. config.json goes first and comes last, so a folder that has one is whole.

    Raises:
        RunError: see `claim`.
    """
    folder = claim(folder, overwrite=overwrite)
    try:
        _write_files(folder, config, tensors, metrics, evaluation)
    except OSError as error:
        raise RunError(
            f"the run {folder} could not be written: {error.strerror or error}.",
            expected="room on the disk and the right to write there",
            fix="make room or choose another folder, and save again; what is there now has no config.json, so nothing takes it for a run",
        ) from error
    return folder


def _write_files(
    folder: Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
    metrics: Sequence[Mapping[str, Any]],
    evaluation: Mapping[str, Any],
) -> None:
    (folder / CONFIG).unlink(missing_ok=True)
    (folder / REPORT).unlink(missing_ok=True)
    write_tensors(folder / MODEL, tensors)
    write_text(folder / METRICS, "".join(json.dumps(plain(line), allow_nan=False) + "\n" for line in metrics))
    write_json(folder / EVALUATION, evaluation)
    files = {
        name: {"sha256": sha256_of(folder / name), "size_bytes": (folder / name).stat().st_size}
        for name in (MODEL, METRICS, EVALUATION)
    }
    known = {"format": FORMAT, "format_version": FORMAT_VERSION}
    whole = plain({**known, **config, **known, "files": files})
    whole.pop("sha256", None)  # of a config that was read from another run
    write_json(folder / CONFIG, {**whole, "sha256": digest_of(whole)})


def read_run(folder: str | Path) -> Run:
    """Read a run folder and check every file against its digest.

    Raises:
        RunError: the folder or a file is missing, was changed after it was written, or is not ours.
    """
    folder = Path(folder)
    config = read_config(folder)
    for name, known in config["files"].items():
        path = folder / name
        if not path.is_file():
            raise RunError(
                f"the run {folder} lacks {name}.",
                expected=f"{name}, {known['size_bytes']} bytes",
                received="no such file",
                fix="restore the file from a copy, or train the model again",
            )
        if sha256_of(path) != known["sha256"]:
            raise RunError(
                f"{name} in the run {folder} is not the file that was written: its digest differs.",
                expected=f"sha256 {known['sha256'][:16]}..., {known['size_bytes']} bytes",
                received=f"sha256 {sha256_of(path)[:16]}..., {path.stat().st_size} bytes",
                fix="restore the file from a copy, or train the model again",
            )
    lines = (folder / METRICS).read_text(encoding="utf-8").splitlines()
    return Run(folder, config, [json.loads(line) for line in lines], read_json(folder / EVALUATION))


def read_config(folder: str | Path) -> dict[str, Any]:
    """Read and check config.json alone.

    Raises:
        RunError: as `read_run`.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunError(
            f"there is no run folder {folder}.",
            expected="a folder written by `tenuto fit` or SequenceClassifier.save",
            received="a file" if folder.exists() else "no such folder",
            fix="check the path",
        )
    if not (folder / CONFIG).is_file():
        raise RunError(
            f"{folder} is not a complete run: it has no {CONFIG}.",
            expected="a folder written by `tenuto fit` or SequenceClassifier.save",
            received=", ".join(sorted(entry.name for entry in folder.iterdir())[:8]) or "an empty folder",
            fix="check the path; a run that was killed before its end has no config.json and must be trained again",
        )
    config = read_json(folder / CONFIG)
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise RunError(
            f"{folder / CONFIG} was not written by tenuto.",
            expected=f'"format": "{FORMAT}"',
            received=f'"format": {json.dumps(config.get("format")) if isinstance(config, dict) else "none"}',
            fix="check the path",
        )
    if config.get("format_version") not in READABLE:
        raise RunError(
            f"{folder / CONFIG} has a format that this tenuto does not know.",
            expected=f"format_version {READABLE[0]} to {READABLE[-1]}",
            received=f"format_version {config.get('format_version')}, written by tenuto {config.get('tenuto')}",
            fix="install the tenuto that wrote it, or a newer one",
        )
    content = {key: value for key, value in config.items() if key != "sha256"}
    if digest_of(content) != config.get("sha256"):
        raise RunError(
            f"{folder / CONFIG} was changed after it was written: its digest differs.",
            expected=f"sha256 {config.get('sha256')}",
            received=f"sha256 {digest_of(content)}",
            fix="restore the file from a copy; to change options, train a new run",
        )
    return config


def digest_of(data: Any) -> str:
    """The SHA-256 digest of plain data: JSON with sorted keys, no spaces, UTF-8."""
    text = json.dumps(plain(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
