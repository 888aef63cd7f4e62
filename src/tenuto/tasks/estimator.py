"""What every task's class has in common: the habits that scikit-learn's `clone`, grid search and pipelines rely on."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

import numpy as np

from tenuto.cell import cell_to_data
from tenuto.errors import ArgumentError, NotFittedError

E = TypeVar("E", bound="Estimator")


class Estimator:
    """Constructor arguments are stored as given, under their own names, and checked when they are used.

    Subclasses set `network_` when they are fitted.
    """

    @classmethod
    def option_names(cls) -> list[str]:
        """The constructor's arguments, in order."""
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments by name. `deep` is scikit-learn's; nothing is nested here."""
        return {name: getattr(self, name) for name in self.option_names()}

    def set_params(self: E, **params: Any) -> E:
        """Change constructor arguments by name; returns self.

        Raises:
            ArgumentError: no such argument.
        """
        for name, value in params.items():
            if name not in self.option_names():
                raise ArgumentError(f"{type(self).__name__} has no option {name!r}.", expected=", ".join(self.option_names()))
            setattr(self, name, value)
        return self

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

    def run_identity(self, training: Any, validation: Any) -> dict[str, Any]:
        """What a checkpoint of this fit must agree with: the data's digests, the seed, and every option but the time limit and a file's place.

        Args:
            training, validation: sets with a `sha256`. `cell_` and `seed_` are set already.
        """
        options = {name: value for name, value in self.get_params().items() if name not in ("time_limit_s", "random_state", "vectors")}
        for name in ("cell", "decoder_cell"):
            if name in options:
                options[name] = cell_to_data(getattr(self, f"{name}_"))
        kind, seed = type(self).__name__, self.seed_  # type: ignore[attr-defined]  # set by `fit`
        return {"estimator": kind, "train": training.sha256, "validation": validation.sha256, "seed": seed, "options": options}

    def require_fit(self, call: str) -> None:
        """Raise NotFittedError unless `fit` or `load` has been called."""
        if not self.__sklearn_is_fitted__():
            kind = type(self).__name__
            raise NotFittedError(f"{kind}.{call}: it is not fitted.", fix=f"call fit(x, y), or {kind}.load(folder)")

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def __repr__(self) -> str:
        usual = {name: parameter.default for name, parameter in inspect.signature(type(self).__init__).parameters.items()}
        changed = [f"{name}={value!r}" for name, value in self.get_params().items() if value != usual[name]]
        return f"{type(self).__name__}({', '.join(changed)})"
