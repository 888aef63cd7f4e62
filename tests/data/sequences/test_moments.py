"""Times are read as what they are: every kind sorts as time passes, whatever its text would sort like, or the cell is named."""

import datetime
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.data import read_sequences, sequences_from_columns
from tenuto.data.sequences.moments import moment_of
from tenuto.errors import DataError

# Each in the order in which time passes; as text, each would sort otherwise.
RISING = {
    "whole numbers": ["-3", "0", "9", "10", "100"],
    "decimals": ["1e-3", "0.5", "2", "1e1", "3.5e1"],
    "nanoseconds": ["1700000000000000001", "1700000000000000002", "1700000000000000010"],
    "digits beyond float64": ["1700000000.1234567891", "1700000000.1234567892", "1700000000.2"],
    "dates": ["999-12-31".zfill(10), "2026-01-31", "2026-02-01"],
    "dates without zeros": ["2026-2-9", "2026-2-10", "2026-10-1"],
    "dates with slashes": ["2026/2/9", "2026/2/10 1:05", "2026/2/10 12:00"],
    "far years": ["1500-01-01", "1677-01-01", "2263-01-01", "9999-12-31", "12000-01-01"],
    "months": ["2025-12", "2026-02"],
    "fractions of a second": ["2026-01-01T00:00:00.000000001", "2026-01-01T00:00:00.00000001", "2026-01-01 00:00:00,5", "2026-01-01T00:00:01"],
    "time zones": ["2026-01-01T12:00:00+03:00", "2026-01-01T10:00:00Z", "2026-01-01 06:00:00-0500"],
    "clock times": ["8:05", "9:59", "10:00", "23:00"],
    "clock times with seconds": ["9:59:59.9", "9:59:59.95", "10:00:00"],
    "am and pm": ["12:05 AM", "9:30 am", "12:10 p.m.", "1:15 pm"],
    "durations": ["-1 days +23:59:59", "0 days 00:00:01", "2 days", "10 days 01:00:00"],
}


def table(times, ids=None):
    return "id,time,x\n" + "".join(f"{'a' if ids is None else ids[row]},\"{time}\",{row}\n" for row, time in enumerate(times))


def read(tmp_path, text, name="toy.csv"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return read_sequences(tmp_path / name)


@pytest.mark.parametrize("kind", RISING)
def test_each_kind_sorts_as_time_passes(tmp_path, kind):
    rising = RISING[kind]
    for order in (range(len(rising)), [*range(len(rising) - 1, 0, -2), *range(len(rising) - 2, -1, -2)], random.Random(0).sample(range(len(rising)), len(rising))):
        order = list(order)
        if rising[-1] == "23:00" and order[0] == len(order) - 1:
            continue  # begins with the last hour of a day: see below
        found = read(tmp_path, table([rising[place] for place in order])).values[0][:, 0].astype(int).tolist()
        assert [order[row] for row in found] == sorted(order)


@pytest.mark.parametrize("kind", RISING)
@pytest.mark.parametrize("empty", ["", " ", "NaT", "nan", "None", "NA"])
def test_an_empty_time_is_named_and_changes_the_kind_of_no_other(tmp_path, kind, empty):
    with pytest.raises(DataError, match=r"toy.csv: column 'time' is empty in line 4"):
        read(tmp_path, table([*RISING[kind][:2], empty]))


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (["1", "2026-01-31"], "holds a date in line 3, but a number in line 2"),
        (["2026-01-31", "5"], "holds a number in line 3, but a date in line 2"),
        (["2026-01-31T00:00", "2026-01-31T00:00Z"], "holds a date with a time zone in line 3"),
        (["10:00", "2026-01-31"], "holds a date in line 3"),
        (["1:10:00", "59:30"], "holds a clock time of 2 numbers in line 3"),
        (["9:30", "9:30 pm"], "am or pm in line 3"),
        (["01/02/2026", "03/02/2026"], "day and month cannot be told apart in line 2"),
        (["31.01.2026"], "cannot be told apart in line 2"),
        (["2026-02-30"], "a date that there is not in line 2"),
        (["2026-13"], "a date that there is not in line 2"),
        (["25:61"], "a time that there is not in line 2"),
        (["13:00 pm"], "a time that there is not in line 2"),
        (["Monday"], "has neither numbers nor dates in line 2"),
        (["1", "inf"], "line 3"),
        (["now"], "line 2"),
        (["1", "9" * 5000], "line 3"),
    ],
)
def test_a_cell_that_says_no_time_or_another_kind_is_named(tmp_path, times, words):
    with pytest.raises(DataError, match=f"column 'time' .*{words}") as caught:
        read(tmp_path, table(times))
    assert len(str(caught.value)) < 500


def test_clock_times_that_pass_midnight_are_not_sorted_to_the_front(tmp_path):
    with pytest.raises(DataError, match=r"clock times without a date, and one goes back in line 4: it may be another day"):
        read(tmp_path, table(["23:58", "23:59", "0:01", "0:02"]))
    assert read(tmp_path, table(["10:00", "9:30"])).values[0][:, 0].tolist() == [1, 0]
    assert read(tmp_path, table(["23:58", "0:01", "23:59", "0:02"], "abab")).values[1][:, 0].tolist() == [1, 3]


@pytest.mark.parametrize("unit", ["D", "s", "ms", "us", "ns"])
def test_dates_of_numpy_keep_their_unit(unit):
    times = np.array(["2262-01-02", "1700-01-01", "2026-01-31"], dtype=f"datetime64[{unit}]")
    data, _ = sequences_from_columns({"id": ["a"] * 3, "time": times, "x": [0, 1, 2]})
    assert data.values[0][:, 0].tolist() == [1, 2, 0]
    times[1] = "NaT"
    for column in (times, times.astype(object) if unit != "ns" else times, np.ma.array(times, mask=[False, True, False])):
        with pytest.raises(DataError, match="'time' is empty in data row 2"):
            sequences_from_columns({"id": ["a"] * 3, "time": column, "x": [0, 1, 2]})


def test_far_years_do_not_wrap_around():
    times = np.array(["9999-01-01", "2026-01-01", "1000-01-01"], dtype="datetime64[s]")
    data, _ = sequences_from_columns({"id": ["a"] * 3, "time": times, "x": [0, 1, 2]})
    assert data.values[0][:, 0].tolist() == [2, 1, 0]


def test_whole_numbers_keep_all_their_digits_in_memory_too():
    for times in (np.array([2**62 + 2, 2**62 + 1]), np.array([2**63 + 2, 2**63 + 1], dtype=np.uint64), [2**70 + 2, 2**70 + 1]):
        data, _ = sequences_from_columns({"id": ["a", "a"], "time": times, "x": [0, 1]})
        assert data.values[0][:, 0].tolist() == [1, 0]


def test_what_libraries_keep_as_times(tmp_path):
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    moments = [datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc), datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.timezone.utc)]
    columns = [
        pandas.Series(moments),
        pandas.Series(moments).dt.tz_localize(None),
        pandas.to_timedelta(["2 days", "10:00:00"]),
        pandas.Series([2, 1], dtype="Int64"),
        pyarrow.chunked_array([moments]),
        pyarrow.array([datetime.time(10), datetime.time(9, 30)]),
        [datetime.date(2026, 1, 2), datetime.date(2026, 1, 1)],
        [datetime.timedelta(2), datetime.timedelta(1)],
    ]
    for column in columns:
        data, _ = sequences_from_columns({"id": ["b", "a"], "time": column, "x": [0, 1]})
        data, _ = sequences_from_columns({"id": ["c", "c"], "time": column, "x": [0, 1]}) if not isinstance(column, pyarrow.Array) else (data, None)
        assert len(data) == 2 or data.values[0][:, 0].tolist() == [1, 0]
    with pytest.raises(DataError, match="'time' is empty in data row 2"):
        sequences_from_columns({"id": ["c", "c"], "time": pandas.Series([2, None], dtype="Int64"), "x": [0, 1]})
    with pytest.raises(DataError, match="'time' is empty in data row 2"):
        sequences_from_columns({"id": ["c", "c"], "time": pandas.Series([moments[0], pandas.NaT]), "x": [0, 1]})


@settings(max_examples=200, deadline=None)
@given(st.lists(st.datetimes(), min_size=2, max_size=2), st.sampled_from(["T", " "]))
def test_dates_compare_as_pythons_own_do(pair, separator):
    one, two = pair
    assert (moment_of(one.isoformat(separator)).key < moment_of(two.isoformat(separator)).key) == (one < two)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.decimals(-(10**20), 10**20, allow_nan=False, allow_infinity=False), min_size=2, max_size=2))
def test_numbers_compare_exactly(pair):
    one, two = pair
    assert (moment_of(str(one).lower()).key < moment_of(str(two).lower()).key) == (Fraction(one) < Fraction(two))


IDS = ["", " ", "nan", "NaN", "None", "NA", "null"]


@pytest.mark.parametrize("empty", IDS)
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_an_empty_id_joins_no_sequences(tmp_path, empty, suffix):
    text = f"id,time,x\na,0,1\n{empty},0,2\n{empty},1,3\n"
    with pytest.raises(DataError, match=r"column 'id' says no id in line 3"):
        read(tmp_path, text.replace(",", "\t") if suffix == ".tsv" else text, f"toy{suffix}")


def test_missing_ids_in_memory_join_no_sequences(tmp_path):
    pandas = pytest.importorskip("pandas")
    columns = [["a", None, None], [1.0, np.nan, np.nan], np.ma.array([1, 2, 2], mask=[0, 1, 1]), pandas.Series([1, None, None], dtype="Int64"), pandas.Series(["a", None, None])]
    for column in columns:
        with pytest.raises(DataError, match="column 'id' says no id in data row 2"):
            sequences_from_columns({"id": column, "x": [1, 2, 3]})
    pandas.DataFrame({"id": ["a", None], "x": [1.0, 2.0]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="says no id in data row 2"):
        read_sequences(tmp_path / "a.parquet")


TIMED = "@timeStamps true\n@classLabel true a\n@data\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("(0,1),(1,2:a", r",\(1,2' is no"),
        ("(0,1),(1:a", r",\(1' is no"),
        ("(0,1),:a", "is no"),
        ("(0,1)(1,2):a", "no comma between"),
        ("0,1),(1,2):a", r"'0,1\),' is no"),
        ("(0,1),x,(1,2):a", "is no"),
        ("(0,1),(1,2)9:a", "'9' is no"),
        ("(9:30,1),(soon,2):a", "the time 'soon' is neither a number nor a date"),
        ("(0,1),(2026-01-31,2):a", "'2026-01-31' is a date, but '0' is a number"),
        ("(,1),(1,2):a", "the time '' is empty"),
        ("(0,1):(9:30,1):a", "'9:30' is a clock time of 2 numbers, but '0' is a number"),
    ],
)
def test_every_pair_of_a_ts_file_is_read_or_named(tmp_path, line, words):
    with pytest.raises(DataError, match=f"toy.ts, line 5: .*{words}"):
        read(tmp_path, TIMED + "(0,1),(1,2):a\n" + line + "\n", "toy.ts")


@pytest.mark.parametrize("kind", RISING)
def test_times_of_a_ts_file_sort_as_those_of_a_table(tmp_path, kind):
    rising = [text.replace(",", ".") for text in RISING[kind]]
    pairs = ",".join(f"({time},{place})" for place, time in reversed(list(enumerate(rising))))
    assert read(tmp_path, f"{TIMED}{pairs}:a\n", "toy.ts").values[0][:, 0].tolist() == list(range(len(rising)))
