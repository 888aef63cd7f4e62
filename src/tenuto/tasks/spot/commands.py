"""What the commands do for a spotter: answers as rows, results in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenuto.data.audio.recordings import Recordings
from tenuto.scores.spotting import proven
from tenuto.tasks.answers import layers_said
from tenuto.tasks.audio_commands import with_rejected
from tenuto.tasks.task import Rows


def predict(model: Any, data: Recordings, choices: Mapping[str, Any]) -> Rows:
    """One dictionary for each keyword that is told: the recording's id, the keyword, its time and score; one without a keyword for a recording in which none is."""
    nothing = [("", "", "")]
    rows = [
        {"id": name, "predicted": keyword, "time": time, "score": score}
        for name, events in zip(data.ids, model.spot(data))
        for keyword, time, score in ([(one.keyword, round(one.time, 3), round(one.score, 6)) for one in events] or nothing)
    ]
    return with_rejected(rows, data)


def described(model: Any) -> str:
    """The network in a few words."""
    return f"{layers_said(model)}, {model.feature_size} {model.features}, seed {model.random_state}"


def said(result: Mapping[str, Any]) -> str:
    """Misses, and false alarms with what the hours prove."""
    if result["miss_rate"] is None:
        return f"no keyword is said; {proven(result['false_alarms'], result['hours'])}"
    low, high = result["miss_interval"]
    return f"{result['miss_rate']:.2%} missed ({result['misses']} of {result['occurrences']}; 95 % interval {low:.1%} to {high:.1%}), {proven(result['false_alarms'], result['hours'])}"


def score(result: Mapping[str, Any]) -> list[str]:
    """The same, for each keyword."""
    lines = [said(result)]
    for one in result["keywords"]:
        missed = "never said" if one["miss_rate"] is None else f"{one['misses']} of {one['occurrences']} missed"
        lines.append(f"{one['name']}: {missed}, {one['false_alarms']} false alarm{'s' * (one['false_alarms'] != 1)}; threshold {one['threshold']:.3f}, boost {one['boost']:+.2f}")
    late = "" if result["latency_s"] is None else f"told {abs(result['latency_s']):.2f} s {'after' if result['latency_s'] >= 0 else 'before'} the end of a recording (median); "
    return [*lines, f"{late}real-time factor {result['real_time_factor']:.4f}"]
