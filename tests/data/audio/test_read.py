"""Manifests of all kinds give the same recordings; what is wrong with one is a reject with its reason (S12)."""

import gzip
import json

import numpy as np
import pytest
import soundfile

from tenuto.data.audio.kaldi import listed_in_kaldi
from tenuto.data.audio.manifests import AudioColumns, Listed, files_below, listed_in
from tenuto.data.audio.read import read_recording_splits, read_recordings
from tenuto.data.audio.recordings import Recordings, Reject, split_by_speaker
from tenuto.data.audio.wave import Wave
from tenuto.data.sets import path_of
from tenuto.errors import ArgumentError, DataError
from tests.data.audio.sounds import sound, wave

A, B = sound(4000), sound(6000, seed=1)


@pytest.fixture
def place(tmp_path):
    """Two files, 0.5 s and 0.75 s long."""
    for name, x in (("a", A), ("b", B)):
        soundfile.write(tmp_path / f"{name}.wav", x, 8000, subtype="FLOAT")
    return tmp_path


def same(found, texts=("yes", "no")):
    assert [tuple(one.samples) for one in found.waves] == [tuple(A), tuple(B[2000:4000])] and found.texts == list(texts)
    assert found.speakers == ["ann", "bob"] and found.rejects == ()


def test_every_kind_of_manifest_says_the_same(place):
    (place / "list.csv").write_text("path,text,speaker,start,end\na.wav,yes,ann,,\nb.wav,no,bob,0.25,0.5\n")
    nemo = [{"audio_filepath": "a.wav", "duration": 0.5, "text": "yes", "speaker": "ann"}, {"audio_filepath": "b.wav", "offset": 0.25, "duration": 0.25, "text": "no", "speaker": "bob"}]
    (place / "nemo.jsonl").write_text("".join(json.dumps(one) + "\n" for one in nemo))
    cuts = [
        {"id": name, "start": start, "duration": lasts, "recording": {"id": name, "sources": [{"type": "file", "channels": [0], "source": f"{name}.wav"}]}, "supervisions": [{"text": text, "speaker": speaker}]}
        for name, start, lasts, text, speaker in (("a", 0, 0.5, "yes", "ann"), ("b", 0.25, 0.25, "no", "bob"))
    ]  # fmt: skip
    (place / "cuts.jsonl.gz").write_bytes(gzip.compress("".join(json.dumps(one) + "\n" for one in cuts).encode()))
    kaldi = place / "kaldi"
    kaldi.mkdir()
    (kaldi / "wav.scp").write_text("ra ../a.wav\nrb ../b.wav\n")
    (kaldi / "segments").write_text("ua ra 0 -1\nub rb 0.25 0.5\n")
    (kaldi / "text").write_text("ua yes\nub no\n")
    (kaldi / "utt2spk").write_text("ua ann\nub bob\n")
    for name in ("list.csv", "nemo.jsonl", "cuts.jsonl.gz", "kaldi"):
        same(read_recordings(place / name))
    assert [one.identity for one in listed_in_kaldi(kaldi)[0]] == ["ua", "ub"]
    assert listed_in(place / "list.csv")[0][1] == Listed("b.wav@0.25", place / "b.wav", 0.25, 0.5, "no", None, "bob")


def test_a_cut_of_one_channel_is_that_channel(place):
    """Two people on a telephone, one on each channel: each has a text of its own."""
    soundfile.write(place / "both.wav", np.stack([A, B[:4000]], 1), 8000, subtype="FLOAT")
    cuts = [
        {"id": name, "start": 0, "duration": 0.5, "channel": channel, "recording": {"sources": [{"type": "file", "channels": [0, 1], "source": "both.wav"}]}, "supervisions": [{"text": name}]}
        for name, channel in (("left", 0), ("right", [1]), ("mixed", [0, 1]))
    ]  # fmt: skip
    (place / "cuts.jsonl").write_text("".join(json.dumps(one) + "\n" for one in cuts))
    found = read_recordings(place / "cuts.jsonl")
    assert found.texts == ["left", "right", "mixed"]
    for one, expected in zip(found.waves, (A, B[:4000], (A + B[:4000]) / 2)):
        np.testing.assert_allclose(one.samples, expected, atol=1e-7)


def test_spaces_or_tabs_stand_between_the_words_of_kaldis_files(place):
    (place / "wav.scp").write_text("ra\ta.wav\nrb  \t b.wav\n")
    (place / "segments").write_text("ua\tra\t0\t-1\nub rb 0.25\t0.5\n")
    (place / "text").write_text("ua\tyes it  is\nub\n")
    (place / "utt2spk").write_text("ua\tann\nub\tbob\n")
    same(read_recordings(place), texts=("yes it  is", ""))


def test_odd_lines_of_a_list_are_rejects(place):
    """One line that is not as it should be does not end the reading of the others."""
    cut = {"id": "c", "recording": {"sources": [{"type": "file", "source": "a.wav"}]}, "supervisions": [{"text": "yes"}]}
    odd = [{"path": None}, {"text": "no"}, {**cut, "recording": {"sources": [{"type": "file"}]}}, {**cut, "recording": {"sources": "a.wav"}}, {**cut, "recording": {}}, {"path": "a\0.wav"}, {"path": "x" * 5000}, {"path": "."}, {"path": "a.wav", "start": float("nan"), "end": "x"}]
    fine = [{**cut, "supervisions": "none"}, {"path": "b.wav", "text": float("nan"), "end": None}, {**cut, "id": "d", "start": 0.1, "supervisions": [3, {"text": None}]}]
    (place / "list.jsonl").write_text("".join(json.dumps(one) + "\n" for one in [*odd, *fine]))
    found = read_recordings(place / "list.jsonl")
    assert found.ids == ("c", "b.wav", "d") and found.texts is None and len(found.rejects) == len(odd) and all(one.reason for one in found.rejects)


def test_a_text_beside_a_file_is_in_utf8(place):
    (place / "a.txt").write_bytes(b"\xef\xbb\xbfyes")
    (place / "b.txt").write_text("no")
    assert read_recordings(place).texts == ["yes", "no"]
    (place / "b.txt").write_bytes("früh".encode("latin-1"))
    with pytest.raises(DataError, match=r"b.txt is .*not UTF-8"):
        read_recordings(place)


def test_a_folder_of_files_has_classes_and_texts(place):
    for label in ("yes", "no"):
        (place / "train" / label).mkdir(parents=True)
        soundfile.write(place / "train" / label / "one.wav", A, 8000)
        (place / "train" / label / "one.txt").write_text(f"{label}\n")
    found = read_recordings(place / "train")
    assert found.labels.tolist() == found.texts == ["no", "yes"] and found.ids == ("no/one.wav", "yes/one.wav")
    assert [one.label for one in files_below(place / "train")] == ["no", "yes"]
    parts = read_recording_splits(place, test=place / "a.wav")
    assert len(parts.train) == 2 and parts.test.ids == ("a.wav",) and parts.test.labels is None
    assert len(read_recordings(place / "a.wav")) == 1 and read_recordings(place / "train", answers=False).labels is None


def test_parts_and_other_names_of_columns(place):
    (place / "list.tsv").write_text("file\twords\tpart\na.wav\tyes\tdev\nb.wav\tno\ttrain\n")
    columns = AudioColumns(audio="file", text="words", split="part")
    parts = read_recording_splits(place / "list.tsv", columns=columns)
    assert parts.train.texts == ["no"] and parts.validation.texts == ["yes"] and parts.test is None
    with pytest.raises(DataError, match=r"line 2: it does not say which file is meant[\s\S]*audio_column"):
        read_recordings(place / "list.tsv")
    with pytest.raises(ArgumentError, match="'part' is not a split"):
        read_recordings(place / "list.tsv", split="part", columns=columns)


def test_s12_what_cannot_be_read_is_a_reject_and_the_rest_is_read(place):
    (place / "bad.wav").write_text("no sound")
    soundfile.write(place / "none.wav", np.zeros(0), 8000)
    rows = ["a.wav,,", "gone.wav,,", "bad.wav,,", "none.wav,,", "b.wav,0.5,2.0", "b.wav,x,", "b.wav,0.2,0.1", "a.wav,,", "b.wav,0.70003,0.70004"]
    (place / "list.csv").write_text("path,start,end\n" + "\n".join(rows) + "\n")
    found = read_recordings(place / "list.csv")
    assert found.ids == ("a.wav",) and found.texts is None
    said = ["there is no file", "cannot be read", "holds no samples", "the file has 0.750 s", "'x' is not a time in seconds", "from 0.2 s to 0.1 s", "names it twice", "no sample lies"]
    assert len(found.rejects) == len(said) and all(isinstance(one, Reject) and wanted in one.reason for one, wanted in zip(found.rejects, said))
    (place / "list.csv").write_text("path\ngone.wav\n")
    with pytest.raises(DataError, match=r"there are no recordings[\s\S]*1 that cannot: gone.wav: there is no file"):
        read_recordings(place / "list.csv")


def test_what_a_list_gets_wrong_as_a_whole_is_an_error(place):
    kaldi = place / "kaldi"
    kaldi.mkdir()
    (kaldi / "wav.scp").write_text("a ../a.wav\npiped sox b.wav -t wav - |\n")
    assert "commands are not run" in read_recordings(kaldi).rejects[0].reason
    (kaldi / "text").write_text("a yes\na no\n")
    with pytest.raises(DataError, match="line 2: 'a' stands there twice"):
        read_recordings(kaldi)
    (kaldi / "text").unlink()
    (kaldi / "segments").write_text("u a 0\n")
    with pytest.raises(DataError, match="the segment 'u' is not written"):
        read_recordings(kaldi)
    (place / "list.jsonl").write_text('{"path": "a.wav", "text": "yes"}\n{"path": "b.wav"}\n')
    with pytest.raises(DataError, match=r"'b.wav' has no text, and others have"):
        read_recordings(place / "list.jsonl")
    (place / "empty").mkdir()
    for name, said in (("empty", "holds no recordings"), ("gone", "no file or folder"), ("list.doc", "a format that recordings are not read from")):
        (place / "list.doc").write_text("")
        with pytest.raises(DataError, match=said):
            read_recordings(place / name)


def test_recordings_from_arrays_and_paths(place):
    given = Recordings.of([place / "a.wav", wave(300), A[:200]], ["x", "y", "x"], rate=8000)
    assert given.class_counts == {"x": 2, "y": 1} and given.ids[0].endswith("a.wav") and given.seconds.tolist() == [0.5, 300 / 8000, 0.025]
    assert Recordings.of(given) is given and Recordings.of(given, ["", "no", "yes"], transcribed=True).require_texts() == ["", "no", "yes"]
    assert given.select([2, 0]).labels.tolist() == ["x", "x"] and given.sha256 == Recordings.of(given.waves, ["x", "y", "x"]).sha256 != given.select([0, 1]).sha256
    for call, said in (
        (lambda: Recordings.of([A]), "does not say its rate"), (lambda: Recordings.of("a.wav"), "a single path is not a set"), (lambda: Recordings.of(wave(300)), "a single recording is not a set"), (lambda: Recordings([]), "there are no recordings"),
        (lambda: Recordings.of(given, ["x"]), "not as many labels"), (given.require_texts, "have no transcripts"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=said):
            call()


def test_many_speakers_are_wholly_in_one_part():
    speakers = [f"s{number % 12}" for number in range(48)]
    rest, held = split_by_speaker(Recordings([Wave(A[:9], 8000)] * 48, speakers=speakers), 0.25, seed=0)
    assert not set(rest.speakers) & set(held.speakers) and len(set(held.speakers)) == 3 and "3 of 12 speakers" in held.origin
    few = Recordings([Wave(A[:9], 8000)] * 8, speakers=["s"] * 8)
    assert [len(part) for part in split_by_speaker(few, 0.25, seed=0)] == [6, 2]


def test_a_set_in_metadata_csv_is_called_after_its_folder():
    assert read_recordings(path_of("spoken_digits"), split="test").came_from.name.startswith("spoken_digits")
