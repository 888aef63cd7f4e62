"""The run folder: nothing is overwritten, nothing half-written, and every damage is noticed and named."""

import errno
import json
import os

import pytest
import torch

from tenuto.cli.configuration import configuration_of
from tenuto.errors import RunError
from tenuto.runs.folder import claim, digest_of, killed_early, read_config
from tenuto.tasks import Run, read_run, write_run

PARTS = {
    "config": {"task": "toy", "tenuto": "0", "number": 0.1, "word": "ü"},
    "metrics": [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": float("nan")}],
    "evaluation": {"classes": ["a"], "value": float("inf")},
}


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run", tensors={"w": torch.ones(2, 3)}, **PARTS)


def test_what_is_written_is_read(run):
    read = read_run(run)
    assert isinstance(read, Run)
    assert (read.config["word"], read.config["format"], read.config["format_version"]) == ("ü", "tenuto run", 2)
    assert read.metrics == [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": None}]
    assert read.evaluation == {"classes": ["a"], "value": None}
    torch.testing.assert_close(read.tensors(), {"w": torch.ones(2, 3)})
    assert sorted(os.listdir(run)) == ["config.json", "evaluation.json", "metrics.jsonl", "model.safetensors"]


def test_a_report_and_notes_beside_the_files_are_not_damage(run):
    (run / "report.html").write_text("x", encoding="utf-8")
    (run / "notes.txt").write_text("x", encoding="utf-8")
    read_run(run)


@pytest.mark.parametrize("name", ["model.safetensors", "metrics.jsonl", "evaluation.json"])
def test_a_missing_or_changed_file_is_named(run, name):
    content = (run / name).read_bytes()
    for damaged in (content[:-1], content + b" ", b"", content.replace(b"1", b"2", 1)[:-1] + b"\x00"):
        (run / name).write_bytes(damaged)
        with pytest.raises(RunError, match=rf"{name} in the run (.|\n)*digest differs(.|\n)*fix"):
            read_run(run)
    (run / name).unlink()
    with pytest.raises(RunError, match=rf"lacks {name}"):
        read_run(run)


def test_a_checkpoint_may_be_in_the_folder_of_its_run(tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes(b"x")
    read_run(write_run(tmp_path, tensors={"w": torch.ones(2)}, **PARTS))
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == b"x"


def test_a_changed_config_is_noticed(run):
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    config["number"] = 0.2
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(RunError, match=r"config.json was changed after it was written"):
        read_run(run)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "config.json cannot be read"),
        (b'{"format": "tenuto r', "config.json cannot be read"),
        (b"\xff\xfe", "config.json cannot be read"),
        (b'{"model_type": "bert"}', r"was not written by tenuto(.|\n)*null"),
        (b"[1]", "was not written by tenuto"),
        (b'{"format": "tenuto run", "format_version": 99, "tenuto": "9.9"}', r"does not know(.|\n)*written by tenuto 9.9"),
    ],
)
def test_a_foreign_or_broken_config_is_named(run, content, words):
    (run / "config.json").write_bytes(content)
    with pytest.raises(RunError, match=words):
        read_run(run)
    before = sorted(os.listdir(run))
    with pytest.raises(RunError, match=words):
        write_run(run, tensors={}, overwrite=True, **PARTS)
    assert sorted(os.listdir(run)) == before


def test_what_is_not_a_run_folder_is_named(tmp_path):
    with pytest.raises(RunError, match="there is no run folder"):
        read_config(tmp_path / "absent")
    with pytest.raises(RunError, match=r"not a complete run(.|\n)*an empty folder"):
        read_run(tmp_path)
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(RunError, match=r"there is no run folder(.|\n)*a file"):
        read_run(tmp_path / "file")
    with pytest.raises(RunError, match="is a file, not a folder"):
        claim(tmp_path / "file")


def test_a_folder_with_other_things_in_it_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x", encoding="utf-8")
    for overwrite in (False, True):
        with pytest.raises(RunError, match=r"not empty(.|\n)*thesis.tex(.|\n)*nothing was written"):
            write_run(tmp_path, tensors={}, overwrite=overwrite, **PARTS)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_complete_run_is_replaced_only_when_asked(run):
    (run / "report.html").write_text("of the old run", encoding="utf-8")
    with pytest.raises(RunError, match=r"already holds a complete run(.|\n)*overwrite=True"):
        write_run(run, tensors={}, **PARTS)
    write_run(run, tensors={"v": torch.zeros(1)}, overwrite=True, **PARTS)
    assert list(read_run(run).tensors()) == ["v"]
    assert not (run / "report.html").exists()


def test_what_an_interrupted_run_left_may_be_replaced(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("{}\n", encoding="utf-8")
    (tmp_path / ".model.safetensors.x1.partial").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match="not a complete run"):
        read_run(tmp_path)
    write_run(tmp_path, tensors={}, **PARTS)
    read_run(tmp_path)


class Fails:
    """A function of `os` that fails at its n-th call: a disk that is full, or one that has become read-only."""

    def __init__(self, patch, name, at, number=errno.ENOSPC):
        self.left, self.real, self.number = at, getattr(os, name), number
        patch.setattr(os, name, self)

    def __call__(self, *given, **named):
        self.left -= 1
        if self.left == 0:
            raise OSError(self.number, os.strerror(self.number))
        return self.real(*given, **named)


def state_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name, times, number", [("fsync", 4, errno.ENOSPC), ("replace", 4, errno.EROFS), ("rename", 1, errno.EDQUOT)])
def test_a_disk_that_fails_while_a_run_is_replaced_loses_nothing(tmp_path, monkeypatch, name, times, number):
    """Whichever file it fails at: the run that stood there is whole, and so is everything else in the folder."""
    for at in range(1, times + 1):
        folder = write_run(tmp_path / str(at), tensors={"w": torch.ones(2)}, **PARTS)
        for file, content in {"report.html": "of the old run", "config.toml": "mine", "notes.txt": "mine too"}.items():
            (folder / file).write_text(content, encoding="utf-8")
        before = state_of(folder)
        with monkeypatch.context() as patch:
            Fails(patch, name, at, number)
            with pytest.raises(RunError, match=rf"could not be written: {os.strerror(number)}(.|\n)*the run that stood there is still whole"):
                write_run(folder, tensors={"v": torch.zeros(2)}, overwrite=True, **PARTS)
        assert state_of(folder) == before
        write_run(folder, tensors={"v": torch.zeros(2)}, overwrite=True, **PARTS)
        assert list(read_run(folder).tensors()) == ["v"]
        assert sorted(os.listdir(folder)) == ["config.json", "config.toml", "evaluation.json", "metrics.jsonl", "model.safetensors", "notes.txt"]


def test_a_new_run_on_a_full_disk_is_no_run(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        Fails(patch, "fsync", 3)
        with pytest.raises(RunError, match=r"No space left(.|\n)*does not count as a run"):
            write_run(tmp_path / "run", tensors={}, **PARTS)
    assert os.listdir(tmp_path / "run") == []


def test_killed_while_a_run_takes_the_place_of_another_the_new_one_is_whole(tmp_path):
    """At each of the steps in which files take their places; a child is killed there."""
    for at in range(1, 5):
        folder = write_run(tmp_path / str(at), tensors={"w": torch.ones(2)}, **PARTS)
        if (child := os.fork()) == 0:
            real, places = os.replace, iter(range(1, 5))

            def replace(source, target, real=real, places=places, at=at):
                real(source, target)
                if not str(source).endswith(".partial") and next(places) == at:
                    os._exit(0)

            os.replace = replace
            try:
                write_run(folder, tensors={"v": torch.zeros(2)}, overwrite=True, **PARTS)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert list(read_run(folder).tensors()) == ["v"]
        with pytest.raises(RunError, match="already holds a complete run"):
            claim(folder)
        write_run(folder, tensors={"u": torch.zeros(2)}, overwrite=True, **PARTS)
        assert list(read_run(folder).tensors()) == ["u"]
        assert sorted(os.listdir(folder)) == ["config.json", "evaluation.json", "metrics.jsonl", "model.safetensors"]


def test_what_killed_writers_left_is_swept_and_nothing_else(tmp_path):
    (tmp_path / ".model.safetensors.x1.partial").write_text("", encoding="utf-8")
    (tmp_path / ".new.x1.partial").mkdir()
    (tmp_path / ".new.x1.partial" / ".config.json.x2.partial").write_text("", encoding="utf-8")
    write_run(tmp_path, tensors={}, **PARTS)
    (tmp_path / "film.mkv.partial").write_text("mine", encoding="utf-8")
    (tmp_path / ".film.mkv.x1.partial").write_text("mine", encoding="utf-8")
    write_run(tmp_path, tensors={}, overwrite=True, **PARTS)
    assert {"film.mkv.partial", ".film.mkv.x1.partial"} == set(os.listdir(tmp_path)) - {"config.json", "evaluation.json", "metrics.jsonl", "model.safetensors"}
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "film.mkv.partial").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match="is not empty"):
        claim(alone)


def test_a_killed_run_is_not_called_lost(tmp_path):
    (tmp_path / "unfinished" / "checkpoint").mkdir(parents=True)
    (tmp_path / "unfinished" / "checkpoint" / ".checkpoint.x1.partial").write_bytes(b"half")
    assert killed_early(tmp_path) and not killed_early(tmp_path / "unfinished")
    for call in (read_run, configuration_of):
        with pytest.raises(RunError, match=r"before its first checkpoint(.|\n)*train again"):
            call(tmp_path)
    (tmp_path / "unfinished" / "checkpoint" / "checkpoint.safetensors").write_bytes(b"whole")
    with pytest.raises(RunError, match=r"was killed or interrupted, and nothing of it is lost(.|\n)*tenuto fit --resume"):
        read_run(tmp_path)
    write_run(tmp_path, tensors={}, **PARTS)
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"digest differs(.|\n)*tenuto fit --resume"):
        read_run(tmp_path)


def test_the_digest_does_not_depend_on_order_or_spelling():
    assert digest_of({"a": 1, "b": [0.1]}) == digest_of(json.loads('{"b": [1e-1], "a": 1}'))
    assert digest_of({"a": 1}) != digest_of({"a": 2})
