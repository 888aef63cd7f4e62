"""`Source`: where a data set came from; and `Sourced`, the base of every data set that has one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from tenuto.data.compressed import stem_of
from tenuto.process import kept_property


@dataclass(frozen=True)
class Source:
    """Where a data set came from.

    Attributes:
        name: what to call the set.
        path: the file or folder it was read from, if any.
        sha256: the digest of that file, where the set is the whole file, or a part that the file itself names.
        origin: how the set was made, in words: "given", "file walks.csv", "10% of the training sequences, at random, seed 0".
    """

    name: str = "data"
    path: str | None = None
    sha256: str | None = None
    origin: str = "given"

    @classmethod
    def of_file(cls, path: Path, sha256: str) -> Source:
        """All of a file.

        Example:
            >>> Source.of_file(Path("sets/walks.csv"), "81bc5b9a").origin
            'file walks.csv'
        """
        return cls(stem_of(path), str(path), sha256, f"file {path.name}")

    def part(self, origin: str | None = None) -> Source:
        """The source of a part of the set, or of the set with other labels. It has no digest, since the file's no longer fits what the set holds."""
        return replace(self, sha256=None, origin=self.origin if origin is None else origin)


GIVEN = Source()


class LeftOut(NamedTuple):
    """An item that a reader left out, since there is nothing in it to answer: where it stood among all items, and its id."""

    position: int
    identity: str


class Sourced(ABC):
    """A data set that knows its source.

    Attributes:
        left_out: what its reader left out.
    """

    came_from: Source
    left_out: tuple[LeftOut, ...] = ()

    @property
    def name(self) -> str:
        """What to call the set."""
        return self.came_from.name

    @property
    def path(self) -> str | None:
        """The file or folder it was read from, if any."""
        return self.came_from.path

    @property
    def origin(self) -> str:
        """How it was made, in words."""
        return self.came_from.origin

    @kept_property
    def sha256(self) -> str:
        """The digest of the file; for a set made in memory or drawn from another set, the digest of what it holds."""
        return self.came_from.sha256 or self._content_sha256()

    @abstractmethod
    def _content_sha256(self) -> str:
        """The digest of what the set holds."""
