"""The data sets: how each becomes a training file and a test file, which command learns it, and which simple methods stand beside."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from bench.simple import methods

Files = tuple[Path, Path]


@dataclass(frozen=True)
class Set:
    """A data set.

    Attributes:
        command: of `tenuto fit`. write: makes (training file, test file) in a folder, from the folder of all data.
        needs: a file of the data folder, without which the set is left out.
        measure: what the score is. score: from the RESULT of evaluation.json. interval: its key there. validated: the measure of a validation.
        simple: methods by name, each from the two files to a score. shown: options worth keeping.
    """

    command: str
    needs: str
    write: Callable[[Path, Path], Files]
    simple: Mapping[str, Callable[[Path, Path], float]]
    measure: str = "accuracy"
    score: Callable[[Mapping[str, Any]], float] = lambda result: float(result["accuracy"])
    interval: str = "accuracy_interval"
    validated: str = "validation_accuracy"
    shown: tuple[str, ...] = field(default=("batch_size", "hidden_size", "num_layers", "halvings", "learning_rate", "dropout", "input_noise"))

    def present(self, data: Path) -> bool:
        """Whether the data folder has it."""
        return (Path(data) / self.needs).exists()


def _lines(path: Path, rows: Iterable[Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def _surnames(data: Path, work: Path) -> Files:
    train, test = (Path(shutil.copy(data / "surnames" / f"{part}.jsonl", work)) for part in ("train", "test"))
    return train, test


def _snips_rows(data: Path, part: str, most: int) -> list[tuple[str, str, str]]:
    columns = [(data / "snips" / part / name).read_text(encoding="utf-8").splitlines() for name in ("seq.in", "seq.out", "label")]
    rows = list(zip(*columns, strict=True))
    return [rows[place] for place in np.random.default_rng(0).permutation(len(rows))[:most]]


def _intents(data: Path, work: Path) -> Files:
    train, test = (
        _lines(work / f"{part}.jsonl", ({"text": words, "label": label} for words, _, label in _snips_rows(data, part, 2000))) for part in ("train", "test")
    )
    return train, test


def _slots(data: Path, work: Path) -> Files:
    found = []
    for part in ("train", "test"):
        path = work / f"{part}.conll"
        rows = _snips_rows(data, part, 2000)
        path.write_text("\n".join("".join(f"{word}\t{tag}\n" for word, tag in zip(words.split(), tags.split())) for words, tags, _ in rows), encoding="utf-8")
        found.append(path)
    return found[0], found[1]


def _parts_of_speech(data: Path, work: Path) -> Files:
    found = []
    for part in ("train", "test"):
        text = (data / "ud_english_ewt" / f"en_ewt-{part}.upos.tsv").read_text(encoding="utf-8")
        path = work / f"{part}.tsv"
        path.write_text("\n\n".join(text.strip().split("\n\n")[:2000]) + "\n", encoding="utf-8")
        found.append(path)
    return found[0], found[1]


def _vowels(data: Path, work: Path) -> Files:
    with np.load(data / "japanese_vowels" / "japanese_vowels.npz") as file:
        return _grouped(work, {name: file[name] for name in file.files})


def _grouped(work: Path, arrays: Mapping[str, np.ndarray]) -> Files:
    for part in ("train", "test"):
        np.savez(work / f"{part}.npz", values=arrays[f"x_{part}"], lengths=arrays[f"len_{part}"], labels=arrays[f"y_{part}"])
    return work / "train.npz", work / "test.npz"


def _padded(work: Path, values: np.ndarray, labels: np.ndarray, first: int) -> Files:
    """The first so many sequences for training, the others for the test."""
    for part, rows in (("train", slice(first)), ("test", slice(first, None))):
        np.savez(work / f"{part}.npz", values=values[rows], labels=labels[rows])
    return work / "train.npz", work / "test.npz"


def _digits(data: Path, work: Path) -> Files:
    with np.load(data / "digits8x8" / "digits8x8.npz") as file:
        images, labels = (file[name] for name in file.files)
    return _padded(work, images.reshape(-1, 8, 8).astype(np.float32), labels, 1200)


def _archive(name: str) -> Callable[[Path, Path], Files]:
    def write(data: Path, work: Path) -> Files:
        train, test = (Path(shutil.copy(data / "small_archive" / "classify" / f"{name}_{part}.ts", work)) for part in ("TRAIN", "TEST"))
        return train, test

    return write


def _coffee(data: Path, work: Path) -> Files:
    rows = [np.loadtxt(data / "small_archive" / "classify" / f"Coffee_{part}.txt") for part in ("TRAIN", "TEST")]
    both = np.concatenate(rows)
    return _padded(work, both[:, 1:, None].astype(np.float32), both[:, 0].astype(int), len(rows[0]))


def _spelling(data: Path, work: Path) -> Files:
    from bench.recipes.cmudict import split

    found = []
    for part, most in (("train", 4000), ("test", 1000)):
        pairs = split(data)[0][part]
        order = np.random.default_rng(0).permutation(len(pairs))[:most]
        path = work / f"{part}.tsv"
        path.write_text("".join(f"{pairs.source[place]}\t{pairs.require_targets()[place]}\n" for place in order), encoding="utf-8")
        found.append(path)
    return found[0], found[1]


def _plays(data: Path, work: Path) -> Files:
    text = (data / "tinyshakespeare" / "input.txt").read_text(encoding="utf-8")
    cut = int(0.9 * len(text))
    for part, piece in (("train", text[:300_000]), ("test", text[cut : cut + 50_000])):
        (work / f"{part}.txt").write_text(piece, encoding="utf-8")
    return work / "train.txt", work / "test.txt"


def _made_up(data: Path, work: Path) -> Files:
    draw = np.random.default_rng(0)
    labels = np.arange(40) % 2
    return _padded(work, draw.normal(size=(40, 10, 1)) + labels[:, None, None], labels, 24)


_LETTERS = {"letter n-grams": methods.letter_regression}
_VALUES = {"logistic regression": methods.value_regression, "1-NN DTW": methods.nearest_by_warping}
_WINDOW = {"linear window": methods.window_perceptron}

SETS: dict[str, Set] = {
    "surnames": Set("text", "surnames", _surnames, _LETTERS),
    "snips intents": Set("text", "snips", _intents, _LETTERS),
    "snips slots": Set("tag", "snips", _slots, _WINDOW),
    "ud tags": Set("tag", "ud_english_ewt", _parts_of_speech, _WINDOW),
    "japanese vowels": Set("classify", "japanese_vowels", _vowels, _VALUES),
    "digits": Set("classify", "digits8x8", _digits, _VALUES),
    "OSULeaf": Set("classify", "small_archive", _archive("OSULeaf"), _VALUES),
    "ACSF1": Set("classify", "small_archive", _archive("ACSF1"), _VALUES),
    "Coffee": Set("classify", "small_archive", _coffee, _VALUES),
    "cmudict, 4,000 words": Set(
        "translate", "cmudict", _spelling, {"neighbouring letters": methods.neighbouring_letters}, "words right", lambda result: float(result["exact"]), "exact_interval", "validation_exact"
    ),
    "plays, 300,000 characters": Set(
        "language", "tinyshakespeare", _plays, {"counts of letters": methods.counts_of_letters}, "minus nats", lambda result: -float(result["nats_per_character"]), "", "validation_loss"
    ),
    "made up": Set("classify", "", _made_up, _VALUES),
}
