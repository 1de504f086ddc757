"""Sweeps worked by `wandb.agent(function=…)`: what is drawn, early stopping, agents that die."""

import json
import math
import signal
import time
from pathlib import Path

import pytest

from tests.protocol.conftest import Lab, LabFor, Server, newest_only, shown, wait_for

pytestmark = pytest.mark.slow

AGENT = """
import types
from wandb.agents import pyagent
quick = {**vars(time), "sleep": lambda seconds: time.sleep(min(seconds, 0.1))}
pyagent.time = types.SimpleNamespace(**quick)  # it asks for work every 0.1 s instead of 5
if NEWEST:
    pyagent.Agent.HEARTBEAT_SLEEP_SECONDS = 0.1
"""
SEARCH = (
    AGENT
    + """
distributions = json.loads(sys.argv[1])
definitions = [
    {"method": "bayes", "metric": {"name": "val.loss", "goal": "minimize"}, "run_cap": 4, "parameters": {
        "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 0.1},
        "model": {"parameters": {"depth": {"min": 1, "max": 4}, "kind": {"values": [{"a": 0.0}, None]}}},
        "fixed": {"value": "16"}}},
    {"method": "random", "parameters": distributions},
]
sweeps = [wandb.sweep(definition, project=project) for definition in definitions]
def work():
    with wandb.init() as run:
        seen.append(dict(run.config))
        run.log({"val": {"loss": run.config.get("lr", 0.0)}})
told = []
for sweep, count in zip(sweeps, (4, 3)):
    seen = []
    wandb.agent(sweep, function=work, project=project, count=count)
    found = wandb.Api().sweep(f"{path}/{sweep}")
    told.append([seen, found.state, found.expected_run_count, sorted(run.state for run in found.runs)])
tell(told)
"""
)
SHAPES = (
    AGENT
    + """
logged = {
    "kept": [[0.5, 0.2], [0.9, 0.3], [0.1, 0.1]],
    "diverged": [[0.5, float("nan")], [0.9, float("nan")], [0.1, 0.1]],
    "text": [[0.5, "n/a"], [0.9, "n/a"], ["n/a", "n/a"]], "none": [[0.5, 0.1], [0.9, 0.1], [0.1, 0.1]],
}
told = {}
for shape, rows in logged.items():
    sweep = wandb.sweep({"method": "grid", "metric": {"name": "acc", "goal": "maximize", "target": 0.8},
                         "parameters": {"i": {"values": [0, 1, 2]}}}, project=project)
    def work():
        with wandb.init() as run:
            if shape in ("kept", "none"):
                run.define_metric("acc", summary={"kept": "max,min", "none": "none"}[shape])
            for value in rows[run.config["i"]]:
                run.log({"acc": value})
    wandb.agent(sweep, function=work, project=project, count=3)
    found = wandb.Api().sweep(f"{path}/{sweep}")
    told[shape] = [found.state, len(found.runs), found.best_run().config["i"], found._attrs.get("bestLoss")]
def refused(**query):
    try:
        return len(list(wandb.Api().runs(path, **query)))
    except Exception as error:
        return str(error)
told["refused"] = [refused(filters={"summary.acc": {"$ne": 4}}), refused(order="-state,+confg.i")]
tell(told)
"""
)
DISTRIBUTIONS: dict[str, dict[str, object]] = {
    "constant": {"value": 7},
    "categorical": {"values": ["a", None, 1]},
    "categorical_w_probabilities": {"values": ["never", "always"], "probabilities": [0, 1]},
    "int_uniform": {"min": 3, "max": 5},
    "uniform": {"min": 0.5, "max": 1.5},
    "q_uniform": {"min": 0, "max": 10, "q": 2},
    "log_uniform": {"min": -2, "max": 0},
    "log_uniform_values": {"min": 0.01, "max": 1},
    "q_log_uniform": {"min": 0, "max": 3, "q": 2},
    "q_log_uniform_values": {"min": 1, "max": 20, "q": 2},
    "inv_log_uniform": {"min": 1, "max": 2},
    "inv_log_uniform_values": {"min": 0.1, "max": 1},
    "normal": {"mu": 100, "sigma": 1},
    "q_normal": {"mu": 10, "sigma": 3, "q": 2},
    "log_normal": {"mu": 0, "sigma": 1},
    "q_log_normal": {"mu": 2, "sigma": 1, "q": 2},
    "beta": {"a": 2, "b": 2},
    "q_beta": {"a": 2, "b": 2, "q": 0.25},
}
RANGES = {
    "int_uniform": (3, 5), "uniform": (0.5, 1.5), "q_uniform": (0, 10), "log_uniform": (math.exp(-2), 1),
    "log_uniform_values": (0.01, 1), "q_log_uniform": (0, 22), "q_log_uniform_values": (0, 20),
    "inv_log_uniform": (math.exp(-2), math.exp(-1)), "inv_log_uniform_values": (0.1, 1), "normal": (90, 110),
    "log_normal": (0, 200), "beta": (0, 1), "q_beta": (0, 1),
}  # fmt: skip


ADDED = (
    AGENT
    + """
axes = {"i": {"values": [0, 1]}, "m": {"value": {"kind": "a"}}}
sweep = wandb.sweep({"method": "grid", "parameters": axes}, project=project)
seen = []
def work():
    with wandb.init() as run:
        seen.append(dict(run.config))
        run.log({"x": 1})
wandb.agent(sweep, function=work, project=project, count=2)
found = wandb.Api().sweep(f"{path}/{sweep}")
told = [found.state, len(found.runs)]
added = found.enqueue_run({"i": 7, "m": {"kind": "b", "value": 1}}, display_name="one more")
again = found.enqueue_run({"i": {"value": 8}})
deleted = found.enqueue_run({"i": 9})
wandb.Api().run(f"{path}/{deleted}").delete()
found = wandb.Api().sweep(f"{path}/{sweep}")
told += [found.state, found.expected_run_count, wandb.Api().run(f"{path}/{added}").state]
wandb.agent(sweep, function=work, project=project, count=9)
run = wandb.Api().run(f"{path}/{added}")
told += [run.name, run.state, run.config["i"], wandb.Api().run(f"{path}/{again}").config["i"]]
told += [wandb.Api().sweep(f"{path}/{sweep}").state, [c["i"] for c in seen], seen[2]["m"]]
tell(told)
"""
)


@newest_only  # 0.22 has no `enqueue_run`
def test_a_run_is_added_to_a_sweep_that_had_finished(lab: Lab) -> None:
    assert shown(lab.python(ADDED)) == [
        "FINISHED", 2, "RUNNING", 4, "pending", "one more", "finished", 7, 8, "FINISHED", [0, 1, 7, 8],
        {"kind": "b", "value": 1},
    ]  # fmt: skip


SCHEDULED = (
    AGENT
    + """
import subprocess
sweep = wandb.sweep({"method": "bayes", "metric": {"name": "loss", "goal": "minimize"}, "run_cap": 3,
    "scheduler": {"engine": "optuna"}, "parameters": {"x": {"min": 0.0, "max": 1.0}}}, project=project)
command = [sys.executable, "-m", "wandb", "sweep-scheduler", f"{path}/{sweep}"]
command += ["--batch-size", "3", "--poll-interval", "5"]
own = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}  # as from a shell
scheduler = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=own)
seen = []
def work():
    with wandb.init() as run:
        seen.append(run.config["x"])
        run.log({"loss": (run.config["x"] - 0.3) ** 2})
wandb.agent(sweep, function=work, project=project)
found = wandb.Api().sweep(f"{path}/{sweep}")
try:
    said, _ = scheduler.communicate(timeout=60)
except subprocess.TimeoutExpired:
    scheduler.kill()
    said, _ = scheduler.communicate()
print(said)
assert scheduler.returncode == 0, said
tell([found.state, len(seen), len(set(seen)), sorted(run.state for run in found.runs), scheduler.returncode])
"""
)


@newest_only  # 0.22 has no `wandb sweep-scheduler`
def test_the_clients_own_scheduler_fills_a_sweep(lab: Lab) -> None:
    assert shown(lab.python(SCHEDULED)) == ["FINISHED", 3, 3, ["finished"] * 3, 0]


def test_the_best_is_a_number_in_whatever_shape_it_was_logged(lab: Lab) -> None:
    told = shown(lab.python(SHAPES))
    refused = told.pop("refused")
    for message, near in zip(
        refused, ("summary_metrics.acc", "config.i"), strict=True
    ):  # 0.22 shows the status only
        assert (f"did you mean '{near}'" if lab.client.is_newest else "400 Client Error") in message
    for shape, (state, runs, best, loss) in told.items():
        assert (state, runs, best, loss) == ("FINISHED", 2, 1, 0.9), shape


def test_functions_get_what_the_sweep_draws(lab: Lab) -> None:
    parameters = {name: {"distribution": name, **rest} for name, rest in DISTRIBUTIONS.items()}
    output = lab.python(SEARCH, json.dumps(parameters))
    (bayes, state, expected, states), (plain, other, endless, done) = shown(output)
    assert (state, expected, states) == ("FINISHED", 4, ["finished"] * 4)
    assert (other, endless, done) == ("RUNNING", None, ["finished"] * 3)
    for config in bayes:
        assert 1e-5 <= config["lr"] <= 0.1
        assert config["model"]["depth"] in (1, 2, 3, 4)
        assert config["model"]["kind"] in ({"a": 0}, None)
        assert config["fixed"] == "16"
    assert len({config["lr"] for config in bayes}) == 4
    for config in plain:
        assert set(config) == set(DISTRIBUTIONS)
        assert (config["constant"], config["categorical_w_probabilities"]) == (7, "always")
        assert config["categorical"] in ("a", None, 1)
        assert config["int_uniform"] in (3, 4, 5)
        for name, (low, high) in RANGES.items():
            assert low <= config[name] <= high, name
        for name in ("q_uniform", "q_log_uniform", "q_log_uniform_values", "q_normal", "q_log_normal"):
            assert config[name] % 2 == 0, name
        assert config["q_beta"] % 0.25 == 0
    assert len({config["normal"] for config in plain}) == 3


STOPPED = (
    AGENT
    + """
definition = {"method": "random", "metric": {"name": "loss", "goal": "minimize"},
    "early_terminate": {"type": "hyperband", "max_iter": 4, "s": 1, "eta": 2}, "run_cap": 3,
    "parameters": {"x": {"min": 0.0, "max": 1.0}}}
sweep = wandb.sweep(definition, project=project)
steps = []
def work():
    with wandb.init() as run:
        bad = len(steps) == 2
        steps.append(0)
        for _ in range(120 if bad else 4):
            run.log({"loss": 1.0 if bad else 0.1})
            steps[-1] += 1
            time.sleep(0.25 if bad else 0.01)
wandb.agent(sweep, function=work, project=project, count=3)
tell([steps, sorted(run.state for run in wandb.Api().sweep(f"{path}/{sweep}").runs)])
"""
)


def test_hyperband_stops_a_bad_run_in_the_middle(lab: Lab) -> None:
    steps, states = shown(lab.python(STOPPED))
    assert steps[:2] == [4, 4]
    assert 2 <= steps[2] < 100
    assert states == ["finished", "finished", "killed"]


DIES = (
    AGENT
    + """
definition = {"method": "random", "run_cap": 2, "parameters": {"x": {"min": 0.0, "max": 1.0}}}
sweep = sys.argv[1] or wandb.sweep(definition, project=project)
def work():
    with wandb.init() as run:
        with open("drawn.txt", "a") as file:
            file.write(json.dumps([sweep, run.config["x"]]) + "\\n")
        time.sleep(float(sys.argv[2]))
wandb.agent(sweep, function=work, project=project, count=int(sys.argv[3]))
"""
)


@newest_only  # what is new here is the server's memory of what it has drawn
def test_the_point_of_an_agent_that_died_is_drawn_once(tmp_path: Path, lab_for: LabFor) -> None:
    server = Server(tmp_path / "state", {"SASHIKO_LEASE_SECONDS": "2"}).start()
    try:
        lab = lab_for(server)
        first = lab.start(DIES, "", "100", "1")
        drawn = lab.folder / "drawn.txt"
        try:
            wait_for(lambda: drawn.exists() and drawn.read_text())
        finally:
            first.send_signal(signal.SIGKILL)
            first.communicate(timeout=30)
        server.end(signal.SIGKILL)
        server.start()
        time.sleep(2.5)
        sweep = json.loads(drawn.read_text())[0]
        lab.python(DIES, sweep, "0", "2")
        lost, again, another = [json.loads(line)[1] for line in drawn.read_text().splitlines()]
        assert lost == again != another
    finally:
        server.end()
