"""`Seq2Seq` from data to answers, as files, and with what is wrong."""

import json

import numpy as np
import pytest
import torch

from tenuto.data import Pairs, PairSplits
from tenuto.errors import ArgumentError, DataError, NotFittedError, RunError
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
    assert (result["pairs"], result["sources"]) == (20, 20) and 0 <= result["coverage"]["mean"] <= 1
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
    assert again.network_.head.weight is again.network_.target_embedding.weight
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
    with pytest.raises(DataError, match=r"Seq2Seq.translate: the source of pair '1' has a symbol that training never saw: 'z'"):
        fitted.predict(["ab", "az"])
    with pytest.raises(DataError, match="Seq2Seq.translate: pair '0' has an empty source"):
        fitted.predict([""])
    with pytest.raises(ArgumentError, match="n_best"):
        fitted.translate(["ab"], n_best=2)
    with pytest.raises(NotFittedError):
        Seq2Seq().predict(["a"])
    for wrong in ({"dropout": 1.0}, {"attention": "cosine"}, {"source_unit": "letters"}, {"unknown": "drop"}, {"hidden_size": 0}):
        with pytest.raises(ArgumentError, match="Seq2Seq.fit"):
            Seq2Seq("gru", **{**SMALL, **wrong}).fit(WORDS, WORDS)
    with pytest.raises(RunError):
        Seq2Seq.load(tmp_path)
    assert PairSplits(Pairs(["a"])).test is None
    fitted.unknown = "symbol"
    assert len(fitted.predict(["az"])) == 1
    fitted.unknown = "error"
