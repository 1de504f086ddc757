"""What a sweep knows of its runs' best: over history and summary, in every shape, through the API."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from launch.server.request import Services
from launch.server.search import best, proposals
from launch.server.search.metric import Metric

NAN, INF = math.nan, math.inf
SWEEP = """query Q($s: String!) { project(name: "p") { sweep(sweepName: $s) { state bestLoss } } }"""
RUNS = """query R($f: JSONString, $o: String) { project(name: "p") { runs(filters: $f, order: $o) {
  edges { node { name } } } } }"""
GRID = """
method: grid
metric: {{name: {name}, goal: {goal}{more}}}
parameters: {{i: {{values: {values}}}}}
"""


@pytest.fixture
def work(make_sweep: Any, make_agent: Any, beat: Any, make_run: Any, stream: Any) -> Any:
    """Make a sweep and let one run after the other log rows and a summary; the sweep's and the runs' names."""

    def run(
        logged: Sequence[tuple[list[Any], Any]], goal: str, name: str = "acc", more: str = ""
    ) -> tuple[str, list[str]]:
        text = GRID.format(goal=goal, name=name, values=list(range(len(logged))), more=more)
        sweep = make_sweep(text=text)
        agent = make_agent(sweep["name"])
        names = []
        for rows, summary in logged:
            [command] = beat(agent)
            if command["type"] == "exit":
                break
            names.append(command["run_id"])
            make_run(names[-1])
            files: dict[str, Any] = {}
            if rows:
                lines = [json.dumps({name: value, "_step": step}) for step, value in enumerate(rows)]
                files["wandb-history.jsonl"] = {"offset": 0, "content": lines}
            if summary is not None:
                files["wandb-summary.json"] = {"offset": 0, "content": [json.dumps({name: summary})]}
            stream(names[-1], {"files": files, "complete": True, "exitcode": 0})
        return sweep["name"], names

    return run


SHAPES: Mapping[str, tuple[list[tuple[list[Any], Any]], float | None, float | None]] = {
    "plain": ([([0.5], 0.5), ([0.9], 0.9), ([0.1], 0.1)], 0.9, 0.1),
    "kept": ([([0.5, 0.2], {"max": 0.5}), ([0.9, 0.3], {"max": 0.9}), ([0.1], {"min": 0.1})], 0.9, 0.1),
    "diverged": ([([0.5, NAN], NAN), ([0.9, INF], INF), ([0.1, -INF], "NaN")], 0.9, 0.1),
    "a text": ([([0.5], 0.5), (["n/a"], "n/a"), ([0.9], 0.9), ([0.1, True], True)], 0.9, 0.1),
    "no summary": ([([0.5, 0.9, 0.1], None)], 0.9, 0.1),
    "no history": ([([], {"last": 0.9, "mean": 5}), ([], 0.1)], 0.9, 0.1),
    "better before": ([([0.1, 0.9, 0.5], 0.5), ([0.6], 0.6)], 0.9, 0.1),
    "nothing": ([([], None), (["x"], "x")], None, None),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_best_loss_and_best_run(shape: str, goal: str, work: Any, ask: Any) -> None:
    logged, largest, smallest = SHAPES[shape]
    sweep, names = work(logged, goal)
    expected = largest if goal == "maximize" else smallest
    assert ask(SWEEP, s=sweep)["project"]["sweep"]["bestLoss"] == expected
    order = ("-" if goal == "maximize" else "+") + "summary_metrics.acc"
    found = ask(RUNS, f=json.dumps({"$and": [{"sweep": sweep}]}), o=order)["project"]["runs"]["edges"]
    first = names.index(found[0]["node"]["name"])
    assert len(found) == len(names)
    if expected is not None:
        rows, summary = logged[first]
        kept = summary.values() if isinstance(summary, dict) else [summary]
        assert expected in [*rows, *kept]


def test_other_orders_go_by_what_the_summary_holds(work: Any, ask: Any) -> None:
    sweep, names = work([([0.1, 0.9, 0.5], 0.5), ([0.6], 0.6), ([0.2, 0.7], {"max": 0.7, "min": 0.2})], "maximize")

    def ordered(order: str, wanted: Any) -> list[int]:
        found = ask(RUNS, f=json.dumps(wanted), o=order)["project"]["runs"]["edges"]
        return [names.index(edge["node"]["name"]) for edge in found]

    assert ordered("-summary_metrics.acc", {"sweep": sweep}) == [0, 2, 1]
    assert ordered("+summary_metrics.acc", {"sweep": sweep}) == [2, 0, 1]
    assert ordered("-summary_metrics.acc,+created_at", {"sweep": sweep}) == [2, 1, 0]


@pytest.mark.parametrize(
    "logged",
    [([0.2, 0.6, 0.3], 0.3), ([0.6, NAN], NAN), ([0.2], {"max": 0.6}), ([], {"best": 0.6}), ([0.6, "x"], "x")],
)
def test_a_target_is_reached_by_the_best(logged: tuple[list[Any], Any], work: Any, ask: Any) -> None:
    sweep, names = work([([0.1], 0.1), logged, ([0.2], 0.2)], "maximize", more=", target: 0.5")
    assert ask(SWEEP, s=sweep)["project"]["sweep"] == {"state": "FINISHED", "bestLoss": 0.6}
    assert len(names) == 2


def test_what_a_run_forgot_counts_no_more(work: Any, ask: Any, stream: Any, make_run: Any) -> None:
    sweep, [name] = work([([0.1, 0.9, 0.5], 0.5)], "maximize")
    query = """mutation R($r: String!) { rewindRun(input: {entityName: "local", projectName: "p", runName: $r,
        metricName: "_step", metricValue: 0}) { rewoundRun { id } } }"""
    ask(query, r=name)
    assert ask(SWEEP, s=sweep)["project"]["sweep"]["bestLoss"] == 0.5  # the summary still says so
    row = json.dumps({"acc": 0.6, "_step": 1})
    stream(name, {"files": {"wandb-history.jsonl": {"offset": 1, "content": [row]}}})
    assert ask(SWEEP, s=sweep)["project"]["sweep"]["bestLoss"] == 0.6


def test_runs_of_an_older_database_are_read_once_more(work: Any, ask: Any, services: Services) -> None:
    sweep, _ = work([([0.1, 0.9, 0.5], 0.5), ([0.7], {"max": 0.7})], "maximize")
    with services.store.write() as tables:
        tables.rungs._db.execute("DELETE FROM progress")
    assert ask(SWEEP, s=sweep)["project"]["sweep"]["bestLoss"] == 0.9


def test_a_bayesian_search_learns_from_the_best(
    make_sweep: Any, make_agent: Any, beat: Any, make_run: Any, stream: Any, services: Services
) -> None:
    """The same trials, whatever the shape: the next point is the same, and another one if nothing was learnt."""
    text = "method: bayes\nmetric: {name: l}\nparameters: {x: {min: 0.0, max: 1.0}}"
    key = make_sweep(text=text)["name"]
    agent = make_agent(key)
    for number in range(12):
        [command] = beat(agent)
        make_run(command["run_id"])
        loss = (command["args"]["x"]["value"] - 0.3) ** 2
        shapes = [([loss], loss), ([loss, loss + 1], {"min": loss}), ([loss, NAN], NAN), ([], loss)]
        rows, summary = shapes[number % 4]
        lines = [json.dumps({"l": value, "_step": step}) for step, value in enumerate(rows)]
        files = {"wandb-summary.json": {"offset": 0, "content": [json.dumps({"l": summary})]}}
        if lines:
            files["wandb-history.jsonl"] = {"offset": 0, "content": lines}
        stream(command["run_id"], {"files": files, "complete": True, "exitcode": 0})
    with services.store.read() as tables:
        [sweep] = tables.sweeps.listed(1)
        for row in tables.points.trials(sweep["id"]):
            trial = proposals._trial(tables, Metric("l"), row)
            assert trial.loss == (trial.coordinates[0] - 0.3) ** 2
        found = best.losses(tables, Metric("l"), sweep["id"])
    assert len(found) == 12
    assert None not in found.values()
