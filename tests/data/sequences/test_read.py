"""Which file is which part: official splits by file name, and what is not a data set."""

import numpy as np
import pytest

from tenuto.data import read_sequences, read_splits
from tenuto.errors import ArgumentError, DataError, ShapeError

TS = "@classLabel true a b\n@data\n1,2:a\n3:b\n"


def pair(tmp_path, train="Toy_TRAIN.ts", test="Toy_TEST.ts", test_text=TS + "4:a\n"):
    (tmp_path / train).write_text(TS, encoding="utf-8")
    (tmp_path / test).write_text(test_text, encoding="utf-8")
    return tmp_path / train


def test_a_pair_of_files_is_one_data_set(tmp_path):
    path = pair(tmp_path)
    for given in (path, tmp_path):
        splits = read_splits(given)
        assert (len(splits.train), len(splits.test), splits.validation) == (2, 3, None)
        assert splits.train.origin == "file Toy_TRAIN.ts"
        assert splits.train.sha256 != splits.test.sha256
    assert len(read_sequences(path)) == 2
    assert len(read_sequences(path, split="test")) == 3
    assert len(read_sequences(tmp_path)) == 3


def test_files_named_by_part_alone(tmp_path):
    (tmp_path / "validation.ts").write_text(TS, encoding="utf-8")
    splits = read_splits(pair(tmp_path, "train.ts", "test.ts"))
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (2, 2, 3)


def test_a_test_file_can_be_given(tmp_path):
    (tmp_path / "one.ts").write_text(TS, encoding="utf-8")
    (tmp_path / "two.ts").write_text(TS + "4:a\n", encoding="utf-8")
    splits = read_splits(tmp_path / "one.ts", test=tmp_path / "two.ts")
    assert (len(splits.train), len(splits.test)) == (2, 3)
    assert read_splits(tmp_path / "one.ts").test is None


def test_a_split_that_is_not_there_is_named(tmp_path):
    path = pair(tmp_path)
    with pytest.raises(DataError, match=r"has no validation part(.|\n)*train, test"):
        read_sequences(path, split="validation")
    with pytest.raises(ArgumentError, match="train | validation | test"):
        read_sequences(path, split="holdout")


def test_parts_with_other_channels_are_refused(tmp_path):
    with pytest.raises(ShapeError, match="the test part has 2 channels, but the training part has 1"):
        read_splits(pair(tmp_path, test_text="@classLabel true a b\n@data\n1,2:1,2:a\n"))


def test_what_is_not_a_data_set_is_refused(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        read_splits(tmp_path / "absent.ts")
    with pytest.raises(DataError, match="holds no data set"):
        read_splits(tmp_path)
    (tmp_path / "data.xlsx").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match=r"does not read(.|\n)*\.ts \| \.arff \| \.csv \| \.tsv \| \.txt \| \.parquet \| \.npz"):
        read_splits(tmp_path / "data.xlsx")
    pair(tmp_path)
    pair(tmp_path, "Other_TRAIN.ts", "Other_TEST.ts")
    with pytest.raises(DataError, match="2 sets for the train part"):
        read_splits(tmp_path)
    assert len(read_splits(tmp_path / "Other_TRAIN.ts").test) == 3


def test_a_part_with_parts_of_its_own_is_refused(tmp_path):
    np.savez(tmp_path / "toy_train.npz", values=np.zeros((2, 1)), lengths=[1, 1], split=["train", "test"])
    with pytest.raises(DataError, match="has parts of its own"):
        read_splits(tmp_path / "toy_train.npz")
