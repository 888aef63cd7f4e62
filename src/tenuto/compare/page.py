"""The page of a comparison: which encoder is best, what is more than chance, what each costs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tenuto.compare.comparison import REAL, Comparison
from tenuto.errors import RunError
from tenuto.files import DAMAGE, write_text
from tenuto.measures import measure
from tenuto.pages.line_chart import LineChart, Series
from tenuto.pages.opening import data_name, day, foot
from tenuto.pages.option_value import option_value
from tenuto.pages.page import Section, render
from tenuto.pages.scatter import Point, Scatter
from tenuto.pages.wording import count, duration, number, percent
from tenuto.runs.compare_folder import read_comparison
from tenuto.runs.names import REPORT
from tenuto.runs.surroundings import now, versions

TONES = ("first", "third", "second")


def build_comparison_report(folder: str | Path) -> Path:
    """Write report.html into the folder of a comparison, from nothing but its compare.json.

    Raises:
        RunError: there is no compare.json, or it lacks something that the page shows.
    """
    folder = Path(folder)
    found = Comparison(read_comparison(folder))
    try:
        write_text(folder / REPORT, page_of(found, folder))
    except DAMAGE as error:
        raise RunError(f"{folder} lacks something that its page shows.", expected="compare.json as `tenuto compare` writes it", received=f"{type(error).__name__}: {error}", fix="compare again") from error
    return folder / REPORT


def page_of(found: Comparison, folder: Path) -> str:
    """The page as HTML."""
    results = found.results
    sections = [_quality(found), _differences(found), _cost(found), *([_curves(found)] if any(len(run["curve"]) > 1 for run in results["runs"]) else []), _alike(found)]
    return str(render("page.html", **_opening(found, folder), sections=sections))


def _opening(found: Comparison, folder: Path) -> dict[str, Any]:
    results, known = found.results, found.summaries
    best, wanted = known[0], len(results["encoders"]) * len(results["seeds"])
    real = sum(one.real for one in found.differences)
    facts = [
        ("Encoders", str(len(results["encoders"])), ", ".join(results["encoders"])),
        ("Trainings", str(len(results["runs"])), f"of {wanted}; {count(len(results['seeds']), 'seed')} each"),
        ("Real differences", str(real), f"of {count(len(found.differences), 'pair')}"),
        ("Took", duration(sum(run["seconds"] for run in results["runs"])), "all trainings together"),
    ]
    return {
        "title": f"comparison for {results['task']}", "data_name": data_name(results["title"]),
        "sentence": f"Encoders of the task {results['task']}, trained alike: the same options, data and passes, {count(len(results['seeds']), 'seed')} each.",
        "score": _shown(found, best.mean), "score_says": f"{_words(found)}, {best.encoder}: the best mean", "score_interval": _interval(found, best.low, best.high),
        "facts": facts, "created": day(results.get("created", now())), **foot(folder, results.get("tenuto", versions()["tenuto"])),
    }  # fmt: skip


def _quality(found: Comparison) -> Section:
    known = found.summaries
    rows = [[one.encoder, _shown(found, one.mean), _interval(found, one.low, one.high), " ".join(_shown(found, value) for value in found.values(one.encoder).values())] for one in known]
    points = [Point(one.encoder, value, "first", f"{one.encoder}, seed {seed}: {_shown(found, value)}") for one in known for seed, value in found.values(one.encoder).items()]
    points += [Point(one.encoder, one.mean, "third", f"{one.encoder}, mean: {_shown(found, one.mean)}") for one in known]
    chart = Scatter(title=_words(found), points=points, places=[one.encoder for one in known], share=measure(found.results["metric"]).share, note="Each point is a training; the large ones are means.")
    better = "Higher" if found.results["direction"] == "maximise" else "Lower"
    lead = f"{better} is better. Of the best epoch, on the validation part; the mean of the seeds with its interval of 95 % (Student's t)."
    return Section("quality", "How good each is", lead, render("compared.html", label="Quality", heads=["encoder", _words(found), "interval of 95 %", "by seed"], rows=rows, charts=[chart]))


def _differences(found: Comparison) -> Section:
    rows = [
        [f"{one.better} beside {one.worse}", *_by(found, one), f"{one.p:.3g}", "real" if one.real else "may be chance"]
        for one in found.differences
    ]  # fmt: skip
    lead = (
        f"Two encoders are compared seed by seed, since a seed gives both the same division of the data. Paired t test, two-sided; p by Holm's rule for all pairs; real: p below {REAL}. A spread below one item of the validation part counts as one item's rounding."
        if rows else "With two seeds or more, two encoders can be compared seed by seed."
    )  # fmt: skip
    return Section("differences", "Which difference is real", lead, render("compared.html", label="Differences", heads=["encoders", "better by", "interval of 95 %", "p", ""], rows=rows, charts=[]))


def _cost(found: Comparison) -> Section:
    rows = [
        [one.encoder, f"{one.weights:,}", f"{one.size_bytes / 1000:,.0f} kB", duration(one.seconds), "–" if one.memory_mib is None else f"{one.memory_mib:,.0f} MiB", "–" if one.steps_per_s is None else number(float(f"{one.steps_per_s:.3g}"))]
        for one in found.summaries
    ]  # fmt: skip
    lead = "Time of one training, the mean. Memory: the peak of a training above what the process had before, the median of the seeds (of two, the lower: a first training also loads what all need)."
    return Section("cost", "What each costs", lead, render("compared.html", label="Cost", heads=["encoder", "weights", "size", "training", "memory", "time steps a second, predicting"], rows=rows, charts=[]))


def _curves(found: Comparison) -> Section:
    runs, lines = found.results["runs"], []
    longest = max(len(run["curve"]) for run in runs)
    for place, one in enumerate(found.summaries[: len(TONES)]):
        own = [run["curve"] for run in runs if run["encoder"] == one.encoder]
        means = [sum(values) / len(values) if (values := [curve[at] for curve in own if at < len(curve)]) else math.nan for at in range(longest)]
        lines.append(Series(one.encoder, means, TONES[place]))
    chart = LineChart(title=_words(found), x=list(range(1, longest + 1)), series=lines, x_name="validation", share=measure(found.results["metric"]).share, note="Means of the seeds." if len(found.summaries) <= len(TONES) else f"Means of the seeds, of the {len(TONES)} best encoders.")
    return Section("curves", "How they learnt", "", render("learning.html", charts=[chart]))


def _alike(found: Comparison) -> Section:
    fixed = {name.replace("_", " "): option_value(value) for name, value in found.results["identity"]["options"].items() if value is not None and name != "cell"}
    return Section("alike", "What all have in common", "", render("alike.html", fixed=fixed, seeds=", ".join(map(str, found.results["seeds"]))))


def _by(found: Comparison, one: Any) -> tuple[str, str]:
    """By how much one encoder is better than another, and the interval of that: of shares, in points of a hundred."""
    low, high = sorted((abs(one.mean) + one.low - one.mean, abs(one.mean) + one.high - one.mean))
    if not measure(found.results["metric"]).share:
        return _shown(found, abs(one.mean)), _interval(found, low, high)
    return f"{100 * abs(one.mean):.1f} points", "–" if math.isnan(low) else f"{100 * low:.1f} to {100 * high:.1f} points"


def _words(found: Comparison) -> str:
    return measure(found.results["metric"]).title


def _shown(found: Comparison, value: float) -> str:
    return percent(value) if measure(found.results["metric"]).share else number(value, 4)


def _interval(found: Comparison, low: float, high: float) -> str:
    return "–" if math.isnan(low) else f"{_shown(found, low)} to {_shown(found, high)}"
