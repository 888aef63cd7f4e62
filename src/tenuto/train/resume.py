"""The whole state of a run as nested tensors and plain data; a run set back to such a state; and what the run must have in common with it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from tenuto.layers.with_cell import WithCell
from tenuto.train.average import WeightAverage
from tenuto.train.differences import MATHS
from tenuto.train.generators import generator_states, restore_generators
from tenuto.train.launch import of_all_processes, shared_out_like, whole
from tenuto.train.nested import mapped
from tenuto.train.outcome import Outcome, Position

if TYPE_CHECKING:
    from tenuto.train.loop import Training


def state_of(run: Training[Any]) -> dict[str, Any]:
    """Everything that the rest of the run depends on. Every process must call this, and each gets the same state."""
    own = {"carried": run.carried, "generators": generator_states(), "epoch_generators": run.epoch_generators}
    shared = {
        "position": dataclasses.asdict(run.position),
        "outcome": dataclasses.asdict(run.outcome),
        "weights": run.model.state_dict(),
        "best": run.best,
        "optimizer": run.optimizer.state_dict(),
        "schedule": run.schedule.state(),
        "scale": run.scale.state(),
        "average": None if run.average is None else run.average.state(),
    }
    return {**mapped(shared, whole), "processes": of_all_processes(run.launch, own)}


def restore(run: Training[Any], state: dict[str, Any]) -> None:
    """Set a new run with the same model and options to what `state_of` gave."""
    weights = run.model.state_dict()
    device = next(iter(weights.values())).device

    def placed(values: Mapping[str, Tensor], like: Mapping[str, Tensor] = weights) -> dict[str, Tensor]:
        return {name: shared_out_like(value.to(like[name].device), like[name]) for name, value in values.items()}

    run.model.load_state_dict(placed(state["weights"]))
    run.best = None if state["best"] is None else placed(state["best"], run.given.state_dict())
    parameters = [parameter for group in run.optimizer.param_groups for parameter in group["params"]]
    for index, moments in state["optimizer"]["state"].items():
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.dim() and value.shape == parameters[index].shape:
                moments[name] = shared_out_like(value, parameters[index])
    run.optimizer.load_state_dict(state["optimizer"])
    run.schedule.restore(state["schedule"])
    run.scale.restore(state["scale"])
    if state["average"] is not None:
        run.average = run.average or WeightAverage(run.model, decay=None)
        run.average.restore({**state["average"], "values": placed(state["average"]["values"])})
    run.position, run.outcome = Position(**state["position"]), Outcome(**state["outcome"])
    limit, seconds = run.options.time_limit_s, run.outcome.seconds
    if run.outcome.stopped == "interrupted" or (run.outcome.stopped == "time limit" and (limit is None or seconds < limit)):
        run.outcome.stopped = ""
    run.started, run.written_at, run.written_step = time.perf_counter() - seconds, time.perf_counter(), run.outcome.steps
    own = state["processes"][run.launch.process_index]
    run.carried, run.epoch_generators = mapped(own["carried"], lambda tensor: tensor.to(device)), own["epoch_generators"]
    restore_generators(own["generators"])


def identity_of(run: Training[Any]) -> dict[str, Any]:
    """What must be the same in a run and in its checkpoint: options, weights, the maths of recurrent layers, processes, the length of an epoch, and what the task added."""
    options = {name: value for name, value in dataclasses.asdict(run.options).items() if name != "time_limit_s"}
    given = {} if run.checkpoint is None else run.checkpoint.identity
    maths = {name: module.maths for name, module in run.given.named_modules() if isinstance(module, WithCell)}
    shape = {"weights": run.weights, MATHS: maths, "processes": run.launch.num_processes, "batches_per_epoch": run.batches_per_epoch}
    return {"training": options, **shape, **given}
