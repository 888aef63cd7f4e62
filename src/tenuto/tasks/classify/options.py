"""The options of `SequenceClassifier`."""

from __future__ import annotations

from tenuto.tasks.channel_options import ChannelOptions
from tenuto.tasks.class_options import ClassOptions
from tenuto.tasks.option import REGULARISERS, option, options


@options(select_by="validation_accuracy")
class ClassifyOptions(ClassOptions, ChannelOptions):
    """The options of every estimator and of both classifiers, and those of `SequenceClassifier`."""

    label_smoothing: float = option(0.0, "Share of the target that is spread over all classes.", REGULARISERS, least=0, below=1)
