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
