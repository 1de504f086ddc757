"""Quotas: who keeps how much, and what is refused beyond it."""

import json
from typing import Any

import pytest

from launch.server import quotas
from launch.server.limits import ServeOptions
from launch.server.quotas import parsed, told
from launch.server.request import Services
from tests.launch.server.asgi import Client
from tests.launch.server.conftest import GRID, UPSERT
from tests.launch.server.marked import BASE, COMMIT, address_of, b64, begin_version, make_project, person, put
from tests.launch.server.people import Person
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


def test_what_each_user_keeps_is_summed(services: Services, north: Person) -> None:
    assert tuple(used(services, "north"))[2:] == (0, 0, 0, 0, 0, None, None)
    make_project(north, "north", "p", "markNorth")
    south = person(services, north.client, "south")
    make_project(south, "south", "p", "markSouth")
    row = used(services, "north")
    history = len('{"_step": 0, "key_markNorth": "markNorth"}')
    assert row["runs"] == 2  # one of the sweep
    assert row["rows"] == 2 * history + len("said markNorth")
    assert row["files"] == len("file markNorth")
    assert row["artifacts"] == len("bytes markNorthv0") + len("bytes markNorthv1")
    assert row["bytes"] == row["rows"] + row["files"] + row["artifacts"]


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
    sweep = north.ask(
        'mutation S($c: String) { upsertSweep(input: {config: $c, projectName: "p"}) { sweep { name } } }',
        c=GRID.format(values="1, 2"),
    )["upsertSweep"]["sweep"]["name"]
    agents = [
        north.ask(
            'mutation A($s: String!) { createAgent(input: {sweep: $s, projectName: "p"}) { agent { id } } }',
            s=sweep,
        )["createAgent"]["agent"]["id"]
        for _ in range(2)
    ]
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
    limit(services, size=100)
    size = {"content-length": "101"}
    reply = north.client.put(address.removeprefix(BASE), content=b"x" * 101, headers=size)
    assert reply.status_code == 403
    assert "north keeps 0 B, and 101 B are to come; the quota is 100 B" in reply.json()["error"]
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
        ('mutation { createArtifact(input: {projectName: "p", artifactTypeName: "t", digest: "d",'
         ' artifactCollectionNames: ["set"]}) { artifact { id } } }', {}),
        ('mutation F($a: ID!) { createArtifactFiles(input: {artifactFiles: [{artifactID: $a, name: "x",'
         ' md5: "AAAAAAAAAAAAAAAAAAAAAA=="}]}) { files { edges { node { name } } } } }', {"a": version}),
    ):  # fmt: skip
        reply = north.send(query, **given)
        assert reply.status_code == 403, query
        assert "the quota is 100 B" in reply.json()["error"]


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
    limit(services, size=100)
    second = address_of(north, version, "z", b"z" * 60)
    assert second is not None
    assert put(north, second, b"z" * 60) == 403


@pytest.mark.parametrize("size", [2**62, 10**30, -1, True])
def test_sizes_that_nothing_has_are_refused(services: Services, north: Person, size: int) -> None:
    version = begin_version(north, "p", "set", "m")
    manifest = json.dumps({"contents": {"x": {"ref": "s3://b/x", "digest": "e", "size": size}}}).encode()
    announced = north.ask(
        "mutation M($a: ID!, $m: String!) { createArtifactManifest(input: {artifactID: $a, digest: $m})"
        " { artifactManifest { file { uploadUrl } } } }",
        a=version, m=b64(manifest),
    )["createArtifactManifest"]["artifactManifest"]["file"]["uploadUrl"]  # fmt: skip
    assert put(north, announced, manifest) == 200
    assert north.send(COMMIT, a=version).status_code == 422
    assert used(services, "north")["bytes"] == 0
