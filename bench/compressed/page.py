"""The measurements as text."""

from __future__ import annotations

from typing import Any

# Size, drop, and how many times as fast; None: no goal
GOALS = {"int8": (0.26, 0.003, None), "int4": (0.15, 0.01, None), "half the units": (None, 0.01, 2.0), "90 % zeros": (0.15, None, None)}


def markdown(sections: dict[str, Any]) -> str:
    """The page."""
    parts = ["# What compression takes away", "Made by `python bench/compress.py`, whose text says what is in each section; all numbers are in compress.json."]
    if "quality" in sections:
        parts += ["## Size and quality", "Size: the whole folder, as a share of the folder before. Drop: relative, of the measure named; negative where the smaller model is better."]
        rows = [
            [row["task"], row["cell"], row["form"], f"{row['bytes'][1] / row['bytes'][0]:.3f}", row["measure"], f"{row['before']:.4g}", f"{row['after']:.4g}", f"{row['drop']:.2%}", _met(row)]
            for row in sections["quality"]["rows"]
        ]
        parts.append(_table(["task", "cell", "form", "size", "measure", "before", "after", "drop", "goal"], rows))
    if "pruning" in sections:
        parts += ["## Units and weights that are taken away", "Size and drop as above; how many times as fast the smaller model predicts, by the median of turns on this machine."]
        rows = [
            [row["task"], row["cell"], row["form"], f"{row['bytes'][1] / row['bytes'][0]:.3f}", row["measure"], f"{row['before']:.4g}", f"{row['after']:.4g}", f"{row['drop']:.2%}", f"{row['times_as_fast']:.2f}", _met(row)]
            for row in sections["pruning"]["rows"]
        ]
        parts.append(_table(["task", "cell", "form", "size", "measure", "before", "after", "drop", "times as fast", "goal"], rows))
    if "speed" in sections:
        parts += ["## One step of one row", "256 features, 512 units; ms a step, median and best."]
        parts.append(_table(["", "median", "best"], [[name, *(f"{value:.4f}" for value in values)] for name, values in sections["speed"]["ms_a_step"].items()]))
    for name, section in sections.items():
        if "about" in section:
            about = section["about"]
            parts.append(f"{name}: measured {about['measured']}, {about['processor']}, {about['threads']} thread, torch {about['torch']}; load {about['load']} at the beginning.")
    return "\n\n".join(parts) + "\n"


def _met(row: dict[str, Any]) -> str:
    size, drop, fast = next((goals for form, goals in reversed(GOALS.items()) if row["form"].startswith(form)), (None, None, None))
    wrong = [f"size {size}"] * (size is not None and row["bytes"][1] > size * row["bytes"][0]) + [f"drop {drop or 0:.1%}"] * (drop is not None and row["drop"] > drop)
    wrong += [f'{fast} times as fast'] * (fast is not None and row["times_as_fast"] < fast)
    return "not met: " + ", ".join(wrong) if wrong else "met"


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---", *["---"] * (len(head) - 1)], *rows])
