"""The whole state of a run as nested tensors and plain data; a run set back to such a state; and what the run must have in common with it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tenuto.layers.with_cell import WithCell
from tenuto.train.average import WeightAverage
from tenuto.train.checkpoint import Checkpoint
from tenuto.train.differences import MATHS
from tenuto.train.generators import generator_states, restore_generators
from tenuto.train.launch import Launch, of_all_processes
from tenuto.train.nested import mapped
from tenuto.train.optimiser import LossScale
from tenuto.train.options import TrainingOptions
from tenuto.train.outcome import Outcome, Position
from tenuto.train.schedule import Schedule
from tenuto.train.shared_out import shared_out_like, whole


class Resumable:
    """A run of training, as far as its state goes: what must be kept so that it can go on where it was."""

    options: TrainingOptions
    checkpoint: Checkpoint | None
    launch: Launch
    weights: dict[str, str]  # each weight's shape and dtype, by name
    batches_per_epoch: int
    given: nn.Module  # the caller's
    model: nn.Module  # the same, unless the launch shares the weights out
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    scale: LossScale
    average: WeightAverage | None
    position: Position
    outcome: Outcome
    best: dict[str, Tensor] | None
    carried: Any  # what the loss keeps from one batch to the next
    epoch_generators: Any
    started: float
    written_at: float
    written_step: int

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on. Every process must call this, and each gets the same state."""
        own = {"carried": self.carried, "generators": generator_states(), "epoch_generators": self.epoch_generators}
        shared = {
            "position": dataclasses.asdict(self.position),
            "outcome": dataclasses.asdict(self.outcome),
            "weights": self.model.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state(),
            "scale": self.scale.state(),
            "average": None if self.average is None else self.average.state(),
        }
        return {**mapped(shared, whole), "processes": of_all_processes(self.launch, own)}

    def restore(self, state: dict[str, Any]) -> None:
        """Set a new run with the same model and options to what `state` gave."""
        weights = self.model.state_dict()
        device = next(iter(weights.values())).device

        def placed(values: Mapping[str, Tensor], like: Mapping[str, Tensor] = weights) -> dict[str, Tensor]:
            return {name: shared_out_like(value.to(like[name].device), like[name]) for name, value in values.items()}

        self.model.load_state_dict(placed(state["weights"]))
        self.best = None if state["best"] is None else placed(state["best"], self.given.state_dict())
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        for index, moments in state["optimizer"]["state"].items():
            for name, value in moments.items():
                if isinstance(value, Tensor) and value.dim() and value.shape == parameters[index].shape:
                    moments[name] = shared_out_like(value, parameters[index])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.restore(state["schedule"])
        self.scale.restore(state["scale"])
        if state["average"] is not None:
            self.average = self.average or WeightAverage(self.model, decay=None)
            self.average.restore({**state["average"], "values": placed(state["average"]["values"])})
        self.position, self.outcome = Position(**state["position"]), Outcome(**state["outcome"])
        limit, seconds = self.options.time_limit_s, self.outcome.seconds
        if self.outcome.stopped == "interrupted" or (self.outcome.stopped == "time limit" and (limit is None or seconds < limit)):
            self.outcome.stopped = ""
        self.started, self.written_at, self.written_step = time.perf_counter() - seconds, time.perf_counter(), self.outcome.steps
        own = state["processes"][self.launch.process_index]
        self.carried, self.epoch_generators = mapped(own["carried"], lambda tensor: tensor.to(device)), own["epoch_generators"]
        restore_generators(own["generators"])

    def identity(self) -> dict[str, Any]:
        """What must be the same in a run and in its checkpoint: options, weights, the maths of recurrent layers, processes, the length of an epoch, and what the task added."""
        options = {name: value for name, value in dataclasses.asdict(self.options).items() if name != "time_limit_s"}
        given = {} if self.checkpoint is None else self.checkpoint.identity
        maths = {name: module.maths for name, module in self.given.named_modules() if isinstance(module, WithCell)}
        shape = {"weights": self.weights, MATHS: maths, "processes": self.launch.num_processes, "batches_per_epoch": self.batches_per_epoch}
        return {"training": options, **shape, **given}
