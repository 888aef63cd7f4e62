"""The export to the web: a program that answers as the model does, and a page that works in a browser."""

import html
import json
import re
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import tenuto
from tenuto.cells import GRU
from tenuto.errors import ArgumentError, EngineError
from tenuto.export.c import compare, compiler
from tenuto.export.c.write import steps_of
from tenuto.export.comparison import Differs
from tenuto.export.web import program, runtime
from tenuto.export.web.write import page
from tenuto.tasks import LanguageModel, SequenceClassifier, Tagger

FEW = {"engine": "reference", "epochs": 1, "hidden_size": 6}
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs chromium")


def classifier():
    series = [np.random.default_rng(i).normal(size=(5 + i % 6, 2)) + i % 2 for i in range(24)]
    return SequenceClassifier("gru", bidirectional=False, missing="forward", **FEW).fit(series, ["<b>low</b>", "high"] * 12)


def language():
    return LanguageModel("lstm", window=8, batch_size=2, unknown="symbol", tied=True, embedding_size=6, **FEW).fit(["do re mi fa", "sol? là </script> si"] * 20)


def tagger():
    plain = {"character_encoder": "none", "case_size": 0, "word_size": 5, "bidirectional": False}
    return Tagger("gru", crf=False, **plain, **FEW).fit([["play", "jazz"], ["play", "some", "rock"]] * 8, [["O", "B-genre"], ["O", "O", "B-genre"]] * 8)


def layer():
    torch.manual_seed(0)
    return tenuto.Recurrent(GRU(), 3, 4).eval()


def static():
    return tenuto.compress(layer(), activations="static-int16", calibrate=[torch.randn(9, 4, 3, generator=torch.Generator().manual_seed(0))])


def seen(path, script):
    """What a script on the page says once the model is there, by a browser without a window."""
    told = path.with_name("told.html")
    told.write_text(path.read_text().replace("</body>", f'<pre id="said"></pre><script>ready.then(model => {{ find("said").textContent = JSON.stringify(({script})); }});</script></body>'))
    words = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--virtual-time-budget=20000", "--window-size=400,900", "--dump-dom", told.as_uri()]
    text = subprocess.run(words, capture_output=True, timeout=240, check=True).stdout.decode()
    told.unlink()
    return json.loads(html.unescape(re.search(r'<pre id="said">(.*?)</pre>', text, re.DOTALL)[1]))


@needs_browser
@pytest.mark.parametrize("made", [classifier, language, tagger, layer, static])
def test_the_page_answers_as_the_model_does(made, tmp_path):
    model = made()
    found = tenuto.export(model, tmp_path / "page", to="web", name="tried")
    assert sorted(path.name for path in found.folder.iterdir()) == ["export.json", "index.html", "tried.json", "tried.wasm"] and found.worst <= 2e-5
    drawn = compare.drawn(steps_of(SimpleNamespace(model=model)), seed=7)
    given = json.dumps([one.tolist() for one, _ in drawn])
    answers, proof, answer, wide, whole = seen(
        found.folder / "index.html",
        f"[{given}.map(one => model.read(one).map(row => [...row])), find('proof').textContent, find('answer').textContent, document.body.scrollWidth > innerWidth, find('given').value]",
    )
    compare.held([np.array(one) for one in answers], drawn, "the page")
    assert "gives the model's answers in this browser" in proof and answer and not wide and whole
    if made is classifier:
        assert "<b>low</b>" in answer


@needs_browser
def test_a_text_is_read_as_the_model_reads_it(tmp_path):
    model = language()
    found = tenuto.export(model, tmp_path / "page", to="web", name="tune")
    text = "so là x"
    codes, answer, again = seen(found.folder / "index.html", f"[coded({json.dumps(text)}), [...model.read(coded({json.dumps(text)})).pop()], text_of(coded('do re'))]")
    assert codes == model._prompt(text) and again == "do re"
    np.testing.assert_allclose(answer, model.predict_log_proba(text)[0], atol=1e-4)


def test_a_program_that_answers_otherwise_is_not_written(tmp_path, monkeypatch):
    """The program is another than the one that was compared as C."""
    if runtime.runtime() is None:
        pytest.skip("needs Node.js")
    before = program.compile_c

    def altered(command, sources, target, *options):
        text = sources[0].read_text()
        sources[0].write_text(text.replace("tanhf(", "atanf("))
        return before(command, sources, target, *options)

    monkeypatch.setattr(program, "compile_c", altered)
    with pytest.raises(Differs, match=r"does not run[\s\S]*own test finds a difference"):
        tenuto.export(layer(), tmp_path / "page", to="web")
    assert not list(tmp_path.iterdir())


def test_without_the_compiler(tmp_path, monkeypatch):
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name, package=None: None)
    with pytest.raises((ArgumentError, EngineError), match=r"ziglang[\s\S]*tenuto\[compiler\]"):
        tenuto.export(layer(), tmp_path / "page", to="web")
    assert not list(tmp_path.iterdir())


def test_what_stands_on_the_page_is_no_markup():
    text = page("tried", {"output": {"names": ["</script><script>alert(1)</script>", "{program}", "{about}"]}}, b"abc")
    assert "alert(1)</script>" not in text and text.count("{program}") == text.count("{about}") == 1 and "YWJj" in text
