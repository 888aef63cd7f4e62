"""`Summer`: a recurrent layer and a head that learn to add."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tenuto import Recurrent
from tenuto.networks.anatomy import Network
from tenuto.tasks.batches import Batches
from tenuto.tasks.estimator import Estimator
from tenuto.tasks.evaluation import Measured, Watch, describe_set, prediction_speed
from tenuto.train import Loss
from tenuto.train.course import Learning
from tests.tasks.toy.lines import Lines
from tests.tasks.toy.options import ToyOptions


class Batch(NamedTuple):
    """numbers: [T, B, 1], zero beyond lengths [B]."""

    numbers: Tensor
    lengths: Tensor

    def to(self, device):
        return Batch(*(tensor.to(device) for tensor in self))

    def select(self, rows):
        return Batch(self.numbers[:, rows], self.lengths[rows])


class Front(nn.Module):
    def forward(self, batch):
        return batch.numbers


class SumNetwork(Network):
    def __init__(self, cell, hidden_size, engine):
        super().__init__()
        self.front, self.encoder, self.head = Front(), Recurrent(cell, 1, hidden_size, engine=engine), nn.Linear(hidden_size, 1)

    def forward(self, batch):
        return self.head(self.encode(batch).output.sum(0)).squeeze(1)


class Summer(ToyOptions, Estimator):
    """Adds up lines of numbers."""

    task = "toy-sum"
    former_names = {}

    def predict(self, x):
        self.require_fit("predict")
        return self._answers(self._read(x))

    def answer(self, tensors):
        return (tensors * self._scale).tolist()

    def _read(self, x, y=None):
        return x if isinstance(x, Lines) else Lines(x, [0.0] * len(x) if y is None else y)

    def _divide(self, data):
        return data, data

    def _prepare(self, training, held_out):
        pass

    def _network(self):
        return SumNetwork(self.cell_, self.hidden_size, self.engine)

    def _learning(self, training, held_out, launch):
        def batches(epoch):
            return np.array_split(np.random.default_rng(epoch).permutation(len(training)), -(-len(training) // self.batch_size))

        def loss(network, rows, carried):
            wanted = torch.tensor(training.sums)[rows] / self._scale
            return Loss((network(self._batch(training, rows)) - wanted).square().mean(), len(rows))

        return Learning(batches, loss, lambda network: {"validation_loss": self._result(held_out)["loss"]})

    def _batches(self, data):
        return Batches(data.lengths, 64, lambda rows: self._batch(data, rows))

    def _batch(self, data, rows):
        lines = [torch.tensor(data.numbers[row])[:, None] / self._scale for row in rows]
        return Batch(nn.utils.rnn.pad_sequence(lines), torch.tensor([len(line) for line in lines]))

    def _result(self, data):
        return {"loss": float((np.subtract(self._answers(data), data.sums) ** 2).mean()), "lines": len(data)}

    def _measure(self, data, name):
        return Measured(self._result(data), {}, prediction_speed(Watch(), sequences=len(data), steps=int(data.lengths.sum()), rows=64))

    def _describe(self, data):
        return describe_set(data, data.lengths)

    def _about(self, training, outcome):
        return {"title": "sums"}

    def _kept(self):
        return {}

    def _restore(self, kept):
        pass

    @property
    def _scale(self):
        return 10 if self.scaled else 1
