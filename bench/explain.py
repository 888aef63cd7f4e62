"""Whether explanations are right, where it is known what counts; and how fast they are.

    python bench/explain.py [--only SECTION ...] [--results FOLDER] [--smoke]

Sections:
    hmm         the state benchmark of Tonekaboni et al. 2020 and Crabbé, van der Schaar 2021, beside the published numbers; 25 minutes
    rectangles  boxes planted early, in the middle and late (after Ismail et al. 2020): which cells are found, by cell and method; 5 minutes
    arithmetic  the sum of two marked numbers far apart (after Arras et al. 2019): how much lies on them, and whether it is they; 5 minutes
    speed       contributions beside a backward pass, KernelSHAP beside that of shap, peak memory; 5 minutes

Writes results/explain.json and explain.md as soon as a part of a section is there; `--only` measures some sections and leaves the others as they are. One thread.
The section speed compares with the packages shap and captum where Python finds them (`pip install --no-deps --target FOLDER shap captum numba llvmlite slicer`, and
FOLDER in PYTHONPATH: neither changes the torch that is there); where it does not, the page says so. `--smoke`: everything at its smallest, nothing is written.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from explanations import arithmetic, hmm, page, rectangles, speed
from speed import timing
from tenuto.files import write_text

RESULTS = Path(__file__).resolve().parent / "results"
SECTIONS: dict[str, Callable[[bool], Iterator[dict[str, Any]]]] = {
    "hmm": hmm.measure, "rectangles": rectangles.measure, "arithmetic": arithmetic.measure, "speed": speed.measure,
}  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--smoke", action="store_true", help="everything at its smallest, nothing written")
    options.add_argument("--only", action="append", choices=list(SECTIONS), metavar="SECTION", help="this section (again for more)")
    options.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    asked = options.parse_args()
    torch.set_num_threads(1)
    for name in asked.only or SECTIONS:
        about, begin = timing.circumstances(), time.perf_counter()
        for found in SECTIONS[name](asked.smoke):
            text = page.markdown({name: found})
            if asked.smoke:
                continue
            file = asked.results / "explain.json"
            known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
            known[name] = {"about": {**about, "seconds": round(time.perf_counter() - begin, 1)}, **found}
            known = {each: known[each] for each in SECTIONS if each in known}
            asked.results.mkdir(parents=True, exist_ok=True)
            write_text(file, json.dumps(known, indent=1) + "\n")
            write_text(asked.results / "explain.md", page.markdown(known))
        print(text)


if __name__ == "__main__":
    main()
