"""Random weights: who is caught, who passes, and that the model stays as it was."""

import numpy as np
import pytest
import torch
from torch import nn

import tenuto
from tenuto.errors import ArgumentError
from tenuto.explain import Check, Gradient, IntegratedGradients, Shapley
from tenuto.explain.trust.networks import ranks, redrawn, spearman, stages_of
from tenuto.explain.trust.verdicts import of_weights
from tenuto.tasks import SequenceClassifier
from tests.explain.models import Reader, Words, fitted, target_of
from tests.explain.trust.known import Formula, InputSize, Linear, Noise
from tests.tasks.launched import TASKS

QUICK = Check(networks=4)


@pytest.fixture(scope="module")
def trained():
    """A network that has learned whether the last steps of its first channel rise above zero, and items."""
    steps = [np.random.default_rng(number).normal(size=(12, 2)) for number in range(40)]
    labels = ["rises" if array[-3:, 0].sum() > 0 else "falls" for array in steps]
    return SequenceClassifier("gru", hidden_size=8, epochs=4, random_state=0).fit(steps, labels), steps[:6]


@pytest.mark.parametrize("method", [IntegratedGradients(tolerance=0.5), "contributions", "gradient", Shapley(players="segments", segments=5), "occlusion"], ids=str)
def test_an_honest_method_passes(trained, method):
    model, items = trained
    verdict = of_weights(tenuto.explain(model, items, method=method, check=QUICK).trust)
    assert verdict.holds is not False and verdict.mark in ("holds", "in part"), verdict


def test_a_method_that_ignores_the_model_is_caught(trained):
    model, items = trained
    found = tenuto.explain(model, items, method=InputSize(), check=QUICK)
    verdict = of_weights(found.trust)
    assert verdict.holds is False and verdict.mark == "caught" and np.allclose(found.trust.likeness.values, 1.0)
    page = found.to_html()
    assert 'class="warning trust-warning"' in page and "This explanation is not to be trusted." in page and "✗ caught" in page


def test_a_method_that_hardly_looks_is_caught():
    """The size of the input, with a little of the gradient."""

    class Mostly(InputSize):
        def explain(self, question):
            slopes = Gradient().explain(question)
            return [question.item(row, item.values + 0.05 * slopes[row].values, item.prediction, None) for row, item in enumerate(super().explain(question))]

    found = tenuto.explain(Reader().double().eval(), torch.randn(9, 3, 3, dtype=torch.float64), background="zero", method=Mostly(), check=QUICK)
    assert of_weights(found.trust).mark == "caught" and np.mean(found.trust.likeness.values) < 1


def test_noise_passes_here_and_is_found_by_deletion(trained):
    from tenuto.explain.trust.verdicts import of_joint_removal, of_order

    model, items = trained
    trust = tenuto.explain(model, items, method=Noise(), check=QUICK).trust
    assert of_weights(trust).holds and of_order(trust).holds is not True and of_joint_removal(trust).holds is not True


def test_a_linear_model_passes_whatever_its_weights():
    """Also where all weights are alike, so that copies that kept their mean would be like the model."""
    generator = np.random.default_rng(0)
    model, x = Linear(np.ones((8, 3)) + 0.01 * generator.normal(size=(8, 3))), torch.from_numpy(generator.normal(size=(8, 5, 3)))
    trust = tenuto.explain(model, x, background="zero", method="gradient", check=Check(networks=12)).trust
    assert of_weights(trust).holds and abs(np.mean(trust.likeness.values[-1])) < 0.3


@pytest.mark.parametrize("name", TASKS)
def test_nothing_is_left_on_a_model(name):
    model, data = fitted(name)
    network = model.network_
    before, random = {key: value.clone() for key, value in network.state_dict().items()}, torch.get_rng_state()
    attributes, parts, gradients = set(vars(network)), dict(network._modules), [parameter.grad for parameter in network.parameters()]
    found = tenuto.explain(model, data[:2], target=target_of(name), method="gradient", check=Check(networks=2))
    assert len(found.trust.removals) == 2 and found.trust.likeness is None or found.trust.likeness.left_out == 0
    assert model.network_ is network and set(vars(network)) == attributes and dict(network._modules) == parts
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items()) and torch.equal(torch.get_rng_state(), random)
    assert [parameter.grad for parameter in network.parameters()] == gradients
    plain = tenuto.explain(model, data[:2], target=target_of(name), method="gradient")
    for one, other in zip(found, plain):
        np.testing.assert_array_equal(one.values, other.values)
        assert one.target == other.target and one.prediction == other.prediction


def test_what_is_explained_stays_the_same_in_every_network():
    """The output that the model predicts, not the one that a random network would."""
    seen = []

    class Seen(Gradient):
        def explain(self, question):
            seen.append([question.goals.goal(row) for row in question.rows])
            return super().explain(question)

    tenuto.explain(Reader(outputs=5).eval(), torch.randn(6, 4, 3), background="zero", method=Seen(), check=Check(networks=3))
    assert len(seen) == 1 + 3 * 2 and all(goals == seen[0] for goals in seen)


def test_tokens_are_read_by_the_random_embedding():
    model = Words().eval()
    seen = []

    class Seen(Gradient):
        def explain(self, question):
            seen.append(question.posed.x.clone())
            return super().explain(question)

    tenuto.explain(model, torch.randint(11, (2, 6)), background="zero", method=Seen(), check=Check(networks=2))
    stages = stages_of(model)
    assert [stage.name for stage in stages] == ["head", "head, recurrent", "head, recurrent, table"] and len(seen) == 1 + 2 * 3
    assert torch.equal(seen[1], seen[0]) and torch.equal(seen[2], seen[0]) and not torch.equal(seen[3], seen[0])


def test_stages_go_from_the_head_to_the_front_and_share_their_draws():
    network = fitted("text")[0].network_
    stages = stages_of(network)
    assert [stage.name for stage in stages] == ["head", "head, encoder", "head, encoder, front"]
    assert all(small.paths < large.paths for small, large in zip(stages, stages[1:])) and stages[-1].paths == {path for path, _ in network.named_parameters()}
    first, last = (redrawn(stage.paths, 0, 3)(network).state_dict() for stage in (stages[0], stages[-1]))
    for path, own in network.state_dict().items():
        assert torch.equal(first[path], last[path] if path in stages[0].paths else own), path
        if own.dim() > 1:
            assert not torch.equal(last[path], own) and float(last[path].square().mean().sqrt() / own.square().mean().sqrt()) == pytest.approx(1.0, abs=0.5)
        else:
            assert torch.equal(last[path].sort().values, own.sort().values)
    other = redrawn(stages[-1].paths, 0, 4)(network).state_dict()
    assert any(not torch.equal(other[path], last[path]) for path in other)


@pytest.mark.parametrize("module", [nn.LSTM(3, 4, num_layers=2), nn.Sequential(*[nn.Linear(3, 3) for _ in range(9)]), nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)))], ids=lambda m: type(m).__name__)
def test_every_module_has_stages_that_end_with_all_of_it(module):
    stages = stages_of(module)
    assert 1 <= len(stages) <= 4 and stages[-1].paths == {path for path, _ in module.named_parameters()}


def test_ranks_are_those_of_scipy():
    scipy = pytest.importorskip("scipy.stats")
    generator = np.random.default_rng(0)
    for _ in range(20):
        a, b = generator.integers(5, size=30).astype(float), generator.normal(size=30).round(1)
        np.testing.assert_array_equal(ranks(a) + 1, scipy.rankdata(a))
        assert spearman(a, b) == pytest.approx(scipy.spearmanr(a, b).statistic)


def test_a_model_without_weights_has_nothing_to_compare():
    for model in (Formula(lambda x: x.sum((0, 2))), Scaled()):
        trust = tenuto.explain(model, torch.randn(5, 3, 2), background="zero", method="gradient", check=QUICK).trust
        assert trust.likeness is None and of_weights(trust).mark == "cannot be told" and trust.removals[0] is not None


class Scaled(nn.Module):
    """One number, which no shuffling changes."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([2.0]))
        self.eval()

    def forward(self, x):
        return self.scale * x.sum((0, 2))


def test_networks_without_finite_answers_are_left_out_and_counted():
    class Explosive(nn.Module):
        """Finite for its own weight, which is below zero; with another sign it is not."""

        def __init__(self):
            super().__init__()
            self.rate, self.read = nn.Parameter(torch.full((1, 1), -40.0)), nn.Linear(2, 1)

        def forward(self, x):
            return self.read(x.sum(0)) + torch.exp(10 * self.rate)[0]

    trust = tenuto.explain(Explosive().eval(), torch.randn(5, 3, 2), background="zero", method="gradient", check=Check(networks=10)).trust
    assert 0 < trust.likeness.left_out < 10 and len(trust.likeness.values[-1]) == 10 - trust.likeness.left_out


def test_a_model_that_cannot_be_copied_is_told():
    model = Reader().eval()
    model.kept = model.head(torch.ones(5))  # a tensor with a history
    with pytest.raises(ArgumentError, match="Reader cannot be copied"):
        tenuto.explain(model, torch.randn(4, 1, 3), background="zero", method="gradient", check=True)


def test_many_steps_are_not_taken_where_only_the_order_counts():
    model, x = Reader().eval(), 6 * torch.randn(9, 2, 3)
    with pytest.warns(UserWarning, match="unexplained") as warned:
        tenuto.explain(model, x, background="zero", method=IntegratedGradients(tolerance=1e-12, most_steps=32), check=Check(networks=2))
    assert len(warned) == 2  # of the two items, none of the random networks
