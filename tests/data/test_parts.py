"""Which file of a folder is which part: one rule for all kinds of data."""

import pytest

from tenuto.data import Parts, read_labelled_text_splits, read_pair_splits, read_splits, read_tagged_splits
from tenuto.data.parts import choose_part, find_parts, find_siblings, split_name
from tenuto.data.text.text import read_text_splits
from tenuto.errors import ArgumentError, DataError

# What a file of the family holds, how it ends, and who reads a folder of such files.
FAMILIES = {
    "sequences": ("id,x,label\na,1,u\n", ".csv", read_splits),
    "tagged": ("play\tO\n", ".tsv", read_tagged_splits),
    "labelled text": ("text,label\none,u\n", ".csv", read_labelled_text_splits),
    "text": ("some text\n", ".txt", read_text_splits),
    "pairs": ("cat\tK\n", ".tsv", read_pair_splits),
}
every_family = pytest.mark.parametrize(("content", "suffix", "read"), FAMILIES.values(), ids=list(FAMILIES))


def fill(folder, names, content="x"):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def parts_of(splits):
    return [part and part.path.rsplit("/", 1)[1] for part in (splits.train, splits.validation, splits.test)]


@every_family
@pytest.mark.parametrize(
    "names",
    [
        ("train", "validation", "test"),
        ("TRAIN", "Valid", "Test"),
        ("training", "val", "testing"),
        ("toy_train", "toy-dev", "toy.test"),
        ("en-train.upos", "en-dev.upos", "test-en.upos"),
        ("train", None, "a_test"),
        ("train", None, None),
    ],
)
def test_a_name_says_which_part_a_file_is(tmp_path, content, suffix, read, names):
    files = [name and name + suffix for name in names]
    splits = read(fill(tmp_path / "set", [*filter(None, files), "notes" + suffix, "train.md", "latest" + suffix, "contest" + suffix], content))
    assert isinstance(splits, Parts)
    assert parts_of(splits) == files


@every_family
def test_a_bare_name_is_preferred_to_a_longer_one(tmp_path, content, suffix, read):
    names = ["train", "old_train", "train_notes", "test_one", "the_test", "dev_test_dev.more"]
    splits = read(fill(tmp_path / "set", [name + suffix for name in names], content))
    assert parts_of(splits) == ["train" + suffix, "dev_test_dev.more" + suffix, "the_test" + suffix]


@every_family
def test_two_files_for_a_part_and_none_are_refused(tmp_path, content, suffix, read):
    two = fill(tmp_path / "two", [f"a_train{suffix}", f"b_train{suffix}"], content)
    with pytest.raises(DataError, match=rf"2 sets for the train part(.|\n)*a_train\{suffix}, b_train\{suffix}"):
        read(two)
    with pytest.raises(DataError, match=r"holds no data set(.|\n)*train\.(.|\n)*notes.md"):
        read(fill(tmp_path / "notes", ["notes.md"], content))
    with pytest.raises(DataError, match="an empty folder"):
        read(fill(tmp_path / "empty", []))
    with pytest.raises(DataError, match="has no training part"):
        read(fill(tmp_path / "tested", [f"test{suffix}"], content))
    with pytest.raises(DataError, match="there is no file"):
        read(tmp_path / f"absent{suffix}")


@every_family
def test_a_test_file_may_be_given(tmp_path, content, suffix, read):
    folder = fill(tmp_path / "set", [f"train{suffix}", f"test{suffix}", f"other{suffix}"], content)
    assert parts_of(read(folder, test=folder / f"other{suffix}")) == ["train" + suffix, None, "other" + suffix]


def test_a_file_finds_its_siblings_by_the_rest_of_its_name(tmp_path):
    fill(tmp_path, ["Toy_TRAIN.ts", "Toy_TEST.ts", "Toy_TEST.csv", "Toy-dev.ts", "Other_TRAIN.ts", "test_one.ts", "train_one.ts"])
    assert find_siblings(tmp_path / "Toy_TRAIN.ts", (".ts",)) == {"train": tmp_path / "Toy_TRAIN.ts", "test": tmp_path / "Toy_TEST.ts"}
    assert find_siblings(tmp_path / "train_one.ts", (".ts",)) == {}  # a name that only begins with the word has no siblings
    assert find_siblings(tmp_path / "Toy_TEST.csv", (".ts",)) == {}
    fill(tmp_path, ["Toy_training.ts"])
    for name in ("Toy_TRAIN.ts", "Toy_training.ts"):  # of two training files, the one that was given
        assert find_siblings(tmp_path / name, (".ts",)) == {"train": tmp_path / name, "test": tmp_path / "Toy_TEST.ts"}
    with pytest.raises(DataError, match=r"2 sets for the train part(.|\n)*the path of the training file itself"):
        find_siblings(tmp_path / "Toy_TEST.ts", (".ts",))


def test_the_part_that_is_asked_for_or_the_default_one(tmp_path):
    assert choose_part(tmp_path, {"train": 1, "test": 2}, None) == 2
    assert choose_part(tmp_path, {"all": 3}, None) == 3
    assert choose_part(tmp_path, {"train": 1, "validation": 4}, None) == 1
    assert choose_part(tmp_path, {"train": 1, "test": 2}, "train") == 1
    with pytest.raises(DataError, match=r"has no validation part(.|\n)*received  train"):
        choose_part(tmp_path, {"train": 1}, "validation")
    with pytest.raises(ArgumentError, match="is not a split"):
        choose_part(tmp_path, {"train": 1}, "dev")


def test_a_word_that_means_no_part_is_refused():
    assert [split_name(word) for word in ("Train", " testing ", "dev", "VAL")] == ["train", "test", "validation", "validation"]
    with pytest.raises(DataError, match="'holdout' is not a split"):
        split_name("holdout")


def test_folders_count_where_they_hold_the_line_file(tmp_path):
    for name in ("train", "dev", "test"):
        fill(tmp_path / name, ["seq.in"] if name != "test" else ["notes"])
    assert list(find_parts(tmp_path, (".conll",), line_file="seq.in")) == ["train", "validation"]
    assert find_parts(tmp_path / "train", (".conll",), line_file="seq.in") == {"train": tmp_path / "train"}
    with pytest.raises(DataError, match="holds no data set"):
        find_parts(tmp_path, (".conll",))
