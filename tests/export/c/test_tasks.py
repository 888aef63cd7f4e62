"""The export to C of fitted models: what can answer step by step is exported whole; what cannot says why."""

import json
import subprocess

import numpy as np
import pytest

from tenuto.errors import ArgumentError, EngineError
from tenuto.export import names
from tenuto.export.c import compare, compiler
from tenuto.export.c.write import print_checked, write_files
from tenuto.tasks import LanguageModel, Seq2Seq, SequenceClassifier, Tagger, TextClassifier

FEW = {"engine": "reference", "epochs": 1, "hidden_size": 5}
SERIES = [np.random.default_rng(i).normal(size=(5 + i % 6, 3)) * [1, 100, 0.01] + [5, 1e6, 0] for i in range(24)]
CLASSES = ['a??/"b', "é */\nx"] * 12
SENTENCES = [["play", "jazz"], ["play", "some", "rock"], ["stop"], ["stop", "it"]] * 4
TAGS = [["O", "B-genre"], ["O", "O", "B-genre"], ["O"], ["O", "O"]] * 4
PLAIN = {"character_encoder": "none", "case_size": 0, "word_size": 5, "bidirectional": False}
TUNE = "do re mi fa sol? la si\n" * 20


def classifier(**options):
    return SequenceClassifier("gru", **{"bidirectional": False, **FEW, **options}).fit(SERIES, CLASSES)


def language(text=TUNE, **options):
    return LanguageModel("lstm", window=8, batch_size=2, **{**FEW, **options}).fit(text)


MODELS = {
    "a classifier": lambda: classifier(missing="forward", num_layers=2),
    "one that takes the mean for a missing value": lambda: classifier(missing="mean", pooling=("last",)),
    "a language model with one matrix at both ends": lambda: language(tied=True, num_layers=2, embedding_size=18, hidden_size=18, layer_norm=True, residual=True),
    "one whose last layer is narrower": lambda: language(tied=True, num_layers=2, embedding_size=4, layer_norm=True),
    "one of documents, with a projection": lambda: language(["do re mi", "fa sol"] * 20, tied=True, embedding_size=3, zoneout=0.1),
    "a tagger": lambda: Tagger("gru", crf=False, **PLAIN, **FEW).fit(SENTENCES, TAGS),
    "a classifier of texts": lambda: TextClassifier("gru", ngrams=1, **PLAIN, **FEW).fit(SENTENCES, ["p", "p", "s", "s"] * 4),
}


@pytest.mark.cpp
@pytest.mark.parametrize("name", MODELS)
def test_a_fitted_model(name, tmp_path):
    """It is compared with the estimator's own answers; then once more under the sanitizers."""
    model = MODELS[name]().steps()
    printed = print_checked(model, "whole")
    write_files(printed, "whole", tmp_path)
    about = json.loads((tmp_path / "whole.json").read_text())
    assert sorted(about["files"]) == sorted(path.name for path in tmp_path.iterdir())
    assert about["output"]["names"] == list(model.head.names) and about["compared"]["worst"] <= about["compared"]["tolerance"]
    program = compare.build(tmp_path, "whole", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    compare.compare(program, compare.drawn(model, seed=3), "C")
    size = subprocess.run([str(compare.compile_c(compare.host(), [_sizes(tmp_path)], tmp_path / "sizes", f"-I{tmp_path}"))], capture_output=True, check=True)
    assert int(size.stdout) == about["bytes"]["state"]


def _sizes(folder):
    (folder / "sizes.c").write_text('#include <stdio.h>\n#include "whole.h"\nint main(void) { printf("%d", (int)sizeof(whole_state)); return 0; }\n')
    return folder / "sizes.c"


@pytest.mark.cpp
def test_a_step_that_cannot_be_read_leaves_the_state_as_it_was(tmp_path):
    model = classifier().steps()
    write_files(print_checked(model, "strict"), "strict", tmp_path)
    (tmp_path / "strict_main.c").write_text(
        '#include <math.h>\n#include <stdio.h>\n#include <string.h>\n#include "strict.h"\nint main(void) {\n'
        "  strict_state state, other; float in[STRICT_INPUTS] = {5, 1e6f, 0}, bad[STRICT_INPUTS] = {5, NAN, 0}, out[STRICT_OUTPUTS];\n"
        "  memset(&state, 0, sizeof state); memset(&other, 0, sizeof other); strict_reset(&state); strict_reset(&other);\n"
        "  if (strict_step(&state, in, NULL) || strict_step(&other, in, out)) return 1;\n"
        "  if (memcmp(&state, &other, sizeof state)) return 2;\n  if (!strict_step(&state, bad, out)) return 3;\n"
        "  if (memcmp(&state, &other, sizeof state)) return 4;\n  bad[1] = INFINITY; if (!strict_step(&state, bad, out)) return 5;\n"
        '  printf("%s|%s", strict_output_names[0], strict_output_names[1]); return 0;\n}\n'
    )
    done = subprocess.run([str(compare.build(tmp_path, "strict"))], capture_output=True, check=False)
    assert done.returncode == 0 and done.stdout.decode() == "|".join(map(str, model.head.names))


@pytest.mark.cpp
def test_the_header_is_one_of_cpp_too(tmp_path):
    write_files(print_checked(classifier().steps(), "plus"), "plus", tmp_path)
    (tmp_path / "plus.cpp").write_text('#include "plus.h"\nint main() { plus_state state; plus_reset(&state); return plus_self_test(&state); }\n')
    library = compare.compile_c(compare.host(), [tmp_path / "plus.c"], tmp_path / "plus.o", "-c", "-std=c99", f"-I{tmp_path}")
    program = compare.compile_c(("g++",), [tmp_path / "plus.cpp", library], tmp_path / "plus", "-Wall", "-Werror", f"-I{tmp_path}", "-lm")
    assert subprocess.run([str(program)], check=False).returncode == 0


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (lambda: classifier(bidirectional=True), "the encoder reads in both directions, so each sequence from its end too"),
        (lambda: classifier(pooling=("mean", "parts")), "the head pools over the eight parts of a sequence, which needs its length"),
        (lambda: classifier(halvings=1), "convolutions before the recurrent layer put neighbouring steps together"),
        (lambda: language(cutoffs=(4,)), "an adaptive softmax"),
        (lambda: Tagger("gru", **PLAIN, **FEW).fit(SENTENCES, TAGS), "a CRF, which chooses the tags of a sentence together"),
        (lambda: TextClassifier("gru", **{**PLAIN, "character_encoder": "convolution"}, **FEW).fit(SENTENCES, ["p", "s"] * 8), "the characters of each token"),
        (lambda: TextClassifier("gru", **{**PLAIN, "case_size": 2}, **FEW).fit(SENTENCES, ["p", "s"] * 8), "how the token is written"),
        (lambda: TextClassifier("gru", ngrams=2, **PLAIN, **FEW).fit(SENTENCES, ["p", "s"] * 8), "tokens in a row have vectors of their own"),
        (lambda: Seq2Seq("gru", **FEW).fit(["abc", "cab"] * 8, ["cba", "bac"] * 8), "a source is read whole before the first symbol of its answer"),
    ],
)  # fmt: skip
def test_what_cannot_answer_step_by_step_says_why(model, reason):
    with pytest.raises(ArgumentError, match="cannot answer step by step") as said:
        print_checked(model().steps(), "whole")
    assert reason in str(said.value) and "fix" in str(said.value)


@pytest.mark.parametrize(("wrong", "usual"), [("7up", "model_7up"), ("a b", "a_b"), ("Zürich", "Z_rich"), ("", "model"), ("_x", "x"), ("x" * 41, "x" * 40), ("math", "math_model"), ("STDIO", "STDIO_model")])
def test_names_that_are_none_in_c(wrong, usual):
    with pytest.raises(ArgumentError, match=f"fix .*{usual}"):
        names.check_name("c", wrong)
    names.check_name("c", usual)
    assert names.usual_name(wrong) == usual


def test_no_compiler(monkeypatch):
    monkeypatch.delenv(compiler.ENVIRONMENT, raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"no C compiler is found[\s\S]*tenuto\[compiler\]"):
        compiler.host()
    with pytest.raises(EngineError, match=r"package ziglang\) is not installed"):
        compiler.zig()
    monkeypatch.setenv(compiler.ENVIRONMENT, "no-such-compiler -O2")
    with pytest.raises(EngineError, match="TENUTO_CC is 'no-such-compiler -O2', which does not run"):
        compiler.host()


@pytest.mark.cpp
def test_a_compiler_that_fails_is_quoted(tmp_path):
    (tmp_path / "x.c").write_text("int main(void) { return y; }\n")
    with pytest.raises(EngineError, match=r"could not build the export \(exit code 1\)[\s\S]*undeclared"):
        compiler.compile_c(compiler.host(), [tmp_path / "x.c"], tmp_path / "x")


@pytest.mark.cpp
def test_weights_that_are_not_finite():
    model = classifier()
    model.network_.head.linear.weight.data[0, 0] = float("nan")
    with pytest.raises(ArgumentError, match=r"weights of the head.*numbers that are not finite"):
        print_checked(model.steps(), "nan")
