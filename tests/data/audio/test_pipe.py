"""Samples through a pipe: bare ones, and WAV files whose headers do not know how long they will be."""

import io
import struct

import numpy as np
import pytest
import soundfile

from tenuto.data.audio.pipe import Piped
from tenuto.errors import DataError
from tests.data.audio.sounds import sound


class Slow(io.RawIOBase):
    """A pipe that gives a few bytes at a time."""

    def __init__(self, data, most):
        self.data, self.most = data, most

    def readable(self):
        return True

    def readinto(self, into):
        taken = self.data[: min(self.most, len(into))]
        self.data = self.data[len(taken) :]
        into[: len(taken)] = taken
        return len(taken)


def heard(data, rate=8000, most=1001):
    piped = Piped(Slow(data, most), rate)
    return np.concatenate([np.empty(0, np.float32), *piped]), piped.rate


def wav(x, rate=8000, subtype="PCM_16", size=None):
    file = io.BytesIO()
    soundfile.write(file, x, rate, format="WAV", subtype=subtype)
    data = file.getvalue()
    place = data.index(b"data") + 4
    return data if size is None else data[:place] + struct.pack("<I", size) + data[place + 4 :]


def test_bare_samples_and_files():
    x = sound(5000)
    whole = np.round(x * 32767).astype("<i2")
    for data, rate in ((whole.tobytes(), 8000), (wav(whole, 11025), 11025), (wav(whole, size=2**32 - 1), 8000), (wav(whole, size=0), 8000)):
        for most in (1, 3001, 10**6):
            found, told = heard(data, 8000, most)
            np.testing.assert_array_equal(found, whole.astype(np.float32) / 32768)
            assert told == rate
    np.testing.assert_allclose(heard(wav(np.stack([x, -x], 1), subtype="FLOAT"))[0], 0)
    np.testing.assert_allclose(heard(wav(x, subtype="PCM_32"))[0], x, atol=1e-6)


def test_short_and_wrong_pipes():
    assert heard(b"")[0].size == 0 and heard(b"\1")[0].size == 0 and heard(b"\0\x40")[0].tolist() == [0.5] and heard(b"\0\x40\0\x40")[0].tolist() == [0.5, 0.5]
    with pytest.raises(DataError, match="of a kind that is not read from a pipe"):
        heard(wav(sound(10), subtype="PCM_24"))
    with pytest.raises(DataError, match="ends within the header"):
        heard(wav(sound(10))[:30])
