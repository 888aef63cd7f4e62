"""The keys that only runs of this task have; `runs/schema.py` has the common ones, and explains the form."""

from __future__ import annotations

from tenuto.runs.schema import Key, Own
from tenuto.tasks.channel_schema import CHANNELS

_TARGET = (
    Key("name", "text"),
    Key("rmse", "number", "root mean square error, in the target's units"),
    Key("rmse_range", "numbers", "low, high: 95 %, by drawing the sequences again"),
    Key("mae", "number", "mean absolute error"),
    Key("r2", "number", "1 - squared errors / squared distances from the mean of the set; null where all are alike", null=True),
    Key("rmse_of_mean", "number", "that of answering the mean of the training set"),
    Key("inside_80", "number", "share of targets inside the 80 % interval; null where too few sequences were held out for it", null=True),
    Key("inside_95", "number", "the same of 95 %", null=True),
)

OWN = Own(
    preprocessing=(
        *CHANNELS,
        Key("targets", "texts", "what is predicted"),
        Key("single_target", "truth", "whether `predict` gives [N], not [N, K]"),
        Key("target_mean", "numbers", "of the training set, by target: y' = (y - mean) / deviation"),
        Key("target_deviation", "numbers"),
        Key("interval_scores", "rows", "|error| / predicted deviation of the held-out sequences, at most 4,096 of them, sorted, by target"),
    ),
    measures=(
        Key("validation_rmse", "number", "in standard deviations of the training set's targets"),
        Key("validation_mae", "number", "the same"),
    ),
    known=(Key("missing_values", "whole"),),
    result=(
        Key("sequences", "whole", "how many were predicted"),
        Key("effective_sequences", "number", "where rows have weights: how many of equal weight tell as much", optional=True),
        Key("loss", "number", "nats a target, of standardised targets"),
        Key("rmse", "number", "over the targets, in standard deviations of the training set"),
        Key("mae", "number", "the same"),
        Key("r2", "number", "mean over the targets", null=True),
        Key("targets", "objects", "one for each target", _TARGET),
        Key(
            "worst",
            "objects",
            "at most 50 sequences, the largest error first, in standard deviations of the training set",
            (Key("id", "text"), Key("target", "text", "the one with the largest error"), Key("value", "number"), Key("predicted", "number"), Key("error", "number", "predicted - value")),
        ),
    ),
    model=(Key("pooling", "texts"),),
    evaluation=(
        Key("targets", "objects", "of the training set", (Key("name", "text"), Key("mean", "number"), Key("deviation", "number"))),
        Key(
            "points",
            "objects",
            "for each target, at most 600 sequences of the test set, else of the validation set",
            (
                Key("target", "text"),
                Key("set", "text", '"test" or "validation"'),
                Key("level", "number", "per cent, of the intervals", null=True),
                Key("ids", "texts"),
                Key("values", "numbers"),
                Key("predicted", "numbers"),
                Key("half", "numbers", "an interval is predicted - half to predicted + half", null=True),
            ),
        ),
    ),
)
