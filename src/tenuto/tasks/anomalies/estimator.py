"""`AnomalyDetector`: how unlikely each value of a series is, by the density that a recurrent network forecasts of it; and from which score on that is an alarm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tenuto.choices import require
from tenuto.data.frame import is_missing
from tenuto.data.series.panel import Panel, called
from tenuto.errors import ArgumentError, DataError
from tenuto.networks.densities import Density, density_of
from tenuto.scores.anomalies import events_of
from tenuto.scores.thresholds import LEAST_SCORES, quantile_threshold, tail_of
from tenuto.tasks.anomalies.evaluation import Marked, examples, result_of
from tenuto.tasks.anomalies.options import SCORES, THRESHOLDS, AnomalyOptions
from tenuto.tasks.anomalies.scoring import Scorer, Scores, ScoreStream
from tenuto.tasks.evaluation import Measured, Watch, prediction_speed
from tenuto.tasks.series_estimator import SeriesEstimator
from tenuto.tasks.series_frames import framed, keyed
from tenuto.tongues import argument
from tenuto.train import Outcome

LABEL = "anomaly"  # the column of a frame that says which steps are anomalies
USUAL_BUFFER = 100


class AnomalyDetector(AnomalyOptions, SeriesEstimator):
    """A detector of what is strange in many series: a score for each step, and a threshold.

    A recurrent network forecasts the density of each value from those before it. The score is how far out the value lies: 3 is as far out as one of a thousand. The threshold is learnt
    from scores of what was held out of training, never from those of a test. A column `anomaly` is not needed: where there is one (0 or 1), the steps that it marks do not count for the
    threshold, and results say how well they are found.

    Args:
        The options of `tenuto fit`; `help` of this class lists each with its default.
    Attributes (after fit):
        threshold_: above which a score is an alarm. learnt_: where it comes from.
        reader_, memory_, seed_, network_, metrics_, evaluation_: as in `Forecaster`.
    Example:
        >>> frame = {"ds": range(300), "y": [step % 4 for step in range(300)]}
        >>> model = AnomalyDetector(freq="1", season=4, cell="gru", hidden_size=4, epochs=1).fit(frame)
        >>> list(model.predict({"ds": range(6), "y": [0, 1, 2, 9, 0, 1]}).columns)
        ['ds', 'y', 'AnomalyDetector', 'score', 'anomaly']
    """

    task = "anomalies"
    steady = True

    threshold_: float
    learnt_: dict[str, Any]

    @property
    def density_(self) -> Density:
        """The density of the next value."""
        return density_of(self.options_["distribution"])

    def check_options(self) -> None:
        super().check_options()
        require("scored_by", self.scored_by, SCORES)
        require("threshold_by", self.threshold_by, THRESHOLDS)
        if LABEL in (*self.known, *self.past, *self.static):
            raise ArgumentError(f"the column {LABEL!r} says what is to be found, so it cannot be read.", fix="leave it out of the columns that are read")

    def _ready(self, training: Panel, held_out: Panel) -> None:
        values = sum(int((~np.isnan(one[max(begin, 1) :])).sum()) for panel in (training, held_out) for one, begin in zip(panel.values, panel.begin.tolist()))
        _require_enough(values)  # now, not after training: there are no more scores than that
        super()._ready(training, held_out)

    def _trained(self, training: Panel, held_out: Panel) -> None:
        scorer, said = self.scorer_(), "validation"
        scores = self._normal(held_out, scorer)
        if len(scores) < LEAST_SCORES:
            scores, said = np.concatenate([self._normal(training, scorer), scores]), "training and validation"
        _require_enough(len(scores))
        self.learnt_ = {"by": self.threshold_by, "rate": self.rate, "scores": len(scores), "of": said, "start": None, "shape": None, "width": None, "share": None}
        found = quantile_threshold(scores, self.rate)
        if self.threshold_by == "quantile" and found is None:
            raise DataError(
                f"{len(scores)} scores are too few for a quantile that {self.rate:g} of normal steps exceed.", expected=f"{int(np.ceil(1 / self.rate)) - 1} or more",
                fix=f"a larger {argument('rate')}, or {argument('threshold_by', 'extreme-value')}",
            )  # fmt: skip
        tail = tail_of(scores)
        if self.threshold_by == "extreme-value" and self.rate < tail.share:  # a larger one is no extreme, and there are scores enough
            found = tail.threshold(self.rate)
            self.learnt_ |= tail._asdict()
        assert found is not None
        self.threshold_ = float(found)

    def _normal(self, data: Panel, scorer: Scorer) -> np.ndarray:
        """The scores that are asked for, of steps that are not known as anomalies."""
        labels = labels_of(data)
        parts = zip(scorer.panel(data), data.begin.tolist(), labels or [np.zeros(len(values), dtype=bool) for values in data.values])
        found = np.concatenate([one.score[begin:][~label[begin:]] for one, begin, label in parts])
        return found[~np.isnan(found)]

    # --- what is strange -------------------------------------------------------------------------------------------------

    def scorer_(self) -> Scorer:
        """What scores."""
        return Scorer(self.reader_, self.network_.eval(), self.density_, self.options_["scored_by"])

    def predict(self, x: Any, *, static: Any = None) -> Any:
        """The score of each step: a frame with the columns `unique_id`, `ds`, `y`, `AnomalyDetector` (the mean that was forecast), `score` and `anomaly` (whether it is above the threshold).

        A step has its score from the steps before it. A missing value and the first value of a series have none (NaN). A series has the same scores alone and beside others.

        Args:
            x: a frame of series, each from its beginning. static: a frame with one row for each id.
        Returns:
            A frame of pandas; of polars, if `x` is one.
        Raises:
            NotFittedError; DataError: as `fit`.
        """
        self.require_fit("predict")
        with self._calling("predict"):
            data = self._asked_panel(x, static)
            scores = self.scorer_().panel(data)
            columns = keyed(data, data.ids, [data.stamps(row) for row in range(len(data))])
            together = [np.concatenate(parts) for parts in (data.values, [one.expected for one in scores], [one.score for one in scores])]
            names = (data.names.target, type(self).__name__, "score")
            return framed({**columns, **dict(zip(names, together)), LABEL: np.nan_to_num(together[2], nan=-np.inf) > self.threshold_}, x)

    def events(self, x: Any, *, static: Any = None) -> Any:
        """The alarms that follow each other as one: a frame with `unique_id`, `first` and `last` (stamps), `steps` and `score` (the highest).

        Args:
            x, static: see `predict`.
        """
        self.require_fit("events")
        with self._calling("events"):
            data, rows = self._asked_panel(x, static), []
            for row, one in enumerate(self.scorer_().panel(data)):
                stamps = data.stamps(row)
                for first, last in events_of(np.nan_to_num(one.score, nan=-np.inf) > self.threshold_):
                    rows.append({data.names.id: data.ids[row], "first": stamps[first], "last": stamps[last], "steps": last - first + 1, "score": float(one.score[first : last + 1].max())})
            return framed({name: [one[name] for one in rows] for name in (data.names.id, "first", "last", "steps", "score") if name != data.names.id or data.ids != (None,)}, x)

    def stream(self, x: Any = None) -> ScoreStream:
        """A series that goes on, scored one value at a time, with the bits of `predict` on the whole of it.

        Args:
            x: a frame with the history of one series. Default: none; the first step then has no score.
        Raises:
            NotFittedError; DataError: several series.
        """
        self.require_fit("stream")
        with self._calling("stream"):
            memory = None
            if x is not None:
                data = self._asked_panel(x, None)
                if len(data) > 1:
                    raise DataError(f"a stream is of one series, but there are {len(data)}.", expected="the history of one", fix="open a stream for each")
                memory = self._memory(data)
            return ScoreStream(self.scorer_(), self.threshold_, self._memory, memory, self.names_, self.frequency_)

    def _asked_panel(self, x: Any, static: Any) -> Panel:
        data = self._read(x)
        data = data if static is None else data.described(static)
        self._require_alike(data)
        return data

    # --- what a run keeps ----------------------------------------------------------------------------------------------

    def _marked(self, data: Panel, scores: list[Scores]) -> list[Marked]:
        """The steps of each series that are asked for, with their scores."""
        labels, found = labels_of(data), []
        for row, (one, begin) in enumerate(zip(scores, data.begin.tolist())):
            there = ~np.isnan(one.score[begin:])
            found.append(Marked(row, begin, there, one.score[begin:][there], one.nats[begin:][there], None if labels is None else labels[row][begin:][there]))
        return found

    def _buffer(self) -> int:
        season = int(self.options_["season"])
        return self.buffer if self.buffer is not None else season if season > 1 else USUAL_BUFFER

    def _measure(self, data: Panel, name: str) -> Measured:
        self._require_alike(data)
        watch = Watch()
        scores = self.scorer_().panel(data)
        speed = prediction_speed(watch, sequences=len(data), steps=int(data.lengths.sum()), rows=1)
        marked = self._marked(data, scores)
        if not any(len(one.score) for one in marked):
            raise DataError("there is nothing to score.", expected="a value after the first, in one series at least")
        result = result_of(marked, self.threshold_, self._buffer())
        return Measured(result, {"examples": examples(data, scores, marked, labels_of(data), self.threshold_, name)}, speed)

    def _require_scorable(self, data: Panel) -> None:
        super()._require_scorable(data)
        labels_of(data)

    def score(self, x: Any, y: Any = None) -> float:
        """Minus the mean nats of a value: higher is better."""
        self.require_fit("score")
        with self._calling("score"):
            data = self._read(x)
            self._require_scorable(data)
            return -float(self._measure(data, "validation").result["loss"])

    def _about(self, training: Panel, outcome: Outcome) -> dict[str, Any]:
        return {"title": f"{type(self.cell_).__name__} anomaly detector, steps of {self.frequency_.name}", "features": list(self.reader_.names)}

    @property
    def prepared(self) -> dict[str, Any]:
        """As of every task; the threshold is learnt after training."""
        return super()._kept()

    def _kept(self) -> dict[str, Any]:
        return {**super()._kept(), "threshold": getattr(self, "threshold_", None), "learnt": getattr(self, "learnt_", None)}

    def _restore(self, kept: Mapping[str, Any]) -> None:
        super()._restore(kept)
        if kept.get("threshold") is not None:
            self.threshold_, self.learnt_ = float(kept["threshold"]), dict(kept["learnt"])


def labels_of(data: Panel) -> list[np.ndarray] | None:
    """[T_i] bool of each series: which steps are anomalies; None where the panel does not say.

    Raises:
        DataError: a label is neither 0 nor 1.
    """
    if LABEL not in data.columns:
        return None
    found = []
    for row, column in enumerate(data.columns[LABEL]):
        cells = column[: len(data.values[row])].tolist()
        words = [_truth(cell) for cell in cells]
        if None in words:
            wrong = words.index(None)
            raise DataError(f"{called(data.ids[row])} has the label {cells[wrong]!r} at {data.stamps(row, wrong, wrong + 1)[0]}.", expected="0 or 1, or nothing for 0")
        found.append(np.array(words, dtype=bool))
    return found


def _truth(cell: Any) -> bool | None:
    if is_missing(cell):
        return False
    word = str(cell).strip().lower()
    return {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}.get(word)


def _require_enough(scores: int) -> None:
    if scores < LEAST_SCORES:
        raise DataError(f"{scores} scores are too few to learn a threshold from.", expected=f"{LEAST_SCORES} values of training and validation, or more", fix="give a longer history, or more series")
