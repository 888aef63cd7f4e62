"""The shipped data: the bytes that SOURCES.md describes, and the sizes that are published for them."""

import hashlib

import pytest

from tenuto.data import read_splits
from tenuto.data.audio.read import read_recording_splits
from tenuto.data.sets import path_of
from tenuto.errors import ArgumentError

DIGEST = "8a256ed1af819197c441599f983076d92b6321f7c18203100d0c470dad692d29"


def test_japanese_vowels_is_the_file_that_is_described():
    path = path_of("japanese_vowels")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == DIGEST
    assert DIGEST in path.with_name("SOURCES.md").read_text(encoding="utf-8")


def test_japanese_vowels_has_its_published_sizes():
    splits = read_splits(path_of("japanese_vowels"))
    assert (len(splits.train), len(splits.test), splits.validation) == (270, 370, None)
    assert set(splits.train.class_counts.values()) == {30}
    assert list(splits.test.class_counts.values()) == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    assert len(splits.train.channels) == 12
    assert (min(splits.train.lengths.min(), splits.test.lengths.min()), splits.test.lengths.max()) == (7, 29)
    assert splits.train.sha256 == DIGEST
    assert splits.test.origin == "split 'test' of the file"


def test_air_passengers_is_the_file_that_is_described():
    path = path_of("air_passengers")
    assert hashlib.sha256(path.read_bytes()).hexdigest() in path.with_name("SOURCES.md").read_text(encoding="utf-8")


def test_spoken_digits_are_the_files_that_are_described():
    path = path_of("spoken_digits")
    assert hashlib.sha256((path / "metadata.csv").read_bytes()).hexdigest() in path.with_name("SOURCES.md").read_text(encoding="utf-8")
    parts = read_recording_splits(path)
    assert (len(parts.train), len(parts.test)) == (300, 120) and set(parts.train.class_counts.values()) == {30} and set(parts.test.class_counts.values()) == {12}
    assert {wave.rate for wave in parts.train.waves} == {8000} and len(set(parts.train.speakers)) == 6 and parts.train.rejects == ()


def test_an_unknown_set_is_refused():
    with pytest.raises(ArgumentError, match="japanese_vowels"):
        path_of("english_vowels")
