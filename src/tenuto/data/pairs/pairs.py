"""`Pairs`: sources and their targets, for tasks that turn one sequence into another.

Each side of a pair is a text, which a task splits into characters or words, or a tuple of symbols of your own. A source that occurs in
several pairs has several right answers: those pairs stay together when a set is split, and in a score each of their targets counts as right.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tenuto.data.counts import as_ids, require_one_each
from tenuto.data.frame import items_of
from tenuto.data.source import LeftOut, Source, Sourced
from tenuto.data.split import check_fraction, divide, draw
from tenuto.errors import DataError
from tenuto.process import kept_property
from tenuto.scalars import drawn_from
from tenuto.tongues import either

Side = str | tuple[str, ...]
_GIVEN = Source("pairs")


class Pairs(Sourced):
    """A set of source-target pairs.

    Args:
        source, target: N of each: texts, or sequences of symbols, each symbol a text. `target` is None where there are only sources.
        ids: one text for each pair, to name it in messages. Default: "0", "1", ...
        came_from: what to call the set, and where it came from.
        skipped: how many pairs the reader left out. left_out: which these are, where the reader says it.
    Raises:
        DataError: no pair at all, a side that is empty or not text, or targets or ids that are not one for each source.
    Example:
        >>> pairs = Pairs(["cat", "cot", "cat"], ["K AE T", "K AA T", "K AH T"])
        >>> pairs
        Pairs(3 pairs, 2 sources)
        >>> pairs.answers()["cat"]
        ['K AE T', 'K AH T']
    """

    def __init__(
        self,
        source: Iterable[Any],
        target: Iterable[Any] | None = None,
        *,
        ids: Iterable[Any] | None = None,
        came_from: Source = _GIVEN,
        skipped: int = 0,
        left_out: Iterable[LeftOut] = (),
    ) -> None:
        if isinstance(source, str) or isinstance(target, str):
            raise DataError("a single text is not a set of pairs.", expected="a list of texts", received="a text", fix="put it in a list")
        sources = items_of(source)
        if not sources:
            raise DataError("there are no pairs.", expected="one or more pairs", received="none", fix="check the data")
        self.ids = as_ids(ids, sources, "sources")
        targets = None if target is None else items_of(target)
        if targets is not None:
            require_one_each("targets", targets, sources, "sources")
        self.source = [_as_side(item, "source", identity) for item, identity in zip(sources, self.ids)]
        self.target = None if targets is None else [_as_side(item, "target", identity) for item, identity in zip(targets, self.ids)]
        self.came_from, self.skipped, self.left_out = came_from, skipped, tuple(left_out)

    @classmethod
    def of(cls, source: Any, target: Any = None) -> Pairs:
        """Pairs from Pairs, as they are or with other targets if these are given; or from two lists.

        Raises:
            DataError: as for the class.
        """
        if not isinstance(source, Pairs):
            return cls(source, target)
        if target is None:
            return source
        return cls(source.source, target, ids=source.ids, came_from=source.came_from.part())

    def __len__(self) -> int:
        return len(self.source)

    def __repr__(self) -> str:
        return f"Pairs({len(self)} pairs, {len(self.groups)} sources)"

    @kept_property
    def groups(self) -> dict[Side, list[int]]:
        """The positions of each distinct source, in order of appearance."""
        found: dict[Side, list[int]] = {}
        for index, side in enumerate(self.source):
            found.setdefault(side, []).append(index)
        return found

    def answers(self) -> dict[Side, list[Side]]:
        """The targets of each distinct source, without repetition, in order of appearance.

        Raises:
            DataError: there are no targets.
        """
        targets = self.require_targets()
        return {source: list(dict.fromkeys(targets[index] for index in places)) for source, places in self.groups.items()}

    def require_targets(self) -> list[Side]:
        """The targets.

        Raises:
            DataError: there are none.
        """
        if self.target is None:
            raise DataError("the data has no targets.", expected="a target for each source", fix=either("give y, or Pairs with targets", "give a file with sources and targets"))
        return self.target

    def _content_sha256(self) -> str:
        """The digest of both sides."""
        return hashlib.sha256(json.dumps([self.source, self.target], ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()

    def select(self, indices: Sequence[int] | np.ndarray, *, origin: str | None = None) -> Pairs:
        """The pairs at these positions."""
        chosen = [int(index) for index in indices]
        return Pairs(
            [self.source[index] for index in chosen],
            None if self.target is None else [self.target[index] for index in chosen],
            ids=[self.ids[index] for index in chosen],
            came_from=self.came_from.part(origin),
        )

    def split(self, fraction: float, *, seed: Any) -> tuple[Pairs, Pairs]:
        """Splits the set at random. The second part has about `fraction` of the distinct sources, the first has the rest.

        All pairs of a source are in the same part. The same data, fraction and seed give the same split; both parts keep the order of the data
        and neither is empty.

        Args:
            seed: a whole number, or a random generator of numpy's.
        Raises:
            ArgumentError: fraction is not between 0 and 1.
            DataError: there is only one source.
        Example:
            >>> rest, part = Pairs(list("aabbcd"), list("123456")).split(0.25, seed=0)
            >>> part.source, rest.source
            (['c'], ['a', 'a', 'b', 'b', 'd'])
        """
        check_fraction(fraction)
        seed = drawn_from(seed)
        places = list(self.groups.values())
        if len(places) < 2:
            raise DataError("all pairs have the same source, which cannot be in both parts.", fix="add pairs, or give a validation set" + either("", " (--validation)"))
        held_out = np.zeros(len(self), dtype=bool)
        for place in draw(np.arange(len(places)), fraction, np.random.default_rng(seed)):
            held_out[places[place]] = True
        return divide(self, held_out, f"{fraction:.0%} of the sources, seed {seed}")


def _as_side(item: Any, side: str, identity: str) -> Side:
    """A text, or a tuple of texts; neither may be empty."""
    if isinstance(item, str):
        made: Side = item
    elif isinstance(item, (list, tuple)) and all(isinstance(symbol, str) for symbol in item):
        made = tuple(item)
    else:
        raise DataError(
            f"pair {identity!r} has a {side} that is not text.",
            expected="a text, or a list of texts (symbols)",
            received=f"{type(item).__name__} {item!r:.40}",
        )
    if not made or (isinstance(made, str) and not made.strip()):
        raise DataError(f"pair {identity!r} has an empty {side}.", expected="one or more symbols", fix="leave the pair out, or fill it in")
    return made
