"""What the commands do for a tagger: data read, answers as rows and as CoNLL files, results in words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenuto.data.decode import read_bytes
from tenuto.data.parts import choose_part
from tenuto.data.sentences.conll import read_tagged, read_tagged_splits, tagged_parts
from tenuto.data.sentences.sentences import Sentences
from tenuto.errors import DataError
from tenuto.tasks.columns import formed
from tenuto.tasks.task import ClassTable, Rows


def splits(data: Path, validation: Path | None, test: Path | None, choices: Mapping[str, Any]) -> Any:
    """The training set, and the validation and test sets that the folder contains or the call names."""
    return read_tagged_splits(data, validation=validation, test=test, **formed(choices))


def read(data: Path, split: str | None, choices: Mapping[str, Any]) -> Sentences:
    """The sentences of a file, or of one part of a folder."""
    return read_tagged(choose_part(data, tagged_parts(data), split), **formed(choices))


def asked(data: Path, split: str | None, choices: Mapping[str, Any]) -> Sentences:
    """The same; tags may be missing."""
    return read_tagged(choose_part(data, tagged_parts(data), split), need_tags=False, **formed(choices))


def predict(model: Any, data: Sentences, choices: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One dictionary for each sentence: its id, tokens, tags, and its class where the model knows classes.

    Raises:
        DataError: the last words of the lines were taken for tags.
    """
    _refuse_plain_sentences(model, data)
    tags = model.predict(data)
    labels = model.predict_labels(data).tolist() if model.labels_.size else None
    return [
        {"id": data.ids[index], "tokens": list(data.tokens[index]), "tags": tags[index], **({"label": labels[index]} if labels else {})}
        for index in range(len(data))
    ]


def conll(rows: Rows) -> str:
    """One line for each token and its tag, and an empty line after each sentence."""
    return "".join("".join(f"{token}\t{tag}\n" for token, tag in zip(row["tokens"], row["tags"])) + "\n" for row in rows)


def said(result: Mapping[str, Any]) -> str:
    """How many spans, tokens, classes and whole sentences are right."""
    spans, labels = result["spans"], result["labels"]
    words = [f"span F1 {spans['f1'] or 0:.2%} ({spans.get('scheme', 'BIO')} tags)"] if spans else []
    words += [f"tokens {result['accuracy']:.2%} right"]
    words += [f"classes {labels['accuracy']:.2%} right"] if labels else []
    return ", ".join([*words, f"whole sentences {result['sentence_accuracy']:.2%}"]) + f" ({result['sentences']} sentences, {result['tokens']} tokens)"


def score(result: Mapping[str, Any]) -> list[str | ClassTable]:
    """Everything in one line, then each kind of span, or each tag."""
    unseen, spans = result["unseen"], result["spans"]
    never = ["never seen in training: " + ", ".join(f"{name} ({count})" for name, count in unseen.items())] if unseen else []
    return [said(result), *never, ClassTable(spans["kinds"], "spans") if spans else ClassTable(result["tags"], "words")]


def _refuse_plain_sentences(model: Any, data: Sentences) -> None:
    """Raise where a file without tabs has several columns and nothing that the model knows as a tag: its lines may be sentences, of which one word would be read."""
    if data.tags is None or data.path is None or Path(data.path).is_dir() or any(tag in model.tags_ for tag in data.tag_counts):
        return
    if b"\t" in read_bytes(Path(data.path))[0]:
        return
    raise DataError(
        f"{data.path} has several words on each line, and in the column of the tags none that the run knows.",
        expected="one token on each line, alone or with its tag",
        received=", ".join(repr(tag) for tag in list(data.tag_counts)[:4]) + f" in place of {', '.join(model.tags_[:4])}",
        fix="if each line is a sentence, say so: --format sentences (words between spaces) or --format text (raw text); if not, say where the tags are: --tag-column",
    )
