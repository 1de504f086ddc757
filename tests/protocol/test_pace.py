"""A key with a rate: the real client is slowed down, and what it sends arrives whole."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.protocol.conftest import LabFor, newest_only, served, shown

pytestmark = [pytest.mark.slow, newest_only]  # the pace is the server's; how a client waits is shown by one

RATE, BURST = 5, 10  # a bucket holds what two seconds bring
ROWS, FILES, ASKED = 300, 25, 20

LOG = """
import pathlib
rows, files, asked = map(int, sys.argv[1:])
def timed(work):
    began = time.monotonic()
    value = work()
    return value, time.monotonic() - began
def log():
    with wandb.init(id="r") as run:
        for step in range(rows):
            run.log({"x": step})
        for index in range(files):
            pathlib.Path(f"{index}.txt").write_text("x" * index)
            run.save(f"{index}.txt", policy="now")
def ask():
    api = wandb.Api()
    def once():
        api.flush()
        return len(api.runs(f"north/{project}"))
    return [once() for _ in range(asked)]
logging = timed(log)[1]
found, asking = timed(ask)
run = wandb.Api().run(f"north/{project}/r")
kept = sorted((file.size, file.name) for file in run.files(per_page=200) if file.name.endswith(".txt"))
tell([logging, asking, found, [row["x"] for row in run.scan_history(page_size=1000)], kept])
"""


def test_a_key_is_slowed_down_and_loses_nothing(lab_for: LabFor, tmp_path: Path) -> None:
    with served(tmp_path / "state", "--rate", str(RATE)) as (server, key):
        lab = replace(lab_for(server), key=key, url=server.info.url)
        logging, asking, found, rows, kept = shown(lab.python(LOG, str(ROWS), str(FILES), str(ASKED)))
    # Uploads carry no key: those of one address have a bucket of their own, which is full when they begin.
    assert logging >= (FILES - BURST) / RATE
    assert asking >= (ASKED - BURST) / RATE
    assert found == [1] * ASKED
    assert rows == list(range(ROWS))
    assert kept == [[size, f"{size}.txt"] for size in range(FILES)]
