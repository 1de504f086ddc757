"""What may be changed from a page, and by whom: never by a reader without a key or a session."""

import hashlib
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from launch.server.app import make_app
from launch.server.browsers import COOKIE
from launch.server.limits import ServeOptions
from launch.server.request import Services
from tests.launch.server.asgi import Client, Reply
from tests.launch.server.conftest import KEY
from tests.launch.server.people import Person, begin_agent, make_things

FORM = {"content-type": "application/x-www-form-urlencoded"}
STOP = {"action": "stop"}


@pytest.fixture
def options() -> ServeOptions:
    return ServeOptions(lease_seconds=60.0, grace_seconds=15.0, lab=True)


def person(services: Services, client: Client, name: str, *, read_only: bool = False) -> Person:
    key = hashlib.sha256(f"{name}{read_only}".encode()).hexdigest()[:40]
    with services.store.write() as tables:
        known = tables.users.by_name(name)
        user = known["id"] if known is not None else tables.users.add(name)
        tables.users.add_key(user, key, read_only=read_only)
    return Person(client, key)


@pytest.fixture
def north(services: Services, client: Client) -> Person:
    return person(services, client, "north")


@pytest.fixture
def things(north: Person) -> Any:
    return make_things(north)


def session(client: Client, key: str) -> dict[str, str]:
    reply = client.post("/login", content=urlencode({"key": key, "next": "/"}).encode(), headers=FORM)
    return {"cookie": reply.headers["set-cookie"].partition(";")[0]}


def state(services: Services, name: str) -> str:
    with services.store.read() as tables:
        return str(tables.sweeps._db.execute("SELECT state FROM sweeps WHERE name = ?", (name,)).fetchone()[0])


def addresses(things: Any) -> list[tuple[str, Any]]:
    sweep = f"/change/north/p/sweeps/{things.sweep_name}"
    return [
        *((sweep, {"action": action}) for action in ("stop", "pause", "resume", "cancel", "reopen")),
        ("/change/north/p/runs/r1", {"notes": "planted", "tags": ["planted"]}),
    ]


def refused(services: Services, things: Any, reply: Reply, status: int) -> None:
    assert reply.status_code == status, reply.text
    assert state(services, things.sweep_name) == "RUNNING"
    with services.store.read() as tables:
        row = tables.runs._db.execute("SELECT notes, tags FROM runs WHERE name = 'r1'").fetchone()
    assert tuple(row) == (None, "[]")


def test_each_change_is_refused_without_a_key_or_a_session(
    client: Client, services: Services, things: Any
) -> None:
    for address, body in addresses(things):
        refused(services, things, client.post(address, json=body), 401)
        cookie = {"cookie": f"{COOKIE}=made-up"}
        refused(services, things, client.post(address, json=body, headers=cookie), 401)


def test_the_reader_of_a_server_without_users_changes_nothing(tmp_path: Any, headers: dict[str, str]) -> None:
    """Whoever can reach a port of this machine reads its pages; to change something takes the key all the same."""
    alone = Services.open(tmp_path / "alone", KEY, b"secret", ServeOptions())
    try:
        client = Client(make_app(alone))
        things = make_things(Person(client, KEY))
        for there, body in addresses(things):
            address = there.replace("/north/", "/local/")
            assert client.get(address.replace("/change/", "/")).status_code == 200
            refused(alone, things, client.post(address, json=body), 401)
        cookie = session(client, KEY)
        address = f"/change/local/p/sweeps/{things.sweep_name}"
        assert client.post(address, json=STOP, headers=cookie).json() == {"state": "FINISHED"}
        assert "/login?next=" in client.get(f"/local/p/sweeps/{things.sweep_name}").text
    finally:
        alone.close()


def test_keys_and_sessions_that_may_only_read_are_refused(
    client: Client, services: Services, north: Person, things: Any
) -> None:
    reader = person(services, client, "north", read_only=True)
    for address, body in addresses(things):
        refused(services, things, client.post(address, json=body, headers=reader.headers), 403)
        refused(services, things, client.post(address, json=body, headers=session(client, reader.key)), 403)
    address, body = addresses(things)[-1]
    assert client.post(address, json=body, headers=session(client, north.key)).status_code == 200


def test_projects_of_others_are_not_there_and_shared_ones_are_read(
    client: Client, services: Services, north: Person, things: Any
) -> None:
    south = person(services, client, "south")
    for address, body in addresses(things):
        refused(services, things, client.post(address, json=body, headers=session(client, south.key)), 404)


def test_what_pages_ask_for_is_told_to_readers_alone(
    client: Client, services: Services, north: Person, things: Any
) -> None:
    south = session(client, person(services, client, "south").key)
    sweep = f"/view/north/p/sweeps/{things.sweep_name}"
    views = ["/view/north/p/runs", *(f"{sweep}/{name}" for name in ("runs", "best", "importance"))]
    for address in [*views, "/view/north/p/live", "/view/north/p/runs/live", f"{sweep}/live"]:
        assert client.get(address).status_code == 401
        assert client.get(address, headers=south).status_code == 404
    for address in views:
        assert client.get(address, headers=session(client, north.key)).status_code == 200
    assert client.get("/change/north/p/runs/r1", headers=south).status_code in (404, 405)


def test_other_pages_and_other_types_are_refused(
    client: Client, services: Services, north: Person, things: Any
) -> None:
    cookie = session(client, north.key)
    for address, body in addresses(things):
        foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
        refused(services, things, client.post(address, json=body, headers=cookie | foreign), 403)
        sibling = {"sec-fetch-site": "same-site"}
        refused(services, things, client.post(address, json=body, headers=cookie | sibling), 403)
        text = client.post(
            address, content=json.dumps(body).encode(), headers=cookie | {"content-type": "text/plain"}
        )
        refused(services, things, text, 415)
        refused(services, things, client.post(address, content=b"x" * 200_000, headers=cookie), 413)
        assert client.get(address, headers=cookie).status_code in (404, 405)


@pytest.mark.parametrize("body", [[], {}, {"action": 3}, {"action": "destroy"}, {"action": ["stop"]}, "x"])
def test_what_is_no_action_is_refused(
    client: Client, services: Services, north: Person, things: Any, body: Any
) -> None:
    address = addresses(things)[0][0]
    refused(services, things, client.post(address, json=body, headers=north.headers), 400)


@pytest.mark.parametrize(
    "body",
    [{}, {"notes": 3}, {"notes": None}, {"tags": "a"}, {"tags": [1]}, {"tags": ["x" * 65]},
     {"tags": [str(n) for n in range(101)]}, {"displayName": "x"}],
)  # fmt: skip
def test_notes_and_tags_of_the_wrong_kind_are_refused(
    client: Client, services: Services, north: Person, things: Any, body: Any
) -> None:
    refused(services, things, client.post(addresses(things)[-1][0], json=body, headers=north.headers), 400)


def test_notes_and_tags_are_stored(client: Client, north: Person, things: Any) -> None:
    address, cookie = "/change/north/p/runs/r1", session(client, north.key)
    told = client.post(address, json={"notes": "<b>é\n", "tags": [" a ", "b", "a", ""]}, headers=cookie).json()
    assert told == {"notes": "<b>é\n", "tags": ["a", "b"]}
    assert client.post(address, json={"notes": ""}, headers=cookie).json() == {"notes": "", "tags": ["a", "b"]}
    assert client.post(address, json={"tags": []}, headers=cookie).json() == {"notes": "", "tags": []}
    assert client.post("/change/north/p/runs/gone", json={"notes": ""}, headers=cookie).status_code == 404


def test_a_sweep_is_paused_resumed_stopped_and_cancelled(
    client: Client, services: Services, north: Person, things: Any
) -> None:
    address, cookie = addresses(things)[0][0], session(client, north.key)

    def act(action: str, status: int = 200) -> Any:
        reply = client.post(address, json={"action": action}, headers=cookie)
        assert reply.status_code == status, reply.text
        return reply.json().get("state")

    assert [act(action) for action in ("pause", "resume", "stop")] == ["PAUSED", "RUNNING", "FINISHED"]
    act("pause", 409)
    act("stop", 409)
    assert [act(action) for action in ("resume", "cancel")] == ["RUNNING", "CANCELED"]
    act("reopen", 409)
    assert client.post(address + "x", json=STOP, headers=cookie).status_code == 404


def test_failed_points_are_opened_again_and_finished_ones_are_not(
    client: Client, services: Services, north: Person, things: Any
) -> None:
    def beat(running: str | None = None) -> Any:
        reply = north.ask(
            'mutation H($id: ID!, $r: JSONString) { agentHeartbeat(input: {id: $id, metrics: "{}", runState: $r})'
            " { commands } }",
            id=agent, r=json.dumps({} if running is None else {running: True}),
        )  # fmt: skip
        return json.loads(reply["agentHeartbeat"]["commands"])

    def end(name: str, code: int) -> None:
        for body in ({}, {"complete": True, "exitcode": code}):
            reply = client.post(f"/files/north/p/{name}/file_stream", json=body, headers=north.headers)
            assert reply.status_code == 200, reply.text

    agent = begin_agent(north, things.sweep_name)
    first, second = None, None
    [first] = beat()
    end(first["run_id"], 1)
    [second] = beat()
    end(second["run_id"], 0)
    assert beat() == [{"type": "exit"}]
    address, cookie = addresses(things)[0][0], session(client, north.key)
    told = client.get(f"/view/north/p/sweeps/{things.sweep_name}/runs", headers=cookie).json()["progress"]
    assert (told["failed"], told["ended"], told["state"]) == (1, 2, "FINISHED")
    reply = client.post(address, json={"action": "reopen"}, headers=cookie).json()
    assert reply == {"state": "RUNNING", "opened": 1}
    agent = begin_agent(north, things.sweep_name)
    [again] = beat()
    assert again["args"] == first["args"]
    assert again["run_id"] != first["run_id"]
    end(again["run_id"], 0)
    assert beat() == [{"type": "exit"}]
    assert client.post(address, json={"action": "reopen"}, headers=cookie).json()["opened"] == 0
    with services.store.read() as tables:
        states = tables.runs._db.execute(
            "SELECT state FROM runs WHERE sweep_id IS NOT NULL ORDER BY id"
        ).fetchall()
    assert [row["state"] for row in states] == ["failed", "finished", "finished"]
