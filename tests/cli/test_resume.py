"""`tenuto fit TASK` killed (SIGKILL) while it trains, then `tenuto fit --resume RUN`: it ends with the same bits as a run that nothing
disturbed. And one run from the command line in two processes.
"""

import ast
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tenuto.files import read_tensors
from tests.cli.test_as_a_program import ENVIRONMENT, start
from tests.cli.test_commands import run, write_table

ROOT = Path(__file__).parents[2]
SENTENCES = "play\tO\njazz\tB-genre\n\nplay\tO\nsome\tO\nrock\tB-genre\n\nstop\tO\nit\tO\n\nplease\tO\nstop\tO\n\n"
READER = ["--word-size", 6, "--character-size", 4, "--character-hidden-size", 4]


def walks(folder):
    write_table(folder / "walks.csv")
    return folder / "walks.csv", []


def sentences(folder):
    (folder / "tags.tsv").write_text(SENTENCES * 8, encoding="utf-8")
    return folder / "tags.tsv", READER


def texts(folder):
    rows = ["play some jazz\tplay", "stop it\tstop", "play that song\tplay", "please stop\tstop"] * 8
    (folder / "texts.tsv").write_text("\n".join(["text\tlabel", *rows]), encoding="utf-8")
    return folder / "texts.tsv", READER


def pairs(folder):
    words = [f"{a}{b}{c}" for a in "abc" for b in "def" for c in "ghi"]
    (folder / "pairs.tsv").write_text("".join(f"{word}\t{word[::-1]}\n" for word in words), encoding="utf-8")
    return folder / "pairs.tsv", ["--embedding-size", 6]


def verse(folder):
    (folder / "verse.txt").write_text("she sells sea shells by the sea shore; the shells she sells are sea shells, i am sure.\n" * 12)
    return folder / "verse.txt", ["--window", 9]


TASKS = {"classify": walks, "tag": sentences, "text": texts, "translate": pairs, "language": verse}


@pytest.mark.skipif(sys.platform == "win32", reason="signals work differently there")
@pytest.mark.parametrize("task", [task if task == "language" else pytest.param(task, marks=pytest.mark.slow) for task in TASKS])
def test_killed_and_resumed_it_ends_with_the_same_bits(task, tmp_path):
    data, own = TASKS[task](tmp_path)
    options = ["--epochs", 30, "--hidden-size", 8, "--num-layers", 2, "--batch-size", 4, "--patience", 0, "--threads", 1, *own]
    run("fit", task, data, "--out", tmp_path / "whole", "--quiet", *options)
    broken = tmp_path / "broken"
    with start("fit", task, data, "--out", broken, "--checkpoint-every-s", 0.001, *options) as process:
        for line in process.stderr:
            if line.startswith("epoch") and int(line.split()[1].split("/")[0]) >= 2:
                break
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not (broken / "model.safetensors").exists(), "it must be killed while it trains"
    before = [json.loads(line)["epoch"] for line in (broken / "unfinished" / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert 2 <= len(before) < 30
    assert f"tenuto fit --resume {broken}" in " ".join(run("fit", task, data, "--out", broken, code=1).stderr.split())
    if task == "language":
        content = data.read_bytes()
        data.write_bytes(content[::-1])  # the same symbols in another order
        assert "belongs to another run: train" in " ".join(run("fit", "--resume", broken, "--quiet", code=1).stderr.split())
        data.write_bytes(content)
    run("fit", "--resume", broken, "--quiet")
    torch.testing.assert_close(read_tensors(broken / "model.safetensors"), read_tensors(tmp_path / "whole" / "model.safetensors"), rtol=0, atol=0)
    whole, again = ((tmp_path / name / "metrics.jsonl").read_text("utf-8").splitlines() for name in ("whole", "broken"))
    assert [json.loads(line)["train_loss"] for line in again] == [json.loads(line)["train_loss"] for line in whole]
    assert not (broken / "unfinished").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.parametrize(
    "task, seed, kills",
    [("classify", 0, 3), *(pytest.param(task, seed, 25, marks=pytest.mark.slow) for task in ("classify", "language") for seed in range(1, 5))],
)
def test_killed_at_random_moments_a_run_that_replaces_another_loses_nothing(task, seed, kills, tmp_path):
    data, own = TASKS[task](tmp_path)
    options = ["--test", data, "--epochs", 8, "--hidden-size", 4, "--num-layers", 1, "--patience", 0, "--threads", 1, *own]
    words = [sys.executable, "-m", "tests.cli.killed_runs", tmp_path, seed, kills, "fit", task, data, *options]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, env=ENVIRONMENT, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    phases = ast.literal_eval(done.stdout)
    assert sum(phases.values()) >= kills
    assert kills < 25 or ("training" in phases and len(phases) > 1)  # saving is over so soon that 25 moments may all miss it


@pytest.mark.slow
def test_two_processes_write_one_run(tmp_path):
    data = write_table(tmp_path / "walks.csv") or tmp_path / "walks.csv"
    options = ["--epochs", 3, "--hidden-size", 4, "--batch-size", 4, "--dropout", 0, "--input-noise", 0, "--threads", 1]
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, "-m", "tenuto.cli", "fit", "classify", data, *options]
    unnamed = subprocess.run([*map(str, words)], capture_output=True, text=True, env=ENVIRONMENT, timeout=120)
    assert unnamed.returncode != 0
    assert "no run folder is named" in unnamed.stderr
    two = subprocess.run([*map(str, words), "--out", str(tmp_path / "two")], capture_output=True, text=True, env=ENVIRONMENT, timeout=120)
    assert two.returncode == 0, two.stderr
    assert two.stdout.count("validation  ") == 1, "only one process prints results"
    run("fit", "classify", data, "--out", tmp_path / "one", "--quiet", *options)
    assert sorted(entry.name for entry in (tmp_path / "two").iterdir()) == sorted(entry.name for entry in (tmp_path / "one").iterdir())
    losses = [
        [json.loads(line)["train_loss"] for line in (tmp_path / name / "metrics.jsonl").read_text("utf-8").splitlines()] for name in ("one", "two")
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
