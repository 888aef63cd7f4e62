"""metrics.jsonl: whole lines, on the disk as soon as they are written."""

import json

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
