"""Labelled texts in tables without a header: known by their content where that is sure, else asked about."""

import pytest

from tenuto.data import Form, read_labelled_text
from tenuto.errors import DataError

SMS = "ham\tGo until jurong point\nspam\tFree entry in 2 a wkly comp\nham\tOk lar\nham\tOk lar\n"
NO = Form(header="no")


def read(tmp_path, text, name="a.tsv", **how):
    (tmp_path / name).write_text(text, encoding="utf-8")
    data = read_labelled_text(tmp_path / name, **how)
    return list(data.texts), None if data.labels is None else data.labels.tolist()


def turned(text, separator="\t"):
    return "".join(separator.join(reversed(line.split("\t"))) + "\n" for line in text.splitlines())


EXPECTED = (["Go until jurong point", "Free entry in 2 a wkly comp", "Ok lar", "Ok lar"], ["ham", "spam", "ham", "ham"])


@pytest.mark.parametrize("form", [Form(), NO])
def test_the_content_says_which_column_is_the_label(tmp_path, form):
    assert read(tmp_path, SMS, form=form) == EXPECTED
    assert read(tmp_path, turned(SMS), form=form) == EXPECTED
    assert read(tmp_path, turned(SMS, ","), "a.csv", form=form) == EXPECTED
    names = "Abe\tJapanese\nAdams\tOld English\nBaba\tJapanese\nBell\tOld English\n"
    assert read(tmp_path, names, form=form) == (["Abe", "Adams", "Baba", "Bell"], ["Japanese", "Old English"] * 2)


def test_a_header_with_other_names_is_no_text(tmp_path):
    for header in ("review\tsentiment", "sentence\tlabel"):
        with pytest.raises(DataError, match=r"no column 'text'(.|\n)*text_column(.|\n)*header='no'"):
            read(tmp_path, header + "\n" + turned(SMS))
        name, label = header.split("\t")
        assert read(tmp_path, header + "\n" + turned(SMS), text_column=name, label_column=label) == EXPECTED


def test_what_is_not_sure_is_asked_about(tmp_path):
    few = "good\ta fine film\nbad\ttoo long\n"  # the first line may be a header
    with pytest.raises(DataError, match="header='no'"):
        read(tmp_path, few)
    assert read(tmp_path, few, form=NO) == (["a fine film", "too long"], ["good", "bad"])
    alike = "a\tb\nc\td\n"
    with pytest.raises(DataError, match=r"nothing says which column holds the texts(.|\n)*column 0: 'a'; column 1: 'b'"):
        read(tmp_path, alike, form=NO)
    assert read(tmp_path, alike, form=NO, text_column="1") == (["b", "d"], ["a", "c"])
    three = "1\tgood\ta fine film\n2\tgood\ttoo long\n"
    with pytest.raises(DataError, match="nothing says which column holds the texts"):
        read(tmp_path, three, form=NO)
    for how in ({"text_column": "2", "label_column": "1"}, {"text_column": "-1", "label_column": "-2"}):
        assert read(tmp_path, three, form=NO, **how) == (["a fine film", "too long"], ["good", "good"])
        assert read(tmp_path, three, **how) == (["a fine film", "too long"], ["good", "good"])  # "good" occurs again, so there is no header


def test_a_single_column_is_texts(tmp_path):
    assert read(tmp_path, "a fine film\ntoo long\n", form=NO) == (["a fine film", "too long"], None)


def test_a_row_of_another_length_is_named(tmp_path):
    with pytest.raises(DataError, match="line 3: it has 3 cells, the first line has 2"):
        read(tmp_path, "ham\ta b\nham\tc d\nham\te\tf\n", form=NO, text_column="1")
