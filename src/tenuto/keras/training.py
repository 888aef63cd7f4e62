"""The training step of a plain stack of layers: the same numbers as Keras's own step, in fewer calls.

Keras's step looks up at each call what does not change while a model is fitted: which layers there are, whether they give masks, what the loss is made
of. A plain stack is a `Sequential` whose layers, loss, metrics and optimizer are known here; everything else takes Keras's own step. So does the first step of each
`fit`, which checks shapes and builds what is not built yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import torch
from keras.src.backend.torch.optimizers.torch_adam import Adam
from keras.src.losses.losses import LossFunctionWrapper
from keras.src.metrics.reduction_metrics import MeanMetricWrapper
from torch import Tensor

from tenuto.keras import recurrent
from tenuto.keras.plain_layers import calls_of

# Layers that give no masks and whose `call` alone is their work.
_LAYERS = {
    recurrent.SimpleRNN, recurrent.LSTM, recurrent.GRU, keras.layers.Dense, keras.layers.Dropout, keras.layers.Activation, keras.layers.Flatten,
    keras.layers.Embedding, keras.layers.GlobalAveragePooling1D, keras.layers.GlobalMaxPooling1D, keras.layers.LayerNormalization,
}  # fmt: skip
_STATISTICS = ("total", "count")
_KEPT = "_tenuto_plain_step"


class Likeness(NamedTuple):
    """What the batches of one `fit` have in common: shapes without the first axis, and dtypes."""

    x: tuple[int, ...]
    y: tuple[int, ...]
    dtypes: tuple[torch.dtype, torch.dtype]


class PlainStep:
    """A step of training of one model, with all that it needs looked up.

    Args:
        model: one for which `why_not` has no answer. likeness: of the batches that it takes.
    """

    def __init__(self, model: Any, likeness: Likeness) -> None:
        self.likeness = likeness
        self._model = model
        self._calls = list(calls_of(model.layers))
        self._loss = model._compile_loss._flat_losses[0].loss
        self._metrics: Sequence[Any] = () if model._compile_metrics is None else model._compile_metrics.metrics
        self._means = dict(zip(model.get_metrics_result(), (model._loss_tracker, *self._metrics), strict=True))
        self._variables = model.trainable_weights
        self._tensors = [variable.value for variable in self._variables]
        self._update = _FusedAdam(model.optimizer, self._variables) if _FusedAdam.runs(model.optimizer, self._variables) else None

    def __call__(self, x: Tensor, y: Tensor) -> dict[str, Any]:
        """Learns from a batch; the metrics so far, by name."""
        answer = x
        for call, takes_training in self._calls:
            answer = call(answer, training=True) if takes_training else call(answer)
        for tensor in self._tensors:
            tensor.grad = None
        values = self._loss.call(y.to(answer.dtype), answer)
        loss = values.sum() / values.numel()
        with torch.no_grad():
            _count(self._model._loss_tracker, loss * len(x), len(x))
        loss.backward()
        gradients = [tensor.grad for tensor in self._tensors]
        with torch.no_grad():
            if self._update is not None and all(g is not None and g.stride() == t.stride() for g, t in zip(gradients, self._tensors)):
                self._update(self._tensors, gradients)
            else:
                self._model.optimizer.apply(gradients, self._variables)
            for metric in self._metrics:
                values = metric._fn(y, answer, **metric._fn_kwargs).to(torch.float32)
                values = values.flatten(1).mean(1) if values.dim() > 1 else values
                _count(metric, values.sum(), len(values))
            return {name: mean.total.value / mean.count.value for name, mean in self._means.items()}


def _count(mean: Any, total: Tensor, count: int) -> None:
    """Adds to a mean of Keras's, in place."""
    mean.total.value.add_(total)
    mean.count.value.add_(count)


class _FusedAdam:
    """`keras.optimizers.Adam` on its own variables, by one operation of torch's.

    torch adds epsilon to the root of the corrected mean square, Keras to that of the plain one: Keras's epsilon, divided by the root of the correction, is torch's.
    """

    def __init__(self, optimizer: Any, variables: Sequence[Any]) -> None:
        self._optimizer, places = optimizer, [optimizer._get_variable_index(variable) for variable in variables]
        self._means, self._squares = ([kept[place].value for place in places] for kept in (optimizer._momentums, optimizer._velocities))
        for variable, *kept in zip(variables, self._means, self._squares, strict=True):
            for moments in kept:  # torch's operation goes through memory: all of one weight must lie alike (a square kernel may lie by columns)
                moments.data = torch.empty_like(variable.value).copy_(moments)
        self._steps = [torch.zeros(())] * len(places)

    @staticmethod
    def runs(optimizer: Any, variables: Sequence[Any]) -> bool:
        """Whether an optimizer asks for nothing else, and all its numbers are float32 in main memory."""
        options = ("clipnorm", "clipvalue", "global_clipnorm", "use_ema", "gradient_accumulation_steps", "weight_decay", "loss_scale_factor", "amsgrad")
        return (
            type(optimizer) is Adam and hasattr(torch, "_fused_adam_")
            and not any(getattr(optimizer, name) for name in options)
            and all(v.constraint is None and not v.overwrite_with_gradient and v.value.dtype == torch.float32 and v.value.device.type == "cpu" for v in variables)
        )  # fmt: skip

    def __call__(self, tensors: list[Tensor], gradients: list[Tensor]) -> None:
        adam = self._optimizer
        step = int(adam.iterations.value) + 1
        self._steps[0].fill_(step)
        epsilon = adam.epsilon / (1 - adam.beta_2**step) ** 0.5
        torch._fused_adam_(
            tensors, gradients, self._means, self._squares, [], self._steps, lr=float(adam.learning_rate), beta1=adam.beta_1, beta2=adam.beta_2,
            weight_decay=0.0, eps=epsilon, amsgrad=False, maximize=False,
        )  # fmt: skip
        adam.iterations.value.add_(1)


def why_not(model: Any) -> str:
    """Why a built and compiled model is no plain stack; "" where it is one."""
    for layer in model.layers:
        hooked = layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or layer._backward_pre_hooks
        if type(layer) not in _LAYERS or "call" in vars(layer) or hooked:
            return f"{layer.name} does more than its class's own call, or its class is not known"
        if layer.dtype_policy.name != "float32" or layer.activity_regularizer is not None or getattr(layer, "mask_zero", False) or getattr(layer, "stateful", False):
            return f"{layer.name} has another dtype, a regularizer, masks or states of its own"
    if model.jit_compile or model.losses or not model.trainable_weights:
        return "it is compiled by torch, has losses of its own, or nothing to train"
    losses = model._compile_loss._flat_losses if model._compile_loss is not None and model._compile_loss.built else []
    if len(losses) != 1 or not isinstance(losses[0].loss, LossFunctionWrapper) or losses[0].loss_weights is not None or losses[0].loss.reduction != "sum_over_batch_size" or losses[0].loss.dtype != "float32":
        return "its loss is not one known function, whose mean is taken"
    own = () if model._compile_metrics is None else model._compile_metrics.metrics
    if model.metrics != [model._loss_tracker, *([] if model._compile_metrics is None else [model._compile_metrics])] or not all(_counted(metric) for metric in own):
        return "it has metrics that are not means of known functions"
    if type(model.optimizer).__module__.partition(".")[0] != "keras" or not model.optimizer.built or model.optimizer.loss_scale_factor:
        return "its optimizer is not Keras's own, or scales the loss"
    return ""


def _counted(metric: Any) -> bool:
    return isinstance(metric, MeanMetricWrapper) and type(metric).update_state is MeanMetricWrapper.update_state and type(metric).result is keras.metrics.Mean.result and metric.dtype == "float32"


def likeness(data: Any) -> Likeness | None:
    """Of a batch, or None where it is not one input and one target, both tensors in main memory, without weights."""
    x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
    if weights is not None or type(x) is not Tensor or type(y) is not Tensor or x.device.type != "cpu" or y.device.type != "cpu" or not x.dim() or not y.dim():
        return None
    return Likeness(tuple(x.shape[1:]), tuple(y.shape[1:]), (x.dtype, y.dtype))


class PlainTraining:
    """What tenuto's `Sequential` changes in Keras's: `train_step`, where the model is a plain stack. As a base class it comes before Keras's."""

    def make_train_function(self, force: bool = False) -> Any:
        """Keras's, at the beginning of each `fit`: the first step is Keras's again."""
        vars(self).pop(_KEPT, None)
        return super().make_train_function(force)  # type: ignore[misc]

    def train_step(self, data: Any) -> dict[str, Any]:
        """As Keras's: learns from a batch, and gives the metrics so far."""
        plain, like = vars(self).get(_KEPT), likeness(data)
        if plain and plain.likeness == like:
            x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
            return plain(x, y)  # type: ignore[no-any-return]
        found: dict[str, Any] = super().train_step(data)  # type: ignore[misc]
        if plain is None:
            vars(self)[_KEPT] = PlainStep(self, like) if like is not None and type(self).train_step is PlainTraining.train_step and not why_not(self) else False
        return found
