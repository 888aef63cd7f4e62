"""The call `tenuto.explain`: what it takes, what it leaves alone, and what it refuses, with the mend."""

import numpy as np
import pytest
import torch
from torch import nn

import tenuto
from tenuto.errors import ArgumentError, NotFittedError, RunError, ShapeError
from tenuto.explain import METHODS, Explanation, Gradient, Item, Shapley, load
from tests.explain.models import Reader, Words, fitted, target_of
from tests.tasks.launched import TASKS

FAST = Gradient()


def test_the_room_is_the_call_too():
    import tenuto.explain as room

    assert room is tenuto.explain and callable(room) and room.explain.__module__ == "tenuto.explain.call"
    assert isinstance(tenuto.explain(Reader().eval(), torch.randn(3, 1, 3), method=FAST), Explanation)


@pytest.mark.parametrize("name", TASKS)
def test_nothing_is_left_on_an_estimator(name):
    model, data = fitted(name)
    network = model.network_
    before = {key: value.clone() for key, value in network.state_dict().items()}
    attributes, parts, random = set(vars(network)), dict(network._modules), torch.get_rng_state()
    drawn = np.random.get_state()[1].copy()  # noqa: NPY002
    tenuto.explain(model, data, target=target_of(name), method="integrated-gradients")
    assert set(vars(network)) == attributes and network._modules == parts and model.network_ is network
    for path, part in network.named_modules():
        assert not part._forward_hooks and not part._forward_pre_hooks and not part._backward_hooks and not part.training, path
        assert "forward" not in vars(part)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random) and (np.random.get_state()[1] == drawn).all()  # noqa: NPY002


def test_nothing_is_left_after_a_call_that_failed():
    model = Reader().eval()
    gradients = [parameter.grad for parameter in model.parameters()]

    def broken(raw):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        tenuto.explain(model, torch.randn(3, 1, 3), target=broken, method=FAST)
    assert all(not part._forward_hooks for part in model.modules()) and [parameter.grad for parameter in model.parameters()] == gradients


def test_a_hook_of_the_user_s_on_the_front_runs_once():
    model, data = fitted("text")
    plain = tenuto.explain(model, data, method=FAST)
    handle = model.network_.front.register_forward_hook(lambda module, given, x: 2 * x)
    try:
        hooked = tenuto.explain(model, data, method=FAST)
    finally:
        handle.remove()
    np.testing.assert_allclose(hooked[0].x, 2 * plain[0].x, rtol=1e-6)


class Decaying(tenuto.Cell):
    """An Elman cell whose state decays with the time that has passed, which it is told."""

    gates = "h"
    state = "h"
    streams = "gap:1"

    def step(self, x, U, s, *, gap):
        return tenuto.State(h=torch.tanh(x.h + U.h @ (s.h * torch.exp(-gap * gap))))


def test_the_streams_of_a_cell_stay_with_their_rows():
    x = [{"gap": np.full(8, 0.1 + number % 3), "a": np.random.default_rng(number).normal(size=8) + number % 2} for number in range(16)]
    data = tenuto.data.Sequences([np.stack(list(one.values()), 1) for one in x], ["low", "high"] * 8, channels=["gap", "a"])
    model = tenuto.tasks.SequenceClassifier(Decaying(), hidden_size=4, epochs=2, bidirectional=False, pooling=("last",)).fit(data)
    for method in (Gradient(), Shapley(segments=8, prune=0.5), "integrated-gradients"):
        together = tenuto.explain(model, data.select([0, 1, 2]), method=method)
        assert together.inputs == ("a",)
        alone = tenuto.explain(model, data.select([2]), method=method)
        np.testing.assert_allclose(together[2].values, alone[0].values, atol=1e-5)


def test_a_call_in_inference_mode_is_the_same():
    model, data = fitted("classify")
    plain = tenuto.explain(model, data, method="integrated-gradients")
    with torch.inference_mode():
        again = tenuto.explain(model, data, method="integrated-gradients")
    np.testing.assert_array_equal(again[0].values, plain[0].values)


# --- targets ------------------------------------------------------------------------------------------------------------------


def test_a_class_is_named_as_predict_gives_it():
    model, data = fitted("classify")
    for label in ("low", "high"):
        assert {item.target for item in tenuto.explain(model, data, target=label, method=FAST)} == {label}
    usual = tenuto.explain(model, data, method=FAST)
    assert [item.target for item in usual] == list(model.predict(data))
    each = tenuto.explain(model, data, target=["low", "high", None, "low"], method=FAST)
    assert [item.target for item in each] == ["low", "high", model.predict(data)[2], "low"]
    assert each[0].prediction != each[1].prediction


def test_a_label_that_is_a_number_is_the_label_not_the_position():
    x = [np.full((3, 1), float(i % 2)) for i in range(12)]
    model = tenuto.tasks.SequenceClassifier("gru", hidden_size=4, epochs=1).fit(x, [2, 1] * 6)
    first = tenuto.explain(model, x[:1], target=1, method=FAST)[0]
    logits = model.forward(next(iter(model.inputs(x[:1]))))
    assert first.prediction == pytest.approx(float(logits[0, 0].detach())) and first.target == "1"
    with pytest.raises(ArgumentError, match=r"no output 0(.|\n)*1 \| 2"):
        tenuto.explain(model, x[:1], target=0, method=FAST)


def test_logits_are_explained_and_a_function_sees_the_raw_answer():
    model, data = fitted("classify")
    logits = torch.cat([model.forward(batch) for batch in model.inputs(data)]).detach().numpy()
    found = tenuto.explain(model, data, target="low", method=FAST)
    np.testing.assert_allclose([item.prediction for item in found], logits[:, list(model.classes_).index("low")], rtol=1e-5)
    margin = tenuto.explain(model, data, target=lambda raw: raw[:, 0] - raw[:, 1], method=FAST)
    np.testing.assert_allclose([item.prediction for item in margin], logits[:, 0] - logits[:, 1], rtol=1e-4)


def test_steps_and_outputs_of_a_model_that_answers_at_every_step():
    model, data = fitted("tag")
    tags = model.predict(data)
    found = tenuto.explain(model, data, target=(-1, None), method=FAST)
    raw = model.forward(next(iter(model.inputs(data)))).tags
    for row, item in enumerate(found):
        last = len(tags[row]) - 1
        assert item.target == f"{model.tags_[int(raw[last, row].argmax())]} at step {last}"
    for wrong, said in ((None, "a target needs a step too"), ((9, None), "has no step 9"), ((0, "B-x"), "no output 'B-x'"), ((True, None), "needs a step")):
        with pytest.raises(ArgumentError, match=said):
            tenuto.explain(model, data, target=wrong, method=FAST)


def test_a_translation_is_explained_at_the_answer_that_it_gives():
    model, data = fitted("translate")
    answers = model.predict(data)
    for step in (0, -1):
        for item, answer in zip(tenuto.explain(model, data, target=(step, None), method=FAST), answers):
            symbols = [*answer, "⟨end⟩"]
            assert item.target == f"{symbols[step]} at step {step % len(symbols)}" or item.target.startswith("⟨")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (2, r"no output 2(.|\n)*0 to 1"),
        ("high", "no output 'high'"),
        ((0, 1), "one answer for a whole sequence"),
        ([0], "there are 1 targets"),
        ([0, 1, 0], "there are 3 targets"),
        (lambda raw: raw.mean(), "one number for each row"),
        (lambda raw: 3.0, "one number for each row"),
    ],
)
def test_a_target_that_the_model_does_not_have(target, said):
    with pytest.raises((ArgumentError, ShapeError), match=said):
        tenuto.explain(Reader().eval(), torch.randn(4, 2, 3), target=target, method=FAST)


# --- data ---------------------------------------------------------------------------------------------------------------------


def test_the_order_of_the_axes_is_that_of_the_recurrent_layer():
    first, second = Reader().eval(), Reader(batch_first=True).eval()
    second.load_state_dict(first.state_dict())
    x = torch.randn(5, 2, 3)
    one, other = tenuto.explain(first, x, method=FAST), tenuto.explain(second, x.transpose(0, 1), method=FAST)
    for left, right in zip(one, other):
        np.testing.assert_allclose(left.values, right.values, atol=1e-6)
    with pytest.raises(ShapeError, match="batch_first"):
        tenuto.explain(nn.Flatten(0, 1).eval(), x, method=FAST)


def test_lengths_and_ragged_lists():
    model = Reader().eval()
    items = [torch.randn(length, 3) for length in (5, 2, 1)]
    padded = nn.utils.rnn.pad_sequence(items)
    padded[2:, 1] = float("nan")
    padded[1:, 2] = 1e9
    clean = torch.where(padded.isnan(), 0, padded)
    for x in (clean, items):
        found = tenuto.explain(model, x, lengths=[5, 2, 1] if x is clean else None, method="integrated-gradients", background="mean")
        assert [len(values) for values in found.values] == [5, 2, 1]
    alone = tenuto.explain(model, items[1][:, None], method="integrated-gradients", background="mean")
    np.testing.assert_allclose(found[1].values, alone[0].values, atol=1e-6)
    torch_layer = nn.Sequential(nn.GRU(3, 4)).eval()
    assert len(tenuto.explain(torch_layer, [item.numpy() for item in items], target=(-1, 0), method=FAST)) == 3


def test_tokens_go_through_the_model_s_embedding():
    model, tokens = Words().eval(), torch.tensor([[1, 2, 3], [4, 5, 6]])
    found = tenuto.explain(model, tokens, method="integrated-gradients", background="zero")
    assert found[0].values.shape == (3, 4) and abs(found[0].gap) < 1e-3
    other = tenuto.explain(model, tokens, method="integrated-gradients", background=torch.tensor([[7, 8, 9, 10]]))
    assert other[0].base == pytest.approx(float(model(torch.tensor([[7, 8, 9]]))[0, int(model(tokens)[0].argmax())].detach()), rel=1e-4)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: tenuto.explain(Reader(), torch.randn(4, 2, 3)), r"in training mode(.|\n)*model\.eval\(\)"),
        (lambda: tenuto.explain(_one_part_training(), torch.randn(4, 2, 3)), "recurrent is in training mode"),
        (lambda: tenuto.explain(_AlwaysDropping().eval(), torch.randn(4, 2, 3)), r"another answer at each call(.|\n)*training=True"),
        (lambda: tenuto.explain(Reader().eval(), torch.randn(4, 2, 3)), r"compares with a background(.|\n)*background="),
        (lambda: tenuto.explain(Reader().eval(), torch.randn(4, 2, 3), background=torch.randn(4, 2, 5)), "the background has 5 features but the model reads 3"),
        (lambda: tenuto.explain(Reader().eval(), torch.randn(4, 2, 3), background=torch.zeros(5)), "the background has 5 features"),
        (lambda: tenuto.explain(Reader().eval(), torch.randn(4, 2, 3), background="nothing"), "background='nothing' is not known"),
        (lambda: tenuto.explain(Reader().eval(), torch.randint(0, 5, (4, 2))), r"no embedding that reads them(.|\n)*fix"),
        (lambda: tenuto.explain(Reader().eval(), torch.randn(4, 3)), "wrong number of axes"),
        (lambda: tenuto.explain(Reader().eval(), []), "nothing to explain"),
        (lambda: tenuto.explain(Reader().eval(), torch.randn(4, 2, 3), lengths=[4]), "the lengths do not fit"),
        (lambda: tenuto.explain(Reader().eval(), torch.randn(4, 2, 3), lengths=[4, 5]), "the lengths do not fit"),
        (lambda: tenuto.explain(nn.GRU(3, 4).eval(), torch.randn(4, 2, 3), lengths=[4, 3]), r"GRU takes no lengths(.|\n)*list of arrays"),
        (lambda: tenuto.explain(nn.Linear(3, 4).eval(), torch.randn(4, 2, 3), state=torch.zeros(1)), "Linear takes no state"),
        (lambda: tenuto.explain(Reader().eval(), torch.randn(4, 2, 3), method="deeplift"), "method='deeplift' is not known"),
        (lambda: tenuto.explain("model", [1]), "a fitted estimator"),
        (lambda: tenuto.explain(tenuto.tasks.SequenceClassifier(), [np.zeros((3, 1))]), "is not fitted"),
        (lambda: tenuto.explain(Reader().eval(), nn.utils.rnn.pack_sequence([torch.randn(3, 3)])), "the data is packed"),
        (lambda: tenuto.explain(*fitted("classify"), lengths=[1]), "has its own lengths"),
    ],
)
def test_bad_input_is_an_error_that_names_the_mend(call, said):
    with pytest.raises((ArgumentError, ShapeError, NotFittedError), match=said) as raised:
        call()
    assert raised.value.fix or raised.value.expected


def _one_part_training() -> nn.Module:
    model = Reader().eval()
    model.recurrent.train()
    return model


class _AlwaysDropping(Reader):
    def forward(self, x):
        return nn.functional.dropout(super().forward(x), 0.5, training=True)


def test_an_estimator_left_in_training_mode_is_refused():
    model, data = fitted("classify")
    model.network_.head.train()
    try:
        with pytest.raises(ArgumentError, match="head is in training mode"):
            tenuto.explain(model, data)
    finally:
        model.network_.eval()


def test_a_background_of_data_is_checked_as_the_data_is():
    model, data = fitted("classify")
    with pytest.raises(ShapeError, match="the data has 3 channels"):
        tenuto.explain(model, data, background=[np.zeros((4, 3))])
    found = tenuto.explain(model, data, background=[np.zeros((2, 1)), np.ones((9, 1))])
    assert found.background == "2 items of a background" and all(item.error is not None for item in found)


# --- what comes back ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TASKS)
def test_what_is_saved_is_what_is_loaded(name, tmp_path):
    model, data = fitted(name)
    found = tenuto.explain(model, data, target=target_of(name))
    again = load(found.save(tmp_path / "why"))
    assert (again.method, dict(again.settings), again.background, again.inputs) == (found.method, dict(found.settings), found.background, found.inputs)
    for one, other in zip(found, again):
        assert isinstance(other, Item)
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.x, other.x)
        assert (one.name, one.target, one.prediction, one.base, one.words, one.gap) == (other.name, other.target, other.prediction, other.base, other.words, other.gap)
    assert sorted(path.name for path in (tmp_path / "why").iterdir()) == ["explanation.json", "explanation.safetensors"]
    with pytest.raises(RunError, match="has an explanation already"):
        found.save(tmp_path / "why")
    found.save(tmp_path / "why", overwrite=True)


def test_a_damaged_file_is_told_apart(tmp_path):
    folder = tenuto.explain(Reader().eval(), torch.randn(3, 1, 3), method=FAST).save(tmp_path / "why")
    (folder / "explanation.safetensors").write_bytes(b"\0" * 9)
    with pytest.raises(RunError, match="is not the file that explanation.json was written with"):
        load(folder)
    (folder / "explanation.json").write_text("{}")
    with pytest.raises(RunError, match="is no explanation"):
        load(folder)
    with pytest.raises(RunError, match="cannot be read"):
        load(tmp_path / "nowhere")


def test_names_and_words_come_from_the_task():
    model, data = fitted("classify")
    assert tenuto.explain(model, data, method=FAST).inputs == ("channel 0",)
    model, data = fitted("text")
    assert [item.words for item in tenuto.explain(model, data, method=FAST)] == [tuple(words) for words in data]
    model, data = fitted("language")
    assert "".join(tenuto.explain(model, data, method=FAST)[0].words or "") == "do re"
    model, data = fitted("translate")
    assert "".join(tenuto.explain(model, data, target=(0, None), method=FAST)[1].words or "") == data[1]


def test_shap_s_class_is_made_of_it(monkeypatch):
    import sys
    import types

    given = {}
    shap = types.ModuleType("shap")
    shap.Explanation = lambda **named: given.update(named) or "made"
    monkeypatch.setitem(sys.modules, "shap", shap)
    x = torch.randn(4, 2, 3)
    found = tenuto.explain(Reader().eval(), x, background="zero")
    assert found.to_shap() == "made"
    assert given["values"].shape == given["data"].shape == (2, 12) and given["feature_names"][4] == "input 1, step 1"
    np.testing.assert_allclose(given["data"][1].reshape(4, 3), x[:, 1], rtol=1e-6)
    with pytest.raises(ArgumentError, match="different columns"):
        tenuto.explain(Reader().eval(), [x[:, 0], x[:2, 1]], method=FAST).to_shap()
    monkeypatch.setitem(sys.modules, "shap", None)
    with pytest.raises(ArgumentError, match="pip install shap"):
        found.to_shap()


def test_every_method_has_its_name():
    assert all(METHODS[name].name == name for name in METHODS)
