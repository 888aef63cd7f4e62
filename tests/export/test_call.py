"""`tenuto.export` as a whole: what is written, what is refused, and that nothing is half-written."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import tenuto
from tenuto.cells import GRU, LSTM
from tenuto.errors import ArgumentError
from tenuto.export import TARGETS, Differs, Export, targets
from tenuto.export.comparison import compared
from tenuto.export.module import module


def layer(**options) -> nn.Module:
    torch.manual_seed(0)
    return tenuto.Recurrent(options.pop("cell", LSTM()), 3, 4, **options).eval()


def test_a_layer_has_a_graph_of_sequences_and_one_of_a_step(tmp_path: Path) -> None:
    found = tenuto.export(layer(), tmp_path / "lstm", to="torch")
    assert isinstance(found, Export) and found.worst <= 1e-5 and found.subject.no_step is None
    data = json.loads((tmp_path / "lstm" / "export.json").read_text())
    step = data["graphs"]["step"]
    assert [port["name"] for port in step["reads"]] == ["x", "state_in_h", "state_in_c"]
    assert step["reads"][0]["axes"] == ["batch", 3] and step["states"][1] == {"in": "state_in_c", "out": "state_out_c"}
    assert {path.name for path in (tmp_path / "lstm").iterdir()} >= {"export.json", "sequence.pt2", "step.pt2"}


@pytest.mark.parametrize("options", [{"bidirectional": True}, {"reverse": True}], ids=str)
def test_what_looks_ahead_has_no_graph_of_a_step(options: dict, tmp_path: Path) -> None:
    found = tenuto.export(layer(**options), tmp_path / "lstm", to="torch")
    assert list(found.files) == ["sequence"] and "looks ahead" in found.subject.no_step


def test_a_learned_state_is_what_a_sequence_begins_with() -> None:
    model = layer(learned_state=True)
    with torch.no_grad():
        model.initial_c_l0.copy_(torch.arange(4.0))
    graph = module(model, None).graph("step")
    assert graph.to_data()["states"][1]["initial"] == [0, 1, 2, 3] and "initial" not in graph.to_data()["states"][0]


class Frozen(nn.Module):
    """Looks at how many steps there are as a number."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = layer(cell=GRU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x).output * len(x)


def test_a_size_that_is_frozen_is_an_error_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"graph cannot be made.*\n.*sizes of batch and time are free"):
        tenuto.export(Frozen().eval(), tmp_path / "frozen", to="torch", example=torch.zeros(5, 2, 3))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda path: tenuto.export(layer(), path / "a", to="tourch"), "tourch"),
        (lambda path: tenuto.export(layer().train(), path / "a", to="torch"), "training mode"),
        (lambda path: tenuto.export(nn.Sequential(layer()).eval(), path / "a", to="torch"), "no example"),
        (lambda path: tenuto.export("a run", path / "a", to="torch"), "nothing to export"),
        (lambda path: tenuto.export(tenuto.tasks.SequenceClassifier(), path / "a", to="torch"), "fit"),
        (lambda path: tenuto.export(layer(), path / "no" / "a", to="torch"), "no folder"),
    ],
)
def test_what_is_refused(call, said: str, tmp_path: Path) -> None:
    with pytest.raises(tenuto.errors.TenutoError, match=said):
        call(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_export_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("words")
    for overwrite in (False, True):
        with pytest.raises(ArgumentError, match="no export"):
            tenuto.export(layer(), tmp_path / "mine", to="torch", overwrite=overwrite)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "words"
    tenuto.export(layer(), tmp_path / "ours", to="torch")
    with pytest.raises(ArgumentError, match="overwrite"):
        tenuto.export(layer(), tmp_path / "ours", to="torch")
    tenuto.export(layer(cell=GRU()), tmp_path / "ours", to="torch", overwrite=True)
    assert "state_in_c" not in (tmp_path / "ours" / "export.json").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "ours"}


def test_a_missing_package_is_named_with_the_extra_that_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(TARGETS, "torch", targets.Target("tenuto.export.torch_program", "", packages=("no_such_package",)))
    with pytest.raises(ArgumentError, match=r"no_such_package(.|\n)*pip install 'tenuto\[export\]'"):
        tenuto.export(layer(), tmp_path / "a", to="torch")


def test_an_answer_that_differs_is_caught_and_nothing_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = layer()
    graph = module(model, None).graph("sequence")
    wrong = module(layer(), None).graph("sequence")
    weight = wrong.module.network.weight_hh_l0
    with torch.no_grad():
        weight.copy_(weight[torch.tensor([4, 5, 6, 7, 0, 1, 2, 3, *range(8, 16)])])  # gates i and f are swapped
    with pytest.raises(Differs, match="output of the exported sequence graph"):
        compared(graph, wrong.run, "torch")
    monkeypatch.setattr("tenuto.export.torch_program.run_program", lambda module, graph, values: wrong.run(values) if graph.name == "sequence" else {})
    with pytest.raises(Differs):
        tenuto.export(model, tmp_path / "a", to="torch")
    assert not list(tmp_path.iterdir())
