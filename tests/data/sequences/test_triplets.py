"""Tables of triplets: values at the sequences' own times, what is not there is missing, and each bad cell is named."""

import numpy as np
import pytest

from tenuto.data import Columns, Standardiser, read_sequences, read_splits, sequences_from_columns
from tenuto.data.sequences.triplets import is_triplets, roles_of_triplets
from tenuto.errors import DataError

NAN = np.nan
TABLE = """id,time,variable,value,label,split
b,30,Na,140,no,train
a,0,HR,80,yes,train
a,95.5,HR,88,yes,train
a,95.5,Na,138,yes,train
a,20,Temp,,yes,train
c,,,,no,test
b,5,Temp,37.5,no,train
"""


def write(tmp_path, text=TABLE, name="toy.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def check(splits):
    train, test = splits.train, splits.test
    assert (train.ids, test.ids, train.channels) == (("b", "a"), ("c",), ("HR", "Na", "Temp"))
    np.testing.assert_array_equal(train.values[0], [[NAN, NAN, 37.5], [NAN, 140, NAN]])
    np.testing.assert_array_equal(train.values[1], [[80, NAN, NAN], [88, 138, NAN]])
    np.testing.assert_array_equal(test.values[0], [[NAN, NAN, NAN]])
    assert [times.tolist() for times in train.times] == [[0, 25], [0, 95.5]] and test.times[0].tolist() == [0]
    assert (train.labels.tolist(), test.labels.tolist()) == (["no", "yes"], ["no"])


def test_rows_become_steps_at_their_own_times(tmp_path):
    check(read_splits(write(tmp_path)))  # sodium is Na: no missing value
    check(read_splits(write(tmp_path), columns=Columns(table="triplets")))


def test_parquet_and_frames_are_the_same(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.read_csv(write(tmp_path), keep_default_na=False, na_values=[""])
    frame.to_parquet(tmp_path / "toy.parquet")
    check(read_splits(tmp_path / "toy.parquet"))
    data, split = sequences_from_columns(frame)
    assert split == ["train", "train", "test"] and data.times[1].tolist() == [0, 95.5]


def test_a_large_file_is_read_the_same_by_pyarrow(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr("tenuto.data.arrow.LEAST", 0)
    check(read_splits(write(tmp_path)))
    assert roles_of_triplets(["id", "time", "variable", "value", "label"], Columns(), True) == {"value": False, "id": True, "time": True, "variable": True, "label": True}
    assert roles_of_triplets(["id", "time", "variable"], Columns(), True) is None


def test_columns_may_have_other_names_and_channels_be_chosen(tmp_path):
    text = TABLE.replace("id,time,variable,value,label", "stay,hour,what,result,died").replace("split", "part")
    columns = Columns(id="stay", time="hour", variable="what", value="result", label="died", split="part", channels=("Temp", "HR"))
    data = read_splits(write(tmp_path, text), columns=columns).train
    np.testing.assert_array_equal(data.values[0], [[37.5, NAN]])
    assert data.channels == ("Temp", "HR")


def test_only_a_table_of_just_these_columns_is_taken_for_triplets():
    assert is_triplets(["id", "time", "variable", "value", "label"], Columns())
    assert not is_triplets(["id", "time", "variable", "value", "speed"], Columns())
    assert not is_triplets(["id", "variable", "value"], Columns())
    assert not is_triplets(["id", "time", "variable", "value"], Columns(table="long"))
    assert is_triplets(["id"], Columns(table="triplets"))


def test_a_variable_that_a_later_file_never_measured_is_missing_there(tmp_path):
    train = read_splits(write(tmp_path)).train
    later = read_sequences(write(tmp_path, "id,time,variable,value\nd,1,Na,139\n", "later.csv"))
    standardiser = Standardiser.learn(train, missing="mean")
    np.testing.assert_array_equal(standardiser.arranged(later).values[0], [[NAN, 139, NAN]])
    foreign = read_sequences(write(tmp_path, "id,time,variable,value\nd,1,pH,7\n", "foreign.csv"))
    with pytest.raises(DataError, match="'pH' is not among them"):
        standardiser.arranged(foreign)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,time,variable,value\na,0,HR,80\na,1,HR,81\na,0,HR,82\n", r"'a' has two values of 'HR' at the same time \(line 4\)(.|\n)*80 and 82"),
        ("id,time,variable,value\na,0,,80\n", "does not say what was measured in line 2"),
        ("id,time,variable,value\na,,HR,80\n", "'time' is empty in line 2"),
        ("id,time,variable,value\na,0,HR,high\n", "'value' is not a number in line 2"),
        ("id,time,variable,value\n,0,HR,80\n", "says no id in line 2"),
        ("id,time,variable,value,label\na,0,HR,80,x\na,1,HR,80,y\n", "'a' has more than one label"),
        ("id,time,variable,value\na,,,\n", "has no variable"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        read_sequences(write(tmp_path, text))


def test_columns_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="no column 'variable'"):
        read_sequences(write(tmp_path, "id,time,what,value\na,0,HR,80\n"), columns=Columns(table="triplets"))
    with pytest.raises(DataError, match="no variable 'Hr'"):
        read_sequences(write(tmp_path), columns=Columns(channels=("Hr",)))
