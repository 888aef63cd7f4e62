"""What a validation can measure: its name in metrics.jsonl, its words, and which way is better. All of this stands in one table.

A search, or the choice of the best weights, can only go by a measure that is here: whether higher is better is known, never guessed. What a
task returns from a validation stands here (a test reads it from the sources); a training loop of your own enters what it measures with `add`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from tenuto.choices import did_you_mean, nearest
from tenuto.errors import ArgumentError, TenutoError
from tenuto.tongues import either

BEFORE = "validation_"
WIDE = 0.2  # an interval of a share that is wider says little about which weights are better


@dataclass(frozen=True)
class Measure:
    """One number of a validation.

    Args:
        key: in metrics.jsonl; begins with "validation_".
        better: "higher" or "lower".
        title: over its chart.
        words: on the line of progress, "F1 {:.1%}"; empty where it is not shown there.
        share: it is a share of something, so it is shown as per cent.
        note: under its chart; empty where it has none.
    Raises:
        ArgumentError: the key begins otherwise, or `better` is neither of the two.
    """

    key: str
    better: str
    title: str
    words: str = ""
    share: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        if not self.key.startswith(BEFORE) or self.key == BEFORE:
            raise ArgumentError(f"{self.key!r} is no name of a measure.", expected=f"{BEFORE}NAME, for example {BEFORE}loss")
        if self.better not in ("higher", "lower"):
            raise ArgumentError(f"better={self.better!r} is not known.", expected="higher | lower")


# The most telling first.
_TABLE: dict[str, Measure] = {
    one.key: one
    for one in (
        Measure("validation_loss", "lower", "Loss"),
        Measure("validation_cer", "lower", "Character error rate", "CER {:.1%}", True, "Of the validation set: edits to the transcripts, divided by their characters."),
        Measure("validation_wer", "lower", "Word error rate", "WER {:.1%}", True, "Of the validation set: edits to the transcripts, divided by their words."),
        Measure("validation_span_f1", "higher", "Span F1", "F1 {:.1%}", True, "Of the validation set; a span counts as right when its words and its kind are right."),
        Measure("validation_exact", "higher", "Wholly right", "{:.1%} exact", True, "Share of the validation pairs whose whole answer is right."),
        Measure("validation_perplexity", "lower", "Perplexity", "perplexity {:.4g}", False, "Of the validation text, with the state carried."),
        Measure("validation_accuracy", "higher", "Accuracy", "{:.1%} right", True, "Share of the validation set that is right."),
        Measure("validation_balanced_accuracy", "higher", "Balanced accuracy", "", True, "Mean recall of the classes of the validation set: each class counts alike."),
        Measure("validation_macro_f1", "higher", "Macro F1", "", True, "Mean F1 of the classes."),
        Measure("validation_rmse", "lower", "Root mean square error", "RMSE {:.3f}", False, "Of the validation set, in standard deviations of the targets of the training set."),
        Measure("validation_mae", "lower", "Mean absolute error", "", False, "Of the validation set, in standard deviations of the targets of the training set."),
        Measure("validation_label_accuracy", "higher", "Accuracy of the sentences' classes", "classes {:.1%} right", True, "Share of the validation sentences."),
        Measure("validation_sentence_accuracy", "higher", "Sentences wholly right", share=True),
        Measure("validation_token_accuracy", "higher", "Tokens right", share=True),
    )
}


def add(measure: Measure) -> Measure:
    """Enter a measure, `Measure("validation_kappa", better="higher", title="Cohen's kappa")`; returns it. The same one may be entered again.

    Raises:
        ArgumentError: there is another measure of that name.
    """
    if _TABLE.setdefault(measure.key, measure) != measure:
        raise ArgumentError(f"there is another measure {measure.key!r}.", expected=repr(_TABLE[measure.key]), received=repr(measure), fix="give it another name")
    return measure


def measures() -> tuple[Measure, ...]:
    """Every measure, the most telling first: where there is room for few, the first of those that a validation has are shown."""
    return tuple(_TABLE.values())


def measure(key: str) -> Measure:
    """The measure of that name.

    Raises:
        ArgumentError: there is none; the message names one with a similar name.
    Example:
        >>> measure("validation_span_f1").better, measure("validation_loss").better
        ('higher', 'lower')
    """
    if key in _TABLE:
        return _TABLE[key]
    own = either("enter a measure of your own with tenuto.measures.add", "correct the name")
    raise _unknown(f"no measure {key!r} is known, so it is not known which way is better either.", key, _TABLE, own)


def require_measure(key: str, had: Collection[str]) -> None:
    """Check that a validation has this measure, before it is awaited.

    Args:
        had: the measures that the validation has.
    Raises:
        ArgumentError: it has not, or there is no such measure.
    """
    if key not in had:
        said = f"a validation of this task has no {key!r}." if key in _TABLE else f"no measure {key!r} is known."
        raise _unknown(said, key, had, "choose one of these")


def chosen_by_few(result: Mapping[str, Any]) -> str:
    """A sentence where a validation part is so small that the weights were chosen partly by chance; empty where it is large enough.

    Args:
        result: of the validation, with the 95 % interval of a share under "..._interval".
    Example:
        >>> chosen_by_few({"accuracy_interval": [0.36, 0.92]})
        'The validation part is small: what it measures is known to within 56 points, so the weights that were kept were chosen partly by chance.'
        >>> chosen_by_few({"accuracy_interval": [0.96, 0.98]})
        ''
    """
    widths = [interval[1] - interval[0] for key, interval in result.items() if key.endswith("_interval")]
    if not widths or min(widths) <= WIDE:
        return ""
    return (
        f"The validation part is small: what it measures is known to within {100 * min(widths):.0f} points, "
        "so the weights that were kept were chosen partly by chance."
    )  # fmt: skip


def _unknown(what: str, key: str, known: Collection[str], fix: str) -> TenutoError:
    near = nearest(key, known) or nearest(f"{BEFORE}{key}", known)
    return ArgumentError(what, expected=" | ".join(known), received=repr(key)[:80], fix=fix if near is None else did_you_mean(near, known, fix))
