"""A recording on a page: its features as a picture, and its sound to play."""

from __future__ import annotations

from typing import Any

import numpy as np

from tenuto.pages.heat_map import heat_map_address

LIMIT = 2.5  # deviations from the mean that get the full colour


def heard(example: dict[str, Any]) -> dict[str, Any]:
    """What templates show of a recording in evaluation.json (`tasks/audio_evaluation.py`): the picture, its words, its length, the address of its sound."""
    rows = np.asarray([[value or 0.0 for value in row] for row in example["spectrogram"]], dtype=np.float64).T[::-1]  # [F, T], low sounds below
    cut = "" if example["seconds_shown"] >= example["seconds"] else f" (the first {example['seconds_shown']:g} s shown)"
    return {
        "address": heat_map_address(rows, LIMIT),
        "height": int(np.clip(len(rows) * 3, 60, 180)),
        "words": f"{len(rows)} features of {rows.shape[1]} frames, over {example['seconds_shown']:g} s.",
        "seconds_shown": f"{example['seconds_shown']:.2f}",
        "seconds_said": f"{example['seconds']:.2f} s{cut}",
        "sound": f"data:audio/wav;base64,{example['sound']}",
    }
