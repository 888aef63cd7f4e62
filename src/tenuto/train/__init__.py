"""Training: the loop, the schedule, what it reports and what it writes.

In: a module, batches, a loss, a validation. Out: the module with its best weights, and an `Outcome`. Nothing here prints.
May import the rooms above: `errors`, `data`. Progress bars and logs are `Observer`s, given by the caller.
"""

from tenuto.train.launch import Launch, OneProcess
from tenuto.train.loop import Loss, Outcome, TrainingError, train
from tenuto.train.observers import MetricsFile, Observer
from tenuto.train.options import TrainingOptions
from tenuto.train.schedule import SCHEDULES, learning_rate_factor

__all__ = [
    "SCHEDULES",
    "Launch",
    "Loss",
    "MetricsFile",
    "Observer",
    "OneProcess",
    "Outcome",
    "TrainingError",
    "TrainingOptions",
    "learning_rate_factor",
    "train",
]
