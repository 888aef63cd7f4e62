"""The CPU engine beside torch.nn, eager loops and ONNX Runtime, in one run on the machine at hand.

    python bench/cpu.py [--only SECTION ...] [--seconds 1.2] [--results FOLDER] [--smoke]

Writes results/cpu.json (every median and best time, with each section's own date, load and measured peak), results/cpu.md (tables, and
the targets), results/cpu.png and the table in README.md, again after each section. `--only` measures some sections and leaves the others as they are,
so a long run can be made in pieces. Training is forward + backward with the gradients of x and of all weights. Contenders take turns call
by call, so that whatever else the machine does falls on all of them; where medians and best times disagree, something else was running.

Sections: lstm, gru, rnn (torch.nn and ONNX Runtime); relu-lstm, layer-norm-lstm, peephole-lstm, dropout-lstm, mgu, reset-before-gru
(eager loops of the same cell); bfloat16-lstm, bfloat16-gru, bfloat16-rnn, bfloat16-cells (under autocast); small (calls that are over at once);
lengths; step (one step of a stream); shares (of a call, inside and around the compiled loops); invariant; compile; memory. About a minute each, twelve minutes
in all on two cores. `--smoke`: all of them at their smallest, in about half a minute; nothing is written and the numbers mean nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch

from speed import compiling, documents, memory, page, sequences, shares, steps, timing
from tenuto.files import write_text

RESULTS = Path(__file__).resolve().parent / "results"


def sections(smoke: bool, seconds: float) -> dict[str, Callable[[], list[dict[str, object]]]]:
    """What can be measured, by name, in the order of the page."""
    grid, ragged, single = sequences.SHAPES, sequences.RAGGED, steps.SHAPES
    cells, sizes, kinds = compiling.CELLS, memory.SHAPES, list(sequences.VENDOR)
    if smoke:
        grid = ragged = [(2, 5, 3, 16)]
        single, cells, sizes, kinds = [(1, 1, 3, 16)], ["Elman"], [(2, 5, 3, 16)], ["LSTM"]
    found = {kind.lower(): lambda kind=kind: sequences.against_vendor(kind, grid, seconds) for kind in sequences.VENDOR}
    found |= {name.lower().replace(" ", "-"): lambda name=name: sequences.against_loop(name, grid, seconds) for name in sequences.LOOPS}
    found |= {f"bfloat16-{kind.lower()}": lambda kind=kind: sequences.in_bfloat16(kind, grid, seconds) for kind in sequences.VENDOR}
    return found | {
        "bfloat16-cells": lambda: sequences.loops_in_bfloat16([shape for shape in grid if shape[3] >= 256] or grid, seconds),
        "small": lambda: sequences.small_calls(grid if smoke else sequences.SMALL, seconds),
        "lengths": lambda: sequences.with_lengths(ragged, seconds),
        "step": lambda: steps.one_step(single, seconds),
        "shares": lambda: shares.shares(grid if smoke else shares.SHAPES, seconds),
        "invariant": lambda: sequences.invariant_mode(grid, seconds),
        "compile": lambda: compiling.compile_times(cells),
        "memory": lambda: memory.peak_memory(sizes, kinds),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--smoke", action="store_true", help="everything at its smallest, nothing written")
    options.add_argument("--only", action="append", metavar="SECTION", help="this section (again for more)")
    options.add_argument("--seconds", type=float, default=1.2, help="for each line of the tables")
    options.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    arguments = options.parse_args()
    results: Path = arguments.results
    chosen = sections(arguments.smoke, 0.02 if arguments.smoke else arguments.seconds)
    unknown = sorted(set(arguments.only or ()) - set(chosen))
    if unknown:
        options.error(f"no section {', '.join(unknown)}; there are {', '.join(chosen)}")
    torch.manual_seed(0)
    file, known = results / "cpu.json", {}
    if file.exists() and not arguments.smoke:
        known = json.loads(file.read_text(encoding="utf-8")).get("sections", {})
    for name, measure in chosen.items():
        if arguments.only and name not in arguments.only:
            continue
        about, begin = timing.circumstances(), time.perf_counter()
        print(f"{name}: {about['processor']}, {about['threads']} threads, load {about['load']}, peak {about['peak_gflops']} GFLOP/s", flush=True)
        rows = measure()
        known[name] = {"about": about, "seconds": round(time.perf_counter() - begin, 1), "rows": rows}
        known = {each: known[each] for each in chosen if each in known}
        text = page.markdown(known)
        if not arguments.smoke:
            results.mkdir(parents=True, exist_ok=True)
            write_text(file, json.dumps({"targets": list(page.targets(known)), "sections": known}, indent=1) + "\n")
            write_text(results / "cpu.md", text)
            page.plot(known, results / "cpu.png")
            if results.resolve() == RESULTS:
                documents.put(documents.README, "speed", "bench/cpu.py", page.summary(known))
    for line in page.targets(known):
        print("  ".join([f"{line[0]:52}", f"{line[1]:20}", *line[2:]]))


if __name__ == "__main__":
    main()
