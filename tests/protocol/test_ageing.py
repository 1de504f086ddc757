"""The client sees nothing of rows that have aged: it reads them, samples them, goes on with them, forks them."""

import subprocess
import sys

import pytest

from tests.protocol.conftest import Lab, shown

pytestmark = pytest.mark.slow

MAKE = """
import math
from PIL import Image
with wandb.init(id="old", config={"a": 1}) as run:
    for step in range(400):
        row = {"loss": math.exp(-step / 100) + 0.1 * math.sin(step), "acc": step / 400, "whole": step // 7}
        if step % 50 == 0:
            row["odd"] = float("nan")
            row["picture"] = wandb.Image(Image.new("L", (4, 4), step % 256))
            row["nest"] = {"deep": step, "word": f"w{step}"}
        run.log(row)
        print("step", step)
"""
LOOK = """
run = wandb.Api().run(f"{path}/old")
keys = ["loss", "acc", "whole"]
told = {
    "all": [[row.get(key) for key in ("_step", *keys, "nest", "odd", "_timestamp")] for row in run.scan_history()],
    "some": [sorted(row.items()) for row in run.scan_history(keys=["_step", "loss"], min_step=9, max_step=31)],
    "sampled": run.history(samples=40, keys=keys, pandas=False),
    "pictures": [row["picture"]["path"] for row in run.scan_history(keys=["picture"])],
    "last": run.lastHistoryStep, "summary": {key: run.summary[key] for key in keys},
    "keys": sorted(run.history_keys["keys"]),
}
told["sampled"] = [[row[key] for key in keys] for row in told["sampled"]]
tell(json.loads(json.dumps(told).replace("NaN", '"NaN"')))
"""
GO_ON = """
with wandb.init(id="old", resume="must") as run:
    assert run.starting_step == 400
    run.log({"loss": -1.0})
"""
FORK = """
with wandb.init(id="child", fork_from="old?_step=199") as run:
    run.log({"loss": -2.0})
rows = list(wandb.Api().run(f"{path}/child").scan_history(keys=["loss"]))
tell([len(rows), rows[150]["loss"], rows[-1]["loss"]])
"""


def test_the_client_sees_nothing_of_it(lab: Lab) -> None:
    lab.python(MAKE)
    before = shown(lab.python(LOOK))
    assert len(before["all"]) == 400
    assert len(before["pictures"]) == 8
    command = [
        sys.executable,
        "-m",
        "launch.cli",
        "serve",
        "--dir",
        str(lab.server.directory),
        "age",
        "--days",
        "0",
    ]
    done = subprocess.run([*command, "--project", lab.path], capture_output=True, text=True, check=False)
    assert "aged 800 rows of 1 runs" in done.stdout, done.stdout + done.stderr
    assert shown(lab.python(LOOK)) == before
    if lab.client.is_newest:
        count, middle, last = shown(lab.python(FORK))
        assert (count, middle, last) == (201, before["all"][150][1], -2.0)
    lab.python(GO_ON)
    after = shown(lab.python(LOOK))
    assert after["all"][:400] == before["all"]
    assert after["all"][400][:2] == [400, -1.0]
    assert after["last"] == 400
