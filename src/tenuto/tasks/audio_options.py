"""The options of tasks over recordings: what is heard, how it is changed in training, and the layers that read it."""

from __future__ import annotations

from tenuto.tasks.estimator_options import EstimatorOptions
from tenuto.tasks.option import NETWORK, REGULARISERS, option, options

HEARD, CHANGED = "What is heard", "How recordings are changed in training"


@options()
class AudioOptions(EstimatorOptions):
    """The options of every estimator, and those of tasks over recordings."""

    num_layers: int = option(2, "Number of layers, each on top of the one before.", NETWORK, least=1, search={"low": 1, "high": 3})

    rate: int | None = option(None, "Samples a second; recordings of other rates are brought to it.", HEARD, least=1, none=0, without="that of most recordings")
    features: str = option("log-mel", "What is read off a frame of 25 ms: log-mel (energies in bands) or mfcc (cepstra).", HEARD)
    feature_size: int = option(40, "How many numbers that is.", HEARD, least=1)
    together: int = option(2, "Frames, 10 ms apart, that are one step of the network.", HEARD, least=1, search={"low": 1, "high": 4})
    ahead: int = option(0, "Later steps that a step sees beside its own frames; a stream waits for them.", HEARD, least=0)
    normalise: str = option("training", "By whose mean and deviation features are standardised: training (of the training set), causal (of the frames so far), recording (of the whole recording), mean (the recording's mean, the training set's deviation) or both (as training and as mean, side by side).", HEARD)

    speed: float = option(0.1, "By how much a recording is faster or slower, at most: 0.1 for 0.9, 1 or 1.1 times its speed.", CHANGED, least=0, below=0.5)
    gain_db: float = option(6.0, "By how many decibels it is louder or softer, at most.", CHANGED, least=0)
    noise_db: float | None = option(None, "White noise that is softer by so many decibels, or by up to 30 more, is added.", CHANGED, least=0, none=-1, without="never")
    tract: float = option(0.0, "How much longer or shorter a speaker's vocal tract seems, at most: 0.15 for frequencies 0.86 to 1.16 times as high; of log-mel features.", CHANGED, least=0, below=0.5)
    channel_db: float | None = option(0.0, "By how many decibels each frequency is louder or softer, at most, in half of the recordings, as by another microphone in another room; of log-mel features.", CHANGED, least=0, none=-1, without="never")
    band_masks: int = option(1, "Masks, each over up to an eighth of the features.", CHANGED, least=0)
    time_masks: int = option(1, "Masks, each over up to a tenth of the frames.", CHANGED, least=0)

    dropout: float = option(0.2, "Dropout rate between layers and before the head.", REGULARISERS, least=0, below=1, search={"low": 0.0, "high": 0.6, "step": 0.05})
