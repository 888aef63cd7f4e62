"""What is drawn for a recording in training: speed, level, noise, masks."""

import numpy as np

from tenuto.data.audio.changing import Changing
from tenuto.data.audio.features import FLOOR, Features
from tenuto.data.audio.hearing import Hearing
from tenuto.data.audio.normalise import Normaliser
from tenuto.data.audio.perturb import Perturbation, faster, louder, with_noise
from tenuto.data.audio.wave import Wave
from tests.data.audio.sounds import wave


def generator():
    return np.random.default_rng(5)


def test_speed_changes_length_and_pitch():
    tone = Wave(np.sin(2 * np.pi * 500 * np.arange(8000) / 8000).astype(np.float32), 8000)
    for factor in (0.9, 1.0, 1.1):
        found = faster(tone, factor)
        assert found.rate == 8000 and abs(len(found.samples) - 8000 / factor) <= 1
        spectrum = np.abs(np.fft.rfft(found.samples * np.hanning(len(found.samples))))
        assert abs(spectrum.argmax() * 8000 / len(found.samples) - 500 * factor) < 2
    drawn = {len(Perturbation(speed=0.1).of_wave(tone, np.random.default_rng(seed)).samples) for seed in range(20)}
    assert drawn == {8889, 8000, 7273}


def test_noise_and_gain_are_of_the_level_that_is_said():
    one = wave(20_000)
    noise = with_noise(one.samples, 20.0, generator()) - one.samples
    assert abs(20 * np.log10(one.samples.std() / noise.std()) - 20) < 0.3
    assert not with_noise(np.zeros(10, np.float32), 20.0, generator()).any()
    for seed in range(5):
        louder = Perturbation(gain_db=6.0).of_wave(one, np.random.default_rng(seed)).samples
        assert abs(20 * np.log10(louder.std() / one.samples.std())) <= 6.001
    same = Perturbation(speed=0.1, gain_db=6.0, noise_db=10.0)
    np.testing.assert_array_equal(same.of_wave(one, generator()).samples, same.of_wave(one, generator()).samples)


def test_masks_are_zeros_over_bands_and_times():
    frames, plan = np.ones((50, 16), np.float32), Perturbation(bands=1, times=1)
    assert plan.of_frames and not plan.of_samples and not Perturbation().of_frames
    for seed in range(10):
        found = plan.masked(frames, np.random.default_rng(seed))
        bands, times = (found == 0).all(0).sum(), (found == 0).all(1).sum()
        assert bands <= 2 and times <= 5 and (found == 0).sum() == bands * 50 + times * 16 - bands * times
    assert (frames == 1).all()


def test_another_voice_is_drawn_for_log_mel_features():
    features, plan = Features(8000, size=20), Perturbation(tract=0.15)
    frames = features(wave(4000).samples)
    assert plan.of_frames and not plan.of_samples
    assert len({plan.warped(frames, features, np.random.default_rng(seed)).tobytes() for seed in range(5)}) == 5
    assert plan.warped(frames, Features(8000, "mfcc", 20), generator()) is frames and Perturbation().warped(frames, features, generator()) is frames
    changing = Changing([wave(4000)], Hearing(features, Normaliser.learn([frames], "training")), plan)
    assert len({changing(0, np.random.default_rng(seed)).tobytes() for seed in range(5)}) == 5


def test_another_channel_is_the_same_at_all_times_and_bends_little():
    features, plan = Features(8000, size=20), Perturbation(channel_db=10.0)
    frames = features(wave(4000).samples)
    frames[3] = FLOOR
    found = [plan.through_channel(frames, features, np.random.default_rng(seed)) for seed in range(40)]
    changed = [one - frames for one in found if one is not frames]
    assert plan.of_frames and not plan.of_samples and 10 < len(changed) < 30
    for one in changed:
        decibels = np.delete(one, 3, axis=0) * 10 / np.log(10)
        assert not one[3].any() and np.ptp(decibels, axis=0).max() < 1e-3 and np.abs(decibels).max() <= 10.001 and np.abs(np.diff(decibels[0], 2)).max() < 10
    assert plan.through_channel(frames, Features(8000, "mfcc", 20), generator()) is frames and Perturbation().through_channel(frames, features, generator()) is frames
    np.testing.assert_allclose(louder(np.float32([[1.0]]), 10.0), [[1 + np.log(10)]], rtol=1e-6)


def test_one_of_two_views_is_left_out_now_and_then():
    features = Features(8000, size=5)
    frames = features(wave(4000).samples)
    changing = Changing([wave(4000)], Hearing(features, Normaliser.learn([frames], "both")), Perturbation(channel_db=1.0))
    found = [changing(0, np.random.default_rng(seed)) for seed in range(100)]
    gone = [(not one[:, :5].any(), not one[:, 5:].any()) for one in found]
    assert 10 < sum(first for first, _ in gone) < 32 and 10 < sum(second for _, second in gone) < 32 and (True, True) not in gone


def test_what_training_hears_is_what_is_read_off_the_changed_sound():
    """Kept features with a number added are those of the sound at that speed and level; only near the floor, where rounding begins, energies may differ."""
    waves = [Wave(0.1 * np.random.default_rng(seed).standard_normal(4000).astype(np.float32), 8000) for seed in range(2)]
    waves[1].samples[1500:] = 0
    features = Features(8000, size=20)
    hearing = Hearing(features, Normaliser.learn(map(features, (wave.samples for wave in waves)), "training"), together=2)
    for kind, change in (("kept", Perturbation(speed=0.1, gain_db=6.0, bands=1, times=1)), ("drawn each time", Perturbation(speed=0.1, noise_db=10.0))):
        changing = Changing(waves, hearing, change)
        for seed in range(8):
            generator = np.random.default_rng(seed)
            expected = hearing.stacked(change.masked(hearing.normaliser(hearing.frames(change.of_wave(waves[seed % 2], generator))), generator))
            np.testing.assert_allclose(changing(seed % 2, np.random.default_rng(seed)), expected, atol=2e-3)
        assert bool(changing._kept) == (kind == "kept")
