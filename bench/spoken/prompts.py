"""The section "prompts": the announcements of a telephone exchange by one voice, written down."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.data import Recordings
from tenuto.data.audio.wave import read_wave
from tenuto.scores.transcripts import transcription_result
from tenuto.tasks import LanguageModel, Transcriber
from tenuto.tasks.transcribe.prior import Prior

NAMED = ("recordings", "words", "wer", "wer_interval", "characters", "cer", "exact", "word_substitutions", "word_deletions", "word_insertions", "real_time_factor")


PLAYS = Path(__file__).resolve().parents[2] / "examples" / "data" / "shakespeare.txt"
WEIGHTS, BONUSES = (0.15, 0.3, 0.5), (0.0, 0.6)
OFTEN = 4  # times that the language model is given the training transcripts, beside the plays


def language_model(texts: list[str], smoke: bool) -> LanguageModel:
    """Of characters, learnt from the transcripts of training and from plays, each line by itself, in the characters of the transcripts."""
    plays = [re.sub(r" +", " ", re.sub(r"[^a-z']", " ", line.lower())).strip() for line in PLAYS.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in plays if line] + OFTEN * texts
    return LanguageModel("lstm", hidden_size=128, num_layers=1, random_state=0, max_steps=2 if smoke else 700, validation_fraction=0.05).fit([lines[place] for place in np.random.default_rng(0).permutation(len(lines))])


def with_language(model: Transcriber, language: LanguageModel, parts: Mapping[str, Recordings], smoke: bool) -> dict[str, Any]:
    """The test part by a beam of 8 with the language model, whose weight and bonus are those with the fewest character errors in the validation part."""

    def result(part: Recordings, prior: Prior) -> dict[str, Any]:
        begin = time.perf_counter()
        answers = model.predict(part, beam_size=8, prior=prior)
        seconds = time.perf_counter() - begin
        texts = [model.alphabet_.plain(text) for text in part.require_texts()]
        return {**transcription_result(texts, answers, part.ids, part.seconds.tolist(), None), "real_time_factor": seconds / float(part.seconds.sum())}

    tried = [Prior(language, weight=weight, bonus=bonus) for weight in WEIGHTS[: 1 if smoke else None] for bonus in BONUSES[: 1 if smoke else None]]
    best = min(tried, key=lambda prior: result(parts["validation"], prior)["cer"])
    return {"weight": best.weight, "bonus": best.bonus, **{each: value for each, value in result(parts["test"], best).items() if each in NAMED}}


def prompts(data: Path, seeds: int, minutes: float, known: Mapping[str, Any], smoke: bool) -> Iterator[dict[str, Any]]:
    """The section, after each run. What `known` has is not run again.

    Args:
        data: the folder that has `voice_prompts`: transcripts.tsv (file, seconds, split, text) and audio/.
    """
    folder = data / "voice_prompts"
    with (folder / "transcripts.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    parts = {}
    for part in ("train", "validation", "test"):
        mine = [row for row in rows if row["split"] == part][: 8 if smoke else None]
        parts[part] = Recordings([read_wave(folder / "audio" / row["file"]) for row in mine], texts=[row["text"] for row in mine], ids=[row["file"] for row in mine])
    runs: dict[str, Any] = dict(known.get("runs", {}))
    for seed in range(1 if smoke else seeds):
        key = f"CTC, seed {seed}"
        if key in runs:
            continue
        begin = time.perf_counter()
        limits = {"max_steps": 2, "hidden_size": 8} if smoke else {"time_limit_s": 60 * minutes}
        model = Transcriber(random_state=seed, **limits).fit(parts["train"], validation=parts["validation"])
        seconds = time.perf_counter() - begin
        found = {f"beam {width}": model.set_params(beam_size=width).evaluate(parts["test"]) for width in (1, 8)}
        found = {name: {each: result[each] for each in NAMED} for name, result in found.items()}
        found["beam 8, language model"] = with_language(model, language_model([model.alphabet_.plain(text) for text in parts["train"].require_texts()], smoke), parts, smoke)
        runs[key] = {"seed": seed, "seconds": round(seconds, 1), "steps": model.evaluation_["training"]["steps"], **found}
        print(f"{key}: {found['beam 1']['wer']:.1%} of {found['beam 1']['words']} words, {found['beam 1']['cer']:.1%} of characters, {seconds:.0f} s", flush=True)
        yield {"minutes": minutes, "runs": runs}


def table(found: Mapping[str, Any]) -> list[str]:
    """The section as lines of a page."""
    lines = [
        f"434 announcements by one voice; a quarter of an hour to train on, no sentence in two parts. At most {found['minutes']:g} minutes of training.",
        "",
        "| search | seed | words | word errors | 95 % interval | characters | character errors | minutes | steps | real-time factor |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for run in found["runs"].values():
        for name in ("beam 1", "beam 8", "beam 8, language model"):
            one = run[name]
            low, high = one["wer_interval"]
            lines.append(f"| {name} | {run['seed']} | {one['words']} | {one['wer']:.1%} | {low:.1%} to {high:.1%} | {one['characters']} | {one['cer']:.1%} | {run['seconds'] / 60:.1f} | {run['steps']} | {one['real_time_factor']:.4f} |")
    return [
        *lines,
        "",
        "The interval is that of drawing the recordings again. The language model (an LSTM of 128 units, characters) learnt from the transcripts of training and from the plays in examples/data; its weight and its bonus for each character are those that made the fewest character errors in the validation part.",
    ]
