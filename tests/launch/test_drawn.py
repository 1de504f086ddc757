"""Random and Bayesian sweeps from the command line: planned, worked by real workers, gone on with, told of."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from framework.config import Config
from framework.definition import Definition, read
from framework.errors import ConfigError, DefinitionError
from framework.tracking.ledger import Attempt, Standing, ledger_of
from framework.tracking.states import cause_of
from launch import drawn
from tests.lab import Lab


class Sizes(Config):
    width: int = 1
    rate: float = 0.1


def definition(parameters: str, keys: str = "method: random") -> Definition:
    return read(f"{keys}\nparameters: {parameters}\n", "here.yaml")


def test_what_a_plan_says():
    assert drawn.extent(definition("{width: {min: 1, max: 3}}")).endswith(
        "without an end: set run_cap, or stop the sweep"
    )
    capped = definition("{width: {min: 1, max: 3}}", "method: bayes\nmetric: {name: l}\nrun_cap: 7")
    assert drawn.extent(capped) == "bayes: the tracker draws the points, 7 of them (run_cap)"
    assert drawn.count(capped) == 7
    with pytest.raises(DefinitionError, match="run_cap: is not set"):
        drawn.count(definition("{width: {min: 1, max: 3}}"))


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ("{width: {values: [1, 2, wide]}}", "width: is 'wide'"),
        ("{width: {values: [1, 2.5, 3]}, rate: {min: 0.0, max: 1.0}}", "width: is 2.5"),
        ("{share: {min: -0.5, max: 0.9}}", "share: is -0.5"),
        ("{share: {distribution: q_uniform, min: 0, max: 3, q: 1}}", "share: is 3"),
    ],
)
def test_each_listed_value_and_each_end_is_one_of_its_field(parameters: str, told: str):
    class Shares(Sizes):
        share: float = Field(0.5, ge=0, le=1)

    with pytest.raises(ConfigError, match=told):
        drawn.check(definition(parameters), Shares)
    drawn.check(definition("{share: {min: 0.0, max: 1.0}, rate: {distribution: normal, mu: 0, sigma: 1}}"), Shares)


def test_a_space_is_tried_before_anything_starts():
    drawn.check(definition("{width: {min: 1, max: 3}, rate: {min: 0.0, max: 1.0}}"), Sizes)
    with pytest.raises(ConfigError, match=r"the middle of its space[\s\S]*widht"):
        drawn.check(definition("{widht: {min: 1, max: 3}}"), Sizes)
    with pytest.raises(ConfigError, match="width"):
        drawn.check(definition("{width: {min: 1.25, max: 1.5}}"), Sizes)
    with pytest.raises(DefinitionError, match=r"parameters\.rate\.sigma"):
        drawn.check(definition("{rate: {distribution: normal, sigma: 0}}"), Sizes)


def run(name: str, state: str, config: str) -> Attempt:
    return Attempt(name, name, state, cause_of(state), config)


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([("crashed", "a"), ("finished", "a"), ("finished", "a")], {Standing.DONE: 2, Standing.OPEN: 2}),
        (
            [("finished", "a"), ("failed", ""), ("failed", ""), ("running", "c")],
            {Standing.DONE: 1, Standing.FAILED: 2, Standing.HELD: 1, Standing.OPEN: 0},
        ),
    ],
)
def test_equal_points_that_were_drawn_twice_count_twice(
    runs: list[tuple[str, str]], expected: dict[Standing, int]
):
    made = definition("{x: {min: 0, max: 1}}", "method: random\nrun_cap: 4")
    ledger = ledger_of(made, [], [(run(f"r{index}", *given), {}) for index, given in enumerate(runs)])
    assert ledger.total == 4
    assert {standing: ledger.count(standing) for standing in expected} == expected


QUICK = """
import time
from framework.config import Config
from framework.manager import Manager
from pydantic import Field


class QuickConfig(Config):
    x: float = Field(0.0, lt=0.52)
    kind: str = "a"
    steps: int = 1


class Quick(Manager[QuickConfig]):
    config = QuickConfig

    def run(self, config, run):
        for step in range(config.steps):
            run.log({"loss": (config.x - 0.3) ** 2, "step": step})
            time.sleep(0.1 if config.steps > 9 else 0)
"""
SWEEP = """
name: search
project: lab
method: {method}
{keys}
command: ["${{env}}", "python", "-m", "experiments", "quick"]
parameters: {{x: {{min: 0.0, max: 1.0}}, kind: {{values: [a, b]}}}}
"""


LONG = """
parameters:
  run+: {values: [{x: 0.3, steps: 3}, {x: 0.31, steps: 3}, {x: 0.5, steps: 400}, {x: 0.3, steps: 4}]}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = Lab.make(tmp_path_factory.mktemp("drawn"))
    made.add_experiment("quick", "manager:Quick", {"manager.py": QUICK})
    yield made
    made.close()


def sweep_file(lab: Lab, method: str, keys: str) -> Path:
    path = lab.folder / f"{method}.yaml"
    path.write_text(SWEEP.format(method=method, keys=keys))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("method", ["random", "bayes"])
def test_a_search_is_planned_worked_and_gone_on_with(lab: Lab, method: str):
    """About half of the points are no configs (x above 0.52): their runs fail and say why, the others are done."""
    file = sweep_file(lab, method, "run_cap: 24\nmetric: {name: loss, goal: minimize}")
    plan = lab.sashiko("plan", str(file))
    assert plan.stdout == f"{method}: the tracker draws the points, 24 of them (run_cap); of quick\n"
    assert lab.sashiko("plan", "--count", str(file)).stdout == "24\n"
    done = lab.sashiko("sweep", str(file), "--workers", "2")
    found = re.search(r"(\d+) runs finished, (\d+) failed", done.stdout)
    assert found, done.stdout + done.stderr
    finished, failed = map(int, found.groups())
    assert finished + failed == 24
    assert finished > 0 < failed
    shown = lab.sashiko("status", str(file))
    assert f"24 points: {finished} finished" in shown.stdout
    assert f"{failed} × config: " in shown.stdout, "they differ in their numbers alone"
    assert shown.stdout.count("less than 0.52") == shown.stdout.count("- x: is 0.") == 1
    again = lab.sashiko("sweep", str(file))
    assert "nothing to run: 24 of 24 runs have ended" in again.stdout
    assert "going on with" in again.stdout
    compared = lab.sashiko("compare", str(file), "--csv", str(lab.folder / f"{method}.csv"))
    assert compared.returncode == 0, compared.stderr


@pytest.mark.slow
def test_runs_that_are_stopped_early_are_no_failures(lab: Lab):
    """Of four runs the third logs worse losses than the others, for 40 s if nobody stops it."""
    keys = "metric: {name: loss, goal: minimize}\nearly_terminate: {type: hyperband, max_iter: 4, s: 1, eta: 2}"
    text = SWEEP.format(method="grid", keys=keys).split("parameters:")[0] + LONG
    file = lab.folder / "long.yaml"
    file.write_text(text)
    done = lab.sashiko("sweep", str(file))
    assert "3 runs finished, 1 stopped early, 0 failed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0
    shown = lab.sashiko("status", str(file))
    assert "4 points: 3 finished, 1 stopped early" in shown.stdout
    assert shown.returncode == 0


@pytest.mark.slow
def test_what_is_wrong_is_told_before_anything_is_made(lab: Lab):
    file = sweep_file(lab, "bayes", "speed: 1")
    for words in (("plan", str(file)), ("sweep", str(file))):
        done = lab.sashiko(*words)
        assert done.returncode == 2
        assert "speed: unknown key" in done.stderr
    file.write_text(SWEEP.format(method="bayes", keys="").replace("min: 0.0", "min: 3"))
    done = lab.sashiko("sweep", str(file))
    assert "metric: is missing" in done.stderr
    assert "parameters.x.min: is 3" in done.stderr
    endless = sweep_file(lab, "random", "")
    assert "without an end: set run_cap" in lab.sashiko("plan", str(endless)).stdout
    assert lab.sashiko("plan", "--count", str(endless)).returncode == 2
    assert "only a grid has a list of points" in lab.sashiko("plan", "--json", str(endless)).stderr
