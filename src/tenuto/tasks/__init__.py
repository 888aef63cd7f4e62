"""Tasks: a recurrent layer, a head, a loss and the numbers that tell how good it is, behind a scikit-learn-like class.

In: `Sequences` or arrays. Out: a fitted estimator that predicts, scores, and saves itself as a run folder (`run_folder.py`).
May import the rooms above: `errors`, `cell`, `cells`, `engines`, `layers`, `data`, `train`. Tasks do not import each other.
"""

from tenuto.tasks.classifier import SequenceClassifier
from tenuto.tasks.language_model import LanguageModel
from tenuto.tasks.run_folder import Run, read_run, write_run
from tenuto.tasks.seq2seq import Seq2Seq, Translation
from tenuto.tasks.tagger import Tagger
from tenuto.tasks.text_classifier import TextClassifier

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
