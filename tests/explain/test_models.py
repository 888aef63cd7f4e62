"""Contributions through whole models: torch's usual modules, the library's own tasks, and fixed answers of other libraries where they are right."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tenuto import Recurrent, cells
from tenuto.explain.contributions import contributions, network_contributions
from tenuto.networks.attention import SCORES
from tenuto.networks.pooled import PooledNetwork
from tenuto.tasks.language.network import LanguageNetwork
from tenuto.tasks.tag.network import TaggerNetwork
from tenuto.tasks.text.network import TextClassifierNetwork
from tenuto.tasks.translate.network import Seq2SeqNetwork
from tests.explain.test_contributions import assert_adds_up

pytestmark = pytest.mark.usefixtures("reference_engine")

C = 4  # channels; inputs are [B, C, T] for the modules that convolve, [B, T, C] for others
OVER_CHANNELS = {
    "conv": nn.Conv1d(C, 6, 3, padding=1, stride=2), "depthwise conv": nn.Conv1d(C, C, 3, groups=C, dilation=2), "batch norm": nn.BatchNorm1d(C),
    "group norm": nn.GroupNorm(2, C), "instance norm": nn.InstanceNorm1d(C), "max pool": nn.MaxPool1d(3, 2, 1), "average pool": nn.AvgPool1d(2), "adaptive average": nn.AdaptiveAvgPool1d(3),
    "padding": nn.ConstantPad1d(2, 0.5), "flatten": nn.Flatten(),
}  # fmt: skip
OVER_FEATURES = {
    "linear": nn.Linear(C, 3), "layer norm": nn.LayerNorm(C), "rms norm": nn.RMSNorm(C), "softmax": nn.Softmax(-1), "softmax over time": nn.Softmax(1), "log softmax": nn.LogSoftmax(-1),
    "attention": nn.MultiheadAttention(C, 2, batch_first=True), "transformer": nn.TransformerEncoderLayer(C, 2, 8, batch_first=True), "prelu": nn.PReLU(), "bilinear": nn.Bilinear(C, C, 2),
    "sequential": nn.Sequential(nn.Linear(C, 5), nn.Dropout(0.5), nn.ReLU(inplace=True), nn.Linear(5, 2)), "softmin": nn.Softmin(-1),
} | {
    name: getattr(nn, name)() for name in
    "ReLU Tanh Sigmoid GELU SiLU ELU SELU CELU LeakyReLU Softplus Softsign Mish Hardtanh Hardsigmoid Hardswish ReLU6 LogSigmoid Softshrink Tanhshrink Identity".split()
}  # fmt: skip


def as_one(module):
    """A module's answer as one number a row, each of its numbers with another weight."""

    def run(x):
        answer = module(x, x, x)[0] if isinstance(module, nn.MultiheadAttention) else module(x, x) if isinstance(module, nn.Bilinear) else module(x)
        flat = answer.flatten(1)
        return (flat * torch.arange(1, flat.shape[1] + 1, dtype=x.dtype).sqrt()).sum(1)

    return run


@pytest.mark.parametrize("scale", [0.5, 5.0])
@pytest.mark.parametrize("name", [*OVER_CHANNELS, *OVER_FEATURES])
def test_modules_of_torch(name, scale):
    module = {**OVER_CHANNELS, **OVER_FEATURES}[name].double().eval()
    x = scale * torch.randn(3, *((C, 8) if name in OVER_CHANNELS else (7, C)), dtype=torch.float64)
    reference = scale * torch.randn_like(x)
    reference[0] = x[0]  # one row where the runs meet
    found = contributions(as_one(module), {"x": x}, {"x": reference}, lambda answer: answer, batch_axis=0)
    assert_adds_up(found, batch_axis=0)
    torch.testing.assert_close(found.prediction, as_one(module)(x))
    assert not found.values["x"][0].any() and torch.isfinite(found.values["x"]).all()


FUNCTIONS = {
    "where": lambda x: torch.where(x > 0.2, x * 2, x.exp()), "masked": lambda x: torch.softmax(x.masked_fill(torch.ones(7, 7).tril()[:, :C] == 0, float("-inf"))[..., 1:, :], -1),
    "norm": lambda x: x / x.norm(dim=-1, keepdim=True), "variance": lambda x: (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-3),
    "largest": lambda x: torch.cat([x.max(1)[0], x.amin(2)], 1), "matmul": lambda x: torch.einsum("btc,bsc->bts", x, x.tanh()), "cumulated": lambda x: x.cumsum(1).sin(),
    "attention": lambda x: nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True), "logsumexp": lambda x: x.logsumexp((1, 2), keepdim=True), "powers": lambda x: x.abs() ** 2.5 + x**3,
    "input in place": lambda x: x.mul_(2).tanh(), "in place": lambda x: x.clone().add_(1).mul_(x).relu_(), "indexed": lambda x: x[[2, 1, 0], :3].flip(1).roll(1, 2), "clamp": lambda x: x.clamp(-0.3, 0.4) + torch.maximum(x, -x),
    "embedded": lambda x: x @ nn.functional.embedding(torch.tensor([[0, 1], [1, 1]]), torch.eye(2, dtype=x.dtype)).flatten(0, 1), "parts": lambda x: torch.stack(x.unbind(1)[1:], 1).split(2, 1)[0] * x[:, :2],
    "zeroed": lambda x: x + x.tanh().zero_() + x.clone().fill_(2.0) * x, "written over": lambda x: x.tanh().copy_(x) * x.exp().copy_(torch.ones_like(x)) + torch.zeros_like(x).add_(x),
    "normalised": lambda x: nn.functional.normalize(x, dim=-1), "cosine": lambda x: nn.functional.cosine_similarity(x[:, 1:], x[:, :-1], dim=-1), "half": lambda x: (x.float() * 2).double(),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_torch(name):
    x, reference = torch.randn(2, 3, 7, C, dtype=torch.float64)
    reference = x.flip(0) if name == "indexed" else reference
    found = contributions(as_one(FUNCTIONS[name]) if name != "indexed" else lambda x: as_one(lambda v: v[:, [2, 1, 0], :3])(x), {"x": x}, {"x": reference}, lambda answer: answer, batch_axis=0)
    gap = 1e-5 if name == "half" else 1e-10
    torch.testing.assert_close(found.values["x"].sum((1, 2)) + found.base, found.prediction, rtol=gap, atol=gap)


def test_answers_of_captum():
    """Fixed answers in its tests of DeepLift: two rectifiers, and a maximum over four."""
    two = lambda x1, x2: 2 * torch.relu(x1) + 2 * torch.relu(x2 - 1.5)  # noqa: E731
    given = {"x1": torch.tensor([1.0]), "x2": torch.tensor([2.0])}
    found = contributions(two, given, {"x1": torch.zeros(1), "x2": torch.zeros(1)}, lambda answer: answer, batch_axis=0)
    assert found.values["x1"].tolist() == [2.0] and found.values["x2"].tolist() == [1.0]
    linear = lambda x1, x2: torch.relu(torch.cat([x1 @ torch.tensor([[3.0], [1], [0]]), x2 @ torch.tensor([[2.0], [3], [0]])], 1)).sum(1)  # noqa: E731
    given = {"x1": torch.tensor([[-10.0, 1.0, -5.0]]), "x2": torch.tensor([[3.0, 3.0, 1.0]])}
    found = contributions(linear, given, {name: torch.zeros(1, 3) for name in given}, lambda answer: answer, batch_axis=0)
    assert found.values["x1"].abs().tolist() == [[0.0, 0.0, 0.0]] and found.values["x2"].tolist() == [[6.0, 9.0, 0.0]]
    pool = nn.MaxPool1d(4)
    found = contributions(
        lambda x: pool(x[:, None])[:, 0, 0], {"x": torch.ones(2, 4)}, {"x": torch.tensor([[1.0, 2, 3, 9], [4, 8, 6, 7]])}, lambda answer: answer, batch_axis=0
    )
    assert found.values["x"].tolist() == [[0.0, 0.0, 0.0, -8.0], [0.0, -7.0, 0.0, 0.0]]


class Given(nn.Module):
    """A front that gives what the batch holds."""

    def forward(self, batch):
        return batch.x


def batch_of(**more):
    torch.manual_seed(5)
    return SimpleNamespace(x=torch.randn(5, 3, 2), lengths=torch.tensor([5, 2, 4]), resets=None, **more)


def test_classifier_of_sequences():
    network = PooledNetwork(cells.LSTM(), 2, 4, 3, num_layers=2, dropout=0.3, input_noise=0.1).eval()
    batch, front = batch_of(), network.front
    found = network_contributions(network, batch, torch.zeros(1, 1, 2), 1)
    assert_adds_up(found)
    torch.testing.assert_close(found.prediction, network(batch)[:, 1])
    assert network.front is front and not found.values["x"][2:, 1].any()


def test_classifier_of_texts():
    network = TextClassifierNetwork(Given(), Recurrent(cells.GRU(), 2, 4, bidirectional=True), classes=2).eval()
    assert_adds_up(network_contributions(network, batch_of(), list(torch.randn(3, 5, 1, 2)), lambda answer: torch.log_softmax(answer, -1)[:, 0]))


@pytest.mark.parametrize("crf", [True, False])
def test_tagger(crf):
    network = TaggerNetwork(Given(), Recurrent(cells.LSTM(), 2, 4, bidirectional=True), tags=3, labels=2, crf=crf).eval()
    batch = batch_of()
    assert_adds_up(network_contributions(network, batch, torch.zeros(1, 1, 2), lambda scores: scores.tags[1, :, 2] + scores.labels[:, 0]))
    if crf:  # also what the CRF makes of the scores: the normaliser over all sequences of tags
        target = lambda scores: -network.head.crf(scores.tags, torch.ones(5, 3, dtype=torch.int64), batch.lengths)  # noqa: E731
        assert_adds_up(network_contributions(network, batch, torch.zeros(1, 1, 2), target))


@pytest.mark.parametrize("attention", [*SCORES, "none"])
def test_translation_by_teacher_forcing(attention):
    network = Seq2SeqNetwork(cells.LSTM(), cells.LSTM(), 9, 8, embedding_size=4, encoder_size=3, hidden_size=6, attention=attention).eval()
    batch = SimpleNamespace(source=torch.randint(1, 9, (5, 3)), lengths=torch.tensor([5, 2, 4]), read=torch.randint(1, 8, (4, 3)))
    found = network_contributions(network, batch, torch.zeros(1, 1, 4), lambda logits: torch.log_softmax(logits[3], -1)[:, 2])
    assert_adds_up(found)


def test_language_model():
    network = LanguageNetwork(cells.LSTM(), 7, 6, num_layers=2, embedding_size=4, tied=True, dropout=0.1).eval()
    batch = SimpleNamespace(inputs=torch.randint(0, 7, (5, 3)), targets=torch.randint(0, 7, (5, 3)), resets=torch.rand(5, 3) < 0.2, lengths=None)
    assert_adds_up(network_contributions(network, batch, torch.zeros(1, 1, 4), lambda read: -read.nats[-1]))
