"""The keys that only runs of this task have; `runs/schema.py` has the common ones, and explains the form."""

from __future__ import annotations

from tenuto.runs.schema import Key, Own

_SIDE = (Key("kind", "text", '"characters", "words" or "tokens"'), Key("size", "whole"))
_ANSWER = (Key("id", "text"), Key("source", "texts"), Key("target", "texts"), Key("predicted", "texts"))
_LEAST = (Key("token", "text"), Key("weight", "number"), Key("count", "whole"))

OWN = Own(
    preprocessing=(Key("source_symbols", "texts"), Key("target_symbols", "texts"), Key("max_length", "whole", "of answers, in symbols")),
    measures=(
        Key("validation_token_accuracy", "number", "given the right symbols before, 0..1"),
        Key("validation_exact", "number", "the share of sources answered with one of their targets, 0..1"),
    ),
    known=(Key("target_steps", "whole", "symbols of the targets"),),
    result=(
        Key("pairs", "whole"),
        Key("tokens", "whole", "symbols of the targets, ends included"),
        Key("loss", "number", "nats a symbol"),
        Key("token_accuracy", "number", "given the right symbols before"),
        Key("sources", "whole", "distinct ones"),
        Key("references", "whole", "targets of all sources"),
        Key("exact", "number", "the share of sources whose answer is one of their targets"),
        Key("exact_interval", "numbers", "low, high: Wilson's, 95 %"),
        Key("error_rate", "number", "edits to the nearest target, divided by its symbols"),
        Key(
            "by_length",
            "objects",
            "by the source's length",
            (Key("length_min", "whole"), Key("length_max", "whole"), Key("pairs", "whole"), Key("exact", "number"), Key("error_rate", "number")),
        ),
        Key("mistakes", "objects", "at most 50, worst first", (*_ANSWER, Key("edits", "whole"))),
        Key("beam_size", "whole"),
        Key("length_penalty", "number"),
        Key(
            "coverage",
            "object",
            "how much of the sources the attention read; null without attention",
            (Key("mean", "number"), Key("uncovered", "number"), Key("least_read", "objects", "", _LEAST), Key("sources", "whole")),
            null=True,
        ),
    ),
    evaluation=(
        Key("vocabulary", "object", "", (Key("source", "object", "", _SIDE), Key("target", "object", "", _SIDE))),
        Key(
            "examples",
            "objects",
            "at most 8 of the test set, else of the validation set",
            (
                *_ANSWER,
                Key("set", "text", '"test" or "validation"'),
                Key("correct", "truth"),
                Key("attention", "rows", "predicted x source; null without attention", null=True),
            ),
        ),
    ),
)
