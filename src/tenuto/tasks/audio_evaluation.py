"""A recording as evaluation.json keeps it for the page: what was heard of it, and its sound."""

from __future__ import annotations

import base64
import struct
from typing import Any

import numpy as np

from tenuto.data.audio.hearing import Hearing
from tenuto.data.audio.recordings import Recordings
from tenuto.data.audio.wave import resampled

SECONDS_SHOWN = 6.0


def shown(data: Recordings, place: int, name: str, hearing: Hearing) -> dict[str, Any]:
    """The recording at this position of a set that is called `name`: its first seconds as normalised features and as a WAV file."""
    wave = resampled(data.waves[place], hearing.features.rate)
    frames = hearing.normaliser(hearing.frames(wave))[: round(SECONDS_SHOWN * 100), -hearing.features.size :]
    return {
        "id": data.ids[place],
        "set": name,
        "seconds": round(data.waves[place].seconds, 4),
        "spectrogram": [[float(f"{value:.2g}") for value in row] for row in frames.tolist()],
        "seconds_shown": round(min(wave.seconds, SECONDS_SHOWN), 4),
        "sound": base64.b64encode(wav_file(wave.samples[: round(SECONDS_SHOWN * wave.rate)], wave.rate)).decode("ascii"),
    }


def wav_file(samples: np.ndarray, rate: int) -> bytes:
    """Samples [N] float in -1..1 as a WAV file of 16 bits; what is louder is cut.

    Example:
        >>> len(wav_file(np.zeros(100), 8000))
        244
    """
    data = np.clip(np.round(samples * 32767), -32768, 32767).astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)
    return b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data)) + data
