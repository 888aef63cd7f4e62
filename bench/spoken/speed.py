"""The section "speed": seconds of work for a second of sound, on one core: what each part takes, and the whole of a stream."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from speed.memory import resident
from tenuto.data.audio.read import read_recording_splits
from tenuto.data.audio.wave import Wave
from tenuto.data.sets import path_of
from tenuto.tasks import Spotter, Transcriber

SECONDS, CHUNK_S, ROUNDS = 60.0, 0.1, 5
FRAMES, FRAME_S, BEFORE, LONG_CHUNK_S = 1_000_000, 0.01, 100_000, 1.0  # of the long stream; memory is looked at after the first of them, and at the end


def speed(smoke: bool) -> Iterator[dict[str, Any]]:
    """The section. Networks have their usual sizes; they are hardly trained, which changes nothing of what they compute."""
    parts, seconds, rounds = read_recording_splits(path_of("spoken_digits")), 2.0 if smoke else SECONDS, 1 if smoke else ROUNDS
    samples = np.concatenate([wave.samples for wave in parts.train.waves])
    sound = Wave(np.resize(samples, round(seconds * parts.train.waves[0].rate)), parts.train.waves[0].rate)
    written = Transcriber(max_steps=3).fit(parts.train)
    found: dict[str, Any] = {"seconds": seconds, "chunk_s": CHUNK_S, "models": {"Transcriber": _transcriber(written, sound, rounds), "Spotter": _spotter(parts.train, sound, rounds)}}
    yield found
    talking = written if smoke else Transcriber(max_steps=300).fit(parts.train)  # one that writes something, so that there is something to keep
    yield {**found, "long": _long(talking, sound, 200 if smoke else FRAMES)}


def _long(model: Transcriber, sound: Wave, frames: int) -> dict[str, Any]:
    """One stream of so many frames: the memory of the process, in MB, after the first of them and at the end, and the size of what a snapshot holds."""
    stream, size, after, events = model.stream(rate=sound.rate), round(LONG_CHUNK_S * sound.rate), [], 0
    marks = [frames * FRAME_S * BEFORE / FRAMES, frames * FRAME_S]
    snapshots = []
    while len(after) < len(marks):
        for first in range(0, len(sound.samples), size):
            events += sum(event.kind == "final" for event in stream.accept(sound.samples[first : first + size]))
            if stream.seconds >= marks[len(after)]:
                after.append(resident("VmRSS") / 1000)
                snapshots.append(len(json.dumps(stream.snapshot())))
                break
    return {"frames": frames, "marks_s": marks, "resident_mb": after, "snapshot_bytes": snapshots, "finals": events}


def _transcriber(model: Transcriber, sound: Wave, rounds: int) -> dict[str, Any]:
    heard = model.hearing_(sound)
    rows = model._steps_of(model._read([sound]))[0]
    times = {
        "features": lambda: model.hearing_(sound),
        "network": lambda: model._run(heard, None),
        "greedy search": lambda: model._text(model._decoder(1, model._rule()), rows),
        "beam of 8": lambda: model._text(model._decoder(8, model._rule()), rows),
        "all of it, greedy": lambda: model.transcribe([sound]),
        "all of it, a beam of 8": lambda: model.transcribe([sound], beam_size=8),
        "as a stream, greedy": lambda: _streamed(model, sound),
    }
    return _measured(model, times, sound, rounds)


def _spotter(train: Any, sound: Wave, rounds: int) -> dict[str, Any]:
    model = Spotter(keywords=("3", "7"), max_steps=3).fit(train)
    heard = model.hearing_(sound)
    times = {
        "features": lambda: model.hearing_(sound),
        "network": lambda: model._run(heard, None),
        "all of it": lambda: model.spot([sound]),
        "as a stream": lambda: _streamed(model, sound),
    }
    return _measured(model, times, sound, rounds)


def _measured(model: Any, calls: Mapping[str, Callable[[], Any]], sound: Wave, rounds: int) -> dict[str, Any]:
    factors: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, call in calls.items():
            begin = time.process_time()
            call()
            factors[name].append((time.process_time() - begin) / sound.seconds)
    size = f"{model.num_layers} layers of {model.hidden_size} {type(model.cell_).__name__} units, a step each {model.hearing_.step_seconds * 1000:g} ms"
    return {"network": size, "parameters": sum(one.numel() for one in model.network_.parameters()), "threads": torch.get_num_threads(), "factors": {name: statistics.median(each[1:]) for name, each in factors.items()}}


def _streamed(model: Any, sound: Wave) -> None:
    stream, size = model.stream(rate=sound.rate), round(CHUNK_S * sound.rate)
    for first in range(0, len(sound.samples), size):
        list(stream.accept(sound.samples[first : first + size]))
    list(stream.finish())


def table(found: Mapping[str, Any]) -> list[str]:
    """The section as lines of a page."""
    lines = [
        f"Seconds of one core's time for a second of sound, on {found['seconds']:g} s of speech at 8,000 samples a second; a stream gets chunks of {found['chunk_s']:g} s. Medians. Nothing is trained to speak of; texts are short, which a beam's time depends on.",
    ]
    for name, model in found["models"].items():
        lines += ["", f"{name}: {model['network']}, {model['parameters']:,} weights.", "", "| what | real-time factor |", "| --- | ---: |", *(f"| {part} | {factor:.5f} |" for part, factor in model["factors"].items())]
    if "long" in found:
        long = found["long"]
        (first, last), (small, large) = long["resident_mb"], long["snapshot_bytes"]
        lines += ["", f"One stream of {long['frames']:,} frames ({long['marks_s'][1] / 3600:.1f} hours, {long['finals']:,} final events): the process holds {first:.1f} MB after {long['marks_s'][0] / 60:.0f} minutes and {last:.1f} MB at the end; a snapshot has {small / 1000:.0f} kB and {large / 1000:.0f} kB."]
    return lines
