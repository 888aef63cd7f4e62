"""The `.ts` reader: its dialects, and each way in which a file can be wrong, by line."""

import numpy as np
import pytest

from tenuto.data import read_sequences
from tenuto.errors import DataError

HEADER = "# a comment\n@problemName Toy\n@timeStamps false\n@missing false\n@univariate false\n@dimensions 2\n@equalLength false\n"


def write(tmp_path, text, name="toy.ts"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_unequal_lengths_missing_values_and_labels(tmp_path):
    path = write(tmp_path, HEADER + "@classLabel true up down\n@data\n1,2,3:4,5,6:up\n\n# between\n7,?:NaN,8 : down\n")
    data = read_sequences(path)
    np.testing.assert_array_equal(data.values[0], [[1, 4], [2, 5], [3, 6]])
    np.testing.assert_array_equal(data.values[1], [[7, np.nan], [np.nan, 8]])
    assert data.labels.tolist() == ["up", "down"]
    assert (data.name, data.path, len(data.sha256)) == ("Toy", str(path), 64)


def test_one_channel_without_labels_and_capital_tags(tmp_path):
    data = read_sequences(write(tmp_path, "@UNIVARIATE TRUE\n@CLASSLABEL FALSE\n@DATA\n1.5,2.5\n-1e-3\n"))
    assert data.labels is None
    assert [array.shape for array in data.values] == [(2, 1), (1, 1)]


def test_time_stamps_align_channels_on_the_union_of_their_times(tmp_path):
    text = "@timeStamps true\n@classLabel true a\n@data\n(0,1),(2,3):(0,10),(1,11):a\n"
    np.testing.assert_array_equal(read_sequences(write(tmp_path, text)).values[0], [[1, 10], [np.nan, 11], [3, np.nan]])
    text = "@timeStamps true\n@classLabel true a\n@data\n(2026-01-02 00:00:00,5),(2026-01-01 00:00:00,?):a\n"
    np.testing.assert_array_equal(read_sequences(write(tmp_path, text)).values[0], [[np.nan], [5]])


LABELLED = HEADER + "@classLabel true up down\n@data\n1,2:3,4:up\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LABELLED + "1,2:3:up\n", "line 11: its channels have unequal lengths, 1 to 2 steps"),
        (LABELLED + "1,2:3,4\n", "line 11: its label is not one of those in @classLabel"),
        (LABELLED + "1,2:3,4:dow", r"line 11: its label(.|\n)*expected  up down"),
        (LABELLED + "1,2:up\n", "line 11: it has 1 channels"),
        (LABELLED + "1,x:3,4:up\n", "line 11: could not convert"),
        (LABELLED + ":1:up\n", "line 11"),
        ("1,2:up\n", "line 1: there is data before @data"),
        ("@problemName Toy\n", "no @data line"),
        (HEADER + "@data\n", "no sequence after @data"),
        ("@targetLabel true\n@data\n1,2:0.5\n", "regression set"),
        ("@classLabel yes\n@data\n1:1\n", "@classLabel says 'yes'"),
        ("@equalLength true\n@seriesLength 3\n@data\n1,2\n", r"line 4: it has 2 steps(.|\n)*3 steps"),
        ("@timeStamps true\n@data\n(0,1),(0,2)\n", "two values at the same time"),
        ("@timeStamps true\n@data\n1,2\n", "without .time,value. pairs"),
        ("@data\n1,inf\n", "infinite value at step 1"),
        ("@data\n1,2\n1,2:3,4\n", "line 3: it has 2 channels"),
    ],
)
def test_what_is_wrong_is_named_by_line(tmp_path, text, words):
    with pytest.raises(DataError, match=words) as caught:
        read_sequences(write(tmp_path, text))
    assert "toy.ts" in str(caught.value)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "toy.ts"
    path.write_bytes(b"@data\n1,\xff\xfe\n")
    with pytest.raises(DataError, match="is not UTF-8: byte 8 .line 2"):
        read_sequences(path)


def test_any_cut_of_a_file_is_read_in_part_or_refused_never_misread(tmp_path):
    """A truncated copy: whole lines before the cut are right, and half a line is an error."""
    whole = LABELLED + "5,6:7,8:down\n"
    start = whole.index("@data")
    for end in range(start, len(whole)):
        try:
            data = read_sequences(write(tmp_path, whole[:end]))
        except DataError:
            continue
        assert whole[end] in "\n" or whole[end - 1] == "\n", repr(whole[:end])
        np.testing.assert_array_equal(data.values[0], [[1, 3], [2, 4]])


def test_headers_with_tabs_and_comments_with_per_cent(tmp_path):
    text = "%a comment\n# another\n@problemName\tToy\n@timeStamps \t false\n@univariate\ttrue\n@classLabel\ttrue\tup  down\n% more\n@data\t\n1,2:up\n%3,4:up\n3:down\n"
    data = read_sequences(write(tmp_path, text))
    assert (data.name, data.labels.tolist(), data.lengths.tolist()) == ("Toy", ["up", "down"], [2, 1])
