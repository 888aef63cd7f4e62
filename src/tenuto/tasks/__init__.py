"""Tasks: a recurrent layer, a head, a loss and the numbers that tell how good it is, behind a scikit-learn-like class.

In: a set of `tenuto.data`, or arrays, lists, texts. Out: a fitted estimator that predicts, scores, and saves itself as a run folder (`runs/folder.py`).
A folder is one task: its card, options, network, estimator, evaluation, commands, the keys of its files and the sections of its page. What
several of them need stands beside the folders: `estimator.py`, for one, has fit, evaluate, save and load for all of them. Imports `errors`,
`cell`, `cells`, `engines`, `layers`, `data`, `train`, `runs`, `networks`, `scores`, `pages`. Tasks do not import each other. Names are
imported when they are first used, so that `tenuto --help` answers without loading torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenuto.runs.folder import Run, read_run, write_run
    from tenuto.tasks.anomalies.estimator import AnomalyDetector
    from tenuto.tasks.classify.estimator import SequenceClassifier
    from tenuto.tasks.forecast.estimator import Forecaster
    from tenuto.tasks.language.estimator import LanguageModel
    from tenuto.tasks.regress.estimator import SequenceRegressor
    from tenuto.tasks.sounds.estimator import AudioClassifier
    from tenuto.tasks.spot.estimator import Spotter
    from tenuto.tasks.tag.estimator import Tagger
    from tenuto.tasks.task import Task
    from tenuto.tasks.text.estimator import TextClassifier
    from tenuto.tasks.transcribe.estimator import Transcriber
    from tenuto.tasks.translate.estimator import Seq2Seq, Translation

# One line for each task: its estimator, and its folder. The order is that of `tenuto fit --help`.
FOLDERS = {
    "SequenceClassifier": "tenuto.tasks.classify",
    "SequenceRegressor": "tenuto.tasks.regress",
    "Tagger": "tenuto.tasks.tag",
    "TextClassifier": "tenuto.tasks.text",
    "LanguageModel": "tenuto.tasks.language",
    "Seq2Seq": "tenuto.tasks.translate",
    "Forecaster": "tenuto.tasks.forecast",
    "AnomalyDetector": "tenuto.tasks.anomalies",
    "AudioClassifier": "tenuto.tasks.sounds",
    "Transcriber": "tenuto.tasks.transcribe",
    "Spotter": "tenuto.tasks.spot",
}
_OTHERS = {
    "Run": "tenuto.runs.folder",
    "Translation": "tenuto.tasks.translate.estimator",
    "read_run": "tenuto.runs.folder",
    "write_run": "tenuto.runs.folder",
}

__all__ = [
    "AnomalyDetector",
    "AudioClassifier",
    "Forecaster",
    "LanguageModel",
    "Run",
    "Seq2Seq",
    "SequenceClassifier",
    "SequenceRegressor",
    "Spotter",
    "Tagger",
    "TextClassifier",
    "Transcriber",
    "Translation",
    "read_run",
    "write_run",
]


def cards() -> "list[Task]":
    """The card of every task; loads no torch."""
    return [import_module(f"{folder}.card").TASK for folder in FOLDERS.values()]


def card_of(name: str | None) -> "Task | None":
    """The card of the task with this name, as config.json has it; None if there is none."""
    return next((card for card in cards() if card.name == name), None)


def __getattr__(name: str) -> Any:
    place = f"{FOLDERS[name]}.estimator" if name in FOLDERS else _OTHERS.get(name)
    if place is None:
        raise AttributeError(f"module 'tenuto.tasks' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(place), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *FOLDERS, *_OTHERS})
