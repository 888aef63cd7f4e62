"""The section "Can it be trusted?" of the page of an explanation: verdicts in words, the curves, and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from tenuto.explain.trust.measures import Removal, Trust
from tenuto.explain.trust.verdicts import verdicts
from tenuto.pages.line_chart import LineChart, Series
from tenuto.pages.page import render
from tenuto.pages.wording import count, number, percent

GRID = np.linspace(0.0, 1.0, 21)  # shares of the parts, at which the curves of all items are drawn


def section_of(trust: Trust | None, names: Sequence[str]) -> Markup | None:
    """The section as HTML; None where nothing was checked.

    Args:
        names: of the items.
    """
    if trust is None:
        return None
    found = trust.likeness
    stages = [] if found is None else [(stage, *_spread(values), *_spread(sizes)) for stage, values, sizes in zip(found.stages, found.values, found.sizes)]
    return render(
        "trust.html",
        verdicts=verdicts(trust),
        charts=_charts(trust),
        stages=stages,
        networks=0 if found is None else len(found.values[0]),
        left_out=0 if found is None else found.left_out,
        rows=[_row(trust, number, name) for number, name in enumerate(names)],
        settings=trust.settings,
        background=trust.background,
    )


def fact_of(trust: Trust | None) -> list[tuple[str, str, str]]:
    """The fact for the head of the page: how many of the checks hold."""
    if trust is None:
        return []
    found = verdicts(trust)
    bad = [f"{one.name}: {one.mark}" for one in found if one.holds is False]
    return [("Checks", f"{sum(one.holds is True for one in found)} of {len(found)}", "; ".join(["hold", *bad]))]


def warning_of(trust: Trust | None) -> str | None:
    """What must be read before the page: that random weights give the same values."""
    found = [] if trust is None else [one for one in verdicts(trust) if one.name == "Random weights" and one.holds is False]
    return f"This explanation is not to be trusted. {found[0].said}" if found else None


def _charts(trust: Trust) -> list[LineChart]:
    known = [one for one in trust.removals if one is not None]
    if not known:
        return []
    large, small, chance, error = (_mean(known, which) for which in ("largest_first", "smallest_first", "random", "random_error"))
    mean = f", mean of {count(len(known), 'item')}" if len(known) > 1 else ""
    what = "Answer" if trust.signed else "Answer, less its distance from what it was,"
    note = "The grey band is two standard errors of the mean of {} random orders; the area between the lines is {}."
    gains = [float(np.mean([getattr(one, which) for one in known])) for which in ("deletion_gain", "insertion_gain")]
    spread = number(float(np.mean([one.area_error for one in known])))
    notes = [note.format(trust.settings["orders"], f"{number(gain)} ± {spread}") for gain in gains]
    return [
        _chart(f"Deletion: {what.lower()} while parts are taken away{mean}", "per cent taken away", large, chance, error, "lower is better. " + notes[0]),
        _chart(f"Insertion: {what.lower()} while parts are added{mean}", "per cent added", small[::-1], chance[::-1], error[::-1], "higher is better. " + notes[1]),
    ]


def _chart(title: str, x_name: str, curve: np.ndarray, chance: np.ndarray, error: np.ndarray, note: str) -> LineChart:
    by_chance = Series("random order", chance.tolist(), "second", low=(chance - 2 * error).tolist(), high=(chance + 2 * error).tolist())
    return LineChart(title, [round(100 * share) for share in GRID], [by_chance, Series("largest values first", curve.tolist())], x_name=x_name, note=f"{note[0].upper()}{note[1:]}")


def _mean(known: Sequence[Removal], which: str) -> np.ndarray:
    return np.mean([np.interp(GRID, one.shares, getattr(one, which)) for one in known], axis=0)  # type: ignore[no-any-return]


def _spread(found: Sequence[float]) -> tuple[str, str]:
    return f"{np.mean(found):.2f}", f"{min(found):.2f} to {max(found):.2f}"


def _row(trust: Trust, place: int, name: str) -> list[str]:
    """An item as a row of the table."""
    removal, halves, found = trust.removals[place], trust.halves[place], trust.likeness
    like: tuple[Any, Any] = (None, None) if found is None else (found.items_values[place], found.items_sizes[place])
    row = [name, *("–" if one is None else f"{one:.2f}" for one in like)]
    if removal is None:
        row += ["1", *["–"] * 6]
    else:
        chance = np.array(removal.random_sums)
        row += [f"{removal.parts:,}", *(number(one) for one in (removal.deletion_gain, removal.insertion_gain, removal.area_error, removal.cpd, removal.cpp))]
        row += [f"{number(float(chance.mean()))} ± {number(float(chance.std(ddof=1) / np.sqrt(len(chance))))}"]
    return row + (["–", "–", "–"] if halves is None else [percent(halves.values_share), percent(halves.sums_share), percent(halves.influence_share)])
