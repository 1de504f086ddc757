"""The real client: sweeps, the CLI's agent, and the values that runs get."""

import json
import re
import urllib.request
from pathlib import Path

import pytest

from tests.protocol.conftest import Lab, Server, lab_for, shown

SWEEP = """
method: grid
program: train.py
command: ["${interpreter}", "${program}"]
name: typed
metric: {name: loss, goal: minimize}
parameters:
  integer: {values: [16, 32]}
  real: {value: 0.25}
  flag: {values: [true, false]}
  none: {value: null}
  text: {value: "16"}
  list: {value: [8, 8]}
  mapping: {value: {kind: linear, ridge: 0, on: true, deep: {x: [1, null]}}}
"""
TRAIN = """
import json, os, wandb
run = wandb.init()
run.log({"loss": run.config["integer"], "id": run.id})
with open("seen.jsonl", "a") as file:
    file.write(json.dumps(dict(run.config), sort_keys=True) + "\\n")
run.finish()
"""
FAST = """
import os, sys
import wandb.wandb_agent as agent
agent.Agent.POLL_INTERVAL = 0.2
from wandb.cli.cli import cli
sys.argv = ["wandb", "agent", *sys.argv[1:]]
cli()
"""


def make_sweep(lab: Lab, text: str, project: str) -> tuple[str, str]:
    """The path of a new sweep and its address."""
    (lab.folder / "sweep.yaml").write_text(text)
    output = lab.wandb("sweep", "--project", project, "sweep.yaml")
    path = re.search(r"wandb agent (\S+)", output)
    address = re.search(r"View sweep at: (\S+)", output)
    assert path is not None
    assert address is not None
    return path.group(1), address.group(1)


def expected() -> list[str]:
    mapping = {"kind": "linear", "ridge": 0, "on": True, "deep": {"x": [1, None]}}
    fixed = {"real": 0.25, "none": None, "text": "16", "list": [8, 8], "mapping": mapping}
    rows = [fixed | {"integer": integer, "flag": flag} for integer in (16, 32) for flag in (True, False)]
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


@pytest.mark.slow
def test_a_sweep_with_the_agent_of_the_command_line(lab: Lab) -> None:
    text = SWEEP.replace("on: true", '"on": true')
    path, address = make_sweep(lab, text, "typed")
    (lab.folder / "train.py").write_text(TRAIN)
    lab.python(FAST, path)
    seen = (lab.folder / "seen.jsonl").read_text().splitlines()
    assert sorted(seen) == expected()
    told = shown(
        lab.python(
            """
            import json, sys, wandb
            sweep = wandb.Api().sweep(sys.argv[1])
            print("RESULT " + json.dumps([sweep.state, sweep.name, sweep.expected_run_count, len(sweep.runs),
                sorted({run.state for run in sweep.runs}), sweep.best_run().summary["loss"], len(sweep.agents()),
                sweep.agents()[0].total_runs if hasattr(sweep.agents()[0], "total_runs") else 4]))
            """,
            path,
        )
    )
    assert told == ["FINISHED", "typed", 4, 4, ["finished"], 16, 1, 4]
    with urllib.request.urlopen(address, timeout=10) as reply:
        assert "4</b> points ended" in reply.read().decode()


def test_a_wrong_definition_is_refused_with_every_problem(lab: Lab) -> None:
    (lab.folder / "sweep.yaml").write_text("method: bayes\nparameters: {x: {distribution: normal, sigma: -1.0}}")
    output = lab.wandb("sweep", "--project", "refused", "sweep.yaml", check=False)
    assert "parameters.x.sigma: is -1.0; it must be above 0" in output
    assert "metric: is missing" in output


CONTROL = """
import json, sys, wandb
from wandb.apis.public.sweeps import _set_sweep_state, _get_sweep_state, _register_agent, _agent_heartbeat
api = wandb.Api()
path = sys.argv[1].split("/")
where = dict(entity=path[0], project=path[1])
def state(new=None):
    if new:
        _set_sweep_state(api, path[2], new, **where)
    return _get_sweep_state(api, path[2], **where)
agent = _register_agent(api, "host", sweep_id=path[2], project=path[1], entity=path[0])["id"]
told = [state()]
first = _agent_heartbeat(api, agent, {}, {})
told.append([command["type"] for command in first])
told += [state("PAUSED"), _agent_heartbeat(api, agent, {}, {}), state("RUNNING")]
second = _agent_heartbeat(api, agent, {}, {})
told.append(state("CANCELED"))
told.append(_agent_heartbeat(api, agent, {}, {}))
from wandb.sdk.sweeps import SweepNotFoundError
try:
    _agent_heartbeat(api, "QWdlbnQ6OTk5OTk=", {}, {})
except SweepNotFoundError:
    told.append("gone")
print("RESULT " + json.dumps([told, first[0]["args"], second[0]["args"]]))
"""


def test_states_of_a_sweep(lab: Lab) -> None:
    path, _ = make_sweep(lab, "method: grid\nparameters: {x: {values: [1, 2, 3]}}\nprogram: train.py\n", "control")
    told, first, second = shown(lab.python(CONTROL, path))
    assert told == ["RUNNING", ["run"], "PAUSED", [], "RUNNING", "CANCELED", [{"type": "exit"}], "gone"]
    assert (first, second) == ({"x": {"value": 1}}, {"x": {"value": 2}})


LOSE = """
import json, os, signal, sys, time, wandb
from wandb.apis.public.sweeps import _register_agent, _agent_heartbeat
path = sys.argv[1].split("/")
api = wandb.Api()
def agent():
    return _register_agent(api, "host", sweep_id=path[2], project=path[1], entity=path[0])["id"]
one, two = agent(), agent()
[first] = _agent_heartbeat(api, one, {}, {})
assert _agent_heartbeat(api, two, {}, {}) == []
deadline = time.time() + 30
again = []
while not again and time.time() < deadline:
    time.sleep(0.2)
    again = _agent_heartbeat(api, two, {}, {})
print("RESULT " + json.dumps([first["args"] == again[0]["args"], first["run_id"] != again[0]["run_id"],
    wandb.Api().run(f"{path[0]}/{path[1]}/{first['run_id']}").state]))
"""


def test_a_lost_point_is_handed_out_again(tmp_path: Path) -> None:
    server = Server(tmp_path / "state", {"SASHIKO_LEASE_SECONDS": "1"}).start()
    try:
        lab = lab_for(server, tmp_path)
        path, _ = make_sweep(lab, "method: grid\nparameters: {x: {values: [1]}}\nprogram: train.py\n", "lost")
        assert shown(lab.python(LOSE, path)) == [True, True, "crashed"]
    finally:
        server.end()
