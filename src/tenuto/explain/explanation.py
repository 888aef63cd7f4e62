"""`Explanation`: what a method found, item by item, with what it leaves unexplained; as values, a page, a file.

Shapes: T steps of an item, F features, P players.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.explain import saved
from tenuto.explain.drawing import Drawing, drawing_of
from tenuto.explain.players import Players
from tenuto.explain.trust.measures import Trust
from tenuto.files import write_text


@dataclass(frozen=True, eq=False)
class Item:
    """The explanation of one item.

    Attributes:
        name: of the item. target: what is explained, in words.
        prediction: the number that is explained. base: the same number where nothing is read; None for methods that compare with nothing.
        values: [T, F] float64, what each cell adds. Of a method with players, a player's value is divided evenly among its cells.
        error: [T, F], the standard error of `values`; None for methods without chance.
        state: what the state carried into the item adds, by name.
        x: [T, F], what the model read.
        words: the T texts, where steps are words or characters.
        players, player_values, player_errors: of methods with players: who plays, [P] values, and [P] standard errors.
        measured: further numbers by name: steps taken, fidelity, bounds.
        notes: sentences for people.
    """

    name: str
    target: str
    prediction: float
    base: float | None
    values: np.ndarray
    x: np.ndarray
    error: np.ndarray | None = None
    state: Mapping[str, float] = field(default_factory=dict)
    words: tuple[str, ...] | None = None
    players: Players | None = None
    player_values: np.ndarray | None = None
    player_errors: np.ndarray | None = None
    measured: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def gap(self) -> float | None:
        """What the values do not explain: prediction - base - all values - the state's; None where there is no base."""
        if self.base is None:
            return None
        total = self.values.sum() if self.player_values is None else self.player_values.sum()
        return float(self.prediction - self.base - total - sum(self.state.values()))


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a method says about a model's answers to some items.

    Attributes:
        method: its name. settings: those it was called with. background: what stood where something was left out, in words.
        inputs: names of the F features, or none. items: one for each item of the data.
        trust: what the check found, where one was asked for.
    """

    method: str
    settings: Mapping[str, Any]
    background: str
    inputs: tuple[str, ...]
    items: tuple[Item, ...]
    trust: Trust | None = None

    @property
    def values(self) -> list[np.ndarray]:
        """[T_i, F] float64 for each item."""
        return [item.values for item in self.items]

    @property
    def gaps(self) -> list[float | None]:
        """What is left unexplained of each item; see `Item.gap`."""
        return [item.gap for item in self.items]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __getitem__(self, index: int) -> Item:
        return self.items[index]

    def __repr__(self) -> str:
        gaps = [abs(gap) for gap in self.gaps if gap is not None]
        left = f", at most {max(gaps):.2g} unexplained" if gaps else ""
        return f"Explanation({self.method}, {len(self.items)} item{'s' * (len(self.items) != 1)}{left})"

    def named(self, names: Sequence[str]) -> Explanation:
        """The same with other names of the items."""
        return replace(self, items=tuple(replace(item, name=name) for item, name in zip(self.items, names, strict=True)))

    def plot(self, index: int = 0) -> Drawing:
        """A picture of one item as SVG, which a notebook shows: its players by size, or its values over time."""
        return drawing_of(self.items[index], self.inputs)

    def to_html(self, path: str | Path | None = None, *, title: str = "", held: Any = None) -> str:
        """The page of this explanation: one HTML file without script that asks no server for anything.

        Args:
            path: where to write it, too. title: of the page. held: what `tenuto.explain.states` gave, for a section of its own.
        Raises:
            RunError: it cannot be written.
        """
        from tenuto.explain.page import page_of  # only a page needs jinja2

        text = page_of(self, title, held)
        if path is not None:
            write_text(Path(path), text)
        return text

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write explanation.json and explanation.safetensors into a folder.

        Raises:
            RunError: the folder has an explanation already, or cannot be written.
        """
        return saved.save(self, Path(folder), overwrite=overwrite)

    def to_shap(self) -> Any:
        """A `shap.Explanation`, whose plots take it: one row for each item, with one column for each player, or for each cell, named "feature, step".

        Raises:
            ArgumentError: shap is not installed, or items have other columns than the first.
        """
        return saved.to_shap(self)


def load(folder: str | Path) -> Explanation:
    """The explanation that `save` wrote.

    Raises:
        RunError: a file is missing, damaged, or of another explanation.
    """
    return saved.load(Path(folder), Explanation, Item)
