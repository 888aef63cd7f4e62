"""What is lost: a network that learnt from another one, and the other one, side by side. Absent where there was no teacher."""

from __future__ import annotations

from typing import Any

from tenuto.pages.page import Section, render
from tenuto.pages.wording import count, duration, number, percent
from tenuto.runs.folder import Run


def section(run: Run) -> Section | None:
    """The comparison with the teacher."""
    found = run.evaluation.get("distillation")
    if found is None:
        return None
    low, high = found["agreement_interval"]
    error = "" if found["divergence_error"] is None else f" (standard error {number(found['divergence_error'])})"
    sides = (found["teacher"], found["student"])
    rows = [("Network", *(f"{side['cell']}, {count(side['hidden_size'], 'unit')}, {count(side['num_layers'], 'layer')}" for side in sides))]
    rows += [(name.replace("_", " ").capitalize(), *(_score(side, name) for side in sides)) for name in found["teacher"]["scores"]]
    rows += [("Parameters", *(f"{side['parameters']:,}" for side in sides)), (f"Time for one {found['unit']}", *(duration(side["seconds"]) for side in sides))]
    taught = "only the teacher's answers" if not found["truth"] else f"the teacher's answers, and right answers for {percent(found['truth'])} of the loss"
    return Section(
        name="distilled",
        title="What is lost",
        lead=f"This network learnt from {taught}, at temperature {number(found['temperature'])}. On the {found['part']} part the two gave the same answer for {percent(found['agreement'])} of "
        f"{count(found['answers'], found['unit'])} (95 % interval {percent(low)} to {percent(high)}); the divergence of their probabilities was {number(found['divergence'])} nats "
        f"a {found['divergence_unit']}{error}.",
        body=render("distilled.html", rows=rows),
    )


def _score(side: dict[str, Any], name: str) -> str:
    value, ends = side["scores"].get(name), side["intervals"].get(name)
    if value is None:
        return "not known"
    shown = number if name == "loss" else percent
    return shown(value) + ("" if ends is None else f" ({shown(ends[0])} to {shown(ends[1])})")
