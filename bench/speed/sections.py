"""The sections of a benchmark, each measured by itself: the command line, and the two files that keep what was found."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from speed import timing
from tenuto.files import write_text

RESULTS = Path(__file__).resolve().parent.parent / "results"
Section = Callable[[bool], Iterator[dict[str, Any]]]


def measured(about: Mapping[str, Any]) -> str:
    """When and on what a section was measured, in a line."""
    return f"Measured {about['measured']}, {about['processor']}, {about['threads']} thread, torch {about['torch']}; load {about['load']} at the beginning, {about['seconds']:.0f} s.{about.get('pieces', '')}"


def run(name: str, said: str | None, sections: Mapping[str, Section], markdown: Callable[[dict[str, Any]], str], *, options: argparse.ArgumentParser | None = None) -> None:
    """Measure the sections that the command line asks for, with one thread; NAME.json and NAME.md are written as soon as a part of a section is there.

    Args:
        said: the help. sections: from whether it is a smoke test to what is found so far. markdown: the page of what is known.
        options: a command line that has others already, which the caller reads.
    """
    options = options or argparse.ArgumentParser(description=said, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--smoke", action="store_true", help="everything at its smallest, nothing written")
    options.add_argument("--only", action="append", choices=list(sections), metavar="SECTION", help="this section (again for more)")
    options.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    asked = options.parse_args()
    torch.set_num_threads(1)
    for section in asked.only or sections:
        about, begin, text = ({} if asked.smoke else timing.circumstances()), time.perf_counter(), ""
        for found in sections[section](asked.smoke):
            text = markdown({section: found})
            if asked.smoke:
                continue
            file = asked.results / f"{name}.json"
            known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
            known[section] = {"about": {**about, "seconds": round(time.perf_counter() - begin, 1)}, **found}
            known = {each: known[each] for each in sections if each in known}
            asked.results.mkdir(parents=True, exist_ok=True)
            write_text(file, json.dumps(known, indent=1) + "\n")
            write_text(asked.results / f"{name}.md", markdown(known))
        print(text)
