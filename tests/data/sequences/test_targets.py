"""Numbers to predict: from arrays, data frames and every kind of file; what is no number is refused and named."""

import numpy as np
import pandas as pd
import pytest
import torch

from tenuto.data import Columns, Sequences, read_sequences
from tenuto.errors import DataError, ShapeError

X = [np.zeros((3, 1)), np.ones((2, 1))]
PRICE = Columns(targets=("price",))


@pytest.mark.parametrize(
    ("given", "names", "single"),
    [
        ([1, 2.5], ("target",), True),
        (np.array([1.0, 2.5], dtype=np.float32), ("target",), True),
        (torch.tensor([1.0, 2.5], requires_grad=True), ("target",), True),
        (pd.Series([1, 2.5], index=[7, 9]), ("target",), True),
        ([[1], [2.5]], ("target",), False),
        (np.array([[1.0], [2.5]]), ("target",), False),
        (pd.DataFrame({"price": [1, 2.5]}), ("price",), False),
    ],
    ids=["list", "array", "tensor", "series", "lists", "matrix", "frame"],
)
def test_every_form_of_targets(given, names, single):
    data = Sequences(X, targets=given)
    assert data.targets.tolist() == [[1.0], [2.5]] and data.target_names == names and data.single_target is single
    assert "1 target" in repr(data)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1.0, np.nan], "'target' of sequence '1' is missing"),
        ([None, 1.0], "sequence '0' is missing"),
        ([1.0, np.inf], "sequence '1' is infinite"),
        ([1.0, 1e300], "sequence '1' is infinite"),
        (["walk", 1.0], "sequence '0' is no number"),
        ([1.0, 1j], "sequence '1' is no number"),
    ],
    ids=str,
)
def test_what_is_no_number_is_named(given, message):
    with pytest.raises(DataError, match=message):
        Sequences(X, targets=given)


@pytest.mark.parametrize("given", [[1.0], [1.0, 2.0, 3.0], [[1.0, 2.0], [3.0]], [[], []], np.zeros((2, 0)), np.zeros((2, 1, 1))], ids=str)
def test_another_shape_is_refused(given):
    with pytest.raises((ShapeError, DataError)):
        Sequences(X, targets=given)


def test_targets_go_with_their_sequences_and_count_in_the_digest():
    data = Sequences(X, targets=[[1.0, 2.0], [3.0, 4.0]], target_names=["a", "b"])
    part = data.select([1])
    assert part.targets.tolist() == [[3.0, 4.0]] and part.target_names == ("a", "b")
    assert data.sha256 != Sequences(X, targets=[[1.0, 2.0], [3.0, 5.0]], target_names=["a", "b"]).sha256 != Sequences(X).sha256
    assert Sequences.from_arrays(data, targets=[7, 8]).targets.tolist() == [[7.0], [8.0]]


def test_a_long_table(tmp_path):
    path = tmp_path / "homes.csv"
    path.write_text("id,time,warmth,price,area\na,0,1.5,10.5,3\na,1,1.25,10.5,3\nb,0,2,20,4\n")
    data = read_sequences(path, columns=Columns(targets=("price", "area")))
    assert data.channels == ("warmth",) and data.targets.tolist() == [[10.5, 3.0], [20.0, 4.0]] and data.target_names == ("price", "area")
    assert not data.single_target and data.labels is None
    assert read_sequences(path, columns=Columns(targets=("price", "area")), labels=False).targets is None


def test_a_wide_table_with_decimal_commas(tmp_path):
    from tenuto.data import Form

    path = tmp_path / "homes.csv"
    path.write_text("price;t0;t1;t2\n10,5;1;2;3\n1;4;5;\n")
    data = read_sequences(path, columns=PRICE, form=Form(separator=";", decimal=","))
    assert data.targets.tolist() == [[10.5], [1.0]] and data.single_target and data.lengths.tolist() == [3, 2]


def test_regression_sets_of_the_archives(tmp_path):
    (tmp_path / "a.ts").write_text("@problemName a\n@univariate false\n@targetlabel true\n@data\n1,2:3,4:0.5\n1,?:3,4:-2e1\n")
    (tmp_path / "a.arff").write_text("@relation a\n@attribute t0 numeric\n@attribute t1 numeric\n@attribute target numeric\n@data\n1,2,0.5\n3,4,-20\n")
    for name in ("a.ts", "a.arff"):
        data = read_sequences(tmp_path / name, columns=Columns(targets=("target",)))
        assert data.targets.tolist() == [[0.5], [-20.0]] and data.lengths.tolist() == [2, 2], name
        with pytest.raises(DataError, match="regression set") as refused:
            read_sequences(tmp_path / name)
        assert "SequenceRegressor" in str(refused.value)


def test_an_npz_with_several_targets(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.zeros((4, 5, 2)), y_train=np.arange(8.0).reshape(4, 2))
    from tenuto.data import read_splits

    data = read_splits(tmp_path / "a.npz", columns=Columns(targets=("target",))).train
    assert data.targets.shape == (4, 2) and data.target_names == ("target 0", "target 1")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,0,1,10\na,1,2,11\n", "more than one price"),
        ("a,0,1,\n", "empty price"),
        ("a,0,1,dear\n", "'price' of sequence 'a' is no number"),
    ],
    ids=["changes", "empty", "text"],
)
def test_a_target_in_a_table_that_is_none_is_named(tmp_path, rows, message):
    (tmp_path / "a.csv").write_text("id,time,warmth,price\n" + rows)
    with pytest.raises(DataError, match=message):
        read_sequences(tmp_path / "a.csv", columns=PRICE)


def test_a_column_that_is_not_there_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("id,time,warmth,prize\na,0,1,2\n")
    with pytest.raises(DataError, match=r"no column 'price' with the target") as refused:
        read_sequences(tmp_path / "a.csv", columns=PRICE)
    assert "prize" in str(refused.value)
