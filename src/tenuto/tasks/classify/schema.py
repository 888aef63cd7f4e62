"""The keys that only runs of this task have; `runs/schema.py` has the common ones, and explains the form."""

from __future__ import annotations

from tenuto.runs.schema import CLASSIFICATION, Key, Own
from tenuto.tasks.channel_schema import CHANNELS

_CHANNEL = tuple(Key(name, "number") for name in ("mean", "deviation", "minimum", "maximum"))
_DIRECTION = (Key("name", "text", '"forward" or "backward"'), Key("first", "whole"), Key("last", "whole", "excluded"))

OWN = Own(
    preprocessing=(
        *CHANNELS,
        Key("classes", "any", "[label]"),
        Key("class_kind", "text", '"str", "int", "float" or "bool"'),
    ),
    measures=(
        Key("validation_accuracy", "number", "0..1"),
        Key("validation_balanced_accuracy", "number", "mean recall of the classes that occur", optional=True),
        Key("validation_macro_f1", "number", "mean over classes", optional=True),
    ),
    known=(Key("class_counts", "map", "label: how many"), Key("missing_values", "whole")),
    result=CLASSIFICATION,
    model=(Key("pooling", "texts"),),
    evaluation=(
        Key("classes", "texts", "labels as text, in the order of every matrix and table"),
        Key("channels", "objects", "of the training set, before standardisation", (Key("name", "text"), *_CHANNEL)),
        Key(
            "examples",
            "objects",
            "at most 4 of the test set, else of the validation set: a mistake if there is one, then one of each class",
            (
                Key("id", "text"),
                Key("set", "text", '"test" or "validation"'),
                Key("label", "text"),
                Key("predicted", "text"),
                Key("correct", "truth"),
                Key("probabilities", "numbers", "of each class"),
                Key("channels", "texts"),
                Key("input", "rows", "steps shown x channels, before standardisation"),
                Key("steps", "whole"),
                Key("steps_shown", "whole", "at most 400"),
                Key("hidden", "rows", "steps shown x units: the encoder's output, at most 128 units of each direction"),
                Key("directions", "objects", "columns of `hidden`", _DIRECTION),
            ),
        ),
    ),
)
