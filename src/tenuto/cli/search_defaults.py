"""What `tenuto tune` varies when it is given no search space: for each option that a task has, a range that has proved worth searching.

An option that is typed on the command line stays as typed, and so does one that a configuration or a recipe has set outside its usual range.
The first trial always has the options' own values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# One table for all tasks: a task takes the options that its command has.
SPACE: dict[str, Any] = {
    "hidden_size": [32, 64, 128, 256],
    "num_layers": {"low": 1, "high": 3},
    "dropout": {"low": 0.0, "high": 0.6, "step": 0.05},
    "input_noise": {"low": 0.0, "high": 1.0, "step": 0.1},
    "learning_rate": {"low": 5e-4, "high": 2e-2, "log": True},
}
# What a task has otherwise; None leaves an option out.
OF_TASK: dict[str, dict[str, Any]] = {
    "tag": {"num_layers": None, "word_dropout": {"low": 0.0, "high": 0.5, "step": 0.05}},
    "classify-text": {"num_layers": None, "word_dropout": {"low": 0.0, "high": 0.5, "step": 0.05}},
    "translate": {"num_layers": {"low": 1, "high": 2}, "embedding_size": [32, 64, 128]},
    "language": {"hidden_size": [128, 256, 512], "num_layers": {"low": 1, "high": 2}},
}


def default_space(task: str, known: Iterable[str]) -> dict[str, Any]:
    """The space of a task as plain data; `known` are the options that its command has."""
    table = {**SPACE, **OF_TASK.get(task, {})}
    return {name: content for name, content in table.items() if content is not None and name in set(known)}


def searchable(hints: Mapping[str, Any]) -> dict[str, type]:
    """The options of a command that can be searched, each with the type of its values; `hints` are the function's annotations."""
    from typing import get_args

    from tenuto.cli.configuration import NOT_KEPT

    fixed = NOT_KEPT | {"context", "data", "test", "validation", "device", "threads", "vectors", "recipe", "return"}
    kinds = {}
    for name, hint in hints.items():
        kind = get_args(hint)[0] if hasattr(hint, "__metadata__") else hint
        kind = next((part for part in get_args(kind) if part is not type(None)), kind)  # `str | None` is str
        if name not in fixed and not name.endswith("_column") and kind in (bool, int, float, str):
            kinds[name] = kind
    return kinds
