"""`Sentences`: token lists, with a tag for each token, a label for each sentence, both or neither."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from tenuto.data.counts import as_ids, require_one_each
from tenuto.data.frame import items_of
from tenuto.data.labels import as_labels, label_counts
from tenuto.data.sentences.words import RULE, tokenise
from tenuto.data.source import GIVEN, LeftOut, Source, Sourced
from tenuto.data.weights import as_weights, taken
from tenuto.errors import DataError
from tenuto.process import kept_property


class Sentences(Sourced):
    """Token lists of unequal lengths, in the order given.

    Args:
        tokens: N sentences, each a sequence of texts, or a raw text, which `tokenise` splits. An array [N, 1] and a data frame with one column are N raw
            texts, where there are no tags.
        tags: N sequences of texts, one tag for each token; or None.
        labels: [N], one for each sentence: text, integers, floats or booleans; or None.
        weights: [N] numbers, 0 or more: how much each sentence counts in the loss and in what is measured. Default: all alike.
        ids: [N] names for messages and tables. Default: the positions.
        came_from: what to call the set, and where it came from.
        rule: how raw texts are split, as in `tokenise`.
        left_out: what the reader left out.
    Attributes:
        cut: [N] bool, of which sentences not all tokens are there (`shortened`); None where of none.
    Raises:
        DataError: no sentences, a table of several columns, a sentence without tokens, a token or tag that is not text, more or fewer tags than tokens, or ids, labels or
            weights that are not one for each sentence; or weights as in `data.weights`.
    Example:
        >>> Sentences([["play", "jazz"], ["stop"]], [["O", "B-genre"], ["O"]], labels=["play", "stop"])
        Sentences(2 sentences, 1 to 2 tokens, 2 tags, 2 classes)
    """

    def __init__(
        self,
        tokens: Iterable[Any],
        tags: Iterable[Any] | None = None,
        labels: Iterable[Any] | None = None,
        *,
        ids: Iterable[Any] | None = None,
        weights: Any = None,
        came_from: Source = GIVEN,
        rule: int = RULE,
        left_out: Iterable[LeftOut] = (),
    ) -> None:
        self.came_from, self.rule, self.left_out = came_from, rule, tuple(left_out)
        self.cut: np.ndarray | None = None
        if isinstance(tokens, str):
            raise DataError("the data is a single text.", expected="a list of texts or of token lists", received="str", fix="put it in a list: [text]")
        given = items_of(tokens, one_column=tags is None)
        if not given:
            raise DataError("there are no sentences.", expected="one or more sentences", received="none", fix="check the data")
        self.ids = as_ids(ids, given, "sentences")
        self.texts: tuple[str | None, ...] = tuple(item if isinstance(item, str) else None for item in given)
        self.tokens = [_as_texts("token", item, identity, rule) for item, identity in zip(given, self.ids)]
        self.tags = None if tags is None else self._matching(list(tags))
        self.labels: np.ndarray | None = None if labels is None else as_labels(labels)
        if self.labels is not None:
            require_one_each("labels", self.labels, given, "sentences")
        self.weights = as_weights(weights, self.ids, "sentences")

    @classmethod
    def of(cls, tokens: Any, tags: Any = None, labels: Any = None, weights: Any = None) -> Sentences:
        """Sentences as they are, or made from lists; tags, labels and weights given with Sentences replace those that they have.

        Raises:
            DataError: as for the class.
        """
        if not isinstance(tokens, Sentences):
            return cls(tokens, tags, labels, weights=weights)
        if tags is None and labels is None and weights is None:
            return tokens
        old = tokens
        tags = old.tags if tags is None else tags
        labels = old.labels if labels is None else labels
        weights = old.weights if weights is None else weights
        items = [text if text is not None else words for text, words in zip(old.texts, old.tokens)]
        return cls(items, tags, labels, ids=old.ids, weights=weights, came_from=old.came_from.part(), rule=old.rule)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: int) -> tuple[str, ...]:
        """The tokens of one sentence."""
        return self.tokens[index]

    def __repr__(self) -> str:
        words = [f"{len(self)} sentences", f"{self.lengths.min()} to {self.lengths.max()} tokens"]
        words += [] if self.tags is None else [f"{len(self.tag_counts)} tags"]
        words += [] if self.labels is None else [f"{len(self.class_counts)} classes"]
        return f"Sentences({', '.join(words)})"

    def text(self, index: int) -> str:
        """A sentence as text: the raw text where there was one, else the tokens with spaces between them."""
        return self.texts[index] or " ".join(self.tokens[index])

    @kept_property
    def lengths(self) -> np.ndarray:
        """[N] int64, in tokens."""
        return np.array([len(words) for words in self.tokens], dtype=np.int64)

    @kept_property
    def tag_counts(self) -> dict[str, int]:
        """How often each tag occurs, in the order of the tags; empty without tags."""
        counts = Counter(tag for row in self.tags or () for tag in row)
        return {tag: counts[tag] for tag in sorted(counts)}

    @kept_property
    def class_counts(self) -> dict[Any, int]:
        """How many sentences each label has, in the order of the labels; empty without labels."""
        return label_counts(self.labels)

    def _content_sha256(self) -> str:
        """The digest of tokens, tags, labels, and weights where there are any."""
        digest = hashlib.sha256()
        for index, words in enumerate(self.tokens):
            row = (words, None if self.tags is None else self.tags[index], None if self.labels is None else self.labels[index : index + 1].tolist())
            digest.update(repr(row).encode("utf-8", errors="surrogatepass"))
        digest.update(b"" if self.weights is None else self.weights.tobytes())
        return digest.hexdigest()

    def select(self, indices: Iterable[int] | np.ndarray, *, origin: str | None = None) -> Sentences:
        """The sentences at these positions, in this order."""
        positions = [int(index) for index in indices]
        part = Sentences(
            [self.texts[index] or self.tokens[index] for index in positions],
            None if self.tags is None else [self.tags[index] for index in positions],
            None if self.labels is None else self.labels[positions],
            ids=[self.ids[index] for index in positions],
            came_from=self.came_from.part(origin),
            rule=self.rule,
        )
        part.weights, part.cut = taken(self.weights, positions), taken(self.cut, positions)
        return part

    def cut_by(self, rule: int) -> Sentences:
        """The same sentences, with raw texts split by this rule (`tokenise`); token lists stay as they are.

        Raises:
            DataError: there are tags, and they do not fit the tokens of this rule.
        """
        if rule == self.rule or not any(self.texts):
            return self
        items = [text or words for text, words in zip(self.texts, self.tokens)]
        part = Sentences(items, self.tags, self.labels, ids=self.ids, came_from=self.came_from, rule=rule, left_out=self.left_out)
        part.weights, part.cut = self.weights, self.cut
        return part

    def shortened(self, limit: int, keep: str) -> Sentences:
        """The same sentences without tags, of long ones only `limit` tokens; the set itself where none is longer.

        Args:
            keep: which tokens: "beginning", "end", or "both" (half of them from each).
        Example:
            >>> Sentences(["a b c d e", "f"]).shortened(3, "both").tokens
            [('a', 'b', 'e'), ('f',)]
        """
        longer = self.lengths > limit
        if not longer.any():
            return self
        first = {"beginning": limit, "end": 0, "both": limit - limit // 2}[keep]
        items = [words[:first] + words[len(words) - limit + first :] if much else text or words for words, text, much in zip(self.tokens, self.texts, longer)]
        part = Sentences(items, None, self.labels, ids=self.ids, came_from=self.came_from.part(), rule=self.rule, left_out=self.left_out)
        part.weights, part.cut = self.weights, longer if self.cut is None else longer | self.cut
        return part

    def _matching(self, rows: list[Any]) -> list[tuple[str, ...]]:
        require_one_each("tag sequences", rows, self, "sentences")
        tags = [_as_texts("tag", row, identity) for row, identity in zip(rows, self.ids)]
        for words, row, identity in zip(self.tokens, tags, self.ids):
            if len(words) != len(row):
                raise DataError(
                    f"sentence {identity!r} has {len(words)} tokens and {len(row)} tags.",
                    expected="one tag for each token",
                    received=f"{' '.join(words)[:50]!r} and {' '.join(row)[:50]!r}",
                    fix="mend that sentence, or leave it out",
                )
        return tags


def _as_texts(what: str, row: Any, identity: str, rule: int = RULE) -> tuple[str, ...]:
    """A row of texts; a raw text of tokens is split first."""
    if isinstance(row, str):
        if what == "tag":
            raise DataError(f"the tags of sentence {identity!r} are a single text.", expected="a list of tags", received=repr(row[:40]))
        row = tokenise(row, rule)
    elif isinstance(row, np.ndarray):
        row = row.tolist()
    try:
        texts = tuple(row)
    except TypeError:
        raise DataError(
            f"sentence {identity!r} is not a list of {what}s.", expected=f"a list of {what}s (texts)", received=f"{type(row).__name__} {str(row)[:40]}"
        ) from None
    if not texts:
        raise DataError(f"sentence {identity!r} has no {what}s.", expected=f"one or more {what}s", fix="leave it out")
    for position, text in enumerate(texts):
        if not isinstance(text, str) or not text:
            raise DataError(
                f"{what} {position} of sentence {identity!r} is {'empty' if text == '' else 'not text'}.",
                expected=f"{what}s that are texts",
                received=f"{text!r} ({type(text).__name__})",
            )
    return texts
