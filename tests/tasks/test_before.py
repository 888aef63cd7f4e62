"""Run folders written by earlier versions still load, and answer what they answered then.

`before/` holds one folder for each way in which a network's weights were named by format_version 1, tiny models of a few units; `expected.json` beside
the run's files is what the version that wrote it predicted. The folders are never written again: when the layout changes, add new ones.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tenuto.report import build_report
from tenuto.runs.folder import read_config
from tenuto.tasks import LanguageModel, Seq2Seq, SequenceClassifier, Tagger, TextClassifier

FOLDERS = sorted(path for path in Path(__file__).with_name("before").iterdir())
CLASSES = {"classify": SequenceClassifier, "tag": Tagger, "text": TextClassifier, "translate": Seq2Seq, "language": LanguageModel}


def same(numbers, expected):
    for ours, theirs in zip(numbers, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_earlier_run_answers_as_it_did(folder):
    known = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    model = CLASSES[folder.name.split("_")[0]].load(folder)
    x = known["x"]
    if "nats" in known:
        same(model.token_nats(x)[1], known["nats"])
        assert model.predict(known["asked"]).tolist() == known["predicted"]
        assert model.generate("do ", length=8, temperature=0) == known["written"]  # what is drawn is another text in another torch
        return
    x = [np.array(sequence) for sequence in x] if folder.name == "classify" else x
    assert list(model.predict(x)) == known["predicted"]
    if "probabilities" in known:
        same(model.predict_proba(x), known["probabilities"])
    if "labels" in known:
        assert model.predict_labels(x).tolist() == known["labels"]
    if "states" in known:
        same(model.hidden_states(x), known["states"])
    if "log_probabilities" in known:
        same([[found.log_probability for found in row] for row in model.translate(x, beam_size=2)], known["log_probabilities"])


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_earlier_run_still_has_its_page_and_can_be_saved_again(folder, tmp_path):
    assert read_config(folder)["format_version"] == 1
    shutil.copytree(folder, tmp_path / "run")
    assert "<h1" in build_report(tmp_path / "run").read_text(encoding="utf-8")
    kind = CLASSES[folder.name.split("_")[0]]
    kind.load(folder).save(tmp_path / "again")
    again, first = kind.load(tmp_path / "again"), kind.load(folder)
    assert {name: tensor.tolist() for name, tensor in again.network_.state_dict().items()} == {
        name: tensor.tolist() for name, tensor in first.network_.state_dict().items()
    }


def test_opening_a_run_does_not_load_the_compiler_of_torch():
    """It takes longer to load than everything else that opening a run takes; drawing numbers for weights without memory would."""
    opened = [f"{CLASSES[folder.name.split('_')[0]].__name__}.load({str(folder)!r})" for folder in FOLDERS]
    program = f"import sys; from tenuto.tasks import {', '.join(each.__name__ for each in CLASSES.values())}; {'; '.join(opened)}; print('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120).stdout == "False\n"
