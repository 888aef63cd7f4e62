"""The run folder's contract as data: which keys config.json, metrics.jsonl and evaluation.json have, of which kind, and what they mean.

The keys that every task has are here; those that only one task has, its `Own`, are in `tasks/<task>/schema.py`. `files_of(own)` puts the two together,
and `breaches(keys, data)` says where a file differs from them: tests compare a real run of every task, for keys that are missing and for keys that are
not listed. Each key here is read by something: a page, a command, `load`, or a caller of `evaluate`. A later version may add keys; a key keeps its
meaning as long as `format_version` stays the same. Numbers are JSON numbers; a number that is not finite or not known is null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tenuto.runs.names import CONFIG, EVALUATION, METRICS, MODEL

# The kinds of values by name, and the types that they have when read from JSON. "object" and "objects" have keys of their own, "map" may have any
# keys, and "any" is not checked.
KINDS: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "whole": (int,),
    "number": (int, float),
    "truth": (bool,),
    "texts": (list,),
    "numbers": (list,),
    "rows": (list,),  # of numbers
    "object": (dict,),
    "objects": (list,),
    "map": (dict,),
    "any": (object,),
}


@dataclass(frozen=True)
class Key:
    """A key of a file.

    Attributes:
        name, said: its name, and what it means.
        kind: one of `KINDS`.
        inside: the keys of an object, or of each object in a list.
        null: whether it may be null.
        optional: whether it may be absent.
    """

    name: str
    kind: str
    said: str = ""
    inside: tuple[Key, ...] = ()
    null: bool = False
    optional: bool = False

    def __post_init__(self) -> None:
        assert self.kind in KINDS and bool(self.inside) <= (self.kind in ("object", "objects")), self


@dataclass(frozen=True)
class Own:
    """The keys that only one task has, by where they stand.

    Attributes:
        preprocessing: in `preprocessing` of config.json. measures: in each line of metrics.jsonl.
        known: in each SET, the description of a data set. result: all keys of a RESULT, the numbers of an evaluation.
        model: in `model` of evaluation.json. evaluation: in evaluation.json itself, besides the common keys.
    """

    preprocessing: tuple[Key, ...]
    measures: tuple[Key, ...]
    result: tuple[Key, ...]
    evaluation: tuple[Key, ...]
    known: tuple[Key, ...] = ()
    model: tuple[Key, ...] = ()


LINE = (
    Key("epoch", "number", "1, 2, ...; with a fraction if the validation was within an epoch"),
    Key("train_loss", "number", "mean over what was trained on since the last line, in nats, as trained: with dropout and label smoothing, without other regularisers"),
    Key("validation_loss", "number", "in nats, without label smoothing; with the weights of classes, as in training"),
    Key("learning_rate", "number", "of the last step"),
    Key("gradient_norm_mean", "number", "before clipping"),
    Key("gradient_norm_max", "number", "before clipping"),
    Key("clipped_steps", "whole", "how many of the steps were clipped"),
    Key("steps", "whole", "optimiser steps so far"),
    Key("count", "whole", "how many sequences or tokens were trained on since the last line"),
    Key("skipped_steps", "whole", "left out because a loss or gradient was not finite"),
    Key("averaging", "truth", "whether averaged weights were validated"),
    Key("seconds", "number", "since training began"),
    Key("epoch_seconds", "number", "since the last line, including the validation"),
    Key("best", "truth", "whether this line is the best so far"),
)
SET = (
    Key("path", "text", "the file, if there is one", null=True),
    Key("sha256", "text", "digest of the file, or of the content"),
    Key("name", "text"),
    Key("origin", "text", 'in words: "given", "20% of the training sequences, by class, seed 0", "split \'test\' of the file"'),
    Key("sequences", "whole", "how many"),
    Key("steps", "whole", "time steps of all sequences together, without padding"),
    Key("length_min", "whole", "in steps"),
    Key("length_mean", "number", "in steps"),
    Key("length_max", "whole", "in steps"),
    Key("weights", "object", "how much its items count, where that differs", (Key("sum", "number"), Key("smallest", "number"), Key("largest", "number")), optional=True),
)
# The scores of a class, tag or label. precision is null if it was never predicted, recall if it does not occur, f1 if neither.
BY_CLASS = (
    Key("name", "text"),
    Key("precision", "number", null=True),
    Key("recall", "number", null=True),
    Key("f1", "number", null=True),
    Key("support", "whole", "how many of them are in the data"),
)
# The RESULT of a classification.
CLASSIFICATION = (
    Key("sequences", "whole", "how many were classified"),
    Key("effective_sequences", "number", "where rows have weights: how many of equal weight tell as much; shares and means then go by weight, counts count rows", optional=True),
    Key("loss", "number", "nats per sequence"),
    Key("accuracy", "number", "0..1"),
    Key("accuracy_interval", "numbers", "low, high: Wilson's, 95 %"),
    Key("majority_accuracy", "number", "the accuracy of always answering the largest class"),
    Key("macro_f1", "number", "mean over classes", null=True),
    Key("balanced_accuracy", "number", "mean recall of the classes that occur", optional=True),
    Key("confusion", "rows", "counts; rows are the true class, columns the predicted one"),
    Key("classes", "objects", "one for each class, in the order of `classes`", BY_CLASS),
    Key(
        "mistakes",
        "objects",
        "at most 50, most confident first",
        (Key("id", "text"), Key("label", "text"), Key("predicted", "text"), Key("probability", "number"), Key("text", "text", "at most 500 letters, where texts are classified", optional=True)),
    ),
)
_SIDE = (
    Key("cell", "text"),
    Key("hidden_size", "whole"),
    Key("num_layers", "whole"),
    Key("parameters", "whole"),
    Key("seconds", "number", "for one answer"),
    Key("scores", "map", "of the set, by name; empty where it has no right answers"),
    Key("intervals", "map", "of those scores that have one: low, high; 95 %"),
)
# What is lost where the network learnt from another one, and how it learnt.
_DISTILLATION = (
    Key("part", "text", 'the set on which the two were compared: "validation" or "test"'),
    Key("unit", "text", "what an answer is for"),
    Key("items", "whole", "how many sequences, or rows of a text"),
    Key("answers", "whole"),
    Key("agreement", "number", "0..1: the share of answers in which the two agree"),
    Key("agreement_interval", "numbers", "low, high: 95 %"),
    Key("divergence", "number", "KL(teacher || student), nats a choice"),
    Key("divergence_error", "number", "its standard error", null=True),
    Key("divergence_unit", "text", "what a choice is for"),
    Key("teacher", "object", "", _SIDE),
    Key("student", "object", "", _SIDE),
    Key("temperature", "number"),
    Key("truth", "number", "share of the right answers in the loss"),
    Key("states", "number", "what the hidden states count in the loss"),
    Key("start", "text", 'which weights began as the teacher\'s: "front", "all" or "nothing"'),
)
_WEIGHT = (Key("name", "text", "begins with front, encoder or head"), Key("shape", "numbers"), Key("parameters", "whole"))
_REASON = (Key("engine", "text"), Key("runs", "truth"), Key("reason", "text"))


def _data(known: tuple[Key, ...]) -> Key:
    inside = SET + known
    parts = (Key("train", "object", "", inside), Key("validation", "object", "", inside), Key("test", "object", "", inside, null=True))
    return Key("data", "object", "each part is a SET", parts)

_COMPRESSION = (
    Key("weights", "text", 'the form of the weights that are stored, such as "int8"'),
    Key("activations", "text", '"float"; "int8", "static-int8" or "static-int16" where recurrent layers multiply whole numbers'),
    Key("stored", "texts", "the names of these weights"),
    Key("bytes_before", "whole", "of all weights"),
    Key("bytes_after", "whole"),
    Key(
        "quality",
        "object",
        "both models on the same data",
        (Key("measure", "text", "of a RESULT"), Key("better", "text", '"higher" or "lower"'), Key("before", "number"), Key("after", "number")),
        null=True,
    ),
    Key(
        "units",
        "object",
        "of each layer, where some were taken away",
        (Key("before", "whole"), Key("after", "whole"), Key("score", "text", '"taylor" or "norm"'), Key("finetuned", "truth", "whether what was left learnt on")),
        null=True,
        optional=True,
    ),
    Key("sparsity", "number", "the share of each matrix that was made zero", null=True, optional=True),
    Key("blocks", "whole", "how many neighbouring rows of recurrent layers were made zero together; null: each number by itself", null=True, optional=True),
    Key("rank", "number", "the share of the full rank that W and U of recurrent layers have, where it was cut", null=True, optional=True),
    Key("speed", "object", "seconds of the same prediction, where it was asked for", (Key("before", "number"), Key("after", "number")), null=True, optional=True),
    Key(
        "tried",
        "objects",
        "the models of a search",
        (Key("how", "text"), Key("size", "whole", "bytes of weights and config"), Key("value", "number", "its quality"), Key("chosen", "truth")),
        optional=True,
    ),
    Key(
        "spectrum",
        "objects",
        "the recurrent Jacobian, where something was taken away: its spectral radius and largest singular value, a mean over a few steps",
        (Key("layer", "text"), *(Key(f"{name}_{when}", "number") for name in ("radius", "gain") for when in ("before", "after"))),
        optional=True,
    ),
)


def files_of(own: Own) -> dict[str, tuple[Key, ...]]:
    """The keys of the files of a task's run, by file; those of metrics.jsonl are the keys of each line."""
    files = tuple(
        Key(name, "object", "", (Key("sha256", "text"), Key("size_bytes", "whole"))) for name in (MODEL, METRICS, EVALUATION)
    )
    config = (
        Key("format", "text", '"tenuto run"'),
        Key("format_version", "whole", "2; in version 1 the parts of a network had other names, which `load` knows"),
        Key("tenuto", "text", "the version that wrote it"),
        Key("created", "text", '"2026-01-31T12:00:00Z"'),
        Key("task", "text"),
        Key("options", "map", 'the constructor\'s arguments; a cell as {"class": name, ...fields}, `random_state` as it was used'),
        Key("maths", "map", "what each option that is a cell computes: {digest, declared, step, derivative}, the two programs as text; `load` refuses another", optional=True),
        Key("preprocessing", "object", "what was learnt before training", own.preprocessing),
        _data(own.known),
        Key("files", "object", "digests of the other files", files),
        Key("sha256", "text", "digest of this object without this key: JSON with sorted keys, no spaces, UTF-8"),
    )
    prediction = (
        Key("sequences_per_s", "number", null=True),
        Key("steps_per_s", "number", "without padding"),
        Key("tokens_per_s", "number", optional=True),
    )
    evaluation = (
        Key("format", "text", '"tenuto evaluation"'),
        Key("format_version", "whole"),
        Key("task", "text"),
        Key("title", "text", 'one line, for example "LSTM classifier, 9 classes, 12 channels"'),
        _data(own.known),
        Key(
            "model",
            "object",
            "",
            (
                Key("cell_data", "map", "as in config.json's options"),
                Key("hidden_size", "whole"),
                Key("num_layers", "whole"),
                Key("bidirectional", "truth"),
                Key("dropout", "number"),
                Key("parameters", "whole", "how many numbers the weights have together"),
                Key("weights", "objects", "", _WEIGHT),
                *own.model,
            ),
        ),
        Key(
            "training",
            "object",
            "",
            (
                Key("epochs_run", "number", "with a fraction if the last validation was within an epoch"),
                Key("best_epoch", "number"),
                Key("stopped", "text", '"all epochs", "all steps", "early stopping", "time limit" or "interrupted"'),
                Key("seconds", "number"),
                Key("seed", "whole"),
                Key("steps", "whole"),
                Key("skipped_steps", "whole"),
                Key("options", "map", "as in config.json"),
            ),
        ),
        Key("results", "object", "each is a RESULT", (Key("validation", "object", "", own.result), Key("test", "object", "", own.result, null=True))),
        Key(
            "engine",
            "object",
            "which engine ran the time loop in training, for a batch of the usual shape",
            (Key("chosen", "text"), Key("table", "text", "to be printed as it is"), Key("reasons", "objects", "", _REASON), Key("shape", "text", '"T 29, B 32, I 12, H 64"')),
        ),
        Key(
            "speed",
            "object",
            "",
            (
                Key("training", "object", "", (*prediction, Key("optimiser_steps_per_s", "number"))),
                Key("prediction", "object", "of the set shown", (*prediction, Key("batch_size", "whole"))),
            ),
        ),
        Key(
            "machine",
            "object",
            "",
            (
                Key("processor", "text"),
                Key("cores", "whole"),
                Key("threads", "whole"),
                Key("platform", "text"),
                Key("memory_bytes", "whole", null=True),
                Key("device", "text"),
            ),
        ),
        Key("versions", "object", "", tuple(Key(name, "text") for name in ("tenuto", "python", "torch", "numpy"))),
        Key("created", "text", '"2026-01-31T12:00:00Z"'),
        Key("distillation", "object", "where the network learnt from another one (`tenuto distill`)", _DISTILLATION, optional=True),
        Key("compression", "object", "where the weights were made smaller (`tenuto compress`)", _COMPRESSION, optional=True),
        *own.evaluation,
    )
    return {CONFIG: config, METRICS: LINE + own.measures, EVALUATION: evaluation}


def breaches(keys: Sequence[Key], data: Mapping[str, Any], where: str = "") -> Iterator[str]:
    """Each place where an object differs from its keys: a key is missing, not known, or has a value of another kind.

    Example:
        >>> keys = (Key("a", "whole"), Key("b", "objects", "", (Key("c", "text"),)))
        >>> list(breaches(keys, {"a": 1.5, "b": [{"c": "x"}, {"d": 1}]}))
        ['a is 1.5, not whole', 'b[1].c is missing', 'b[1].d is not known']
    """
    known = {key.name: key for key in keys}
    for name, key in known.items():
        place = f"{where}{name}"
        if name not in data:
            if not key.optional:
                yield f"{place} is missing"
            continue
        value = data[name]
        if value is None and key.kind != "any":
            if not key.null:
                yield f"{place} is null"
        elif not _fits(key.kind, value):
            yield f"{place} is {value!r:.40}, not {key.kind}"
        elif key.kind == "object":
            yield from breaches(key.inside, value, f"{place}.")
        elif key.kind == "objects":
            for index, one in enumerate(value):
                yield from breaches(key.inside, one, f"{place}[{index}].")
        elif key.kind in ("texts", "numbers"):
            right = str if key.kind == "texts" else (int, float)
            yield from (f"{place}[{index}] is {one!r:.40}" for index, one in enumerate(value) if one is not None and not isinstance(one, right))
    yield from (f"{where}{name} is not known" for name in data if name not in known)


def _fits(kind: str, value: Any) -> bool:
    """Whether a value is of this kind; True and False are not numbers."""
    return isinstance(value, KINDS[kind]) and not (isinstance(value, bool) and kind in ("whole", "number"))


def in_words(keys: Sequence[Key], indent: str = "", groups: Mapping[str, Sequence[Key]] = MappingProxyType({})) -> Iterator[str]:
    """The keys as lines of text, for people.

    Args:
        groups: keys that are listed elsewhere under a name. An object that has all of them says the name, and lists only what differs.
    Example:
        >>> print("\\n".join(in_words((Key("data", "object", "sets", (Key("path", "text", "the file", null=True),)),))))
        data            object, sets
          path            text or null, the file
    """
    for key in keys:
        name, inside = grouped(key.inside, groups)
        kind = key.kind + (" or null" if key.null else "") + (", may be absent" if key.optional else "")
        same = name and f"as {name}" + (", and:" if inside else "")
        yield f"{indent}{key.name:<15} {', '.join(part for part in (kind, key.said, same) if part)}"
        yield from in_words(inside, indent + "  ", groups)


def grouped(keys: Sequence[Key], groups: Mapping[str, Sequence[Key]]) -> tuple[str, tuple[Key, ...]]:
    """The largest group whose names are all among the keys ("" if there is none), and the keys that are not as in the group.

    Example:
        >>> known = (Key("name", "text"), Key("f1", "number"))
        >>> name, rest = grouped((*known, Key("support", "whole")), {"CLASS": known})
        >>> name, [key.name for key in rest]
        ('CLASS', ['support'])
    """
    names = {key.name for key in keys}
    there = [name for name, group in groups.items() if names >= {key.name for key in group}]
    if not there:
        return "", tuple(keys)
    name = max(there, key=lambda name: len(groups[name]))
    return name, tuple(key for key in keys if key not in groups[name])
