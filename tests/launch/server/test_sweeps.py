"""Sweeps: every point once, leases, stop and cancel, and what an agent is told."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from launch.server import dispatch, lifecycle
from launch.server.limits import ServeOptions
from launch.server.request import Services
from launch.server.storage import Tables

OPTIONS = ServeOptions(lease_seconds=60.0, grace_seconds=15.0)


def grid_of(tables: Tables, size: int) -> int:
    project, _ = tables.projects.make("p")
    sweep = tables.sweeps.add(project["id"], "s", "text", method="grid", size=size)
    tables.points.add(sweep, (json.dumps({"x": index}) for index in range(size)))
    return sweep


def begin(services: Services, name: str, now: float) -> None:
    with services.store.write() as tables:
        run = tables.runs.by_name(1, name)
        assert run is not None
        lifecycle.begin(tables, run, now, OPTIONS)


def end(services: Services, name: str, code: int = 0) -> None:
    with services.store.write() as tables:
        run = tables.runs.by_name(1, name)
        assert run is not None
        lifecycle.end(tables, run, code, time.time())


def call(services: Services, agent: int, *running: str, now: float | None = None) -> list[dict[str, Any]]:
    with services.store.write() as tables:
        moment = time.time() if now is None else now
        told = tables.agents.with_sweep(agent)
        assert told is not None
        return dispatch.heartbeat(tables, told, dict.fromkeys(running, True), moment, OPTIONS)


@pytest.fixture
def sweep(services: Services) -> tuple[int, int]:
    """A sweep of two points and an agent."""
    with services.store.write() as tables:
        key = grid_of(tables, 2)
        return key, tables.agents.add(key, "host")


def state_of(services: Services, name: str) -> str:
    with services.store.read() as tables:
        run = tables.runs.by_name(1, name)
        assert run is not None
        return str(run["state"])


def counts(services: Services, sweep: int) -> tuple[int, int, int]:
    with services.store.read() as tables:
        found = tables.points.counts(sweep)
        return found["pending"], found["claimed"], found["ended"]


def test_eight_threads_claim_each_point_once(services: Services) -> None:
    size, workers = 2_000, 8
    with services.store.write() as tables:
        key = grid_of(tables, size)
        agents = [tables.agents.add(key, "host") for _ in range(workers)]
    claimed: list[list[int]] = [[] for _ in agents]

    def work(index: int) -> None:
        while True:
            with services.store.write() as tables:
                command = dispatch.claim(tables, key, agents[index], time.time(), OPTIONS)
            if command is None:
                return
            claimed[index].append(command["args"]["x"]["value"])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(value for part in claimed for value in part) == list(range(size))


def test_a_claim_does_not_slow_down_with_the_grid(services: Services) -> None:
    """SQLite's own count of steps, which is the same on every machine."""
    with services.store.write() as tables:
        key = grid_of(tables, 5_000)
        steps: list[int] = []
        for _ in range(4_000):
            ticks = [0]
            db = tables.points._db
            db.set_progress_handler(lambda: ticks.__setitem__(0, ticks[0] + 1), 10)  # noqa: B023 (used at once)
            row = tables.points.next_pending(key)
            db.set_progress_handler(None, 0)
            assert row is not None
            steps.append(ticks[0])
            run = tables.runs.add(1, f"r{row['idx']}", display_name="r", state="pending")
            tables.points.claim(key, row["idx"], run, None, 1.0)
    assert max(steps) <= 5


def test_an_agent_gets_one_run_at_a_time_and_exit_at_the_end(services: Services, sweep: tuple[int, int]) -> None:
    key, agent = sweep
    [first] = call(services, agent)
    assert first["type"] == "run"
    assert first["args"] == {"x": {"value": 0}}
    assert call(services, agent, first["run_id"]) == []
    end(services, first["run_id"])
    [second] = call(services, agent)
    assert second["args"] == {"x": {"value": 1}}
    end(services, second["run_id"], 1)
    assert state_of(services, second["run_id"]) == "failed"
    assert call(services, agent) == [{"type": "exit"}]
    assert counts(services, key) == (0, 0, 2)


def test_agents_wait_while_others_hold_the_last_points(services: Services, sweep: tuple[int, int]) -> None:
    key, first = sweep
    with services.store.write() as tables:
        second, third = tables.agents.add(key, "b"), tables.agents.add(key, "c")
    call(services, first)
    call(services, second)
    assert call(services, third) == []


def test_a_lost_run_frees_its_point_once(services: Services, sweep: tuple[int, int]) -> None:
    key, agent = sweep
    now = time.time()
    [lost] = call(services, agent, now=now)
    begin(services, lost["run_id"], now)
    with services.store.write() as tables:
        other = tables.agents.add(key, "b")
    [next_one] = call(services, other, now=now + 59)
    assert next_one["args"] == {"x": {"value": 1}}
    with services.store.write() as tables:
        third = tables.agents.add(key, "c")
    assert call(services, other, next_one["run_id"], now=now + 61) == []
    [again] = call(services, third, now=now + 61)
    assert again["args"] == lost["args"]
    assert again["run_id"] != lost["run_id"]
    assert state_of(services, lost["run_id"]) == "crashed"


def test_a_zombie_does_not_end_the_point_of_another_run(services: Services, sweep: tuple[int, int]) -> None:
    key, agent = sweep
    now = time.time()
    [zombie] = call(services, agent, now=now)
    begin(services, zombie["run_id"], now)
    [heir] = call(services, agent, now=now + 61)
    assert heir["args"] == zombie["args"]
    with services.store.write() as tables:
        run = tables.runs.by_name(1, zombie["run_id"])
        assert run is not None
        lifecycle.alive(tables, run, now + 62, OPTIONS)
        assert lifecycle.should_stop(tables, run)
    assert state_of(services, zombie["run_id"]) == "crashed"
    end(services, zombie["run_id"])
    assert state_of(services, zombie["run_id"]) == "finished"
    assert counts(services, key) == (1, 1, 0)
    end(services, heir["run_id"])
    assert counts(services, key) == (1, 0, 1)


def test_a_crashed_run_that_completes_ends_its_unclaimed_point(services: Services, sweep: tuple[int, int]) -> None:
    key, agent = sweep
    now = time.time()
    [late] = call(services, agent, now=now)
    begin(services, late["run_id"], now)
    with services.store.write() as tables:
        assert lifecycle.expire(tables, now + 61, OPTIONS) == 1
    assert counts(services, key) == (2, 0, 0)
    end(services, late["run_id"])
    assert counts(services, key) == (1, 0, 1)
    end(services, late["run_id"], 1)
    assert state_of(services, late["run_id"]) == "finished"


def test_a_sign_of_life_takes_a_freed_point_back(services: Services, sweep: tuple[int, int]) -> None:
    key, agent = sweep
    now = time.time()
    [run] = call(services, agent, now=now)
    begin(services, run["run_id"], now)
    with services.store.write() as tables:
        lifecycle.expire(tables, now + 61, OPTIONS)
        row = tables.runs.by_name(1, run["run_id"])
        assert row is not None
        lifecycle.alive(tables, row, now + 62, OPTIONS)
    assert state_of(services, run["run_id"]) == "running"
    assert counts(services, key) == (1, 1, 0)


def test_heartbeats_of_the_agent_keep_a_silent_run(services: Services, sweep: tuple[int, int]) -> None:
    _, agent = sweep
    now = time.time()
    [run] = call(services, agent, now=now)
    begin(services, run["run_id"], now)
    for later in (50, 100, 150):
        assert call(services, agent, run["run_id"], now=now + later) == []
    assert state_of(services, run["run_id"]) == "running"


def test_a_run_that_its_agent_no_longer_lists_has_a_grace_period(
    services: Services, sweep: tuple[int, int]
) -> None:
    _, agent = sweep
    now = time.time()
    [gone] = call(services, agent, now=now)
    begin(services, gone["run_id"], now)
    [following] = call(services, agent, now=now + 5)
    assert following["args"] == {"x": {"value": 1}}
    assert state_of(services, gone["run_id"]) == "running"
    call(services, agent, following["run_id"], now=now + 10)
    call(services, agent, following["run_id"], now=now + 21)
    assert state_of(services, gone["run_id"]) == "crashed"


def test_a_command_that_was_lost_on_its_way_is_told_again(services: Services, sweep: tuple[int, int]) -> None:
    key, agent = sweep
    [lost] = call(services, agent)
    [again] = call(services, agent)
    assert again == lost
    with services.store.write() as tables:
        other = tables.agents.add(key, "b")
    [second] = call(services, other)
    assert second["args"] != lost["args"]
    begin(services, lost["run_id"], time.time())
    end(services, lost["run_id"])
    begin(services, second["run_id"], time.time())
    end(services, second["run_id"])
    assert counts(services, key) == (0, 0, 2)
    with services.store.read() as tables:
        assert tables.runs.states(key) == {"finished": 2}


def test_a_run_that_never_starts_is_not_told_for_ever(services: Services, sweep: tuple[int, int]) -> None:
    _, agent = sweep
    told = [call(services, agent)[0] for _ in range(OPTIONS.attempts)]
    assert len({command["run_id"] for command in told}) == 1
    [following] = call(services, agent)
    assert following["args"] != told[0]["args"]


def test_a_preempted_run_is_handed_on_as_the_same_run(services: Services, sweep: tuple[int, int]) -> None:
    key, agent = sweep
    [run] = call(services, agent)
    begin(services, run["run_id"], time.time())
    with services.store.write() as tables:
        row = tables.runs.by_name(1, run["run_id"])
        assert row is not None
        tables.runs.set(row["id"], preempting=1)
    end(services, run["run_id"], 143)
    assert state_of(services, run["run_id"]) == "preempted"
    [again] = call(services, agent)
    assert (again["type"], again["run_id"], again["args"]) == ("resume", run["run_id"], run["args"])
    begin(services, run["run_id"], time.time())
    end(services, run["run_id"])
    assert counts(services, key) == (1, 0, 1)


def test_two_sweeps_do_not_share_points(services: Services) -> None:
    with services.store.write() as tables:
        first = grid_of(tables, 1)
        project, _ = tables.projects.make("q")
        second = tables.sweeps.add(project["id"], "t", "text", method="grid", size=0)
        assert dispatch.claim(tables, second, None, 0.0, OPTIONS) is None
        assert dispatch.claim(tables, first, None, 0.0, OPTIONS) is not None


STATE = (
    """mutation S($id: ID, $state: String) { upsertSweep(input: {id: $id, state: $state}) { sweep { name } } }"""
)


def test_stop_pause_resume_and_cancel(
    ask: Any, make_sweep: Any, make_agent: Any, beat: Any, make_run: Any, stream: Any
) -> None:
    sweep = make_sweep("1, 2, 3, 4")
    agent = make_agent(sweep["name"])
    ask(STATE, id=sweep["id"], state="PAUSED")
    assert beat(agent) == []
    ask(STATE, id=sweep["id"], state="RUNNING")
    [run] = beat(agent)
    make_run(run["run_id"])
    ask(STATE, id=sweep["id"], state="FINISHED")
    assert beat(agent, run["run_id"]) == []
    assert stream(run["run_id"])["stopped"] is False
    stream(run["run_id"], {"complete": True, "exitcode": 0})
    assert beat(agent) == [{"type": "exit"}]
    ask(STATE, id=sweep["id"], state="RUNNING")
    [run] = beat(agent)
    make_run(run["run_id"])
    ask(STATE, id=sweep["id"], state="CANCELED")
    assert beat(agent, run["run_id"]) == [{"type": "stop", "run_id": run["run_id"]}]
    assert stream(run["run_id"])["stopped"] is True
    stream(run["run_id"], {"complete": True, "exitcode": 255})
    assert beat(agent) == [{"type": "exit"}]
    state = ask('query Q($n: String) { project(name: "p") { run(name: $n) { state stopped } } }', n=run["run_id"])
    assert state["project"]["run"] == {"state": "killed", "stopped": True}
    assert "cannot be 'SLEEPING'" in ask(STATE, 400, id=sweep["id"], state="SLEEPING")


def test_a_sweep_finishes_when_all_its_points_have_ended(
    ask: Any, make_sweep: Any, make_agent: Any, beat: Any, make_run: Any, stream: Any
) -> None:
    sweep = make_sweep("1")
    agent = make_agent(sweep["name"])
    [run] = beat(agent)
    assert make_run(run["run_id"])["inserted"] is True
    assert make_run(run["run_id"])["inserted"] is False
    stream(run["run_id"], {"complete": True, "exitcode": 3})
    query = """query Q($s: String!) { project(name: "p") { sweep(sweepName: $s) {
        state runCount runCountExpected runs { edges { node { state exitcode } } } } } }"""
    assert ask(query, s=sweep["name"])["project"]["sweep"] == {
        "state": "FINISHED",
        "runCount": 1,
        "runCountExpected": 1,
        "runs": {"edges": [{"node": {"state": "failed", "exitcode": 3}}]},
    }


def test_values_arrive_as_they_were_written(make_sweep: Any, make_agent: Any, beat: Any, ask: Any) -> None:
    text = """
method: grid
parameters:
  b: {values: [{ridge: 0.0, n: 1, flag: true, none: null, e: 1.0e-3, text: "16"}]}
  c: {value: 1.0}
  nested: {parameters: {inner: {values: [2]}}}
"""
    agent = make_agent(make_sweep(text=text)["name"])
    [run] = beat(agent)
    values = {name: item["value"] for name, item in run["args"].items()}
    assert json.dumps(values, sort_keys=True) == json.dumps(
        {
            "b": {"ridge": 0.0, "n": 1, "flag": True, "none": None, "e": 0.001, "text": "16"},
            "c": 1.0,
            "nested": {"inner": 2},
        },
        sort_keys=True,
    )


MAKE = 'mutation S($c: String) { upsertSweep(input: {config: $c, projectName: "p"}) { sweep { id } } }'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method: bayes\nparameters: {x: {min: 0.0, max: 1.0}}", "metric: is missing; bayes needs"),
        ("method: random\nparameters: {x: {min: 2, max: 1}}", "parameters.x.min: is 2"),
        ("method: grid\nparameters: {x: {min: 0.0, max: 1}}", "parameters.x.min: is 0.0"),
        ("method: grid\nrun_cap: 0\nparameters: {x: {value: 1}}", "run_cap: is 0"),
        ("method: grid\nparametres: {x: {values: [1]}}", "parametres"),
        ("not: [closed", "YAML"),
        (None, "definition"),
        (
            "method: grid\nparameters: {"
            + ", ".join(f"p{i}: {{values: {list(range(200))}}}" for i in range(4))
            + "}",
            "at most",
        ),
    ],
)
def test_definitions_that_are_refused(ask: Any, text: str | None, message: str) -> None:
    assert message in ask(MAKE, 400, c=text)
    assert ask("{ models { edges { node { name } } } }")["models"]["edges"] == []


def test_prior_runs_are_a_filter(ask: Any) -> None:
    query = """mutation S($c: String, $f: JSONString) {
        upsertSweep(input: {config: $c, projectName: "p", priorRunsFilters: $f}) {
            sweep { priorRuns { edges { node { name } } } } } }"""
    text = "method: grid\nparameters: {x: {value: 1}}"
    assert ask(query, c=text, f='{"name": "a"}')["upsertSweep"]["sweep"] == {"priorRuns": {"edges": []}}
    assert "not JSON" in ask(query, 400, c=text, f="{")
    assert "$almost" in ask(query, 400, c=text, f='{"name": {"$almost": "a"}}')


def test_the_points_of_a_sweep_cannot_change(ask: Any, make_sweep: Any) -> None:
    sweep = make_sweep("1, 2")
    query = "mutation S($id: ID, $c: String) { upsertSweep(input: {id: $id, config: $c}) { sweep { id } } }"
    ask(query, id=sweep["id"], c="method: grid\nparameters:\n  x: {values: [1, 2]}\nname: other layout\n")
    assert "cannot change" in ask(query, 400, id=sweep["id"], c="method: grid\nparameters: {x: {values: [9]}}")


def test_unknown_agents_and_sweeps_are_404(ask: Any, beat: Callable[..., Any]) -> None:
    beat("QWdlbnQ6OTk=", status=404)
    query = 'mutation { createAgent(input: {host: "h", sweep: "gone", projectName: "p"}) { agent { id } } }'
    assert "no sweep" in ask(query, 404)


def test_a_deleted_run_gives_its_point_back(
    ask: Any, make_sweep: Any, make_agent: Any, beat: Any, make_run: Any, stream: Any
) -> None:
    sweep = make_sweep("1")
    agent = make_agent(sweep["name"])
    [run] = beat(agent)
    made = make_run(run["run_id"])
    stream(run["run_id"], {"complete": True, "exitcode": 1})
    ask("mutation D($id: ID!) { deleteRun(input: {id: $id}) { clientMutationId } }", id=made["bucket"]["id"])
    ask(STATE, id=sweep["id"], state="RUNNING")
    [again] = beat(agent)
    assert again["args"] == run["args"]


def test_a_request_to_stop_holds_for_a_run_that_starts_after_it(
    ask: Any, make_sweep: Any, make_agent: Any, beat: Any, make_run: Any, stream: Any, services: Services
) -> None:
    sweep = make_sweep("1, 2")
    agent = make_agent(sweep["name"])
    [run] = beat(agent)
    ask(STATE, id=sweep["id"], state="CANCELED")
    make_run(run["run_id"])
    assert stream(run["run_id"])["stopped"] is True
    assert beat(agent, run["run_id"]) == [{"type": "stop", "run_id": run["run_id"]}]
    with services.store.write() as tables:
        lifecycle.expire(tables, time.time() + 61, OPTIONS)
    assert state_of(services, run["run_id"]) == "killed"


def test_a_point_that_kills_every_run_ends_after_a_few(services: Services, sweep: tuple[int, int]) -> None:
    key, agent = sweep
    now = time.time()
    for attempt in range(OPTIONS.attempts):
        (command,) = call(services, agent, now=now)
        begin(services, command["run_id"], now)
        assert command["args"] == {"x": {"value": 0}}, attempt
        now += OPTIONS.lease_seconds + 1
        with services.store.write() as tables:
            lifecycle.expire(tables, now, OPTIONS)
    assert state_of(services, command["run_id"]) == "crashed"
    (other,) = call(services, agent, now=now)
    assert other["args"] == {"x": {"value": 1}}
    assert counts(services, key) == (0, 1, 1)


def test_what_nothing_follows_is_a_warning_of_the_sweep(ask: Callable[..., Any]) -> None:
    query = """mutation S($config: String, $id: ID, $state: String) {
        upsertSweep(input: {config: $config, projectName: "p", id: $id, state: $state}) {
        sweep { id config } configValidationWarnings } }"""
    text = "method: grid\nx-base: &b [1, 2]\nparameters: {a: {values: *b}}\n"
    made = ask(query, config=text)["upsertSweep"]
    assert made["configValidationWarnings"] == ["x-base: unknown key, which plays no part"]
    assert made["sweep"]["config"] == text
    again = ask(query, id=made["sweep"]["id"], state="PAUSED")["upsertSweep"]
    assert again["configValidationWarnings"] == []
