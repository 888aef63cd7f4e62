"""What the commands do for a language model: text read and written, results in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tenuto.data.parts import choose_part
from tenuto.data.text.text import Text, read_text, read_text_splits, text_parts
from tenuto.tasks.answers import layers_said
from tenuto.tasks.columns import formed


def splits(data: Sequence[Path], validation: Path | None, test: Path | None, choices: Mapping[str, Any]) -> Any:
    """The training set, and the validation and test sets that the folder contains or the call names."""
    return read_text_splits(data, validation=validation, test=test, **formed(choices))


def read(data: Path, split: str | None, choices: Mapping[str, Any]) -> Text:
    """The text of a file, or of one part of a folder."""
    return read_text(choose_part(data, text_parts(data), split), **formed(choices))


def asked(data: Path, split: str | None, choices: Mapping[str, Any]) -> Text:
    """Texts to be gone on with: the documents, or the lines of one whole text, without those that are empty."""
    text = read(data, split, choices)
    lines = text.documents[0].splitlines() if text.whole else text.documents
    return Text(tuple(line for line in lines if line.strip()), False, text.came_from)


def write(model: Any, prompt: str, settings: Mapping[str, Any]) -> Iterable[str]:
    """Pieces of new text after the prompt; the settings are those of `LanguageModel.generate`."""
    return model.generate_pieces(prompt, **settings)  # type: ignore[no-any-return]


def described(model: Any) -> str:
    """The network in a few words."""
    symbols = f"{model.vocabulary_size} byte pairs at most" if model.units == "bpe" else model.units
    return f"{layers_said(model)}, {symbols}, seed {model.random_state}"


def said(result: Mapping[str, Any]) -> str:
    """Bits a character, and perplexity."""
    return (
        f"{result['bits_per_character']:.4f} bits ({result['nats_per_character']:.4f} nats) a character, "
        f"perplexity {result['perplexity']:.4g} of {result['tokens']} tokens"
    )


def score(result: Mapping[str, Any]) -> list[str]:
    """With the state carried over the whole text, then in windows from a zero state."""
    lines = [f"state carried over the whole text     {said(result)}"]
    lines += [f"windows of {window['length']} from a zero state    {said(window)}" for window in result["windows"]]
    return [*lines, *([f"characters that training has not seen {result['unknown_tokens']}"] if result.get("unknown_tokens") else [])]


def after_fit(evaluation: Mapping[str, Any]) -> list[str]:
    """The beginning of a sample."""
    samples = (evaluation.get("samples") or [])[1:2]
    return ["it writes   " + " ".join((sample["prompt"] + sample["text"]).split())[:100] + " ..." for sample in samples]
