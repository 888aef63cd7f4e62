"""The keys that only runs of this task have; `runs/schema.py` has the common ones, and explains the form."""

from __future__ import annotations

from tenuto.runs.schema import BY_CLASS, CLASSIFICATION, Key, Own

_TABLE = (Key("entries", "texts"), Key("counts", "numbers", "in training"))
_ANSWER = (
    Key("id", "text"),
    Key("tokens", "texts"),
    Key("tags", "texts"),
    Key("predicted", "texts"),
    Key("label", "text", null=True),
    Key("predicted_label", "text", null=True),
)
_KIND = (*BY_CLASS, Key("predicted", "whole", "how many were predicted"))
_SPANS = (
    Key("scheme", "text", '"BIO", "BILOU", ...', optional=True),
    *(Key(name, "number", null=True) for name in ("precision", "recall", "f1")),
    *(Key(name, "whole", "how many spans") for name in ("right", "predicted", "true")),
    Key("kinds", "objects", "", _KIND),
)
_LABELS = tuple(Key("loss", "number", "not measured separately", null=True) if key.name == "loss" else key for key in CLASSIFICATION)

OWN = Own(
    preprocessing=(
        Key("words", "object", "", _TABLE),
        Key("characters", "object", "", _TABLE),
        Key("lowercase", "truth"),
        Key("character_limit", "whole"),
        Key("rule", "whole", "how raw texts are split into words (`data/sentences/words.py`); absent: 1", optional=True),
        Key("ngrams", "objects", "the pairs of tokens that are known, the triples, ...; absent: none", _TABLE, optional=True),
        Key("around", "truth", "whether n-grams reach ahead as far as back; absent: they end at their place", optional=True),
        Key("tags", "texts"),
        Key("labels", "any", "[label] of sentences; [] without labels"),
        Key("scheme", "text", 'how tags mark spans: "BIO", "IOB1", "BIOES", ...; null where they mark none', null=True, optional=True),
    ),
    measures=(
        Key("validation_accuracy", "number", "of tokens, 0..1"),
        Key("validation_sentence_accuracy", "number", "sentences with every answer right, 0..1"),
        Key("validation_span_f1", "number", "0..1", optional=True),
        Key("validation_label_accuracy", "number", "0..1", optional=True),
    ),
    known=(Key("class_counts", "map", "label: how many sentences"),),
    result=(
        Key("sentences", "whole"),
        Key("tokens", "whole"),
        Key("effective_sentences", "number", "where sentences have weights: how many of equal weight tell as much; shares and means then go by weight", optional=True),
        Key("loss", "number", "nats a sentence", null=True),
        Key("accuracy", "number", "of tokens"),
        Key("accuracy_interval", "numbers", "low, high: Wilson's, 95 %"),
        Key("majority_accuracy", "number", "of always answering the most common tag"),
        Key("macro_f1", "number", "mean over tags", null=True),
        Key("sentence_accuracy", "number", "the share of sentences with every answer right"),
        Key("spans", "object", "null where tags mark no spans", _SPANS, null=True),
        Key("tags", "objects", "one each, in the order of `tags`", BY_CLASS),
        Key("confusion", "rows", "counts; rows are the true tag, columns the predicted one"),
        Key("unknown", "object", "of words that training never saw", (Key("tokens", "whole"), Key("accuracy", "number", null=True))),
        Key("labels", "object", "of the sentences' labels; null without labels", (*_LABELS, Key("unseen", "map")), null=True),
        Key("unseen", "map", "tags that training never had: how often; they count as wrong"),
        Key("mistakes", "objects", "at most 50, those with the most wrong tags first", _ANSWER),
    ),
    evaluation=(
        Key("tags", "texts", "in the order of `confusion`"),
        Key("classes", "texts", "labels of sentences as text", null=True),
        Key("vocabulary", "object", "", (Key("kind", "text", '"words"'), Key("size", "whole"))),
        Key(
            "examples",
            "objects",
            "at most 12 of the test set, else of the validation set, mistakes first",
            (*_ANSWER, Key("set", "text", '"test" or "validation"'), Key("correct", "truth")),
        ),
    ),
)
