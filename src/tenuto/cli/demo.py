"""`tenuto demo`: train on real data in a minute, and compare the result with others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tenuto.cli.console import messages, output
from tenuto.cli.fitting import fit_from_options
from tenuto.cli.parameters import complete
from tenuto.runs.names import REPORT
from tenuto.tasks.classify.card import TASK
from tenuto.tongues import typed_path

# Test accuracy on the official split (270 training, 370 test sequences).
YARDSTICKS = (
    ("ensemble of 11 LSTMs, resampled to 26 steps", 0.9886, "published, github: postnubilaphoebus/Jap_Speak_Recog"),
    ("logistic regression on means and deviations", 357 / 370, "measured on these files (scikit-learn, C = 10)"),
)


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="The run folder; an earlier run in it is replaced.")] = Path("runs/demo"),
    seed: Annotated[int, typer.Option(help="The seed for the weights, the split and the batches.")] = 0,
    # One thread, since the network is small. On two cores of an Intel Xeon with a load of five, the demo took 28 s with one thread and 165 s with two.
    threads: Annotated[int, typer.Option(help="Threads of torch; 0 leaves the number as it is.", min=0)] = 1,
) -> None:
    """Train a classifier on Japanese Vowels: it tells nine speakers apart by how they say the vowels /ae/.

    The data comes with tenuto. Training takes under two minutes on two cores.
    """
    messages().print(f"the same as: tenuto fit classify japanese_vowels --out {typed_path(out)} --seed {seed} --threads {threads} --overwrite", markup=False)
    given = {"data": "japanese_vowels", "out": out, "seed": seed, "threads": threads, "overwrite": True}
    evaluation = fit_from_options(TASK, complete(TASK, given))
    console = output()
    console.print("\ntest accuracy on the official split:")
    rows = [*YARDSTICKS, ("this run", evaluation["results"]["test"]["accuracy"], f"seed {seed}")]
    for who, accuracy, source in sorted(rows, key=lambda row: -row[1]):
        style = "bold" if who == "this run" else ""
        console.print(f"  {accuracy:.2%}  {who} [{source}]", style=style, markup=False)
    console.print(f"\nopen {(out / REPORT).resolve()} in a browser", markup=False)
