"""Labels: one array of one kind, made from lists, arrays or tensors; and the classes of a training set, each with its position."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tenuto.errors import DataError
from tenuto.tongues import either

_KINDS = {str: "text", int: "whole numbers", float: "numbers", bool: "truth values"}
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?", re.ASCII)


class Labels:
    """The classes that a training set has; a model answers with the position of one of them.

    Args:
        classes: K different labels of one kind, in the order of their positions.
    Raises:
        DataError: no class, a class that occurs twice, or classes of more than one kind.
    Example:
        >>> labels = Labels.learn(["run", "walk", "run"])
        >>> labels.classes.tolist(), labels.positions(["walk", "run"]).tolist()
        (['run', 'walk'], [1, 0])
    """

    def __init__(self, classes: Iterable[Any]) -> None:
        self.classes = as_labels(list(classes))
        self._position = {label: position for position, label in enumerate(self.classes.tolist())}
        if not self._position:
            raise DataError("there are no classes.", expected="one or more labels", received="none", fix="give labels")
        if len(self._position) < len(self.classes):
            raise DataError("a class occurs twice in the list of classes.", fix="name each once")

    @classmethod
    def learn(cls, labels: Iterable[Any]) -> Labels:
        """The different labels, sorted."""
        return cls(label_counts(as_labels(list(labels))))

    def __len__(self) -> int:
        """How many classes there are."""
        return len(self.classes)

    def __contains__(self, label: object) -> bool:
        return label in self._position

    def alike(self, labels: Any) -> Any:
        """The labels, each as the class that is written alike, where there is one: CSV has only text, so 0 in Parquet is "0" there.

        Example:
            >>> Labels([0, 1]).alike(["1", "0", "walk"])
            [1, 0, 'walk']
        """
        if labels is None:
            return None
        known = {_form(label): label for label in self.classes.tolist()}
        given = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
        if len(known) < len(self) or all(label in self._position for label in given):
            return labels
        return [label if label in self._position else known.get(_form(label), label) for label in given]

    def positions(self, labels: Any, *, ids: Sequence[str] | None = None, noun: str = "sequence", unseen: int | None = None) -> np.ndarray:
        """Where each label stands among the classes, [N] int64.

        Args:
            labels: [N], or None where a data set has none.
            ids: [N] names for the message. Default: the positions.
            noun: what has a label, for the message: "sequence", "text".
            unseen: the number to give to a label that training never saw. Default: such a label is an error.
        Raises:
            DataError: there are no labels, or there is one that training never saw.
        """
        if labels is None:
            raise DataError("the data has no labels.", expected=f"a label for each {noun}", fix=either("give y, or data with labels", "say which column has them: --label-column NAME"))
        given = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
        found = [self._position.get(label, unseen) for label in given]
        if unseen is None and None in found:
            index = found.index(None)
            raise DataError(
                f"{noun} {str(index) if ids is None else ids[index]!r} has the label {given[index]!r}, which training never saw.",
                expected=", ".join(repr(known) for known in list(self._position)[:12]) + (", ..." if len(self) > 12 else ""),
                received=f"{given[index]!r} ({type(given[index]).__name__})",
                fix=f"leave those {noun}s out, mend the label, or train with {noun}s of that class",
            )
        return np.array(found, dtype=np.int64)


def _form(label: Any) -> str:
    """A label as one text for all kinds of files: 1, 1.0, "1" and "1.0" are the same, and so are True and "true".

    Example:
        >>> [_form(label) for label in (1, 1.0, "01", " 1.50", True, "False", "walk")]
        ['1', '1', '01', '1.5', 'true', 'false', 'walk']
    """
    text = str(label).strip()
    if text.lower() in ("true", "false"):
        return text.lower()
    if _NUMBER.fullmatch(text):
        return f"{float(text):.17g}" if "." in text else text
    return text


def label_counts(labels: np.ndarray | None) -> dict[Any, int]:
    """How often each label occurs, in the order of the labels; empty without labels."""
    counts = Counter([] if labels is None else labels.tolist())
    return {label: counts[label] for label in sorted(counts)}


def as_labels(labels: Any) -> np.ndarray:
    """Labels as one array `[N]` of one kind.

    Raises:
        DataError: labels of more than one kind, of a kind that cannot be saved, or a missing label.
    """
    if hasattr(labels, "detach"):
        labels = labels.detach().cpu().numpy()
    given = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    kinds = {type(label.item() if isinstance(label, np.generic) else label) for label in given}
    absent = [index for index, label in enumerate(given) if label is None or label != label]
    if absent:
        raise DataError(f"the label at position {absent[0]} is missing.", fix="label it, or leave it out")
    if len(kinds) > 1 or not kinds <= {str, int, float, bool}:
        raise DataError(
            "labels are of more than one kind." if len(kinds) > 1 else "labels are of a kind that cannot be saved.",
            expected="[N], all text, all integers, all floats or all booleans",
            received=", ".join(sorted(_KINDS.get(kind, kind.__name__) for kind in kinds)),
            fix=either("convert them, for example with [str(label) for label in y]", "write all of them alike, for example all as text"),
        )
    try:
        made = np.array(given)
    except OverflowError:
        made = np.array(None)
    if made.dtype.kind not in "biufU" or (kinds == {int} and made.dtype.kind not in "iu"):
        raise DataError("a label is a number of too many digits.", expected="whole numbers of at most 18 digits", fix="write such labels as text")
    return made
