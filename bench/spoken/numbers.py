"""Spoken numbers: strings of one to seven digits, joined from recordings of one speaker, with pauses, levels and noise that are drawn; and the section "numbers", which writes them down."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from speed.timing import processor
from spoken.fsdd import WORDS, fsdd
from tenuto.data import Recordings, Wave
from tenuto.data.audio.perturb import with_noise
from tenuto.tasks import Transcriber

NAMED = ("recordings", "words", "wer", "wer_interval", "cer", "exact", "word_substitutions", "word_deletions", "word_insertions", "real_time_factor", "by_length")
LONGEST = 7
PAUSE_S = (-0.04, 0.4)  # below 0 two recordings overlap
EDGE_S = (0.05, 0.5)  # before the first and after the last
LEVEL_DB, OWN_LEVEL_DB = 6.0, 3.0  # of the string, and of each recording in it
NOISE_DB = (15.0, 45.0)  # softer than the string
STEPS = 2000
HEADS: dict[str, dict[str, Any]] = {
    "CTC": {"max_steps": STEPS},
    "transducer": {"head": "transducer", "max_steps": STEPS},
    "CTC, characters": {"units": "characters", "max_steps": STEPS},
}
WIDTHS = (1, 8)


def spoken_numbers(digits: Recordings, count: int, seed: int) -> Recordings:
    """So many strings, each of one speaker, with the words as texts.

    Args:
        digits: recordings of one digit each, labelled "0" to "9", with speakers; all are likely to be taken.
    """
    generator = np.random.default_rng([seed, count, len(digits)])
    speakers = np.array(digits.speakers)
    of_each = {name: np.flatnonzero(speakers == name) for name in sorted(set(speakers.tolist()))}
    waves, texts, who = list[Wave](), list[str](), list[str]()
    for _ in range(count):
        name = str(generator.choice(list(of_each)))
        chosen = generator.choice(of_each[name], size=int(generator.integers(1, LONGEST + 1)))
        assert digits.labels is not None  # of digits
        waves.append(joined([digits.waves[place] for place in chosen.tolist()], generator))
        texts.append(" ".join(WORDS[int(digits.labels[place])] for place in chosen.tolist()))
        who.append(name)
    return Recordings(waves, texts=texts, speakers=who)


def joined(waves: list[Wave], generator: np.random.Generator) -> Wave:
    """Recordings one after another, in noise."""
    rate = waves[0].rate
    pauses = [generator.uniform(*EDGE_S), *generator.uniform(*PAUSE_S, size=len(waves) - 1)]
    places, at = [], 0
    for pause, wave in zip(pauses, waves):
        at = max(0, at + round(pause * rate))
        places.append(at)
        at += len(wave.samples)
    found = np.zeros(at + round(generator.uniform(*EDGE_S) * rate), dtype=np.float32)
    for place, wave in zip(places, waves):
        found[place : place + len(wave.samples)] += wave.samples * np.float32(10 ** (generator.uniform(-OWN_LEVEL_DB, OWN_LEVEL_DB) / 20))
    found *= np.float32(10 ** (generator.uniform(-LEVEL_DB, LEVEL_DB) / 20))
    return Wave(with_noise(found, generator.uniform(*NOISE_DB), generator), rate)


def numbers(data: Path, seeds: int, minutes: float, known: Mapping[str, Any], smoke: bool) -> Iterator[dict[str, Any]]:
    """The section, after each run. What `known` has is not run again."""
    digits, test = fsdd(data)
    speakers = np.array(digits.speakers)
    splits = {"known speakers": test, "without george": speakers == "george", "without theo": speakers == "theo"}
    runs: dict[str, Any] = dict(known.get("runs", {}))
    sizes = (20, 10, 10) if smoke else (2000, 200, 300)
    for head, name, seed in planned(1 if smoke else seeds):
        key = f"{head}, {name}, seed {seed}"
        if key in runs:
            continue
        apart = splits[name]
        inside, outside = digits.select(np.flatnonzero(~apart)), digits.select(np.flatnonzero(apart))
        training, held_out, rest = (spoken_numbers(part, size, place) for place, (part, size) in enumerate(zip((inside, inside, outside), sizes)))
        load, begin = round(os.getloadavg()[0], 1), time.perf_counter()
        limits = {"max_steps": 2, "hidden_size": 8} if smoke else {"time_limit_s": 60 * minutes}
        model = Transcriber(random_state=seed, **{**HEADS[head], **limits}).fit(training, validation=held_out)
        seconds = time.perf_counter() - begin
        found = {f"beam {width}": model.set_params(beam_size=width).evaluate(rest) for width in WIDTHS}
        runs[key] = {
            "head": head, "split": name, "seed": seed, "seconds": round(seconds, 1), "steps": model.evaluation_["training"]["steps"], "stopped": model.evaluation_["training"]["stopped"],
            "measured": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "processor": processor(), "load": load,
            **{name: {each: result[each] for each in NAMED} for name, result in found.items()},
        }  # fmt: skip
        print(f"{key}: {found['beam 1']['wer']:.2%} of {found['beam 1']['words']} words, {seconds:.0f} s", flush=True)
        yield {"minutes": minutes, "runs": dict(sorted(runs.items(), key=lambda each: (list(splits).index(each[1]["split"]), list(HEADS).index(each[1]["head"]), each[1]["seed"])))}
        if smoke:
            return


def planned(seeds: int) -> list[tuple[str, str, int]]:
    """Which head, split and seed, those first that the goals are about: known speakers by each seed, speakers unheard, and characters, by one seed."""
    first = [(head, "known speakers", seed) for seed in range(seeds) for head in ("CTC", "transducer")]
    return [*first, *((head, name, 0) for name in ("without george", "without theo") for head in ("CTC", "transducer")), ("CTC, characters", "known speakers", 0)]


def table(found: Mapping[str, Any]) -> list[str]:
    """The section as lines of a page."""
    lines = [
        f"Strings of one to {LONGEST} digits, joined from recordings of one speaker, with pauses of {PAUSE_S[0]:g} to {PAUSE_S[1]:g} s (below 0 they overlap), levels that differ by up to {2 * LEVEL_DB:g} dB, and white noise {NOISE_DB[0]:g} to {NOISE_DB[1]:g} dB softer.",
        f"2,000 strings to train on, 200 more of the same recordings to choose weights by, 300 to test on. Known speakers: of recordings that training never had. Without a speaker: of that one alone. {STEPS:,} steps of training, {found['minutes']:g} minutes at most. What a symbol is, is left to the data (`units`: auto), where no characters are asked for: pieces of words, which here are the words.",
        "",
        "| model | test strings of | seed | search | words | word errors | 95 % interval | substituted, left out, added | strings without an error | minutes | steps | real-time factor |",
        "| --- | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for run in found["runs"].values():
        for name, one in run.items():
            if not name.startswith("beam"):
                continue
            low, high = one["wer_interval"]
            kinds = ", ".join(str(one[f"word_{kind}"]) for kind in ("substitutions", "deletions", "insertions"))
            lines.append(f"| {run['head']} | {run['split']} | {run['seed']} | {name} | {one['words']} | {one['wer']:.2%} | {low:.1%} to {high:.1%} | {kinds} | {one['exact']:.1%} | {run['seconds'] / 60:.1f} | {run['steps']} | {one['real_time_factor']:.4f} |")
    return [*lines, "", "The interval is that of drawing the strings again.", *_means(found["runs"].values())]


def _means(runs: Iterable[Mapping[str, Any]]) -> list[str]:
    """What all seeds have together, for each head with more than one."""
    known = [run for run in runs if run["split"] == "known speakers"]
    lines = []
    for head in dict.fromkeys(run["head"] for run in known):
        own = [run for run in known if run["head"] == head]
        if len(own) > 1:
            means = [f"{statistics.mean(run[f'beam {width}']['wer'] for run in own):.2%} (beam {width})" for width in WIDTHS]
            lines += ["", f"{head}, known speakers, mean of {len(own)} seeds: {', '.join(means)} of the words wrong."]
    return lines
