"""The keys that only runs of this task have; `runs/schema.py` has the common ones, and explains the form."""

from __future__ import annotations

from tenuto.runs.schema import CLASSIFICATION, Key, Own

_TABLE = (Key("entries", "texts"), Key("counts", "numbers", "in training"))

OWN = Own(
    preprocessing=(
        Key("words", "object", "", _TABLE),
        Key("characters", "object", "", _TABLE),
        Key("lowercase", "truth"),
        Key("character_limit", "whole"),
        Key("rule", "whole", "how raw texts are split into words (`data/sentences/words.py`); absent: 1", optional=True),
        Key("ngrams", "objects", "the pairs of tokens that are known, the triples, ...; absent: none", _TABLE, optional=True),
        Key("around", "truth", "whether n-grams reach ahead as far as back; absent: they end at their place", optional=True),
        Key("classes", "any", "[label]"),
        Key("class_kind", "text", '"str", "int", "float" or "bool"'),
    ),
    measures=(
        Key("validation_accuracy", "number", "0..1"),
        Key("validation_balanced_accuracy", "number", "mean recall of the classes that occur", optional=True),
        Key("validation_macro_f1", "number", "mean over classes", optional=True),
    ),
    known=(Key("class_counts", "map", "label: how many"), Key("cut", "whole", "texts of which not all tokens were read (`max_tokens`)", optional=True)),
    result=CLASSIFICATION,
    model=(Key("pooling", "texts"),),
    evaluation=(
        Key("classes", "texts", "labels as text, in the order of every matrix and table"),
        Key("vocabulary", "object", "", (Key("kind", "text", '"words" or "letters"'), Key("size", "whole"))),
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
                Key("tokens", "texts"),
                Key("weights", "numbers", "of each token: its share of the pooled maxima"),
            ),
        ),
    ),
)
