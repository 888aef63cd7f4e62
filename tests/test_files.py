"""Files are whole or not there; an error of reading says what is wrong."""

import errno
import hashlib
import json
import os
import signal
import stat

import numpy as np
import pytest
import torch

from tenuto.errors import RunError
from tenuto.files import digest_of, plain, read_json, read_tensors, replacing, sha256_of, write_json, write_tensors, write_text


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("name", ["fsync", "replace", "chmod"])
def test_a_full_or_read_only_disk_is_told_in_words(tmp_path, monkeypatch, name):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fails(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(os, name, fails)
        with pytest.raises(RunError, match=r"a.txt could not be written: Read-only file system(.|\n)*unchanged(.|\n)*fix"):
            write_text(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["a.txt"]
    with pytest.raises(RunError, match="could not be written: No such file"):
        write_text(tmp_path / "absent" / "a.txt", "x")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no fork")
def test_what_a_killed_writer_left_is_swept_up_and_a_live_one_is_left_alone(tmp_path):
    path = tmp_path / "a.txt"
    if (child := os.fork()) == 0:
        with replacing(path) as file:
            file.write(b"half")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(os.listdir(tmp_path)) == 1
    (tmp_path / ".b.txt.x.partial").write_bytes(b"of another file")
    with replacing(path) as file:
        file.write(b"first")
        write_text(path, "second")
    assert path.read_bytes() == b"first"
    assert sorted(os.listdir(tmp_path)) == [".b.txt.x.partial", "a.txt"]


def test_nobody_sees_half_a_file(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text(encoding="utf-8") == "old"
    assert path.read_text(encoding="utf-8") == "new"


def test_files_have_the_permissions_that_the_system_gives(tmp_path):
    mask = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "x")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_json_is_standard_json(tmp_path):
    data = {"a": float("nan"), "b": np.float32(0.5), "c": np.arange(3), "d": [np.inf, True, None, "ü"], 1: (torch.tensor(2), tmp_path)}
    write_json(tmp_path / "a.json", data)

    def refuse(constant):
        raise AssertionError(constant)

    read = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert read == {"a": None, "b": 0.5, "c": [0, 1, 2], "d": [None, True, None, "ü"], "1": [2, str(tmp_path)]}
    assert plain(data) == read == read_json(tmp_path / "a.json")


def test_tensors_come_back_unchanged(tmp_path):
    tensors = {"w": torch.randn(3, 4).T, "n": torch.arange(3), "h": torch.randn(2).half()}
    write_tensors(tmp_path / "w.safetensors", tensors)
    read = read_tensors(tmp_path / "w.safetensors")
    for name, tensor in tensors.items():
        torch.testing.assert_close(read[name], tensor, rtol=0, atol=0)
    assert sha256_of(tmp_path / "w.safetensors") == hashlib.sha256((tmp_path / "w.safetensors").read_bytes()).hexdigest()


def test_a_digest_is_of_data_and_tensors():
    tensors = {"w": torch.arange(6.0).view(2, 3), "n": torch.tensor(1)}
    expected = hashlib.sha256(b'{"a": 1, "b": [2]}' + b"n" + tensors["n"].numpy().tobytes() + b"w" + tensors["w"].numpy().tobytes()).hexdigest()
    assert digest_of({"b": [2], "a": 1}, tensors) == expected == digest_of({"a": 1, "b": [2]}, {"w": torch.nn.Parameter(tensors["w"].T.contiguous().T), "n": tensors["n"]})
    assert digest_of({"a": 1, "b": [3]}, tensors) != expected != digest_of({"a": 1, "b": [2]}, {**tensors, "n": torch.tensor(2)})


@pytest.mark.parametrize("read", [read_json, read_tensors])
def test_damage_is_named(tmp_path, read):
    with pytest.raises(RunError, match=r"absent cannot be read: No such file(.|\n)*fix"):
        read(tmp_path / "absent")
    (tmp_path / "broken").write_bytes(b"\x00\xff{")
    with pytest.raises(RunError, match="broken cannot be read"):
        read(tmp_path / "broken")


def test_json_has_lists_on_one_line_and_is_what_was_written(tmp_path):
    data = {"a": [1, [2.5, None], "é"], "b": [{"c": []}, {}], "d": {}, "e": [[{"f": [1]}]], "g": "x"}
    write_json(tmp_path / "a.json", data)
    text = (tmp_path / "a.json").read_text("utf-8")
    assert json.loads(text) == data and '\n "a": [1, [2.5, null], "é"],\n' in text
