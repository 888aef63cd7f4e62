"""Long tables: CSV and Parquet give the same sequences, and each bad cell is named."""

import numpy as np
import pytest

from tenuto.data import Columns, read_sequences, read_splits, sequences_from_columns
from tenuto.errors import DataError

TABLE = """id,time,speed,pulse,label,split
walk,1.0,1.3,82,walking,train
run,0,3.1,,running,test
walk,0.5,1.2,80,walking,train
run,10,3.3,121,running,test
"""


def write(tmp_path, text, name="toy.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def check(splits):
    np.testing.assert_array_equal(splits.train.values[0], np.array([[1.2, 80], [1.3, 82]]))
    np.testing.assert_array_equal(splits.test.values[0], np.array([[3.1, np.nan], [3.3, 121]]))
    assert (splits.train.ids, splits.test.ids) == (("walk",), ("run",))
    assert (splits.train.labels.tolist(), splits.test.labels.tolist()) == (["walking"], ["running"])
    assert splits.train.channels == ("speed", "pulse")


def test_csv_rows_become_sequences_in_time(tmp_path):
    check(read_splits(write(tmp_path, "\ufeff" + TABLE)))


def test_parquet_is_the_same(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    path = tmp_path / "toy.parquet"
    pandas.read_csv(write(tmp_path, TABLE)).to_parquet(path)
    check(read_splits(path))


def test_a_data_frame_is_read_as_a_table():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"id": [1, 1, 2], "x": [0.0, 1.0, 2.0], "label": [True, True, False]})
    data, split = sequences_from_columns(frame)
    assert split is None
    assert data.ids == ("1", "2")
    assert data.labels.tolist() == [True, False]
    np.testing.assert_array_equal(data.values[0], [[0], [1]])


def test_times_may_be_dates_and_columns_may_have_other_names(tmp_path):
    text = "who,when,a,b,class\nx,2026-01-02,2,9,1\nx,2026-01-01T12:00:00,1,9,1\n"
    columns = Columns(id="who", time="when", label="class", channels=("a",))
    data = read_sequences(write(tmp_path, text), columns=columns)
    np.testing.assert_array_equal(data.values[0], [[1], [2]])
    assert data.labels.tolist() == ["1"]


def test_without_time_the_order_of_the_file_counts():
    data, _ = sequences_from_columns({"id": ["b", "a", "b"], "x": [3, 1, 2]})
    assert data.ids == ("b", "a")
    np.testing.assert_array_equal(data.values[0], [[3], [2]])
    assert data.labels is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column 'id'"),
        ("id,time,x\n", "no rows"),
        ("name,time,x\na,0,1\n", r"no column 'id'(.|\n)*Columns"),
        ("id,time,label\na,0,u\n", "no channel"),
        ("id,x,x\na,0,1\n", "two columns are named 'x'"),
        ("id,time,x\na,0,1\na,1\n", "line 3: it has 2 cells, the header has 3"),
        ("id,time,x\na,0,1\na,1,fast\n", r"column 'x' is not a number in line 3(.|\n)*'fast'"),
        ("id,time,x\na,0,1\na,0,2\n", "sequence 'a' has two rows with the same time .line 3."),
        ("id,time,x\na,soon,1\n", "neither numbers nor dates"),
        ("id,time,x\na,nan,1\n", "empty in line 2"),
        ("id,time,x,label\na,0,1,u\na,1,1,v\n", "sequence 'a' has more than one label"),
        ("id,time,x,label\na,0,1,\n", "sequence 'a' has an empty label"),
        ("id,time,x,split\na,0,1,holdout\n", "'holdout' is not a split"),
        ("id,time,x\na,0,inf\n", "infinite value at step 0, x"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        read_sequences(write(tmp_path, text))


def test_files_that_are_not_what_their_name_says_are_refused(tmp_path):
    pytest.importorskip("pyarrow")
    with pytest.raises(DataError, match="cannot be read"):
        read_sequences(write(tmp_path, TABLE, name="toy.parquet"))
    path = tmp_path / "binary.csv"
    path.write_bytes(b"id,x\n\xff\xff,1\n")
    with pytest.raises(DataError, match=r"binary.csv is not UTF-8: byte 5 \(line 2"):
        read_sequences(path)
