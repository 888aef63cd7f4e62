"""Features are those of Kaldi's definition, the same bits in any chunks; so are normalised ones, and the steps that a network reads (S1, S2)."""

import numpy as np
import pytest

from tenuto.data.audio.features import SHIFT_MS, Features, FeatureStream
from tenuto.data.audio.hearing import Hearing, HearingStream
from tenuto.data.audio.normalise import Normaliser, NormaliserStream
from tenuto.data.audio.wave import Wave, resampled
from tenuto.errors import ArgumentError
from tests.data.audio.sounds import chunks, sound, wave


def log_mel(frame, rate, bands):
    """One frame's log energies, from the definition (Kaldi, feature-window.cc and mel-computations.cc), in float64."""
    frame = frame.astype(np.float64) * 32768
    frame = frame - frame.mean()
    frame = frame - 0.97 * np.concatenate([frame[:1], frame[:-1]])
    frame *= (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(len(frame)) / (len(frame) - 1))) ** 0.85
    size = 1 << (len(frame) - 1).bit_length()
    power = np.abs(np.fft.rfft(frame, size)) ** 2

    def mel(hertz):
        return 1127 * np.log(1 + hertz / 700)

    edges = np.linspace(mel(20), mel(rate / 2), bands + 2)
    places = mel(np.arange(size // 2) * rate / size)
    rising = (places - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - places) / (edges[2:] - edges[1:-1])[:, None]
    weights = np.maximum(np.minimum(rising, falling), 0)
    return np.log(np.maximum(weights @ power[: size // 2], np.finfo(np.float32).eps))


@pytest.mark.parametrize(("rate", "bands"), [(8000, 40), (16000, 80)])
def test_log_mel_energies_are_those_of_the_definition(rate, bands):
    features, x = Features(rate, size=bands), sound(rate // 2, rate)
    found = features(x)
    expected = [log_mel(x[start : start + features.frame], rate, bands) for start in range(0, len(x) - features.frame + 1, features.shift)]
    assert found.dtype == np.float32 and len(found) == len(expected) + 1  # and one that zeros complete
    np.testing.assert_allclose(found[:-1], expected, atol=2e-3)


def test_cepstra_are_cosines_of_log_energies():
    x, size = sound(800), 13
    found = Features(8000, "mfcc", size)(x)
    energies = Features(8000, size=23)(x).astype(np.float64)
    number, band = np.arange(size)[:, None], np.arange(23)[None]
    cosines = np.cos(np.pi / 23 * (band + 0.5) * number) * np.where(number == 0, np.sqrt(1 / 23), np.sqrt(2 / 23))
    lifter = 1 + 11 * np.sin(np.pi * np.arange(size) / 22)
    np.testing.assert_allclose(found, energies @ cosines.T * lifter, atol=2e-2)
    with pytest.raises(ArgumentError, match="features='plp'"):
        Features(8000, "plp")


@pytest.mark.parametrize(("rate", "kind", "size"), [(8000, "log-mel", 128), (8000, "log-mel", 2), (1000, "log-mel", 40), (8000, "mfcc", 200)])
def test_more_bands_than_frequencies_are_told_with_a_number_that_works(rate, kind, size):
    with pytest.raises(ArgumentError, match=rf"feature_size={size} is out of range for {rate} samples a second\.[\s\S]*fix       feature_size=\d+") as told:
        Features(rate, kind, size)(sound(rate))
    fits = int(told.value.fix.partition("=")[2])
    assert Features(rate, kind, fits)(sound(rate)).shape[1] == fits


def test_every_sample_is_in_a_frame_and_no_frame_begins_after_the_end():
    features = Features(8000, size=5)
    for samples in (1, 199, 200, 201, 280, 281, 360, 1000):
        frames = features(sound(samples))
        assert len(frames) == features.count(samples) and np.isfinite(frames).all()
        begins = (len(frames) - 1) * features.shift
        assert begins < samples <= begins + features.frame
    assert features(np.zeros(0, np.float32)).shape == (0, 5)


@pytest.mark.parametrize("rule", ["training", "causal"])
@pytest.mark.parametrize(("kind", "ahead"), [("log-mel", 0), ("log-mel", 2), ("mfcc", 1)])
def test_s1_s2_any_chunks_give_the_same_bits_at_every_length(rule, kind, ahead):
    generator = np.random.default_rng(3)
    features = Features(8000, kind, 12)
    hearing = Hearing(features, Normaliser.learn([features(sound(4000))], rule), together=3, ahead=ahead)
    for samples in (1, 150, *range(1000, 1000 + 3 * features.shift, 37), 5000):
        one = wave(samples * 2, 16000)
        whole, stream = hearing(one), hearing.stream(16000)
        assert isinstance(stream, HearingStream) and isinstance(stream._features, FeatureStream) and isinstance(stream._normaliser, NormaliserStream)
        for largest in (90, 3000):
            stream = hearing.stream(16000)
            parts = [stream.accept(part) for part in chunks(one.samples, generator, largest)]
            np.testing.assert_array_equal(np.concatenate([*parts, stream.finish()]), whole)
            assert stream.samples == samples * 2
        assert whole.shape == (hearing.steps(samples), hearing.width) == (-(-features.count(samples) // 3), 36 * (1 + ahead))
    assert hearing.step_seconds == 3 * SHIFT_MS / 1000


def test_a_step_sees_the_steps_after_it_and_zeros_after_the_end():
    hearing = Hearing(Features(8000, size=2), Normaliser("training", np.zeros(2), np.ones(2)), together=2, ahead=2)
    steps = hearing.stacked(np.arange(10, dtype=np.float32).reshape(5, 2))
    assert steps[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0] and steps[2].tolist() == [8, 9] + [0] * 10
    assert len(hearing.looking_ahead(hearing.side_by_side(np.zeros((6, 2), np.float32)), ended=False)) == 1


def test_a_stream_keeps_no_more_than_it_needs():
    hearing = Hearing(Features(8000, size=8), Normaliser("causal", np.zeros(8), np.ones(8)), together=4, ahead=3)
    stream = hearing.stream(8000)
    for _ in range(400):
        stream.accept(sound(333))
        assert len(stream._features.left) < hearing.features.frame and len(stream._left) < 4 and len(stream._waiting) <= 3


def test_what_is_normalised_has_mean_zero_and_deviation_one():
    frames = np.random.default_rng(0).normal(3, 2, size=(500, 4)).astype(np.float32)
    for rule in ("training", "recording"):
        found = Normaliser.learn([frames[:200], frames[200:]], rule)(frames)
        np.testing.assert_allclose(found.mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(found.std(0), 1, atol=1e-5)
    silent = Normaliser.learn([np.zeros((5, 2), np.float32)], "training")(np.ones((3, 2), np.float32))
    assert np.isfinite(silent).all()


def test_causal_means_are_those_so_far():
    frames = np.random.default_rng(1).normal(5, 1, size=(40, 2)).astype(np.float32)
    known = Normaliser("causal", np.array([1.0, 2.0]), np.array([0.5, 1.5]))
    found = known(frames)
    for place in (0, 7, 39):
        seen = frames[: place + 1].astype(np.float64)
        mean = (100 * known.mean + seen.sum(0)) / (100 + len(seen))
        square = (100 * (known.deviation**2 + known.mean**2) + (seen**2).sum(0)) / (100 + len(seen))
        np.testing.assert_allclose(found[place], (seen[-1] - mean) / np.sqrt(square - mean**2), rtol=1e-5)
    again = Normaliser.from_data(known.to_data())
    np.testing.assert_array_equal(again(frames), found)


def test_a_whole_recording_is_no_stream():
    for rule in ("recording", "mean", "both"):
        hearing = Hearing(Features(8000, size=3), Normaliser(rule, np.zeros(3), np.ones(3)))
        with pytest.raises(ArgumentError, match=f"normalise='{rule}' needs a whole recording"):
            hearing.stream(8000)
        assert hearing(wave(900)).shape == (10, hearing.size) and hearing.normaliser(np.zeros((0, 3), np.float32)).shape == (0, hearing.size)
    with pytest.raises(ArgumentError, match="normalise='median'"):
        Normaliser("median", np.zeros(3), np.ones(3))


def test_the_mean_of_a_recording_goes_and_its_deviation_stays():
    """What a microphone multiplies each band by is gone; how much a band varies is not."""
    known = Normaliser("mean", np.array([5.0, 5.0]), np.array([2.0, 4.0]))
    frames = np.array([[1.0, 0.0], [3.0, 8.0]], dtype=np.float32)
    np.testing.assert_array_equal(known(frames), [[-0.5, -1.0], [0.5, 1.0]])
    np.testing.assert_array_equal(known(frames + np.float32([7, -2])), known(frames))


def test_both_views_stand_side_by_side():
    """By hand: less the training set's mean, by its deviation; and the same less the recording's mean."""
    known = Normaliser("both", np.array([5.0, 5.0]), np.array([2.0, 4.0]))
    frames = np.array([[1.0, 1.0], [3.0, 9.0]], dtype=np.float32)
    assert known.views == 2 and known(frames[:0]).shape == (0, 4) and Normaliser("mean", known.mean, known.deviation).views == 1
    np.testing.assert_array_equal(known(frames), [[-2, -1, -0.5, -1], [-1, 1, 0.5, 1]])
    hearing = Hearing(Features(8000, size=3), Normaliser("both", np.ones(3), np.ones(3)), together=2)
    assert hearing.size == 6 and hearing(wave(900)).shape == (hearing.steps(900), hearing.width) == (hearing.steps(900), 12)
    np.testing.assert_array_equal(Hearing.from_data(hearing.to_data())(wave(900)), hearing(wave(900)))


def test_another_vocal_tract_moves_what_is_heard_to_other_frequencies():
    """A tone at f, warped by 1.25, has its highest energy in the band in which a tone at 1.25 f has it; low ones stay apart from high ones."""
    features = Features(8000, size=40)

    def loudest(hertz, factor=1.0):
        tone = np.sin(2 * np.pi * hertz * np.arange(4000) / 8000).astype(np.float32)
        return int(features.warped(features(tone), factor)[5].argmax())

    for hertz in (400, 800, 1600, 2400):
        assert abs(loudest(hertz, 1.25) - loudest(1.25 * hertz)) <= 1 and abs(loudest(hertz, 0.8) - loudest(0.8 * hertz)) <= 1 and loudest(hertz, 1.25) > loudest(hertz)
    frames = features(wave(4000).samples)
    np.testing.assert_allclose(features.warped(frames, 1.0), frames, atol=1e-4)
    assert Features(8000, size=1).warped(frames[:, :1], 1.1).shape == (len(frames), 1)


def test_a_hearing_is_kept_as_plain_data():
    hearing = Hearing(Features(8000, size=3), Normaliser("training", np.ones(3), np.ones(3)), together=2)
    again = Hearing.from_data(hearing.to_data())
    np.testing.assert_array_equal(again(wave(900)), hearing(wave(900)))
    np.testing.assert_array_equal(hearing.frames(wave(900, 16000)), hearing.features(resampled(Wave(sound(900, 16000), 16000), 8000).samples))
