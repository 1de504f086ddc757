"""Quotas: who keeps how much, and what is refused beyond it."""

import json
from typing import Any

import pytest

from launch.server import quotas
from launch.server.limits import ServeOptions
from launch.server.quotas import parsed, told
from launch.server.request import Services
from launch.server.resolvers.run_changes import MUCH
from tests.launch.server.asgi import Client
from tests.launch.server.conftest import GRID, UPSERT
from tests.launch.server.marked import (
    BASE,
    COMMIT,
    address_of,
    announced,
    b64,
    begin_version,
    make_project,
    person,
    put,
)
from tests.launch.server.people import Person, begin_agent, begin_sweep
from tests.launch.server.test_users import share

CREATE = """mutation F($n: String!) { createRunFiles(input: {projectName: "p", runName: "r", files: [$n]}) {
    files { uploadUrl } } }"""


@pytest.fixture
def options() -> ServeOptions:
    return ServeOptions(lab=True)


@pytest.fixture
def north(services: Services, client: Client, monkeypatch: pytest.MonkeyPatch) -> Person:
    monkeypatch.setattr(quotas, "SECONDS", 0.0)
    return person(services, client, "north")


def limit(services: Services, *, runs: int | None = None, size: int | None = None) -> None:
    with services.store.write() as tables:
        user = tables.users.by_name("north")
        assert user is not None
        tables.usage.limit(user["id"], runs=runs, size=size)


def used(services: Services, name: str) -> Any:
    with services.store.read() as tables:
        return next(row for row in tables.usage.listed() if row["name"] == name)


TEXTS = {
    "runs": (
        "display_name", "config", "summary", "system_metrics", "tags", "notes", "description", "group_name",
        "job_type", "commit_hash", "host", "program", "repo",
    ),
    "sweeps": ("config", "display_name", "description", "prior_runs"),
    "artifacts": (
        "digest", "tags", "pending_aliases", "description", "metadata", "client_id", "sequence_client_id",
        "distributed_id",
    ),
}  # fmt: skip
OWNED = {
    "runs": "project_id IN (SELECT id FROM projects WHERE user_id = ?)",
    "sweeps": "project_id IN (SELECT id FROM projects WHERE user_id = ?)",
    "artifacts": "collection_id IN (SELECT collections.id FROM collections JOIN projects"
    " ON projects.id = project_id WHERE user_id = ?)",
}


def texts_of(services: Services, name: str) -> int:
    """The lengths of all texts of a user, one by one."""
    total = 0
    with services.store.read() as tables:
        user = tables.users.by_name(name)
        assert user is not None
        for table, columns in TEXTS.items():
            for row in tables.runs._db.execute(f"SELECT * FROM {table} WHERE {OWNED[table]}", (user["id"],)):
                total += sum(len(row[column] or "") for column in columns)
        for row in tables.runs._db.execute(
            f"SELECT args FROM points WHERE sweep_id IN (SELECT id FROM sweeps WHERE {OWNED['sweeps']})",
            (user["id"],),
        ):
            total += len(row["args"])
    return total


def test_what_each_user_keeps_is_summed(services: Services, north: Person) -> None:
    assert tuple(used(services, "north"))[2:] == (0, 0, 0, 0, 0, 0, None, None)
    make_project(north, "north", "p", "markNorth")
    south = person(services, north.client, "south")
    make_project(south, "south", "p", "markSouth")
    row = used(services, "north")
    history = len('{"_step": 0, "key_markNorth": "markNorth"}')
    assert row["runs"] == 2  # one of the sweep
    assert row["rows"] == 2 * history + len("said markNorth")
    assert row["files"] == len("file markNorth")
    manifests = [
        len(json.dumps({"contents": {f"{mark}.txt": {"digest": b64(body), "size": len(body)}}, "mark": mark}))
        for mark, body in (("markNorthv0", b"bytes markNorthv0"), ("markNorthv1", b"bytes markNorthv1"))
    ]
    assert row["artifacts"] == len("bytes markNorthv0") + len("bytes markNorthv1") + sum(manifests)
    assert row["texts"] == texts_of(services, "north")
    assert row["bytes"] == row["rows"] + row["texts"] + row["files"] + row["artifacts"]


def test_rows_that_are_sent_twice_count_once_and_a_run_that_starts_over_counts_anew(
    services: Services, ask: Any, make_run: Any, stream: Any
) -> None:
    make_run("r")
    rows = {"files": {"wandb-history.jsonl": {"offset": 0, "content": ['{"_step":0}', '{"_step":1}']}}}
    for _ in range(3):
        stream("r", rows)
    assert used(services, "local")["rows"] == 22
    anew = """mutation { upsertBucket(input: {modelName: "p", name: "r", config: "{}", host: "h", state: null})
        { inserted } }"""
    ask(anew)
    assert used(services, "local")["rows"] == 0


def test_a_run_too_many_is_refused(services: Services, north: Person) -> None:
    north.ask(UPSERT, name="one")
    limit(services, runs=2)
    north.ask(UPSERT, name="two")
    reply = north.send(UPSERT, name="three")
    assert reply.status_code == 403
    assert reply.json()["error"].startswith("north keeps 2 runs, and the quota is 2: delete some")
    north.ask(UPSERT, name="two")  # what is there goes on
    run = north.ask('{ project(name: "p") { run(name: "one") { id } } }')["project"]["run"]["id"]
    north.ask("mutation D($r: ID!) { deleteRun(input: {id: $r}) { success } }", r=run)
    north.ask(UPSERT, name="three")


def test_a_sweep_hands_out_no_run_too_many(services: Services, north: Person) -> None:
    sweep = begin_sweep(north)["name"]
    agents = [begin_agent(north, sweep) for _ in range(2)]
    limit(services, runs=1)
    beat = "mutation H($a: ID!, $r: JSONString) { agentHeartbeat(input: {id: $a, runState: $r}) { commands } }"
    told = north.ask(beat, a=agents[0], r="{}")["agentHeartbeat"]["commands"]
    assert "run_id" in told
    assert "the quota is 1" in north.send(beat, a=agents[1], r="{}").json()["error"]
    running = f'{{"{told.split(chr(34) + "run_id" + chr(34) + ":" + chr(34))[1][:8]}": true}}'
    assert north.ask(beat, a=agents[0], r=running)["agentHeartbeat"]["commands"] == "[]"


def test_bytes_too_many_are_refused_at_every_door_and_rows_go_on(services: Services, north: Person) -> None:
    north.ask(UPSERT, name="r")
    address = north.ask(CREATE, n="a")["createRunFiles"]["files"][0]["uploadUrl"]
    version = begin_version(north, "p", "set", "m")
    file = address_of(north, version, "x", b"y" * 60)
    assert file is not None
    begun = used(services, "north")["bytes"]
    limit(services, size=begun + 100)
    quota = f"the quota is {begun + 100} B"
    size = {"content-length": "101"}
    reply = north.client.put(address.removeprefix(BASE), content=b"x" * 101, headers=size)
    assert reply.status_code == 403
    assert f"north keeps {begun} B, and 101 B are to come; {quota}" in reply.json()["error"]
    unknown = north.client.put(address.removeprefix(BASE), content=[b"x" * 10, b"x" * 10])
    assert unknown.status_code == 411
    assert put(north, address, b"x" * 60) == 200
    size = {"content-length": "60"}
    assert north.client.put(file.removeprefix(BASE), content=b"y" * 60, headers=size).status_code == 403
    rows = {"files": {"wandb-history.jsonl": {"offset": 0, "content": ['{"_step": 0, "x": "' + "z" * 80 + '"}']}}}
    for _ in range(2):  # also over the quota
        stream = north.client.post("/files/north/p/r/file_stream", json=rows, headers=north.headers)
        assert stream.status_code == 200
        rows["files"]["wandb-history.jsonl"]["offset"] = 1
    for query, given in (
        (CREATE, {"n": "b"}),
        (UPSERT, {"name": "another"}),
        ('mutation S($c: String) { upsertSweep(input: {projectName: "p", config: $c}) { sweep { name } } }',
         {"c": GRID.format(values="1")}),
        ('mutation { createArtifact(input: {projectName: "p", artifactTypeName: "t", digest: "d",'
         ' artifactCollectionNames: ["set"]}) { artifact { id } } }', {}),
        ('mutation F($a: ID!) { createArtifactFiles(input: {artifactFiles: [{artifactID: $a, name: "x",'
         ' md5: "AAAAAAAAAAAAAAAAAAAAAA=="}]}) { files { edges { node { name } } } } }', {"a": version}),
    ):  # fmt: skip
        reply = north.send(query, **given)
        assert reply.status_code == 403, query
        assert quota in reply.json()["error"]


def test_who_writes_into_anothers_project_uses_the_others_quota(services: Services, north: Person) -> None:
    north.ask(UPSERT, name="r")
    south = person(services, north.client, "south")
    share(services, "p", "north", "south", "write")
    limit(services, runs=1)
    made = 'mutation { upsertBucket(input: {entityName: "north", modelName: "p", name: "s"}) { inserted } }'
    assert "north keeps 1 runs" in south.send(made).json()["error"]
    south.ask(UPSERT, name="own")


@pytest.mark.parametrize(
    ("text", "size"),
    [("50GB", 50 * 10**9), ("1.5 TB", 1_500_000_000_000), ("10", 10), ("3kb", 3000), ("7 B", 7), ("none", None)],
)
def test_bytes_as_people_write_them(text: str, size: int | None) -> None:
    assert parsed(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "much", "1e30", "nan", "5 apples"])
def test_what_is_no_number_of_bytes(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parsed(text)


def test_bytes_as_people_read_them() -> None:
    assert [told(size) for size in (0, 999, 1500, 2_500_000, 7.2e9, 3e12)] == [
        "0 B", "999 B", "1.5 kB", "2.5 MB", "7.2 GB", "3.0 TB",
    ]  # fmt: skip


def test_what_is_sent_for_a_version_counts_before_it_is_committed(services: Services, north: Person) -> None:
    version = begin_version(north, "p", "set", "m")
    url = address_of(north, version, "x", b"y" * 60)
    assert url is not None
    assert put(north, url, b"y" * 60) == 200
    assert used(services, "north")["artifacts"] == 60
    limit(services, size=used(services, "north")["bytes"] + 40)
    second = address_of(north, version, "z", b"z" * 60)
    assert second is not None
    assert put(north, second, b"z" * 60) == 403


@pytest.mark.parametrize("size", [2**62, 10**30, -1, True])
def test_sizes_that_nothing_has_are_refused(services: Services, north: Person, size: int) -> None:
    version = begin_version(north, "p", "set", "m")
    manifest = json.dumps({"contents": {"x": {"ref": "s3://b/x", "digest": "e", "size": size}}}).encode()
    assert put(north, announced(north, version, manifest), manifest) == 200
    before = used(services, "north")["bytes"]
    assert north.send(COMMIT, a=version).status_code == 422
    assert used(services, "north")["bytes"] == before < 500


def test_sizes_that_add_up_to_more_than_an_integer_are_told(services: Services, north: Person) -> None:
    with services.store.write() as tables:
        user = tables.users.by_name("north")
        assert user is not None
        project, _ = tables.projects.make("p", user["id"])
        collection = tables.collections.make(project["id"], "t", "set")
        assert collection is not None
        for number in range(5):
            tables.artifacts.add(collection["id"], str(number), state="COMMITTED", kept=2**62)
    row = used(services, "north")
    assert (row["artifacts"], row["bytes"]) == (2**63 - 1, pytest.approx(2**63))


def test_every_quota_that_is_reached_is_told(services: Services, north: Person) -> None:
    north.ask(UPSERT, name="one")
    limit(services, runs=1, size=3)
    error = north.send(UPSERT, name="two").json()["error"]
    assert "north keeps 1 runs, and the quota is 1; north keeps" in error
    assert "; the quota is 3 B: delete some" in error


def test_references_count_nothing_that_is_not_here(services: Services, north: Person) -> None:
    version = begin_version(north, "p", "set", "m")
    manifest = json.dumps(
        {"contents": {f"x{n}": {"ref": f"s3://b/{n}", "digest": "e", "size": 2**38} for n in range(9)}}
    )
    assert put(north, announced(north, version, manifest.encode()), manifest.encode()) == 200
    north.ask(COMMIT, a=version)
    assert used(services, "north")["artifacts"] == len(manifest)


def test_a_fork_counts_what_it_inherits_and_a_run_that_is_taken_back_counts_less(
    services: Services, ask: Any, make_run: Any, stream: Any
) -> None:
    make_run("r")
    content = [json.dumps({"_step": step}) for step in range(4)]
    stream("r", {"files": {"wandb-history.jsonl": {"offset": 0, "content": content}}})
    assert used(services, "local")["rows"] == 4 * 12
    config = json.dumps({"_wandb": {"value": {"branch_point": {"run_id": "r", "step": 1}}}})
    ask(
        'mutation F($c: JSONString) { upsertBucket(input: {modelName: "p", name: "f", config: $c}) { inserted } }',
        c=config,
    )
    assert used(services, "local")["rows"] == 6 * 12
    ask("""mutation { rewindRun(input: {projectName: "p", runName: "r", metricName: "_step", metricValue: 0.0}) {
        rewoundRun { id } } }""")
    assert used(services, "local")["rows"] == 3 * 12


MAKE = 'mutation S($c: String) { upsertSweep(input: {projectName: "p", config: $c}) { sweep { id } } }'


def test_a_sweep_counts_before_it_is_made_and_can_be_deleted(services: Services, north: Person) -> None:
    grid = f"method: grid\nparameters: {{x: {{values: {[*range(300)]}}}, text: {{value: {'y' * 1000}}}}}"
    limit(services, size=100_000)
    reply = north.send(MAKE, c=grid)
    assert reply.status_code == 403
    assert "are to come; the quota is 100.0 kB" in reply.json()["error"]
    assert used(services, "north")["texts"] == 0
    limit(services, size=400_000)
    made = north.ask(MAKE, c=grid)["upsertSweep"]["sweep"]["id"]
    assert used(services, "north")["texts"] == texts_of(services, "north") > 300_000
    assert north.refused(MAKE, c=grid) == 403
    drop = "mutation D($s: ID!) { deleteSweep(input: {id: $s}) { success } }"
    assert north.ask(drop, s=made)["deleteSweep"]["success"] is True
    assert used(services, "north")["texts"] == texts_of(services, "north") < 1000
    assert north.refused(drop, s=made) == 404
    north.ask(MAKE, c=grid)


def test_a_grid_that_would_fill_the_disk_is_refused_without_a_quota_too(north: Person) -> None:
    axis = [*range(1000)]
    axes = f"{{x: {{values: {axis}}}, y: {{values: {axis}}}, text: {{value: {'z' * 5000}}}}}"
    grid = f"method: grid\nparameters: {axes}"
    reply = north.send(MAKE, c=grid)
    assert reply.status_code == 400
    assert "written out; at most 1,073,741,824 are taken" in reply.json()["error"]


def test_notes_count_before_they_are_taken(services: Services, north: Person) -> None:
    run = north.ask(UPSERT, name="r")["upsertBucket"]["bucket"]["id"]
    limit(services, size=1000)
    note = "mutation N($r: String, $t: String) { upsertBucket(input: {id: $r, notes: $t}) { inserted } }"
    assert north.refused(note, r=run, t="x" * 1001) == 403
    north.ask(note, r=run, t="x" * 500)
    config = (
        'mutation C($c: JSONString) { upsertBucket(input: {modelName: "p", name: "r", config: $c}) { inserted } }'
    )
    assert north.refused(config, c=json.dumps({"k": {"value": "x" * MUCH}})) == 403
    north.ask(config, c=json.dumps({"k": {"value": "x" * 2000}}))  # under way
    assert north.refused(note, r=run, t="x") == 403
