"""The models that are compressed, fitted here: on the sources of Python's standard library, and on series that come with tenuto."""

from __future__ import annotations

import io
import keyword
import sysconfig
import tempfile
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tenuto.cell import Cell, State
from tenuto.cells import GRU, LSTM
from tenuto.data import read_sequences
from tenuto.data.sets import path_of
from tenuto.tasks import LanguageModel, SequenceClassifier, Tagger

LINES = 40  # of a source that a sentence of the tagger may come from


class Leaky(Cell):
    """A cell of one's own: a gated leaky unit with a learnt rate."""

    gates = "z h"
    state = "h"
    parameters = "rate"

    def step(self, x, U, s):  # type: ignore[no-untyped-def]
        z = (x.z + U.z @ s.h + self.p.rate).sigmoid()
        return State(h=z * s.h + (1 - z) * (x.h + U.h @ s.h).tanh())


CELLS: dict[str, Cell] = {"LSTM": LSTM(), "GRU": GRU(), "own cell": Leaky()}


def sources(smoke: bool) -> tuple[list[str], list[str]]:
    """The texts of files of the standard library: those to train on, and each tenth, which is held out."""
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[: 11 if smoke else 120]
    texts = [file.read_text(encoding="utf-8", errors="replace")[: 6_000 if smoke else 20_000] for file in files]
    return [text for place, text in enumerate(texts) if place % 10], texts[::10]


def sentences(texts: list[str]) -> tuple[list[list[str]], list[list[str]]]:
    """Lines of source as tokens, and the kind of each."""
    words: list[list[str]] = []
    tags: list[list[str]] = []
    for text in texts:
        line: list[tuple[str, str]] = []
        try:
            for token in tokenize.generate_tokens(io.StringIO(text).readline):
                kind = "KEYWORD" if keyword.iskeyword(token.string) else tokenize.tok_name[token.type]
                if kind == "NEWLINE" and 2 < len(line) < LINES:
                    words.append([word for word, _ in line])
                    tags.append([tag for _, tag in line])
                line = [] if kind in ("NEWLINE", "NL", "INDENT", "DEDENT") else [*line, (token.string[:20] or "-", kind)]
        except (tokenize.TokenError, IndentationError):  # a file that was cut off
            continue
    return words, tags


def every(smoke: bool) -> Iterator[tuple[str, str, Any, Any, Any, Any]]:
    """Task, cell, the fitted model, what it was fitted on, data to calibrate with, data that are held out."""
    small: dict[str, Any] = {"hidden_size": 16, "num_layers": 1, "epochs": 1} if smoke else {"hidden_size": 256, "num_layers": 1}
    train, held = sources(smoke)
    series = [read_sequences(path_of("japanese_vowels"), split=part) for part in ("train", "test")]
    lines, others = sentences(train), sentences(held)
    few = None if not smoke else 40
    for name, cell in CELLS.items():
        classifier = SequenceClassifier(cell, random_state=0, **(small if smoke else {**small, "epochs": 60})).fit(series[0])
        yield "series", name, classifier, series[0], series[0], series[1]
        words, tags = (part[:few] for part in lines)
        tagger = Tagger(cell, random_state=0, **(small if smoke else {**small, "epochs": 3})).fit(words, tags)
        yield "tagging", name, tagger, (words, tags), (words[:500], tags[:500]), tuple(part[:few] for part in others)
        language = LanguageModel(cell, units="characters", random_state=0, **(small if smoke else {**small, "epochs": 3})).fit("\n".join(train))
        yield "language", name, language, "\n".join(train), "\n".join(train)[: 300 if smoke else 20_000], "\n".join(held)


def folder_bytes(model: Any) -> int:
    """All that the folder of a run takes."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "run")
        return sum(file.stat().st_size for file in (Path(folder) / "run").rglob("*") if file.is_file())
