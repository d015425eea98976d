from __future__ import annotations

import os
import subprocess
import sys

from autofi.core.process_identity import current_process, start_time


def test_a_process_lives_until_it_ends() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        began = start_time(child.pid)
        assert began is not None
        assert start_time(child.pid) == began
        child.kill()
        # Not waited for yet: a zombie searches nothing.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert start_time(child.pid) is None
        child.wait()
    assert start_time(child.pid) is None


def test_a_process_knows_itself() -> None:
    me = current_process()
    assert me == current_process()
    assert (me.pid, me.started) == (os.getpid(), start_time(os.getpid()))
    assert me.place
