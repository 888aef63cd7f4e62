"""`Parameters`: the options of an estimator, kept in the way that scikit-learn's `clone`, grid search and pipelines rely on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from tenuto.choices import unknown_name
from tenuto.tasks.option import Known, options_of

P = TypeVar("P", bound="Parameters")

OPTIONS = "The options of `tenuto fit`; `help` of this class lists each with its default."  # stands in a class's documentation for the list of its options


class Parameters:
    """The options of a class made with `option.options` are its constructor's arguments: stored as given, under their own names, checked when used."""

    takes: ClassVar[Mapping[str, bool]] = {"string": True}  # scikit-learn's InputTags
    needs_targets: ClassVar[bool] = True

    def __init_subclass__(cls, **given: Any) -> None:
        """Add the options of a class, with what they are for, to its documentation."""
        super().__init_subclass__(**given)
        if cls.__doc__ and OPTIONS in cls.__doc__:
            cls.__doc__ = cls.__doc__.replace(OPTIONS, _explained(options_of(cls)))

    @classmethod
    def option_names(cls) -> list[str]:
        """The constructor's arguments, in the order of the help page."""
        return [known.name for known in options_of(cls)]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments by name. `deep` is scikit-learn's; nothing is nested here."""
        return {name: getattr(self, name) for name in self.option_names()}

    def set_params(self: P, **params: Any) -> P:
        """Change constructor arguments by name; returns self.

        Raises:
            ArgumentError: no such argument.
        """
        known = self.option_names()
        for name, value in params.items():
            if name not in known:
                raise unknown_name(f"{type(self).__name__} has no option {name!r}.", name, known)
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
        changed = [f"{known.name}={value!r}" for known in options_of(type(self)) if (value := getattr(self, known.name)) != known.usual]
        return f"{type(self).__name__}({', '.join(changed)})"

    def check_options(self) -> None:
        """Check every option by itself; a number of numpy's, or in a tensor without axes, becomes Python's own.

        Raises:
            ArgumentError: an option is out of range, or has a value that is not known.
        """
        for known in options_of(type(self)):
            given = getattr(self, known.name)
            settled = known.settled(given)
            if settled is not given:
                setattr(self, known.name, settled)


def _explained(known: Iterable[Known]) -> str:
    """Options as the lines of a docstring."""
    generators = {True: " A whole number, or a random generator of numpy's.", False: ""}
    return "\n".join(f"        {one.name}: {one.told(None if one.none is not None else 0)}{generators[one.drawn]} Default: {one.usual!r}." for one in known).strip()
