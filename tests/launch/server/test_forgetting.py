"""What somebody who died had begun to delete is gone after the next start."""

import signal
import time
from pathlib import Path

from launch.server.storage import open_store
from tests.launch.server.test_instance import start

ENDS_S = 60.0


def test_a_start_goes_on_with_a_deletion(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    store = open_store(folder / "server.db")
    with store.write() as tables:
        project = tables.projects.make("p")[0]["id"]
        gone, stays = (tables.sweeps.add(project, name, "", method="grid", size=5) for name in ("gone", "stays"))
        for key in (gone, stays):
            tables.points.add(key, ["{}"] * 5)
        tables.sweeps.hide(gone)
    server = start(folder)
    end = time.monotonic() + ENDS_S
    left: list[int] | None = None
    while left != [] and time.monotonic() < end:
        time.sleep(0.05)
        with store.read() as tables:
            left = tables.sweeps.hidden()
    with store.read() as tables:
        assert left == []
        assert (tables.points.drawn(gone), tables.points.drawn(stays)) == (0, 5)
        assert [row["name"] for row in tables.sweeps.listed(project)] == ["stays"]
    store.close()
    server.send_signal(signal.SIGTERM)
    server.communicate(timeout=ENDS_S)
    assert server.returncode == 0
