"""Shapley values: exact where they are enumerated, within their own standard errors where they are sampled, unchanged by pruning where the past is nothing."""

from itertools import permutations

import numpy as np
import pytest
import torch
from torch import nn

import tenuto
from tenuto.cells import GRU
from tenuto.errors import ArgumentError, ShapeError
from tenuto.explain import Shapley
from tenuto.explain.kernel import enumerated, sampled
from tests.explain.models import Reader, double, fitted, target_of
from tests.tasks.launched import TASKS


def games(count: int, seed: int = 0):
    """A game that is neither additive nor symmetric."""
    generator = np.random.default_rng(seed)
    one, two, three = generator.normal(size=count), generator.normal(size=(count, count)), generator.normal(size=(count, 3))

    def value(z):
        z = z.astype(float)
        return z @ one + np.einsum("ni,ij,nj->n", z, two, z) / count + 3 * np.tanh(z @ three).prod(1)

    return value


def by_orders(value, count):
    """The definition: what a player adds, over all orders."""
    found = np.zeros(count)
    orders = list(permutations(range(count)))
    for order in orders:
        present = np.zeros((count + 1, count), dtype=bool)
        for place, player in enumerate(order):
            present[place + 1 :, player] = True
        found[list(order)] += np.diff(value(present))
    return found / len(orders)


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_enumerated_values_are_the_definition(count):
    found = enumerated(games(count), count)
    np.testing.assert_allclose(found.values, by_orders(games(count), count), atol=1e-12)
    assert found.coalitions == 2**count and not found.errors.any()


@pytest.mark.parametrize("count", [2, 3, 6, 7, 12])
def test_a_sample_of_everything_is_exact(count):
    found, exact = sampled(games(count), count, samples=2**count, seed=0), enumerated(games(count), count)
    np.testing.assert_allclose(found.values, exact.values, atol=1e-8)
    assert found.errors.max() < 1e-12 and found.coalitions == 2**count


@pytest.mark.parametrize("samples", [60, 200, 1000])
def test_sampled_values_are_within_their_standard_errors(samples):
    """Over many games and seeds: 95 % of the values within two standard errors or so, and hardly any beyond three."""
    distances = []
    for seed in range(20):
        value = games(11, seed)
        found, exact = sampled(value, 11, samples=samples, seed=seed), enumerated(value, 11)
        assert found.values.sum() == pytest.approx(exact.all - exact.none)
        distances.append(np.abs(found.values - exact.values) / found.errors)
    distances = np.concatenate(distances)
    assert (distances < 2).mean() > 0.9 and (distances < 3).mean() > 0.975 and 0.5 < np.sqrt((distances**2).mean()) < 1.4


def test_an_additive_game_needs_hardly_any_samples():
    weights = np.random.default_rng(0).normal(size=30)
    found = sampled(lambda z: z @ weights, 30, samples=4, seed=0)
    np.testing.assert_allclose(found.values, weights, atol=1e-10)


def test_pairs_are_drawn_without_replacement():
    seen = []

    def value(z):
        seen.extend(map(bytes, z))
        return games(14)(z)

    sampled(value, 14, samples=600, seed=0)
    assert len(seen) == len(set(seen))


class Layers(nn.Module):
    """captum's BasicModel_MultiLayer (tests/helpers/basic_models.py), on one step of three features."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = nn.Linear(3, 3, bias=False), nn.Linear(3, 4), nn.Linear(4, 2)
        for layer, bias in ((self.first, None), (self.second, [-10.0, 1.0, 1.0, 1.0]), (self.third, [-1.0, 1.0])):
            with torch.no_grad():
                layer.weight.copy_(torch.eye(3) if bias is None else torch.ones_like(layer.weight))
                if bias is not None:
                    layer.bias.copy_(torch.tensor(bias))

    def forward(self, x):
        return self.third(torch.relu(self.second(self.first(x[0]))))


def test_fixed_answers_of_captum():
    """tests/attr/test_kernel_shap.py: test_simple_kernel_shap and, for two features that play together, ..._with_mask."""
    x = torch.tensor([[[20.0, 50.0, 30.0]]])
    found = tenuto.explain(Layers().eval(), x, target=0, background="zero", method=Shapley(players="features"))
    np.testing.assert_allclose(found[0].player_values, [76.66666, 196.66666, 116.66666], rtol=1e-6)
    masked = tenuto.explain(Layers().eval(), x, target=0, background="zero", method=Shapley(players=np.array([[0, 0, 1]])))
    np.testing.assert_allclose(masked[0].player_values, [275.0, 115.0], rtol=1e-6)
    np.testing.assert_allclose(masked[0].values, [[137.5, 137.5, 115.0]], rtol=1e-6)


def brute(model, x, reference, places, target):
    """Shapley values of players by the definition, one call of the model for each coalition."""

    def value(z):
        return np.array([model(torch.where(torch.from_numpy(row[places]), x, reference)[:, None])[0, target].item() for row in z])

    return by_orders(value, places.max() + 1)


@pytest.mark.parametrize("players", ["features", "segments", "tokens"])
def test_players_of_a_recurrent_model_by_brute_force(players):
    model, x, other = double(Reader()), torch.randn(6, 3, dtype=torch.float64), torch.randn(6, 3, dtype=torch.float64)
    found = tenuto.explain(model, x[:, None], target=1, background=[other], method=Shapley(players=players, segments=3))[0]
    expected = brute(model, x, other, found.players.places, 1)
    np.testing.assert_allclose(found.player_values, expected, atol=1e-8)
    assert abs(found.gap) < 1e-12 and found.values.sum() == pytest.approx(found.player_values.sum())


def test_cells_of_the_grid_are_sampled_within_their_errors():
    model, x = double(Reader()), torch.randn(12, 1, 3, dtype=torch.float64)
    cells = Shapley(players="cells", segments=4)
    exact = tenuto.explain(model, x, target=0, background="mean", method=cells)[0]
    drawn = tenuto.explain(model, x, target=0, background="mean", method=Shapley(players="cells", segments=5, samples=300))[0]
    assert len(exact.player_values) == 12 and not exact.player_errors.any()
    whole = tenuto.explain(model, x, target=0, background="mean", method=Shapley(players="cells", segments=5, samples=2**15))[0]
    assert len(drawn.player_values) == 15 and (drawn.player_errors > 0).all()
    assert (np.abs(drawn.player_values - whole.player_values) < 3.5 * drawn.player_errors).all()


def test_several_references_are_the_mean_over_them():
    model, x, others = double(Reader()), torch.randn(4, 1, 3, dtype=torch.float64), torch.randn(4, 3, 3, dtype=torch.float64)
    method = Shapley(players="features")
    each = [tenuto.explain(model, x, target=0, background=others[:, row : row + 1], method=method)[0] for row in range(3)]
    together = tenuto.explain(model, x, target=0, background=others, method=method)[0]
    np.testing.assert_allclose(together.player_values, np.mean([one.player_values for one in each], 0), atol=1e-12)


def test_a_carried_state_is_a_player():
    layer = double(nn.LSTM(2, 3))
    x, state = torch.randn(4, 1, 2, dtype=torch.float64), tuple(torch.randn(1, 1, 3, dtype=torch.float64) for _ in range(2))
    found = tenuto.explain(layer, x, state=state, target=(-1, 0), background="zero", method=Shapley(players="segments", segments=2))[0]
    assert sorted(found.state) == ["c", "h"] and len(found.player_values) == 2 and abs(found.gap) < 1e-12
    assert found.prediction == pytest.approx(float(layer(x, state)[0][-1, 0, 0].detach()))


@pytest.mark.parametrize("name", TASKS)
def test_an_item_alone_is_explained_as_in_a_batch(name):
    model, data = fitted(name)
    method = Shapley(segments=3, samples=40)
    together = tenuto.explain(model, data, target=target_of(name), method=method)
    alone = tenuto.explain(model, data[2:3], target=target_of(name), method=method)
    np.testing.assert_allclose(together[2].player_values, alone[0].player_values, rtol=2e-4, atol=1e-6)
    assert all(abs(item.gap) < 1e-4 * (1 + abs(item.prediction)) for item in together)


# --- pruning ------------------------------------------------------------------------------------------------------------------


class Runs(tenuto.Recurrent):
    """A layer that counts the steps it runs."""

    def forward(self, x, state=None, **more):
        STEPS.append(x.shape[0] * x.shape[1])
        return super().forward(x, state, **more)


STEPS: list[int] = []


class Last(nn.Module):
    """The last output of a layer that forgets quickly."""

    def __init__(self, **options):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.head = Runs(GRU(), 2, 3, dtype=torch.float64, **options), nn.Linear(6 if options.get("bidirectional") else 3, 1).double()
        with torch.no_grad():
            self.layer.bias_l0[:3] += 2.0 * (self.layer.cell.gates.split()[0] != "n")

    def forward(self, x):
        return self.head(self.layer(x).output[-1])


def test_without_pruning_it_is_kernel_shap_over_the_same_players():
    model, x = Last().eval(), torch.randn(9, 1, 2, dtype=torch.float64)
    plain = tenuto.explain(model, x, background="zero", method=Shapley(segments=3))[0]
    same = tenuto.explain(model, x, background="zero", method=Shapley(segments=3, prune=0.0))[0]
    assert "pruned_steps" not in plain.measured and not plain.notes
    np.testing.assert_allclose(plain.player_values, same.player_values, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"num_layers": 2, "layer_norm": True}, {"bidirectional": True}, {"reverse": True}], ids=str)
def test_the_pruned_past_is_one_player_and_the_others_keep_within_the_bound(options):
    model, x = Last(**options).eval(), torch.randn(60, 1, 2, dtype=torch.float64)
    background = torch.randn(60, 3, 2, dtype=torch.float64)
    method = Shapley(players=np.arange(60)[:, None].repeat(2, 1) // 6)
    plain = tenuto.explain(model, x, background=background, method=method)[0]
    pruned = tenuto.explain(model, x, background=background, method=Shapley(players=method.players, prune=0.05))[0]
    if "pruned_steps" not in pruned.measured:
        assert options.get("reverse") or options.get("bidirectional")
        return
    cut, bound = pruned.measured["pruned_steps"], pruned.measured["bound"]
    assert pruned.players.names[0].startswith(f"the first {cut} steps") and abs(pruned.gap) < 1e-9 and "differ by at most" in pruned.notes[0]
    backwards = bool(options.get("bidirectional") or options.get("reverse"))
    assert pruned.measured["steps_run"] == (60 if backwards else 60 - cut)
    places = dict(zip(plain.players.names, plain.player_values))
    for name, value in list(zip(pruned.players.names, pruned.player_values))[1:]:
        whole = not (pruned.players.places[:cut] == pruned.players.names.index(name)).any() and int(name.split()[-1]) * 6 >= cut
        assert not whole or abs(value - places[name]) <= bound + 1e-9


def test_a_pruned_run_runs_only_the_last_steps():
    model, x = Last().eval(), torch.randn(200, 1, 2, dtype=torch.float64)
    method = Shapley(segments=40, players="segments", samples=1000, prune=0.05)
    STEPS.clear()
    found = tenuto.explain(model, x, background="zero", method=method)[0]
    cut = int(found.measured["pruned_steps"])
    assert cut > 100 and max(STEPS[-3:]) < 200 * found.measured["rows_run"]
    whole = Shapley(segments=40, players="segments", samples=1000)
    again = tenuto.explain(model, x, background="zero", method=whole)[0]
    assert again.prediction == pytest.approx(found.prediction) and again.base == pytest.approx(found.base)


def test_pruning_works_for_a_task_with_its_own_head():
    x = [np.concatenate([np.random.default_rng(i).normal(size=(40, 1)), np.full((3, 1), float(i % 2))]) for i in range(20)]
    model = tenuto.tasks.SequenceClassifier("gru", hidden_size=4, epochs=3, bidirectional=False, pooling=("last", "mean")).fit(x, ["low", "high"] * 10)
    pruned = tenuto.explain(model, x[:2], method=Shapley(segments=10, prune=0.9))
    for item in pruned:
        assert item.measured["steps_run"] == 43 - item.measured["pruned_steps"] and abs(item.gap) < 1e-4


# --- players ------------------------------------------------------------------------------------------------------------------


def test_words_are_put_together_from_characters():
    model, data = fitted("language")
    found = tenuto.explain(model, ["la si do"], method=Shapley(players="words"))[0]
    assert found.players.names == ("la ", "si ", "do")
    model, data = fitted("text")
    assert tenuto.explain(model, data[1:2], method=Shapley(players="words"))[0].players.names == tuple(data[1])


def test_constant_features_and_a_single_step_are_worth_what_they_change():
    model = double(Reader())
    x = torch.randn(5, 1, 3, dtype=torch.float64)
    x[..., 1] = 0.0
    found = tenuto.explain(model, x, background="zero", method=Shapley(players="features"))[0]
    assert abs(found.player_values[1]) < 1e-15 and abs(found.gap) < 1e-12
    one = tenuto.explain(model, x[:1], background="zero", method=Shapley(players="segments"))[0]
    assert one.player_values == pytest.approx([one.prediction - one.base])


def test_memory_is_bounded_whatever_the_players(monkeypatch):
    import tenuto.explain.question as module

    monkeypatch.setattr(module, "MOST_NUMBERS", 2000)
    model, x = Last().eval(), torch.randn(50, 1, 2, dtype=torch.float64)
    STEPS.clear()
    small = tenuto.explain(model, x, background="zero", method=Shapley(samples=60))[0]
    assert max(STEPS) * (2 + 9) <= 2000
    monkeypatch.undo()
    large = tenuto.explain(model, x, background="zero", method=Shapley(samples=60))[0]
    np.testing.assert_allclose(small.player_values, large.player_values, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Shapley(players="pixels"), "players='pixels' is not known"),
        (lambda: Shapley(segments=0), "segments=0 cannot be used"),
        (lambda: Shapley(cut="random"), "cut='random' is not known"),
        (lambda: Shapley(samples=1), "samples=1 cannot be used"),
        (lambda: Shapley(prune=1.5), r"prune=1\.5 cannot be used"),
        (lambda: tenuto.explain(Reader().eval(), torch.randn(4, 1, 3), background="zero", method=Shapley(players="words")), "have no texts"),
        (lambda: tenuto.explain(Reader().eval(), torch.randn(4, 1, 3), background="zero", method=Shapley(players=np.zeros((3, 3), dtype=int))), "array of players does not fit"),
        (lambda: tenuto.explain(Reader().eval(), torch.randn(4, 1, 3), method=Shapley()), "compares with a background"),
    ],
)
def test_bad_settings_are_refused(call, said):
    with pytest.raises((ArgumentError, ShapeError), match=said):
        call()


def test_segments_end_at_change_points(monkeypatch):
    import sys

    x = torch.zeros(12, 1, 2)
    x[5:, 0, 0] = 3.0
    x[9:, 0, 1] = -3.0
    method = Shapley(players="segments", segments=3, cut="change points")
    found = tenuto.explain(Reader(features=2).eval(), x, background="mean", method=method)[0]
    assert found.players.names == ("steps 0 to 4", "steps 5 to 8", "steps 9 to 11")
    flat = tenuto.explain(Reader(features=2).eval(), torch.ones(6, 1, 2), background="zero", method=method)[0]
    assert len(flat.players.names) == 3
    monkeypatch.setitem(sys.modules, "ruptures", None)
    with pytest.raises(ArgumentError, match=r"ruptures(.|\n)*tenuto\[explain\]"):
        tenuto.explain(Reader(features=2).eval(), x, background="mean", method=method)
