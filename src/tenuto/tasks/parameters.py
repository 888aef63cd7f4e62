"""`Parameters`: the options of an estimator, by the habits that scikit-learn's `clone`, grid search and pipelines rely on."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np

from tenuto.errors import ArgumentError

P = TypeVar("P", bound="Parameters")


class Parameters:
    """Constructor arguments are stored as given, under their own names, and checked when they are used."""

    takes: ClassVar[Mapping[str, bool]] = {"string": True}  # scikit-learn's InputTags
    needs_targets: ClassVar[bool] = True

    @classmethod
    def option_names(cls) -> list[str]:
        """The constructor's arguments, in order."""
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments by name. `deep` is scikit-learn's; nothing is nested here."""
        return {name: getattr(self, name) for name in self.option_names()}

    def set_params(self: P, **params: Any) -> P:
        """Change constructor arguments by name; returns self.

        Raises:
            ArgumentError: no such argument.
        """
        for name, value in params.items():
            if name not in self.option_names():
                raise ArgumentError(f"{type(self).__name__} has no option {name!r}.", expected=", ".join(self.option_names()))
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        kind = getattr(self, "_estimator_type", None)
        return Tags(
            estimator_type=kind,
            target_tags=TargetTags(required=self.needs_targets),
            classifier_tags=ClassifierTags() if kind == "classifier" else None,
            input_tags=InputTags(two_d_array=False, **self.takes),
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def __repr__(self) -> str:
        usual = {name: parameter.default for name, parameter in inspect.signature(type(self).__init__).parameters.items()}
        changed = [f"{name}={value!r}" for name, value in self.get_params().items() if value != usual[name]]
        return f"{type(self).__name__}({', '.join(changed)})"

    def check_range(self, name: str, low: float, high: float) -> None:
        """Raise ArgumentError unless low <= the option < high."""
        value = getattr(self, name)
        if not low <= value < high:
            raise ArgumentError(f"{name}={value!r} is out of range.", expected=f"{low} <= {name} < {high}")

    def check_count(self, name: str, least: int = 1) -> None:
        """Raise ArgumentError unless the option is a whole number, `least` (1, or 0 for none) or more."""
        value = getattr(self, name)
        if not isinstance(value, (int, np.integer)) or value < least:
            raise ArgumentError(f"{name}={value!r} is out of range.", expected="1 or more" if least else "0 for none, or more")

