"""The dialects of CoNLL files: what is a token, what is a comment, which lines repeat words that stand elsewhere; and sentences without columns."""

import pytest
from typer.testing import CliRunner

from tenuto.cli import app
from tenuto.data import read_conll, read_tagged, read_tagged_splits
from tenuto.data.sentences.conll import tagged_parts
from tenuto.errors import ArgumentError, DataError
from tenuto.tasks import Tagger

CONLLU = """# newdoc id = weblog
# sent_id = 1
# text = Vámonos al mar
# a remark without a key
#remark
1-2\tVámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tVamos\tir\tVERB\t_\t_\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_
3-4\tal\t_\t_\t_\t_\t_\t_\t_\t_
3\ta\ta\tADP\t_\t_\t5\tcase\t_\t_
4\tel\tel\tDET\t_\t_\t5\tdet\t_\t_
5\tmar\tmar\tNOUN\t_\t_\t1\tobl\t_\tSpaceAfter=No

# sent_id = 2
1\t#\t#\tSYM\t_\t_\t0\troot\t_\t_
2\t10 000\t10 000\tNUM\t_\t_\t1\tdep\t_\t_
2.1\tsaw\tsee\tVERB\t_\t_\t_\t_\t1:conj\t_

"""
GERMEVAL = """#\thttp://de.wikipedia.org/wiki/Manfred_Korfmann [2009-10-17]
1\tAufgrund\tO\tO
2\tKorfmann\tB-PER\tO

#\thttp://de.wikipedia.org/wiki/#1 [2009-10-17]\tmore
1\t#\tO\tO
2\t1-2\tO\tO
"""
ONTONOTES = """#begin document (bc/cctv/00/cctv_0000); part 000
bc/cctv/00/cctv_0000 0 0 In IN (TOP* - - (CARDINAL* (A0* *) -
bc/cctv/00/cctv_0000 0 1 two CD * - - *) * (V*) -

bc/cctv/00/cctv_0000 0 0 Hong NNP * - - (GPE* -
bc/cctv/00/cctv_0000 0 1 Kong NNP * - - *) -
bc/cctv/00/cctv_0000 0 2 , , * - - * -
bc/cctv/00/cctv_0000 0 3 China NNP * - - (GPE*) -
#end document
"""
ENDS = {"LF": "\n", "CRLF": "\r\n", "CR": "\r"}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())
    return path


@pytest.mark.parametrize("end", ENDS.values(), ids=list(ENDS))
@pytest.mark.parametrize("name", ["a.conllu", "a.conll", "a.txt"])
@pytest.mark.parametrize("columns", [{}, {"token_column": 1, "tag_column": 3}, {"token_column": -9, "tag_column": -7}])
def test_conllu_has_its_words_once(tmp_path, name, columns, end):
    data = read_conll(write(tmp_path / name, CONLLU.replace("\n", end)), **columns)
    assert data.tokens == [("Vamos", "nos", "a", "el", "mar"), ("#", "10 000")]
    assert data.tags == [("VERB", "PRON", "ADP", "DET", "NOUN"), ("SYM", "NUM")]
    lemmas = read_conll(tmp_path / name, token_column=2, tag_column=-1)
    assert lemmas.tokens[0][0] == "ir" and lemmas.tags[0][-1] == "SpaceAfter=No"
    assert read_conll(tmp_path / name, tag_column=None, need_tags=False).tokens == data.tokens


def test_ranges_and_decimals_are_words_where_nothing_numbers_the_words(tmp_path):
    data = read_conll(write(tmp_path / "a.conll", "won O\n1-2 SCORE\n1.1 NUM\n3 NUM\n"))
    assert data.tokens == [("won", "1-2", "1.1", "3")]
    data = read_conll(write(tmp_path / "b.conll", "1-2 SCORE\n1 NUM\n7.1 NUM\n"))
    assert data.tokens == [("1-2", "1", "7.1")]


@pytest.mark.parametrize("end", ENDS.values(), ids=list(ENDS))
def test_germeval(tmp_path, end):
    path = write(tmp_path / "a.tsv", GERMEVAL.replace("\n", end))
    data = read_conll(path, token_column=1, tag_column=2)
    assert data.tokens == [("Aufgrund", "Korfmann"), ("#", "1-2")]
    assert data.tags == [("O", "B-PER"), ("O", "O")]
    for need_tags in (True, False):
        with pytest.raises(DataError, match=r"line 2: column 0 only numbers the words(.|\n)*token_column=1"):
            read_conll(path, need_tags=need_tags)


def test_ontonotes(tmp_path):
    path = write(tmp_path / "a.gold_conll", ONTONOTES)
    data = read_conll(path, token_column=3, tag_column=8)
    assert data.tokens == [("In", "two"), ("Hong", "Kong", ",", "China")]
    assert data.tags == [("B-CARDINAL", "I-CARDINAL"), ("B-GPE", "I-GPE", "O", "B-GPE")]
    assert read_conll(path, token_column=3, tag_column=4).tags == [("IN", "CD"), ("NNP", "NNP", ",", "NNP")]
    path = write(tmp_path / "b.txt", "#begin document (wsj/00/1);\nEU\tB-ORG\n\n#end document\n# end document\n")
    assert read_conll(path).tokens == [("EU",)]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("# a free remark\nEU B-ORG\n\n#another remark here\nBonn B-LOC\n", [("EU",), ("Bonn",)]),
        ("# a remark\nEU\tB-ORG\n#\tO\n", [("EU", "#")]),
        ("EU B-ORG\n\n#tag O\n", [("EU",), ("#tag",)]),
        ("#one O\n#two O\n", [("#one", "#two")]),
    ],
)
def test_a_hash_begins_a_comment_only_where_it_cannot_be_a_token(tmp_path, text, tokens):
    assert read_conll(write(tmp_path / "a.conll", text)).tokens == tokens


def test_a_line_within_a_sentence_is_never_left_out(tmp_path):
    with pytest.raises(DataError, match="line 2: it has 4 columns"):
        read_conll(write(tmp_path / "a.conll", "EU B-ORG\n# not a comment\nBonn B-LOC\n"))


def test_a_treebank_folder(tmp_path):
    for part in ("train", "dev", "test"):
        write(tmp_path / f"es_x-ud-{part}.conllu", CONLLU)
        write(tmp_path / f"es_x-ud-{part}.txt", "Vámonos al mar\n")
    assert list(tagged_parts(tmp_path)) == ["train", "validation", "test"]
    parts = read_tagged_splits(tmp_path)
    assert parts.test.tags[0] == ("VERB", "PRON", "ADP", "DET", "NOUN")


PLAIN = "Play some jazz, please.\n\nStop the music\n"


def test_sentences_on_lines_are_read_whole(tmp_path):
    path = write(tmp_path / "a.txt", PLAIN)
    data = read_tagged(path, need_tags=False, layout="sentences")
    assert data.tokens == [("Play", "some", "jazz,", "please."), ("Stop", "the", "music")]
    assert (data.tags, data.ids) == (None, ("1", "3"))
    assert read_tagged(path, need_tags=False, layout="text").tokens[0] == ("Play", "some", "jazz", ",", "please", ".")
    for layout in ("auto", "tokens"):
        with pytest.raises(DataError, match=r"line 3: it has 3 columns(.|\n)*layout='sentences'"):
            read_tagged(path, need_tags=False, layout=layout)
    with pytest.raises(ArgumentError, match="auto | tokens | sentences | text"):
        read_tagged(path, layout="lines")
    with pytest.raises(DataError, match="have no tags"):
        read_tagged(path, layout="text")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    x, y = [["play", "jazz"], ["play", "some", "rock"], ["stop"], ["stop", "it"]] * 4, [["O", "U-genre"], ["O", "O", "U-genre"], ["O"], ["O", "O"]] * 4
    model = Tagger("gru", hidden_size=8, word_size=8, epochs=20, learning_rate=0.02, batch_size=4, random_state=0).fit(x, y)
    assert model.scheme_ == "BILOU" and model.score(x, y) == 1.0
    assert "tagger, 2 BILOU tags" in model.evaluation_["title"]
    return model.save(tmp_path_factory.mktemp("plain") / "run")


@pytest.mark.parametrize("text", ["play some jazz\n", "play jazz\nplay rock\n", "play some rock\nplay jazz\n", "play\tjazz\n"])
def test_predict_drops_no_word_of_plain_sentences(run, tmp_path, text):
    path = write(tmp_path / "a.txt", text)
    asked = CliRunner().invoke(app, ["predict", str(run), str(path)])
    if "\t" in text:  # columns, whatever is in the second
        assert asked.exit_code == 0
        return
    assert asked.exit_code == 1 and "--format sentences" in asked.output
    found = CliRunner().invoke(app, ["predict", str(run), str(path), "--format", "sentences"])
    assert found.exit_code == 0
    assert [line.split(",")[1] for line in found.stdout.splitlines()[1:]] == text.splitlines()


def test_columns_are_predicted_with_and_without_tags(run, tmp_path):
    for text in ("play O\njazz U-genre\n", "play VB O\njazz NN O\n", "play\njazz\n", "play\tVB\njazz\tNN\n"):
        found = CliRunner().invoke(app, ["predict", str(run), str(write(tmp_path / "a.conll", text))])
        assert found.exit_code == 0 and "play jazz" in found.stdout


def test_the_scheme_is_kept_asked_for_and_said(run, tmp_path):
    model = Tagger.load(run)
    assert model.scheme_ == "BILOU" and model.spans_
    x, y = [["a", "b"]] * 8, [["B-x", "O"], ["0", "O"]] * 4
    with pytest.raises(DataError, match=r"'0' is no mark and type(.|\n)*tag_scheme="):
        Tagger("gru", epochs=1).fit(x, y)
    small = {"hidden_size": 4, "word_size": 4, "epochs": 1, "random_state": 0}
    assert Tagger("gru", tag_scheme="bio", **small).fit(x, y).scheme_ == "BIO"
    none = Tagger("gru", tag_scheme="none", **small).fit(x, [["B-x", "O"], ["I-x", "O"]] * 4)
    assert none.scheme_ is None and Tagger.load(none.save(tmp_path / "none")).scheme_ is None
    scored = CliRunner().invoke(app, ["score", str(run), str(write(tmp_path / "a.conll", "play O\njazz U-genre\n"))])
    assert "span F1" in scored.stdout and "BILOU tags" in scored.stdout
