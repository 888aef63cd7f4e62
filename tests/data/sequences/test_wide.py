"""Wide tables, with a header and without one as in the UCR archive; whatever could be a long table too is asked about."""

import numpy as np
import pytest

from tenuto.data import Columns, Form, read_sequences, read_splits, sequences_from_columns
from tenuto.errors import ArgumentError, DataError

ROWS = [("u", [1.5, 2.5, -3.0]), ("v", [0.25, 4.0]), ("u", [7.0, np.nan, 8.0])]


def write(tmp_path, text, name="a.csv"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def table(names, rows=ROWS, missing="", separator=","):
    lines = [separator.join(names)] if names else []
    for label, values in rows:
        cells = [*(missing if value != value else f"{value}" for value in values), *[missing] * (3 - len(values))]
        lines.append(separator.join([label, *cells]))
    return "\n".join(lines) + "\n"


def check(data, labels=("u", "v", "u")):
    assert data.labels.tolist() == list(labels)
    for array, (_, values) in zip(data.values, ROWS, strict=True):
        np.testing.assert_array_equal(array, np.array(values)[:, None])
    assert data.channels == ("channel 0",) and not data.named  # as in the files of the archives: by position


@pytest.mark.parametrize(
    "names",
    [("t0", "t1", "t2"), ("0", "1", "2"), ("1", "2", "3"), ("t_1", "t_2", "t_3"), ("time 5", "time 6", "time 7"), ("step-0", "step-1", "step-2"), ("att0", "att1", "att2"), ("T[0]", "T[1]", "T[2]"), ("timestep.01", "timestep.02", "timestep.03")],
)  # fmt: skip
@pytest.mark.parametrize("missing", ["", "NaN", "?"])
def test_one_row_is_one_sequence(tmp_path, names, missing):
    check(read_sequences(write(tmp_path, table(("label", *names), missing=missing))))
    check(read_sequences(write(tmp_path, table(("label", *names), missing=missing, separator="\t"), "a.tsv")))


def test_the_order_of_the_columns_is_that_of_their_numbers(tmp_path):
    text = "t10,label,t9,split,t11\n2.5,u,1.5,train,-3\n4,v,.25,test,\n,u,7,train,8\n"
    splits = read_splits(write(tmp_path, text))
    assert (splits.train.labels.tolist(), splits.test.labels.tolist()) == (["u", "u"], ["v"])
    np.testing.assert_array_equal(splits.train.values[0].ravel(), [1.5, 2.5, -3])


def test_names_before_the_number_are_channels(tmp_path):
    text = "label,t_0,t_1,time_0,time_1\nu,1,2,3,4\nv,5,,6,\n"
    data = read_sequences(write(tmp_path, text))
    assert (data.channels, data.named, data.lengths.tolist()) == (("t", "time"), True, [2, 1])
    np.testing.assert_array_equal(data.values[0], [[1, 3], [2, 4]])
    data = read_sequences(write(tmp_path, text.replace("t_", "speed_").replace("time_", "pulse_")), columns=Columns(table="wide"))
    assert data.channels == ("speed", "pulse")
    np.testing.assert_array_equal(data.values[0], [[1, 3], [2, 4]])


def test_columns_with_other_names(tmp_path):
    text = "who,class,jan,feb,mar\np,u,1.5,2.5,-3\nq,v,.25,4,\nr,u,7,,8\n"
    data = read_sequences(write(tmp_path, text), columns=Columns(id="who", label="class", table="wide"))
    check(data)
    assert data.ids == ("p", "q", "r")


def test_parquet_and_frames_are_the_same(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"label": [label for label, _ in ROWS], **{f"t{step}": [values[step] if step < len(values) else np.nan for _, values in ROWS] for step in range(3)}})
    frame.to_parquet(tmp_path / "a.parquet")
    check(read_sequences(tmp_path / "a.parquet"))
    check(sequences_from_columns(frame)[0])


NINE = [f"t{step}" for step in range(9)]


@pytest.mark.parametrize(
    "names",
    [
        ["label", "ch1", "ch2", "ch3"],  # channels whose id is missing, or steps?
        ["label", "x0", "x1", "x2"],
        ["id", "label", *NINE],  # a long table with nine channels, or a wide one with nine steps?
        ["id", *(str(step) for step in range(20))],
    ],
)
def test_what_may_be_long_or_wide_is_asked_about_and_an_option_says_it(tmp_path, names):
    rows = "".join(",".join(["p" if name == "id" else "u" if name == "label" else "1" for name in names]) + "\n" for _ in range(1))
    path = write(tmp_path, ",".join(names) + "\n" + rows)
    with pytest.raises(DataError, match=r"a.csv(.|\n)*wide table(.|\n)*table='wide'\) or Columns\(table='long'\)"):
        read_sequences(path)
    steps = len(names) - ("id" in names) - ("label" in names)
    assert read_sequences(path, columns=Columns(table="wide")).lengths.tolist() == [steps]
    if "id" in names:
        assert read_sequences(path, columns=Columns(table="long")).values[0].shape == (1, steps)
    else:
        with pytest.raises(DataError, match="no column 'id'"):
            read_sequences(path, columns=Columns(table="long"))


@pytest.mark.parametrize("names", ["id,time,t0,t1,t2,label", "id,a,b,label", "id,t0,t1,t2,label", "id,x1,x2,x3,x4,x5,x6,x7,x8,x9,label"])
def test_long_tables_stay_long(tmp_path, names):
    row = ["0"] * len(names.split(","))
    text = names + "\n" + ",".join(row) + "\n"
    assert read_sequences(write(tmp_path, text)).lengths.tolist() == [1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("label,t0,t1\nu,1,2\nv,x,3\n", "a.csv: column 't0' is not a number in line 3"),
        ("label,t0,t1\nu,1,2\nv,,\n", "a.csv: line 3 has no value"),
        ("label,t0,t1\nu,1,2\n,1,2\n", "a.csv: column 'label' is empty in line 3"),
        ("label,t0,t1\nu,1,2\nv,1\n", "a.csv, line 3: it has 2 cells"),
        ("label,t0,t1\n", "a.csv: the table has no rows"),
        ("label,t0,t2\nu,1,2\n", "no column 'id'"),
        ("label,t0,t1,note\nu,1,2,x\n", "no column 'id'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        read_sequences(write(tmp_path, text))


def test_what_is_wrong_where_a_wide_table_is_asked_for_is_named(tmp_path):
    wide = Columns(table="wide")
    for text, words in (
        ("label,t0,t1,note\nu,1,2,x\n", "column 'note' is no step"),
        ("label,t0,t2\nu,1,2\n", "have gaps"),
        ("label\nu\n", "not numbered"),
        ("id,label,t0,t1\np,u,1,2\np,v,1,2\n", r"two rows have the id 'p' \(line 3\)"),
    ):
        with pytest.raises(DataError, match=words):
            read_sequences(write(tmp_path, text), columns=wide)
    with pytest.raises(ArgumentError, match="table='broad'"):
        Columns(table="broad")


# --- without a header ------------------------------------------------------------------------------------------------------

UCR = table((), [("1" if label == "u" else "-2", values) for label, values in ROWS], missing="NaN", separator="\t")


def test_the_archive_has_no_header_and_the_class_first(tmp_path):
    for text in (UCR, UCR.replace("\n", "\t\n"), "\n" + UCR, UCR.replace("\n", "\r\n")):
        check(read_sequences(write(tmp_path, text, "Toy_TRAIN.tsv")), ("1", "-2", "1"))
    write(tmp_path, UCR, "Toy_TEST.tsv")
    splits = read_splits(tmp_path / "Toy_TRAIN.tsv")
    check(splits.test, ("1", "-2", "1"))


def test_its_older_files_have_spaces_or_commas(tmp_path):
    spaced = "".join("   " + "  ".join(f"{float(cell):.7e}" if cell != "NaN" else cell for cell in line.split("\t")) + "\n" for line in UCR.splitlines())
    check(read_sequences(write(tmp_path, spaced, "Toy_TRAIN.txt")), ("1", "-2", "1"))
    check(read_sequences(write(tmp_path, UCR.replace("\t", ","), "Toy.txt")), ("1", "-2", "1"))


@pytest.mark.parametrize(("column", "text"), [("0", UCR.replace("\t", ",")), ("-1", "1.5,2.5,-3,1\n.25,4,,-2\n7,,8,1\n"), ("3", "1.5,2.5,-3,1\n.25,4,,-2\n7,,8,1\n")])
def test_of_a_csv_without_a_header_it_is_asked_which_column_is_the_class(tmp_path, column, text):
    path = write(tmp_path, text)
    with pytest.raises(DataError, match=r"a.csv: it has no header, and nothing says which column is the class(.|\n)*label='0'(.|\n)*none"):
        read_sequences(path)
    check(read_sequences(path, columns=Columns(label=column)), ("1", "-2", "1"))
    assert read_sequences(path, columns=Columns(label=column), labels=False).labels is None


def test_words_as_classes_without_a_header(tmp_path):
    check(read_sequences(write(tmp_path, table((), separator="\t"), "a.tsv")))
    check(read_sequences(write(tmp_path, table(())), columns=Columns(label="0")))


def test_no_labels_at_all(tmp_path):
    text = "1.5\t2.5\t-3\n.25\t4\t\n7\t\t8\n"
    path = write(tmp_path, text, "a.tsv")
    with pytest.raises(DataError, match=r"its first column is no class: in line 1 it holds '1.5'(.|\n)*none"):
        read_sequences(path, labels=False)
    data = read_sequences(path, columns=Columns(label="none"))
    assert data.labels is None and data.lengths.tolist() == [3, 2, 3]


@pytest.mark.parametrize("first", ["0,1,2,3", "1\t2\t3\t4", "0.0,0.5,1.0,1.5", "5,6,7"])
def test_a_first_line_that_may_be_a_header_is_asked_about(tmp_path, first):
    separator = "\t" if "\t" in first else ","
    rows = "".join(separator.join([label, *["1.5"] * (len(first.split(separator)) - 1)]) + "\n" for label in "98")
    path = write(tmp_path, first + "\n" + rows, "a.tsv" if "\t" in first else "a.csv")
    with pytest.raises(DataError, match=r"may name the columns, or be the first sequence(.|\n)*header='yes'\) or form=Form\(header='no'\)"):
        read_sequences(path)
    assert len(read_sequences(path, columns=Columns(label="0"), form=Form(header="no"))) == 3


def test_a_header_of_numbers_can_be_said(tmp_path):
    path = write(tmp_path, "0,1,2\n1,1.5,2.5\n2,3.5,4.5\n")
    data = read_sequences(path, columns=Columns(label="0"), form=Form(header="yes"))
    assert (data.labels.tolist(), data.values[0].ravel().tolist()) == (["1", "2"], [1.5, 2.5])
    assert read_sequences(write(tmp_path, "label,2019,2020,2021\nu,1,2,3\n")).lengths.tolist() == [3]


def test_the_columns_that_are_said_must_be_there(tmp_path):
    with pytest.raises(DataError, match="no column 9 with the label"):
        read_sequences(write(tmp_path, UCR, "a.tsv"), columns=Columns(label="9"))
    with pytest.raises(DataError, match="line 2: it has 2 cells, the first line has 3"):
        read_sequences(write(tmp_path, "1\t0.5\t0.3\n2\t0.5\n", "a.tsv"))
    with pytest.raises(DataError, match="single column"):
        read_sequences(write(tmp_path, "1 0.5 0.3\n2 0.5 0.1\n", "a.tsv"), form=Form(header="no"))
