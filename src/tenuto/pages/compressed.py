"""What was made smaller: the weights of a run before and after, and what is lost. Absent where nothing was compressed."""

from __future__ import annotations

from typing import Any

from tenuto.pages.page import Section, render
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
        rows.append(("Zeros in each matrix", "none made", percent(found["sparsity"]), "the smallest"))
    quality = found["quality"]
    if quality is not None:
        rows.append((quality["measure"].replace("_", " ").capitalize(), number(quality["before"]), number(quality["after"]), _drop(quality)))
    measured = "" if quality is not None else " Nothing was measured on it: results on this page are those of the model that it was made from."
    return Section(
        name="compressed",
        title="What was made smaller",
        lead=_stored(found) + measured,
        body=render("compressed.html", rows=rows),
    )


def _stored(found: dict[str, Any]) -> str:
    many = len(found["stored"])
    stored = f"{count(many, 'weight')} of this network {'is' if many == 1 else 'are'} stored as {found['weights']}."
    gone = "Units that counted least were taken away, with all that belonged to them: rows, columns, states."
    return " ".join(([gone] if found.get("units") else []) + ([stored] if many else []))


def _drop(quality: dict[str, Any]) -> str:
    worse = (quality["before"] - quality["after"]) * (1 if quality["better"] == "higher" else -1)
    if not worse or not quality["before"]:
        return "the same" if not worse else "not comparable"
    return f"{percent(abs(worse / quality['before']))} {'worse' if worse > 0 else 'better'}"
