"""Speech, measured: digits beside a linear method, spoken numbers, one voice, keywords in an hour of synthetic speech, and how fast.

    python bench/audio.py --data FOLDER [--only SECTION ...] [--seeds 5] [--minutes 15] [--again] [--results FOLDER] [--smoke]

FOLDER (or TENUTO_DATA) has a folder `fsdd` (the Free Spoken Digit Dataset: a sound file for each speaker, index.csv), and `voice_prompts` (transcripts.tsv, audio/).

Sections:
    digits   `AudioClassifier()`, nothing else said: the official split, and each of six speakers unheard in training; half as many seeds as on the official split; a minute a run
    numbers  `Transcriber()` on strings of 1 to 7 digits: recordings that training never had, and speakers that it never heard
    prompts  `Transcriber()` on a quarter of an hour of one voice
    spot     `Spotter()` on an hour of synthetic speech; needs espeak-ng (a Debian package)
    speed    seconds of work for a second of sound: features, network, greedy search, a beam of 8, a stream

What is in results/audio.json already is not run again, unless it is asked for (`--again`). One thread. Writes results/audio.json and audio.md as soon as a part of a section is there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from speed import sections
from spoken import digits, keywords, numbers, prompts, speed

TITLES = {"digits": "Digits", "numbers": "Spoken numbers", "prompts": "One voice", "spot": "Keywords in an hour of synthetic speech", "speed": "How fast, on one core"}
TABLES = {"digits": digits.table, "numbers": numbers.table, "prompts": prompts.table, "spot": keywords.table, "speed": speed.table}


def markdown(known: Mapping[str, Any]) -> str:
    """The page."""
    lines = ["# Speech"]
    for name, found in known.items():
        lines += ["", f"## {TITLES[name]}", "", *TABLES[name](found)]
        lines += ["", sections.measured(found["about"])] if "about" in found else []
    return "\n".join([*lines, "", "Measure again with `python bench/audio.py --data FOLDER`.", ""])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, default=os.environ.get("TENUTO_DATA"), metavar="FOLDER")
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--minutes", type=float, default=15.0, help="of a training, at most")
    options.add_argument("--again", action="store_true", help="also what is there already")
    given = options.parse_known_args([word for word in sys.argv[1:] if word not in ("-h", "--help")])[0]  # the rest is read by `run`, which also answers --help
    folder = next((Path(after) for word, after in zip(sys.argv, sys.argv[1:]) if word == "--results"), sections.RESULTS)

    def before(name: str) -> dict[str, Any]:
        file = folder / "audio.json"
        return json.loads(file.read_text(encoding="utf-8")).get(name, {}) if file.exists() and not given.again and "--smoke" not in sys.argv else {}

    def data() -> Path:
        if given.data is None:
            raise SystemExit("no data: --data FOLDER, or TENUTO_DATA")
        return Path(given.data)

    sections.run(
        "audio",
        __doc__,
        {
            "digits": lambda smoke: digits.digits(data(), given.seeds, before("digits"), smoke),
            "numbers": lambda smoke: numbers.numbers(data(), given.seeds, given.minutes, before("numbers"), smoke),
            "prompts": lambda smoke: prompts.prompts(data(), given.seeds, given.minutes, before("prompts"), smoke),
            "spot": lambda smoke: keywords.spot(given.minutes, before("spot"), smoke),
            "speed": speed.speed,
        },
        markdown,
        options=options,
    )


if __name__ == "__main__":
    main()
