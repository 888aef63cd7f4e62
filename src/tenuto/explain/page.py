"""The page of an explanation: item by item, what was read and what it adds, with what is left unexplained; then how it was computed. One file, no script."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
from markupsafe import Markup

from tenuto.explain.drawing import over_time, player_bars
from tenuto.explain.held.section import section_of as holds
from tenuto.explain.trust.measures import early_and_late
from tenuto.explain.trust.section import fact_of, section_of, warning_of
from tenuto.pages.heat_map import heat_map_address
from tenuto.pages.page import render
from tenuto.pages.wording import count, number, percent

MOST_ITEMS, MOST_WORDS = 50, 2000
TITLES = {
    "gradient": "Gradient times input",
    "smoothgrad": "SmoothGrad",
    "integrated-gradients": "Integrated gradients",
    "expected-gradients": "Expected gradients",
    "shapley": "Shapley values",
    "lime": "A line near each item (LIME)",
    "occlusion": "Occlusion",
    "counterfactual": "What would change the answer",
    "contributions": "Contributions (DeepLIFT)",
}


def page_of(explanation: Any, title: str = "", held: Any = None) -> str:
    """The whole page as text.

    Args:
        title: what was explained, for the heading: the name of a run or of a set. held: a `Held`, whose section comes after the items.
    """
    shown = explanation.items[:MOST_ITEMS]
    gaps = [_share_left(item) for item in explanation.items]
    known = [gap for gap in gaps if gap is not None]
    return str(
        render(
            "explanation.html",
            title=title or "What the model looked at",
            method=TITLES.get(explanation.method, explanation.method),
            version=version("tenuto"),
            score_interval="",
            **_opening(explanation, known),
            facts=_facts(explanation) + fact_of(explanation.trust),
            trust=section_of(explanation.trust, [item.name for item in explanation.items]),
            warning=warning_of(explanation.trust),
            items=[_item(item, explanation.inputs) for item in shown],
            left_out=len(explanation.items) - len(shown),
            background=explanation.background,
            held=None if held is None else holds(held),
            settings=[(name, "–" if value is None else str(value)) for name, value in explanation.settings.items()],
            rows=[_row(item, gap) for item, gap in zip(explanation.items, gaps)],
        )
    )


def _opening(explanation: Any, gaps: list[float]) -> dict[str, str]:
    """The main number of the page, and what the colours mean."""
    if explanation.method == "counterfactual":
        steps = [int(item.measured["changed_steps"]) for item in explanation.items]
        changed = [one for one in steps if one]
        return {
            "score": f"{number(float(np.median(changed)))}" if changed else "none",
            "score_says": f"steps have to change for another answer (median of {len(changed)} of {count(len(steps), 'item')})" if changed else "no change gives another answer",
            "colours": "Orange would have to be higher for another answer, blue lower; the stronger the colour, the more.",
            "low": "lower", "high": "higher",
        }  # fmt: skip
    said = {"colours": "Orange raises the number that is explained, blue lowers it; the stronger the colour, the more.", "low": "lowers", "high": "raises"}
    if not gaps:
        return {"score": "no sum", "score_says": "this method does not say that its values add up to the answer", **said}
    most = max(gaps)
    score = "< 0.01 %" if most < 1e-4 else percent(most, 2 if most < 1e-3 else 1)
    return {"score": score, "score_says": "of a difference left unexplained, at most", **said}


def _share_left(item: Any) -> float | None:
    """What is left unexplained, as a share of |prediction - base|."""
    if item.gap is None or item.base is None:
        return None
    return float(abs(item.gap) / max(abs(item.prediction - item.base), 1e-12))


def _facts(explanation: Any) -> list[tuple[str, str, str]]:
    features = explanation.items[0].values.shape[1]
    facts = [("Items", number(len(explanation.items)), "explained"), ("Inputs", number(features), "numbers a step")]
    early = [_early(item.values) for item in explanation.items if len(item.values) > 1 and item.values.any()]
    if early:
        facts.append(("Early half", percent(float(np.mean(early))), "of all that was found, by size"))
    for name, title, small in (("fidelity", "Fidelity", "of the answers near an item"), ("stability", "Stability", "between redraws")):
        found = [item.measured[name] for item in explanation.items if name in item.measured]
        if found:
            facts.append((title, percent(max(0.0, float(np.mean(found)))), small))
    return facts


def _early(values: np.ndarray) -> float:
    """The share of the size of all values that lies in the first half of the steps."""
    early, late = early_and_late(np.abs(values).sum(1))
    return early / (early + late)


def _item(item: Any, inputs: Any) -> dict[str, Any]:
    by_step = item.values.sum(1)
    most = float(np.abs(by_step).max()) or 1.0
    words = None
    if item.words is not None:
        words = [
            {"text": text, "side": "above" if value >= 0 else "below", "share": f"{abs(value) / most:.2f}", "value": number(float(value))}
            for text, value in zip(item.words[:MOST_WORDS], by_step)
        ]
    strip = None
    if item.words is None:
        limit = float(np.abs(item.x).max()) or 1.0
        strip = {"address": heat_map_address(item.x.T, limit), "height": int(np.clip(item.x.shape[1] * 9, 30, 200)), "words": f"The input over {count(len(item.x), 'step')}."}
    return {
        "name": item.name,
        "target": item.target,
        "sum": _sum(item),
        "words": words,
        "joined": words is not None and all(len(text) == 1 for text in item.words),
        "strip": strip,
        "time": over_time(item, inputs) if words is None else None,
        "players": player_bars(item) if item.players is not None else None,
        "notes": item.notes,
    }


def _sum(item: Any) -> Markup:
    """The item as a sum in words."""
    if item.base is None:
        return Markup("The answer is {}.").format(number(item.prediction))
    total = float(item.values.sum() if item.player_values is None else item.player_values.sum())
    parts = [(total, "from what was read"), *((value, f"from the state {name}") for name, value in item.state.items())]
    parts.append((item.gap if abs(item.gap) > 1e-9 * (1.0 + abs(item.prediction)) else 0.0, "unexplained"))
    found = Markup("{} where nothing is read").format(number(item.base))
    for value, whence in parts:
        found += Markup(" {} {} {}").format("−" if value < 0 else "+", number(abs(value)), whence)
    return found + Markup(" = <b>{}</b>, the answer.").format(number(item.prediction))


def _row(item: Any, left: float | None) -> list[str]:
    error = None if item.player_errors is None and item.error is None else float((item.player_errors if item.player_errors is not None else item.error).max())
    measured = ", ".join(f"{name.replace('_', ' ')} {number(float(value))}" for name, value in item.measured.items())
    return [item.name, item.target, number(item.prediction), number(item.base), number(item.gap), percent(left), number(error), measured]
