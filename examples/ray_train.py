"""One language model, two workers of a Ray cluster: Ray starts the processes, tenuto shares the text among them.

Each worker reads its own rows of the text with carried state; gradients are averaged (DDP). If a worker dies, Ray starts the workers again and
training goes on from the checkpoint. On a real cluster: `ray.init("auto")`, more workers, use_gpu=True with device="cuda", and FOLDER on storage
that all nodes see. Needs tenuto[ray]. Prints the processes, the bits a character on unseen text, and new text. Takes about 40 s on two cores,
half of it Ray's start (--small: two steps).
"""

import sys
import tempfile
from pathlib import Path

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

TEXT = Path(__file__).resolve().parent / "data" / "shakespeare.txt"


def train_on_a_worker(settings: dict) -> int:
    """What every worker does. Ray has set up torch's processes, and `fit` joins them; returns how many there are."""
    from tenuto.tasks import LanguageModel
    from tenuto.train import current_launch

    text = Path(settings["text"]).read_text("utf-8")
    model = LanguageModel("lstm", hidden_size=128, num_layers=1, window=64, batch_size=32, epochs=4, max_steps=settings["steps"])
    model.fit(text, checkpoint=Path(settings["folder"]) / "checkpoint")
    launch = current_launch()
    if launch.is_main_process:
        model.save(Path(settings["folder"]) / "run", overwrite=True)
    return launch.num_processes


if __name__ == "__main__":
    from tenuto.tasks import LanguageModel

    folder = tempfile.mkdtemp()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    trainer = TorchTrainer(
        train_on_a_worker,
        train_loop_config={"text": str(TEXT), "folder": folder, "steps": 2 if "--small" in sys.argv else 300},
        scaling_config=ScalingConfig(num_workers=2, resources_per_worker={"CPU": 1}),
        run_config=RunConfig(storage_path=folder, failure_config=FailureConfig(max_failures=1)),
    )
    workers = trainer.fit().return_value
    model = LanguageModel.load(Path(folder) / "run")
    print(f"{workers} workers, {model.evaluation_['results']['validation']['bits_per_character']:.3f} bits a character on unseen text")
    print(model.generate("ROMEO:\n", length=200, temperature=0.7))
    ray.shutdown()
