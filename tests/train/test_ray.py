"""Ray Train: a worker that dies is started again, and the run ends as one that nothing disturbed."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from tenuto.train import Observer
from tests.tasks.launched import language

ROOT = Path(__file__).resolve().parents[2]


class Die(Observer):
    """Kills this process in a step, the first time."""

    def __init__(self, mark):
        self.mark = mark

    def step_ended(self, *, step, **rest):
        if step == 8 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def fit_on_a_worker(folder):
    """What each worker does; returns how many they are."""
    from tenuto.train import Checkpoint, current_launch
    from tenuto.train.files import write_json

    model, text, _ = language()
    model.fit(text, checkpoint=Checkpoint(f"{folder}/checkpoint", every_steps=3), observers=[Die(Path(folder, "died"))])
    launch = current_launch()
    if launch.is_main_process:
        write_json(Path(folder, "losses.json"), [[line["train_loss"], line["validation_loss"]] for line in model.metrics_])
    return launch.num_processes


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Ray's own, about its settings
def test_two_workers_of_which_one_dies(tmp_path):
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    ray.init(num_cpus=2, include_dashboard=False, runtime_env={"env_vars": {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}})
    try:
        trainer = TorchTrainer(
            fit_on_a_worker,
            train_loop_config=str(tmp_path),
            scaling_config=ScalingConfig(num_workers=2, resources_per_worker={"CPU": 1}),
            run_config=RunConfig(storage_path=str(tmp_path / "ray"), failure_config=FailureConfig(max_failures=1)),
        )
        assert trainer.fit().return_value == 2
    finally:
        ray.shutdown()
    assert (tmp_path / "died").exists()
    model, text, _ = language()
    model.fit(text)
    losses = json.loads((tmp_path / "losses.json").read_text("utf-8"))
    np.testing.assert_allclose(losses, [[line["train_loss"], line["validation_loss"]] for line in model.metrics_], rtol=1e-5)
