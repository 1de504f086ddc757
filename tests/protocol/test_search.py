"""The real client: random and Bayesian sweeps, early stopping, states, and agents that die."""

import contextlib
import json
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tests.protocol.conftest import Lab, Server, lab_for, shown
from tests.protocol.test_sweeps import FAST, make_sweep

AGENT = """
import json, os, sys, time, wandb
from wandb.agents import pyagent
pyagent.Agent.HEARTBEAT_SLEEP_SECONDS = 0.1
"""
SEARCH = (
    AGENT
    + """
definitions = [
    {"method": "bayes", "metric": {"name": "val.loss", "goal": "minimize"}, "run_cap": 4, "parameters": {
        "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 0.1},
        "model": {"parameters": {"depth": {"min": 1, "max": 4}, "kind": {"values": [{"a": 0.0}, None]}}},
        "fixed": {"value": "16"}}},
    {"method": "random", "parameters": {"x": {"distribution": "q_normal", "mu": 10, "sigma": 3, "q": 2}}},
]
paths = [wandb.sweep(definition, project="search") for definition in definitions]
def work():
    with wandb.init() as run:
        seen.append(dict(run.config))
        run.log({"val": {"loss": run.config.get("lr", 0.0)}})
told = []
for path, count in zip(paths, (4, 3)):
    seen = []
    wandb.agent(path, function=work, project="search", count=count)
    sweep = wandb.Api().sweep(f"{wandb.Api().default_entity}/search/{path}")
    told.append([seen, sweep.state, sweep.expected_run_count, sorted(run.state for run in sweep.runs)])
print("RESULT " + json.dumps(told))
"""
)


def test_functions_get_what_the_sweep_draws(lab: Lab) -> None:
    (bayes, state, expected, states), (plain, other, endless, done) = shown(lab.python(SEARCH))
    assert (state, expected, states) == ("FINISHED", 4, ["finished"] * 4)
    assert (other, endless, done) == ("RUNNING", None, ["finished"] * 3)
    for config in bayes:
        assert 1e-5 <= config["lr"] <= 0.1
        assert config["model"]["depth"] in (1, 2, 3, 4)
        assert config["model"]["kind"] in ({"a": 0}, None)
        assert config["fixed"] == "16"
    assert len({config["lr"] for config in bayes}) == 4
    assert all(config["x"] % 2 == 0 for config in plain)


STOPPED = (
    AGENT
    + """
definition = {"method": "random", "metric": {"name": "loss", "goal": "minimize"},
    "early_terminate": {"type": "hyperband", "max_iter": 4, "s": 1, "eta": 2}, "run_cap": 3,
    "parameters": {"x": {"min": 0.0, "max": 1.0}}}
path = wandb.sweep(definition, project="stopped")
steps = []
def work():
    with wandb.init() as run:
        bad = len(steps) == 2
        steps.append(0)
        for _ in range(120 if bad else 4):
            run.log({"loss": 1.0 if bad else 0.1})
            steps[-1] += 1
            time.sleep(0.25 if bad else 0.01)
wandb.agent(path, function=work, project="stopped", count=3)
runs = wandb.Api().sweep(f"{wandb.Api().default_entity}/stopped/{path}").runs
print("RESULT " + json.dumps([steps, sorted(run.state for run in runs)]))
"""
)


@pytest.mark.slow
def test_hyperband_stops_a_bad_run_in_the_middle(lab: Lab) -> None:
    steps, states = shown(lab.python(STOPPED))
    assert steps[:2] == [4, 4]
    assert 2 <= steps[2] < 100
    assert states == ["finished", "finished", "killed"]


RANDOM = """
method: random
program: train.py
command: ["${interpreter}", "${program}"]
parameters: {x: {min: 0, max: 9}}
"""
TRAIN = "import wandb\nwith wandb.init() as run:\n    run.log({'loss': run.config['x']})\n"


def stored(lab: Lab, query: str, path: str) -> Any:
    """One value of the server's database, about the sweep at a path."""
    address = f"file:{lab.server.directory / 'server.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
        return connection.execute(query, (path.rsplit("/", 1)[1],)).fetchone()[0]


@pytest.mark.slow
def test_the_command_line_stops_pauses_resumes_and_cancels(lab: Lab) -> None:
    path, _ = make_sweep(lab, RANDOM, "states")
    (lab.folder / "train.py").write_text(TRAIN)
    assert "Cannot pause pending sweep" in lab.wandb("sweep", "--pause", path, check=False)  # as with W&B
    lab.python(FAST, "--count", "2", path)
    states = []
    for verb in ("pause", "resume", "stop", "resume", "cancel"):
        lab.wandb("sweep", f"--{verb}", path)
        states.append(stored(lab, "SELECT state FROM sweeps WHERE name = ?", path))
    assert states == ["PAUSED", "RUNNING", "FINISHED", "RUNNING", "CANCELED"]
    lab.python(FAST, path)  # a cancelled sweep sends its agents home
    count = "SELECT COUNT(*) FROM runs JOIN sweeps ON sweeps.id = runs.sweep_id WHERE sweeps.name = ?"
    assert stored(lab, count, path) == 2


DIES = (
    AGENT
    + """
def work():
    with wandb.init() as run:
        with open("drawn.txt", "a") as file:
            file.write(f"{run.config['x']!r}\\n")
        time.sleep(float(sys.argv[2]))
wandb.agent(sys.argv[1], function=work, count=1)
"""
)


@pytest.mark.slow
def test_the_point_of_an_agent_that_died_is_drawn_once(tmp_path: Path) -> None:
    server = Server(tmp_path / "state", {"SASHIKO_LEASE_SECONDS": "2"}).start()
    try:
        lab = lab_for(server, tmp_path)
        path, _ = make_sweep(lab, "method: random\nrun_cap: 2\nparameters: {x: {min: 0.0, max: 1.0}}\n", "dies")
        first = lab.start(DIES, path, "100")
        drawn = tmp_path / "drawn.txt"
        end = time.monotonic() + 60
        while not (drawn.exists() and drawn.read_text()) and time.monotonic() < end:
            time.sleep(0.05)
        first.send_signal(signal.SIGKILL)
        first.communicate(timeout=30)
        server.end(signal.SIGKILL)
        server.start()
        time.sleep(2.5)
        lab.python(DIES, path, "0")
        lab.python(DIES, path, "0")
        lost, again, another = [json.loads(line) for line in drawn.read_text().splitlines()]
        assert lost == again != another
    finally:
        server.end()
