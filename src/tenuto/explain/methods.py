"""The methods by name. A method is a frozen dataclass of its settings, with `name`, `compares` and `explain`."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from tenuto import choices
from tenuto.errors import ArgumentError
from tenuto.explain.explanation import Item
from tenuto.explain.question import Question


class Method(ABC):
    """A way to explain. Subclasses are dataclasses, whose fields are the settings."""

    name: ClassVar[str]
    compares: ClassVar[bool] = True  # whether it needs a background

    @abstractmethod
    def explain(self, question: Question) -> list[Item]:
        """The explanation of each row of the batch."""

    @property
    def ranked_by(self) -> str | None:
        """How cells are put in order by what the method finds: "value", what each adds to the answer; "size" where only that of the value counts; None where neither says it."""
        return "value"

    def for_order(self) -> Method:
        """The method as it runs where only the order of the values counts, on many models."""
        return self

    def settings(self) -> dict[str, Any]:
        """The settings as plain data."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]  # subclasses are dataclasses


METHODS: dict[str, type[Method]] = {}


def entered(method: type[Method]) -> type[Method]:
    """Enter a method, so that it is found by its name."""
    METHODS[method.name] = method
    return method


def method_of(given: Any) -> Method:
    """The method that was named, or given with its settings.

    Raises:
        ArgumentError: no such method.
    """
    if isinstance(given, Method):
        return given
    if isinstance(given, type) and issubclass(given, Method):
        return given()
    choices.require("method", given if isinstance(given, str) else repr(given), METHODS, fix="A method with its settings is an object: tenuto.explain.IntegratedGradients(tolerance=1e-4).")
    return METHODS[given]()


def require(name: str, value: Any, fits: bool, expected: str) -> None:
    """Raise ArgumentError unless a setting fits."""
    if not fits:
        raise ArgumentError(f"{name}={value!r} cannot be used.", expected=expected)


def is_count(value: Any, least: int = 1) -> bool:
    """Whether this is a whole number of at least so much."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
