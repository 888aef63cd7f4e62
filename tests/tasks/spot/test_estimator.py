"""A spotter: what it learns, its rows in training, what is measured of it, bad input."""

import numpy as np
import pytest

from tenuto.data import Recordings, Wave
from tenuto.data.audio.perturb import Perturbation
from tenuto.errors import ArgumentError, DataError
from tenuto.scores.spotting import Occurrence, most_events
from tenuto.tasks import Spotter
from tenuto.tasks.spot.listening import listened, pieces_of, rows_of, sound_around
from tenuto.tasks.spot.rows import LONGEST_S, MOST_TIMES, Row, Rowed, Rows, times
from tests.tasks.spot.heard import RATE, SMALL, fitted, recordings, talk, tone


def test_keywords_are_told_in_a_stream_and_in_recordings():
    model, data = fitted(), recordings(30, seed=900)
    assert model.keywords_ == ["down", "up"] and set(model.thresholds_) == set(model.boosts_) == {"down", "up"} and all(0 < one < 1 for one in model.thresholds_.values())
    assert model.score(data) > 0.9 and (model.predict(data)[:3] == ["up", "down", ""]).all()
    result = model.evaluate(data)
    assert result["occurrences"] == 20 and result["misses"] <= 2 and result["recordings"] == 30 and result["hours"] == pytest.approx(30 * (0.41 + 0.65) / 3600, rel=0.2)
    assert result["false_alarms_at_most"] == most_events(result["false_alarms"]) / result["hours"]
    assert sum(one["misses"] for one in result["keywords"]) == result["misses"] and sum(one["false_alarms"] for one in result["keywords"]) == result["false_alarms"]
    curve = result["curve"]
    point = next(point for point in curve if point["sensitivity"] == 0)  # at the thresholds that were fitted
    assert (point["misses"], point["false_alarms"]) == (result["misses"], result["false_alarms"])
    assert curve[0]["misses"] >= point["misses"] >= curve[-1]["misses"] and curve[-1]["false_alarms"] >= point["false_alarms"]


def test_a_long_recording_with_known_times():
    """In the order in which `talk` puts them."""
    model, kinds = fitted(), ["up", "other", "down", "up", "other"]
    wave, generator, at, said = talk(kinds), np.random.default_rng(500), 0, []
    for number, kind in enumerate(kinds):
        length = len(tone(kind, 500 + number))
        said += [Occurrence(kind, at / RATE, (at + length) / RATE)] if kind != "other" else []
        pause = int(generator.integers(2000, 6000))
        generator.standard_normal(pause)
        at += length + pause
    assert at == len(wave.samples)
    result = model.evaluate_stream(wave, said)
    assert (result["occurrences"], result["misses"], result["false_alarms"], result["recordings"]) == (3, 0, 0, 1) and result["hours"] == wave.seconds / 3600
    assert model.evaluate_stream(wave, said[:1])["false_alarms"] == 2
    np.testing.assert_array_equal(rows_of(wave, model.hearing_, model._run, late_s=0.3), model._steps_of(Recordings([wave]))[0])
    with pytest.raises(ArgumentError, match="Spotter.evaluate_stream: 'left' is no keyword"):
        model.evaluate_stream(wave, [Occurrence("left", 0.0, 1.0)])


def test_nothing_of_the_test_part_reaches_thresholds():
    model = Spotter("gru", **{**SMALL, "epochs": 2}).fit(recordings())
    before = dict(model.thresholds_), dict(model.boosts_)
    model.evaluate(Recordings([Wave(np.ones(4000, np.float32), RATE)] * 3, ["up"] * 3))
    assert before == (model.thresholds_, model.boosts_)


def test_a_run_comes_back_with_its_thresholds(tmp_path):
    model, wave = fitted(), talk(["up", "down"])
    model.save(tmp_path / "run", overwrite=True)
    again = Spotter.load(tmp_path / "run")
    assert again.thresholds_ == model.thresholds_ and again.spot([wave]) == model.spot([wave]) != [[]]


def test_keywords_are_named_or_found():
    data = recordings(12)
    one = Spotter("gru", keywords=("up",), **{**SMALL, "epochs": 1}).fit(data)
    assert one.keywords_ == ["up"] and one.evaluation_["data"]["train"]["background"] == 6
    numbers = Spotter("gru", keywords=("3",), **{**SMALL, "epochs": 1}).fit(data.waves, [3, 4, 5] * 4)
    assert numbers.keywords_ == ["3"] and numbers._targets(Recordings(data.waves[:2], [3, 9])).tolist() == [1, 0]  # a label that training never saw is background


@pytest.mark.parametrize(
    ("labels", "options", "said"),
    [
        (None, {}, "have no labels"), (["up"] * 12, {}, "no recording is background"), (["other"] * 12, {}, "no recording has a keyword"),
        (["up", "other"] * 6, {"keywords": ("left",)}, "no recording has the label 'left'"), (["up", "other"] * 6, {"keywords": ("up", "other")}, "no recording is background"),
    ],
)  # fmt: skip
def test_what_cannot_be_learnt_from_is_refused(labels, options, said):
    with pytest.raises(DataError, match=f"Spotter.fit: .*{said}"):
        Spotter("gru", **options, **SMALL).fit(recordings(12).waves, labels)


def test_options_that_cannot_be():
    with pytest.raises(ArgumentError, match="names one twice"):
        Spotter(keywords=("up", "up")).fit(recordings(12))
    with pytest.raises(ArgumentError, match="normalise='recording' needs whole recordings"):
        Spotter(normalise="recording").fit(recordings(12))


def test_odd_recordings_are_heard():
    model = fitted()
    assert model.spot([np.zeros(1, np.float32), np.zeros(9000, np.float32)]) == [[], []]
    assert len(model.spot([np.full(900, 7.0, np.float32), Wave(tone("up"), 44_100)])) == 2


def test_keywords_are_read_as_often_as_background():
    rows = rows_to_learn(recordings(9), [1, 0, 0, 0, 0, 2, 0, 0, 0])
    read = rows.read.tolist()
    assert times(np.array(rows.keywords)) == 4 and [read.count(number) for number in range(9)] == [4, 1, 1, 1, 1, 4, 1, 1, 1]
    assert [times(np.array(keywords)) for keywords in ([1], [0] * 100 + [1], [0, 0], [1, 1, 0])] == [1, MOST_TIMES, 2, 1]
    model = Spotter("gru", **{**SMALL, "epochs": 1, "batch_size": None}).fit(recordings(30))
    assert model.options_["batch_size"] == 8  # for 24 rows


def rows_to_learn(data, targets, **options):
    model = fitted()
    return Rows(data, targets, model.hearing_, **{"late_s": 0.2, "least": 3, **options})


def test_a_row_is_a_recording_and_the_time_after_it():
    data, step = recordings(3), 0.02
    rows = rows_to_learn(data, [1, 2, 0])
    row = rows.plain(0)
    assert isinstance(row, Row) and row.keyword == 1 and row.begin == 0 and row.end == len(row.steps) and row.counted.all()
    assert len(row.steps) == pytest.approx((data.waves[0].seconds + 0.2) / step, abs=2)
    none = rows.plain(2)
    assert (none.keyword, none.begin, none.end) == (0, 0, 0)
    short = rows_to_learn(Recordings([Wave(np.ones(5, np.float32), RATE)]), [1], late_s=0.0, least=7).plain(0)
    assert short.end - short.begin >= 7 and len(short.steps) >= short.end  # S10: there is always room for a run
    side = Rowed.of([row, none])
    assert side.x.shape[:2] == (max(len(row.steps), len(none.steps)), 2) and side.keywords.tolist() == [1, 0] and side.counted.sum(0).tolist() == side.lengths.tolist()


def test_background_is_cut_into_pieces():
    noise = Wave(np.random.default_rng(0).normal(0, 0.1, int(RATE * 5 * LONGEST_S)).astype(np.float32), RATE)
    rows = rows_to_learn(Recordings([noise, recordings(1).waves[0]]), [0, 1])
    assert len(rows) == 6 and rows.owners == [0] * 5 + [1] and rows.keywords == [0] * 5 + [1] and rows.lengths.tolist() == [len(rows.plain(number).steps) for number in range(6)]


def test_others_stand_around_a_recording_in_training():
    data = recordings(9)
    rows, generator = rows_to_learn(data, [1, 2, 0] * 3), np.random.default_rng(0)
    found = [rows.changed(0, Perturbation(gain_db=3.0, noise_db=20.0, bands=1), 0.5, generator) for _ in range(30)]
    assert len({len(row.steps) for row in found}) > 5 and {row.keyword for row in found} == {1}
    assert len({row.begin for row in found}) > 5 and any(not row.counted.all() for row in found) and any(row.counted.all() for row in found)
    assert all(row.end - row.begin >= 3 and row.end <= len(row.steps) for row in found)
    plain = rows.changed(0, Perturbation(), 0.0, generator)
    np.testing.assert_array_equal(plain.steps, rows.plain(0).steps)


def test_a_set_is_heard_as_one_stream():
    model, data = fitted(), recordings(9)
    heard = listened(data, ["up" if label == "up" else None for label in data.labels], model.hearing_, model._run, late_s=0.2)
    whole = np.concatenate([sound for _, sound in pieces_of(data, RATE)])
    assert heard.seconds == len(whole) / RATE and len(heard.rows) == model.hearing_.steps(len(whole) + RATE // 5) and sorted(heard.order) == list(range(9))
    assert len(heard.occurrences) == 3 and all(one.end - one.start < 0.7 for one in heard.occurrences)
    around = sound_around(data, RATE, 2.0, 1.0)
    np.testing.assert_array_equal(around.samples[1:], whole[RATE : int(2.25 * RATE)])
    examples = Spotter("gru", **{**SMALL, "epochs": 1}).fit(data).evaluation_["examples"]
    assert all(one["kind"] in ("miss", "false alarm") and one["seconds"] < 3.5 for one in examples)
