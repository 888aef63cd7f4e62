"""metrics.jsonl: whole lines, on the disk as soon as they are written."""

import errno
import json
import os

import pytest

from tenuto.errors import RunError
from tenuto.train import MetricsFile, Observer


def test_each_line_is_there_when_its_epoch_ends(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("an older run\n", encoding="utf-8")
    with MetricsFile(path) as file:
        file.started(epochs=2, steps_per_epoch=1)
        assert path.read_bytes() == b""
        for epoch in (1, 2):
            file.epoch_ended({"epoch": epoch, "loss": float("nan")})
            assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [
                {"epoch": number, "loss": None} for number in range(1, epoch + 1)
            ]
        file.ended(stopped="all epochs")


def test_an_observer_may_have_no_methods_of_its_own():
    observer = Observer()
    observer.started(epochs=1, steps_per_epoch=1)
    observer.step_ended(epoch=1, step=1, loss=0.0, gradient_norm=1.0, learning_rate=0.1)
    observer.epoch_ended({})
    observer.ended(stopped="all epochs")


class FullDisk:
    """A file of which a write takes only a part, or nothing, while `full` is set."""

    def __init__(self, file):
        self.file, self.full = file, ""

    def write(self, content):
        if self.full == "nothing":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(content[: len(content) // 2] if self.full else content)

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize("full", ["nothing", "a part"])
def test_on_a_full_disk_lines_wait_until_there_is_room(tmp_path, full):
    path = tmp_path / "metrics.jsonl"
    with MetricsFile(path) as file:
        file.started(epochs=4, steps_per_epoch=1)
        file._file = FullDisk(file._file)
        file.epoch_ended({"epoch": 1})
        file._file.full = full
        with pytest.warns(UserWarning, match="could not be written: No space left on device(.|\n)*Training goes on") as warned:
            file.epoch_ended({"epoch": 2})
            file.epoch_ended({"epoch": 3})
        assert len(warned) == 1
        assert path.read_text(encoding="utf-8") == '{"epoch": 1}\n'
        file._file.full = ""
        file.epoch_ended({"epoch": 4})
    assert [json.loads(line)["epoch"] for line in path.read_text(encoding="utf-8").splitlines()] == [1, 2, 3, 4]


def test_a_file_that_cannot_be_made_is_an_error_before_training(tmp_path):
    with pytest.raises(RunError, match="could not be written: No such file"):
        MetricsFile(tmp_path / "absent" / "metrics.jsonl").started(epochs=1, steps_per_epoch=1)
