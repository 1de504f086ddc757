"""Hostile input: no 5xx, no hang, no growth without bound, nothing written where it does not belong."""

import json
import logging
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from launch.server import upkeep
from launch.server.limits import ServeOptions
from launch.server.request import Services
from tests.launch.server.asgi import Client, Reply
from tests.launch.server.conftest import KEY
from tests.launch.server.hostile import Attack, Attacker, basic
from tests.launch.server.people import Person, make_things

SEED = 11
REQUESTS = 20_000
ANEW = 200
SLOW_SECONDS = 5.0
MOST_GROWTH_MB = 150


def send(client: Client, attack: Attack) -> Reply:
    return client.request(attack.method, attack.path, content=attack.body, headers=dict(attack.headers))


def must_be_answered(attack: Attack, reply: Reply) -> None:
    assert reply.status_code < 500, (attack, reply.text)
    if reply.status_code >= 400 and "json" in reply.headers.get("content-type", ""):
        body = reply.json()
        assert set(body) == {"data", "errors", "error"}, (attack, body)
        assert body["data"] is None
        assert body["errors"] == [{"message": body["error"]}]
        assert 0 < len(body["error"]) < 2_000, (attack, body)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The server's folder; what is written beside it is seen."""
    return tmp_path / "state"


@pytest.fixture
def services(folder: Path, options: ServeOptions) -> Iterator[Services]:
    opened = Services.open(folder, KEY, b"secret", options)
    yield opened
    opened.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_thousand_bad_requests(
    request: pytest.FixtureRequest, folder: Path, services: Services, client: Client, make_run: Any
) -> None:
    logging.disable(logging.CRITICAL)
    request.addfinalizer(lambda: logging.disable(logging.NOTSET))
    make_things(Person(client, KEY))
    attacker = Attacker(SEED, basic(KEY))
    for _ in range(REQUESTS // 10):
        send(client, attacker.attack())
    before = peak_mb()
    statuses: dict[int, int] = {}
    for number in range(REQUESTS):
        if number % ANEW == 0:  # an attack may have deleted it, and an id is not given twice
            with services.store.write() as tables:
                tables.runs._db.execute("DELETE FROM deleted_runs WHERE name = 'r1'")
            make_run("r1")
        attack = attacker.attack()
        start = time.monotonic()
        reply = send(client, attack)
        assert time.monotonic() - start < SLOW_SECONDS, attack
        must_be_answered(attack, reply)
        statuses[reply.status_code] = statuses.get(reply.status_code, 0) + 1
    assert peak_mb() - before < MOST_GROWTH_MB
    assert statuses.get(200, 0) > REQUESTS / 10, "most attacks should get past the first check"
    assert statuses.get(400, 0) > REQUESTS / 10
    assert upkeep.verify(folder).problems == []
    assert {path.name for path in folder.iterdir()} <= {"server.db", "server.db-wal", "server.db-shm", "blobs"}
    assert list(folder.parent.iterdir()) == [folder], "something was written outside the server's folder"


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/graphql"), ("POST", "/files/local/p/r/file_stream"), ("PUT", "upload")],
)
def test_a_body_that_never_ends_is_given_up(
    monkeypatch: pytest.MonkeyPatch, client: Client, ask: Any, make_run: Any, method: str, path: str
) -> None:
    monkeypatch.setattr("launch.server.bodies.BODY_SECONDS", 0.2)
    monkeypatch.setattr("launch.server.transfer.STALL_SECONDS", 0.2)
    make_run("r")
    if path == "upload":
        query = (
            'mutation { createRunFiles(input: {projectName: "p", runName: "r", files: ["a"]}) {files {uploadUrl}}}'
        )
        path = ask(query)["createRunFiles"]["files"][0]["uploadUrl"].split("8765", 1)[1]
    reply = client.request(method, path, content=b"{", headers=basic(KEY), stalls=True)
    assert (reply.status_code, "did not arrive" in reply.json()["error"]) == (408, True)


def test_a_pattern_that_would_never_end_is_refused_in_time(ask: Any, make_run: Any) -> None:
    make_run("a" * 60 + "!")
    query = 'query Q($f: JSONString) { project(name: "p") { runs(filters: $f) { edges { node { name } } } } }'
    start = time.monotonic()
    assert "takes too long" in ask(query, 400, f='{"name": {"$regex": "(a|aa)+$"}}')
    assert time.monotonic() - start < SLOW_SECONDS


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(max_size=80),
    values=st.dictionaries(
        st.text(max_size=20), st.floats() | st.integers() | st.text(max_size=50) | st.none(), max_size=4
    ),
)
def test_any_name_and_any_values_are_kept_or_refused(client: Client, ask: Any, name: str, values: Any) -> None:
    """Whatever is taken comes back as it was, from a run of any name; the rest is refused with a 4xx."""
    query = """mutation U($name: String, $config: JSONString) { upsertBucket(input: {name: $name, modelName: "p",
        config: $config}) { bucket { id name config } } }"""
    body = json.dumps({"query": query, "variables": {"name": name, "config": json.dumps(values)}}).encode()
    reply = client.post("/graphql", content=body, headers=basic(KEY))
    must_be_answered(Attack("POST", "/graphql", body), reply)
    if reply.status_code != 200:
        return
    stored = reply.json()["data"]["upsertBucket"]["bucket"]
    assert repr(json.loads(stored["config"])) == repr(values)
    read = 'query Q($name: String!) { project(name: "p") { run(name: $name) { name } } }'
    found = ask(read, name=stored["name"])
    assert found["project"]["run"]["name"] == stored["name"]
    assert not name or stored["name"] == name
