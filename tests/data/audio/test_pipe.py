"""Samples through a pipe: bare ones, and WAV files whose headers do not know how long they will be."""

import io
import struct

import numpy as np
import pytest
import soundfile

from tenuto.data.audio.pipe import Piped
from tenuto.data.audio.wave import read_wave
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


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_U8", 7), ("PCM_16", 15), ("PCM_24", 23), ("PCM_32", 24), ("FLOAT", 24), ("DOUBLE", 24)])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_kind_of_sample_is_heard_as_from_the_file(tmp_path, subtype, bits, channels):
    x = np.stack([sound(3001, seed=seed) for seed in range(channels)], 1)
    (tmp_path / "a.wav").write_bytes(wav(x, 11025, subtype))
    for most in (1, 999, 10**6):
        found, rate = heard((tmp_path / "a.wav").read_bytes(), 8000, most)
        assert rate == 11025 and len(found) == 3001
        np.testing.assert_array_equal(found, read_wave(tmp_path / "a.wav").samples)
    np.testing.assert_allclose(found, x.mean(1), atol=2.0**-bits)


@pytest.mark.parametrize("most", [1, 5, 4096])
@pytest.mark.parametrize("samples", [3, 2048, 5001])
def test_what_programs_write_after_the_samples_is_not_heard(samples, most):
    """A title, for example. Where nothing of the kind follows, the length in the header is not believed."""
    whole = np.arange(samples, dtype="<i2")
    title = b"LIST" + struct.pack("<I", 18) + b"INFOINAM" + struct.pack("<I", 6) + b"Hello\0"
    for data in (wav(whole) + title, wav(whole), wav(whole, size=2 * (samples - 1)), wav(whole, size=2**31)):
        np.testing.assert_array_equal(heard(data, most=most)[0], whole.astype(np.float32) / 32768)
    odd = wav(np.zeros(samples | 1), subtype="PCM_U8")  # the chunk behind an odd number of bytes begins one byte later
    found = heard(odd[: odd.index(b"data") + 8 + (samples | 1)] + b"\0" + title, most=most)[0]
    assert len(found) == samples | 1 and not found.any()


def test_short_and_wrong_pipes():
    assert heard(b"")[0].size == 0 and heard(b"\1")[0].size == 0 and heard(b"\0\x40")[0].tolist() == [0.5] and heard(b"\0\x40\0\x40")[0].tolist() == [0.5, 0.5]
    with pytest.raises(DataError, match=r"of a kind that is not read from a pipe[\s\S]*format 7, 8 bits"):
        heard(wav(sound(10), subtype="ULAW"))
    plain = wav(sound(10))
    format_ = plain.index(b"fmt ")
    for wrong, said in (
        (plain[:12] + plain[plain.index(b"data") :], "a header that does not say it"), (plain[: format_ + 4] + struct.pack("<I", 4) + plain[format_ + 8 :], "does not say what its samples are"),
        (plain[: format_ + 12] + struct.pack("<I", 0) + plain[format_ + 16 :], "of 0 samples a second"), (plain[:12] + b"junk" + struct.pack("<I", 2**32 - 1) + plain[12:], "ends within the header"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=said):
            heard(wrong)
    with pytest.raises(DataError, match="ends within the header"):
        heard(wav(sound(10))[:30])


@pytest.mark.parametrize(("form", "name"), [("FLAC", "FLAC"), ("OGG", "Ogg"), ("AIFF", "AIFF"), ("AU", "AU"), ("CAF", "CAF"), ("RF64", "RF64"), ("W64", "W64")])
def test_a_file_of_another_kind_is_not_taken_for_bare_samples(form, name):
    file = io.BytesIO()
    soundfile.write(file, sound(2000), 8000, format=form)
    with pytest.raises(DataError, match=rf"the stream is a file of another kind: {name}\."):
        heard(file.getvalue())
