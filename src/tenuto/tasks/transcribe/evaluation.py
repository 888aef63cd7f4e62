"""What only a transcriber's evaluation.json has: error rates with counts, and recordings with what was written, when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tenuto.data.audio.recordings import Recordings
from tenuto.scores.transcripts import edits, transcription_result
from tenuto.tasks.audio_evaluation import SECONDS_SHOWN, shown
from tenuto.tasks.evaluation import Measured, Watch, prediction_speed

EXAMPLES_SHOWN, SYMBOLS_SHOWN = 6, 16


def measured(model: Any, data: Recordings, name: str, answer: Callable[[Recordings], list[Any]]) -> Measured:
    """How good the transcripts of a set are, and its examples: the worst recordings first."""
    watch = Watch()
    found = answer(data)
    speed = prediction_speed(watch, sequences=len(data), steps=int(model._lengths(data).sum()), rows=max(model.options_["batch_size"], 64))
    references = [model.alphabet_.plain(text) for text in data.require_texts()]
    answers = [one.transcript.text for one in found]
    losses = [one.loss for one in found if one.loss is not None]
    result = {
        **transcription_result(references, answers, data.ids, data.seconds.tolist(), data.speakers),
        "loss": float(np.mean(losses)) if losses else None,
        "infeasible": len(found) - len(losses),
        "beam_size": model.beam_size,
        "cut": sum(one.cut for one in found),
        "real_time_factor": watch.seconds / float(data.seconds.sum()),
    }
    wrong = [edits(reference, written).errors for reference, written in zip(references, answers)]
    order = sorted(range(len(data)), key=lambda row: (-wrong[row], row))
    half = EXAMPLES_SHOWN // 2
    chosen = [row for row in order if wrong[row]][:half]
    chosen += [row for row in order if not wrong[row]][: EXAMPLES_SHOWN - len(chosen)]
    return Measured(result, {"examples": [_example(model, data, row, name, references[row], found[row]) for row in chosen]}, speed)


def _example(model: Any, data: Recordings, row: int, name: str, reference: str, found: Any) -> dict[str, Any]:
    """A recording with what was heard, the probabilities of the symbols that matter in it, and where they were written."""
    most = round(SECONDS_SHOWN / model.hearing_.step_seconds)
    powers = np.exp(found.rows[:most])
    likeliest = np.argsort(-powers[:, 1:].max(0), kind="stable")[:SYMBOLS_SHOWN] + 1
    kept = [0, *sorted(number for number in likeliest.tolist() if powers[:, number].max() > 0.02)]
    return {
        **shown(data, row, name, model.hearing_),
        "reference": reference,
        "predicted": found.transcript.text,
        "tokens": [{"text": one.text, "start": round(one.start, 3), "end": round(one.end, 3), "probability": round(one.probability, 4)} for one in found.transcript.tokens if one.start < SECONDS_SHOWN],
        "symbols": [model.alphabet_.names[number] for number in kept],
        "probabilities": [[float(f"{value:.2g}") for value in line] for line in powers[:, kept].tolist()],
    }
