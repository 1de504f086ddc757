"""Runs that somebody adds to a sweep, and sweeps that a scheduler fills."""

import json
from typing import Any

STATE = (
    """mutation S($id: ID, $state: String) { upsertSweep(input: {id: $id, state: $state}) { sweep { name } } }"""
)
ENQUEUE = """mutation E($id: ID!, $c: JSONString!, $n: String) { enqueueSweepRun(input: {id: $id, config: $c,
    displayName: $n}) { id runQueueItemId } }"""
SIZES = """query Q($s: String!) { project(name: "p") { sweep(sweepName: $s) { state runCount runCountExpected
    controllerRunName } } }"""


def test_runs_are_added_to_a_sweep_in_every_state(
    ask: Any, make_sweep: Any, make_agent: Any, beat: Any, make_run: Any, stream: Any
) -> None:
    sweep = make_sweep("1")
    agent = make_agent(sweep["name"])

    def work() -> dict[str, Any]:
        [command] = beat(agent)
        make_run(command["run_id"])
        stream(command["run_id"], {"complete": True, "exitcode": 0})
        return dict(command["args"])

    def sizes() -> tuple[str, int, int]:
        told = ask(SIZES, s=sweep["name"])["project"]["sweep"]
        assert told["controllerRunName"] is None
        return told["state"], told["runCount"], told["runCountExpected"]

    assert work() == {"x": {"value": 1}}
    assert beat(agent) == [{"type": "exit"}]
    name = ask(ENQUEUE, id=sweep["id"], c='{"x": 5, "y": {"k": 1}}', n="mine")["enqueueSweepRun"]["id"]
    assert sizes() == ("RUNNING", 2, 2)
    query = (
        'query R($n: String) { project(name: "p") { run(name: $n) { id state displayName config heartbeatAt } } }'
    )
    run = ask(query, n=name)["project"]["run"]
    assert (run["state"], run["displayName"], run["heartbeatAt"]) == ("pending", "mine", None)
    assert json.loads(run["config"]) == {"x": {"value": 5}, "y": {"value": {"k": 1}}}
    gone = ask(ENQUEUE, id=sweep["id"], c='{"x": {"value": 6}}')["enqueueSweepRun"]["id"]
    assert sizes()[1:] == (3, 3)
    ask(
        "mutation D($r: ID!) { deleteRun(input: {id: $r}) { success } }",
        r=ask(query, n=gone)["project"]["run"]["id"],
    )
    assert sizes()[1:] == (2, 2)
    assert work() == {"x": {"value": 5}, "y": {"value": {"k": 1}}}
    assert sizes() == ("FINISHED", 2, 2) or beat(agent) == [{"type": "exit"}]
    ask(STATE, id=sweep["id"], state="CANCELED")
    assert "takes no more runs" in ask(ENQUEUE, 409, id=sweep["id"], c="{}")


def test_a_run_that_was_added_and_begun_is_done_again_when_it_is_deleted(
    ask: Any, make_sweep: Any, make_agent: Any, beat: Any, make_run: Any
) -> None:
    sweep = make_sweep("1")
    agent = make_agent(sweep["name"])
    ask(ENQUEUE, id=sweep["id"], c='{"x": 5}')
    beat(agent)
    [command] = beat(make_agent(sweep["name"]))
    run = make_run(command["run_id"])["bucket"]["id"]
    ask("mutation D($r: ID!) { deleteRun(input: {id: $r}) { success } }", r=run)
    assert ask(SIZES, s=sweep["name"])["project"]["sweep"]["runCountExpected"] == 2
    [again] = beat(make_agent(sweep["name"]))
    assert again["args"] == {"x": {"value": 5}}


def test_what_waits_for_an_agent_is_worked_when_a_cancelled_sweep_is_resumed(
    ask: Any, make_sweep: Any, make_agent: Any, beat: Any, make_run: Any, stream: Any
) -> None:
    sweep = make_sweep("1, 2")
    agent = make_agent(sweep["name"])
    [held] = beat(agent)
    make_run(held["run_id"])
    ask(ENQUEUE, id=sweep["id"], c='{"x": 5}')
    ask(STATE, id=sweep["id"], state="CANCELED")
    assert beat(agent, held["run_id"]) == [{"type": "stop", "run_id": held["run_id"]}]
    stream(held["run_id"], {"complete": True, "exitcode": 1})
    assert beat(agent) == [{"type": "exit"}]
    ask(STATE, id=sweep["id"], state="RUNNING")
    after, done = make_agent(sweep["name"]), []
    for _ in range(2):
        [command] = beat(after)
        make_run(command["run_id"])
        assert beat(after, command["run_id"]) == [], "it was not asked to stop"
        stream(command["run_id"], {"complete": True, "exitcode": 0})
        done.append(command["args"]["x"]["value"])
    assert sorted(done) == [2, 5]


def test_a_sweep_with_a_scheduler_hands_out_what_the_scheduler_adds(
    ask: Any, make_sweep: Any, make_agent: Any, beat: Any, make_run: Any, stream: Any
) -> None:
    for method in ("grid", "random", "bayes"):
        text = (
            f"method: {method}\nmetric: {{name: l}}\nrun_cap: 1\nscheduler: {{engine: optuna}}\n"
            "parameters: {x: {values: [1, 2]}}"
        )
        sweep = make_sweep(text=text)
        agent = make_agent(sweep["name"])
        assert beat(agent) == []
        ask(ENQUEUE, id=sweep["id"], c='{"x": 2}')
        [command] = beat(agent)
        assert command["args"] == {"x": {"value": 2}}
        make_run(command["run_id"])
        stream(command["run_id"], {"complete": True, "exitcode": 0})
        assert beat(agent) == [{"type": "exit"}]
        told = ask(SIZES, s=sweep["name"])["project"]["sweep"]
        assert told["controllerRunName"] == f"scheduler-{sweep['name']}"
        assert (told["state"], told["runCountExpected"]) == ("FINISHED", 1)


def test_a_search_that_has_ended_draws_nothing_for_a_run_that_is_added(
    ask: Any, make_sweep: Any, make_agent: Any, beat: Any, make_run: Any, stream: Any
) -> None:
    text = "method: random\nmetric: {name: l, target: 0.5}\nparameters: {x: {min: 0.0, max: 1.0}}"
    sweep = make_sweep(text=text)
    agent = make_agent(sweep["name"])

    def work(value: float) -> Any:
        [command] = beat(agent)
        make_run(command["run_id"])
        summary = {"wandb-summary.json": {"offset": 0, "content": [json.dumps({"l": value})]}}
        stream(command["run_id"], {"files": summary, "complete": True, "exitcode": 0})
        return command["args"]["x"]["value"]

    work(0.1)
    assert beat(agent) == [{"type": "exit"}]
    ask(ENQUEUE, id=sweep["id"], c='{"x": 7.0}')
    assert work(0.9) == 7.0
    assert beat(agent) == [{"type": "exit"}]
