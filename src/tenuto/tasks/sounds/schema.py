"""The keys that only runs of this task have; `runs/schema.py` has the common ones, and explains the form."""

from __future__ import annotations

from tenuto.runs.schema import CLASSIFICATION, Key, Own
from tenuto.tasks.audio_schema import HEARING, KNOWN, SHOWN

OWN = Own(
    preprocessing=(HEARING, Key("classes", "any", "[label]"), Key("class_kind", "text", '"str", "int", "float" or "bool"')),
    measures=(
        Key("validation_accuracy", "number", "0..1"),
        Key("validation_balanced_accuracy", "number", "mean recall of the classes that occur"),
        Key("validation_macro_f1", "number", "mean over classes"),
    ),
    known=(*KNOWN, Key("class_counts", "map", "label: how many")),
    result=CLASSIFICATION,
    model=(Key("pooling", "texts"),),
    evaluation=(
        Key("classes", "texts", "labels as text, in the order of every matrix and table"),
        Key(
            "examples",
            "objects",
            "at most 4 of the test set, else of the validation set: two mistakes if there are any, then right ones",
            (*SHOWN, Key("label", "text"), Key("predicted", "text"), Key("correct", "truth"), Key("probabilities", "numbers", "of each class")),
        ),
    ),
)
