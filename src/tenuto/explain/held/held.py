"""`Held`: what a network held while it read some items, layer by layer; as values, and as files.

Shapes: T_i steps of an item, F inputs of the model, I of the layer, H hidden size, W the width of a state or of the output.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tenuto.choices import at_or_called, unknown_name
from tenuto.errors import ArgumentError
from tenuto.explain.held import saved
from tenuto.explain.held.fixed_points import FixedPoints
from tenuto.explain.held.openness import Openness
from tenuto.explain.held.selectivity import Selectivity, selectivity_of
from tenuto.explain.held.trajectory import Trajectory, require_finite, trajectory_of


@dataclass(frozen=True, eq=False)
class HeldLayer:
    """What one recurrent layer held, in one direction. Padding is nowhere in it.

    Attributes:
        name: the path of the module, and which layer and direction. cell: its maths. reverse: whether it reads from the end to the beginning.
        output: [T_i, W] for each item, what the layer put out; `output_state` names the state that this is, or is None.
        states: by the cell's names, [T_i, W] for each item, after each step (in the order of time, also in reverse).
        gates: by the cell's names, [T_i, H] for each item, in each step. ranges: between which numbers each gate lies by its maths.
        read: [T_i, I] for each item, what the layer itself read.
        fixed_points: where it would come to rest; None where that was not asked for.
    """

    name: str
    cell: str
    reverse: bool
    output_state: str | None
    output: list[np.ndarray]
    states: Mapping[str, list[np.ndarray]]
    gates: Mapping[str, list[np.ndarray]]
    ranges: Mapping[str, tuple[float, float]]
    read: list[np.ndarray]
    fixed_points: FixedPoints | None = None

    @property
    def openness(self) -> dict[str, Openness]:
        """Of each gate that lies between 0 and 1, by name."""
        return {name: Openness.of(values) for name, values in self.gates.items() if tuple(self.ranges[name]) == (0.0, 1.0)}

    def trajectory(self, axes: int = 2) -> Trajectory:
        """The path of the output on the axes along which it varies the most.

        Raises:
            ArgumentError: the output does not change, or has fewer units than axes.
        """
        return trajectory_of(self.name, self.output, axes)


@dataclass(frozen=True, eq=False)
class Held:
    """What a network held while it read some items.

    Attributes:
        layers: one for each recurrent layer and direction, in the order in which they ran. names: of the items.
        inputs: names of the F inputs, or none. x: [T_i, F] for each item, what the model read. words: the T_i texts of each item, or None.
        answers: for each item its answer, or one for each step; None where there are none. of_answers: whose answers they are, in words.
        notes: sentences for people.
    """

    layers: tuple[HeldLayer, ...]
    names: tuple[str, ...]
    inputs: tuple[str, ...]
    x: list[np.ndarray]
    words: list[list[str]] | None
    answers: list[list[str]] | None
    of_answers: str
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[HeldLayer]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, layer: str | int) -> HeldLayer:
        """A layer by its name, or by its place.

        Raises:
            ArgumentError: there is none of that name.
        """
        return at_or_called(self.layers, layer, "recurrent layer")

    def __repr__(self) -> str:
        steps = sum(len(values) for values in self.x)
        return f"Held({', '.join(layer.name for layer in self.layers)}; {len(self.names)} item{'s' * (len(self.names) != 1)}, {steps} steps)"

    def named(self, names: Sequence[str]) -> Held:
        """The same with other names of the items."""
        return replace(self, names=tuple(name for name, _ in zip(names, self.names, strict=True)))

    def selectivity(self, layer: str | int, of: str | None = None) -> Selectivity:
        """What the units of a layer go along with: inputs, time, answers.

        Args:
            of: a state by name; None for what the layer puts out. Where an item has one answer, its units are those after the layer's last step.
        Raises:
            ArgumentError: the layer or the state is not known; one step has no correlations; a unit is not finite.
        """
        held = self[layer]
        if of is not None and of not in held.states:
            raise unknown_name(f"{held.name} has no state {of!r}.", of, list(held.states))
        units = held.output if of is None else held.states[of]
        if sum(len(values) for values in units) < 2:
            raise ArgumentError(f"{held.name}: one step has no correlations.", expected="an item with two steps or more, or several items", received="one item with one step")
        require_finite(held.name, np.concatenate(units))
        same = all(len(values) == len(x) for values, x in zip(units, self.x))
        answers, answered = self._answered(held, units)
        return selectivity_of(units, self.x if same else None, answers, answered, self.of_answers)

    def _answered(self, held: HeldLayer, units: list[np.ndarray]) -> tuple[list[str] | None, np.ndarray | None]:
        """All answers, and the units' values that go with each."""
        if self.answers is None:
            return None, None
        if all(len(own) == 1 for own in self.answers):
            last = 0 if held.reverse else -1
            return [own[0] for own in self.answers], np.stack([values[last] for values in units])
        if any(len(own) != len(values) for own, values in zip(self.answers, units)):
            return None, None
        return [answer for own in self.answers for answer in own], np.concatenate(units)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write held.json and held.safetensors into a folder, in which an explanation may be, too.

        Raises:
            RunError: the folder has such files already, or cannot be written.
        """
        return saved.save(self, Path(folder), overwrite=overwrite)


def load(folder: str | Path) -> Held:
    """What `Held.save` wrote.

    Raises:
        RunError: a file is missing, damaged, or of another version.
    """
    found: Held = saved.load(Path(folder), Held, HeldLayer)
    return found
