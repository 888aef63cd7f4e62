"""`SequenceRegressor`: numbers for whole sequences, with intervals, in the manner of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.data import Batch, Sequences, collate
from tenuto.data.split import random_split
from tenuto.data.weights import even, require_some
from tenuto.errors import ArgumentError, DataError
from tenuto.scalars import number
from tenuto.scores.regression import LEVELS, conformal_widths, error_measures, held_out_needed, regression_result
from tenuto.tasks.channel_estimator import ChannelEstimator
from tenuto.tasks.estimator import batch_in_words
from tenuto.tasks.evaluation import Measured, Watch, describe_set, prediction_speed
from tenuto.tasks.regress.evaluation import points
from tenuto.tasks.regress.likelihood import losses, nats, normal
from tenuto.tasks.regress.options import RegressOptions
from tenuto.tasks.weighing import Weighed
from tenuto.tongues import argument, either
from tenuto.train import Launch, Loss, Outcome, share_of
from tenuto.train.course import Learning

MOST_SCORES = 4096  # of the held-out sequences whose errors a run keeps


class SequenceRegressor(RegressOptions, ChannelEstimator):
    """Predicts one number, or several, for each whole sequence, with intervals. Sequences may have different lengths and many channels.

    The network gives a normal distribution for each target, in standardised units: its mean is the answer. An interval reaches as many deviations to each side as hold
    the targets of the held-out part (split conformal prediction), so it is right as often as it says, whatever the distribution of the errors, for sequences like those. The part that
    is held out also chose the best weights, which makes intervals a little too narrow; give a validation part of its own where that matters.

    Args:
        The options of `tenuto fit`; `help` of this class lists each with its default.
    Attributes (after fit):
        target_names_: K names. target_mean_, target_deviation_: [K], of the training part. interval_scores_: [V, K], |error| / deviation of the held-out part, sorted.
        seed_: the seed used. network_: the torch module. standardiser_: of the input.
        metrics_: one dictionary for each validation. evaluation_: what a report shows (`tenuto.runs.schema` has the keys of both).
    Example:
        >>> x = [np.full((3 + i % 4, 1), i / 10) for i in range(30)]
        >>> model = SequenceRegressor("gru", hidden_size=8, epochs=60).fit(x, [i / 5 for i in range(30)])
        >>> round(float(model.predict([np.full((4, 1), 1.5)])[0]))
        3
        >>> model.predict_interval([np.full((4, 1), 1.5)], level=80).shape
        (1, 2)
    """

    task = "regress"
    former_names = {}
    _estimator_type = "regressor"

    # --- fitting -------------------------------------------------------------------------------------------------------

    def _read(self, x: Any, y: Any = None, lengths: Any = None, sample_weight: Any = None) -> Sequences:
        return Sequences.from_arrays(x, targets=y, lengths=lengths, weights=sample_weight, layout=self.layout)

    def _divide(self, data: Sequences) -> tuple[Sequences, Sequences]:
        self._require_targets(data)
        return random_split(data, self.validation_fraction, seed=self.seed_)

    def _prepare(self, training: Sequences, held_out: Sequences) -> None:
        targets = self._require_targets(training)
        super()._prepare(training, held_out)
        self.target_names_, self.single_target_ = training.target_names, training.single_target
        weights = None if training.weights is None else training.weights / training.weights.max()
        self.target_mean_ = np.average(targets, axis=0, weights=weights)
        self.target_deviation_ = np.sqrt(np.average((targets - self.target_mean_) ** 2, axis=0, weights=weights))
        same = self.target_deviation_ <= 1e-13 * np.abs(self.target_mean_)
        if same.any():
            place = int(same.argmax())
            raise DataError(f"the target {self.target_names_[place]!r} is {targets[0, place]:g} in every training sequence: there is nothing to learn.", fix="leave it out, or check the data")
        self.interval_scores_ = np.empty((0, len(self.target_names_)))

    def _ready(self, training: Sequences, held_out: Sequences) -> None:
        self._targets(held_out)
        self.standardiser_.arranged(held_out)

    def _require_scorable(self, data: Sequences) -> None:
        self._targets(self.standardiser_.arranged(data))
        super()._require_scorable(data)

    def _outputs(self) -> int:
        return 2 * len(self.target_names_)

    def _learning(self, training: Sequences, held_out: Sequences, launch: Launch) -> Learning:
        training, device = self.standardiser_.arranged(training), torch.device(self.device)
        wanted, held_out_targets = torch.from_numpy(self._standard(self._targets(training))), self._targets(held_out)
        weighed = Weighed(len(training), even(training.weights))

        def loss(network: nn.Module, indices: np.ndarray, carried: None) -> Loss:
            mine, count = share_of(launch, indices)
            batch = collate(training, mine, prepare=self.standardiser_.apply).to(device)
            return Loss(weighed.mean(losses(network(batch), wanted[mine].to(device)), mine), count)

        def validate(network: nn.Module) -> dict[str, float]:
            raw = self._raw(held_out)
            measured = error_measures(self._predicted(raw), held_out_targets, held_out.weights)
            return {
                "validation_loss": self._nats(raw, held_out_targets, held_out.weights),
                "validation_rmse": float(np.sqrt(np.mean((measured["rmse"] / self.target_deviation_) ** 2))),
                "validation_mae": float(np.mean(measured["mae"] / self.target_deviation_)),
            }

        return Learning(self._passes(training, weighed.rows), loss, validate, lambda indices: batch_in_words(training.ids, indices, "sequences"))

    def _trained(self, training: Sequences, held_out: Sequences) -> None:
        raw = self._raw(held_out)
        counted = slice(None) if held_out.weights is None else held_out.weights > 0
        scores = np.sort((np.abs(self._targets(held_out) - self._predicted(raw)) / self._deviations(raw))[counted], axis=0)
        places = np.unique(np.round(np.linspace(0, len(scores) - 1, min(len(scores), MOST_SCORES))).astype(int))
        self.interval_scores_ = scores[places]

    # --- predicting ----------------------------------------------------------------------------------------------------

    def predict(self, x: Any, *, lengths: Any = None) -> np.ndarray:
        """The number for each sequence, [N]; or [N, K], if the targets in training had two axes or several columns.

        Except for rounding, a sequence's numbers do not depend on the others in `x`.

        Args:
            x, lengths: as for `fit`.
        Raises:
            NotFittedError; ShapeError: another number of channels than in training; DataError: as `fit`.
        """
        self.require_fit("predict")
        with self._calling("predict"):
            return self._formed(self._predicted(self._raw(self._read(x, lengths=lengths))))

    def predict_interval(self, x: Any, *, level: float = 80, lengths: Any = None) -> np.ndarray:
        """The lower and the upper end of an interval for each sequence, [N, 2], or [N, K, 2] as for `predict`.

        Args:
            level: in how many of a hundred cases the target lies inside, 0 < level < 100.
            x, lengths: as for `fit`.
        Raises:
            ArgumentError: a level out of range, or one for which too few sequences were held out; and as `predict`.
        """
        self.require_fit("predict_interval")
        with self._calling("predict_interval"):
            width = self._width(level)
            raw = self._raw(self._read(x, lengths=lengths))
            middle, half = self._predicted(raw), width * self._deviations(raw)
            return np.stack([self._formed(middle - half), self._formed(middle + half)], axis=-1)

    def score(self, x: Any, y: Any = None, *, lengths: Any = None, sample_weight: Any = None) -> float:
        """R², the mean over the targets: 1 is perfect, 0 as good as their mean; NaN where all targets are alike.

        Raises:
            DataError: other targets than in training; and as `predict`.
        """
        self.require_fit("score")
        with self._calling("score"):
            data = self._read(x, y, lengths, sample_weight)
            return float(error_measures(self._predicted(self._raw(data)), self._targets(data), data.weights)["r2"].mean())

    def evaluate(self, x: Any, y: Any = None, *, lengths: Any = None, sample_weight: Any = None) -> dict[str, Any]:
        """Errors, R², how many targets lie in their intervals, and the largest errors: the RESULT of `tenuto.runs.schema`. `save` writes it into evaluation.json, as the model's test set.

        Args:
            x, y, lengths, sample_weight: as for `fit`.
        Raises:
            as `score`.
        """
        self.require_fit("evaluate")
        with self._calling("evaluate"):
            data = self._read(x, y, lengths, sample_weight)
        return super().evaluate(data)

    def answer(self, tensors: Tensor) -> np.ndarray:
        """The mean of each row of the network's numbers [B, 2 K], in the units of the targets: [B] or [B, K]."""
        return self._formed(self._predicted(tensors.detach().cpu().numpy()))

    def raw(self, batch: Batch) -> Tensor:
        """The answers, [B, K], with gradients where torch keeps them."""
        mean, _ = normal(self.forward(batch))
        return mean * torch.from_numpy(self.target_deviation_).to(mean) + torch.from_numpy(self.target_mean_).to(mean)

    def output_names(self) -> list[Any]:
        """The targets."""
        return list(self.target_names_)

    def named(self, raw: Tensor) -> dict[str, Tensor]:
        """The mean and the deviation of each target, [B, K] each, in its units."""
        mean, deviation = normal(raw)
        scale, shift = (torch.from_numpy(values).to(mean) for values in (self.target_deviation_, self.target_mean_))
        return {"mean": mean * scale + shift, "deviation": deviation * scale}

    def outside(self) -> dict[str, str]:
        """What an interval is, and what becomes of missing values."""
        widths = {level: self._width_or_none(level) for level in LEVELS}
        said = "; ".join(f"of {level} %: {', '.join(f'{value:.6g}' for value in width)}" for level, width in widths.items() if width is not None)
        return {**({"interval": f"mean - w deviation to mean + w deviation, with w for each target {said}"} if said else {}), **super().outside()}

    # --- what a run keeps ----------------------------------------------------------------------------------------------

    def _measure(self, data: Sequences, name: str) -> Measured:
        data = self.standardiser_.arranged(data)
        targets, watch = self._targets(data), Watch()
        raw = self._raw(data)
        speed = prediction_speed(watch, sequences=len(data), steps=int(data.lengths.sum()), rows=max(self.options_["batch_size"], 64))
        predicted, deviations = self._predicted(raw), self._deviations(raw)
        widths = {level: self._width_or_none(level) for level in LEVELS}
        result = regression_result(
            predicted, deviations, targets, self.target_names_, data.ids, data.weights,
            usual=self.target_mean_, scale=self.target_deviation_, loss=self._nats(raw, targets, data.weights), widths=widths,
        )  # fmt: skip
        return Measured(result, {"points": points(name, self.target_names_, data.ids, targets, predicted, deviations, widths)}, speed)

    def _describe(self, data: Sequences) -> dict[str, Any]:
        return describe_set(data, data.lengths, missing_values=data.missing_values)

    def _about(self, training: Sequences, outcome: Outcome) -> dict[str, Any]:
        count = len(self.target_names_)
        return {
            "title": f"{type(self.cell_).__name__} regression, {'1 target' if count == 1 else f'{count} targets'}, {len(training.channels)} channels",
            "targets": [
                {"name": name, "mean": float(mean), "deviation": float(deviation)}
                for name, mean, deviation in zip(self.target_names_, self.target_mean_, self.target_deviation_)
            ],
            "model": {"pooling": list(self.options_["pooling"])},
        }

    def _kept(self) -> dict[str, Any]:
        return {
            **super()._kept(),
            "targets": list(self.target_names_),
            "single_target": self.single_target_,
            "target_mean": self.target_mean_.tolist(),
            "target_deviation": self.target_deviation_.tolist(),
            "interval_scores": self.interval_scores_.tolist(),
        }

    @property
    def prepared(self) -> dict[str, Any]:
        """What was learnt before training; the scores of intervals are those of the trained network."""
        return {name: value for name, value in self._kept().items() if name != "interval_scores"}

    def _restore(self, kept: Mapping[str, Any]) -> None:
        super()._restore(kept)
        self.target_names_, self.single_target_ = tuple(kept["targets"]), kept["single_target"]
        self.target_mean_, self.target_deviation_ = np.array(kept["target_mean"]), np.array(kept["target_deviation"])
        self.interval_scores_ = np.array(kept.get("interval_scores", []), dtype=np.float64).reshape(-1, len(self.target_names_))

    # --- inside --------------------------------------------------------------------------------------------------------

    @staticmethod
    def _require_targets(data: Sequences) -> np.ndarray:
        if data.targets is None:
            raise DataError(
                "the data has no targets.", expected="a number for each sequence", fix=either("give y, or Sequences with targets", "say which column has them: --target-column NAME")
            )
        return data.targets

    def _targets(self, data: Sequences) -> np.ndarray:
        """[N, K] float64; other targets than in training are an error, and so are weights that are all 0."""
        require_some(data.weights, "sequences")
        targets = self._require_targets(data)
        if data.target_names == self.target_names_:
            return targets
        if set(data.target_names) == set(self.target_names_):
            return targets[:, [data.target_names.index(name) for name in self.target_names_]]
        if targets.shape[1] != len(self.target_names_) or any(not name.startswith("target") for name in data.target_names):
            raise DataError("the data has other targets than the training data.", expected=", ".join(self.target_names_), received=", ".join(data.target_names))
        return targets  # without names of their own: by position

    def _standard(self, targets: np.ndarray) -> np.ndarray:
        """Targets [N, K] in the network's units, float32."""
        return ((targets - self.target_mean_) / self.target_deviation_).astype(np.float32)

    def _predicted(self, raw: np.ndarray) -> np.ndarray:
        """[N, K] float64, in the units of the targets."""
        return raw[:, : len(self.target_names_)].astype(np.float64) * self.target_deviation_ + self.target_mean_

    def _deviations(self, raw: np.ndarray) -> np.ndarray:
        """[N, K] float64, in the units of the targets."""
        return normal(torch.from_numpy(raw))[1].double().numpy() * self.target_deviation_

    def _nats(self, raw: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> float:
        """The mean over sequences and targets, of standardised targets."""
        return float(np.average(nats(torch.from_numpy(raw), torch.from_numpy(self._standard(targets))).mean(-1).double().numpy(), weights=weights))

    def _formed(self, values: np.ndarray) -> np.ndarray:
        """[N, K] as targets were given in training: [N] where there was one for each sequence."""
        return values[:, 0] if self.single_target_ else values

    def _width_or_none(self, level: float) -> np.ndarray | None:
        return conformal_widths(self.interval_scores_, level)

    def _width(self, level: Any) -> np.ndarray:
        settled = number(level)
        if settled is None or not 0 < settled < 100:
            raise ArgumentError(f"{argument('level', level)} is no level.", expected="0 < level < 100, per cent")
        width = self._width_or_none(settled)
        if width is None:
            raise ArgumentError(
                f"too few sequences were held out for an interval of {settled:g} %.",
                expected=f"{held_out_needed(settled)} or more",
                received=str(len(self.interval_scores_)),
                fix=f"train with a larger {argument('validation_fraction')} or a validation part, or ask for a lower level",
            )
        return width
