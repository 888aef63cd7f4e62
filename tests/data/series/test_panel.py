"""Panels from long frames: order, gaps, stamps that are twice there, values that are missing, covariates; errors name id and stamp."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tenuto.data import Names, Panel, read_panel
from tenuto.data.sets import path_of
from tenuto.errors import ArgumentError, DataError


def frame(lengths=(5, 4), first="2024-01-01", freq="D"):
    rows = [
        {"unique_id": name, "ds": stamp, "y": float(10 * place + step), "price": float(step), "shop": f"s{place}"}
        for place, (name, length) in enumerate(zip("ba", lengths))
        for step, stamp in enumerate(pd.date_range(first, periods=length, freq=freq))
    ]
    return pd.DataFrame(rows)


def same(one, other):
    assert one.ids == other.ids and one.frequency == other.frequency and (one.starts == other.starts).all()
    for ours, theirs in zip(one.values, other.values):
        np.testing.assert_array_equal(ours, theirs)
    assert one._content_sha256() == other._content_sha256()


def test_rows_may_come_in_any_order_and_ids_keep_theirs():
    given = frame()
    panel = Panel.from_frame(given)
    assert panel.ids == ("b", "a") and panel.lengths.tolist() == [5, 4] and panel.frequency.name == "D"
    assert panel.values[1].tolist() == [10, 11, 12, 13] and panel.columns["shop"][1].tolist() == ["s1"] * 4
    mixed = pd.concat([given.iloc[[0]], given.iloc[:0:-1]])  # the first row stays, so that b is still the first id
    same(panel, Panel.from_frame(mixed))
    assert str(panel.stamps(1, 3, 6)[-1]) == "2024-01-06 00:00:00"


@pytest.mark.parametrize("make", [pl.from_pandas, lambda given: given.set_index("unique_id"), lambda given: given.set_index(["unique_id", "ds"]), lambda given: given.to_dict("list"), lambda given: pl.from_pandas(given).lazy()])
def test_frames_of_every_kind_are_the_same_panel(make):
    given = frame()
    same(Panel.from_frame(given), Panel.from_frame(make(given)))


def test_one_series_needs_no_ids_and_a_pandas_series_is_one():
    given = frame((5, 0))
    one = Panel.from_frame(given[["ds", "y"]])
    assert one.ids == (None,)
    np.testing.assert_array_equal(Panel.from_frame(given.set_index("ds")["y"]).values[0], one.values[0])
    other = Panel.from_frame(given.rename(columns={"ds": "day", "y": "sold"}), names=Names("unique_id", "day", "sold"))
    np.testing.assert_array_equal(other.values[0], one.values[0])


def test_files_and_frames_are_the_same(tmp_path):
    given = frame()
    given.loc[2, "y"] = np.nan
    given.to_csv(tmp_path / "a.csv", index=False)
    given.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    given["ds"] = given.ds.dt.tz_localize("Europe/Berlin")
    given.to_parquet(tmp_path / "a.parquet")
    plain = frame()
    plain.loc[2, "y"] = np.nan
    for name in ("a.csv", "a.tsv"):
        same(Panel.from_frame(plain), read_panel(tmp_path / name))
    zoned = read_panel(tmp_path / "a.parquet")
    same(Panel.from_frame(given), zoned)
    assert str(zoned.grid.tz) == "Europe/Berlin" and zoned.missing_values == 1
    with pytest.raises(DataError, match=r"a.csv: the frame has no column 'value'(.|\n)*y_column"):
        read_panel(tmp_path / "a.csv", names=Names("unique_id", "ds", "value"))
    with pytest.raises(DataError, match="holds no table of series"):
        (tmp_path / "a.xlsx").write_bytes(b"")
        read_panel(tmp_path / "a.xlsx")


def test_the_shipped_series_is_read():
    panel = read_panel(path_of("air_passengers"))
    assert panel.frequency.name == "MS" and panel.lengths.tolist() == [144] and panel.values[0][[0, -1]].tolist() == [112, 432]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: f.drop(index=2), r"'b' has no row for 2024-01-03(.|\n)*fill='nan'"),
        (lambda f: pd.concat([f, f.iloc[[7]]]), r"'a' has two rows for 2024-01-03"),
        (lambda f: f.drop(columns="unique_id"), r"the series has two rows for 2024-01-01(.|\n)*series_column"),
        (lambda f: f.assign(y=f.y.replace(11.0, np.inf)), r"'a' has an infinite value at 2024-01-02"),
        (lambda f: f.assign(y=f.y.astype(str).replace("11.0", "many")), r"row 7 has no number in y"),
        (lambda f: f.assign(ds=f.ds.where(f.index != 3)), r"row 4 has no stamp in ds"),
        (lambda f: f.assign(ds=f.ds.astype(str).where(f.index != 3, "soon")), r"no date"),
        (lambda f: f.assign(ds=f.ds.where(f.index != 7, f.ds + pd.Timedelta("5h"))), r"'a' has a row at 2024-01-03 05:00:00, which is no stamp of the frequency D"),
        (lambda f: f.assign(unique_id=f.unique_id.where(f.index != 3)), r"row 4 has no id"),
        (lambda f: f.rename(columns={"ds": "date"}), r"no column 'ds'(.|\n)*stamp_column"),
        (lambda f: f.iloc[:0], "no rows"),
        (lambda f: f.iloc[[0, 5]], r"every series has one row only(.|\n)*freq='MS'"),
        (lambda f: [1, 2, 3], "the data is no frame"),
    ],
)
def test_what_is_wrong_is_named(spoil, said):
    with pytest.raises(DataError, match=said):
        Panel.from_frame(spoil(frame()))


def test_gaps_are_filled_only_when_asked():
    panel = Panel.from_frame(frame().drop(index=[1, 2]), fill="nan")
    assert panel.lengths.tolist() == [5, 4] and np.isnan(panel.values[0][1:3]).all() and panel.columns["shop"][0][1] is None
    with pytest.raises(DataError, match=r"received  1 gap, 2 stamps without a row\n  fix +add the rows"):
        Panel.from_frame(frame().drop(index=[1, 2]))
    with pytest.raises(DataError, match=r"no row for 2024-01-02(.|\n)*fix +fit series of different frequencies apart, or add the rows"):
        Panel.from_frame(pd.concat([frame((9, 0)), frame((0, 9)).assign(ds=pd.date_range("2024-01-01", periods=9, freq="MS"))]), freq="D")
    with pytest.raises(ArgumentError, match="fill='zero' is not known"):
        Panel.from_frame(frame(), fill="zero")


def test_series_of_two_frequencies_are_refused():
    monthly = frame((12, 0), freq="MS")
    with pytest.raises(DataError, match=r"no stamp of the frequency MS(.|\n)*different frequencies|no row for"):
        Panel.from_frame(pd.concat([monthly, frame((0, 9))]))


def test_static_frames_and_what_is_known_of_the_future():
    panel = Panel.from_frame(frame(), static=pd.DataFrame({"unique_id": ["a", "b"], "size": [1, 2]}))
    assert panel.static == {"size": [2, 1]}
    with pytest.raises(DataError, match="no row for the series 'a'"):
        Panel.from_frame(frame(), static=pd.DataFrame({"unique_id": ["b"], "size": [1]}))
    with pytest.raises(DataError, match="two rows for the series 'b'"):
        Panel.from_frame(frame(), static=pd.DataFrame({"unique_id": ["b", "b", "a"], "size": [1, 2, 3]}))
    future = pd.DataFrame({"unique_id": ["b", "b", "a"], "ds": pd.to_datetime(["2024-01-06", "2024-01-07", "2024-01-05"]), "price": [7.0, 8.0, 9.0]})
    assert panel.with_future(future, ["price"], 1).columns["price"][0].tolist() == [0, 1, 2, 3, 4, 7]
    with pytest.raises(DataError, match="ends too early for the series 'a': there is no row for 2024-01-06"):
        panel.with_future(future, ["price"], 2)


def test_what_comes_after_must_follow():
    panel = Panel.from_frame(frame())
    later = frame((7, 6))
    new = later[later.ds > later.unique_id.map({"b": pd.Timestamp("2024-01-05"), "a": pd.Timestamp("2024-01-04")})]
    joined = panel.joined(Panel.from_frame(new, freq="D"))
    same(Panel.from_frame(later), joined)
    with pytest.raises(DataError, match=r"'b' begin at 2024-01-07(.|\n)*2024-01-06"):
        panel.joined(Panel.from_frame(later[later.ds == "2024-01-07"], freq="D"))
    with pytest.raises(DataError, match="another frequency"):
        panel.joined(Panel.from_frame(frame(freq="MS")))
    fresh = panel.joined(Panel.from_frame(frame((3, 0), first="2023-12-01").replace("b", "new")))
    assert fresh.ids == ("b", "a", "new") and str(fresh.stamps(2)[0]) == "2023-12-01 00:00:00" and str(fresh.stamps(0)[0]) == "2024-01-01 00:00:00"


def test_until_keeps_what_was_known_then():
    panel = Panel.from_frame(frame()).until("2024-01-02")
    assert panel.lengths.tolist() == [2, 2]
    assert Panel.from_frame(frame()).until("2023-01-01").lengths.tolist() == []


def test_a_panel_is_a_sequence_of_series_and_several_are_one_again():
    panel = Panel.from_frame(frame((5, 4, 0)))
    assert panel[1].ids == ("a",) and panel[-1:].ids == ("a",) and [one.ids[0] for one in panel] == ["b", "a"]
    same(panel, Panel.of(list(panel)))
    same(panel, Panel.of([panel]))
    late = Panel.from_frame(frame((3, 0), first="2024-03-01").replace("b", "late"))
    both = Panel.of([panel, late, panel[:1]])
    assert both.ids == ("b", "a", "late", "b") and str(both.stamps(2)[0]) == "2024-03-01 00:00:00" and both.columns["shop"][3].tolist() == ["s0"] * 5
    with pytest.raises(DataError, match="no series"):
        Panel.of([])
    with pytest.raises(DataError, match="different frequencies"):
        Panel.of([panel, Panel.from_frame(frame(freq="MS"))])
    with pytest.raises(DataError, match="different columns"):
        Panel.of([panel, panel.only({"shop"})])
    assert repr(panel) == "Panel(2 series of 4 to 5 steps of D, 9 values, with price, shop)"


def test_places_in_the_calendar_reach_beyond_the_end():
    panel = Panel.from_frame(pd.DataFrame({"ds": pd.date_range("2026-01-01", periods=3, freq="MS"), "y": [1.0, 2.0, 3.0]}))
    [(name, _, at)] = panel.places(5)
    assert name == "month" and at.tolist() == [0, 1, 2, 3, 4] and len(panel.places(2)[0][2]) == 2
