"""The module behind the language model: decoders give a distribution, tied weights are one tensor, masks are drawn where they should be."""

import pytest
import torch

from tenuto.cells import GRU, LSTM
from tenuto.data.text.streams import IGNORED, Window
from tenuto.errors import ArgumentError
from tenuto.tasks.language.learning import window_loss
from tenuto.tasks.language.network import LanguageNetwork, Read

SIZE = 40


def network(**options):
    torch.manual_seed(0)
    return LanguageNetwork(LSTM(), SIZE, 12, **options)


def tokens(time_steps=7, rows=3):
    return torch.randint(0, SIZE, (time_steps, rows), generator=torch.Generator().manual_seed(1))


def read(model, inputs, state=None, resets=None, targets=None):
    return model(Window(inputs, torch.full_like(inputs, IGNORED) if targets is None else targets, resets), state)


@pytest.mark.parametrize("options", [{}, {"tied": True}, {"tied": True, "embedding_size": 5}, {"tied": True, "embedding_size": 5, "num_layers": 3, "layer_norm": True}, {"cutoffs": (6,)}], ids=str)
def test_nats_are_those_of_a_distribution_over_all_tokens(options):
    counts = torch.arange(SIZE)
    model = network(counts=counts, **options).eval()
    targets = tokens().roll(-1, 0)
    targets[2, 1] = IGNORED
    found = read(model, tokens(), targets=targets)
    logs = model.head.log_probabilities(found.features)
    torch.testing.assert_close(logs.exp().sum(-1), torch.ones(7, 3))
    expected = -logs.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    expected[2, 1] = 0
    torch.testing.assert_close(found.nats, expected)
    found.nats.sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_an_adaptive_softmax_keeps_the_most_frequent_tokens_near():
    model = network(counts=torch.arange(SIZE), cutoffs=(6,))
    assert model.head.decoder.ranks[SIZE - 1] == 0 and model.head.decoder.ranks[0] == SIZE - 1
    for cutoffs in ((0,), (9, 3), (SIZE,)):
        with pytest.raises(ArgumentError, match="do not fit"):
            network(cutoffs=cutoffs)
    with pytest.raises(ArgumentError, match="width 12 is too narrow for 2 cutoffs"):
        network(cutoffs=(6, 20))
    with pytest.raises(ArgumentError, match="exclude each other"):
        network(cutoffs=(6,), tied=True)


def test_tied_weights_are_one_tensor_through_a_step_too():
    model = network(tied=True, embedding_size=5)
    assert model.head.decoder.weight is model.front.embedding.weight and model.head.projection.weight.shape == (5, 12)
    assert len([name for name, _ in model.named_parameters() if name.endswith(("embedding.weight", "decoder.weight"))]) == 1
    read(model, tokens(), targets=tokens()).nats.sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert model.head.decoder.weight.data_ptr() == model.front.embedding.weight.data_ptr()


def test_the_last_of_tied_layers_is_as_wide_as_the_embedding():
    model = network(tied=True, embedding_size=5, num_layers=3, dropout=0.5)
    assert model.head.projection is None and (model.encoder.recurrent.num_layers, model.encoder.last.hidden_size) == (2, 5)
    seen = []
    model.encoder.last.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    found = read(model, tokens(30, 4))
    assert found.output.shape == (30, 4, 5) and 0.3 < (seen[0] == 0).float().mean() < 0.7
    model.eval()
    whole, half = read(model, tokens(8, 1)), read(model, tokens(8, 1)[:4])
    torch.testing.assert_close(read(model, tokens(8, 1)[4:], half.state).output, whole.output[4:])
    step = model.live(half.state)
    with torch.no_grad():
        torch.testing.assert_close(torch.stack([step(token).clone() for token in tokens(8, 1)[4:]]), whole.features[4:])


@pytest.mark.parametrize("kind", ["variational", "step"])
def test_output_dropout_draws_a_mask_for_each_window_or_each_step(kind):
    model = network(output_dropout=0.5, dropout_kind=kind)
    found = read(model, tokens(30, 4))
    kept = found.dropped != 0
    torch.testing.assert_close(found.dropped[kept], 2 * found.output[kept])
    assert 0.3 < kept.float().mean() < 0.7
    assert (kept == kept[:1]).all() == (kind == "variational")
    assert not torch.equal(kept[:, 0], kept[:, 1])  # each row has its own
    assert read(model.eval(), tokens(30, 4)).dropped.equal(read(model, tokens(30, 4)).output)


def test_embedding_dropout_drops_a_token_wherever_it_stands():
    model = network(embedding_dropout=0.5)
    seen = []
    model.encoder.recurrent.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    repeated = torch.arange(SIZE).repeat(2)[:, None]
    read(model, repeated)
    dropped = (seen[0] == 0).all(-1)[:, 0]
    assert torch.equal(dropped[:SIZE], dropped[SIZE:]) and 8 < dropped[:SIZE].sum() < 32
    kept = repeated[~dropped, 0]
    torch.testing.assert_close(seen[0][~dropped, 0], 2 * model.front.embedding.weight[kept])


def test_weight_dropout_is_drawn_for_a_window_and_is_not_there_in_evaluation():
    model = network(weight_dropout=0.5)
    first, second = read(model, tokens()).output, read(model, tokens()).output
    assert torch.equal(first[0], second[0])  # the state before the first step is zero, so its products are zero whatever the mask
    assert not torch.equal(first[1], second[1])
    model.eval()
    assert torch.equal(read(model, tokens()).output, read(model, tokens()).output)


@pytest.mark.parametrize("options", [{}, {"tied": True, "embedding_size": 5}], ids=str)
def test_the_forget_bias_is_that_of_every_layer(options):
    for bias in (1.0, 0.0, -2.0):
        starts = [values.view(4, -1)[1] for name, values in network(num_layers=3, forget_bias=bias, **options).named_parameters() if "bias_l" in name]
        assert len(starts) == 3 and all((start == bias).all() for start in starts)
    with pytest.raises(ArgumentError, match="forget_bias is inf"):
        network(forget_bias=float("inf"))


def test_activation_and_change_decay_equal_the_sums_by_hand():
    output = torch.tensor([[[1.0, 2.0]], [[4.0, -2.0]], [[4.0, 0.0]]], dtype=torch.float64)  # [3, 1, 2]
    dropped = torch.tensor([[[2.0, 0.0]], [[8.0, 0.0]], [[0.0, 0.0]]], dtype=torch.float64)
    nats = torch.tensor([[1.0], [3.0], [0.0]], dtype=torch.float64)
    mean, plain = window_loss(Read(nats, dropped, output, dropped, None), 2, activation_decay=2.0, change_decay=0.5)
    assert plain.item() == 2.0  # (1 + 3) / 2 tokens
    assert mean.item() == pytest.approx(2.0 + 2.0 * (4 + 64) / 6 + 0.5 * (9 + 16 + 0 + 4) / 4, abs=1e-12)
    one_step = Read(nats[:1], dropped[:1], output[:1], dropped[:1], None)
    assert window_loss(one_step, 1, change_decay=5.0)[0].item() == 1.0


def test_resets_read_documents_as_if_each_stood_alone():
    torch.manual_seed(0)
    model = LanguageNetwork(GRU(), SIZE, 12, num_layers=2).double().eval()
    text = tokens(9, 1)
    resets = torch.zeros(9, 1, dtype=torch.bool)
    resets[4] = True
    whole = read(model, text, None, resets)
    torch.testing.assert_close(whole.output[4:], read(model, text[4:]).output)
    torch.testing.assert_close(whole.output[:4], read(model, text[:4]).output)
