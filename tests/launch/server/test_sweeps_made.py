"""Sweeps that are made and deleted: many points go into the database, and out of it, some at a time."""

from typing import Any

import pytest

from launch.server import forgetting
from launch.server.errors import ApiError
from launch.server.request import Services
from launch.server.resolvers.sweep_points import AT_ONCE
from tests.launch.server.moments import at_write


@pytest.mark.parametrize("moment", [0, 1, 2, 3])
def test_a_sweep_whose_making_breaks_off_gets_no_agent_to_work(
    ask: Any, services: Services, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    def fail() -> None:
        raise ApiError("the server was killed", 503)

    count = AT_ONCE + 5
    text = f"method: grid\nparameters: {{x: {{values: {list(range(count))}}}}}"
    make = 'mutation S($c: String) { upsertSweep(input: {projectName: "p", config: $c}) { sweep { name state } } }'
    at_write(services, monkeypatch, moment, fail)
    assert "killed" in ask(make, 503, c=text)
    monkeypatch.undo()
    listed = '{ project(name: "p") { sweeps { edges { node { id name state } } } } }'
    left = ask(listed)["project"]
    assert [edge["node"]["state"] for edge in left["sweeps"]["edges"]] == ["CANCELED"] if left else moment == 0
    for edge in left["sweeps"]["edges"] if left else ():
        resume = "mutation R($s: ID!, $t: String) { upsertSweep(input: {id: $s, state: $t}) { sweep { state } } }"
        for state in ("RUNNING", "PAUSED") if moment < 3 else ():
            told = ask(resume, 409, s=edge["node"]["id"], t=state)
            assert f"of {count:,} points are stored; make it anew" in told
        drop = "mutation D($s: ID!) { deleteSweep(input: {id: $s}) { success } }"
        ask(drop, s=edge["node"]["id"])
        assert ask(listed)["project"]["sweeps"]["edges"] == []
    made = ask(make, c=text)["upsertSweep"]["sweep"]
    with services.store.read() as tables:
        project = tables.projects.by_name("p", 1)
        assert project is not None
        row = tables.sweeps.by_name(project["id"], made["name"])
        assert row is not None
        assert (row["state"], row["size"], tables.points.drawn(row["id"])) == ("RUNNING", count, count)


def test_the_runs_of_a_deleted_sweep_stay_and_stop(
    ask: Any, make_sweep: Any, make_agent: Any, beat: Any, make_run: Any, stream: Any
) -> None:
    sweep = make_sweep(text="method: grid\nparameters: {x: {values: [1, 2]}}")
    agent = make_agent(sweep["name"])
    [command] = beat(agent)
    make_run(command["run_id"])
    drop = "mutation D($s: ID!) { deleteSweep(input: {id: $s}) { success } }"
    assert ask(drop, s=sweep["id"])["deleteSweep"]["success"] is True
    assert "its sweep is not on this server" in ask(
        'mutation H($a: ID!) { agentHeartbeat(input: {id: $a, runState: "{}"}) { commands } }', 404, a=agent
    )
    assert stream(command["run_id"], {"files": {}}).get("stopped") is True
    told = ask(
        '{ project(name: "p") { sweeps { edges { node { name } } } runs { edges { node { name sweepName } } } } }'
    )
    assert told["project"]["sweeps"]["edges"] == []
    assert told["project"]["runs"]["edges"] == [{"node": {"name": command["run_id"], "sweepName": None}}]
    ask(drop, 404, s=sweep["id"])


def test_a_sweep_whose_deletion_breaks_off_is_seen_by_nobody_and_goes_at_the_next_start(
    ask: Any, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ApiError("the server was killed", 503)

    monkeypatch.setattr(forgetting, "SLICE", 3)
    text = "method: grid\nparameters: {x: {values: [1, 2, 3, 4, 5, 6, 7]}}"
    make = 'mutation S($c: String) { upsertSweep(input: {projectName: "p", config: $c}) { sweep { id name } } }'
    drop = "mutation D($s: ID!) { deleteSweep(input: {id: $s}) { success } }"
    listed = '{ project(name: "p") { sweeps { edges { node { id } } } } }'
    asked = (
        'mutation A($s: String!) { createAgent(input: {projectName: "p", sweep: $s, host: "h"}) { agent { id } } }'
    )
    moment, ended = 0, False
    while not ended:
        moment += 1
        made = ask(make, c=text)["upsertSweep"]["sweep"]
        agent = ask(asked, s=made["name"])["createAgent"]["agent"]["id"]
        at_write(services, monkeypatch, moment, fail)
        try:
            ask(drop, s=made["id"])
            ended = True
        except AssertionError:  # 503
            pass
        monkeypatch.undo()
        monkeypatch.setattr(forgetting, "SLICE", 3)
        assert ask(listed)["project"]["sweeps"]["edges"] == []
        beat = 'mutation H($a: ID!) { agentHeartbeat(input: {id: $a, runState: "{}"}) { commands } }'
        assert "its sweep is not on this server" in ask(beat, 404, a=agent)
        with services.store.read() as tables:
            assert tables.sweeps.by_name(1, made["name"]) is None
            assert (tables.sweeps.hidden() == []) == ended
            assert tables.bulk.sweeps(1, 0, None) is None
            assert tables.sweeps.count(1) == 0
        forgetting.finish(services.store)
        with services.store.read() as tables:
            for table in ("sweeps", "points", "agents"):
                assert tables.runs._db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] == 0
    assert moment > 3
