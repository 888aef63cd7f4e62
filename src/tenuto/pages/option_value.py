"""An option's value as a person writes it, with no absolute path in it."""

from __future__ import annotations

import json
import os
from typing import Any

from tenuto.pages.opening import cell_name
from tenuto.pages.places import shown, without_places


def option_value(value: Any) -> str:
    """`yes`, `none`, `LSTM(activation=relu)`, `walks.csv`, `0.003`.

    Example:
        >>> [option_value(value) for value in (True, None, "mean", ["mean", "max"], 0.003, {"class": "tenuto.cells.lstm:LSTM", "heads": 1})]
        ['yes', 'none', 'mean', 'mean, max', '0.003', 'LSTM()']
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, str):
        return shown(value) if os.path.isabs(value) and value.count(os.sep) > 1 else without_places(value)
    if isinstance(value, dict) and "class" in value:
        usual = {"heads": 1, "rank": None}
        fields = [f"{name}={option_value(field)}" for name, field in value.items() if name != "class" and usual.get(name, value) != field]
        return f"{cell_name(value)}({', '.join(fields)})"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(option_value(item) for item in value)
    return without_places(json.dumps(value))
