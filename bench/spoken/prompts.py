"""The section "prompts": the announcements of a telephone exchange by one voice, written down."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tenuto.data import Recordings
from tenuto.data.audio.wave import read_wave
from tenuto.tasks import Transcriber

NAMED = ("recordings", "words", "wer", "wer_interval", "characters", "cer", "exact", "word_substitutions", "word_deletions", "word_insertions", "real_time_factor")


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
        runs[key] = {"seed": seed, "seconds": round(seconds, 1), "steps": model.evaluation_["training"]["steps"], **{name: {each: result[each] for each in NAMED} for name, result in found.items()}}
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
        for name in ("beam 1", "beam 8"):
            one = run[name]
            low, high = one["wer_interval"]
            lines.append(f"| {name} | {run['seed']} | {one['words']} | {one['wer']:.1%} | {low:.1%} to {high:.1%} | {one['characters']} | {one['cer']:.1%} | {run['seconds'] / 60:.1f} | {run['steps']} | {one['real_time_factor']:.4f} |")
    return [*lines, "", "The interval is that of drawing the recordings again."]
