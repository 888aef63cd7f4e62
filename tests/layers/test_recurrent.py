"""`Recurrent` for every cell of the zoo: what holds with any options, and what each option means."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import tenuto
from tenuto import Recurrent, cells
from tenuto.layers import Output
from tests.layers.closeness import assert_near
from tests.zoo import LAYER_CELLS as CELLS
from tests.zoo import Leaking

INPUT, HIDDEN, STEPS, ROWS = 3, 6, 5, 3
every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)


def random(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype)


def layer_of(cell, input_size=INPUT, hidden_size=HIDDEN, num_layers=1, *, dtype=torch.float64, scale=0.3, **options):
    """A layer with random numbers in all its parameters and initial states, so that a zero cannot hide an error."""
    layer = Recurrent(cell, input_size, hidden_size, num_layers, dtype=dtype, **options)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return layer


def assert_same(result, expected, **options):
    assert_near(result.output, expected.output, "output", **options)
    for name, actual, wanted in zip(expected.state._fields, result.state, expected.state, strict=True):
        assert_near(actual, wanted, name, **options)


options = {
    "num_layers": st.sampled_from([1, 2]), "bias": st.booleans(), "bidirectional": st.booleans(), "residual": st.booleans(),
    "layer_norm": st.booleans(), "learned_state": st.booleans(), "batch_first": st.booleans(),
}  # fmt: skip


@given(name=st.sampled_from(sorted(CELLS)), chosen=st.fixed_dictionaries(options), with_state=st.booleans())
@settings(max_examples=40)
def test_shapes_and_ragged_batches(name, chosen, with_state):
    """Padded with lengths (and NaN in the padding), packed, and each sequence alone: the same numbers and gradients."""
    layer, directions = layer_of(CELLS[name], **chosen), 2 if chosen["bidirectional"] else 1
    lengths, first = torch.tensor([2, 5, 0]), chosen["batch_first"]
    x = random(ROWS, STEPS, INPUT)
    x[torch.arange(STEPS) >= lengths[:, None]] = torch.nan
    x = x if first else x.transpose(0, 1)
    sizes = layer._state_sizes
    state = [random(chosen["num_layers"] * directions, ROWS, size) for size in sizes] if with_state else None
    result = layer(x, state, lengths=lengths)
    assert isinstance(result, Output) and result.state._fields == tuple(layer.cell.widths("state"))
    assert result.output.shape == (*x.shape[:2], directions * layer.output_width)
    assert [tuple(value.shape) for value in result.state] == [(chosen["num_layers"] * directions, ROWS, size) for size in sizes]
    result.output.sum().backward()
    ragged = {key: parameter.grad for key, parameter in layer.named_parameters() if parameter.grad is not None}
    assert all(not gradient.isnan().any() for gradient in ragged.values())
    layer.zero_grad()
    total = 0
    for row, length in enumerate(lengths.tolist()):
        alone_x = (x[row] if first else x[:, row])[:length]
        alone_state = None if state is None else [value[:, row] for value in state]
        alone = layer(alone_x, alone_state)
        output = result.output[row] if first else result.output[:, row]
        assert_near(output[:length], alone.output, "alone")
        assert not output[length:].any() or chosen["residual"] or chosen["layer_norm"]
        for ours, wanted in zip(result.state, alone.state, strict=True):
            assert_near(ours[:, row], wanted, "state alone")
        total = total + alone.output.sum()
    total.backward()
    for key, parameter in layer.named_parameters():
        if parameter.grad is not None and not (chosen["residual"] or chosen["layer_norm"]):
            assert_near(ragged[key], parameter.grad, key, gradient=True)


@every_cell
def test_the_whole_sequence_equals_its_two_halves(cell):
    layer = layer_of(cell, num_layers=2, residual=True, layer_norm=True, learned_state=True)
    x = random(STEPS, ROWS, INPUT)
    whole = layer(x)
    first = layer(x[:2])
    second = layer(x[2:], first.state)
    assert_same(Output(torch.cat([first.output, second.output]), second.state), whole)
    assert_same(layer(x[2:], tuple(first.state.detach().clone())), second)


@every_cell
def test_resets_are_separate_documents(cell):
    """In both directions: the steps before a reset and those after it do not affect each other."""
    layer = layer_of(cell, bidirectional=True, learned_state=True)
    x, resets = random(STEPS, ROWS, INPUT), torch.zeros(STEPS, ROWS, dtype=torch.bool)
    resets[2], resets[0, 1] = True, True
    whole = layer(x, resets=resets)
    first, second = layer(x[:2]), layer(x[2:])
    assert_near(whole.output, torch.cat([first.output, second.output]))
    for name, value in zip(whole.state._fields, whole.state, strict=True):
        assert_near(value[0], getattr(second.state, name)[0], f"{name} forward")
        assert_near(value[1], getattr(first.state, name)[1], f"{name} backward")
    gradients, apart = (torch.autograd.grad(loss, list(layer.parameters())) for loss in (whole.output.sum(), first.output.sum() + second.output.sum()))
    for (name, _), gradient, expected in zip(layer.named_parameters(), gradients, apart, strict=True):
        assert_near(gradient, expected, name)


@every_cell
def test_reverse_is_a_flip(cell):
    forward = layer_of(cell)
    backward = Recurrent(cell, INPUT, HIDDEN, reverse=True, dtype=torch.float64)
    backward.load_state_dict(forward.state_dict())
    x = random(STEPS, ROWS, INPUT)
    expected = forward(x.flip(0))
    assert_same(backward(x), Output(expected.output.flip(0), expected.state))
    both = Recurrent(cell, INPUT, HIDDEN, bidirectional=True, dtype=torch.float64)
    both.load_state_dict({key + suffix: value for suffix in ("", "_reverse") for key, value in forward.state_dict().items()})
    assert_near(both(x).output, torch.cat([forward(x).output, backward(x).output], -1))


@every_cell
def test_engines_and_dtypes_agree(cell):
    """Every engine and dtype agrees with the reference in float64."""
    exact = layer_of(cell, engine="reference")
    x = random(STEPS, ROWS, INPUT)
    exact(x).output.square().sum().backward()
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        layer = Recurrent(cell, INPUT, HIDDEN, dtype=dtype)
        layer.load_state_dict(exact.state_dict())
        rounded = Recurrent(cell, INPUT, HIDDEN, dtype=torch.float64, engine="reference")
        rounded.load_state_dict({key: value.double() for key, value in layer.state_dict().items()})
        given_x = x.to(dtype)
        result, expected = layer(given_x), rounded(given_x.double())
        assert result.output.dtype == dtype and result.state[0].dtype == dtype
        assert_same(result, expected, dtype=dtype)
        result.output.square().sum().backward()
        expected.output.square().sum().backward()
        for (key, ours), theirs in zip(layer.named_parameters(), rounded.parameters(), strict=True):
            assert ours.grad.any(), f"{key} is not trained"
            assert_near(ours.grad, theirs.grad, key, gradient=True)


@pytest.mark.parametrize("name", ["lstm", "gru", "reset_before", "ind_rnn"])
@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_empty_inputs_work(name, engine):
    layer = layer_of(CELLS[name], num_layers=2, bidirectional=True, learned_state=True, engine=engine)
    for steps, rows in ((0, 2), (3, 0), (0, 0)):
        result = layer(random(steps, rows, INPUT))
        assert result.output.shape == (steps, rows, 2 * HIDDEN)
        assert result.state[0].shape == (4, rows, HIDDEN)
        result.output.sum().backward()
    state = [random(4, 2, HIDDEN) for _ in layer.cell.widths("state")]
    for before, after in zip(state, layer(random(0, 2, INPUT), state).state, strict=True):
        assert torch.equal(before, after)
    empty = layer(random(3, 2, INPUT), state, lengths=[0, 0])
    assert torch.equal(empty.state[0], state[0]) and not empty.output.any()
    assert layer(random(3, 0, INPUT), lengths=[]).output.shape == (3, 0, 2 * HIDDEN)


@pytest.mark.parametrize("name", [name for name, cell in CELLS.items() if cell.heads == 1])
def test_the_smallest_layer(name):
    layer = layer_of(CELLS[name], 1, 1)
    x = random(2, 1, 1)
    whole, first = layer(x), layer(x[:1])
    second = layer(x[1:], first.state)
    assert whole.output.shape == (2, 1, layer.output_width)
    assert_near(whole.output, torch.cat([first.output, second.output]))


def test_a_layer_of_lstm_is_the_drop_in():
    """With the weights mapped from one to the other: here the two biases are one."""
    theirs = tenuto.LSTM(INPUT, HIDDEN, 2, bidirectional=True).double()
    ours = Recurrent(cells.LSTM(), INPUT, HIDDEN, 2, bidirectional=True, dtype=torch.float64)
    state = theirs.state_dict()
    mapped = {key: value for key, value in state.items() if key.startswith("weight")}
    mapped |= {key.replace("_ih", ""): value + state[key.replace("_ih", "_hh")] for key, value in state.items() if key.startswith("bias_ih")}
    ours.load_state_dict(mapped, strict=True)
    x = random(STEPS, ROWS, INPUT)
    output, (h, c) = theirs(x)
    result = ours(x)
    assert_near(result.output, output)
    assert_near(result.state.h, h)
    assert_near(result.state.c, c)


@pytest.mark.parametrize("name", ["lstm", "gru", "reset_before", "highway"])
def test_heads_and_low_rank_are_dense_matrices(name):
    """Block-diagonal U, and U = L R, as one dense U of the same cell."""
    kind, fields = type(CELLS[name]), {"depth": 3} if name == "highway" else {}
    x = random(STEPS, ROWS, INPUT)
    dense, blocks = layer_of(kind(**fields)), layer_of(kind(heads=3, **fields))
    copied = {key: value for key, value in blocks.state_dict().items() if not key.startswith("weight_") or key == "weight_ih_l0"}
    dense.load_state_dict(copied, strict=False)
    with torch.no_grad():
        for product, matrix in dense.matrices("_l0").items():
            matrix.copy_(torch.block_diag(*blocks.matrices("_l0")[product].chunk(3)))
    assert_same(blocks(x), dense(x))
    low = layer_of(kind(rank=2, **fields))
    assert {tuple(value.shape) for key, value in low.named_parameters() if "low_rank" in key} == {(2, HIDDEN)}
    assert_near(low(x[:2]).output, low(x).output[:2])


def test_a_step_in_low_rank():
    low, dense = layer_of(cells.Elman(rank=2)), layer_of(cells.Elman())
    parts = {key: value for key, value in low.named_parameters() if key not in ("weight_ih_l0", "bias_l0")}
    left, right = parts["weight_hh_l0"], next(value for key, value in parts.items() if "low_rank" in key)
    with torch.no_grad():
        dense.weight_hh_l0.copy_(left @ right)
        dense.weight_ih_l0.copy_(low.weight_ih_l0)
        dense.bias_l0.copy_(low.bias_l0)
    x = random(STEPS, ROWS, INPUT)
    assert_same(low(x), dense(x))


@pytest.mark.parametrize("batch_first", [False, True])
def test_streams_resets_and_packing_keep_the_users_order(batch_first):
    layer = layer_of(Leaking(), num_layers=2, bidirectional=True, batch_first=batch_first)
    lengths = torch.tensor([2, 5, 3])
    x, dt, resets = random(ROWS, STEPS, INPUT), random(ROWS, STEPS, 1).abs(), torch.rand(ROWS, STEPS) < 0.3
    state = [random(4, ROWS, HIDDEN)]
    if not batch_first:
        x, dt, resets = x.transpose(0, 1), dt.transpose(0, 1), resets.t()
    packed = pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
    padded = layer(x, state, lengths=lengths, resets=resets, streams={"dt": dt})
    result = layer(packed, state, resets=resets, streams={"dt": dt})
    assert_same(Output(pad_packed_sequence(result.output, batch_first)[0], result.state), padded)
    beyond = torch.arange(STEPS) >= lengths[:, None]
    dirty = resets | (beyond if batch_first else beyond.t())
    assert_same(layer(x, state, lengths=lengths, resets=dirty, streams={"dt": dt}), padded)
    one = layer(x[1] if batch_first else x[:, 1], state[0][:, 1], streams={"dt": dt[1] if batch_first else dt[:, 1]})
    assert one.output.shape == (STEPS, 2 * HIDDEN) and one.state.h.shape == (4, HIDDEN)
    alike = layer(x, streams={"dt": dt[:, :1] if batch_first else dt[:1]}).output
    assert_near(alike, layer(x, streams={"dt": (dt[:, :1] if batch_first else dt[:1]).expand_as(dt)}).output)


def test_gradients_reach_streams_states_and_both_ends():
    layer = layer_of(Leaking(), bidirectional=True, learned_state=True)
    x, dt = random(STEPS, ROWS, INPUT).requires_grad_(), random(STEPS, ROWS, 1).abs().requires_grad_()
    state = random(2, ROWS, HIDDEN).requires_grad_()
    resets = torch.zeros(STEPS, ROWS, dtype=torch.bool)
    resets[3] = True
    result = layer(x, state, resets=resets, streams={"dt": dt})
    (result.output.square().sum() + result.state.h.square().sum()).backward()
    for name, tensor in {"x": x, "dt": dt, "state": state, **dict(layer.named_parameters())}.items():
        assert tensor.grad is not None and tensor.grad.any(), name


def test_dropout_between_layers_is_drawn_in_training():
    layer = layer_of(cells.GRU(), num_layers=2, dropout=0.5)
    x = random(STEPS, ROWS, INPUT)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(layer(x).output)
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert torch.equal(layer.eval()(x).output, layer(x).output)
    first = layer_of(cells.GRU(), dropout=0.5)
    assert torch.equal(first(x).output, first.eval()(x).output), "the last layer's output is never dropped"


def test_residual_and_layer_norm_are_what_their_names_say():
    x = random(STEPS, ROWS, HIDDEN)
    layer = layer_of(cells.Elman(), HIDDEN, num_layers=2, residual=True, layer_norm=True)
    parts = [Recurrent(cells.Elman(), HIDDEN, HIDDEN, dtype=torch.float64) for _ in range(2)]
    for number, part in enumerate(parts):
        part.load_state_dict({key: layer.state_dict()[key.replace("_l0", f"_l{number}")] for key in part.state_dict()})
    middle = parts[0](x).output + x
    assert_near(layer(x).output, parts[1](layer.norm_l1(middle)).output + middle)


def test_checkpoints_and_saved_states(tmp_path):
    layer = layer_of(cells.ProjectionLSTM(projection=2), num_layers=2, bidirectional=True, learned_state=True)
    other = Recurrent(cells.ProjectionLSTM(projection=2), INPUT, HIDDEN, 2, bidirectional=True, learned_state=True, dtype=torch.float64)
    x = random(STEPS, ROWS, INPUT)
    result = layer(x)
    torch.save({"weights": layer.state_dict(), "state": tuple(result.state)}, tmp_path / "kept")
    kept = torch.load(tmp_path / "kept", weights_only=True)
    other.load_state_dict(kept["weights"], strict=True)
    assert_same(other(x, kept["state"]), layer(x, result.state))
    assert result.state.to(torch.float32).h.dtype == torch.float32
    assert {key.rpartition("_l")[0] for key in kept["weights"]} == {"weight_ih", "weight_hh", "weight_r", "bias", "initial_h", "initial_c"}


def test_repr_says_how_it_was_built():
    assert repr(Recurrent(cells.Elman(), 3, 4)) == "Recurrent(Elman(activation='tanh'), 3, 4)"
    layer = Recurrent(
        cells.MGU(), 3, 4, 2, bias=False, batch_first=True, bidirectional=True, dropout=0.1, recurrent_dropout=0.2,
        recurrent_dropout_kind="step", zoneout=0.3, engine="reference",
    )  # fmt: skip
    for words in (
        "num_layers=2, bias=False, batch_first=True, bidirectional=True, dropout=0.1", "recurrent_dropout=0.2",
        "recurrent_dropout_kind='step'", "zoneout={'h': 0.3}", "engine='reference'",
    ):  # fmt: skip
        assert words in repr(layer)


def test_the_report_takes_the_same_inputs_as_the_layer():
    layer = Recurrent(Leaking(), INPUT, HIDDEN, zoneout=0.1)
    x = torch.zeros(STEPS, ROWS, INPUT)
    text = str(layer.engine_report(x, resets=torch.zeros(STEPS, ROWS)))
    assert "T=5 B=3 I=3 H=6" in text and "resets" in text and "reference" in text
    assert layer.engine_report(pack_padded_sequence(x, torch.tensor([5, 2, 1]))).problem.form.lengths
    assert layer.engine_report(x[:, 0]).problem.batch_size == 1
