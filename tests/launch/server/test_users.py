"""Users and keys: who sees and changes what. Every door is tried with every kind of key."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launch.server.app import make_app
from launch.server.limits import ServeOptions
from launch.server.request import Services
from launch.server.search import proposals
from launch.server.storage.users import digest_of
from tests.launch.server.asgi import Client
from tests.launch.server.conftest import KEY, UPSERT
from tests.launch.server.people import Person, Things, make_things


@pytest.fixture
def options() -> ServeOptions:
    return ServeOptions(lab=True)


@pytest.fixture
def person(services: Services, client: Client) -> Callable[..., Person]:
    def make(name: str, *, read_only: bool = False) -> Person:
        key = hashlib.sha256(f"{name}{read_only}".encode()).hexdigest()[:40]
        with services.store.write() as tables:
            known = tables.users.by_name(name)
            user = known["id"] if known is not None else tables.users.add(name)
            tables.users.add_key(user, key, read_only=read_only)
        return Person(client, key)

    return make


def share(services: Services, project: str, owner: str, name: str, role: str | None) -> None:
    with services.store.write() as tables:
        users = {who: tables.users.by_name(who) for who in (owner, name)}
        found = tables.projects.by_name(project, users[owner]["id"])  # type: ignore[index]
        tables.projects.share(found["id"], users[name]["id"], role)  # type: ignore[index]


READS = {
    "project": 'query { found: project(name: "p", entityName: "north") { id } }',
    "artifact": "query Q($artifact: ID!) { found: artifact(id: $artifact) { id } }",
    "collection": "query Q($collection: ID!) { found: artifactCollection(id: $collection) { id } }",
}
CHANGES = {
    "run by name": 'mutation { upsertBucket(input: {entityName: "north", modelName: "p", name: "r1"})'
    " { inserted } }",
    "new run": 'mutation { upsertBucket(input: {entityName: "north", modelName: "p", name: "r2"}) { inserted } }',
    "run by id": 'mutation Q($run: String) { upsertBucket(input: {id: $run, notes: "x"}) { inserted } }',
    "rewind": 'mutation { rewindRun(input: {entityName: "north", projectName: "p", runName: "r1",'
    ' metricName: "_step", metricValue: 1.0}) { rewoundRun { id } } }',
    "stop run": "mutation Q($run: ID!) { stopRun(input: {id: $run}) { success } }",
    "run files": 'mutation { createRunFiles(input: {entityName: "north", projectName: "p", runName: "r1",'
    ' files: ["b"]}) { runID } }',
    "delete file": "mutation Q($file: ID!) { deleteFiles(input: {files: [$file]}) { success } }",
    "new sweep": 'mutation { upsertSweep(input: {entityName: "north", projectName: "p", config:'
    ' "method: grid\\nparameters: {x: {values: [1]}}"}) { sweep { id } } }',
    "stop sweep": 'mutation Q($sweep: ID!) { upsertSweep(input: {id: $sweep, state: "PAUSED"}) { sweep {id} } }',
    "agent": 'mutation Q($sweep_name: String!) { createAgent(input: {entityName: "north", projectName: "p",'
    " sweep: $sweep_name}) { agent { id } } }",
    "heartbeat": 'mutation Q($agent: ID!) { agentHeartbeat(input: {id: $agent, runState: "{}"}) { commands } }',
    "new artifact": 'mutation { createArtifact(input: {entityName: "north", projectName: "p", digest: "e",'
    ' artifactTypeName: "t", artifactCollectionNames: ["set"]}) { artifact { id } } }',
    "update artifact": "mutation Q($artifact: ID!) { updateArtifact(input: {artifactID: $artifact,"
    ' description: "x"}) { artifact { id } } }',
    "alias": "mutation Q($artifact: ID!) { addAliases(input: {artifactID: $artifact, aliases:"
    ' [{alias: "best", artifactCollectionName: "set", entityName: "north", projectName: "p"}]}) { success } }',
    "delete artifact": "mutation Q($artifact: ID!) { deleteArtifact(input: {artifactID: $artifact,"
    " deleteAliases: true}) { artifact { id } } }",
    "link": "mutation Q($artifact: ID!) { linkArtifact(input: {artifactID: $artifact,"
    ' artifactPortfolioName: "links", entityName: "north", projectName: "p"}) { versionIndex } }',
    "describe collection": "mutation Q($collection: ID!) { updateArtifactSequence(input:"
    ' {artifactSequenceID: $collection, description: "x"}) { artifactCollection { id } } }',
    "move collection": "mutation Q($collection: ID!) { moveArtifactSequence(input:"
    ' {artifactSequenceID: $collection, destinationArtifactTypeName: "u"}) { artifactCollection { id } } }',
    "tag collection": 'mutation { createArtifactCollectionTagAssignments(input: {entityName: "north",'
    ' projectName: "p", artifactCollectionName: "set", tags: [{tagName: "x"}]}) { tags { id } } }',
    "delete collection": "mutation Q($collection: ID!) { deleteArtifactSequence(input:"
    " {artifactSequenceID: $collection}) { artifactCollection { state } } }",
    "delete run": "mutation Q($run: ID!) { deleteRun(input: {id: $run}) { success } }",
}


def variables(things: Things) -> dict[str, Any]:
    key = base64.b64decode(things.run).decode().partition(":")[2]
    return {**vars(things), "file": base64.b64encode(f"RunFile:{key}/a.txt".encode()).decode()}


@pytest.mark.parametrize("what", READS)
def test_a_stranger_sees_nothing_and_a_member_sees_it(services: Services, person: Any, what: str) -> None:
    north, south = person("north"), person("south")
    given = variables(make_things(north))
    assert north.ask(READS[what], **given)["found"] is not None
    assert south.ask(READS[what], **given)["found"] is None
    share(services, "p", "north", "south", "read")
    assert south.ask(READS[what], **given)["found"] is not None
    share(services, "p", "north", "south", None)
    assert south.ask(READS[what], **given)["found"] is None


@pytest.mark.parametrize("what", CHANGES)
def test_only_a_writer_changes(services: Services, person: Any, what: str) -> None:
    north, south = person("north"), person("south")
    given = variables(make_things(north))
    assert south.refused(CHANGES[what], **given) == 404
    share(services, "p", "north", "south", "read")
    assert south.refused(CHANGES[what], **given) == 403
    share(services, "p", "north", "south", "write")
    assert person("south", read_only=True).refused(CHANGES[what], **given) == 403
    assert person("north", read_only=True).refused(CHANGES[what], **given) == 403
    south.ask(CHANGES[what], **given)


def absent(things: dict[str, Any]) -> dict[str, Any]:
    """The same names and ids of things that nobody has made."""

    def other(text: str) -> str:
        kind, _, key = base64.b64decode(text).decode().partition(":")
        return base64.b64encode(f"{kind}:{key.replace('1', '901', 1)}".encode()).decode()

    ids = {"run", "sweep", "agent", "artifact", "collection", "file"}
    return {name: other(text) if name in ids else "nosuch" for name, text in things.items()}


@pytest.mark.parametrize("what", CHANGES)
def test_a_stranger_cannot_tell_what_is_hidden_from_what_is_not_there(person: Any, what: str) -> None:
    north, south = person("north"), person("south")
    given = variables(make_things(north))
    hidden = south.send(CHANGES[what], **given)
    nothing = south.send(CHANGES[what].replace('"p"', '"q"'), **absent(given))

    def told(reply: Any, *names: str) -> tuple[int, str]:
        text = reply.json()["error"]
        for name in sorted(names, key=len, reverse=True):
            text = text.replace(name, "<thing>")
        return reply.status_code, text

    there, missing = (
        [*given.values(), "north/p", "agent 1"],
        [*absent(given).values(), "north/q", "agent 901", "r1"],
    )
    assert told(hidden, *there) == told(nothing, *missing)


def test_nothing_is_drawn_for_a_stranger(services: Services, person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    north, south = person("north"), person("south")
    make_things(north)
    sweep = north.ask(
        'mutation S($c: String) { upsertSweep(input: {config: $c, projectName: "p"}) { sweep { name } } }',
        c="method: random\nparameters: {x: {min: 0, max: 1}}",
    )["upsertSweep"]["sweep"]["name"]
    agent = north.ask(
        'mutation A($s: String!) { createAgent(input: {sweep: $s, projectName: "p"}) { agent { id } } }', s=sweep
    )["createAgent"]["agent"]["id"]
    drawn = []
    draw = proposals.propose
    monkeypatch.setattr(proposals, "propose", lambda *given: drawn.append(given) or draw(*given))
    beat = "mutation H($id: ID!) { agentHeartbeat(input: {id: $id}) { commands } }"
    assert south.refused(beat, id=agent) == 404
    share(services, "p", "north", "south", "read")
    assert south.refused(beat, id=agent) == 403
    assert drawn == []
    assert json.loads(north.ask(beat, id=agent)["agentHeartbeat"]["commands"])[0]["type"] == "run"
    assert len(drawn) == 1


def test_an_address_is_good_for_as_long_as_its_user_may_use_it(
    services: Services, person: Any, client: Client
) -> None:
    north, south = person("north"), person("south")
    make_things(north)
    share(services, "p", "north", "south", "write")
    create = """mutation { createRunFiles(input: {entityName: "north", projectName: "p", runName: "r1",
        files: ["a.txt"]}) { files { uploadUrl } } }"""
    read = """{ project(name: "p", entityName: "north") { run(name: "r1") { files(names: ["a.txt"]) {
        edges { node { directUrl } } } } } }"""
    up = south.ask(create)["createRunFiles"]["files"][0]["uploadUrl"].split("8765", 1)[1]
    down = south.ask(read)["project"]["run"]["files"]["edges"][0]["node"]["directUrl"].split("8765", 1)[1]

    def tried() -> tuple[int, int]:
        return client.put(up, content=b"new").status_code, client.get(down).status_code

    assert tried() == (200, 200)
    share(services, "p", "north", "south", "read")
    assert tried() == (403, 200)
    share(services, "p", "north", "south", None)
    assert tried() == (404, 404)
    share(services, "p", "north", "south", "write")
    with services.store.write() as tables:
        tables.users.drop_keys(tables.users.by_name("south")["id"])  # type: ignore[index]
    assert tried() == (403, 403)
    person("south", read_only=True)
    assert tried() == (403, 200)
    forged = up.replace("by=3", "by=1").replace("by=4", "by=1")
    assert forged != up
    assert client.put(forged, content=b"new").status_code == 403


def test_who_is_passed_on_by_a_proxy_is_here_only_if_nobody_was_elsewhere(client: Client) -> None:
    owner = Person(client, KEY)
    for told, status in (
        ("127.0.0.1", 200), ("127.0.0.1, ::1", 200), ("10.1.2.3", 403), ("10.1.2.3,", 403), ("", 403),
        ("127.0.0.1, 10.1.2.3", 403), ("10.1.2.3, 127.0.0.1", 403),
    ):  # fmt: skip
        headers = owner.headers | {"X-Forwarded-For": told}
        reply = client.post("/graphql", json={"query": "{ viewer { admin } }"}, headers=headers)
        assert reply.status_code == status, told


def test_signed_addresses_lead_to_the_proxy_but_for_the_owner(services: Services, person: Any) -> None:
    client = Client(make_app(replace(services, options=replace(services.options, proxy="https://lab.example"))))
    query = """mutation { createRunFiles(input: {projectName: "p", runName: "r1", files: ["b"]}) {
        files { uploadUrl } } }"""
    for key, start in (
        (person("north").key, "https://lab.example/storage/"),
        (KEY, "http://127.0.0.1:8765/storage/"),
    ):
        who = Person(client, key)
        who.ask(UPSERT, name="r1")
        assert who.ask(query)["createRunFiles"]["files"][0]["uploadUrl"].startswith(start)


def test_rows_are_taken_from_writers_only(services: Services, person: Any, client: Client) -> None:
    north, south = person("north"), person("south")
    make_things(north)

    def stream(who: Person) -> int:
        return client.post("/files/north/p/r1/file_stream", json={}, headers=who.headers).status_code

    assert stream(north) == 200
    assert stream(south) == 404
    share(services, "p", "north", "south", "read")
    assert stream(south) == 403
    share(services, "p", "north", "south", "write")
    assert stream(south) == 200
    assert stream(person("north", read_only=True)) == 403


def test_bytes_are_given_to_readers_only(services: Services, person: Any, client: Client) -> None:
    north, south = person("north"), person("south")
    things = make_things(north)
    key = base64.b64decode(things.artifact).decode().partition(":")[2]
    paths = [
        things.file_url.partition("?")[0],
        f"/storage/artifact/{key}/{things.md5}/x",
        f"/storage/manifest/{key}/wandb_manifest.json",
        f"/artifactsV2/gcp-us/north/QXJ0/{things.md5}/x",
    ]
    assert [client.get(path, headers=north.headers).status_code for path in paths] == [200] * 4
    assert [client.get(path, headers=south.headers).status_code for path in paths] == [404] * 4
    share(services, "p", "north", "south", "read")
    assert [client.get(path, headers=south.headers).status_code for path in paths] == [200] * 4
    assert [client.get(path).status_code for path in paths] == [403, 403, 403, 401]


def test_lineage_names_no_run_of_a_project_that_is_hidden(services: Services, person: Any) -> None:
    north, south = person("north"), person("south")
    things = make_things(north)
    share(services, "p", "north", "south", "read")
    south.ask('mutation { upsertBucket(input: {modelName: "secret", name: "mine"}) { inserted } }')
    south.ask(
        'mutation Q($a: ID!) { useArtifact(input: {artifactID: $a, entityName: "south", projectName: "secret",'
        ' runName: "mine"}) { artifact { id } } }',
        a=things.artifact,
    )
    query = "query Q($a: ID!) { artifact(id: $a) { usedBy { edges { node { name } } } } }"
    assert len(south.ask(query, a=things.artifact)["artifact"]["usedBy"]["edges"]) == 1
    assert north.ask(query, a=things.artifact)["artifact"]["usedBy"]["edges"] == []


def test_each_user_has_projects_of_its_own(person: Any) -> None:
    north, south = person("north"), person("south")
    for who in (north, south):
        who.ask(UPSERT, name="same")
    query = 'query { project(name: "p") { entityName runs { edges { node { name user { username } } } } } }'
    for who, name in ((north, "north"), (south, "south")):
        found = who.ask(query)["project"]
        assert found["entityName"] == name
        assert [edge["node"]["user"]["username"] for edge in found["runs"]["edges"]] == [name]
    assert north.ask("{ viewer { entity username admin } }")["viewer"] == {
        "entity": "north", "username": "north", "admin": False
    }  # fmt: skip


def test_projects_of_others_are_listed_when_they_are_shared(services: Services, person: Any) -> None:
    north, south = person("north"), person("south")
    north.ask(UPSERT, name="r")
    query = '{ models(entityName: "north") { edges { node { name entityName } } } }'
    assert south.ask(query)["models"]["edges"] == []
    share(services, "p", "north", "south", "read")
    assert [edge["node"]["name"] for edge in south.ask(query)["models"]["edges"]] == ["p"]
    teams = south.ask("{ viewer { teams { edges { node { name } } } } }")["viewer"]["teams"]["edges"]
    assert [edge["node"]["name"] for edge in teams] == ["south", "north"]


def test_keys_are_hashed_and_can_be_taken_back(services: Services, person: Any, tmp_path: Path) -> None:
    north = person("north")
    assert north.ask("{ viewer { entity } }")["viewer"]["entity"] == "north"
    with services.store.read() as tables:
        stored = tables.users._db.execute("SELECT * FROM keys").fetchall()
    assert [row["digest"] for row in stored] == [digest_of(north.key)]
    assert not any(north.key in str(value) for row in stored for value in row)
    with services.store.write() as tables:
        assert tables.users.drop_keys(stored[0]["user_id"], "none") == 0
        assert tables.users.drop_keys(stored[0]["user_id"]) == 1
    fresh = Person(Client(make_app(services)), north.key)
    services.keyring._known.clear()  # what is remembered for two seconds
    assert fresh.send("{ viewer { entity } }").status_code == 401


def test_the_owners_key_is_good_on_this_machine_only(services: Services, client: Client) -> None:
    owner = Person(client, KEY)
    assert owner.ask("{ viewer { admin } }")["viewer"]["admin"] is True
    elsewhere = Person(Client(client.app, peer="10.1.2.3"), KEY)
    assert elsewhere.refused("{ viewer { admin } }") == 403


def test_pages_ask_for_a_key_and_show_what_it_may_see(services: Services, person: Any, client: Client) -> None:
    north, south = person("north"), person("south")
    make_things(north)
    unknown = client.get("/north/p")
    assert (unknown.status_code, unknown.headers["location"]) == (303, "/login?next=%2Fnorth%2Fp")
    for path in ("/", "/north", "/north/p", "/north/p/runs/r1", "/north/p/artifacts/t/set/v0"):
        assert client.get(path, headers=bearer(north)).status_code == 200, path
        told = client.get(path, headers=north.headers)  # Basic, which a browser sends along
        assert (told.status_code, told.headers["location"][:12]) == (303, "/login?next="), path
    for path in ("/north/p", "/north/p/runs/r1", "/north/p/artifacts/t/set/v0"):
        assert client.get(path, headers=bearer(south)).status_code == 404, path
    assert "/north/p" in client.get("/", headers=bearer(north)).text
    assert "/north/p" not in client.get("/", headers=bearer(south)).text


def bearer(who: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {who.key}"}


def test_pages_without_a_key_only_where_there_is_nobody_else(tmp_path: Path, services: Services) -> None:
    alone = Services.open(tmp_path / "alone", KEY, b"secret", ServeOptions())
    try:
        app = make_app(alone)
        assert Client(app).get("/").status_code == 200
        assert Client(app, peer="10.1.2.3").get("/").status_code == 303
        with alone.store.write() as tables:
            tables.users.add_key(tables.users.add("north"), "x" * 40, read_only=False)
        assert Client(app).get("/").status_code == 303
    finally:
        alone.close()
