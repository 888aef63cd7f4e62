"""The measurements as text."""

from __future__ import annotations

from typing import Any

GOALS = {"int8": (0.26, 0.003), "int8, whole numbers": (0.26, 0.003), "int4": (0.15, 0.01), "int4, error feedback": (0.15, 0.01)}  # size, drop


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
    if "speed" in sections:
        parts += ["## One step of one row", "256 features, 512 units; ms a step, median and best."]
        parts.append(_table(["", "median", "best"], [[name, *(f"{value:.4f}" for value in values)] for name, values in sections["speed"]["ms_a_step"].items()]))
    for name, section in sections.items():
        if "about" in section:
            about = section["about"]
            parts.append(f"{name}: measured {about['measured']}, {about['processor']}, {about['threads']} thread, torch {about['torch']}; load {about['load']} at the beginning.")
    return "\n\n".join(parts) + "\n"


def _met(row: dict[str, Any]) -> str:
    size, drop = GOALS[row["form"]]
    wrong = [f"size {size}"] * (row["bytes"][1] > size * row["bytes"][0]) + [f"drop {drop:.1%}"] * (row["drop"] > drop)
    return "not met: " + ", ".join(wrong) if wrong else "met"


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---", *["---"] * (len(head) - 1)], *rows])
