"""The page of a search: how it went, which options mattered, and every trial."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tenuto.errors import RunError, TenutoError
from tenuto.files import DAMAGE, write_text
from tenuto.measures import measure
from tenuto.pages.line_chart import LineChart, Series
from tenuto.pages.opening import data_name, day, foot
from tenuto.pages.option_value import option_value
from tenuto.pages.page import Section, render
from tenuto.pages.places import without_places
from tenuto.pages.scatter import Point, Scatter
from tenuto.pages.wording import count, duration, number, percent
from tenuto.runs.names import REPORT
from tenuto.runs.search_folder import read_search

MOST_CURVES = 12


def build_search_report(folder: str | Path) -> Path:
    """Write report.html into the folder of a search, from nothing but its search.json.

    Returns:
        The path of the page.
    Raises:
        RunError: there is no search.json, or it lacks something that the page shows.
    """
    folder = Path(folder)
    search = read_search(folder)
    try:
        sections = [section for make in (_history, _options, _trials) if (section := make(search)) is not None]
        text = render("page.html", **_opening(search, folder), sections=sections)
    except TenutoError as error:
        raise error.within(str(folder)) from error.__cause__
    except DAMAGE as error:
        raise RunError(
            f"{folder} lacks something that its page shows.",
            expected="search.json as `tenuto tune` writes it",
            received=f"{type(error).__name__}: {error}",
            fix="go on with the search: tenuto tune --resume",
        ) from error
    write_text(folder / REPORT, text)
    return folder / REPORT


def _opening(search: dict[str, Any], folder: Path) -> dict[str, Any]:
    best, trials = _best(search), _counted(search)
    gone = sum(trial["state"] == "pruned" for trial in trials)
    seconds = sum(trial["seconds"] or 0 for trial in search["trials"])
    first = next((trial for trial in trials if trial["options"] == search["base"]), None)
    facts = [
        ("Trials", str(len(trials)), f"of {search['wanted']}; {search['stopped']}"),
        ("Stopped early", str(gone), "worse than three quarters"),
        ("Took", duration(seconds), "all trials together"),
        ("Searched", str(len(search["space"])), "options"),
    ]
    if first is not None and first["value"] is not None:
        facts.append(("Without a search", _shown(search, first["value"]), "the usual options"))
    return {
        "title": f"search for {search['task']}",
        "data_name": data_name(search["title"]),
        "sentence": f"A search for the options with which the task {search['task']} has the "
        f"{'highest' if search['direction'] == 'maximise' else 'lowest'} {_metric(search)}: {count(len(trials), 'trial')}.",
        "score": "–" if best is None else _shown(search, best["value"]),
        "score_says": _metric(search) if best is None else f"{_metric(search)}, trial {best['number']}",
        "score_interval": "",
        "facts": facts,
        "created": day(search["created"]),
        **foot(folder, search["versions"]["tenuto"]),
    }


def _history(search: dict[str, Any]) -> Section | None:
    """Each trial's value, and the best so far; and the curves of some trials."""
    trials = _counted(search)
    if not any(trial["state"] == "complete" for trial in trials):
        return None
    better = max if search["direction"] == "maximise" else min
    values = [trial["value"] if trial["state"] == "complete" else math.nan for trial in trials]
    so_far: list[float] = []
    for value in values:
        known = [old for old in (*so_far[-1:], value) if math.isfinite(old)]
        so_far.append(better(known) if known else math.nan)
    charts = [
        LineChart(
            title=_metric(search, capital=True),
            x=[trial["number"] for trial in trials],
            series=[Series("best so far", so_far, "first"), Series("trial", values, "third", dots=True)],
            x_name="trial",
            logarithmic=_wide(search, values),
            share=_is_share(search),
            note="A gap is a trial that was stopped early or diverged.",
        )
    ]
    if (curves := _curves(search, trials)) is not None:
        charts.append(curves)
    return Section("history", "How the search went", _lead(search), render("learning.html", charts=charts))


def _curves(search: dict[str, Any], trials: list[dict[str, Any]]) -> LineChart | None:
    """The metric at each validation, for the best trial and the last ones."""
    best = _best(search)
    longest = max(len(trial["curve"]) for trial in trials)
    if best is None or longest < 2:
        return None
    others = [trial for trial in trials if trial is not best][-MOST_CURVES:]

    def line(trial: dict[str, Any], name: str, tone: str) -> Series:
        values = [math.nan if value is None else float(value) for value in trial["curve"]]
        return Series(name, values + [math.nan] * (longest - len(values)), tone)

    series = [*(line(trial, f"trial {trial['number']}", "second") for trial in others), line(best, f"best, trial {best['number']}", "first")]
    return LineChart(
        title="Validation by validation",
        x=list(range(1, longest + 1)),
        series=series,
        x_name="validation",
        logarithmic=_wide(search, [value for one in series for value in one.values]),
        few_names=True,
        share=_is_share(search),
        note=f"The best trial, and the last {len(others)} others." if len(others) < len(trials) - 1 else "The best trial over all others.",
    )


def _options(search: dict[str, Any]) -> Section | None:
    """The results with each value of each option, the most important option first."""
    trials = [trial for trial in _counted(search) if trial["state"] == "complete"]
    if not trials:
        return None
    shares = search["importance"]
    names = sorted(search["space"], key=lambda name: -shares.get(name, 0.0))
    charts = [_scatter(search, trials, name, shares.get(name)) for name in names]
    return Section(
        "options",
        "What mattered",
        "Each point is a complete trial; the best one is large."
        + (" An option's share says how much it sets the better half of the trials apart." if shares else ""),
        render("learning.html", charts=charts),
    )


def _scatter(search: dict[str, Any], trials: list[dict[str, Any]], name: str, share: float | None) -> Scatter:
    content = search["space"][name]
    worst_first = sorted(trials, key=lambda trial: trial["value"], reverse=search["direction"] == "minimise")
    best = _best(search)
    points = [
        Point(
            trial["options"][name],
            trial["value"],
            "third" if best and trial["number"] == best["number"] else "first",
            f"trial {trial['number']}: {name} {_option(trial['options'][name])}, {_shown(search, trial['value'])}",
        )
        for trial in worst_first
    ]
    if isinstance(content, dict) and isinstance(content["low"], int) and content["high"] - content["low"] <= 6:
        content = list(range(content["low"], content["high"] + 1))
    return Scatter(
        title=name.replace("_", " "),
        points=[*(point for point in points if point.tone != "third"), *(point for point in points if point.tone == "third")],
        places=content if isinstance(content, list) else None,
        logarithmic=isinstance(content, dict) and content.get("log", False),
        up_logarithmic=_wide(search, [trial["value"] for trial in trials]),
        share=_is_share(search),
        note="" if share is None else f"Share {percent(share)}.",
    )


def _trials(search: dict[str, Any]) -> Section:
    """Every trial, in the order of the search."""
    best = _best(search)
    rows = [
        {
            "number": trial["number"],
            "best": best is not None and trial is best,
            "state": trial["state"] if trial["state"] != "complete" else "",
            "reason": without_places(trial["reason"] or ""),
            "value": "" if trial["value"] is None else _shown(search, trial["value"]),
            "epochs": len(trial["curve"]),
            "seconds": duration(trial["seconds"]),
            "options": [_option(trial["options"][name]) for name in search["space"]],
        }
        for trial in search["trials"]
    ]
    names = [name.replace("_", " ") for name in search["space"]]
    fixed = {name.replace("_", " "): option_value(value) for name, value in search["options"].items() if value is not None}
    return Section("trials", "Every trial", "", render("search_trials.html", rows=rows, names=names, metric=_metric(search), fixed=fixed))


def _lead(search: dict[str, Any]) -> str:
    """The options of the best trial, in a sentence; empty if no trial is complete."""
    best = _best(search)
    if best is None:
        return ""
    said = ", ".join(f"{name.replace('_', ' ')} {_option(value)}" for name, value in best["options"].items())
    return f"Best: {said}."


def _counted(search: dict[str, Any]) -> list[dict[str, Any]]:
    return [trial for trial in search["trials"] if trial["state"] != "interrupted"]


def _best(search: dict[str, Any]) -> dict[str, Any] | None:
    return next((trial for trial in search["trials"] if trial["number"] == search["best"] and trial["state"] == "complete"), None)


def _metric(search: dict[str, Any], *, capital: bool = False) -> str:
    words = str(search["metric"]).replace("_", " ").replace(" f1", " F1")
    return words[:1].upper() + words[1:] if capital else words


def _shown(search: dict[str, Any], value: float) -> str:
    """A value of the metric: shares as percentages."""
    return percent(value) if _is_share(search) else number(value, 4)


def _is_share(search: dict[str, Any]) -> bool:
    return measure(search["metric"]).share


def _option(value: Any) -> str:
    """A value that was searched, as short as possible."""
    return f"{value:.3g}" if isinstance(value, float) else option_value(value)


def _wide(search: dict[str, Any], values: list[float]) -> bool:
    """Whether a logarithmic axis shows the values better: they are no shares, all are positive, and the largest is more than 30 times the smallest."""
    positive = [value for value in values if math.isfinite(value)]
    return not _is_share(search) and bool(positive) and min(positive) > 0 and max(positive) / min(positive) > 30
