"""The target aot-inductor: compiled programs answer as the model does, and a machine that cannot compile says so."""

import json
from pathlib import Path

import pytest
import torch

import tenuto
from tenuto.cells import GRU
from tenuto.errors import EngineError


def layer() -> torch.nn.Module:
    torch.manual_seed(0)
    return tenuto.Recurrent(GRU(), 3, 4).eval()


@pytest.mark.cpp
def test_a_compiled_program_answers_as_the_layer_does(tmp_path: Path) -> None:
    model = layer()
    found = tenuto.export(model, tmp_path / "gru", to="aot-inductor")
    assert found.worst <= 1e-5 and list(found.files) == ["sequence", "step"]
    reads = [port["name"] for port in json.loads((tmp_path / "gru" / "export.json").read_text())["graphs"]["sequence"]["reads"]]
    x, lengths, state = torch.randn(6, 2, 3), torch.tensor([6, 4]), torch.zeros(2, 4)
    compiled = torch._inductor.aoti_load_package(str(tmp_path / "gru" / "sequence.pt2"))
    given = {"x": x, "lengths": lengths, "state_in_h": state}
    with torch.no_grad():
        answer = compiled(*(given[name] for name in reads))[0]
        torch.testing.assert_close(answer, model(x, lengths=lengths).output)


def test_what_cannot_be_compiled_is_an_error_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no compiler\nmore")

    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", fails)
    with pytest.raises(EngineError, match=r"sequence graph here \(no compiler\)"):
        tenuto.export(layer(), tmp_path / "gru", to="aot-inductor")
    assert not (tmp_path / "gru").exists()
