"""Large tables through pyarrow give the same as through Python's reader: values, ids, labels, and the same errors, over drawn tables."""

import builtins

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tenuto.data import Columns, Form, arrow, read_parts
from tenuto.errors import DataError

pytest.importorskip("pyarrow")

NUMBERS = st.one_of(
    st.floats(width=64, allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**25), 10**25).map(str),
    st.sampled_from(["0", "-0", "-0.0", "1.", ".5", "1e5", "1E-5", "+1", " 2 ", "007", "1e400", "1e-400", "4.9e-324", "0.1", "9007199254740993", "1.7976931348623157e308", "123456789012345678"]),
)
ODD = st.sampled_from(["", " ", "NA", "nan", "NaN", "-nan", "null", "None", "N/A", "?", "inf", "-inf", "Infinity", "1_000", "1,5", "0x10", "x", "true", "2026-01-31", "1e", "٣", "nan(1)", "#N/A", '"', '"1"', "1\u00a0"])
QUOTED = ['"a"', '"b"', '"a, b"', '"c;d"', '"e ""f"""', '"g\nh"', '""', '"i', 'j"', 'k"l', '"m" ', ' "n"', '"o"p', '"q\n\nr"', '"s\r\nt"', '""u""', '"""v"""', '"', "'w'"]
IDS = st.sampled_from(["a", "b", " a", "a ", "1", "01", "1.0", "ü", "12345678901234567890", "a b", "'a'", "nano"])
TIMES = {
    "numbers": st.one_of(st.integers(0, 50).map(str), st.floats(0, 99, allow_nan=False).map(lambda value: f"{value:.3f}"), st.integers(10**18, 10**18 + 9).map(str)),
    "dates": st.dates().map(str),
    "moments": st.datetimes().map(lambda value: value.isoformat(sep=" ", timespec="seconds")),
    "odd": st.one_of(st.sampled_from(["9:30", "10:05", "", "1", "NaT", "2026-01-31", "2 days 03:00:00", "x"]), NUMBERS),
}


@st.composite
def tables(draw):
    separator, suffix = draw(st.sampled_from([(",", ".csv"), (";", ".csv"), ("\t", ".tsv"), ("|", ".csv")]))
    kind = draw(st.sampled_from(sorted(TIMES)))
    cell = NUMBERS if draw(st.integers(0, 3)) else st.one_of(NUMBERS, NUMBERS, NUMBERS, ODD)
    columns = {"id": draw(st.sampled_from([IDS, IDS, IDS, st.one_of(IDS, ODD), st.sampled_from(QUOTED[:6]), st.sampled_from(QUOTED)]))}
    if draw(st.integers(0, 3)) == 0:
        cell = cell.map(lambda text: f'"{text}"')
    if draw(st.booleans()):
        columns["time"] = TIMES[kind]
    columns |= {"x": cell, "channel y": cell}
    if draw(st.booleans()):
        columns["label"] = st.sampled_from(["u", "ü v", "1"]) if draw(st.booleans()) else st.just("u")
    if draw(st.integers(0, 3)) == 0:
        columns["split"] = st.just("train")
    names = draw(st.permutations(list(columns)))
    rows = draw(st.lists(st.tuples(*(columns[name] for name in names)), min_size=1, max_size=12))
    if draw(st.integers(0, 9)) == 0:
        rows = [rows[0][:-1], *rows]
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    blank = draw(st.sampled_from(["", "", "", end, end + " "]))
    written = [f'"{name}"' for name in names] if draw(st.booleans()) else names
    text = draw(st.sampled_from(["", "", "\ufeff", end])) + separator.join(written) + end + "".join(separator.join(row) + end + blank for row in rows)
    if draw(st.booleans()):
        text = text.removesuffix(end)
    return text, suffix, Form(separator=separator)


def content(path, **how):
    """What is read, or the error's text."""
    try:
        parts = read_parts(path, **how)
    except DataError as error:
        return str(error)
    found = {}
    for name, data in parts.items():
        labels = None if data.labels is None else data.labels.tolist()
        found[name] = (data.ids, labels, data.channels, data.lengths.tolist(), [values.tobytes() for values in data.values], [values.dtype.str for values in data.values])
    return found


def both(path, monkeypatch, **how):
    used = []
    whole = arrow.read_columns

    def counted(*given, **more):
        found = whole(*given, **more)
        used.append(found is not None)
        return found

    with monkeypatch.context() as changed:
        changed.setattr(arrow, "LEAST", 0)
        changed.setattr("tenuto.data.rows.read_columns", counted)
        quick = content(path, **how)
    with monkeypatch.context() as changed:
        changed.setattr(arrow, "LEAST", 1 << 60)
        assert content(path, **how) == quick
    return quick, any(used)


COUNT = {"quick": 0, "all": 0}


@settings(max_examples=300, deadline=None)
@example(("x,time,id\n1,1e400,a\n", ".csv", Form()), Columns())  # a time beyond all numbers
@given(tables(), st.sampled_from([Columns(), Columns(channels=("x",)), Columns(label="none there")]))
def test_drawn_tables(tmp_path_factory, table, columns):
    text, suffix, form = table
    path = tmp_path_factory.mktemp("drawn") / f"a{suffix}"
    path.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as monkeypatch:
        _, quick = both(path, monkeypatch, columns=columns, form=form)
        both(path, monkeypatch, columns=columns, form=form, labels=False)
    COUNT["all"] += 1
    COUNT["quick"] += quick


def test_many_of_them_went_through_pyarrow():
    assert COUNT["quick"] > COUNT["all"] / 8


@pytest.mark.parametrize(
    ("text", "quick"),
    [
        ("id,time,x,label\na,1,2.5,u\na,0,1.5,u\nb,0,,v\n", True),
        ("id,time,x\na,2026-01-31,1\na,2026-01-30,2\n", True),
        ('"id","time","x"\n"a, b","0",1\n"b ""c""\nd",0,"2"\n', True),
        ('id,time,x\n"a,0,1\n"b",0,2\n', False),
        ('id,time,x\n"a"b,0,1\n', False),
        ('id,time,x\na"b,0,1\n', False),
        ("id,x\na,1\na,inf\n", False),
        ("id,x\na,1\na,2,3\n", False),
        ("id,x,x\na,1,2\n", False),
        ("id,x\na,1\0\n", False),
        ("label,t0,t1\nu,1,2\n", False),  # a wide table
    ],
)  # fmt: skip
def test_which_tables_go_through_pyarrow(tmp_path, monkeypatch, text, quick):
    (tmp_path / "a.csv").write_text(text)
    assert both(tmp_path / "a.csv", monkeypatch)[1] == quick


def test_a_decimal_comma_goes_through_it_too(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("id;time;x\na;1,5;2,25\na;0,5;1\n")
    found, quick = both(tmp_path / "a.csv", monkeypatch, form=Form(separator=";", decimal=","))
    assert quick and np.frombuffer(found["all"][4][0]).tolist() == [1.0, 2.25]


def test_an_error_names_the_line_though_pyarrow_has_read_the_table(tmp_path, monkeypatch):
    rows = "".join(f"a,{row},1\n\n" for row in range(4))
    (tmp_path / "a.csv").write_text("id,time,x\n" + rows + "a,3,1\n")
    found, quick = both(tmp_path / "a.csv", monkeypatch)
    assert quick and "two rows with the same time (line 10)" in found


def test_without_pyarrow_a_table_is_read_alike(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("id,time,x\na,1,2\na,0,1\n")
    usual, whole = builtins.__import__, content(tmp_path / "a.csv")

    def none(name, *rest):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return usual(name, *rest)

    monkeypatch.setattr(arrow, "LEAST", 0)
    monkeypatch.setattr(builtins, "__import__", none)
    assert content(tmp_path / "a.csv") == whole
