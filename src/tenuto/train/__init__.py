"""Training: the loop, the learning rate's schedule, what a run reports and writes; and the search for good options.

In: a module, batches, a loss, a validation. Out: the module with its best weights, and an `Outcome`. Nothing here prints.
May import the rooms above: `errors`, `files`, `cell`, `data`, `measures`. Progress bars and logs are `Observer`s, given by the caller.
"""

from tenuto.train.checkpoint import Checkpoint
from tenuto.train.launch import Launch, OneProcess, current_launch, seed_of, share_of
from tenuto.train.loop import train
from tenuto.train.observers import MetricsFile, Observer
from tenuto.train.options import SCHEDULES, TrainingOptions
from tenuto.train.outcome import Loss, Outcome, TrainingError
from tenuto.train.schedule import Schedule, learning_rate_factor
from tenuto.train.sharded import Sharded
from tenuto.train.tensorboard import TensorBoard

__all__ = [
    "SCHEDULES",
    "Checkpoint",
    "Launch",
    "Loss",
    "MetricsFile",
    "Observer",
    "OneProcess",
    "Outcome",
    "Schedule",
    "Sharded",
    "TensorBoard",
    "TrainingError",
    "TrainingOptions",
    "current_launch",
    "learning_rate_factor",
    "seed_of",
    "share_of",
    "train",
]
