"""The section "spot": three keywords in an hour of synthetic speech, inside of sentences, by voices that training never heard."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spoken.synthetic import RATE, TESTING, TRAINING, Speaker, quiet, require_program, sentences, wave
from tenuto.data import Recordings, Wave
from tenuto.scores.spotting import Occurrence, proven
from tenuto.tasks import Spotter

KEYWORDS = ("computer", "music", "window")
TEXT = Path(__file__).resolve().parents[2] / "examples" / "data" / "shakespeare.txt"
PIECE_S = 2.6  # a sentence takes about so many seconds
EACH, BACKGROUND, HELD = 192, 960, 0.25  # recordings to train on: of each keyword, and sentences without one; the share of as many to choose thresholds by
OFTEN = 0.15  # of the test sentences have a keyword
CHUNK = 4000


def training(seed: int, smoke: bool) -> tuple[Recordings, Recordings]:
    """Recordings of the keywords alone, and sentences without any, by the training voices; and a fifth of them, by voices of their own, to choose thresholds by."""
    generator, words = np.random.default_rng([1, seed]), _words()
    held = TRAINING[::5]
    sets = []
    for voices, share in (([one for one in TRAINING if one not in held], 1.0), (list(held), HELD)):
        each, others = (3, 6) if smoke else (round(EACH * share), round(BACKGROUND * share))
        labels = [name for name in KEYWORDS for _ in range(each)] + ["other"] * others
        texts = [*labels[: -others or None], *(" ".join(one) for one in sentences(words[: len(words) // 2], KEYWORDS, others, generator))]
        sets.append(Recordings([Wave(Speaker.drawn(voices, generator).say(text), RATE) for text in texts], labels))
    return sets[0], sets[1]


def hour(hours: float, seed: int) -> tuple[Wave, list[Occurrence], int]:
    """Sentences of the second half of the text by the test voices, with pauses, some with a keyword between two of their words; where these are said; how many sentences."""
    generator, words = np.random.default_rng([2, seed]), _words()
    parts, said, at, count = list[np.ndarray](), list[Occurrence](), 0, 0
    for piece in sentences(words[len(words) // 2 :], KEYWORDS, max(4, round(hours * 3600 / PIECE_S)), generator):
        speaker, level = Speaker.drawn(TESTING, generator), np.float32(10 ** (generator.uniform(-9, 3) / 20))
        texts: list[tuple[str, str | None]] = [(" ".join(piece), None)]
        if generator.random() < OFTEN:
            cut, name = int(generator.integers(1, len(piece))), str(generator.choice(KEYWORDS))
            texts = [(" ".join(piece[:cut]), None), (name, name), (" ".join(piece[cut:]), None)]
        for text, name in texts:
            sound = speaker.say(text) * level
            if name is not None:
                said.append(Occurrence(name, at / RATE, (at + len(sound)) / RATE))
            for part in (sound, quiet(generator.uniform(0.03, 0.1), generator)):
                parts.append(part)
                at += len(part)
        parts.append(quiet(generator.uniform(0.1, 0.8), generator))
        at += len(parts[-1])
        count += 1
        if at > hours * 3600 * RATE:
            break
    return wave(parts), said, count


def _words() -> list[str]:
    return re.findall(r"[a-z]+", TEXT.read_text(encoding="utf-8").lower())


def spot(minutes: float, known: Mapping[str, Any], smoke: bool) -> Iterator[dict[str, Any]]:
    """The section. What `known` has is not run again."""
    if known.get("result"):
        return
    require_program()
    train, held_out = training(0, smoke)
    begin = time.perf_counter()
    limits = {"max_steps": 3, "hidden_size": 8} if smoke else {"time_limit_s": 60 * minutes}
    model = Spotter(random_state=0, **limits).fit(train, validation=held_out)
    seconds = time.perf_counter() - begin
    sound, said, count = hour(0.005 if smoke else 1.0, 0)
    result = model.evaluate_stream(sound, said)
    stream, events = model.stream(rate=RATE), []
    for first in range(0, len(sound.samples), CHUNK):
        events += stream.accept(sound.samples[first : first + CHUNK])
    events += stream.finish()
    assert len(events) == result["false_alarms"] + result["occurrences"] - result["misses"], "the stream tells what was measured"
    about = {"sentences": count, "seconds": round(seconds, 1), "steps": model.evaluation_["training"]["steps"], "stopped": model.evaluation_["training"]["stopped"], "trained_on_s": float(train.seconds.sum())}
    print(f"{result['misses']} of {result['occurrences']} missed, {proven(result['false_alarms'], result['hours'])}, {seconds:.0f} s", flush=True)
    yield {"training": about, "validation": {name: model.evaluation_["results"]["validation"][name] for name in ("occurrences", "misses", "false_alarms", "hours")}, "result": result}


def table(found: Mapping[str, Any]) -> list[str]:
    """The section as lines of a page."""
    result, about, held = found["result"], found["training"], found["validation"]
    low, high = result["miss_interval"]
    late = "" if result["latency_s"] is None else f"Told {abs(result['latency_s']):.2f} s {'before' if result['latency_s'] < 0 else 'after'} the end of the keyword (median). "
    lines = [
        f"**Synthetic speech**, made by espeak-ng. {len(KEYWORDS)} keywords, {EACH} recordings of each by {len(TRAINING)} voices, and {BACKGROUND} sentences without one ({about['trained_on_s'] / 60:.0f} minutes in all). "
        f"Tested on {result['hours']:.2f} hours as one stream: {about['sentences']} other sentences by {len(TESTING)} other voices, of which {result['occurrences']} have a keyword between two of their words, 0.03 to 0.1 s apart.",
        "",
        f"**{result['miss_rate']:.1%} missed** ({result['misses']} of {result['occurrences']}; 95 % interval {low:.1%} to {high:.1%}), {proven(result['false_alarms'], result['hours'])}. "
        f"{late}Thresholds come from {held['hours'] * 60:.0f} minutes of validation ({held['misses']} of {held['occurrences']} missed, {held['false_alarms']} false alarms there). "
        f"Trained in {about['seconds'] / 60:.0f} minutes ({about['steps']} steps; {about['stopped']}). Real-time factor {result['real_time_factor']:.4f}.",
        "",
        "| keyword | said | missed | false alarms | an hour at most (95 %) | threshold | boost |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(f"| {one['name']} | {one['occurrences']} | {one['misses']} | {one['false_alarms']} | {one['false_alarms_at_most']:.1f} | {one['threshold']:.3f} | {one['boost']:+.2f} |" for one in result["keywords"]),
        "",
        "The curve, when all thresholds move alike:",
        "",
        "| taken from the log-odds of each threshold | missed | false alarms an hour |",
        "| ---: | ---: | ---: |",
        *(f"| {'**' * (point['sensitivity'] == 0)}{point['sensitivity']:+.2f}{'**' * (point['sensitivity'] == 0)} | {point['misses'] / result['occurrences']:.1%} | {point['false_alarms_per_hour']:.1f} |" for point in result["curve"]),
    ]
    return lines
