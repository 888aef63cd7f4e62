"""What is known at each step comes from what was before: the same bits in pieces, alone, and whatever comes after. Expected values by hand."""

import numpy as np
import pytest

from tenuto.data import Panel
from tenuto.data.series.features import Reader
from tenuto.data.series.running import Running
from tenuto.data.series.windows import Windows
from tenuto.errors import DataError


def values(steps, series, seed=0):
    draw = np.random.default_rng(seed)
    found = draw.normal(5, 2, (steps, series))
    found[draw.random(found.shape) < 0.2] = np.nan
    return found


def test_by_hand():
    given = np.array([[2.0], [np.nan], [-4.0], [1.0]])
    seen, _ = Running.begin(1, 2).advance(given, np.array([4]))
    np.testing.assert_array_equal(seen.last[:, 0], [2, 2, -4, 1])
    np.testing.assert_array_equal(seen.number[:, 0], [1, 1, 2, 3])
    np.testing.assert_allclose(seen.level[:, 0], [2, 2, 3, 7 / 3])
    np.testing.assert_allclose(seen.mean[:, 0], [2, 2, -1, -1 / 3])
    np.testing.assert_array_equal(seen.change[:, 0], [np.nan, np.nan, 6, 5.5])
    np.testing.assert_array_equal(seen.filled[2:, 0], [2, 2, -4, 1])  # the gap is the last value, since no season was before it
    np.testing.assert_array_equal(seen.season_step[:, 0], [np.nan, np.nan, -6, -1])
    np.testing.assert_allclose(seen.season_drift[:, 0], [0, 0, -6, -3.5])


def test_strange_values_are_held_back_by_hand():
    """Changes of 1 are usual. A value 1,000 away is taken in as one 10 away; the second of two is a new level; no change counts as more than 10."""
    given = np.r_[np.tile([0.0, 1.0], 6), 1000.0, 0.0, 1.0, 1000.0, 1000.0, 1001.0][:, None]
    seen, _ = Running.begin(1, 1).advance(given, np.array([18]), steady=True)
    last, change = seen.last[:, 0], seen.change[:, 0]
    np.testing.assert_array_equal(last, [*given[:12, 0], 11.0, 0.0, 1.0, 1 + 10 * change[14], 1000.0, 1001.0])
    np.testing.assert_array_equal(seen.held[12:, 0], [1, 0, 0, 1, 0, 0])
    np.testing.assert_array_equal(seen.value, given)
    assert change[11] == 1 and change[12] == pytest.approx(1 + 9 / 12) and seen.mean[16, 0] == 1000 and seen.mean[17, 0] == 1000.5
    assert change[17] < 6
    plain, _ = Running.begin(1, 1).advance(given, np.array([18]))
    assert plain.change[17, 0] > 100
    still, _ = Running.begin(1, 1).advance(np.r_[np.zeros(20), np.full(5, 7.0)][:, None], np.array([25]), steady=True)
    assert still.last[20, 0] == 7  # where nothing ever changed, nothing is far


@pytest.mark.parametrize("steady", [False, True])
def test_in_pieces_alone_and_together_are_the_same_bits(steady):
    given, lengths = values(50, 9), np.array([50, 3, 17, 50, 1, 8, 49, 20, 33])
    given[25:28] *= 1e4
    whole, after = Running.begin(9, 7).advance(given, lengths, steady=steady)
    for row, length in enumerate(lengths):
        running, seen = Running.begin(1, 7), []
        for first in range(0, length, 6):
            piece = given[first : min(first + 6, length), row : row + 1]
            found, running = running.advance(piece, np.array([len(piece)]), steady=steady)
            seen.append(found)
        for name in whole._fields:
            if name != "filled":
                np.testing.assert_array_equal(np.concatenate([getattr(one, name) for one in seen])[:, 0], getattr(whole, name)[:length, row], err_msg=name)
        np.testing.assert_array_equal(running.sums[:, 0], after.sums[:, row])
        np.testing.assert_array_equal(running.filled[:, 0], after.filled[:, row])
        found = Running.after(7, whole, np.array([length - 1]), np.array([row])).repeated(2)
        np.testing.assert_array_equal(found.sums[:, 1], after.sums[:, row])
        np.testing.assert_array_equal(found.filled[:, 1], after.filled[:, row])


def panel(lengths, seed=0, scale=1.0):
    draw = np.random.default_rng(seed)
    rows = {"unique_id": [], "ds": [], "y": []}
    for name, length in enumerate(lengths):
        rows["unique_id"] += [name] * length
        rows["ds"] += list(range(length))
        rows["y"] += list(scale * (10 + np.arange(length) % 4 + draw.normal(0, 0.1, length)))
    return Panel.from_frame(rows)


def test_the_scale_of_a_series_is_its_own():
    both = panel((40, 40))
    both.values[1][:] *= 1e6
    reader = Reader.learn(both, season=4, base="auto", horizon=4)
    assert reader.base == "season"
    alone = both.select([0])
    (_, one, _), = reader.blocks(alone, 4)
    (_, two, _), = reader.blocks(both, 4)
    np.testing.assert_array_equal(one.x[:, 0], two.x[:, 0])
    np.testing.assert_array_equal(one.scale[:, 0], two.scale[:, 0])
    assert two.scale[-1, 1] / two.scale[-1, 0] == pytest.approx(1e6, rel=0.5)
    later = both.values[0].copy()
    later[30:] = 1e9
    both.values[0] = later
    (_, poisoned, _), = reader.blocks(both, 4)
    np.testing.assert_array_equal(poisoned.x[:30], two.x[:30])


@pytest.mark.parametrize("odd", [np.zeros(20), np.full(20, 7.0), np.full(20, np.nan), np.array([3.0]), np.r_[np.full(10, np.nan), 1.0, np.full(9, np.nan)], np.full(20, 1e300), -np.arange(20.0)])
@pytest.mark.parametrize("base", ["last", "drift", "mean", "season", "season-drift"])
def test_nothing_that_is_read_is_ever_missing(odd, base):
    reader = Reader.learn(panel((40, 30)), season=4, base=base, horizon=3)
    strange = Panel.from_frame({"unique_id": [0] * len(odd), "ds": np.arange(len(odd)), "y": odd}, freq=1)
    (_, read, _), = reader.blocks(strange, 3)
    windows = Windows(strange, reader, 3)
    assert np.isfinite(read.x).all() and (read.scale > 0).all() and np.isfinite(read.scale).all()
    for window in [*windows.drawn(8, np.random.default_rng(0)), *windows.asked(8)]:
        batch = windows.batch([window])
        assert batch.base.isfinite().all() and batch.x.isfinite().all()


def test_what_is_carried_of_the_last_deviation_by_hand():
    """A season of 4 and an autoregression of 0.6 around it: each step ahead keeps 0.6 of what the one before kept."""
    draw, state, rows = np.random.default_rng(0), 0.0, []
    for step in range(4000):
        state = 0.6 * state + draw.normal(0, 1)
        rows.append(100 * (step % 4) + state)
    series = Panel.from_frame({"ds": np.arange(4000), "y": rows})
    reader = Reader.learn(series, season=4, base="season", horizon=6)
    # of s(t + k) - s(t + k - 4) and s(t) - s(t - 4), by the covariances 0.6 ** lag
    wanted = [(2 * 0.6**k - 0.6 ** (k + 4) - 0.6 ** abs(k - 4)) / (2 - 2 * 0.6**4) if k <= 4 else None for k in range(1, 7)]
    np.testing.assert_allclose(reader.carry[:3], np.clip(wanted[:3], 0, 1), atol=0.08)
    assert all(later <= sooner for sooner, later in zip(reader.carry, reader.carry[1:])) and all(0 <= one <= 1 for one in reader.carry)
    ((_, read, _),) = reader.blocks(series, 6)
    at = np.array([2001])
    plain, carried = (read.base("season", 4, at, 0, 6, carry) for carry in ((), reader.carry))
    np.testing.assert_allclose(carried - plain, (rows[2001] - rows[1997]) * np.array([reader.carry]))
    assert Reader.learn(series, season=4, base="last", horizon=2).carry == (0.0, 0.0)
    assert Reader.from_data(reader.to_data()) == reader


def test_bases_by_hand():
    reader = Reader.learn(panel((12,)), season=4, base="season", horizon=6)
    series = Panel.from_frame({"ds": np.arange(8), "y": [1.0, 2, 3, 4, 2, 3, 4, 5]})
    (_, read, _), = reader.blocks(series, 6)
    at = np.array([7, 1])
    np.testing.assert_allclose(read.base("season", 4, at, 0, 6), [[2, 3, 4, 5, 2, 3], [2, 2, 1, 2, 2, 2]])
    np.testing.assert_allclose(read.base("season-drift", 4, at[:1], 0, 6), [[3, 4, 5, 6, 4, 5]])
    np.testing.assert_allclose(read.base("last", 4, at, 0, 2), [[5, 5], [2, 2]])
    np.testing.assert_allclose(read.base("mean", 4, at[:1], 0, 2), [[3, 3]])
    np.testing.assert_allclose(read.base("drift", 4, at[1:], 0, 2), [[3, 4]])


def test_windows_have_the_values_that_follow_and_none_after_the_end():
    series = Panel.from_frame({"ds": np.arange(10), "y": np.arange(10.0)}).asking_from(np.array([6]))
    reader = Reader.learn(series, season=1, base="last", horizon=3)
    windows = Windows(series, reader, 3)
    (window,) = windows.asked(None)
    assert window.origins.tolist() == [5, 6, 7, 8]
    truth = windows.batch([window]).targets[:, 0]
    np.testing.assert_array_equal(truth, [[6, 7, 8], [7, 8, 9], [8, 9, np.nan], [9, np.nan, np.nan]])
    assert windows.asked(None, whole=True)[0].origins.tolist() == [5, 6]
    assert windows.asked(2)[0].first == 4


@pytest.mark.parametrize("steady", [False, True])
def test_a_panel_that_is_read_window_by_window_has_the_bits_of_one_that_is_read_once(steady):
    many = panel((300, 7, 129, 64, 65, 1, 200), scale=3.0)
    many.values[0][100:140] = np.nan
    many.values[2][70] = 1e6
    reader = Reader.learn(many, season=5, base="season", horizon=4, steady=steady)
    once, each = (Windows(many, reader, 4, most_kept=most) for most in (2**26, 0))
    drawn = once.drawn(40, np.random.default_rng(0))
    again = each.drawn(40, np.random.default_rng(0))
    assert len(drawn) == len(again) > 7 and all(np.array_equal(one.origins, other.origins) and one[:2] == other[:2] for one, other in zip(drawn, again))
    for windows in (list(drawn), once.asked(10), once.asked(None, step=3)):
        for one, other in zip(once.batch(windows), each.batch(windows)):
            np.testing.assert_array_equal(one.numpy(), other.numpy())
        for first, second in zip(once.alone(windows), each.alone(windows)):
            assert all(np.array_equal(one.numpy(), other.numpy(), equal_nan=True) for one, other in zip(first, second))
    long = once.drawn(150, np.random.default_rng(1))
    assert max(len(window.origins) for window in long) == 64 and all((np.diff(window.origins) > 0).all() and window.first <= window.origins[0] for window in long)
    assert sorted(place for part in once.pieces(drawn, 100) for place in part) == list(range(len(drawn)))


def test_a_set_of_missing_values_is_refused():
    with pytest.raises(DataError, match="no value is observed in any series"):
        Reader.learn(Panel.from_frame({"ds": np.arange(5), "y": [np.nan] * 5}), season=1, base="last", horizon=1)


def test_covariates_are_numbers_or_categories_of_training():
    rows = {"ds": np.arange(12), "y": np.arange(12.0), "price": np.arange(12.0), "day": ["sun", "rain"] * 6, "shop": ["x"] * 12}
    reader = Reader.learn(Panel.from_frame(rows), season=1, base="last", horizon=2, known=("price", "day"), static=("shop",))
    assert reader.names[-4:] == ("price", "day=rain", "day=sun", "shop=x") and reader.ahead_names == ("price", "day=rain", "day=sun")
    other = Panel.from_frame({**rows, "day": ["snow"] * 12, "shop": ["y"] * 12})
    (_, read, _), = reader.blocks(other, 2)
    assert (read.x[..., -3:] == 0).all()  # what training did not have is none of its categories
    assert Reader.from_data(reader.to_data()) == reader
    with pytest.raises(DataError, match="no column 'prize'(.|\n)*did you mean price"):
        Reader.learn(Panel.from_frame(rows), season=1, base="last", horizon=2, known=("prize",))
    with pytest.raises(DataError, match="'day' is static, but changes"):
        Reader.learn(Panel.from_frame(rows), season=1, base="last", horizon=2, static=("day",))
    with pytest.raises(DataError, match="'price' must be known of the future, but ends too early for the series: it has nothing for 12"):
        reader.require_future(Panel.from_frame(rows), 2)
