"""The npz reader: three layouts of the same content; no pickle; every kind of damage is an error."""

import io

import numpy as np
import pytest

from tenuto.data import read_parts, read_sequences, read_splits
from tenuto.errors import DataError, TenutoError

VALUES = np.arange(12, dtype=np.float32).reshape(6, 2)
LENGTHS = np.array([1, 3, 2])


def save(tmp_path, **arrays):
    path = tmp_path / "toy.npz"
    np.savez(path, **arrays)
    return path


def test_steps_one_after_another(tmp_path):
    path = save(
        tmp_path, values=VALUES, lengths=LENGTHS, labels=["a", "b", "a"], ids=["p", "q", "r"], channels=["u", "v"], split=["train", "test", "val"]
    )
    splits = read_splits(path)
    np.testing.assert_array_equal(splits.test.values[0], VALUES[1:4])
    assert (splits.train.ids, splits.validation.ids, splits.test.labels.tolist()) == (("p",), ("r",), ["b"])
    assert splits.train.channels == ("u", "v")
    assert read_sequences(path, split="validation").ids == ("r",)
    assert read_sequences(path).ids == ("q",)


def test_padded(tmp_path):
    padded = np.full((3, 4, 2), np.inf, dtype=np.float32)
    for row, (end, length) in enumerate(zip(np.cumsum(LENGTHS), LENGTHS)):
        padded[row, :length] = VALUES[end - length : end]
    data = read_sequences(save(tmp_path, values=padded, lengths=LENGTHS))
    for kept, whole in zip(data.values, np.split(VALUES, np.cumsum(LENGTHS)[:-1])):
        np.testing.assert_array_equal(kept, whole)
    assert list(read_parts(save(tmp_path, values=np.zeros((2, 3, 1))))) == ["all"]


def test_one_group_of_arrays_for_each_split(tmp_path):
    path = save(tmp_path, x_train=VALUES, len_train=LENGTHS, y_train=[1, 2, 1], x_test=VALUES[:2], len_test=[2], y_test=[2])
    splits = read_splits(path)
    assert (len(splits.train), splits.validation, len(splits.test)) == (3, None, 1)
    assert splits.train.labels.tolist() == [1, 2, 1]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"values": VALUES}, "lacks the array 'lengths'"),
        ({"x_train": VALUES}, "lacks the array 'len_train'"),
        ({"other": VALUES}, "lacks the array 'values'"),
        ({"values": VALUES, "lengths": [1, 2]}, "add up to 3 steps but there are 6"),
        ({"values": VALUES, "lengths": [6, 0]}, "position 1 is empty"),
        ({"values": VALUES, "lengths": [6.0]}, "float64"),
        ({"values": VALUES[0], "lengths": [2]}, "shapes that fit no layout"),
        ({"values": VALUES, "lengths": LENGTHS, "labels": ["a"]}, "not as many labels as sequences"),
        ({"values": VALUES, "lengths": LENGTHS, "split": ["train"]}, "not as many split names as sequences"),
        ({"values": VALUES, "lengths": LENGTHS, "split": ["train", "x", "test"]}, "'x' is not a split"),
        ({"values": VALUES + np.inf, "lengths": LENGTHS}, "infinite value"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, arrays, words):
    with pytest.raises(TenutoError, match=words):
        read_sequences(save(tmp_path, **arrays))


def test_pickled_objects_are_refused_not_loaded(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was loaded",))

    path = save(tmp_path, values=np.array([Bomb()], dtype=object), lengths=[1])
    with pytest.raises(DataError, match="cannot be read"):
        read_sequences(path)


def test_every_truncation_is_refused(tmp_path):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, values=VALUES, lengths=LENGTHS)
    whole, path = buffer.getvalue(), tmp_path / "toy.npz"
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(DataError):
            read_sequences(path)


def test_flipped_bytes_are_refused_or_harmless(tmp_path):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, values=VALUES, lengths=LENGTHS)
    whole, path = buffer.getvalue(), tmp_path / "toy.npz"
    for position in range(0, len(whole), 5):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            data = read_sequences(path)
        except TenutoError:
            continue
        np.testing.assert_array_equal(np.concatenate(data.values), VALUES)


# --- as Keras writes it ----------------------------------------------------------------------------------------------------

STEPS = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)


@pytest.mark.parametrize("names", [("x", "y"), ("X", "y"), ("X", "Y")])
@pytest.mark.parametrize("second", ["val", "valid", "validation", "dev"])
def test_parts_as_keras_writes_them(tmp_path, names, second):
    x, y = names
    arrays = {f"{x}_train": STEPS, f"{y}_train": [3, 5, 3, 5], f"{x}_test": STEPS[:1], f"{y}_test": [[5]], f"{x}_{second}": STEPS[1:3], f"{y}_{second}": [[5], [3]]}
    splits = read_splits(save(tmp_path, **arrays))
    assert [part.labels.tolist() for part in (splits.train, splits.validation, splits.test)] == [[3, 5, 3, 5], [5, 3], [5]]
    for values, array in zip(splits.train.values, STEPS, strict=True):
        np.testing.assert_array_equal(values, array)
    assert splits.test.origin == "split 'test' of the file"


def test_a_matrix_is_sequences_of_one_channel(tmp_path):
    data = read_sequences(save(tmp_path, x_train=VALUES, y_train=list("abcabc")), split="train")
    assert [values.shape for values in data.values] == [(2, 1)] * 6
    assert read_sequences(save(tmp_path, x_test=VALUES, y_test=np.zeros((6, 4))), labels=False).labels is None


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x_train": STEPS, "y_train": np.eye(4)}, r"y_train does not have one label for each sequence(.|\n)*argmax"),
        ({"x_train": STEPS, "y_train": [1, 2]}, r"x_train does not hold sequences, one for each label(.|\n)*x_train \[4, 3, 2\], y_train \[2\]"),
        ({"x_train": np.zeros((2, 3, 4, 5)), "y_train": [1, 2]}, "x_train does not hold sequences"),
        ({"x_train": np.zeros(3), "y_train": [1, 2, 3]}, "x_train does not hold sequences"),
        ({"x_train": STEPS, "X_train": STEPS}, "two arrays are x_train: x_train, X_train"),
        ({"x_train": np.array([[1], [1, 2]], dtype=object), "y_train": [0, 1]}, "Python objects"),
        ({"x_mean": STEPS}, r"lacks the array 'values'(.|\n)*x_mean"),
    ],
)
def test_what_keras_does_not_write_is_refused(tmp_path, arrays, words):
    with pytest.raises(DataError, match=words):
        read_parts(save(tmp_path, **arrays))
