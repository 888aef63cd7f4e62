"""The keys that only runs of this task have; `runs/schema.py` has the common ones, and explains the form."""

from __future__ import annotations

from tenuto.runs.schema import Key, Own
from tenuto.tasks.series_schema import SERIES, SET_OF_SERIES

OWN = Own(
    preprocessing=(
        *SERIES,
        Key("threshold", "number", "above which a score is an alarm"),
        Key(
            "learnt",
            "object",
            "where the threshold comes from",
            (
                Key("by", "text", '"extreme-value" or "quantile"'),
                Key("rate", "number", "the share of normal steps that may be alarms"),
                Key("scores", "whole", "how many it was learnt from"),
                Key("of", "text", '"validation", or "training and validation" where there were too few'),
                Key("start", "number", "of an extreme-value fit: scores above are peaks", null=True),
                Key("share", "number", "the share of scores that are peaks", null=True),
                Key("shape", "number", "of the generalised Pareto distribution of what peaks have above the start", null=True),
                Key("width", "number", "the same", null=True),
            ),
        ),
    ),
    measures=(),
    known=SET_OF_SERIES,
    result=(
        Key("loss", "number", "nats of a value: minus the logarithm of its density, the mean"),
        Key("series", "whole"),
        Key("values", "whole", "that have a score"),
        Key("threshold", "number"),
        Key("alarms", "whole", "steps with a score above it"),
        Key("found_events", "whole", "runs of such steps"),
        Key("known_events", "whole", "runs of steps that are known as anomalies; null where nobody says", null=True),
        Key("buffer", "whole", "of vus_pr, in steps"),
        Key("auc_pr", "number", "average precision of steps, the mean over series with an anomaly; null where none is known, as all that follow", null=True),
        Key("auc_pr_random", "number", "the same of random scores", null=True),
        Key("vus_pr", "number", "volume under the surface of precision by recall", null=True),
        Key("vus_pr_random", "number", "the same of random scores", null=True),
        Key("precision", "number", "share of alarmed steps within an anomaly", null=True),
        Key("recall", "number", "share of known events with an alarm", null=True),
        Key("event_f1", "number", "harmonic mean of the two; an alarm within an event does not make the rest of it found", null=True),
        Key("event_f1_random", "number", "the same of these alarms, moved round in time", null=True),
    ),
    evaluation=(
        Key("features", "texts", "what the network reads at a step"),
        Key(
            "examples",
            "objects",
            "at most 4 series around their highest score, 300 steps of each",
            (
                Key("id", "text"),
                Key("set", "text", '"test" or "validation"'),
                Key("first", "text", "stamp"),
                Key("last", "text", "stamp"),
                Key("values", "numbers"),
                Key("expected", "numbers", "the mean that was forecast"),
                Key("scores", "numbers"),
                Key("alarms", "rows", "first and last step of each, from 0"),
                Key("known", "rows", "first and last step of each known anomaly", null=True),
            ),
        ),
    ),
)
