"""The options of `Spotter`."""

from __future__ import annotations

from typing import ClassVar

from tenuto.tasks.audio_options import CHANGED, AudioOptions
from tenuto.tasks.option import NETWORK, option, options
from tenuto.tasks.pace import Pace

SPOTTED = "What is spotted"


@options(validation_fraction=0.2, noise_db=10.0, tract=0.1)
class SpotOptions(AudioOptions):
    """The options of tasks over recordings, and those of `Spotter`."""

    pace: ClassVar[Pace] = Pace(steps=1500, epochs=15, rows=(8, 32))

    hidden_size: int = option(64, "Units in each layer.", NETWORK, least=1, search=[32, 64, 96, 128])

    keywords: tuple[str, ...] = option((), "The labels that are keywords, with commas between; recordings of all others are background. None named: all but other, unknown, background, noise and silence.", SPOTTED, search=False)
    consecutive: int = option(4, "Steps in a row that must say a keyword.", SPOTTED, least=1, search={"low": 2, "high": 8})
    late_s: float = option(0.3, "So many seconds after the end of its recording a keyword may still be told.", SPOTTED, least=0, search=False)
    refractory_s: float = option(0.6, "After a keyword was told, it is not told again for so many seconds.", SPOTTED, least=0, search=False)
    false_alarms: float = option(1.0, "False alarms an hour, of each keyword, that thresholds allow on the validation part.", SPOTTED, least=0, search=False)

    context_s: float = option(1.0, "Up to so many seconds of other recordings stand before and after each.", CHANGED, least=0, search={"low": 0.0, "high": 3.0})
