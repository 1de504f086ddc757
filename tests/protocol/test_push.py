"""`sashiko push` between two embedded servers, with the real client: everything compared, nothing sent twice."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from framework.tracking.sweeps import Agent, SweepPath
from framework.tracking.tracker import Tracker
from launch.push.ends import End
from launch.server import clients
from tests.protocol.clients import Client, client_of
from tests.protocol.conftest import Lab, Server, shown

pytestmark = pytest.mark.slow

SECONDS = 120
MAKE = """
import json, pathlib, sys, numpy, wandb
from datetime import timedelta
project = sys.argv[1]
pathlib.Path("own/deep").mkdir(parents=True)
pathlib.Path("own/deep/file.txt").write_text("hello")
with wandb.init(project=project, id="full", name="named", group="g", job_type="t", tags=["a", "b"], notes="note",
                config={"lr": 0.5, "none": None, "b": {"kind": "linear", "ridge": 0.0}}) as run:
    run.define_metric("low", summary="min")
    for step in range(1200):
        run.log({"loss": 1 / (step + 1), "low": -step, "nest": {"a": step}}, step=2 * step)
    run.log({"odd": float("nan"), "wide": float("-inf"), "text": "NaN",
             "table": wandb.Table(columns=["x", "y"], data=[[1, "a"], [2, None]])})
    run.log({"image": wandb.Image(numpy.zeros((4, 4, 3), dtype="uint8"), caption="dark"),
             "images": [wandb.Image(numpy.full((2, 2, 3), 9 * i, dtype="uint8")) for i in range(2)],
             "histogram": wandb.Histogram([1, 2, 3])})
    print("a line for the console")
    print("one for \\x1b[31mthe\\x1b[0m other", file=sys.stderr)
    run.save("own/deep/file.txt", base_path="own")
    run.summary["best"] = 0.25
    run.summary["low"] = 7
    art = wandb.Artifact("set", "data", description="words", metadata={"k": [1, 2.5]})
    art.add_dir("own")
    art.add_reference("gopher://nowhere/x.bin", name="far")
    art.ttl = timedelta(days=30)
    run.log_artifact(art, aliases=["best"], tags=["blue"])
with wandb.init(project=project, id="fails") as run:
    run.use_artifact("set:best")
    for text in ("one", "two", "three"):
        art = wandb.Artifact("set", "data")
        with art.new_file("f.txt") as file:
            file.write(text)
        run.log_artifact(art).wait()
    run.log({"x": 1})
    run.finish(exit_code=3)
with wandb.init(project=project, id="silent") as run:
    run.use_artifact("set:latest")
GRID = {"method": "grid", "metric": {"name": "v", "goal": "minimize"}, "parameters": {"x": {"values": [1, 2]}}}
whole, half = (wandb.sweep({"name": name, **GRID}, project=project) for name in ("whole", "half"))
for sweep, x in ((whole, 1), (whole, 2), (half, 1)):
    with wandb.init(project=project, config={"x": x}, settings=wandb.Settings(sweep_id=sweep)) as run:
        run.log({"v": x})
print("RESULT " + json.dumps([whole, half]))
"""
READ = """
import json, sys, wandb
CLIENT = ("_runtime", "_wandb", "artifact_path", "_latest_artifact_path")
OWN = ("config.yaml", "wandb-summary.json")
def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key not in CLIENT}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return repr(value) if isinstance(value, float) else value
def entries(artifact):
    return {path: [entry.digest, entry.ref, entry.size] for path, entry in artifact.manifest.entries.items()}
api = wandb.Api()
found = {}
for run in api.runs("local/" + sys.argv[1], lazy=False):
    table = run.summary_metrics.get("table")
    found[run.id] = {
        "state": run.state, "name": run.name, "group": run.group, "job": run.job_type, "tags": run.tags,
        "notes": run.notes, "config": run.config, "summary": plain(dict(run.summary_metrics)),
        "rows": [plain(row) for row in run.scan_history(use_cache=False)],
        "console": [[line.content, line.level] for line in run.console_logs()],
        "files": {file.name: file.md5 for file in run.files() if file.name not in OWN},
        "artifacts": sorted([a.name, a.version, a.type, a.digest, sorted(a.aliases), a.tags, str(a.ttl),
            a.description, a.metadata, entries(a), sorted(user.id for user in a.used_by())]
            for a in run.logged_artifacts()),
        "used": sorted(artifact.name for artifact in run.used_artifacts()),
        "sweep": run.sweep.config["name"] if run.sweep_name else None,
        "cells": api.artifact(f"local/{sys.argv[1]}/run-{run.id}-table:latest").get("table").data
            if table else None,
        "links": [sorted(table), any((row.get("table") or {}).get("artifact_path") == table["artifact_path"]
            for row in run.scan_history(use_cache=False))] if table else None,
    }
sweeps = api.project(sys.argv[1]).sweeps()
print("RESULT " + json.dumps([found, {s.config["name"]: [s.id, s.state, s.config] for s in sweeps}]))
"""
MANY = """
import wandb
for index in range(10):
    settings = wandb.Settings(x_disable_stats=True)
    with wandb.init(project="pushed-in-parts", id=f"r{index}", settings=settings) as run:
        for step in range(50):
            run.log({"a": step})
"""
ROWS = """
import json, wandb
print("RESULT " + json.dumps({run.id: [[row["_step"], row["_timestamp"], row["a"]]
    for row in run.scan_history(use_cache=False)] for run in wandb.Api().runs("local/pushed-in-parts")}))
"""


@dataclass(frozen=True)
class Pair:
    """A lab to push from, and the server to push to."""

    lab: Lab
    target: Lab

    def start(self, *words: str) -> subprocess.Popen[str]:
        environment = self.lab.environment() | {"SASHIKO_PUSH_KEY": self.target.key}
        return subprocess.Popen(
            [sys.executable, "-m", "launch.cli", "push", "--to", self.target.url, *words], env=environment,
            cwd=self.lab.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def push(self, *words: str, code: int = 0) -> str:
        process = self.start(*words)
        output, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == code, f"{output}\n--- target\n{self.target.server.log()}"
        return output

    def end(self, project: str) -> End:
        return End(Tracker(self.target.url, self.target.key), "local", project)


@pytest.fixture(scope="module")
def pair(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("push")
    other = Server(folder / "other").start()
    for name in ("from", "to"):
        (folder / name).mkdir()
    yield Pair(lab_for(server, folder / "from"), lab_for(other, folder / "to"))
    other.end()


def lab_for(server: Server, folder: Path, client: Client | None = None) -> Lab:
    """A lab of the newest client, which push itself uses, or of one that made what is pushed."""
    client = client or client_of(clients.NEWEST)
    return Lab(folder, server, client, "unused", server.info.url, server.info.key)


def read(lab: Lab, project: str) -> tuple[dict[str, Any], dict[str, Any]]:
    runs, sweeps = shown(lab.python(READ, project))
    return runs, sweeps


def test_a_project_is_the_same_at_the_destination(pair: Pair) -> None:
    whole, half = shown(pair.lab.python(MAKE, "pushed"))
    pair.lab.wandb("sweep", "--stop", f"local/pushed/{whole}")
    output = pair.push("pushed", "--as", "q")
    ours, our_sweeps = read(pair.lab, "pushed")
    theirs, their_sweeps = read(pair.target, "q")
    assert set(theirs) == set(ours)
    for name, run in ours.items():
        for what, value in run.items():
            assert theirs[name][what] == value, (name, what)
    full = theirs["full"]
    assert (len(full["rows"]), full["summary"]["low"], full["rows"][1199]["odd"]) == (1201, 7, "nan")
    assert (full["cells"], full["links"][1], theirs["silent"]["used"]) == ([[1, "a"], [2, None]], True, ["set:v3"])
    assert [artifact[10] for artifact in full["artifacts"] if artifact[0] == "set:v0"] == [["fails"]]
    assert theirs["fails"]["state"] == "failed"
    assert {name: sweep[2] for name, sweep in their_sweeps.items()} == {
        name: sweep[2] for name, sweep in our_sweeps.items()
    }
    assert [their_sweeps[name][1] for name in ("whole", "half")] == ["FINISHED", "PAUSED"]
    assert f"sweep {half} is not over: there it is {their_sweeps['half'][0]}, paused" in output
    assert f"{whole} is {their_sweeps['whole'][0]} there" in output
    assert "runs       6 sent, 0 there already, 0 not sent\nrows       1,205\n" in output
    assert "stays behind: when runs were made" in output
    for name in ("whole", "half"):
        agent = Agent(*[pair.end("q").tracker] * 2, SweepPath("local", "q", their_sweeps[name][0]), "h")
        assert [command["type"] for command in agent.heartbeat(None)] in ([], ["exit"])

    again = pair.push("pushed", "--as", "q")
    assert "runs       0 sent, 6 there already, 0 not sent\nrows       0\n" in again
    assert "sweeps     0 made, 2 there already\n" in again
    assert "runs       1 sent, 0 there already" in pair.push("pushed", "--as", "q", "--again", "--only", "full")
    after = read(pair.target, "q")[0]["full"]
    for what, value in full.items():
        assert after[what] == value, what


def test_a_run_that_is_not_over_and_names_that_do_not_exist(pair: Pair) -> None:
    living = pair.lab.start(
        "import time, wandb\nrun = wandb.init(project='live', id='alive')\nrun.log({'x': 1})\n"
        "print('ready', flush=True)\ntime.sleep(120)"
    )
    try:
        assert living.stdout is not None
        assert any("ready" in text for text in living.stdout)
        source = End(Tracker(pair.lab.url, pair.lab.key), "local", "live")
        end = time.monotonic() + 20
        while not [run for run in source.runs() or [] if run.rows] and time.monotonic() < end:
            time.sleep(0.2)
        assert "skipped run-1: it is running; --running sends" in pair.push("live")
        assert pair.end("live").runs() is None
        assert "runs       1 sent" in pair.push("live", "--running")
    finally:
        living.kill()
        living.communicate()
    assert [(run.state, run.rows) for run in pair.end("live").runs() or []] == [("failed", 1)]
    assert "no run 'x'" in pair.push("live", "--only", "x", code=2)
    assert "has no project local/nothing" in pair.push("nothing", code=3)


def test_a_push_that_is_interrupted_goes_on(pair: Pair) -> None:
    pair.lab.python(MANY)
    process = pair.start("pushed-in-parts")
    end = time.monotonic() + SECONDS
    while not (before := finished(pair)) and time.monotonic() < end:
        time.sleep(0.05)
    pair.target.server.end(signal.SIGKILL)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 3, output
    assert "what was sent stays sent; the same command goes on" in output
    pair.target.server.start()
    found = finished(pair)
    assert 0 < before <= found < 10
    assert f"runs       {10 - found} sent, {found} there already, 0 not sent" in pair.push("pushed-in-parts")
    rows = shown(pair.target.python(ROWS))
    assert rows == shown(pair.lab.python(ROWS))
    assert [len(of_run) for of_run in rows.values()] == [50] * 10


OLD = """
import numpy
with wandb.init(project="made-by-the-old", id="old", config={"lr": 0.5}, tags=["a"]) as run:
    for step in range(20):
        run.log({"x": step})
    run.log({"image": wandb.Image(numpy.zeros((4, 4, 3), dtype="uint8")),
             "table": wandb.Table(columns=["x"], data=[[1], [None]])})
    print("a line for the console")
    made = wandb.Artifact("set", "data", metadata={"k": 1})
    with made.new_file("f.txt") as file:
        file.write("old")
    run.log_artifact(made, aliases=["best"])
"""


def test_what_the_oldest_client_made_is_pushed(pair: Pair, tmp_path: Path) -> None:
    lab_for(pair.lab.server, tmp_path, client_of(clients.OLDEST)).python(OLD)
    assert "runs       1 sent, 0 there already, 0 not sent" in pair.push("made-by-the-old")
    ours, theirs = (read(end, "made-by-the-old")[0]["old"] for end in (pair.lab, pair.target))
    assert (len(theirs["rows"]), theirs["cells"]) == (21, [[1], [None]])
    for what, value in ours.items():
        assert theirs[what] == value, what


def finished(pair: Pair) -> int:
    return sum((run.state, run.rows) == ("finished", 50) for run in pair.end("pushed-in-parts").runs() or [])
