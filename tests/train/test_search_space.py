"""What a search varies: which forms are read, which values are in a space, and bad spaces."""

import pytest

from tenuto.errors import ArgumentError
from tenuto.train.search_space import Range, Values, every_combination, read_space

KINDS = {"hidden_size": int, "dropout": float, "cell": str, "crf": bool}


def test_every_form_is_read_and_written_back():
    data = {
        "hidden-size": {"values": [8, 16]},
        "dropout": {"low": 0, "high": 0.5, "step": 0.2},
        "cell": ["lstm", "gru"],
        "crf": [True, False],
    }
    space = read_space(data, KINDS)
    assert space == {
        "hidden_size": Values((8, 16)),
        "dropout": Range(0.0, 0.4, step=0.2),  # the last value that is within the range
        "cell": Values(("lstm", "gru")),
        "crf": Values((True, False)),
    }
    assert read_space({name: choice.to_data() for name, choice in space.items()}, KINDS) == space
    assert read_space({"hidden_size": {"low": 1, "high": 64, "log": True}}, KINDS)["hidden_size"] == Range(1, 64, whole=True, log=True)


@pytest.mark.parametrize(
    "choice, inside, outside",
    [
        (Values((8, 16)), [8, 16], [12, "8", True, None]),
        (Values((True,)), [True], [False, 1]),
        (Range(0.0, 0.5), [0, 0.25, 0.5], [-0.1, 0.6, "0.1", None, True]),
        (Range(0.1, 0.5, step=0.1), [0.1, 0.3, 0.5], [0.15]),
        (Range(1, 9, whole=True), [1, 4.0, 9], [4.5, 10]),
    ],
)
def test_what_is_in_a_choice(choice, inside, outside):
    assert all(choice.contains(value) for value in inside)
    assert not any(choice.contains(value) for value in outside)
    every = choice.every()
    assert every is None or all(choice.contains(value) for value in every)
    assert choice.distribution()


def test_every_combination():
    space = read_space({"hidden_size": {"low": 1, "high": 5, "step": 2}, "cell": ["lstm", "gru"]}, KINDS)
    rows = list(every_combination(space))
    assert len(rows) == 6 and {"hidden_size": 5, "cell": "gru"} in rows
    assert every_combination(read_space({"dropout": {"low": 0, "high": 0.5}}, KINDS)) is None


BAD = [
    ({}, "is empty"),
    ({"hiden_size": [1]}, "hidden_size?"),
    ({"data": ["a"]}, "not an option that can be searched"),
    ({"hidden_size": 64}, "a form that is not known"),
    ({"hidden_size": {"low": 1}}, "a form that is not known"),
    ({"hidden_size": {"low": 1, "high": 8, "size": 2}}, "a form that is not known"),
    ({"hidden_size": []}, "no values"),
    ({"hidden_size": [8, 8]}, "twice"),
    ({"hidden_size": [8, 8.5]}, "the wrong type"),
    ({"hidden_size": [True]}, "the wrong type"),
    ({"dropout": [float("nan")]}, "the wrong type"),
    ({"dropout": {"low": 0.5, "high": 0.1}}, "low < high"),
    ({"dropout": {"low": 0.0, "high": 0.1, "log": True}}, "cannot be logarithmic"),
    ({"dropout": {"low": 0.1, "high": 0.2, "log": 1}}, "not true or false"),
    ({"dropout": {"low": 0.1, "high": 0.2, "step": 0.5}}, "in steps of"),
    ({"dropout": {"low": 0.1, "high": 0.2, "log": True, "step": 0.05}}, "in steps of"),
    ({"cell": {"low": 1, "high": 2}}, "cannot have a range"),
    ({"crf": ["yes"]}, "true or false"),
]


@pytest.mark.parametrize("data, said", BAD, ids=lambda value: str(value)[:50])
def test_a_bad_space_is_refused(data, said):
    with pytest.raises(ArgumentError) as caught:
        read_space(data, KINDS, "my.toml")
    assert said in str(caught.value) and "my.toml" in str(caught.value)
