"""Sweeps worked by the agent of the command line: values, states, several at once, points that are lost."""

import contextlib
import json
import re
import sqlite3
import urllib.request
from typing import Any

import pytest

from tests.protocol.conftest import Lab, LabFor, Server, shown

pytestmark = pytest.mark.slow

TYPED = """
method: grid
program: train.py
command: ["${interpreter}", "${program}"]
name: typed
metric: {name: loss, goal: minimize}
parameters:
  integer: {values: [16, 32]}
  real: {value: 0.25}
  none: {value: null}
  text: {value: "16"}
  list: {value: [8, 8]}
  mapping: {value: {kind: linear, ridge: 0, "on": true, deep: {x: [1, null]}}}
  nested: {parameters: {flag: {values: [true]}, depth: {value: 1}}}
"""
RANDOM = """
method: random
program: train.py
run_cap: 1
command: ["${interpreter}", "${program}"]
parameters: {integer: {min: 0, max: 9}}
"""
TRAIN = """
import json, wandb
with wandb.init() as run:
    run.log({"loss": run.config["integer"]})
    with open(f"{run.sweep_id}.jsonl", "a") as file:
        file.write(json.dumps(dict(run.config), sort_keys=True) + "\\n")
"""
FAST = """
import wandb.wandb_agent as agent
agent.Agent.POLL_INTERVAL = 0.2
from wandb.cli.cli import cli
sys.argv = ["wandb", "agent", *sys.argv[1:]]
cli()
"""
READ = """
sweep = wandb.Api().sweep(sys.argv[1])
best = sweep.best_run()
tell([sweep.state, sweep.name, sweep.expected_run_count, len(sweep.runs),
    sorted({run.state for run in sweep.runs}), [best.summary["loss"], best.config["integer"]],
    sweep.config["method"], best.sweep_name == sweep.id,
    [sweep.id, len(sweep.agents())] if NEWEST else None])
"""


def make_sweep(lab: Lab, text: str) -> tuple[str, str]:
    """The path of a new sweep and its address."""
    (lab.folder / "sweep.yaml").write_text(text)
    (lab.folder / "train.py").write_text(TRAIN)
    output = lab.wandb("sweep", "--project", lab.project, "sweep.yaml")
    path = re.search(r"wandb agent (\S+)", output)
    address = re.search(r"View sweep at: (\S+)", output)
    assert path is not None
    assert address is not None
    return path.group(1), address.group(1)


def expected() -> list[str]:
    mapping = {"kind": "linear", "ridge": 0, "on": True, "deep": {"x": [1, None]}}
    fixed = {"real": 0.25, "none": None, "text": "16", "list": [8, 8], "mapping": mapping}
    rows = [fixed | {"integer": integer, "nested": {"flag": True, "depth": 1}} for integer in (16, 32)]
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def test_two_sweeps_at_once_with_three_agents(lab: Lab) -> None:
    path, address = make_sweep(lab, TYPED)
    other, _ = make_sweep(lab, RANDOM)
    agents = [lab.start(FAST, place) for place in (path, path, other)]
    for agent in agents:
        output, _ = agent.communicate(timeout=120)
        assert agent.returncode == 0, output
    seen, drawn = ((lab.folder / f"{place.rsplit('/', 1)[1]}.jsonl").read_text() for place in (path, other))
    assert sorted(seen.splitlines()) == expected()
    assert 0 <= json.loads(drawn)["integer"] <= 9
    *told, newer = shown(lab.python(READ, path))
    assert told == ["FINISHED", "typed", 2, 2, ["finished"], [16, 16], "grid", True]
    assert newer == ([path.rsplit("/", 1)[1], 2] if lab.client.is_newest else None)
    with urllib.request.urlopen(address, timeout=10) as reply:
        assert "2</b> points ended" in reply.read().decode()


def test_a_wrong_definition_is_refused_with_every_problem(lab: Lab) -> None:
    (lab.folder / "sweep.yaml").write_text("method: bayes\nparameters: {x: {distribution: normal, sigma: -1.0}}")
    output = lab.wandb("sweep", "--project", lab.project, "sweep.yaml", check=False)
    assert "parameters.x.sigma: is -1.0; it must be above 0" in output
    assert "metric: is missing" in output


ANCHORED = """
method: random
program: train.py
run_cap: 1
command: ["${interpreter}", "${program}"]
x-base: &base {mu: 5, sigma: 1, q: 1}
parameters: {integer: {<<: *base, distribution: q_normal, min: 0, max: 9}}
"""


def test_keys_of_its_own_and_bounds_that_play_no_part_are_told_and_the_sweep_is_worked(lab: Lab) -> None:
    (lab.folder / "sweep.yaml").write_text(ANCHORED)
    (lab.folder / "train.py").write_text(TRAIN)
    output = lab.wandb("sweep", "--project", lab.project, "sweep.yaml")
    assert "x-base: unknown key, which plays no part" in output
    assert "parameters.integer.min: plays no part: q_normal takes mu, sigma, q" in output
    path = re.search(r"wandb agent (\S+)", output)
    assert path is not None
    lab.python(FAST, path.group(1))
    told = (lab.folder / f"{path.group(1).rsplit('/', 1)[1]}.jsonl").read_text()
    assert isinstance(json.loads(told)["integer"], int)


STATES = """
import contextlib, io
import wandb.wandb_agent as agent
from wandb.cli.cli import cli
agent.Agent.POLL_INTERVAL = 0.2
sweep = sys.argv[1]
def command(*words):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        try:
            cli(words, standalone_mode=False)
        except Exception as error:
            return str(error) + out.getvalue()
    return out.getvalue()
def state():
    return wandb.Api().sweep(sweep).state
refused = command("sweep", "--pause", sweep)
command("agent", "--count", "1", sweep)
told = [state()]
for verb in ("pause", "resume", "stop", "resume", "cancel"):
    command("sweep", f"--{verb}", sweep)
    told.append(state())
command("agent", sweep)
tell([refused, told])
"""


def test_the_command_line_stops_pauses_resumes_and_cancels(lab: Lab) -> None:
    path, _ = make_sweep(lab, RANDOM.replace("run_cap: 1\n", ""))
    output = lab.python(STATES, path)
    refused, states = shown(output)
    assert "Cannot pause pending sweep" in refused + output  # as with W&B
    assert states == ["RUNNING", "PAUSED", "RUNNING", "FINISHED", "RUNNING", "CANCELED"]
    count = "SELECT COUNT(*) FROM runs JOIN sweeps ON sweeps.id = runs.sweep_id WHERE sweeps.name = ?"
    assert stored(lab, count, path) == 1  # a cancelled sweep sends its agents home


def stored(lab: Lab, query: str, path: str) -> Any:
    """One value of the server's database, about the sweep at a path."""
    address = f"file:{lab.server.directory / 'server.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
        return connection.execute(query, (path.rsplit("/", 1)[1],)).fetchone()[0]


LOSE = """
sweep = wandb.sweep({"method": "grid", "program": "train.py", "parameters": {"x": {"values": [1]}}},
    project=project)
if NEWEST:
    from wandb.apis.public.sweeps import _agent_heartbeat, _register_agent
    api = wandb.Api()
    def agent():
        return _register_agent(api, "host", sweep_id=sweep, project=project, entity="local")["id"]
    def beat(name):
        return _agent_heartbeat(api, name, {}, {})
else:
    from wandb.apis import internal
    api = internal.Api()
    def agent():
        return api.register_agent("host", sweep_id=sweep, project_name=project, entity="local")["id"]
    def beat(name):
        return api.agent_heartbeat(name, {}, {})
one, two = agent(), agent()
[first] = beat(one)
assert beat(two) == []
deadline = time.time() + 30
again = []
while not again and time.time() < deadline:
    time.sleep(0.2)
    again = beat(two)
told = [first["args"] == again[0]["args"], first["run_id"] != again[0]["run_id"]]
told.append(wandb.Api().run(f"{path}/{first['run_id']}").state)
tell(told)
"""


def test_a_lost_point_is_handed_out_again(impatient: Server, lab_for: LabFor) -> None:
    assert shown(lab_for(impatient).python(LOSE)) == [True, True, "crashed"]
