"""The measurements as text: a table for each section, with what was done above it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from speed.sections import measured

Section = dict[str, Any]
KERNEL_GOALS = ((10.0, 10.0), (1.0, 3.0))  # where at most one step in so many is run, shap takes at least so many times as long


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---", *["---:"] * (len(head) - 1)], *rows])


def markdown(sections: dict[str, Section]) -> str:
    """The page."""
    parts = ["# Are explanations right, and how fast are they?", "Made by `python bench/explain.py`, whose text says what is in each section; all numbers are in explain.json."]
    for name, section in sections.items():
        parts += WRITERS[name](section)
        if "about" in section:
            parts.append(measured(section["about"]))
    return "\n\n".join(parts) + "\n"


def pair(value: list[float]) -> str:
    mean, spread = value
    return f"{mean:.3f} ± {spread:.3f}" if spread else f"{mean:.3f}"


def _hmm(section: Section) -> Iterator[str]:
    yield "## The state benchmark"
    yield (
        "Which channel decides the class, at each of 200 steps. AUP, AUR: areas under precision and recall over the threshold on |values|, scaled series by series; AUROC, AUPRC: of the order alone. "
        f"Mean ± standard deviation over folds, where there are more than one. Networks trained here, which get {' and '.join(f'{value:.3f}' for value in section['accuracy'])} of the classes right; these are drawn at random with the deciding channel's odds. "
        "Each answer to a prefix is explained by the prefix's last step, as in the published runs; slow methods explain fewer of the 200 series, as the table says. "
        "For occlusion, Shapley values and LIME all earlier steps are one player; the published LIME and occlusion have single cells."
    )
    names = ["AUP", "AUR", "AUROC", "AUPRC"]
    rows = [
        [f"**{name}**", *(pair(row[each]) for each in names), f"{row['series']} × {section['folds']}", f"{sum(row['seconds']) / len(row['seconds']):.0f}"]
        for name, row in section["ours"].items()
    ]  # fmt: skip
    rows += [[name, *(f"{row[each]:.3f}" for each in names), "200 × 5", "–"] for name, row in section["published"].items()]
    yield table(["method (ours in bold)", *names, "series × folds", "seconds a fold"], rows)


def _rectangles(section: Section) -> Iterator[str]:
    yield "## Planted boxes"
    yield (
        "A box of 6 steps × 4 features in noise of 30 × 10, early, in the middle or late; a network of 32 units answers after the last step. With K = 24 cells in the box: precision is the share of the K / 2 largest "
        f"|values| that lie in the box, recall the share of the box that is among the 2 K largest, share that of all |values| inside. Means over {section['items']} items. Of a network that gets half of the items right there is nothing to find."
    )
    cells = list(section["accuracy"])
    yield table(["cell", *next(iter(section["accuracy"].values()))], [[cell, *(f"{value:.1%} right" for value in section["accuracy"][cell].values())] for cell in cells])
    for cell in cells:
        places = list(section["accuracy"][cell])
        rows = []
        for name, by_cell in section["values"].items():
            found = by_cell.get(cell, {})
            rows.append([name, *(f"{found[place][what][0]:.2f}" if place in found else "–" for what in ("precision", "recall", "share") for place in places)])
        yield table([cell, *(f"{what}, {place}" for what in ("precision", "recall", "share") for place in places)], rows)


def _arithmetic(section: Section) -> Iterator[str]:
    yield "## A sum over a long gap"
    yield (
        "The answer is a + b: a is marked in the first tenth of the steps, b in the last; the reference has the same marks, and zeros for numbers. Share: how much of the |values| of all steps lies on these two. "
        f"Correlations: of the step's value with a, and with b; over {section['items']} items."
    )
    for cell, networks in section["networks"].items():
        rows = []
        for name, by_cell in section["values"].items():
            found = by_cell.get(cell, {})
            rows.append([name, *(f"{found[gap][what]:.3f}" if gap in found else "–" for gap in networks for what in ("share", "correlation a", "correlation b"))])
        yield table([cell, *(f"{what}, {gap} steps" for gap in networks for what in ("share", "a", "b"))], rows)
        yield "Mean squared error: " + "; ".join(f"{one['mean squared error']:.2g} after {one['training steps']} training steps ({gap} steps)" for gap, one in networks.items()) + f". That of answering 0 is {2 / 3:.2f}."


def _speed(section: Section) -> Iterator[str]:
    yield "## Speed"
    yield "Contributions of all rows to one number each, beside passes of the same model that give the gradient by x; medians of calls in turns, in milliseconds of the processor. `explain(...)` is the whole call, which also runs the model twice to see that it answers alike. MB: what a call adds to the memory of a process of its own, at its peak."
    rows = []
    for row in section["passes"]:
        times = {name: value[0] for name, value in row["ms_median_best"].items()}
        both, alone = times["forward and backward"], times["backward"]
        rows.append([
            row["cell"], " × ".join(map(str, row["shape"])), f"{both:.2f}", f"{alone:.2f}", f"{times['contributions']:.2f}", f"{times['explain(...)']:.2f}",
            f"{times['contributions'] / both:.2f}", f"{times['contributions'] / alone:.2f}", "met" if times["contributions"] <= 5 * alone else "missed",
            *_peaks(row, "backward", "contributions"),
        ])  # fmt: skip
    yield table(["cell", "B × T × F × H", "forward and backward, ms", "backward alone, ms", "contributions, ms", "explain(...), ms", "÷ both", "÷ backward", "≤ 5 backward passes", "forward and backward, MB", "contributions, MB"], rows)
    if not section["shap"]:
        yield "shap is not installed here, so KernelSHAP was not compared (`pip install --no-deps --target FOLDER shap numba llvmlite slicer`, and FOLDER in PYTHONPATH)."
    elif "kernels" in section:
        yield "KernelSHAP of one item, ours beside that of shap: the same model, engine, players and root mean square error, in seconds of the processor. T steps, of which w are run for each coalition. MB: as above, ours and shap with as many coalitions, in pieces of 256."
        yield table(["", "T / w", "players", "error", "coalitions, ours", "shap's", "ours, s", "shap, s", "shap ÷ ours", "wanted", "shap ÷ ours, as many coalitions", "ours, MB", "shap, MB"], [_kernel(row) for row in section["kernels"]])


def _peaks(row: dict[str, Any], *calls: str) -> list[str]:
    """MB of each; measurements of earlier versions have none."""
    found = row.get("peak_mb", {})
    return [f"{found[what]:.0f}" if what in found else "–" for what in calls]


def _kernel(row: dict[str, Any]) -> list[str]:
    times = {name: value[0] for name, value in row["seconds_median_best"].items()}
    ratio, pruned = times["shap, same error"] / times["ours"], row["steps"] / row["steps run"]
    wanted = next(goal for least, goal in KERNEL_GOALS if pruned >= least)
    return [
        row["case"], f"{row['steps']} / {row['steps run']}", str(row["players"]), f"{row['error']:.2g}", str(row["coalitions"]), str(row["coalitions of shap"]), f"{times['ours']:.2f}",
        f"{times['shap, same error']:.2f}", f"{ratio:.1f}", f"≥ {wanted:g}, {'met' if ratio >= wanted else 'missed'}", f"{times['shap, as many coalitions'] / times['ours']:.1f}",
        *_peaks(row, "shapley", "shap"),
    ]  # fmt: skip


WRITERS = {"hmm": _hmm, "rectangles": _rectangles, "arithmetic": _arithmetic, "speed": _speed}
