"""A language model fitted by two workers of Ray Train, of which one is killed (SIGKILL) in a step and started again.

    python ray_launched.py FOLDER       prints how many workers there were; FOLDER/losses.json has the losses of each validation
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from tenuto.train import Observer


class Die(Observer):
    """Kills this process in a step, the first time."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def step_ended(self, *, step: int, **rest: Any) -> None:
        if step == 8 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def fit_on_a_worker(folder: str) -> int:
    """What each worker does; returns the number of workers."""
    from tenuto.files import write_json
    from tenuto.train import Checkpoint, current_launch
    from tests.tasks.launched import language

    model, text, _ = language()
    model.fit(text, checkpoint=Checkpoint(f"{folder}/checkpoint", every_steps=3), observers=[Die(Path(folder, "died"))])
    launch = current_launch()
    if launch.is_main_process:
        write_json(Path(folder, "losses.json"), [[line["train_loss"], line["validation_loss"]] for line in model.metrics_])
    return launch.num_processes


def main(folder: str) -> None:
    """See the top of the file."""
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    variables = {name: os.environ[name] for name in ("PYTHONPATH", "OMP_NUM_THREADS")}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": variables})
    trainer = TorchTrainer(
        fit_on_a_worker,
        train_loop_config=folder,
        scaling_config=ScalingConfig(num_workers=2, resources_per_worker={"CPU": 1}),
        run_config=RunConfig(storage_path=f"{folder}/ray", failure_config=FailureConfig(max_failures=1)),
    )
    print(trainer.fit().return_value)
    ray.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
