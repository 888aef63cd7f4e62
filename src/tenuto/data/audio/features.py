"""Log-mel energies and cepstra of sound, by kaldi-native-fbank: whole, or as a stream that gives the same bits.

A frame is read off 25 ms, and frames begin 10 ms apart. A frame depends on its own samples alone: no dither, no smoothing over time. Kaldi leaves
out what is too short for a last frame; here zeros complete it, so that each sample of a recording is in a frame, and one sample is enough for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tenuto.choices import require
from tenuto.data.audio.wave import package
from tenuto.data.plain import array_of, plain_array
from tenuto.errors import ArgumentError
from tenuto.tongues import argument

KINDS = ("log-mel", "mfcc")
SCALE = 32768.0  # Kaldi reads samples as whole numbers of 16 bits
FLOOR = 0.0  # of log-mel energies: rounding to 16 bits alone gives more; without it digital silence, at -16, would count for most of the deviation
FRAME_MS, SHIFT_MS = 25.0, 10.0
LOWEST_HZ = 20.0  # Kaldi's; the highest frequency is half the rate


def _mel(hertz: np.ndarray) -> np.ndarray:
    return 1127 * np.log1p(hertz / 700)


def _hertz(mel: np.ndarray) -> np.ndarray:
    return 700 * np.expm1(mel / 1127)


@dataclass(frozen=True)
class Features:
    """Which features are read off a sound.

    Args:
        rate: samples a second.
        kind: "log-mel" (logarithms of the energies in `size` bands, equally wide on the mel scale) or "mfcc" (`size` cepstra of 23 such bands, or of `size` if that is more).
        size: F. scale: what samples in -1..1 are multiplied by; kept with a model, since energies depend on it.
    Raises:
        ArgumentError: another kind; when sound is read, more features, or fewer, than there can be at this rate.
    Example:
        >>> Features(8000, size=20)(np.zeros(400, dtype=np.float32)).shape
        (4, 20)
    """

    rate: int
    kind: str = "log-mel"
    size: int = 40
    scale: float = SCALE

    def __post_init__(self) -> None:
        require("features", self.kind, KINDS)

    @property
    def frame(self) -> int:
        """Samples of a frame."""
        return int(self.rate * 0.001 * FRAME_MS)

    @property
    def shift(self) -> int:
        """Samples from the beginning of a frame to that of the next."""
        return int(self.rate * 0.001 * SHIFT_MS)

    def count(self, samples: int) -> int:
        """How many frames so many samples have: one, and another for each further shift that was begun.

        Example:
            >>> [Features(8000).count(samples) for samples in (0, 1, 200, 201, 280, 281)]
            [0, 1, 1, 2, 2, 3]
        """
        return 0 if samples == 0 else 1 + max(0, -(-(samples - self.frame) // self.shift))

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """[T, F] float32 of samples [N] float32 in -1..1; T is `count(N)`."""
        stream = self.stream()
        return np.concatenate([stream.accept(samples), stream.finish()])

    def stream(self) -> FeatureStream:
        """The same for samples that come in chunks."""
        return FeatureStream(self)

    def warped(self, frames: np.ndarray, factor: float) -> np.ndarray:
        """Log-mel energies [T, F] as of a voice whose vocal tract is `factor` times as short: what stood at a frequency stands at `factor` times that frequency; between two bands lies a line."""
        assert self.kind == "log-mel"
        edges = _mel(np.array([LOWEST_HZ, self.rate / 2]))
        step = (edges[1] - edges[0]) / (self.size + 1)
        centres = edges[0] + step * np.arange(1, self.size + 1)
        places = np.clip((_mel(_hertz(centres) / factor) - centres[0]) / step, 0, self.size - 1)
        below = np.minimum(places.astype(int), max(self.size - 2, 0))
        above, share = np.minimum(below + 1, self.size - 1), (places - below).astype(np.float32)
        return frames[:, below] * (1 - share) + frames[:, above] * share

    def whole_frames(self, samples: np.ndarray) -> np.ndarray:
        """[T, F] float32: the frames that lie within samples [N], without a last one that zeros would complete."""
        frames = 1 + (len(samples) - self.frame) // self.shift if len(samples) >= self.frame else 0
        if not frames:
            return np.empty((0, self.size), dtype=np.float32)
        reader = self._reader()
        reader.accept_waveform(self.rate, samples * np.float32(self.scale))
        found = np.array([reader.get_frame(number) for number in range(frames)], dtype=np.float32)
        return np.maximum(found, FLOOR) if self.kind == "log-mel" else found

    def _reader(self) -> Any:
        found = self._reader_of(self.size)
        if found is None:
            fits = next((size for size in (*range(self.size, 0, -1), *range(self.size, 10)) if self._reader_of(size) is not None), None)
            said = "fewer, so that each band has a frequency of its own" if fits is None or fits < self.size else "more"
            raise ArgumentError(
                f"{argument('feature_size', self.size)} is out of range for {self.rate} samples a second.", expected=said, received=f"{self.size} features of {self.kind}",
                fix=None if fits is None else argument("feature_size", fits),
            )  # fmt: skip
        return found

    def _reader_of(self, size: int) -> Any:
        """Kaldi's reader of so many features; None where it has no such."""
        kaldi = package("kaldi_native_fbank")
        options = kaldi.FbankOptions() if self.kind == "log-mel" else kaldi.MfccOptions()
        options.frame_opts.dither = 0.0
        options.frame_opts.samp_freq = float(self.rate)
        options.frame_opts.frame_length_ms, options.frame_opts.frame_shift_ms = FRAME_MS, SHIFT_MS
        options.frame_opts.snip_edges = True
        if self.kind == "log-mel":
            options.mel_opts.num_bins = size
        else:
            options.mel_opts.num_bins, options.num_ceps, options.use_energy = max(23, size), size, False
        try:
            return kaldi.OnlineFbank(options) if self.kind == "log-mel" else kaldi.OnlineMfcc(options)
        except ValueError:
            return None

    def to_data(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


class FeatureStream:
    """Features of samples that come in chunks of any sizes; what is too short for the next frame is kept for it.

    Attributes:
        left: [N] float32, the samples from the beginning of the next frame on.
        samples: how many came so far.
    """

    def __init__(self, features: Features) -> None:
        self.features = features
        self.left = np.empty(0, dtype=np.float32)
        self.samples = self.frames = 0

    def accept(self, samples: np.ndarray) -> np.ndarray:
        """[T, F] float32: the frames that these samples [N] float32 complete."""
        self.samples += len(samples)
        self.left = np.concatenate([self.left, samples])
        found = self.features.whole_frames(self.left)
        self.left = self.left[len(found) * self.features.shift :].copy()
        self.frames += len(found)
        return found

    def kept(self) -> dict[str, Any]:
        """All that it keeps, as plain data."""
        return {"left": plain_array(self.left), "samples": self.samples, "frames": self.frames}

    def resume(self, kept: Mapping[str, Any]) -> None:
        """Go on from what `kept` gave."""
        self.left, self.samples, self.frames = array_of(kept["left"]), kept["samples"], kept["frames"]

    def finish(self) -> np.ndarray:
        """[T, F] float32: the last frame, where samples are left that were in none."""
        missing = self.features.count(self.samples) - self.frames
        assert missing in (0, 1)
        found = self.features.whole_frames(np.pad(self.left, (0, missing * self.features.frame - missing * len(self.left))))
        self.left, self.frames = self.left[:0], self.frames + len(found[:missing])
        return found[:missing]
