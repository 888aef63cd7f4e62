"""Speech that espeak-ng makes: synthetic, without limit, seeded. A Debian package, which a benchmark uses and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tenuto.data import Wave
from tenuto.data.audio.wave import read_wave, resampled

PROGRAM, RATE = "espeak-ng", 8000
TRAINING = tuple(f"{voice}+{variant}" for voice in ("en-gb", "en-us", "en-gb-scotland", "en-029") for variant in ("m1", "m2", "m3", "m4", "m5", "f1", "f2", "f3"))
TESTING = tuple(f"{voice}+{variant}" for voice in ("en-gb-x-rp", "en-gb-x-gbclan") for variant in ("m6", "m7", "m8", "f4", "f5"))


class Speaker(NamedTuple):
    """How something is said: espeak's voice, words a minute, and pitch from 0 to 99."""

    voice: str
    speed: int
    pitch: int

    @classmethod
    def drawn(cls, voices: Sequence[str], generator: np.random.Generator) -> Speaker:
        """One of these voices."""
        return cls(str(generator.choice(voices)), int(generator.integers(130, 200)), int(generator.integers(30, 70)))

    def say(self, text: str) -> np.ndarray:
        """[N] float32 samples of RATE a second, without the silence around them."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "said.wav"
            subprocess.run([PROGRAM, "-v", self.voice, "-s", str(self.speed), "-p", str(self.pitch), "-w", str(path), "--", text], check=True, capture_output=True)
            samples = resampled(read_wave(path), RATE).samples
        loud = np.flatnonzero(np.abs(samples) > 0.01)
        return samples[loud[0] : loud[-1] + 1] if len(loud) else samples


def require_program() -> None:
    """Stop with a word where there is no espeak-ng."""
    if shutil.which(PROGRAM) is None:
        raise SystemExit("this section needs espeak-ng: apt-get install espeak-ng")


def sentences(words: Sequence[str], without: Sequence[str], count: int, generator: np.random.Generator) -> list[list[str]]:
    """Pieces of four to ten words of a text, without some words."""
    known, found = set(without), list[list[str]]()
    while len(found) < count:
        first = int(generator.integers(len(words) - 10))
        piece = [word for word in words[first : first + int(generator.integers(4, 11))] if word not in known]
        found += [piece] if len(piece) > 3 else []
    return found


def quiet(seconds: float, generator: np.random.Generator) -> np.ndarray:
    """A pause with noise 60 dB below full scale."""
    return (0.001 * generator.standard_normal(int(seconds * RATE))).astype(np.float32)


def wave(parts: Sequence[np.ndarray]) -> Wave:
    """Parts one after another."""
    return Wave(np.concatenate(parts), RATE)
