"""The arff reader: files as the UCR and UEA archives write them, and what is wrong is named with its line."""

import numpy as np
import pytest

from tenuto.data import Columns, read_sequences, read_splits
from tenuto.errors import DataError

UNIVARIATE = """% a comment, 100% of it
% another

@RELATION Coffee

@ATTRIBUTE att0 NUMERIC
@attribute 'att 1' real
@attribute att2 integer
@attribute target {0,1}

@DATA
-0.51,-0.48,3e0,0
% a comment among the data

0.5 , ? , 7 , 1
1,2,?,0
"""
RELATIONAL = """@relation 'Basic Motions'
@attribute relationalAtt relational
  @attribute att0 numeric
  @attribute att1 numeric
  @attribute att2 numeric
@end relationalAtt
@attribute activity {Standing,'Fast Walking'}
@data
'0.1,0.2,0.3\\n1,2,3',Standing
"0.4,0.5,?\\n4,?,?",'Fast Walking'
'?,0.5,0.6\\n4,5,?', Standing
"""


def write(tmp_path, text, name="a.arff"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def test_a_numeric_attribute_for_each_step(tmp_path):
    data = read_sequences(write(tmp_path, UNIVARIATE))
    assert (data.labels.tolist(), data.lengths.tolist(), data.name) == (["0", "1", "0"], [3, 3, 2], "Coffee")
    np.testing.assert_array_equal(data.values[1], [[0.5], [np.nan], [7]])
    np.testing.assert_array_equal(data.values[2], [[1], [2]])


def test_a_relational_attribute_holds_a_channel_in_each_of_its_rows(tmp_path):
    data = read_sequences(write(tmp_path, RELATIONAL))
    assert (data.labels.tolist(), data.lengths.tolist(), data.name) == (["Standing", "Fast Walking", "Standing"], [3, 2, 3], "Basic Motions")
    np.testing.assert_array_equal(data.values[0], np.array([[0.1, 0.2, 0.3], [1, 2, 3]]).T)
    np.testing.assert_array_equal(data.values[1], [[0.4, 4], [0.5, np.nan]])
    np.testing.assert_array_equal(data.values[2], [[np.nan, 4], [0.5, 5], [0.6, np.nan]])


def test_it_is_the_same_set_as_the_ts_file(tmp_path):
    write(tmp_path, RELATIONAL, "Toy_TRAIN.arff")
    write(tmp_path, RELATIONAL, "Toy_TEST.arff")
    splits = read_splits(tmp_path)
    other = "@classLabel true Standing Fast-Walking\n@data\n0.1,0.2,0.3:1,2,3:Standing\n0.4,0.5:4,?:Fast-Walking\n?,0.5,0.6:4,5,?:Standing\n"
    ts = read_sequences(write(tmp_path, other, "Toy.ts"))
    for part in (splits.train, splits.test):
        for first, second in zip(part.values, ts.values, strict=True):
            np.testing.assert_array_equal(first, second)


def test_the_archives_have_a_set_in_several_formats_side_by_side(tmp_path):
    for part in ("TRAIN", "TEST"):
        write(tmp_path, UNIVARIATE, f"Coffee_{part}.arff")
        write(tmp_path, "0 1 2 3\n1 2 3 4.5\n", f"Coffee_{part}.txt")
    assert read_splits(tmp_path).train.path.endswith(".arff")
    for part in ("TRAIN", "TEST"):
        write(tmp_path, "@classLabel true 0 1\n@data\n1,2:0\n1,3:1\n", f"Coffee_{part}.ts")
    assert read_splits(tmp_path).test.path.endswith("_TEST.ts")
    write(tmp_path, "label,t0,t1\n0,1,2\n", "Coffee_TRAIN.csv")
    with pytest.raises(DataError, match="2 sets for the train part"):
        read_splits(tmp_path)


def test_which_attribute_is_the_class_and_which_the_id(tmp_path):
    text = "@relation r\n@attribute id string\n@attribute class {a,b}\n@attribute t0 numeric\n@attribute t1 numeric\n@data\np,a,1,2\n'q, 2',b,3,4\n"
    data = read_sequences(write(tmp_path, text))
    assert (data.ids, data.labels.tolist()) == (("p", "q, 2"), ["a", "b"])
    two = text.replace("id string", "site {p,'q, 2'}")
    with pytest.raises(DataError, match=r"'site' holds no numbers(.|\n)*Columns\(label"):
        read_sequences(write(tmp_path, two))
    numbers = "@relation r\n@attribute t0 numeric\n@attribute class numeric\n@data\n1,2\n3,4\n"
    with pytest.raises(DataError, match="regression set"):
        read_sequences(write(tmp_path, numbers))
    assert read_sequences(write(tmp_path, numbers), columns=Columns(label="class")).labels.tolist() == ["2", "4"]
    assert read_sequences(write(tmp_path, "@attribute t0 numeric\n@attribute t1 numeric\n@data\n1,2\n")).labels is None


@pytest.mark.parametrize("label", ["?", "never", "''"])
def test_labels_are_not_read_where_nobody_asks(tmp_path, label):
    path = write(tmp_path, UNIVARIATE.replace("7 , 1", f"7 , {label}"))
    assert read_sequences(path, labels=False).labels is None and len(read_sequences(path, labels=False)) == 3
    with pytest.raises(DataError, match="a.arff, line 15: (it has no class|its class is not one of those)"):
        read_sequences(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("0.5 , ? , 7 , 1", "0.5 , ? , 1", "line 15: it has 3 values"),
        ("0.5 , ? , 7 , 1", "0.5 , x , 7 , 1", "line 15: could not convert"),
        ("0.5 , ? , 7 , 1", "{0 0.5, 3 1}", "line 15: it is a sparse row"),
        ("0.5 , ? , 7 , 1", "?,?,?,1", "line 15: it has no value"),
        ("0.5 , ? , 7 , 1", "0.5,1e400,3,1", "infinite"),
        ("att2 integer", "att2 date 'yyyy'", "line 8: the attribute 'att2' is of a type that is not read"),
        ("att2 integer", "att2 string", "'att2' holds no numbers"),
        ("@RELATION", "RELATION", "line 4: it is no line of a header"),
        ("@DATA", "", "line 12: it is no line of a header"),
        (UNIVARIATE[UNIVARIATE.index("-0.51") :], "", "has no sequence after @data"),
        (UNIVARIATE[UNIVARIATE.index("@DATA") :], "", "has no @data line"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, old, new, words):
    with pytest.raises(DataError, match=f"a.arff.*{words}" if "infinite" not in words else words):
        read_sequences(write(tmp_path, UNIVARIATE.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("'0.1,0.2,0.3\\n1,2,3',Standing", "'0.1,0.2,0.3\\n1,2", "line 9: a quote does not close"),
        ("'0.1,0.2,0.3\\n1,2,3',Standing", "'0.1,0.2,0.3\\n1,2,3'", "line 9: it has 1 values"),
        ("'0.1,0.2,0.3\\n1,2,3',Standing", "'0.1,0.2,0.3\\n1,2',Standing", "line 9: its channels have unequal lengths, 2 to 3 steps"),
        ("'0.1,0.2,0.3\\n1,2,3',Standing", "'0.1,0.2,0.3\\n1,2,3' x,Standing", "line 9: a quote does not close at the end"),
        ('"0.4,0.5,?\\n4,?,?"', "'0.4,0.5'", "line 10: it has 1 channels"),
        ("'0.1,0.2,0.3\\n1,2,3'", "''", "line 9: it has no channel"),
        ("@end relationalAtt\n@attribute activity {Standing,'Fast Walking'}", "", "line 7: the relational attribute 'relationalAtt' does not end"),
        ("att1 numeric", "att1 {a,b}", "line 4: the attribute 'att1' of the relational one is not numeric"),
    ],
)
def test_what_is_wrong_in_a_relational_file_is_named(tmp_path, old, new, words):
    with pytest.raises(DataError, match=f"a.arff, {words}"):
        read_sequences(write(tmp_path, RELATIONAL.replace(old, new)))


def test_quotes_and_blanks_without_end_take_no_time(tmp_path):
    for odd in ("'" * 100_000, " " * 200_000 + "x'", "'" + "\\" * 200_001, "," * 200_000, "' " * 100_000):
        with pytest.raises(DataError) as caught:
            read_sequences(write(tmp_path, RELATIONAL + odd + "\n"))
        assert len(str(caught.value)) < 1_500
