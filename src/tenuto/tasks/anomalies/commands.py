"""What the commands do for a detector: series read, scores as rows, results in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tenuto.data.parts import Parts
from tenuto.data.series.panel import Panel
from tenuto.pages.wording import count
from tenuto.tasks import series_commands
from tenuto.tasks.anomalies.estimator import LABEL
from tenuto.tasks.answers import layers_said
from tenuto.tasks.task import ClassTable


def splits(data: Path, validation: Path | None, test: Path | None, choices: Mapping[str, Any]) -> Parts[Panel]:
    """The training panel, and those of validation and test, as for forecasts."""
    parts = series_commands.splits(data, validation, test, choices)
    return Parts(*(None if one is None else _labelled(one, choices) for one in (parts.train, parts.validation, parts.test)))  # type: ignore[arg-type]  # the first is never None


def read(data: Path, split: str | None, choices: Mapping[str, Any]) -> Panel:
    """The series of a file."""
    return _labelled(series_commands.read(data, split, choices), choices)


def predict(model: Any, data: Panel, choices: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One dictionary for each series and step; nothing where there is no score."""
    found = model.predict(data)
    found = found[found[LABEL]] if choices["only_alarms"] else found
    return [{name: "" if cell != cell else cell for name, cell in row.items()} for row in series_commands.rows_of(found, model.names_.time)]


def described(model: Any) -> str:
    """The network in a few words."""
    options = getattr(model, "options_", model.get_params())
    season = "" if options["season"] is None else f", season {options['season']}"
    return f"{layers_said(model)}, density {options['distribution']}{season}, base {options['base']}, seed {model.random_state}"


def said(result: Mapping[str, Any]) -> str:
    """The alarms, and how well known anomalies are found."""
    alarms = f"{count(result['alarms'], 'alarm')} in {count(result['found_events'], 'event')} of {count(result['values'], 'value')}"
    if result["event_f1"] is None:
        return f"threshold {result['threshold']:.3f}: {alarms}, {result['loss']:.3f} nats a value"
    return f"event F1 {result['event_f1']:.3f} (chance {result['event_f1_random']:.3f}), VUS-PR {result['vus_pr']:.3f} (chance {result['vus_pr_random']:.3f}); {alarms}"


def score(result: Mapping[str, Any]) -> list[str | ClassTable]:
    """Every number, beside what chance reaches."""
    lines: list[str | ClassTable] = [said(result), f"loss          {result['loss']:.4f} nats a value, of {result['values']:,} values in {result['series']} series"]
    if result["event_f1"] is None:
        return [*lines, "no row is known as an anomaly, so it is not known how many are found"]
    lines.append(f"events        {result['known_events']} known: {result['recall']:.1%} have an alarm; {result['precision']:.1%} of alarms are within one")
    for name, key in (("event F1", "event_f1"), ("AUC-PR", "auc_pr"), ("VUS-PR", "vus_pr")):
        lines.append(f"{name:<13} {result[key]:.4f}  (chance {result[f'{key}_random']:.4f})")
    return lines


def _labelled(panel: Panel, choices: Mapping[str, Any]) -> Panel:
    """The panel with its labels under the name that the detector knows."""
    name = choices["anomaly_column"]
    if name == LABEL or name not in panel.columns:
        return panel
    return replace(panel, columns={LABEL if one == name else one: column for one, column in panel.columns.items() if one != LABEL})
