"""`Summer`: a recurrent layer and a head that learn to add."""

import dataclasses
import time

import torch

from tenuto import Recurrent
from tenuto.cell import cell_from_data, cell_to_data
from tenuto.runs.folder import read_run, write_run
from tenuto.runs.surroundings import machine, now, versions
from tenuto.train import Loss, TrainingOptions, train
from tests.tasks.toy.options import ToyOptions


class Network(torch.nn.Module):
    def __init__(self, cell, hidden_size):
        super().__init__()
        self.layer, self.head = Recurrent(cell, 1, hidden_size), torch.nn.Linear(hidden_size, 1)

    def forward(self, numbers):
        return self.head(self.layer(numbers.reshape(-1, 1, 1))[0][-1]).squeeze()


class Summer(ToyOptions):
    """Its options are its constructor."""

    def fit(self, data, *, validation, observers=(), checkpoint=None):
        torch.manual_seed(self.random_state)
        self.network_, began = Network(self.cell, self.hidden_size), time.perf_counter()
        outcome = train(
            self.network_,
            TrainingOptions(epochs=self.epochs, clip_norm=self.clip_norm),
            batches=lambda epoch: list(zip(data.numbers, data.sums)),
            loss=lambda network, pair, carried: Loss((network(self._read(pair[0])) - self._read(pair[1])).square(), 1),
            validate=lambda network: {"validation_loss": self.evaluate(validation)["loss"]},
            observers=observers,
            checkpoint=checkpoint,
        )
        rates = {"training": {}, "prediction": {"sequences_per_s": 1.0}}
        cell = cell_to_data(self.cell)
        weights = [{"name": name, "shape": list(weight.shape), "parameters": weight.numel()} for name, weight in self.network_.named_parameters()]
        self.metrics_ = outcome.metrics
        self.evaluation_ = {
            "format": "tenuto evaluation", "format_version": 1, "task": "toy-sum", "title": "sums", "created": now(), "versions": versions(), "machine": machine(),
            "data": {name: part and self._described(name, part) for name, part in (("train", data), ("validation", validation), ("test", None))},
            "results": {"validation": self.evaluate(validation), "test": None},
            "model": {"cell_data": cell, "hidden_size": self.hidden_size, "num_layers": 1, "parameters": sum(row["parameters"] for row in weights), "weights": weights},
            "training": {
                "best_epoch": outcome.best_epoch, "epochs_run": len(outcome.metrics), "stopped": outcome.stopped, "seconds": time.perf_counter() - began,
                "steps": outcome.steps, "seed": self.random_state, "options": {"epochs": self.epochs, "clip_norm": self.clip_norm},
            },
            "engine": {"chosen": "auto", "shape": "", "reasons": [], "table": ""},
            "speed": rates,
        }  # fmt: skip
        return self

    def predict(self, data):
        with torch.no_grad():
            return [(self.network_(self._read(line)) * (10 if self.scaled else 1)).item() for line in data.numbers]

    def evaluate(self, data):
        wrong = [(answer - right) ** 2 for answer, right in zip(self.predict(data), data.sums)]
        return {"loss": sum(wrong) / len(wrong), "lines": len(wrong)}

    def save(self, folder, *, test=None, overwrite=False):
        if test is not None:
            self.evaluation_["results"]["test"], self.evaluation_["data"]["test"] = self.evaluate(test), self._described("test", test)
        options = {field.name: getattr(self, field.name) for field in dataclasses.fields(ToyOptions) if field.name != "cell"}
        config = {**versions(), "created": now(), "task": "toy-sum", "options": options, "cell": cell_to_data(self.cell), "data": self.evaluation_["data"]}
        return write_run(folder, config=config, tensors=self.network_.state_dict(), metrics=self.metrics_, evaluation=self.evaluation_, overwrite=overwrite)

    @classmethod
    def load(cls, folder, *, cell=None, device="cpu"):
        run = read_run(folder)
        model = cls(cell_from_data(run.config["cell"]), **run.config["options"])
        model.network_ = Network(model.cell, model.hidden_size)
        model.network_.load_state_dict(run.tensors())
        return model

    def _read(self, numbers):
        return torch.as_tensor(numbers, dtype=torch.float32) / (10 if self.scaled else 1)

    def _described(self, name, data):
        return {"name": f"sums {name}", "path": data.path, "sha256": data.sha256, "origin": "a file", "sequences": len(data.sums), "steps": sum(map(len, data.numbers))}
