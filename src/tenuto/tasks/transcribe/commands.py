"""What the commands do for a transcriber: answers as rows, results in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenuto.data.audio.recordings import Recordings
from tenuto.pages.wording import count
from tenuto.tasks.answers import layers_said, ways_said
from tenuto.tasks.audio_commands import rejected, with_rejected


def predict(model: Any, data: Recordings, choices: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One dictionary for each recording: its id, the text, the logarithm of its probability."""
    found = model.transcribe(data, beam_size=choices["beam_size"] or None)
    return with_rejected([{"id": name, "predicted": one.text, "score": round(one.score, 6)} for name, one in zip(data.ids, found)], data)


def described(model: Any) -> str:
    """The network in a few words."""
    return f"{layers_said(model)}, {ways_said(model)}, {model.feature_size} {model.features}, seed {model.random_state}"


def said(result: Mapping[str, Any]) -> str:
    """Error rates of words and characters."""
    if result["wer"] is None:
        return f"no words in {count(result['recordings'], 'recording')}, and {result['word_insertions']} written"
    low, high = result["wer_interval"]
    errors = sum(result[f"word_{name}"] for name in ("substitutions", "deletions", "insertions"))
    return f"{result['wer']:.2%} word error rate ({count(errors, 'error')} in {count(result['words'], 'word')}; 95 % interval {low:.1%} to {high:.1%}), {result['cer']:.2%} of characters, loss {_number(result['loss'])}"


def score(result: Mapping[str, Any]) -> list[str]:
    """The same, with the kinds of errors, and by speaker."""
    kinds = ", ".join(f"{result[f'word_{name}']} {name}" for name in ("substitutions", "deletions", "insertions"))
    speakers = [f"speaker {one['speaker']}: {one['wer']:.2%} of {one['words']} words" for one in result["by_speaker"] if one["wer"] is not None]
    cannot = [f"{count(result['infeasible'], 'recording')} with a text that cannot be written: it needs more steps, or other characters"] if result["infeasible"] else []
    cut = [f"in {result['cut']} steps more symbols were likely than may be written in one (--symbols-a-step)"] if result["cut"] else []
    return [said(result), f"word errors: {kinds}; {result['exact']:.1%} of {result['recordings']} recordings without an error; real-time factor {result['real_time_factor']:.4f}", *speakers, *cannot, *cut]


def after_fit(evaluation: Mapping[str, Any]) -> list[str]:
    """Which recordings were left out, and why."""
    short = evaluation["infeasible"]
    names = ", ".join(short["ids"][:6]) + (", ..." if short["left_out"] > 6 else "")
    return [*rejected(evaluation), *([f"left out    {short['left_out']} too short for their transcripts: {names}"] if short["left_out"] else [])]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
