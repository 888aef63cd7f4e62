"""The lock of a folder: it keeps living processes out, and no others."""

import json
import os
import platform
import signal
import subprocess
import sys
import time

import pytest

from tenuto.errors import RunError
from tenuto.train.lock import FILE, held, holder_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")

HOLDS = """
import sys, time
from tenuto.train.lock import held
with held(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the folder."""
    with subprocess.Popen([sys.executable, "-c", HOLDS, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_live_process_keeps_others_out_and_a_killed_one_does_not(holder, tmp_path):
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(RunError, match=rf"is in use: process {holder.pid} runs there"), held(tmp_path):
        pass
    assert holder_of(tmp_path).process == holder.pid
    assert (tmp_path / FILE).read_bytes() == before
    holder.send_signal(signal.SIGKILL)
    for _ in range(200):  # a zombie until somebody waits for it
        if holder_of(tmp_path) is None:
            break
        time.sleep(0.05)
    with held(tmp_path) as killed:
        assert killed.process == holder.pid
    assert os.listdir(tmp_path) == []


def test_a_number_that_was_given_out_again_holds_nothing(tmp_path):
    (tmp_path / FILE).write_text(json.dumps({"process": os.getppid(), "began": "another day", "machine": platform.node()}))
    with held(tmp_path) as killed:
        assert killed.process == os.getppid()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"process": "x"}', b"\xff"])
def test_a_damaged_lock_holds_nothing(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    with held(tmp_path) as killed:
        assert killed is None


def test_of_a_process_on_another_machine_nobody_can_tell(tmp_path):
    (tmp_path / FILE).write_text(json.dumps({"process": 1, "began": "x", "machine": "elsewhere"}))
    with pytest.raises(RunError, match=r"process 1 on elsewhere(.|\n)*delete"), held(tmp_path):
        pass


def test_a_child_neither_holds_nor_gives_back_its_parents_lock(tmp_path):
    with held(tmp_path):
        if (child := os.fork()) == 0:
            try:
                with held(tmp_path):
                    os._exit(1)
            except RunError:
                os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        with held(tmp_path):  # the same process may
            pass
        assert (tmp_path / FILE).exists()
    assert os.listdir(tmp_path) == []


def test_a_child_that_lives_on_does_not_hold_the_lock_of_a_killed_parent(tmp_path):
    script = HOLDS.replace('    print("held", flush=True)', '    import os\n    if os.fork() == 0:\n        time.sleep(600)\n    print("held", flush=True)')
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            assert process.stdout.readline() == "held\n"
            process.kill()
            process.wait()
            with held(tmp_path) as killed:
                assert killed.process == process.pid
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_of_many_that_find_a_stale_lock_one_takes_it(tmp_path):
    (tmp_path / FILE).write_text(json.dumps({"process": 1, "began": "another day", "machine": platform.node()}))
    children = []
    for _ in range(8):
        if (child := os.fork()) == 0:
            try:
                with held(tmp_path):
                    time.sleep(3)
                    os._exit(0)
            except RunError:
                os._exit(7)
        children.append(child)
    ends = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    assert ends == [0] + [7] * 7


def test_a_block_that_fails_leaves_the_lock_as_it_was(tmp_path):
    stale = json.dumps({"process": 1, "began": "another day", "machine": platform.node()})
    (tmp_path / FILE).write_text(stale)
    with pytest.raises(ZeroDivisionError), held(tmp_path):
        raise ZeroDivisionError
    assert (tmp_path / FILE).read_text() == stale
