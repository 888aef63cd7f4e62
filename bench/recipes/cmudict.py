"""CMUdict: how a written word is spoken, by `Seq2Seq`: word error rate and phoneme error rate on words that training never saw.

The split is ours, since the dictionary has none: a word goes by the SHA-256 of its spelling (UTF-8): of the first eight hexadecimal digits
modulo 100, 0..89 is training, 90..94 validation, 95..99 test. The alternatives of a word (`read`, `read(2)`) are one word, so they stay
together. Stress digits are taken off the phonemes (AH0, AH1 and AH2 are AH), as in the published comparisons; pronunciations that then
are equal count once; comments are dropped; nothing else is left out, not even names, abbreviations and foreign words.

In training every pronunciation is a pair. A word is right when the answer equals any of its pronunciations (word error rate: the share
that is not); phoneme error rate: edits to the nearest pronunciation over the phonemes of those. Everything was chosen on the validation
part; the test part is answered once, at the end, with the beam that was best in validation.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tenuto.data import Pairs, Source
from tenuto.tasks import Seq2Seq
from tenuto.train import Observer

NAME = "cmudict"
TITLE = "CMUdict: spelling to phonemes, words unseen in training"
METRICS = {"word_error_rate": "word error rate", "phoneme_error_rate": "phoneme error rate"}
BASELINE = {
    "what": "each letter as between the same neighbours (bench/cmudict_letters.py)",
    "word_error_rate": 0.4282,
    "phoneme_error_rate": 0.0980,
    "verified": "m",
}
PUBLISHED = [
    {"what": "Transformer (another split)", "word_error_rate": 0.202, "verified": "r"},
    {"what": "weighted finite-state transducer (another split)", "word_error_rate": 0.244, "verified": "r"},
]
RECIPE: dict[str, Any] = {
    "cell": "gru",
    "source_unit": "characters",
    "target_unit": "words",
    "attention": "general",
    "embedding_size": 64,
    "hidden_size": 256,
    "encoder_size": 192,
    "dropout": 0.1,
    "label_smoothing": 0.1,
    "batch_size": 128,
    "learning_rate": 4e-3,
    "weight_decay": 0.01,
    "epochs": 12,
    "unknown": "symbol",
}
BEAM_SIZES = (1, 5, 10)
_ENTRY = re.compile(r"^(?P<word>.+?)(\(\d+\))?$")


def entries(path: Path) -> Iterator[tuple[str, str]]:
    """(word, phonemes without stress, one blank between), each pair once, in the order of the file."""
    seen = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        written, _, spoken = line.partition("#")[0].strip().partition(" ")
        match = _ENTRY.match(written)
        assert match is not None  # every line of the dictionary has a word
        pair = match["word"], re.sub(r"\d", "", " ".join(spoken.split()))
        if pair not in seen:
            seen.add(pair)
            yield pair


def part_of(word: str) -> str:
    """ "train", "validation" or "test".

    Example:
        >>> [part_of(word) for word in ("tenuto", "beam", "abacus")]
        ['train', 'train', 'validation']
    """
    number = int(hashlib.sha256(word.encode("utf-8")).hexdigest()[:8], 16) % 100
    return "train" if number < 90 else "validation" if number < 95 else "test"


def split(data_folder: Path) -> tuple[dict[str, Pairs], str]:
    """The three parts, and the SHA-256 of the file."""
    path = data_folder / "cmudict" / "cmudict.dict"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    found: dict[str, tuple[list[str], list[str]]] = {name: ([], []) for name in ("train", "validation", "test")}
    for word, spoken in entries(path):
        words, answers = found[part_of(word)]
        words.append(word)
        answers.append(spoken)
    origin = "by hash of the word, stress removed"
    return {name: Pairs(*sides, came_from=Source(f"cmudict {name}", None, digest, origin)) for name, sides in found.items()}, digest


def run(data_folder: Path | str, seed: int, smoke: bool = False, observers: tuple[Observer, ...] = (), **changed: Any) -> dict[str, Any]:
    """Train with this seed, choose the beam in validation, answer the test part once.

    Args:
        smoke: a few hundred words and a tiny network, to see that it runs.
        changed: options of `Seq2Seq` other than the recipe's, for whoever looks for a better one (in validation).
    """
    parts, digest = split(Path(data_folder))
    options = {**RECIPE, **changed}
    if smoke:
        parts = {name: part.select(range(200)) for name, part in parts.items()}
        options |= {"hidden_size": 16, "embedding_size": 8, "epochs": 1}
    started, used = time.perf_counter(), time.process_time()
    model = Seq2Seq(random_state=seed, **options).fit(parts["train"], validation=parts["validation"], observers=observers)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - used
    errors = {}
    for beam_size in BEAM_SIZES:
        model.set_params(beam_size=beam_size)
        errors[beam_size] = 1 - model.score(parts["validation"])
    best = min(errors, key=lambda beam_size: errors[beam_size])
    result = model.set_params(beam_size=best).evaluate(parts["test"])
    return {
        "seed": seed,
        "word_error_rate": 1 - result["exact"],
        "phoneme_error_rate": result["error_rate"],
        "validation_word_error_rate": {str(size): rate for size, rate in errors.items()},
        "beam_size": best,
        "test_words": result["sources"],
        "test_loss": result["loss"],
        "coverage": result["coverage"],
        "words": {name: len(part.groups) for name, part in parts.items()},
        "pairs": {name: len(part) for name, part in parts.items()},
        "parameters": model.evaluation_["model"]["parameters"],
        "epochs": model.evaluation_["training"]["epochs_run"],
        "best_epoch": model.evaluation_["training"]["best_epoch"],
        "stopped": model.evaluation_["training"]["stopped"],
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "engine": model.evaluation_["engine"]["chosen"],
        "options": options,
        "sha256": digest,
        "examples": model.evaluation_["examples"][:4],
    }
