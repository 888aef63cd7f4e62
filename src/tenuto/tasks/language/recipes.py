"""Whole sets of options for `LanguageModel`, by name: `LanguageModel.from_recipe(name)`, `tenuto fit language --recipe NAME`."""

from __future__ import annotations

from typing import Any

from tenuto.choices import unknown_name

RECIPES: dict[str, dict[str, Any]] = {
    # Merity, Keskar, Socher 2018, sections 4 and 5, with the values for the Penn Treebank (input dropout .65 for WikiText-2), and the number
    # of epochs in the README of their program. Published for words; byte pairs are our nearest units. For far fewer symbols (characters) the
    # learning rate is too high. Differs: a window's length scales its loss, not the learning rate.
    "awd-lstm": {
        "cell": "lstm",
        "units": "bpe",
        "vocabulary_size": 10_000,
        "hidden_size": 1150,
        "num_layers": 3,
        "embedding_size": 400,
        "tied": True,
        "embedding_dropout": 0.1,
        "input_dropout": 0.4,
        "dropout": 0.3,
        "output_dropout": 0.4,
        "dropout_kind": "variational",
        "weight_dropout": 0.5,
        "activation_decay": 2.0,
        "change_decay": 1.0,
        "window": 70,
        "jitter": True,
        "batch_size": 40,
        "epochs": 500,
        "optimizer": "sgd",
        "learning_rate": 30.0,
        "weight_decay": 1.2e-6,
        "clip_norm": 0.25,
        "schedule": "nt-asgd",
        "trigger_patience": 5,
        "warmup_steps": 0,
    },
}


def recipe(name: str) -> dict[str, Any]:
    """The options of a recipe, by the names of `LanguageModel`'s arguments; a copy.

    Raises:
        ArgumentError: there is no recipe of that name.
    Example:
        >>> recipe("awd-lstm")["schedule"]
        'nt-asgd'
    """
    if name not in RECIPES:
        raise unknown_name(f"there is no recipe {name!r}.", name, RECIPES)
    return dict(RECIPES[name])
