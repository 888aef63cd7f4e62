"""Sound files: read to their end whatever their headers say (S11), mixed, brought to another rate with true lengths (S12)."""

import struct

import numpy as np
import pytest
import soundfile
import torch

from tenuto.data.audio import wave as module
from tenuto.data.audio.wave import Resampler, Wave, checked, mono, package, read_wave, resampled
from tenuto.errors import ArgumentError, DataError
from tests.data.audio.sounds import chunks, sound


def written(path, samples, rate=8000, subtype="PCM_16"):
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


@pytest.mark.parametrize(("name", "subtype", "bits"), [("a.wav", "PCM_16", 15), ("a.wav", "PCM_24", 23), ("a.wav", "FLOAT", 24), ("a.flac", "PCM_16", 15), ("a.aiff", "PCM_16", 15)])
def test_files_of_16_and_24_bits_and_floats(tmp_path, name, subtype, bits):
    x = sound(3000)
    found = read_wave(written(tmp_path / name, x, 11025, subtype))
    assert found.rate == 11025 and found.samples.dtype == np.float32 and found.seconds == 3000 / 11025
    np.testing.assert_allclose(found.samples, x, atol=2.0**-bits)


def test_s11_a_header_that_lies_is_not_believed(tmp_path):
    whole = written(tmp_path / "whole.wav", sound(150_000)).read_bytes()
    place = whole.index(b"data") + 4
    for said in (2**31 - 1, 2**32 - 1):
        (tmp_path / "lies.wav").write_bytes(whole[:place] + struct.pack("<I", said) + whole[place + 4 :])
        np.testing.assert_array_equal(read_wave(tmp_path / "lies.wav").samples, read_wave(tmp_path / "whole.wav").samples)
    (tmp_path / "cut.wav").write_bytes(whole[: place + 4 + 2 * 1000 + 1])
    assert len(read_wave(tmp_path / "cut.wav").samples) == 1000  # what is there is read
    (tmp_path / "none.wav").write_bytes(whole[: place + 4])
    with pytest.raises(DataError, match=r"none.wav holds no samples"):
        read_wave(tmp_path / "none.wav")


def test_s11_a_file_that_breaks_off_ends_with_a_reason(tmp_path):
    whole = written(tmp_path / "whole.flac", sound(200_000)).read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut.flac cannot be read: flac decoder lost sync, after \d\.\d\d s"):
        read_wave(tmp_path / "cut.flac")
    (tmp_path / "no.wav").write_text("a wave?")
    for name, said in (("no.wav", "no.wav cannot be read"), ("gone.wav", "there is no file")):
        with pytest.raises(DataError, match=said):
            read_wave(tmp_path / name)


def test_channels_are_mixed_by_their_mean(tmp_path):
    left, right = sound(500), sound(500, seed=1)
    both = read_wave(written(tmp_path / "both.wav", np.stack([left, right], 1), subtype="FLOAT"))
    np.testing.assert_allclose(both.samples, (left + right) / 2, atol=1e-7)
    np.testing.assert_array_equal(mono(left[:, None]), left)


def test_one_channel_of_a_file(tmp_path):
    left, right = sound(500), sound(500, seed=1)
    path = written(tmp_path / "both.wav", np.stack([left, right], 1), subtype="FLOAT")
    np.testing.assert_array_equal(read_wave(path, 1).samples, right)
    with pytest.raises(DataError, match="both.wav has no channel 2"):
        read_wave(path, 2)


def test_what_is_no_sound_file_is_told(tmp_path):
    (tmp_path / "bare.raw").write_bytes(b"\0" * 100)
    (tmp_path / "list.csv").write_text("path,text\n")
    for name, said in (("", "is a folder, not a sound file"), ("bare.raw", "cannot be read: it has no header"), ("list.csv", "list.csv cannot be read")):
        with pytest.raises(DataError, match=said):
            read_wave(tmp_path / name)


def test_samples_are_checked():
    x = np.array([0.5, -0.25])
    for given in (x, torch.tensor(x, dtype=torch.bfloat16, requires_grad=True), x.astype(np.float16), [0.5, -0.25], torch.tensor([2**14, -(2**13)], dtype=torch.int16), np.array([64, -32], np.int8), np.array([2**30, -(2**29)], np.int32), np.stack([x, x], 1)):
        assert checked(given, 8000, "x").samples.tolist() == [0.5, -0.25]
    for given, said in (([100, -200], r"is no sound\.[\s\S]*8, 16 or 32 bits[\s\S]*int64[\s\S]*an array of int16"), (np.zeros(4, np.uint8), "is no sound"), (np.zeros((2, 8000)), r"has 8000 channels[\s\S]*x\.T"), (0.5, "is no sound"), (["a"], "is no sound")):
        with pytest.raises(DataError, match=said):
            checked(given, 8000, "x")
    assert checked(np.array([-(2**15), 2**14], dtype=np.int16), 8000, "x").samples.tolist() == [-1.0, 0.5]
    assert checked(np.array([3.0]), 8000, "x").samples.tolist() == [3.0]  # too loud is left so
    for given, rate, said in (
        (np.array([0.0, np.nan]), 8000, "not a finite number, at 0.000 s"), (np.zeros(0), 8000, "no samples"), (np.zeros(3), 0, "0 samples a second"), (np.zeros((1, 1, 1)), 8000, "is no sound"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=said):
            checked(given, rate, "x")


@pytest.mark.parametrize(("rate", "to"), [(8000, 16000), (44100, 16000), (16000, 8000), (8000, 8000)])
def test_s12_another_rate_has_true_lengths_and_the_same_bits_in_chunks(rate, to):
    generator = np.random.default_rng(0)
    for samples in (1, 7, 800, 9001):
        x = sound(samples, rate)
        whole, stream = resampled(Wave(x, rate), to).samples, Resampler(rate, to)
        assert abs(len(whole) - max(1, samples * to / rate)) <= 0.5
        parts = [stream.accept(part) for part in chunks(x, generator, 1500)]
        np.testing.assert_array_equal(np.concatenate([*parts, stream.finish()]), whole)
    tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
    middle = slice(to // 4, to // 2)
    np.testing.assert_allclose(resampled(Wave(tone, rate), to).samples[middle], np.sin(2 * np.pi * 440 * np.arange(to) / to)[middle], atol=1e-3)


def test_a_package_that_is_missing_is_named(monkeypatch):
    def none(name):
        raise ImportError(name)

    monkeypatch.setattr(module, "import_module", none)
    with pytest.raises(ArgumentError, match=r"need the package soxr.*\n.*pip install 'tenuto\[audio\]'"):
        package("soxr")
