"""What only a spotter's evaluation.json has: misses against false alarms per hour, by keyword and by sensitivity, and the worst of both to listen to."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from tenuto.data.audio.recordings import Recordings
from tenuto.scores.classification import wilson_interval
from tenuto.scores.spotting import Alarm, Matched, Occurrence, matched, most_events
from tenuto.tasks.audio_evaluation import wav_file
from tenuto.tasks.evaluation import Measured, Watch, prediction_speed
from tenuto.tasks.spot.detector import Detector, Told, lowest_running, odds, told_steps
from tenuto.tasks.spot.listening import Heard, sound_around

SENSITIVITIES = np.linspace(-5.0, 5.0, 41)  # added to the log-odds of all thresholds, with the sign turned
MISSES_SHOWN, ALARMS_SHOWN, SECONDS_SHOWN = 4, 4, 2.0


def measured(model: Any, data: Recordings, name: str, loss: float, accuracy: float) -> Measured:
    """How good keywords are spotted in a set that is heard as one stream, and its worst misses and false alarms."""
    watch = Watch()
    heard: Heard = model._heard(data)
    result, told, found = result_of(model, heard, len(data), watch)
    result |= {"loss": loss, "accuracy": accuracy, "accuracy_interval": wilson_interval(accuracy * len(data), len(data))}
    speed = prediction_speed(watch, sequences=len(data), steps=len(heard.rows), rows=1)
    return Measured(result, {"examples": _examples(model, data, name, heard, told, found)}, speed)


def result_of(model: Any, heard: Heard, recordings: int, watch: Watch) -> tuple[dict[str, Any], list[tuple[Told, float]], Matched]:
    """The RESULT of what was heard; what was told, each with its time; and what that found."""
    rule, step = model._rule(), model.hearing_.step_seconds
    told = [(one, min((one.step + 1) * step, heard.seconds)) for one in Detector(rule).accept(heard.rows)]
    seconds, hours = watch.seconds, heard.seconds / 3600
    alarms = [Alarm(model.keywords_[one.keyword], time) for one, time in told]
    found = matched(heard.occurrences, alarms)
    false = [alarms[place] for place in found.false]
    result = {
        "recordings": recordings,
        "hours": hours,
        **_counts(heard.occurrences, found.found, len(false), hours),
        "keywords": [
            {
                "name": keyword,
                **_counts([one for one in heard.occurrences if one.keyword == keyword], found.found[[one.keyword == keyword for one in heard.occurrences]], sum(one.keyword == keyword for one in false), hours),
                "threshold": model.thresholds_[keyword],
                "boost": model.boosts_[keyword],
            }
            for keyword in model.keywords_
        ],
        "curve": curve(model, heard),
        "latency_s": _latency(heard, alarms, found.found, model.options_["late_s"]),
        "real_time_factor": seconds / heard.seconds,
    }
    return result, told, found


def _counts(occurrences: list[Occurrence], found: np.ndarray, false: int, hours: float) -> dict[str, Any]:
    count, misses = len(occurrences), int((~found).sum())
    return {
        "occurrences": count,
        "misses": misses,
        "miss_rate": misses / count if count else None,
        "miss_interval": wilson_interval(misses, count) if count else None,
        "false_alarms": false,
        "false_alarms_per_hour": false / hours,
        "false_alarms_at_most": most_events(false) / hours,
    }


def curve(model: Any, heard: Heard) -> list[dict[str, Any]]:
    """Misses and false alarms when all thresholds are moved alike, from careful to eager; neighbours with the same numbers stand once."""
    rule, step = model._rule(), model.hearing_.step_seconds
    each = odds(heard.rows, rule.boosts)
    lowest = [lowest_running(each[:, number], rule.consecutive) for number in range(len(model.keywords_))]
    points: list[dict[str, Any]] = []
    for sensitivity in SENSITIVITIES.tolist():
        alarms = [
            Alarm(name, (place + 1) * step)
            for number, name in enumerate(model.keywords_)
            for place in told_steps(lowest[number], rule.thresholds[number] - sensitivity, rule.consecutive, rule.refractory)
        ]
        found = matched(heard.occurrences, alarms)
        misses, false = int((~found.found).sum()), len(found.false)
        point = {"sensitivity": sensitivity, "misses": misses, "false_alarms": false, "false_alarms_per_hour": false / heard.seconds * 3600}
        if points and (points[-1]["misses"], points[-1]["false_alarms"]) == (misses, false) and sensitivity != 0:
            continue
        points.append(point)
    return points


def _latency(heard: Heard, alarms: list[Alarm], found: np.ndarray, late_s: float) -> float | None:
    """Seconds from the end of a keyword's recording to its alarm, in the middle case; below 0 where it is told before the recording ends."""
    late = []
    for one, hit in zip(heard.occurrences, found):
        if hit:
            time = next(alarm.time for alarm in alarms if alarm.keyword == one.keyword and one.start <= alarm.time <= one.end)
            late.append(time - (one.end - late_s))
    return float(np.median(late)) if late else None


def _examples(model: Any, data: Recordings, name: str, heard: Heard, told: list[Any], found: Any) -> list[dict[str, Any]]:
    """The misses that came nearest to nothing, and the surest false alarms; each with its sound and the keyword's probability at each step."""
    rule, step = model._rule(), model.hearing_.step_seconds
    each = odds(heard.rows, rule.boosts)
    missed = []
    for one, hit in zip(heard.occurrences, found.found):
        if not hit:
            number = model.keywords_.index(one.keyword)
            inside = each[int(one.start / step) : int(one.end / step) + 1, number]
            missed.append((float(lowest_running(inside, rule.consecutive).max(initial=-np.inf)), one))
    missed.sort(key=lambda pair: pair[0])
    alarms = sorted((told[place] for place in found.false), key=lambda pair: -pair[0].score)
    shown = [("miss", one.keyword, one.end, max(SECONDS_SHOWN, one.end - one.start)) for _, one in missed[:MISSES_SHOWN]]
    shown += [("false alarm", model.keywords_[one.keyword], time, SECONDS_SHOWN) for one, time in alarms[:ALARMS_SHOWN]]
    return [_example(model, data, name, heard, *one) for one in shown]


def _example(model: Any, data: Recordings, name: str, heard: Heard, kind: str, keyword: str, time: float, seconds: float) -> dict[str, Any]:
    rate, step = model.hearing_.features.rate, model.hearing_.step_seconds
    wave = sound_around(data, rate, time, seconds)
    first = max(0, round((time - seconds) / step))
    powers = np.exp(heard.rows[first : first + round(wave.seconds / step), model.keywords_.index(keyword) + 1])
    frames = model.hearing_.normaliser(model.hearing_.frames(wave))
    place = int(np.searchsorted(heard.begins, time, side="right")) - 1
    return {
        "id": data.ids[heard.order[max(place, 0)]],
        "set": name,
        "kind": kind,
        "keyword": keyword,
        "time": round(time, 3),
        "seconds": round(wave.seconds, 4),
        "seconds_shown": round(wave.seconds, 4),
        "spectrogram": [[float(f"{value:.2g}") for value in row] for row in frames.tolist()],
        "probabilities": [float(f"{value:.2g}") for value in powers.tolist()],
        "sound": base64.b64encode(wav_file(wave.samples, rate)).decode("ascii"),
    }
