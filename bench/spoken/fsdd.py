"""The Free Spoken Digit Dataset: 3,000 recordings of one digit each, by six speakers, 8,000 samples a second."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from tenuto.data import Recordings, Wave
from tenuto.data.audio.wave import read_wave

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def fsdd(data: Path) -> tuple[Recordings, np.ndarray]:
    """All recordings, labelled "0" to "9", with their speakers; and which are of the official test part: those that each speaker said first to fifth.

    Args:
        data: the folder that has `fsdd/audio`: a sound file for each speaker, and index.csv with offsets and lengths in samples.
    """
    folder, whole = data / "fsdd" / "audio", dict[str, Wave]()
    waves, labels, speakers, ids, test = [], [], [], [], []
    with (folder / "index.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            speaker = row["speaker"]
            if speaker not in whole:
                whole[speaker] = read_wave(folder / f"{speaker}.flac")
            first = int(row["offset"])
            waves.append(Wave(whole[speaker].samples[first : first + int(row["length"])], whole[speaker].rate))
            labels.append(row["digit"])
            speakers.append(speaker)
            ids.append(row["source_file"])
            test.append(row["split"] == "test")
    return Recordings(waves, labels, speakers=speakers, ids=ids), np.array(test)
