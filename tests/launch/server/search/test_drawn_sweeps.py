"""Sweeps that draw their points, through the API: caps, restarts, lost runs, targets, early stopping."""

import itertools
import json
import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from launch.server import dispatch, lifecycle
from launch.server.limits import ServeOptions
from launch.server.request import Services
from launch.server.search import proposals, watch
from launch.server.storage import Tables, lines
from tests.launch.server.search.engine import HYPERBAND

RANDOM = """
method: random
run_cap: {cap}
parameters: {{x: {{min: 0.0, max: 1.0}}, n: {{parameters: {{k: {{value: 3}}}}}}}}
"""
STATE = "mutation S($id: ID, $state: String) { upsertSweep(input: {id: $id, state: $state}) { sweep { name } } }"
SWEEP = (
    """query Q($s: String!) { project(name: "p") { sweep(sweepName: $s) { state runCount runCountExpected } } }"""
)
OPTIONS = ServeOptions(lease_seconds=60.0, grace_seconds=15.0)


def made(tables: Tables, text: str) -> tuple[int, int]:
    """A sweep and an agent, straight in the tables."""
    user = tables.users.by_name("local")
    project, _ = tables.projects.make("p", 1 if user is None else user["id"])
    method = text.split()[1]
    watched = "early_terminate" in text or "target" in text
    search = proposals.read_search(text)
    cap, metric = search.definition.run_cap, search.metric
    sweep = tables.sweeps.add(
        project["id"], "s", text, method=method, size=-1 if cap is None else cap, watched=watched,
        metric=None if metric is None else metric.name,
        goal=None if metric is None else "maximize" if metric.maximize else "minimize",
    )  # fmt: skip
    return sweep, tables.agents.add(sweep, "host")


def drawn(services: Services, sweep: int, agent: int) -> dict[str, Any]:
    """Claim a drawn point; the command."""
    with services.store.write() as tables:
        proposal = proposals.propose(tables, sweep)
        [command] = told(tables, agent, proposal)
    return command


def told(tables: Tables, agent: int, proposal: Any) -> list[dict[str, Any]]:
    """What a free agent is told."""
    row = tables.agents.with_sweep(agent)
    assert row is not None
    return dispatch.heartbeat(tables, row, {}, time.time(), OPTIONS, proposal)


def test_a_cap_ends_a_random_sweep(
    ask: Any, make_sweep: Any, make_agent: Any, beat: Any, make_run: Any, stream: Any
) -> None:
    sweep = make_sweep(text=RANDOM.format(cap=2))
    agent, other = make_agent(sweep["name"]), make_agent(sweep["name"])
    [first] = beat(agent)
    assert 0 <= first["args"]["x"]["value"] <= 1
    assert first["args"]["n"]["value"] == {"k": 3}
    [second] = beat(other)
    assert second["args"]["x"] != first["args"]["x"]
    assert beat(make_agent(sweep["name"])) == []
    for run in (first, second):
        make_run(run["run_id"])
        stream(run["run_id"], {"complete": True, "exitcode": 0})
    assert beat(agent) == [{"type": "exit"}]
    assert ask(SWEEP, s=sweep["name"])["project"]["sweep"] == {
        "state": "FINISHED",
        "runCount": 2,
        "runCountExpected": 2,
    }


def test_without_a_cap_there_is_no_end(ask: Any, make_sweep: Any, make_agent: Any, beat: Any, stream: Any) -> None:
    sweep = make_sweep(text="method: random\nparameters: {x: {min: 0.0, max: 1.0}}")
    agent = make_agent(sweep["name"])
    for _ in range(3):
        [run] = beat(agent)
        stream(run["run_id"], {"complete": True, "exitcode": 0})
    assert ask(SWEEP, s=sweep["name"])["project"]["sweep"]["runCountExpected"] is None
    ask(STATE, id=sweep["id"], state="PAUSED")
    assert beat(agent) == []
    ask(STATE, id=sweep["id"], state="RUNNING")
    [run] = beat(agent)
    ask(STATE, id=sweep["id"], state="CANCELED")
    assert beat(agent, run["run_id"]) == [{"type": "stop", "run_id": run["run_id"]}]
    assert beat(agent) == [{"type": "exit"}]


def test_nothing_is_stored_of_a_wrong_definition(ask: Any) -> None:
    query = 'mutation S($c: String) { upsertSweep(input: {config: $c, projectName: "p"}) { sweep { id } } }'
    text = "method: bayes\nparameters: {x: {min: 2, max: 1}, y: {distribution: cauchy}}"
    message = ask(query, 400, c=text)
    for part in ("3 problems", "parameters.x.min", "parameters.y.distribution", "metric: is missing"):
        assert part in message
    assert ask("{ models { edges { node { name } } } }")["models"]["edges"] == []


def test_what_a_sweep_draws_from_cannot_change(ask: Any, make_sweep: Any) -> None:
    sweep = make_sweep(text=RANDOM.format(cap=2))
    query = "mutation S($id: ID, $c: String) { upsertSweep(input: {id: $id, config: $c}) { sweep { id } } }"
    ask(query, id=sweep["id"], c=RANDOM.format(cap=2) + "\nname: another")
    assert "cannot change" in ask(query, 400, id=sweep["id"], c=RANDOM.format(cap=3))


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_a_restart_changes_no_point(tmp_path: Path, method: str) -> None:
    """Twice the same fifteen points, of which one server draws all and the other is opened anew for each."""
    text = (
        f"method: {method}\nmetric: {{name: l}}\nparameters: {{x: {{min: 0.0, max: 1.0}}, y: {{values: [1, 2]}}}}"
    )
    seen = []
    for folder, restarts in (("a", False), ("b", True)):
        services = Services.open(tmp_path / folder, "k" * 43, b"secret", OPTIONS)
        with services.store.write() as tables:
            sweep, agent = made(tables, text)
        values = []
        for _ in range(15):
            if restarts:
                services.close()
                services = Services.open(tmp_path / folder, "k" * 43, b"secret", OPTIONS)
            command = drawn(services, sweep, agent)
            values.append([command["args"][key]["value"] for key in "xy"])
            finish(services, command["run_id"], {"l": values[-1][0] ** 2})
        services.close()
        seen.append(values)
    assert seen[0] == seen[1]
    assert len({x for x, _ in seen[0]}) == 15


def finish(services: Services, name: str, summary: Any, code: int = 0) -> None:
    with services.store.write() as tables:
        run = tables.runs.by_name(1, name)
        assert run is not None
        tables.runs.set(run["id"], summary=json.dumps(summary))
        lifecycle.begin(tables, run, time.time(), OPTIONS)
        lifecycle.end(tables, run, code, time.time())


def test_bayes_sees_each_run_as_it_ended(services: Services) -> None:
    text = "method: bayes\nmetric: {name: a.b, goal: maximize}\nparameters: {x: {min: 0.0, max: 1.0}}"
    with services.store.write() as tables:
        sweep, agent = made(tables, text)
    endings = [
        ({"a": {"b": 3}}, 0),
        ({"a.b": 4}, 0),
        ({"a": {"b": float("nan")}}, 0),
        ({"a.b": 9}, 1),
        ({}, 0),
        None,
    ]
    for ending in endings:
        name = drawn(services, sweep, agent)["run_id"]
        if ending is not None:
            finish(services, name, *ending)
    with services.store.read() as tables:
        search = proposals.read_search(text)
        trials = [proposals._trial(tables, search.metric, row) for row in tables.points.trials(sweep)]
    assert [trial.loss for trial in trials] == [-3, -4, None, None, None, None]
    assert [trial.state for trial in trials] == ["ended"] * 5 + ["open"]


def test_a_lost_runs_point_is_handed_out_again_before_another_is_drawn(services: Services) -> None:
    with services.store.write() as tables:
        sweep, agent = made(tables, RANDOM.format(cap=1))
    lost = drawn(services, sweep, agent)
    with services.store.write() as tables:
        lifecycle.expire(tables, time.time() + 61, OPTIONS)
    again = drawn(services, sweep, agent)
    assert again["args"] == lost["args"]
    assert again["run_id"] != lost["run_id"]
    with services.store.read() as tables:
        assert tables.points.drawn(sweep) == 1


def test_a_proposal_that_came_late_is_not_handed_out(services: Services) -> None:
    with services.store.write() as tables:
        sweep, agent = made(tables, RANDOM.format(cap=9))
        other = tables.agents.add(sweep, "b")
        proposal = proposals.propose(tables, sweep)
        assert len(told(tables, agent, proposal)) == 1
        assert told(tables, other, proposal) == []


def test_agents_that_ask_at_once_get_different_points(make_sweep: Any, make_agent: Any, beat: Any) -> None:
    sweep = make_sweep(
        text="method: bayes\nmetric: {name: l}\nrun_cap: 12\nparameters: {x: {min: 0, max: 1000000}}"
    )
    agents = [make_agent(sweep["name"]) for _ in range(12)]
    answers: list[Any] = [None] * 12

    def work(index: int) -> None:
        answers[index] = beat(agents[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    values = [command["args"]["x"]["value"] for [command] in answers]
    assert len(set(values)) == 12


def test_two_heartbeats_in_one_operation_are_refused(ask: Any, make_sweep: Any, make_agent: Any) -> None:
    """An operation is one transaction: sixty draws in one would keep everybody else waiting."""
    sweep = make_sweep(text=RANDOM.format(cap=5))
    query = """mutation H($a: ID!, $b: ID!) { one: agentHeartbeat(input: {id: $a, runState: "{}"}) { commands }
        two: agentHeartbeat(input: {id: $b, runState: "{}"}) { commands } }"""
    told = ask(query, 400, a=make_agent(sweep["name"]), b=make_agent(sweep["name"]))
    assert "agentHeartbeat can take its time" in told
    counted = ask(f'{{ project(name: "p") {{ sweep(sweepName: "{sweep["name"]}") {{ runCount }} }} }}')
    assert counted["project"]["sweep"]["runCount"] == 0


def test_a_reached_target_finishes_the_sweep(
    ask: Any, make_sweep: Any, make_agent: Any, beat: Any, make_run: Any, stream: Any
) -> None:
    sweep = make_sweep(text="method: grid\nmetric: {name: l, target: 0.1}\nparameters: {x: {values: [1, 2, 3]}}")
    agent = make_agent(sweep["name"])
    [run] = beat(agent)
    make_run(run["run_id"])
    for value, state in ((0.2, "RUNNING"), (float("nan"), "RUNNING"), (0.1, "FINISHED")):
        stream(
            run["run_id"], {"files": {"wandb-summary.json": {"offset": 0, "content": [json.dumps({"l": value})]}}}
        )
        assert ask(SWEEP, s=sweep["name"])["project"]["sweep"]["state"] == state
    assert beat(agent, run["run_id"]) == []
    stream(run["run_id"], {"complete": True, "exitcode": 0})
    assert beat(agent) == [{"type": "exit"}]


HYPER = """
method: random
metric: {{name: loss, goal: {goal}}}
early_terminate: {rule}
parameters: {{x: {{min: 0, max: 9}}}}
"""


@pytest.mark.parametrize(("rule", "goal", "histories", "expected"), HYPERBAND)
@pytest.mark.parametrize("order", [1, 2])
def test_the_same_runs_are_stopped_as_by_the_engine(
    services: Services,
    rule: dict[str, Any],
    goal: str,
    histories: list[list[float]],
    expected: list[int],
    order: int,
) -> None:
    """The rows arrive in small chunks, those of the runs in any order, some of them twice; then all are judged."""
    generator = random.Random(order)
    text = HYPER.format(goal=goal, rule=json.dumps({"type": "hyperband", **rule}))
    with services.store.write() as tables:
        sweep, _ = made(tables, text)
        keys = [tables.runs.add(1, f"r{n}", display_name="r", state="running", sweep_id=sweep) for n in range(9)]
    chunks = [(n, start) for n, history in enumerate(histories) for start in range(0, len(history), 3)]
    generator.shuffle(chunks)
    chunks.sort(key=lambda chunk: chunk[1])
    with services.store.write() as tables:
        for n, start in chunks:
            rows = [json.dumps({"loss": value, "_step": start}) for value in histories[n][start : start + 3]]
            for _ in range(generator.choice((1, 2))):
                tables.lines.put(keys[n], lines.HISTORY, start, rows)
                run = tables.runs.by_id(keys[n])
                assert run is not None
                watch.rows_came(tables, run, start, None)
        for n in range(0, 9, 4):
            tables.runs.set(keys[n], state="finished")
        stopped = [n for n in range(9) if watch.judge(tables, tables.runs.by_id(keys[n]))]  # type: ignore[arg-type]
    assert stopped == expected


def test_a_run_that_is_behind_is_told_to_stop_by_both_ways(
    ask: Any, make_sweep: Any, make_agent: Any, beat: Any, make_run: Any, stream: Any
) -> None:
    sweep = make_sweep(text=HYPER.format(goal="minimize", rule="{type: hyperband, min_iter: 2, eta: 2}"))
    agents = [make_agent(sweep["name"]) for _ in range(2)]
    names = [beat(agent)[0]["run_id"] for agent in agents]
    for name in names:
        make_run(name)

    def log(name: str, offset: int, *values: float) -> bool:
        rows = [json.dumps({"loss": value}) for value in values]
        return bool(
            stream(name, {"files": {"wandb-history.jsonl": {"offset": offset, "content": rows}}})["stopped"]
        )

    assert log(names[0], 0, 1.0) is False
    assert log(names[1], 0, 0.1, 0.1) is False
    assert beat(agents[0], names[0]) == []
    assert log(names[0], 1, 1.0) is False  # one in two of two goes on: the second is still among them
    assert log(names[1], 2, 0.1, 0.1) is False
    third = make_agent(sweep["name"])
    [run] = beat(third)
    make_run(run["run_id"])
    assert log(run["run_id"], 0, 0.5, 0.5) is False
    assert beat(agents[0], names[0]) == [{"type": "stop", "run_id": names[0]}]
    assert stream(names[0])["stopped"] is True
    stream(names[0], {"complete": True, "exitcode": 255})
    query = 'query Q($n: String) { project(name: "p") { run(name: $n) { state } } }'
    assert ask(query, n=names[0])["project"]["run"]["state"] == "killed"
    assert beat(agents[1], names[1]) == []


def test_a_claim_of_a_random_point_costs_the_same_at_any_length(services: Services) -> None:
    """SQLite's own count of steps, which is the same on every machine."""
    with services.store.write() as tables:
        sweep, _ = made(tables, "method: random\nparameters: {x: {min: 0.0, max: 1.0}}")
        db = tables.points._db
        steps = []
        for size in (10, 5_000):
            for index in range(tables.points.drawn(sweep), size):
                tables.points.append(sweep, index, "{}", "[0]")
                db.execute("UPDATE points SET state = 'ended' WHERE sweep_id = ? AND idx = ?", (sweep, index))
            ticks = itertools.count()
            db.set_progress_handler(lambda ticks=ticks: next(ticks) < 0, 10)  # type: ignore[misc]
            assert tables.points.drawn(sweep) == size
            assert tables.points.next_pending(sweep) is None
            assert tables.sweeps.finish_if_done(sweep) is False
            db.set_progress_handler(None, 0)
            steps.append(next(ticks))
    assert steps[1] <= steps[0] + 2


def test_pages_of_a_sweep_without_an_end(
    client: Any, headers: Any, make_sweep: Any, make_agent: Any, beat: Any
) -> None:
    sweep = make_sweep(text="method: random\nparameters: {x: {min: 0.0, max: 1.0}}")
    capped = make_sweep(text=RANDOM.format(cap=5))
    for name in (sweep["name"], capped["name"]):
        beat(make_agent(name))
    assert "random search, no end" in client.get(f"/local/p/sweeps/{sweep['name']}", headers=headers).text
    assert "random search, 4 to draw" in client.get(f"/local/p/sweeps/{capped['name']}", headers=headers).text
    project = client.get("/local/p", headers=headers).text
    assert ">no end<" in project
    assert ">-1<" not in project
