"""Speech, measured: digits beside a linear method, spoken numbers, one voice, keywords in an hour of synthetic speech, and how fast.

    python bench/audio.py --data FOLDER [--only SECTION ...] [--seeds 5] [--again] [--results FOLDER] [--smoke]

FOLDER (or TENUTO_DATA) has a folder `fsdd` (the Free Spoken Digit Dataset: a sound file for each speaker, index.csv).

Sections:
    digits   `AudioClassifier()`, nothing else said: the official split, and each of six speakers unheard in training; with each seed; 2 minutes a run

What is in results/audio.json already is not run again, unless it is asked for (`--again`). One thread. Writes results/audio.json and audio.md as soon as a part of a section is there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from speed import sections
from spoken import digits

TITLES = {"digits": "Digits"}
TABLES = {"digits": digits.table}


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
    options.add_argument("--again", action="store_true", help="also what is there already")
    given = options.parse_known_args([word for word in sys.argv[1:] if word not in ("-h", "--help")])[0]  # the rest is read by `run`, which also answers --help
    folder = next((Path(after) for word, after in zip(sys.argv, sys.argv[1:]) if word == "--results"), sections.RESULTS)

    def before(name: str) -> dict[str, Any]:
        file = folder / "audio.json"
        return json.loads(file.read_text(encoding="utf-8")).get(name, {}) if file.exists() and not given.again else {}

    def data() -> Path:
        if given.data is None:
            raise SystemExit("no data: --data FOLDER, or TENUTO_DATA")
        return Path(given.data)

    def section_digits(smoke: bool) -> Iterator[dict[str, Any]]:
        return digits.digits(data(), given.seeds, {} if smoke else before("digits"), smoke)

    sections.run("audio", __doc__, {"digits": section_digits}, markdown, options=options)


if __name__ == "__main__":
    main()
