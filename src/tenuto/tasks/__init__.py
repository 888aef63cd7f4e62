"""Tasks: a recurrent layer, a head, a loss and the numbers that tell how good it is, behind a scikit-learn-like class.

In: `Sequences` or arrays. Out: a fitted estimator that predicts, scores, and saves itself as a run folder (`runs/folder.py`).
A folder is one task: its network, estimator, evaluation, the keys of its files and the sections of its page. What several of them need stands
beside the folders: `estimator.py` is the course of fit, evaluate, save and load, once.
May import the rooms above: `errors`, `cell`, `cells`, `engines`, `layers`, `data`, `train`, `runs`, `networks`, `scores`, `pages`. Tasks do not import each other.
"""

from tenuto.runs.folder import Run, read_run, write_run
from tenuto.tasks.classify.estimator import SequenceClassifier
from tenuto.tasks.language.estimator import LanguageModel
from tenuto.tasks.tag.estimator import Tagger
from tenuto.tasks.text.estimator import TextClassifier
from tenuto.tasks.translate.estimator import Seq2Seq, Translation

__all__ = [
    "LanguageModel",
    "Run",
    "Seq2Seq",
    "SequenceClassifier",
    "Tagger",
    "TextClassifier",
    "Translation",
    "read_run",
    "write_run",
]
