"""What was made smaller: the weights of a run before and after, and what is lost. Absent where nothing was compressed."""

from __future__ import annotations

from typing import Any

from tenuto.pages.page import Section, render
from tenuto.pages.scatter import Point, Scatter
from tenuto.pages.wording import count, number, percent
from tenuto.runs.folder import Run


def section(run: Run) -> Section | None:
    """Size and quality before and after."""
    found = run.evaluation.get("compression")
    if found is None:
        return None
    before, after = found["bytes_before"], found["bytes_after"]
    rows = [("Weights, bytes", f"{before:,}", f"{after:,}", f"{percent(after / before)} of before")]
    units = found.get("units")
    if units is not None:
        rows.append(("Units in each layer", number(units["before"]), number(units["after"]), f"by {units['score']}{', then fine-tuned' if units['finetuned'] else ''}"))
    if found.get("sparsity") is not None:
        rows.append(("Zeros in each matrix", "none made", percent(found["sparsity"]), "the smallest" if found.get("blocks") is None else f"the smallest; in recurrent layers blocks of {found['blocks']} rows"))
    if found.get("rank") is not None:
        rows.append(("Rank of W and U in recurrent layers", "full", f"{percent(found['rank'])} of it", "two factors each"))
    quality, speed = found["quality"], found.get("speed")
    if speed is not None:
        rows.append(("The same prediction, ms", number(speed["before"] * 1000), number(speed["after"] * 1000), f"{number(speed['before'] / max(speed['after'], 1e-9))} times as fast"))
    if quality is not None:
        rows.append((quality["measure"].replace("_", " ").capitalize(), number(quality["before"]), number(quality["after"]), _drop(quality)))
    measured = "" if quality is not None else " Nothing was measured on it: results on this page are those of the model that it was made from."
    return Section(
        name="compressed",
        title="What was made smaller",
        lead=_stored(found) + measured,
        body=render("compressed.html", rows=rows, memory=_memory(found), **_search(found)),
    )


def _memory(found: dict[str, Any]) -> list[tuple[str, ...]]:
    """Of each layer, what a step does to what it holds: spectral radius before and after, largest singular value before and after."""
    names = ("radius_before", "radius_after", "gain_before", "gain_after")
    return [(one["layer"], *(number(one[name]) for name in names)) for one in found.get("spectrum") or []]


def _search(found: dict[str, Any]) -> dict[str, Any]:
    """The models that were tried: a plot of quality by size, in which the chosen one stands out, and the same as a table. Those that another one beats in both are marked."""
    tried, quality = found.get("tried") or [], found["quality"]
    if not tried or quality is None:
        return {"plot": None, "tried": [], "measure": ""}
    sign = 1 if quality["better"] == "higher" else -1
    beaten = {
        one["how"]: any(other["size"] <= one["size"] and sign * other["value"] >= sign * one["value"] and (other["size"], other["value"]) != (one["size"], one["value"]) for other in tried)
        for one in tried
    }
    ordered = sorted(tried, key=lambda one: (one["chosen"], not beaten[one["how"]]))
    tones = {one["how"]: "third" if one["chosen"] else "second" if beaten[one["how"]] else "first" for one in tried}
    points = [Point(one["size"], one["value"], tones[one["how"]], f"{one['how']}: {one['size']:,} bytes, {number(one['value'])}") for one in ordered]
    measure = quality["measure"].replace("_", " ")
    rows = [
        (one["how"], f"{one['size']:,}", number(one["value"]), "this run" if one["chosen"] else "" if beaten[one["how"]] else "no other is both smaller and better")
        for one in sorted(tried, key=lambda one: one["size"])
    ]
    return {"plot": Scatter(f"{measure} by bytes", points, logarithmic=True).svg(), "tried": rows, "measure": measure}


def _stored(found: dict[str, Any]) -> str:
    many, multiplied = len(found["stored"]), "" if found["activations"] == "float" else f", and recurrent layers multiply whole numbers ({found['activations']})"
    stored = f"{count(many, 'weight')} of this network {'is' if many == 1 else 'are'} stored as {found['weights'].replace('_', '-')}{multiplied}."
    gone = "Units that counted least were taken away, with all that belonged to them: rows, columns, states."
    return " ".join(([gone] if found.get("units") else []) + ([stored] if many else []))


def _drop(quality: dict[str, Any]) -> str:
    worse = (quality["before"] - quality["after"]) * (1 if quality["better"] == "higher" else -1)
    if not worse or not quality["before"]:
        return "the same" if not worse else "not comparable"
    return f"{percent(abs(worse / quality['before']))} {'worse' if worse > 0 else 'better'}"
