"""The real client and a server that is killed under it: no row is lost, none is doubled."""

import signal
import time
from pathlib import Path

import pytest

from tests.protocol.conftest import LabFor, Server, shown

LONG = """
run = wandb.init(id="long")
for step in range(120):
    run.log({"x": step})
    time.sleep(0.08)
run.finish()
"""
READ = """
run = wandb.Api().run(f"{path}/long")
tell([run.state, [row["x"] for row in run.scan_history()], run.summary["x"]])
"""


@pytest.mark.slow
def test_kill_and_restart_in_the_middle_of_a_run(tmp_path: Path, lab_for: LabFor) -> None:
    server = Server(tmp_path / "state").start()
    try:
        lab = lab_for(server)
        process = lab.start(LONG)
        for _ in range(3):
            time.sleep(2.5)
            server.end(signal.SIGKILL)
            time.sleep(0.3)
            server.start()
        output, _ = process.communicate(timeout=100)
        assert process.returncode == 0, output
        state, rows, last = shown(lab.python(READ))
        assert (state, last) == ("finished", 119)
        assert rows == list(range(120))
    finally:
        server.end()
