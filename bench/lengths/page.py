"""The sections of bench/long.py as pages."""

from __future__ import annotations

import statistics
from typing import Any

from lengths import associative as task
from lengths import copying


def table(head: list[str], rows: list[list[str]]) -> str:
    """Rows of text under a head."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---:"] * len(head), *rows])


def thinned(curve: list[Any], most: int = 12) -> list[Any]:
    """At most so many places of a curve, the last one among them."""
    every = max(1, -(-len(curve) // most))
    return curve[::-1][::every][::-1]


def copy(section: dict[str, Any]) -> list[str]:
    hidden, rows, width = section["hidden_rows_width"]
    seeds, lengths = section["rows"], list(section["rows"][0]["wrong"])
    said = (
        f"A GRU of {hidden} units and a memory of {rows} rows of {width}, {seeds[0]['parameters']:,} weights, lengths 1 to {section['longest']}, bits given as -1 and 1; Adam (amsgrad) at {copying.RATE:g}, batches of 16. As soon as at most 1 % of the bits of a hundred "
        f"batches are wrong, the rate falls to zero within {copying.SETTLING:,} steps; a seed has solved it when at most 0.1 % are wrong. Then 32 sequences of each length are tested. No seed has more than {section['seconds']:.0f} s of a processor until its rate falls."
    )
    found = [[str(row["seed"]), f"{row['solved']:,}" if row["solved"] else "not", f"{row['steps']:,}", f"{row['seconds']:.0f}", *(f"{row['wrong'][length]:.2%}" for length in lengths)] for row in seeds]
    middle = copying.median_of(seeds)
    medians = ["median", f"{middle:,.0f}", f"{statistics.median(row['steps'] for row in seeds):,.0f}", f"{statistics.median(row['seconds'] for row in seeds):.0f}", *(f"{statistics.median(row['wrong'][length] for row in seeds):.2%}" for length in lengths)]
    curves = [f"Seed {row['seed']}, bits wrong by step: " + ", ".join(f"{step:,}: {wrong:.1%}" for step, wrong in thinned(row["curve"])) + "." for row in seeds]
    return ["## Copying with an NTM", said, table(["seed", "solved after steps", "steps", "seconds of a processor", *(f"wrong at {length}" for length in lengths)], [*found, medians]), *curves]


def associative(section: dict[str, Any]) -> list[str]:
    hidden, rows, width = section["hidden_rows_width"]
    seeds, counts = section["rows"], list(section["rows"][0]["wrong"])
    said = (
        f"Items of {task.VECTORS} vectors of {task.BITS} bits (Graves et al. 2014, section 4.3); one of them is shown again, and the one that came after it is to be said. An NTM of an LSTM of {hidden} units and {rows} rows of {width}, {seeds[0]['parameters']:,} weights; Adam at {task.RATE:g}, batches "
        f"of {task.BATCH}. Training has 2 to {section['most']} items, all but the last of which are asked for, one after the other: several answers a sequence, where Graves et al. have one. As soon as at most {task.NEARLY:.1%} of the bits of 250 batches are wrong, the rate falls to zero within {task.SETTLING:,} steps. "
        f"Then {task.TESTED:,} sequences of each number of items are tested, with one question each. No seed has more than {section['seconds']:.0f} s of a processor until its rate falls."
    )
    found = [[str(row["seed"]), f"{row['nearly']:,}" if row["nearly"] else "not", f"{row['steps']:,}", f"{row['seconds']:.0f}", *(f"{row['wrong'][count]:.4%}" for count in counts)] for row in seeds]
    curves = [f"Seed {row['seed']}, bits wrong by step: " + ", ".join(f"{step:,}: {wrong:.2%}" for step, wrong in thinned(row["curve"])) + "." for row in seeds]
    return ["## Which item came next", said, table(["seed", "nearly right after steps", "steps", "seconds of a processor", *(f"bits wrong, {count} items" for count in counts)], found), *curves]


def adding(section: dict[str, Any]) -> list[str]:
    rows = [
        [row["cell"], str(row["hidden"]), f"{row['time_steps']:,}", str(row["batch"]), str(row["seed"]), f"{row.get('steps', 0):,}", f"{row.get('seconds', 0) / 60:.1f}", f"{row['test']:.5f}" if "test" in row else "", "yes" if row["solved"] else "no"]
        for row in section["rows"]
    ]  # fmt: skip
    said = "The sum of two marked numbers of T. Chrono start for T, Adam, a line over the last output; training ends where the mean squared error over 1,000 test sequences is 1e-3. A guess of 1 has 0.167."
    curves = [f"{row['cell']}, T = {row['time_steps']:,}, seed {row['seed']}, error by step: " + ", ".join(f"{step:,}: {error:.4f}" for step, error in thinned(row["curve"])) + "." for row in section["rows"]]
    return ["## Adding two numbers of many", said, table(["cell", "units", "T", "batch", "seed", "steps", "minutes of a processor", "test error", "≤ 1e-3"], rows), *curves]


def copy_memory(section: dict[str, Any]) -> list[str]:
    said = (
        f"Ten symbols of eight, a gap, and the symbols again, by a DNC (an LSTM of 64 units, 16 rows of 16, one read head, {section['parameters']:,} weights; Adam at 2e-3, batches of 16, one seed). Gaps of training are drawn up to a limit that doubles, from "
        f"4, whenever 99 % of the symbols of 50 batches are right; the gap of the test is 500. After {section.get('steps', 0):,} steps, {section.get('seconds', 0) / 60:.1f} minutes of a processor, {section.get('right', float('nan')):.1%} of the symbols of 64 sequences are right."
    )
    return ["## Ten symbols over 500 steps", said, table(["step", "gaps up to", "right in training"], [[f"{step:,}", str(gap), f"{right:.1%}"] for step, gap, right in thinned(section["curve"])])]


def recall(section: dict[str, Any]) -> list[str]:
    counts = list(section["rows"][0]["wrong"])
    rows = [[row["memory"], f"{row['parameters']:,}", f"{row['steps']:,}", f"{row['seconds'] / 60:.1f}", *(f"{row['wrong'][count]:.2%}" for count in counts)] for row in section["rows"]]
    said = f"Pairs of a key and a value of 6 bits, then the keys in another order: 2 to {counts[0]} pairs in training, tested with {' and '.join(counts)}. AdamW at 2e-3, batches of 32, one seed."
    curves = [f"{row['memory']}, bits wrong by step: " + ", ".join(f"{step:,}: {wrong:.2%}" for step, wrong in thinned(row["curve"])) + "." for row in section["rows"]]
    return ["## Values by their keys", said, table(["memory", "weights", "steps", "minutes of a processor", *(f"bits wrong, {count} pairs" for count in counts)], rows), *curves]


def digits(section: dict[str, Any]) -> list[str]:
    said = "scikit-learn's digits, 64 steps of one pixel; 1,438 to learn from, 359 others. AdamW at 5e-3, cosine, 20 passes, batches of 32; the last output is read."
    names = list(dict.fromkeys(row["encoder"] for row in section["rows"]))
    rows = []
    for name in names:
        own = [row for row in section["rows"] if row["encoder"] == name]
        rows.append([name, f"{own[0]['parameters']:,}", " ".join(f"{row['accuracy']:.1%}" for row in own), f"{sum(row['seconds'] for row in own) / len(own):.0f}"])
    return ["## Digits pixel by pixel", said, table(["encoder", "weights", "accuracy by seed", "seconds of a processor"], rows)]


def depth(section: dict[str, Any]) -> list[str]:
    said = "An LSTM of 24 units in 20 layers on the rows of the same digits, 8 steps of 8 pixels; 5 passes, AdamW at 3e-3. Chance is 10 %."
    rows = [[row["stack"], str(row["seed"]), f"{row['parameters']:,}", f"{row['curve'][-1][0]:.3f}", f"{row['accuracy']:.1%}", f"{row['seconds']:.0f}"] for row in section["rows"]]
    return ["## Twenty layers", said, table(["stack", "seed", "weights", "loss in the last pass", "accuracy", "seconds of a processor"], rows)]


def peer(section: dict[str, Any]) -> list[str]:
    steps, batch, inputs, units, rows, width, heads = section["size"]
    said = f"One step of time in a sequence of {steps}, batches of {batch}, {inputs} inputs, an LSTM of {units} units, {rows} rows of {width}, {heads} read heads (an NTM has one head that reads and one that writes); medians of interleaved calls."
    found = [[name, *(f"{kinds[kind]:.0f}" for kind in ("forward", "training"))] for name, kinds in section["steps_per_s"].items()]
    return ["## Steps a second", said, table(["model", "steps a second, forward", "forward and backward"], found)]


PAGES = {"copy": copy, "adding": adding, "associative": associative, "copy-memory": copy_memory, "recall": recall, "digits": digits, "depth": depth, "peer": peer}
