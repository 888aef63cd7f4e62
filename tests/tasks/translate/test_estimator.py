"""`Seq2Seq` from data to answers, saved as files, and with bad input."""

import json

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from tenuto.data import Pairs, Parts
from tenuto.data.pairs.read import read_pairs
from tenuto.errors import ArgumentError, DataError, NotFittedError, RunError
from tenuto.report import build_report
from tenuto.tasks import Seq2Seq, Translation, read_run

SMALL = {"hidden_size": 32, "embedding_size": 16, "epochs": 25, "batch_size": 4, "learning_rate": 1e-2, "dropout": 0.0}
WORDS = [a + b + c for a in "abcd" for b in "abcd" for c in "abcd"]


def answer(word):
    return word[::-1].upper()


@pytest.fixture(scope="module")
def fitted():
    return Seq2Seq("gru", **SMALL).fit(WORDS, [answer(word) for word in WORDS])


def test_it_learns_to_reverse_and_says_what_it_read(fitted, tmp_path):
    assert fitted.score(WORDS, [answer(word) for word in WORDS]) > 0.9
    best, *others = fitted.translate(["abd"], beam_size=4, n_best=3)[0]
    assert isinstance(best, Translation) and best.target == "DBA" == fitted.predict(["abd"])[0]
    assert all(other.score <= best.score for other in others) and len(others) == 2
    folder = fitted.save(tmp_path / "run", test=(WORDS[:20], [answer(word) for word in WORDS[:20]]))
    evaluation = read_run(folder).evaluation
    result = evaluation["results"]["test"]
    assert (result["pairs"], result["sources"]) == (20, 20)
    for example in evaluation["examples"]:
        matrix = np.array(example["attention"])
        assert matrix.shape == (len(example["predicted"]), len(example["source"]))
        np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-3)
    again = Seq2Seq.load(folder)
    assert again.predict(WORDS) == fitted.predict(WORDS)
    assert again.get_params()["attention"] == "general"
    assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["task"] == "translate"


def test_several_right_answers_and_tied_embeddings(tmp_path):
    pairs = Pairs(["a", "a", "b", "b"] * 3, [["x"], ["y"], ["y", "x"], ["x"]] * 3)
    options = {**SMALL, "epochs": 5, "target_unit": "tokens", "tied_embeddings": True, "attention": "none"}
    model = Seq2Seq("lstm", **options).fit(pairs, validation=pairs)
    assert model.predict(["a"])[0] in {("x",), ("y",)} and model.score(pairs) >= 0.5
    again = Seq2Seq.load(model.save(tmp_path / "run"))
    assert again.network_.head.output.weight is again.network_.head.target_embedding.weight
    assert again.predict(["a", "b"]) == model.predict(["a", "b"])


def test_the_same_seed_gives_the_same_weights_and_leaves_torch_alone():
    weights = []
    for _ in range(2):
        torch.manual_seed(3)
        model = Seq2Seq("gru", **{**SMALL, "epochs": 1, "dropout": 0.3}).fit(WORDS, WORDS)
        weights.append(torch.cat([value.flatten() for value in model.network_.state_dict().values()]))
        torch.manual_seed(3)
    torch.testing.assert_close(*weights, rtol=0, atol=0)


def test_what_is_wrong_is_named(fitted, tmp_path):
    with pytest.raises(DataError, match=r"Seq2Seq.predict: the source of pair '1' has a symbol that training never saw: 'z'"):
        fitted.predict(["ab", "az"])
    with pytest.raises(DataError, match="Seq2Seq.predict: pair '0' has an empty source"):
        fitted.predict([""])
    with pytest.raises(ArgumentError, match="n_best"):
        fitted.translate(["ab"], n_best=6)
    with pytest.raises(NotFittedError):
        Seq2Seq().predict(["a"])
    for wrong in ({"dropout": 1.0}, {"attention": "cosine"}, {"source_unit": "letters"}, {"unknown": "drop"}, {"hidden_size": 0}):
        with pytest.raises(ArgumentError, match="Seq2Seq.fit"):
            Seq2Seq("gru", **{**SMALL, **wrong}).fit(WORDS, WORDS)
    with pytest.raises(RunError):
        Seq2Seq.load(tmp_path)
    assert Parts(Pairs(["a"])).test is None
    fitted.unknown = "symbol"
    assert fitted.predict(["az"]) == fitted.predict(["ax"]) != fitted.predict(["bz"])  # training saw neither z nor x
    fitted.unknown = "error"


def test_validations_within_an_epoch_and_a_limit_of_steps():
    model = Seq2Seq("gru", **{**SMALL, "epochs": 3, "hidden_size": 8, "max_steps": 20}, validate_every=6).fit(WORDS, WORDS)
    per_epoch = 15  # 58 of the 64 pairs are trained on, four in each step
    assert [line["steps"] for line in model.metrics_] == [6, 12, 18, 20]
    assert [line["epoch"] for line in model.metrics_] == pytest.approx([6 / per_epoch, 12 / per_epoch, 18 / per_epoch, 20 / per_epoch])
    training = model.evaluation_["training"]
    assert training["stopped"] == "all steps" and training["epochs_run"] == pytest.approx(20 / per_epoch)
    speed = model.evaluation_["speed"]["training"]
    assert speed["sequences_per_s"] * training["seconds"] == pytest.approx(58 * 20 / per_epoch)
    with pytest.raises(ArgumentError, match="validate_every=0 is out of range"):
        Seq2Seq(validate_every=0).fit(WORDS, WORDS)


def test_it_works_as_scikit_learn_expects():
    model = Seq2Seq("gru", **{**SMALL, "epochs": 1, "hidden_size": 8}, decoder_cell="lstm", validate_every=5)
    assert clone(model).get_params() == model.get_params() and repr(clone(model)) == repr(model)
    assert clone(model).set_params(beam_size=3).beam_size == 3
    with pytest.raises(ArgumentError, match="Seq2Seq has no option 'beams'"):
        model.set_params(beams=3)
    right = [answer(word) for word in WORDS]
    scores = cross_val_score(model, WORDS, right, cv=2, error_score="raise")
    first, second = (WORDS[:32], right[:32]), (WORDS[32:], right[32:])
    assert scores.tolist() == [clone(model).fit(*second).score(*first), clone(model).fit(*first).score(*second)]
    symbols = [tuple(word) for word in WORDS]  # all of the same length: they must not become an array
    by_symbols = clone(model).set_params(source_unit="tokens", target_unit="tokens")
    by_characters = cross_val_score(model, WORDS, WORDS, cv=2, error_score="raise")
    assert cross_val_score(by_symbols, symbols, symbols, cv=2, error_score="raise").tolist() == by_characters.tolist()
    search = GridSearchCV(model, {"attention": ["none", "dot"]}, cv=2, error_score="raise").fit(WORDS, right)
    assert search.predict(WORDS) == clone(model).set_params(**search.best_params_).fit(WORDS, right).predict(WORDS)
    lower = FunctionTransformer(lambda words: [word.lower() for word in words])
    pipe = make_pipeline(lower, clone(model)).fit([word.upper() for word in WORDS], right)
    assert pipe.predict(["ABD"]) == pipe[-1].predict(["abd"])
    assert get_tags(model).estimator_type is None and get_tags(model).input_tags.string


def test_a_file_that_changed_between_fit_and_resume_is_refused(tmp_path):
    file, kept = tmp_path / "words.tsv", tmp_path / "checkpoint"
    file.write_text("".join(f"{word}\t{answer(word)}\n" for word in WORDS), encoding="utf-8")
    model = Seq2Seq("gru", **{**SMALL, "epochs": 1, "hidden_size": 8})
    model.fit(read_pairs(file), checkpoint=kept)
    weights = model.predict(WORDS)
    assert clone(model).fit(read_pairs(file), checkpoint=kept).predict(WORDS) == weights
    file.write_text(file.read_text(encoding="utf-8").replace("abd\tDBA", "abd\tDBB"), encoding="utf-8")
    with pytest.raises(RunError, match="Seq2Seq.fit: (.|\n)*belongs to another run: (.|\n)*train"):
        clone(model).fit(read_pairs(file), checkpoint=kept)


def test_the_report_of_a_real_run_shows_what_the_attention_read(fitted, tmp_path):
    words = WORDS[::5]
    folder = fitted.save(tmp_path / "run", test=(words, [answer(word) for word in words]))
    page = build_report(folder).read_text(encoding="utf-8")
    section = page[page.index("Where it looked") :]
    examples = read_run(folder).evaluation["examples"]
    assert 1 <= section.count("Attention of 3 outputs over 3 inputs") <= len(examples)
    last = next(example for example in examples if example["correct"])
    strongest = last["source"][int(np.argmax(last["attention"][0]))]
    assert f"{last['predicted'][0]} from {strongest}" in section
    coverage = read_run(folder).evaluation["results"]["test"]["coverage"]
    assert "Coverage of the attention" in page and f"a weight of {coverage['mean']:.3g} on average" in page and coverage["least_read"]
