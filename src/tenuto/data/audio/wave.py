"""Sound files as samples: read in blocks to their end, mixed to one channel; and another rate, at once or as a stream."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tenuto.choices import missing_file
from tenuto.errors import ArgumentError, DataError
from tenuto.tongues import argument

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".w64", ".caf")
BLOCK = 1 << 16  # samples of a channel that are read at once
LEAST_RATE, MOST_RATE = 1_000, 768_000
MOST_CHANNELS = 32  # of arrays: with more, their axes stand the other way round


class Wave(NamedTuple):
    """Sound of one channel.

    Attributes:
        samples: [N] float32, in -1..1; files of floats may go beyond, and are left so.
        rate: samples a second.
    """

    samples: np.ndarray
    rate: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / self.rate


def package(name: str) -> Any:
    """A package that sound needs.

    Raises:
        ArgumentError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ArgumentError(f"recordings need the package {name}, which is not installed.", fix="pip install 'tenuto[audio]'") from error


def read_wave(path: str | Path, channel: int | None = None) -> Wave:
    """A sound file, all of its channels mixed to one by their mean, or one of them.

    What the header says of the length is never believed: the file is read in blocks until there is no more.

    Args:
        channel: which, from 0 on. None: all.
    Raises:
        DataError: there is no such file or channel, it is no sound file, it breaks off within what cannot be decoded, or holds no samples or some that are not finite.
    """
    soundfile, path = package("soundfile"), Path(path)
    blocks, count = list[np.ndarray](), 0
    try:
        if not path.is_file():
            raise DataError(f"{path} is a folder, not a sound file." if path.is_dir() else f"there is no file {path}.", expected="a sound file: " + ", ".join(SUFFIXES), fix=missing_file(path) if not path.exists() else None)
        with soundfile.SoundFile(path) as file:
            rate = int(file.samplerate)
            if channel is not None and not 0 <= channel < file.channels:
                raise DataError(f"{path.name} has no channel {channel}.", expected=f"0 to {file.channels - 1}")
            block = np.empty((BLOCK, file.channels), dtype=np.float32)
            while len(read := file.read(out=block)):  # with `out` it asks for as many as fit in, whatever the header says
                blocks.append(mono(read) if channel is None else read[:, channel].copy())
                count += len(read)
    except (soundfile.LibsndfileError, TypeError) as error:  # a TypeError: its name says that it has no header
        said = str(getattr(error, "error_string", "it has no header")).rstrip(".").removeprefix("Error : ")
        raise DataError(f"{path.name} cannot be read: {said}" + (f", after {count / rate:.2f} s." if count else "."), expected="a sound file: " + ", ".join(SUFFIXES)) from error
    except OSError as error:  # a name that is too long, for example
        raise DataError(f"{path.name[:60]} cannot be read: {error.strerror}.") from error
    return checked(np.concatenate([np.empty(0, np.float32), *blocks]), rate, path.name)


def check_rate(rate: int) -> None:
    """Raise an ArgumentError if no sound has such a rate."""
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise ArgumentError(f"{argument('rate', rate)} is out of range.", expected=f"{LEAST_RATE} to {MOST_RATE} samples a second")


def mono(samples: np.ndarray) -> np.ndarray:
    """[N] float32 from [N, channels]: the mean of the channels, a copy."""
    return samples[:, 0].copy() if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float64).astype(np.float32)


def checked(samples: Any, rate: int, name: str) -> Wave:
    """Samples as a wave, if there are any and all are finite: [N], or [N, channels]; floats as they are, whole numbers of 8, 16 or 32 bits by their largest value.

    Raises:
        DataError: none, some that are not finite, whole numbers of which nobody can know how loud they are (of 64 bits, without a sign), or a rate that no sound has.
    """
    if hasattr(samples, "detach"):
        samples = samples.detach().cpu()
        samples = samples.float() if samples.is_floating_point() else samples  # numpy has no bfloat16
    given = np.asarray(samples)
    if given.dtype.kind == "i" and given.dtype.itemsize < 8:
        given = (given / float(2 ** (8 * given.dtype.itemsize - 1))).astype(np.float32)
    if given.ndim not in (1, 2) or given.dtype.kind != "f":
        whole = given.ndim in (1, 2) and given.dtype.kind in "iu"
        raise DataError(
            f"{name} is no sound.", expected="[N] or [N, channels], floats in -1..1 or whole numbers with a sign, of 8, 16 or 32 bits", received=f"{list(given.shape)} {given.dtype}",
            fix="say how loud they are: an array of int16 if they are samples of 16 bits" if whole else None,
        )  # fmt: skip
    if given.ndim == 2 and given.shape[1] > MOST_CHANNELS:
        raise DataError(f"{name} has {given.shape[1]} channels.", expected=f"[N, channels], {MOST_CHANNELS} channels at most", received=str(list(given.shape)), fix="if channels come first, turn it round: x.T")
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise DataError(f"{name} has {rate} samples a second.", expected=f"{LEAST_RATE} to {MOST_RATE}")
    if not len(given):
        raise DataError(f"{name} holds no samples.", expected="one or more")
    flat = given.astype(np.float32) if given.ndim == 1 else mono(given.astype(np.float32))
    if not np.isfinite(flat).all():
        wrong = int(np.flatnonzero(~np.isfinite(flat))[0])
        raise DataError(f"{name} holds a sample that is not a finite number, at {wrong / rate:.3f} s.", received=str(flat[wrong]))
    return Wave(np.ascontiguousarray(flat), int(rate))


class Resampler:
    """One rate to another, as a stream: chunks of any sizes give the same bits as all at once, and `finish` what is still inside.

    A sound of N samples becomes one of N * to / from samples, rounded, and of one at least.
    """

    def __init__(self, rate: int, to: int) -> None:
        self.rate, self.to = rate, to
        self._stream = None if rate == to else package("soxr").ResampleStream(rate, to, 1, dtype="float32")
        self._taken = self._given = 0

    def accept(self, samples: np.ndarray) -> np.ndarray:
        """[M] float32, what can be said after these samples [N] float32."""
        return samples if self._stream is None else self._through(samples, last=False)

    def finish(self) -> np.ndarray:
        """[M] float32, the rest."""
        none = np.empty(0, dtype=np.float32)
        if self._stream is None:
            return none
        rest = self._through(none, last=True)
        return rest if self._given or not self._taken else np.zeros(1, dtype=np.float32)

    def _through(self, samples: np.ndarray, *, last: bool) -> np.ndarray:
        found: np.ndarray = self._stream.resample_chunk(np.ascontiguousarray(samples), last=last)  # type: ignore[union-attr]
        self._taken, self._given = self._taken + len(samples), self._given + len(found)
        return found


def resampled(wave: Wave, rate: int) -> Wave:
    """A wave at another rate: what `Resampler` gives."""
    if wave.rate == rate:
        return wave
    through = Resampler(wave.rate, rate)
    return Wave(np.concatenate([through.accept(wave.samples), through.finish()]), rate)
