"""`tenuto fit` killed again and again, until it comes to its end; then once more from the beginning, until there were enough kills.

    python -m tests.cli.killed_runs FOLDER SEED KILLS fit TASK DATA OPTION ...

Each command runs in a child of this process. Half of the kills come at random moments, half where the child is about to do something to a file: to flush one to
the disk, or to rename one. So checkpoints, saving and the report are hit, too. The run replaces a complete run, FOLDER/run: after every kill there must be
one, the old or the new one, whole. Each run that comes to its end must have the weights of FOLDER/whole. Prints how many kills there were in which phase.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import torch

from tenuto.files import read_tensors
from tenuto.runs.folder import read_run
from tests.cli.command import done

FILES = ("fsync", "replace", "rename")


def command(*words: object) -> str:
    """Run a command here; what it said on standard error."""
    return done(*words).stderr


def kill_at(number: int) -> None:
    """Kill this process before its `number`-th call to one of the functions that change files."""
    left = [number]

    def counted(real):  # type: ignore[no-untyped-def]
        def call(*given, **named):  # type: ignore[no-untyped-def]
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*given, **named)

        return call

    for name in FILES:
        setattr(os, name, counted(getattr(os, name)))


def phase(folder: Path, seed: int) -> str:
    """What the killed process was at: "training", "saving" or "report"."""
    evaluation = read_run(folder).evaluation
    if evaluation["training"]["seed"] == seed:
        return "saving" if evaluation["results"]["test"] is None else "report"
    return "saving" if any(".new." in entry.name for entry in folder.iterdir()) else "training"


def main(place: Path, seed: int, wanted: int, words: list[str]) -> None:
    """See the top of the file."""
    moments, phases = random.Random(seed), Counter[str]()
    old, folder = place / "old", place / "run"
    command(*words, "--out", old, "--seed", 0, "--quiet")
    command(*words, "--out", place / "whole", "--seed", 1, "--quiet")
    whole = read_tensors(place / "whole" / "model.safetensors")
    while sum(phases.values()) < wanted:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(old, folder)
        (folder / "notes.txt").write_text("mine")
        longest = 0.2
        while True:
            again = (folder / "unfinished" / "config.toml").is_file()
            go = ["fit", "--resume", folder] if again else [*words, "--out", folder, "--seed", 1, "--overwrite"]
            at_a_call, number, seconds = moments.random() < 0.5, moments.randrange(1, 40), moments.uniform(0.0, longest)
            if (child := os.fork()) == 0:
                if at_a_call:
                    kill_at(number)
                command(*go, "--quiet", "--checkpoint-every-s", 0.001)
                os._exit(0)
            if not at_a_call:
                time.sleep(seconds)
                longest += 0.1  # so that a slow machine also comes to the end
                os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
            if status == 0:
                break
            assert os.WIFSIGNALED(status), f"{go} failed: {status}"
            phases[phase(folder, 1)] += 1
        torch.testing.assert_close(read_tensors(folder / "model.safetensors"), whole, rtol=0, atol=0)
        there = sorted(entry.name for entry in folder.iterdir())
        assert there == ["config.json", "config.toml", "evaluation.json", "metrics.jsonl", "model.safetensors", "notes.txt", "report.html"], there
        assert read_run(folder).evaluation["results"]["test"] is not None
    print(dict(phases))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
