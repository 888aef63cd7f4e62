"""The keys that only runs of this task have; `runs/schema.py` has the common ones, and explains the form."""

from __future__ import annotations

from tenuto.runs.schema import Key, Own

_AMOUNT = (
    Key("tokens", "whole", "that were predicted"),
    Key("characters", "whole", "of these tokens"),
    Key("loss", "number", "nats a token"),
    Key("perplexity", "number", "of a token", null=True),
    Key("nats_per_character", "number"),
    Key("bits_per_character", "number"),
)
_SAMPLE = (
    Key("prompt", "text"),
    Key("text", "text"),
    Key("temperature", "number"),
    Key("top_k", "whole", null=True),
    Key("top_p", "number", null=True),
    Key("seed", "whole"),
)

OWN = Own(
    preprocessing=(
        Key("vocabulary", "map", "see `tenuto.data.text.vocabulary.Vocabulary`"),
        Key("counts", "numbers", "how often each symbol is in the training text", optional=True),
    ),
    measures=(Key("validation_perplexity", "number", "of a token"),),
    known=(Key("characters", "whole"),),
    result=(
        *_AMOUNT,
        Key("windows", "objects", "each window read from a zero state", (Key("length", "whole", "in tokens"), *_AMOUNT)),
        Key(
            "by_position",
            "object",
            "mean loss of the tokens between each position and the one before it, counted from a zero state",
            (Key("position", "numbers"), Key("loss", "numbers", "nats")),
            null=True,
        ),
        Key(
            "memory",
            "object",
            "loss by how many tokens were read from a zero state: the loss with the state carried, and the mean difference on the same tokens; null if the text is too short",
            (
                Key("position", "numbers", "how many tokens were read: from one more than the position before up to this one"),
                Key("loss", "numbers", "nats"),
                Key("low", "numbers", "of a band of 95 %, from the spread over the stretches"),
                Key("high", "numbers"),
                Key("windows", "whole", "how many were read"),
                Key("stretches", "whole", "into how many the text was cut for the band"),
                Key("without", "number", "with nothing read: each symbol as likely as it is frequent in the training text", null=True),
            ),
            null=True,
            optional=True,
        ),
        Key("unknown_tokens", "whole", "where there is a symbol for unknown characters", optional=True),
    ),
    evaluation=(
        Key("vocabulary", "object", "", (Key("kind", "text", '"characters", "bytes" or "bpe"'), Key("size", "whole"))),
        Key(
            "passage",
            "object",
            "at most 1,500 tokens of the test text, else of the validation text",
            (Key("set", "text", '"test" or "validation"'), Key("tokens", "texts"), Key("loss", "numbers", "nats of each token")),
        ),
        Key(
            "surprising",
            "objects",
            "at most 12: the tokens with the highest loss, with the text around them",
            (Key("before", "text"), Key("text", "text"), Key("after", "text"), Key("loss", "number")),
        ),
        Key("samples", "objects", "written at the end of training", _SAMPLE),
    ),
)
