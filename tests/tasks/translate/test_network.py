"""Encoder, decoder and attention: the equations computed again in float64, no influence of padding, single steps equal to the fused run."""

import pytest
import torch

from tenuto import cells
from tenuto.data.pairs.batches import PairBatch
from tenuto.errors import ArgumentError
from tenuto.networks.attention import Attention
from tenuto.tasks.translate.decoder import ATTENTIONS, Bridge
from tenuto.tasks.translate.network import Seq2SeqNetwork

SIZES = {"embedding_size": 6, "hidden_size": 8, "encoder_size": 4}
KINDS = [(kind, False) for kind in ATTENTIONS] + [(kind, True) for kind in ("dot", "general", "additive")]


def made(cell=None, decoder_cell=None, **options):
    torch.manual_seed(1)
    cell = cell or cells.LSTM()
    return Seq2SeqNetwork(cell, decoder_cell or cell, 9, 7, **{**SIZES, **options}).double()


def pairs(source, lengths, target):
    return PairBatch(source, lengths, target, target, target.numel())


def example(batch=3):
    torch.manual_seed(2)
    return torch.randint(4, 9, (5, batch)), torch.tensor([5, 2, 3][:batch]), torch.randint(4, 7, (4, batch))


@pytest.mark.parametrize("score", ["dot", "general", "additive"])
def test_attention_is_its_equation(score):
    attention = Attention(score, 4, 4, size=3).double()
    values, query = torch.randn(2, 5, 4, dtype=torch.float64), torch.randn(2, 3, 4, dtype=torch.float64)
    valid = torch.tensor([[True] * 5, [True, True, False, False, False]])
    context, weights = attention(query, attention.remember(values, valid))
    for b in range(2):
        for t in range(3):
            scores = []
            for s in range(int(valid[b].sum())):
                q, m = query[b, t], values[b, s]
                if score == "dot":
                    scores.append(q @ m)
                elif score == "general":
                    scores.append(q @ (attention.key.weight @ m))
                else:
                    hidden = attention.query.weight @ q + attention.key.weight @ m + attention.key.bias
                    scores.append(attention.energy.weight[0] @ torch.tanh(hidden))
            expected = torch.softmax(torch.stack(scores), 0)
            torch.testing.assert_close(weights[b, t, : len(scores)], expected)
            assert (weights[b, t, len(scores) :] == 0).all()
            torch.testing.assert_close(context[b, t], expected @ values[b, : len(scores)])


def test_attention_says_what_does_not_fit():
    with pytest.raises(ArgumentError, match="dot | general | additive"):
        Attention("cosine", 4, 4)
    with pytest.raises(ArgumentError, match=r"dot score compares vectors of the same width(.|\n)*general"):
        Attention("dot", 4, 6)


@pytest.mark.parametrize(("attention", "feeding"), KINDS)
@pytest.mark.parametrize("cell", [cells.LSTM(), cells.GRU()], ids=repr)
def test_steps_one_by_one_equal_the_whole_run_and_padding_has_no_influence(attention, feeding, cell):
    network = made(cell, attention=attention, input_feeding=feeding).eval()
    source, lengths, target = example()
    logits = network(pairs(source, lengths, target))
    assert logits.shape == (4, 3, 7)
    assert network.head.fused == (attention != "bahdanau" and not feeding)
    encoded, state = network.begin(pairs(source, lengths, target))
    steps = []
    for row in target:
        step = network.head.decode(row[None], encoded, state)
        state = step.state
        steps.append(step.logits)
    torch.testing.assert_close(torch.cat(steps), logits, rtol=1e-9, atol=1e-12)
    for b, length in enumerate(lengths.tolist()):
        alone = network(pairs(source[:length, b : b + 1], lengths[b : b + 1], target[:, b : b + 1]))
        torch.testing.assert_close(alone, logits[:, b : b + 1], rtol=1e-9, atol=1e-12)
    logits.square().sum().backward()
    assert all(parameter.grad.any() for parameter in network.parameters())


def test_the_decoder_is_one_call_where_attention_permits(monkeypatch):
    source, lengths, target = example()
    for attention, feeding in KINDS:
        network = made(attention=attention, input_feeding=feeding)
        calls = []
        forward = network.head.decoder.forward
        monkeypatch.setattr(network.head.decoder, "forward", lambda x, state: calls.append(len(x)) or forward(x, state))
        network(pairs(source, lengths, target))
        assert calls == ([4] if network.head.fused else [1, 1, 1, 1])


def test_luong_attention_is_its_equations():
    network = made(attention="general").eval()
    source, lengths, target = example(batch=1)
    memory, _ = network.encoder(network.front.embedding(source))
    output, _ = network.head.decoder(network.head.target_embedding(target), network.head.bridge(network.encoder(network.front.embedding(source)).state))
    for t in range(len(target)):
        h, m = output[t, 0], memory[:, 0]
        weights = torch.softmax(m @ network.head.attention.key.weight.T @ h, 0)
        joined = torch.tanh(network.head.join(torch.cat([h, weights @ m])))
        torch.testing.assert_close(network(pairs(source, lengths, target))[t, 0], network.head.output(joined))


def test_bahdanau_attention_is_its_equations():
    network = made(cells.GRU(), attention="bahdanau").eval()
    source, lengths, target = example(batch=1)
    memory = network.encoder(network.front.embedding(source)).output[:, 0]  # [S, M]
    encoded, state = network.begin(pairs(source, lengths, target))
    part, states = network.head.attention, state.states
    before = torch.tanh(network.head.first_query.weight @ encoded.summary[0] + network.head.first_query.bias)
    got = network.head.decode(target, encoded, state)
    for t in range(len(target)):
        energies = [
            part.energy.weight[0] @ torch.tanh(part.query.weight @ before + part.key.weight @ place + part.key.bias) for place in memory
        ]
        weights = torch.softmax(torch.stack(energies), 0)
        context = sum(weight * place for weight, place in zip(weights, memory))
        output, states = network.head.decoder(torch.cat([network.head.target_embedding.weight[target[t, 0]], context])[None, None], states)
        before = output[0, 0]
        joined = torch.tanh(network.head.join.weight @ torch.cat([before, context]) + network.head.join.bias)
        torch.testing.assert_close(got.weights[0, t], weights)
        torch.testing.assert_close(got.logits[t, 0], network.head.output.weight @ joined + network.head.output.bias)


@pytest.mark.parametrize(("attention", "feeding"), [kind for kind in KINDS if kind[0] != "none"])
def test_padding_is_never_attended_whatever_stands_there(attention, feeding):
    network = made(attention=attention, input_feeding=feeding).eval()
    source, lengths, target = example()
    valid = torch.arange(len(source)) < lengths[:, None]  # [B, S]
    found = []
    for written in (0, 4, 8):
        filled = torch.where(valid.T, source, written)
        memory, state = network.begin(pairs(filled, lengths, target))
        decoded = network.head.decode(target, memory, state)
        assert (decoded.weights[~valid[:, None].expand_as(decoded.weights)] == 0).all()
        torch.testing.assert_close(decoded.weights.sum(-1), torch.ones(3, 4, dtype=torch.float64))
        found.append(decoded.logits)
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0)
    torch.testing.assert_close(found[2], found[0], rtol=0, atol=0)


def test_bahdanau_attends_with_the_output_before():
    network = made(cells.GRU(), attention="bahdanau").eval()
    source, lengths, target = example(batch=1)
    encoded, state = network.begin(pairs(source, lengths, target))
    one = network.head.decode(target[:1], encoded, state)
    context, weights = network.head.attention(state.feed[:, None], encoded.memory)
    torch.testing.assert_close(one.weights, weights)
    read = torch.cat([network.head.target_embedding(target[0]), context[:, 0]], dim=-1)[None]
    torch.testing.assert_close(one.state.feed, network.head.decoder(read, state.states).output[0])


def test_a_state_that_fits_is_passed_on_unchanged():
    same = made(bidirectional=False, encoder_size=8, attention="none")
    assert same.head.bridge.maps is None
    source, lengths, target = example()
    final = same.encoder(same.front.embedding(source), lengths=lengths).state
    for given, got in zip(final, same.begin(pairs(source, lengths, target))[1].states, strict=True):
        torch.testing.assert_close(given, got, rtol=0, atol=0)
    mixed = made(cells.GRU(), cells.LSTM(), encoder_layers=1, num_layers=2)
    states = mixed.begin(pairs(source, lengths, target))[1].states
    assert [list(state.shape) for state in states] == [[2, 3, 8], [2, 3, 8]]
    assert isinstance(mixed.head.bridge, Bridge) and len(mixed.head.bridge.maps) == 2


@pytest.mark.parametrize("decoder_input", ["summary", "both"])
def test_the_summary_is_repeated(decoder_input):
    network = made(attention="none", decoder_input=decoder_input, bidirectional=False).eval()
    source, lengths, target = example()
    encoded, _ = network.begin(pairs(source, lengths, target))
    outputs = network.encoder(network.front.embedding(source), lengths=lengths).output
    torch.testing.assert_close(encoded.summary[1], outputs[1, 1])
    first, second = (network(pairs(source, lengths, wanted)) for wanted in (target, 10 - target))
    assert torch.equal(first, second) == (decoder_input == "summary")


def test_tied_embeddings_are_one_matrix_of_any_width():
    for attention, cell in (("none", cells.LSTM()), ("general", cells.GRU())):
        network = made(cell, attention=attention, tied_embeddings=True)
        assert network.head.output.weight is network.head.target_embedding.weight
        assert network(pairs(*example())).shape == (4, 3, 7)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"attention": "cosine"}, "none | dot | general | additive | bahdanau"),
        ({"decoder_input": "all"}, "symbol | summary | both"),
        ({"attention": "none", "input_feeding": True}, "nothing to feed back"),
        ({"attention": "bahdanau", "input_feeding": True}, "reads its context anyway"),
    ],
)
def test_options_are_checked(options, words):
    with pytest.raises(ArgumentError, match=words):
        made(**options)
