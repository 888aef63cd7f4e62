"""How late a stream's text comes: from the first sound to the first word, from the last sound to the end of the text, and how much of it is taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from tenuto.data.audio.wave import Wave

BELOW_DB = 30.0  # a frame of 10 ms with more than a thousandth of the loudest one's energy is speech
SHIFT_S = 0.01


class Latency(NamedTuple):
    """How late the text of streams comes, in seconds of sound; what the computer takes is not in it (that is the real-time factor).

    Attributes:
        algorithmic_s: from a sound to the step that has heard it, at most.
        first_partial_s: from where speech begins to the first event with text: the median over recordings. final_s: from where it ends to the final event that comes last.
            None where no recording has speech and text.
        revised: of the words in partial events, divided by the words of the final text: those that became other ones in the event after it; to grow is not to change.
        recordings: how many had speech and text.
    """

    algorithmic_s: float
    first_partial_s: float | None
    final_s: float | None
    revised: float
    recordings: int


def measured_latency(open_stream: Callable[[int], Any], waves: Iterable[Wave], *, chunk_s: float, silence_s: float) -> Latency:
    """Each recording as a stream of chunks, with silence after it that is long enough for its text to end.

    Args:
        open_stream: a stream for a rate. chunk_s: seconds of a chunk. silence_s: as the streams have it.
    """
    algorithmic, firsts, finals, revised, words, count = 0.0, list[float](), list[float](), 0, 0, 0
    for wave in waves:
        stream = open_stream(wave.rate)
        algorithmic = stream.latency_s
        quiet = np.zeros(round((silence_s + 2 * algorithmic + 1) * wave.rate), np.float32)
        sound, size = np.concatenate([wave.samples, quiet]), max(1, round(chunk_s * wave.rate))
        heard = list[tuple[float, Any]]()
        for start in range(0, len(sound), size):
            heard += [(stream.seconds, event) for event in stream.accept(sound[start : start + size])]
        heard += [(stream.seconds, event) for event in stream.finish()]
        bounds = speech(wave)
        if bounds is None or not heard:
            continue
        count += 1
        firsts.append(heard[0][0] - bounds[0])
        finals.append(heard[-1][0] - bounds[1])
        revised += sum(taken_back(before.text, after.text) for (_, before), (_, after) in zip(heard, heard[1:]) if before.kind == "partial")
        words += sum(len(event.text.split()) for _, event in heard if event.kind == "final")
    return Latency(algorithmic, float(np.median(firsts)) if firsts else None, float(np.median(finals)) if finals else None, revised / max(words, 1), count)


def speech(wave: Wave) -> tuple[float, float] | None:
    """Where speech begins and ends, in seconds, by energy; None for silence.

    Example:
        >>> sound = np.zeros(3000, np.float32)
        >>> sound[1000:1500] = 0.5
        >>> speech(Wave(sound, 1000))
        (1.0, 1.5)
    """
    size = max(1, round(SHIFT_S * wave.rate))
    padded = np.pad(wave.samples.astype(np.float64), (0, -len(wave.samples) % size))
    energies = np.square(padded).reshape(-1, size).mean(1)
    loud = np.flatnonzero(energies > energies.max() * 10 ** (-BELOW_DB / 10)) if energies.max() > 0 else np.empty(0, np.int64)
    return (float(loud[0]) * size / wave.rate, float(loud[-1] + 1) * size / wave.rate) if len(loud) else None


def taken_back(before: str, after: str) -> int:
    """How many words of a text are gone in the next one, or are others there.

    Example:
        >>> taken_back("one tw", "one two three"), taken_back("one too", "one two")
        (0, 1)
    """
    now = after.split()
    return sum(place >= len(now) or not now[place].startswith(word) for place, word in enumerate(before.split()))
