"""A classifier of recordings: what it reads, that answers do not depend on their companions, bad input."""

import numpy as np
import pytest
import soundfile
from sklearn.base import clone

from tenuto.data import Recordings, Wave
from tenuto.errors import ArgumentError, DataError
from tenuto.tasks import AudioClassifier
from tenuto.tasks.sounds.estimator import CHANNEL_DB
from tests.tasks.launched import SAME, UNCHANGED, tones

LABELS = ["low", "high"] * 12 + ["low"]


@pytest.fixture(scope="module")
def fitted():
    return AudioClassifier("gru", feature_size=10, **SAME).set_params(epochs=30).fit(tones(), LABELS)


def test_tones_are_told_apart_at_any_rate_and_level(fitted, tmp_path):
    x = np.sin(np.arange(3000) * 0.8).astype(np.float32)
    soundfile.write(tmp_path / "high.wav", np.stack([x, x], 1), 8000, subtype="PCM_24")
    twice = Wave(np.sin(np.arange(6000) * 0.1).astype(np.float32), 16000)
    assert fitted.predict([tmp_path / "high.wav", x[:1], twice, x]).tolist()[::2] == ["high", "low"]
    assert fitted.score(tones(), LABELS) > 0.9 and fitted.predict_proba([x]).shape == (1, 2)
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba([x])), fitted.predict_proba([x]))
    assert clone(fitted).get_params() == fitted.get_params() and fitted.options_["rate"] == 8000


def test_s7_a_recording_alone_is_answered_as_in_a_batch(fitted):
    together = fitted.predict_proba(tones(9))
    alone = np.concatenate([fitted.predict_proba([one]) for one in tones(9)])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_silence_one_sample_and_clipping_have_an_answer(fitted):
    odd = [np.zeros(4000, np.float32), np.ones(1, np.float32), 9 * np.ones(900, np.float32), np.int16([0, 2**15 - 1] * 400)]
    assert np.isfinite(fitted.predict_proba(odd)).all()


def test_recordings_are_heard_differently_each_time():
    model = AudioClassifier(feature_size=8, noise_db=20.0, rate=8000, **SAME)
    data = Recordings([Wave(np.tile(one.samples, 3), 8000) for one in tones()], LABELS)
    model.seed_, model.options_ = 0, model.get_params()
    model._prepare(data, data)
    hear = model._changing(data)
    assert len({hear(0).tobytes() for _ in range(8)}) == 8 and len({hear(0).shape for _ in range(30)}) > 1
    model.options_ |= UNCHANGED | {"noise_db": None}
    assert model._changing(data)(3) is data.heard(model.hearing_)[3]


def test_a_recording_is_read_less_its_mean_too_where_that_tells_little_of_classes():
    """Two steady tones differ by their means alone; the same two tones one after the other, in either order, at levels and through filters of many kinds, do not."""
    rng = np.random.default_rng(0)

    def both(first, second):
        wave = np.concatenate([np.sin(np.arange(1200) * first), np.sin(np.arange(1200) * second)]) * 10 ** rng.uniform(-2, 0)
        return np.convolve(wave, rng.normal(size=3))[:2400].astype(np.float32)

    options = {**SAME, "feature_size": 10, "halvings": 1, "epochs": 1}
    steady = AudioClassifier("gru", rate=8000, **options).fit(tones(), LABELS)
    moving = AudioClassifier("gru", rate=8000, **options).fit([both(*pair) for _ in range(12) for pair in ((0.2, 0.8), (0.8, 0.2))], ["up", "down"] * 12)
    assert steady.hearing_.normaliser.rule == "training" and moving.hearing_.normaliser.rule == "both"
    assert steady.options_["channel_db"] == 0 and moving.options_["channel_db"] == CHANNEL_DB and len(moving.input_names()) == moving.hearing_.width == 20
    assert AudioClassifier("gru", rate=8000, channel_db=3.0, **options).fit(tones(), LABELS).options_["channel_db"] == 3.0
    assert AudioClassifier("gru", rate=8000, normalise="causal", **options).fit(tones(), LABELS).hearing_.normaliser.rule == "causal"


def test_classes_count_as_they_are_told():
    model = AudioClassifier("gru", feature_size=8, class_weight={"low": 0.0, "high": 1.0}, select_by="validation_loss", average=None, **{**SAME, "epochs": 40}).fit(tones(), LABELS)
    assert model.metrics_[-1]["validation_loss"] < 1e-3  # of high tones alone: the low ones count for nothing, there too
    assert model._class_weights.tolist() == [1.0, 0.0] and (model.predict(tones()[1::2]) == "high").all()


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (tones(4), ["a"] * 4, "all recordings have the same label"), (tones(4), None, "have no labels"), ([Wave(np.zeros(0), 8000)] * 2, ["a", "b"], "holds no samples"),
        ([np.zeros(9)] * 4, ["a", "b"] * 2, "does not say its rate"), (["gone.wav"], ["a"], "there is no file"), (tones(4), ["a", "b"], "not as many labels"),
    ],
)  # fmt: skip
def test_what_cannot_be_learnt_from_is_refused(x, y, said):
    with pytest.raises(DataError, match=f"AudioClassifier.fit: .*{said}"):
        AudioClassifier(**SAME).fit(x, y)


def test_a_label_that_training_never_saw_is_an_error(fitted):
    with pytest.raises(DataError, match="recording '0' has the label 'middle'"):
        fitted.score(tones(1), ["middle"])
    for option, value in (("normalise", "batch"), ("features", "plp"), ("rate", 30)):
        with pytest.raises(ArgumentError, match=f"AudioClassifier.fit: {option}={value!r}"):
            AudioClassifier(**{option: value}, **SAME).fit(tones(), LABELS)
