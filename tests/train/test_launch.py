"""Several processes train to the same result as one: with gloo on this machine, started by torchrun."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tenuto.data import RandomWindows, Streams
from tenuto.data.text.streams import IGNORED
from tenuto.errors import ArgumentError
from tenuto.files import read_tensors
from tenuto.train import Checkpoint, Launch, OneProcess, Sharded, current_launch, seed_of, share_of
from tests.train.small_run import TEXT

PROGRAM = Path(__file__).with_name("launched.py")
ROOT = PROGRAM.parents[2]
SEARCHED = f"{ROOT}{os.pathsep}{ROOT / 'src'}"  # these tests and this source, whichever tenuto is installed
CONSTANT = {"schedule": "constant"}


def environment(**more):
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": SEARCHED, **more}


def torchrun(folder, changed, *more, processes=2, **variables):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    arguments = [PROGRAM, folder, json.dumps(changed), *map(str, more)]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, env=environment(**variables), timeout=240)


def alone(folder, changed):
    subprocess.run([sys.executable, PROGRAM, folder, json.dumps(changed)], check=True, env=environment(), timeout=120)
    return losses(folder, 1)


def losses(folder, processes):
    return np.array(json.loads((folder / f"end-{processes}.json").read_text("utf-8")))


def check_they_follow(tmp_path, changed, **variables):
    """Two processes have the curve and the weights of one, within rounding."""
    done = torchrun(tmp_path, changed, **variables)
    assert done.returncode == 0, done.stderr
    (tmp_path / "alone").mkdir()
    np.testing.assert_allclose(losses(tmp_path, 2), alone(tmp_path / "alone", changed), rtol=1e-5)
    both, one = (read_tensors(folder / f"end-{n}.safetensors") for folder, n in ((tmp_path, 2), (tmp_path / "alone", 1)))
    torch.testing.assert_close(both, one, rtol=1e-3, atol=1e-3)  # where a gradient is near zero, Adam divides one rounding error by another
    return done


def test_two_processes_follow_the_curve_of_one(tmp_path):
    check_they_follow(tmp_path, CONSTANT)  # an average of the weights, and two batches a step, of unequal counts


@pytest.mark.parametrize("changed", [CONSTANT, pytest.param({"clip_value": 0.01, "schedule": "nt-asgd", "average": None, "trigger_patience": 1, "learning_rate": 0.1}, marks=pytest.mark.slow)])
def test_weights_shared_out_among_two_processes_follow_the_curve_of_one(tmp_path, changed):
    done = check_they_follow(tmp_path, changed, ACCELERATE_USE_FSDP="true")
    assert done.stdout.split() == [Sharded.__name__]
    assert "UserWarning" not in done.stderr


def test_a_process_whose_neighbour_is_gone_says_so_and_leaves_its_checkpoint(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [
        subprocess.Popen(
            [sys.executable, PROGRAM, tmp_path, json.dumps(CONSTANT), "15"],  # in the eighth step
            stderr=subprocess.PIPE,
            text=True,
            env=environment(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", LOCAL_WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)),
        )
        for rank in (0, 1)
    ]
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [1, -9]
    assert "TrainingError: another process of this run is gone, at step 8; the checkpoint is " in said[0]
    assert "expected  2 processes, of which this is number 0" in said[0]
    assert "start the same command again" in said[0]
    assert Checkpoint(tmp_path).exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.safetensors"]


@pytest.mark.slow
@pytest.mark.parametrize("variables", [{}, {"ACCELERATE_USE_FSDP": "true"}])
def test_a_run_whose_process_died_ends_with_the_same_bits_when_it_is_started_again(tmp_path, variables):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir(), broken.mkdir()
    assert torchrun(whole, CONSTANT, **variables).returncode == 0
    died = torchrun(broken, CONSTANT, 15, **variables)
    assert died.returncode != 0
    assert "Signal 9 (SIGKILL) received" in died.stderr
    again = torchrun(broken, CONSTANT, **variables)
    assert again.returncode == 0, again.stderr
    first, second = (read_tensors(folder / "end-2.safetensors") for folder in (whole, broken))
    torch.testing.assert_close(second, first, rtol=0, atol=0)
    assert (whole / "end-2.json").read_text("utf-8") == (broken / "end-2.json").read_text("utf-8")
    three = torchrun(broken, CONSTANT, processes=1, **variables)
    assert "processes differs" in three.stderr
    assert three.returncode != 0


@pytest.mark.slow
def test_ctrl_c_stops_all_processes_and_loses_nothing(tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", PROGRAM, tmp_path, '{"epochs": 100000, "validate_every": 1}']
    with subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True) as process:
        while process.poll() is None and not Checkpoint(tmp_path).exists():
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does; torchrun then sends SIGTERM to the processes
        process.communicate(timeout=120)
    assert process.returncode != 0
    assert len(losses(tmp_path, 2)) >= 1, "it ends normally, with the best weights so far"
    begun = torchrun(tmp_path, {"epochs": 100000, "validate_every": 1, "patience": 3})
    assert "training.patience differs" in begun.stderr, "the checkpoint is whole"


# --- which process takes what ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("world", "batch_size", "jitter"), [(1, 6, False), (2, 6, False), (3, 6, True), (6, 6, False)])
def test_streams_of_all_processes_read_every_token_once(world, batch_size, jitter):
    tokens = np.arange(len(TEXT))
    ranks = [Streams(tokens, batch_size, 7, rank=rank, world=world, jitter=jitter, seed=3).epoch(2) for rank in range(world)]
    assert len({len(windows) for windows in ranks}) == 1
    seen = np.concatenate([window.targets[window.targets != IGNORED].numpy() for windows in ranks for window in windows])
    assert sorted(seen) == tokens[1:].tolist()
    for windows in zip(*ranks):
        assert len({len(window.inputs) for window in windows}) == 1, "all processes read windows of the same length in the same step"


def test_windows_of_all_processes_are_those_of_one():
    one = RandomWindows(TEXT, 6, 5, 4, seed=1)
    ranks = [RandomWindows(TEXT, 6, 5, 4, seed=1, rank=rank, world=3) for rank in range(3)]
    for number in range(4):
        together = torch.cat([windows[number].inputs for windows in ranks], dim=1)
        assert torch.equal(together, one[number].inputs)


class Process(OneProcess):
    """One of several processes, without communication between them."""

    def __init__(self, process_index, num_processes):
        self.process_index, self.num_processes = process_index, num_processes


@pytest.mark.parametrize("world", [1, 2, 3, 8])
def test_rows_of_a_batch_are_shared_so_that_each_counts_once(world):
    rows, counted = np.array([4, 9, 2, 7, 5]), []
    for rank in range(world):
        launch: Launch = Process(rank, world)
        mine, count = share_of(launch, rows)
        assert len(mine) >= 1, "every process has something to compute"
        counted += mine[:count].tolist()
    assert sorted(counted) == sorted(rows)


def test_a_seed_is_the_one_given_or_drawn():
    assert seed_of(OneProcess(), 7) == seed_of(Process(1, 1), 7) == 7
    assert len({seed_of(OneProcess(), None) for _ in range(5)}) == 5


# --- what the environment says -----------------------------------------------------------------------------------------


def test_without_these_variables_this_process_is_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert isinstance(current_launch(), OneProcess)
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert isinstance(current_launch("cuda"), OneProcess)


def test_an_incomplete_environment_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(ArgumentError, match="WORLD_SIZE=two"):
        current_launch()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "29500")
    with pytest.raises(ArgumentError, match="no RANK(.|\n)*torchrun(.|\n)*unset WORLD_SIZE"):
        current_launch()
