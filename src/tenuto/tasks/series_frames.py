"""Frames of answers: ids and stamps as columns, and a frame of the library that was asked with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tenuto.data.series.frequency import pandas
from tenuto.data.series.panel import Panel


def keyed(panel: Panel, ids: Sequence[Any], stamps: Sequence[Any]) -> dict[str, Any]:
    """The columns of ids and stamps, where each of some series has some stamps."""
    found = {} if panel.ids == (None,) else {panel.names.id: [identity for identity, own in zip(ids, stamps) for _ in range(len(own))]}
    return {**found, panel.names.time: np.concatenate(stamps) if panel.frequency.whole else stamps[0].append(list(stamps[1:]))}


def framed(columns: dict[str, Any], like: Any) -> Any:
    """Columns as a frame of pandas, or of polars where the data was one."""
    if type(like).__module__.startswith("polars"):
        import narwhals

        plain = {name: values.to_pydatetime().tolist() if hasattr(values, "to_pydatetime") else list(values) for name, values in columns.items()}
        return narwhals.from_dict(plain, backend="polars").to_native()
    return pandas().DataFrame(columns)
