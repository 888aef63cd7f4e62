"""The keys that only runs of this task have; `runs/schema.py` has the common ones, and explains the form."""

from __future__ import annotations

from tenuto.runs.schema import Key, Own
from tenuto.tasks.audio_schema import HEARING, KNOWN, SHOWN

_COUNTS = (
    Key("occurrences", "whole", "how often it is said"),
    Key("misses", "whole"),
    Key("miss_rate", "number", "null where it is never said", null=True),
    Key("miss_interval", "numbers", "low, high: Wilson's, 95 %", null=True),
    Key("false_alarms", "whole"),
    Key("false_alarms_per_hour", "number"),
    Key("false_alarms_at_most", "number", "an hour: the upper 95 % limit; none in H hours proves 3 / H"),
)

OWN = Own(
    preprocessing=(
        HEARING,
        Key("keywords", "texts"),
        Key("boosts", "map", "of each keyword: what is added to its logit before it is compared with the threshold"),
        Key("thresholds", "map", "of each keyword: a probability"),
    ),
    measures=(Key("validation_accuracy", "number", "recordings, or pieces of background, whose keyword, or that there is none, is right"),),
    known=(*KNOWN, Key("keyword_counts", "map", "keyword: how many recordings"), Key("background", "whole", "recordings without a keyword")),
    result=(
        Key("recordings", "whole"),
        Key("hours", "number", "of the set, heard as one stream with pauses"),
        *_COUNTS,
        Key("keywords", "objects", "the same for each", (Key("name", "text"), *_COUNTS, Key("threshold", "number"), Key("boost", "number"))),
        Key(
            "curve",
            "objects",
            "when all thresholds move alike",
            (Key("sensitivity", "number", "taken from the log-odds of each threshold; 0: as fitted"), Key("misses", "whole"), Key("false_alarms", "whole"), Key("false_alarms_per_hour", "number")),
        ),
        Key("loss", "number", "nats a recording, or piece of background, each by itself"),
        Key("accuracy", "number", "recordings, each by itself, in which the first keyword told is the one said, or none where none is"),
        Key("accuracy_interval", "numbers", "low, high: Wilson's, 95 %"),
        Key("latency_s", "number", "from the end of a keyword's recording to its alarm, median", null=True),
        Key("real_time_factor", "number", "seconds of work, from features to alarms, divided by seconds of sound"),
    ),
    evaluation=(
        Key("keywords", "texts"),
        Key(
            "examples",
            "objects",
            "of the test set, else of the validation set: at most 4 misses and 4 false alarms, the worst of each",
            (
                *SHOWN,
                Key("kind", "text", '"miss" or "false alarm"'),
                Key("keyword", "text"),
                Key("time", "number", "in the stream, in seconds"),
                Key("probabilities", "numbers", "of the keyword, at each step shown"),
            ),
        ),
    ),
)
