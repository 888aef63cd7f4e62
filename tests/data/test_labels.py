"""Labels: classes and positions, and labels that training never saw."""

import numpy as np
import pytest

from tenuto.data import Labels, Sequences
from tenuto.errors import DataError


def test_classes_are_sorted_and_positions_follow_them():
    labels = Labels.learn(["walk", "run", "walk", "jump"])
    assert labels.classes.tolist() == ["jump", "run", "walk"]
    found = labels.positions(np.array(["walk", "jump"]))
    assert (found.tolist(), found.dtype, len(labels)) == ([2, 0], np.int64, 3)
    assert "run" in labels and "sit" not in labels
    assert Labels.learn(np.array([10, 9, 10])).positions([9, 10]).tolist() == [0, 1]
    assert Labels(["b", "a"]).positions(["a", "b"]).tolist() == [1, 0]  # classes in a given order, as a saved run has them


def test_a_label_that_training_never_saw_is_named():
    labels = Labels.learn(range(20))
    with pytest.raises(DataError, match=r"sequence '1' has the label 20, which training never saw(.|\n)*0, 1, (.|\n)*11, \.\.\.\n(.|\n)*20 \(int\)"):
        labels.positions([3, 20])
    with pytest.raises(DataError, match=r"text 'x7' has the label '3'(.|\n)*leave those texts out"):
        labels.positions(["3"], ids=["x7"], noun="text")
    assert labels.positions([3, 20, -1], unseen=-1).tolist() == [3, -1, -1]
    with pytest.raises(DataError, match=r"the data has no labels(.|\n)*a label for each text"):
        labels.positions(None, noun="text")


@pytest.mark.parametrize(
    ("classes", "words"),
    [([], "there are no classes"), (["a", "b", "a"], "a class occurs twice"), (["a", 1], "more than one kind"), (["a", None], "label at position 1 is missing")],
)
def test_what_cannot_be_classes_is_refused(classes, words):
    with pytest.raises(DataError, match=words):
        Labels(classes)


def test_a_data_set_counts_its_labels():
    data = Sequences([np.zeros((1, 1))] * 3, labels=["b", "a", "b"])
    assert Labels(data.class_counts).positions(data.labels).tolist() == Labels.learn(data.labels).positions(data.labels).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("classes", "same", "others"),
    [
        ([0, 1, 10], [["0", "1", "10"], [0.0, 1.0, 10.0], ["0.0", "1.0", "10.0"], np.array([0, 1, 10], dtype=np.int8)], ["2", "00", "1.5", "walk", ""]),
        (["0", "1", "10"], [[0, 1, 10], [0.0, 1.0, 10.0]], [2, 1.5, True]),
        ([0.5, 1.0, 2.0], [["0.5", "1", "2"], ["0.50", "1.0", "2.00"]], ["0.55", "x"]),
        ([False, True], [["False", "True"], ["false", "TRUE"]], ["yes"]),
        (["01", "1"], [["01", "1"]], ["001"]),
        (["true", "walk"], [["true", "walk"]], [1.5]),
    ],
)
def test_a_label_is_the_same_in_every_kind_of_file(classes, same, others):
    labels = Labels(classes)
    for given in same:
        assert labels.positions(labels.alike(given)).tolist() == list(range(len(classes)))
    for other in others:
        with pytest.raises(DataError, match="which training never saw"):
            labels.positions(labels.alike([other]))
