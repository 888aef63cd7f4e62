"""Automata found by asking: exactly the known ones where the language is known, bounds, agreement, files and pictures."""

import re

import numpy as np
import pytest
import torch

from tenuto import Recurrent
from tenuto.cells import Elman
from tenuto.distill import Automaton, Extraction, automaton
from tenuto.errors import ArgumentError, NotFittedError, RunError
from tenuto.tasks import TextClassifier
from tests.distill.models import asked, fitted

PARITY = Automaton(("0", "1"), ("even", "odd"), ((0, 1), (1, 0)))
NO_THREE_ZEROS = Automaton(("0", "1"), (True, True, True, False), ((1, 0), (2, 0), (3, 0), (3, 3)))  # Tomita's fourth language


def parity_network():
    """An Elman network of two units with weights by hand: the first is one of "this letter is 1" and "odd so far" or both, the second is both; odd is one without both."""
    layer = Recurrent(Elman(), 1, 2).eval()
    sharp = 20.0
    names = dict(layer.named_parameters())
    weight, recurrent, bias = (next(value for name, value in names.items() if part in name) for part in ("weight_ih", "weight_hh", "bias"))
    with torch.no_grad():
        weight.copy_(torch.tensor([[sharp], [sharp]]))
        recurrent.copy_(torch.tensor([[sharp / 2, -sharp / 2], [sharp / 2, -sharp / 2]]))
        bias.copy_(torch.tensor([-sharp / 2, -1.5 * sharp]))

    def ask(words):
        longest = max(map(len, words))
        x = torch.zeros(max(longest, 1), len(words), 1)
        for row, word in enumerate(words):
            x[: len(word), row, 0] = torch.tensor([float(letter) for letter in word])
        with torch.no_grad():
            state = layer(x, lengths=torch.tensor([len(word) for word in words])).state
        first, second = torch.as_tensor(state[0])[-1].T
        return ["odd" if one > 0 > other else "even" for one, other in zip(first.tolist(), second.tolist())]

    return ask


@pytest.mark.parametrize("method", ["lstar", "kv"])
def test_a_network_that_counts_parity_is_an_automaton_of_two_states(method):
    ask = parity_network()
    assert ask([(), ("1",), ("1", "0", "1"), tuple("0110100")]) == ["even", "odd", "even", "odd"]
    found = automaton(ask, alphabet=["0", "1"], method=method)
    assert isinstance(found, Extraction)
    assert found.automaton.difference(PARITY) is None and len(found.automaton) == 2
    assert found.automaton.kind == "DFA" and found.bound is None and found.random.share == 1.0 and found.random.interval[0] > 0.95
    assert found.data is found.items is found.covered is None


@pytest.mark.parametrize("method", ["lstar", "kv"])
def test_known_languages_are_found_exactly(method):
    found = automaton(lambda words: ["000" not in "".join(word) for word in words], alphabet=["0", "1"], method=method)
    assert found.automaton.difference(NO_THREE_ZEROS) is None and len(found.automaton) == 4
    thirds = automaton(lambda words: [word.count("a") % 3 for word in words], alphabet=["a", "b"], method=method)
    assert thirds.automaton.kind == "Moore machine" and len(thirds.automaton) == 3 and thirds.automaton.answer("abab") == 2


def test_what_random_words_do_not_find_the_data_do():
    """A language that differs from "never" at one long word: random words miss it, the data have it."""
    rare = tuple("abcdefgh" * 2)
    letters = sorted(set(rare))

    def ask(words):
        return [word == rare for word in words]

    assert len(automaton(ask, alphabet=letters, length=16).automaton) == 1
    found = automaton(ask, [rare] * 1, alphabet=letters, length=16)
    assert len(found.automaton) > len(rare) and found.automaton.answer(rare) is True


def test_both_bounds_end_it_and_are_said():
    def powers(words):
        return [len(word) > 0 and len(word) & (len(word) - 1) == 0 for word in words]

    few = automaton(powers, alphabet=["x"], states=4, length=40)
    assert few.bound == "4 states" and len(few.automaton) <= 4 and "ended by its bound of 4 states" in str(few)
    calls = []

    def counted(words):
        calls.extend(words)
        return [sum(map(ord, word)) % 97 % 2 == 0 for word in words]

    asked_little = automaton(counted, alphabet=list("abcdef"), queries=300)
    assert asked_little.bound == "300 words" and asked_little.asked <= 300
    assert len(set(calls)) <= 300 + 1000  # what is learnt, and what is measured
    with pytest.raises(ArgumentError, match="after 3 words there is no automaton yet"):
        automaton(counted, alphabet=list("abcdef"), queries=3)


def test_the_same_seed_asks_the_same_words_and_leaves_pythons_generator():
    import random

    random.seed(5)
    state, heard = random.getstate(), []
    for _ in range(2):
        words = []
        automaton(lambda given, words=words: words.extend(given) or [word.count("1") % 2 for word in given], alphabet=["0", "1"], seed=3)
        heard.append(words)
    assert heard[0] == heard[1] and random.getstate() == state


def test_a_classifier_of_texts():
    model, (x, _) = fitted("text")
    found = automaton(model, x, alphabet=3)
    assert found.automaton.alphabet == ("play", "stop", "it") and found.items.words == len(x) and 0 < found.covered < 1
    assert set(found.automaton.answers) <= {"play", "stop"}
    for word in ([], ["play"], ["stop", "it", "play"]):  # none of them longer than the data
        assert found.bound or found.automaton.answer(word) == model.answers_to([word])[0]
    with_unknown = automaton(model, x, alphabet=["stop"], others="unknown")
    assert with_unknown.automaton.alphabet == ("stop", "⟨other⟩")


def test_what_is_answered_to_nothing_is_what_is_answered_to_a_word_that_is_not_known():
    model, (x, _) = fitted("text")
    batch = next(model.inputs([["play"]]))
    with torch.no_grad():
        front = model.nothing(batch)
        output = model.network_.encoder(front, lengths=batch.lengths).output
        answer = model.answer(model.network_.head(output, batch.lengths))[0]
    assert model.answers_to([[], [None]]) == [answer, answer]
    assert model.answers_to([row for row in x]) == model.predict(x).tolist()


def test_a_language_model_answers_what_comes_next():
    model, _ = fitted("language")
    texts = asked("language")
    assert model.answers_to([list(text) for text in texts]) != [] and len(model.answers_to([[], ["d"], ["d", "o"], ["r"]])) == 4
    found = automaton(model, "do re mi fa\nsol la si", alphabet=["d", "o", " "], length=4, states=6, queries=2000)
    assert set(found.automaton.answers) <= set(model.output_names()) and found.data is not None
    with pytest.raises(ArgumentError, match="the model does not know the symbol 'Z'"):
        automaton(model, "do re", alphabet=["Z"])


def test_what_cannot_be_asked():
    for name in ("classify", "tag", "translate"):
        with pytest.raises(ArgumentError, match="is no model that reads tokens and gives one answer"):
            automaton(fitted(name)[0], asked(name), alphabet=["a"] if name == "classify" else 2)
    with pytest.raises(NotFittedError, match="automaton: it is not fitted"):
        automaton(TextClassifier("gru"), ["a b"])
    with pytest.raises(ArgumentError, match="there is nothing to ask"):
        automaton(3, alphabet=["a"])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"alphabet": "01"}, "the alphabet is no list of letters"),
        ({"alphabet": ["0", "0"]}, "the alphabet is no list of letters"),
        ({"alphabet": []}, "the alphabet is no list of letters"),
        ({"alphabet": 0}, "alphabet=0 is out of range"),
        ({"alphabet": 2}, "it is not known which tokens are frequent"),
        ({"states": 0}, "states=0 is out of range"),
        ({"queries": 1.5}, "queries=1.5 is out of range"),
        ({"length": 0}, "length=0 is out of range"),
        ({"method": "rpni"}, "method"),
        ({"others": "keep"}, "others"),
    ],
)
def test_options_are_checked(wrong, said):
    with pytest.raises(ArgumentError, match=said):
        automaton(lambda words: [0] * len(words), **{"alphabet": ["0", "1"], **wrong})


def test_aalpy_is_asked_for_in_words(monkeypatch):
    import sys

    for name in [name for name in sys.modules if name.split(".")[0] == "aalpy"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aalpy", None)
    with pytest.raises(ArgumentError, match=r"aalpy is not installed(.|\n)*tenuto\[automata\]"):
        automaton(lambda words: [0] * len(words), alphabet=["0"])


def test_an_automaton_as_data_text_and_graph(tmp_path):
    assert Automaton.load(PARITY.save(tmp_path / "parity.json")) == PARITY
    assert PARITY.states("110") == [0, 1, 0, 0] and str(PARITY).splitlines()[1].split() == ["0", "even", "0", "1"]
    assert PARITY.difference(NO_THREE_ZEROS) == () and PARITY.difference(Automaton(("1", "0"), ("even", "odd", "even"), ((1, 0), (2, 1), (1, 2)))) is None
    assert PARITY.difference(Automaton(("0", "1"), ("even",), ((0, 0),))) == ("1",)
    dot = Automaton(('a"b',), ("yes",), ((0,),)).to_dot()
    assert '0 -> 0 [label="a\\"b"];' in dot and 'begin -> 0' in dot
    with pytest.raises(ArgumentError, match="does not read '2'"):
        PARITY.answer("012")
    with pytest.raises(ArgumentError, match="no states of an automaton"):
        Automaton(("0",), ("a",), ((1,),))
    for text in ("{}", '{"format": "tenuto automaton", "alphabet": ["0"], "answers": [], "moves": []}', '{"format": "other"}'):
        (tmp_path / "broken.json").write_text(text)
        with pytest.raises((RunError, ArgumentError)):
            Automaton.load(tmp_path / "broken.json")


@pytest.mark.parametrize("states", [1, 2, 5, 12, 13])
def test_the_page_has_a_picture_while_it_can_be_read_and_always_the_table(states, tmp_path):
    ring = Automaton(("<next>", "stay"), tuple(f"<{state}>" for state in range(states)), tuple(((state + 1) % states, state) for state in range(states)))
    found = automaton(lambda words: [f"<{word.count('<next>') % states}>" for word in words], alphabet=["<next>", "stay"], states=40, length=20)
    assert found.automaton.difference(ring) is None
    page = found.to_html(tmp_path / "ring.html", title="A <ring>").read_text(encoding="utf-8")
    assert "A &lt;ring&gt;" in page and "<ring>" not in page and "<next>" not in page and "<script" not in page
    assert page.count('<th scope="row">') == states + 1 and page.count('class="state"') == (0 if states > 12 else states + (states == 2))
    for x, y in re.findall(r'<circle class="state" cx="([\d.]+)" cy="([\d.]+)"', page):
        assert 26 < float(x) < float(page.partition('automaton" viewBox="0 0 ')[2].split()[0]) - 26 and float(y) > 26


def test_intervals_are_wilsons():
    found = automaton(lambda words: [np.random.default_rng(len(word)).random() < 0.5 for word in words], alphabet=["0"], states=2, length=30)
    low, high = found.random.interval
    assert 0 <= low <= found.random.share <= high <= 1
